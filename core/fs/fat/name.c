/* SPDX-License-Identifier: MIT
 *
 * Names: UTF-16 and 8.3 on the medium, UTF-8 in paths. Source: the format page,
 * long names, and "What our driver does".
 */
#include "core/fs/fat/fat.h"
#include "core/fs/fat/vol.h"

#define SURROGATE 0xd800u
#define BAD_CHAR  0xffffffffu
/* A byte of an 8.3 name beyond ASCII, whose code page nobody knows. */
#define OEM 0xf000u

static FP_FAT_APART uint32_t utf8_size(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

uint32_t fp_fat_utf8_take(const char **text)
{
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t lead = *p++, c = lead, more;

    if (lead >= 0x80) {
        more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        c &= 0x7fu >> more; /* too large for leads that there are not */
        for (uint32_t i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return BAD_CHAR;
            c = c << 6 | (*p & 0x3f);
        }
        if (lead < 0xc0 || utf8_size(c) != more + 1 || c > 0x10ffff ||
            c >> 11 == SURROGATE >> 11)
            return BAD_CHAR;
    }
    *text = (const char *)p;
    return c;
}

/* How many bytes it took. */
static uint32_t utf8_put(char *out, uint32_t c)
{
    uint32_t n = utf8_size(c);

    for (uint32_t i = n; --i > 0; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n > 1 ? 0xf00 >> n | c : c);
    return n;
}

/* Letters whose capitals stand at a fixed distance; of pairs, 1, the odd ones
 * are small. */
static const struct {
    uint16_t first;
    uint8_t count, down;
} small[] = {
    { 'a', 26, 32 },    { 0xe0, 23, 32 },   { 0xf8, 7, 32 },
    { 0x100, 56, 1 },   { 0x14a, 46, 1 },   { 0x3b1, 17, 32 },
    { 0x3c3, 9, 32 },   { 0x430, 32, 32 },  { 0x450, 16, 80 },
    { 0x460, 34, 1 },   { 0x48a, 54, 1 },   { 0x4d0, 96, 1 },
    { 0x561, 38, 48 },  { 0x1e00, 150, 1 }, { 0x1ea0, 96, 1 },
    { 0xff41, 26, 32 },
};

static uint32_t fold(uint32_t c)
{
    uint32_t i = 0;

    if (!FP_FAT_SMALL && c < small[0].first) /* most are */
        return c;
    for (; i < sizeof small / sizeof small[0]; i++)
        if (c - small[i].first < small[i].count)
            return small[i].down > 1 ? c - small[i].down : c & ~1u;
    return c;
}

/* Takes one character of UTF-16; BAD_CHAR for half a pair. */
static uint32_t utf16_take(const uint16_t **at, const uint16_t *end)
{
    uint32_t c = *(*at)++, low;

    if (c >> 11 != SURROGATE >> 11)
        return c;
    if (c & 0x400 || *at >= end)
        return BAD_CHAR;
    low = *(*at)++;
    if (low >> 10 != 0xdc00 >> 10)
        return BAD_CHAR;
    return 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
}

uint32_t fp_fat_trim(const uint8_t *text, uint32_t size)
{
    while (size && text[size - 1] == ' ')
        size--;
    return size;
}

/* The 8.3 name as it is shown, in UTF-16; how many units. */
static uint32_t short_units(const uint8_t *raw, uint16_t units[12])
{
    uint32_t base = fp_fat_trim(raw, 8), ext = fp_fat_trim(raw + 8, 3), n = 0;

    for (uint32_t i = 0; i < 8 + ext; i++) {
        uint32_t lower = i < 8 ? FP_FAT_LOWER_BASE : FP_FAT_LOWER_EXT;
        uint32_t c = i == 0 && raw[0] == 0x05 ? 0xe5 : raw[i];

        if (i == 8)
            units[n++] = '.';
        if (i >= base && i < 8)
            continue;
        if (c >= 'A' && c <= 'Z' && raw[FP_FAT_AT_CASE] & lower)
            c += 32;
        units[n++] = (uint16_t)(c < 0x80 ? c : OEM + c);
    }
    return n;
}

static bool is_name(const uint16_t *at, uint32_t count, const char *path)
{
    const uint16_t *end = at + count;

    while (at < end) {
        uint32_t c = fp_fat_utf8_take(&path);

        if (!c || c == '/' || c == BAD_CHAR ||
            fold(c) != fold(utf16_take(&at, end)))
            return false;
    }
    return count && (*path == '/' || !*path);
}

bool fp_fat_name_is(const struct fp_fat *fs, const uint8_t *raw,
                    const char *path)
{
    uint16_t units[12];

    return is_name(fs->name, fs->units, path) ||
           is_name(units, short_units(raw, units), path);
}

#if !FP_FAT_SMALL
uint32_t fp_fat_name_hash(const char *path)
{
    uint32_t hash = 0, c;

    while ((c = fp_fat_utf8_take(&path)) != 0 && c != '/' && c != BAD_CHAR)
        hash = hash * 31 + fold(c);
    return hash;
}

static uint32_t hash_units(const uint16_t *at, uint32_t count)
{
    const uint16_t *end = at + count;
    uint32_t hash = 0;

    while (at < end)
        hash = hash * 31 + fold(utf16_take(&at, end));
    return hash;
}

void fp_fat_name_hashes(const struct fp_fat *fs, const uint8_t *raw,
                        uint32_t hashes[2])
{
    uint16_t units[12];

    hashes[0] = hash_units(units, short_units(raw, units));
    hashes[1] = fs->units ? hash_units(fs->name, fs->units) : hashes[0];
}
#endif

/* 0: what a path cannot hold. */
static uint32_t show(const uint16_t *at, uint32_t count, char *name)
{
    const uint16_t *end = at + count;
    uint32_t n = 0;

    while (at < end) {
        uint32_t c = utf16_take(&at, end);

        if (c == BAD_CHAR || c == '/' || !c || n + utf8_size(c) > FP_NAME_MAX)
            return 0;
        n += utf8_put(name + n, c);
    }
    /* "." and ".." are no names. */
    return n && n <= 2 && name[0] == '.' && name[n - 1] == '.' ? 0 : n;
}

uint32_t fp_fat_name_show(const struct fp_fat *fs, const uint8_t *raw,
                          char *name)
{
    uint16_t units[12];
    uint32_t n = show(fs->name, fs->units, name);

    if (!n)
        n = show(units, short_units(raw, units), name);
    name[n] = '\0';
    return n;
}

uint8_t fp_fat_checksum(const uint8_t *raw)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < 11; i++)
        sum = (uint8_t)((sum >> 1 | sum << 7) + raw[i]);
    return sum;
}

bool fp_fat_is_same(const char *a, const char *b)
{
    uint32_t c;

    do {
        c = fold(fp_fat_utf8_take(&a));
        if (c == BAD_CHAR || c != fold(fp_fat_utf8_take(&b)))
            return false;
    } while (c);
    return true;
}
