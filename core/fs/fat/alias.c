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

/* UTF-8 up to NUL into fs->name. Where its extension begins; NULL: it has none.
 */
static const uint16_t *take_units(struct fp_fat *fs, const char *name)
{
    uint16_t *to = fs->name, *dot = NULL;
    uint32_t c;

    memset(to, 0xff, sizeof fs->name); /* what parts have behind it */
    while ((c = fp_fat_utf8_take(&name)) != 0) {
        if (c + 1 < 0x21 || /* or none at all */
            (c < 0x80 && strchr(illegal + (*name ? 2 : 0), (int)c))) {
            fp_fat_fail(fs, FP_ERR_INVAL);
            break;
        }
        /* ".profile" is a base without an extension. */
        if (c == '.' && to != fs->name)
            dot = to;
        if (c > 0xffff) {
            *to++ = (uint16_t)(0xd7c0 + (c >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        *to++ = (uint16_t)c;
    }
    *to = 0;
    fs->units = (uint32_t)(to - fs->name);
    return dot;
}

void fp_fat_name_take(struct fp_fat *fs, const char *name, uint8_t *raw)
{
    const uint16_t *dot = take_units(fs, name);
    uint16_t units[FP_FAT_SHORT_MAX];
    uint32_t n = 0, end = 8, lower = FP_FAT_LOWER_BASE;

    memset(raw, ' ', 11);
    raw[FP_FAT_AT_CASE] = 0;
    for (const uint16_t *at = fs->name; *at; at++) {
        uint32_t c = *at;

        if (at == dot) {
            n = 8;
            end = 11;
            lower = FP_FAT_LOWER_EXT;
        }
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
    if (fp_fat_name_short(raw, units) == fs->units &&
        memcmp(units, fs->name, fs->units * sizeof *units) == 0)
        fs->units = 0;
    else
        raw[FP_FAT_AT_CASE] = 0;
}

uint8_t *fp_fat_alias_make(struct fp_fat *fs, uint8_t *raw, uint32_t round)
{
    uint32_t n = fp_fat_trim(raw, round ? 2 : 6), hash = round;

    if (round) {
        for (uint32_t i = 0; i < fs->units; i++)
            hash = hash * 31 + fs->name[i];
        for (uint32_t i = 0; i < 4; i++, hash >>= 4)
            raw[n++] = (uint8_t)('A' + (hash & 15));
    }
    memset(raw + n, ' ', 8 - n);
    raw[n] = '~';
    return raw + n + 1;
}
