/* SPDX-License-Identifier: MIT
 *
 * New names: what of it an 8.3 name can say, and else an alias that has a tail.
 * Source: the format page, long names, and "What our driver does".
 */
#include "core/fs/fat/vol.h"

/* May stand in a long name. Source: FAT specification, "Long and short names";
 * of ASCII, those that may not. A path has no '/' in a name. */
static bool is_legal(uint32_t c)
{
    return c < 0x80 ? c >= 0x20 && !strchr("\"*:<>?\\|\x7f", (int)c)
                    : c <= 0x10ffff;
}

/* UTF-8 up to NUL into fs->name, which has room for a pair too many. */
static void take_units(struct fp_fat *fs, const char *name)
{
    uint16_t *to = fs->name;
    uint32_t c = 0;

    memset(to, 0xff, sizeof fs->name); /* what parts have behind it */
    while (*name != '\0' && !fs->err) {
        c = fp_fat_utf8_take(&name);
        if (!is_legal(c))
            fp_fat_fail(fs, FP_ERR_INVAL);
        if (c > 0xffff) {
            *to++ = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + (c & 0x3ff);
        }
        *to++ = (uint16_t)c;
        if (to > fs->name + FP_FAT_UNITS_MAX)
            fp_fat_fail(fs, FP_ERR_NAMETOOLONG);
    }
    /* Others would drop them, and find another name. */
    if (c == '.' || c == ' ')
        fp_fat_fail(fs, FP_ERR_INVAL);
    *to = 0;
    fs->units = (uint32_t)(to - fs->name);
}

/* Fills one half of raw, and which cases its letters have: 1 small, 2 capital,
 * 4 something is missing. */
static uint32_t take_half(const uint16_t *at, const uint16_t *end, uint8_t *to,
                          uint32_t room)
{
    uint32_t n = 0, seen = 0;

    while (at < end) {
        uint32_t c = *at++;

        if (c == ' ' || c == '.' || n == room) {
            seen |= 4;
            continue;
        }
        /* Legal as it is, an 8.3 name may hold it but for these. */
        if (c >= 0x80 || strchr("+,;=[]", (int)c)) {
            seen |= 4;
            c = '_';
        }
        if (c - 'a' < 26) {
            seen |= 1;
            c -= 32;
        } else if (c - 'A' < 26) {
            seen |= 2;
        }
        to[n++] = (uint8_t)c;
    }
    return seen;
}

void fp_fat_name_take(struct fp_fat *fs, const char *name, uint8_t *raw)
{
    const uint16_t *end, *dot; /* behind it */
    uint32_t base, ext;

    take_units(fs, name);
    memset(raw, ' ', 11);
    end = fs->name + fs->units;
    for (dot = end; dot > fs->name && dot[-1] != '.'; dot--)
        continue;
    /* ".profile" is a base without an extension. */
    if (dot <= fs->name + 1)
        dot = end + 1;
    base = take_half(fs->name, dot - 1, raw, 8);
    ext = take_half(dot, end, raw + 8, 3);
    raw[FP_FAT_AT_CASE] = 0;
    if (base > 2 || ext > 2 || raw[0] == ' ')
        return;
    fs->units = 0;
    raw[FP_FAT_AT_CASE] = (uint8_t)((base & 1) * FP_FAT_LOWER_BASE |
                                    (ext & 1) * FP_FAT_LOWER_EXT);
}

uint8_t *fp_fat_alias_make(struct fp_fat *fs, uint8_t *raw, uint32_t round)
{
    uint32_t n = fp_fat_trim(raw, 8), hash = round;

    if (round) {
        for (uint32_t i = 0; i < fs->units; i++)
            hash = hash * 31 + fs->name[i];
        n = fp_fat_min(n, 2);
        for (uint32_t i = 0; i < 4; i++, hash >>= 4)
            raw[n++] = (uint8_t)('A' + (hash & 15));
    }
    n = fp_fat_min(n, 6);
    memset(raw + n, ' ', 8 - n);
    raw[n] = '~';
    return raw + n + 1;
}
