/* SPDX-License-Identifier: MIT
 *
 * New names: what of it an 8.3 name can say, and else an alias that has a tail.
 * Source: the format page, long names, and "What our driver does".
 */
#include "core/fs/fat/vol.h"

/* Of ASCII what may not stand in a long name, after what may not end it: others
 * would drop that, and find another name. Source: FAT specification, "Long and
 * short names"; a path has no '/' in a name. */
static const char illegal[] = ". \"*:<>?\\|\x7f";

_Static_assert(FP_NAME_MAX <= FP_FAT_UNITS_MAX,
               "a path may be too long a name");

/* Nor may c stand in it, or else end it where it does. */
static bool is_illegal(uint32_t c, bool ends)
{
    return c + 1 < 0x21 || /* or no character at all */
           (c < 0x80 && strchr(illegal + (ends ? 0 : 2), (int)c));
}

void fp_fat_name_take(struct fp_fat *fs, struct fp_fat_place *place)
{
    const char *name = place->name;
    uint8_t *raw = place->raw;
    uint16_t *to = fs->name, units[FP_FAT_SHORT_SIZE];
    uint32_t n = 0, end = 8, lower = FP_FAT_LOWER_BASE, c;

    memset(to, 0xff, sizeof fs->name); /* what parts have behind it */
    memset(raw, ' ', 11);
    raw[FP_FAT_AT_CASE] = 0;
    while ((c = fp_fat_utf8_take(&name)) != 0) {
        if (is_illegal(c, !*name)) {
            fp_fat_fail(fs, FP_ERR_INVAL);
            break;
        }
        /* ".profile" is a base without an extension. */
        if (c == '.' && to != fs->name && !strchr(name, '.')) {
            n = 8;
            end = 11;
            lower = FP_FAT_LOWER_EXT;
        }
        if (c > 0xffff) {
            *to++ = (uint16_t)(0xd7c0 + (c >> 10));
            c = 0xdc00 + (c & 0x3ff);
            if (n < end)
                raw[n++] = '_';
        }
        *to++ = (uint16_t)c;
        if (c == ' ' || c == '.' || n == end)
            continue;
        /* Legal as it is, an 8.3 name may hold it but for these. */
        if (c >= 0x80 || strchr("+,;=[]", (int)c))
            c = '_';
        if (c - 'a' < 26) {
            raw[FP_FAT_AT_CASE] |= (uint8_t)lower;
            c -= 32;
        }
        raw[n++] = (uint8_t)c;
    }
    *to = 0;
    n = fp_fat_name_short(raw, units);
    if (memcmp(units, fs->name, (n + 1) * sizeof *units) == 0)
        to = fs->name;
    else
        raw[FP_FAT_AT_CASE] = 0;
    *to = 0;
    place->slots = ((uint32_t)(to - fs->name) + 25) / 13;
}

uint8_t *fp_fat_alias_make(struct fp_fat *fs, uint8_t *raw, uint32_t round)
{
    uint32_t n = fp_fat_trim(raw, round ? 2 : 6), hash = round;

    if (round) {
        for (const uint16_t *at = fs->name; *at; at++)
            hash = hash * 31 + *at;
        for (uint32_t i = 0; i < 4; i++, hash >>= 4)
            raw[n++] = (uint8_t)('A' + (hash & 15));
    }
    memset(raw + n, ' ', 8 - n);
    raw[n] = '~';
    return raw + n + 1;
}
