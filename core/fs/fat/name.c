/* SPDX-License-Identifier: MIT
 *
 * Names: UTF-16 and 8.3 on the medium, UTF-8 in paths. Source: the format page,
 * long names, and "What our driver does".
 */
#include "core/fs/fat/fat.h"
#include "core/fs/fat/vol.h"

#define SURROGATE 0xd800u
#define PAIR_BASE ((SURROGATE << 10) + 0xdc00 - 0x10000)
#define CHAR_MAX  0x10ffffu
#define BAD_CHAR  0xffffffffu
/* A byte of an 8.3 name beyond ASCII, whose code page nobody knows. */
#define OEM 0xf000u

/* Bytes of a character; 0: it is none. */
static FP_FAT_APART uint32_t utf8_size(uint32_t c)
{
    uint32_t n = 2;

    if (c > CHAR_MAX || c >> 11 == SURROGATE >> 11)
        return 0;
    if (c < 0x80)
        return 1;
    for (c >>= 11; c; c >>= 5)
        n++;
    return n;
}

uint32_t fp_fat_utf8_take(const char **text)
{
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t c = *p++, size = 1;

    /* Each one of the lead's behind the first stands for a byte. */
    for (uint32_t lead = c; lead >= 0xc0; lead = lead << 1 & 0xff)
        size++;
    if (size > 1)
        c &= 0xffu >> size;
    for (uint32_t i = size; --i > 0; p++) {
        if ((*p & 0xc0) != 0x80)
            return BAD_CHAR;
        c = c << 6 | (*p & 0x3f);
    }
    if (utf8_size(c) != size)
        return BAD_CHAR;
    *text = (const char *)p;
    return c;
}

/* In n bytes, as many as it takes, and a NUL. */
static void utf8_put(char *out, uint32_t c, uint32_t n)
{
    out[n] = '\0';
    for (uint32_t i = n; --i > 0; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n > 1 ? 0xf00 >> n | c : c);
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

/* Takes one character of UTF-16; of half a pair, what it is. */
static uint32_t utf16_take(const uint16_t **at)
{
    uint32_t c = *(*at)++, low;

    if (c >> 11 != SURROGATE >> 11)
        return c;
    low = **at;
    if (low >> 10 != 0xdc00 >> 10)
        return c;
    ++*at;
    /* The first 0xd800 is U+10000; the first 0xdc00 is too much. */
    return (c << 10) + low - PAIR_BASE;
}

uint32_t fp_fat_trim(const uint8_t *text, uint32_t size)
{
    while (size && text[size - 1] == ' ')
        size--;
    return size;
}

uint32_t fp_fat_name_short(const uint8_t *raw,
                           uint16_t units[FP_FAT_SHORT_SIZE])
{
    uint16_t *to = units, *end = units; /* the end has no spaces before it */
    uint32_t cases = raw[FP_FAT_AT_CASE];

    for (uint32_t i = 0; i < 11; i++) {
        uint32_t c = raw[i];

        if (i == 8) {
            to = end;
            *to++ = '.';
            cases /= FP_FAT_LOWER_EXT / FP_FAT_LOWER_BASE;
        }
        if (cases & FP_FAT_LOWER_BASE && c - 'A' < 26)
            c += 32;
        if (c >= 0x80)
            c += OEM;
        if (!c)
            c = '/'; /* likewise nobody's */
        *to++ = (uint16_t)c;
        if (c != ' ')
            end = to;
    }
    if (raw[0] == 0x05)
        units[0] = OEM + 0xe5;
    *end = 0;
    return (uint32_t)(end - units);
}

#if !FP_FAT_SMALL
uint32_t fp_fat_name_hash(const char *path)
{
    uint32_t hash = 0, c;

    while ((c = fp_fat_utf8_take(&path)) != 0 && c != '/' && c != BAD_CHAR)
        hash = hash * 31 + fold(c);
    return hash;
}

static uint32_t hash_units(const uint16_t *at)
{
    uint32_t hash = 0;

    while (*at)
        hash = hash * 31 + fold(utf16_take(&at));
    return hash;
}

void fp_fat_name_hashes(const struct fp_fat *fs, const uint8_t *raw,
                        uint32_t hashes[2])
{
    uint16_t units[FP_FAT_SHORT_SIZE];

    (void)fp_fat_name_short(raw, units);
    hashes[0] = hash_units(units);
    hashes[1] = *fs->name ? hash_units(fs->name) : hashes[0];
}
#endif

/* The same, of fs->name alone. */
static uint32_t show(const struct fp_fat *fs, char *name, const char *path)
{
    const uint16_t *at = fs->name;
    uint32_t n = 0;

    while (*at) {
        uint32_t c = utf16_take(&at), size = utf8_size(c);

        if (!size || c == '/' || n + size > FP_NAME_MAX)
            return 0;
        if (!path)
            utf8_put(name + n, c, size);
        else if (fold(c) != fold(fp_fat_utf8_take(&path)))
            return 0;
        n += size;
    }
    if (path)
        return *path == '/' || !*path ? n : 0;
    /* "." and ".." are no names. */
    return n && n <= 2 && name[0] == '.' && name[n - 1] == '.' ? 0 : n;
}

uint32_t fp_fat_name_show(struct fp_fat *fs, char *name, const char *path,
                          const uint8_t *raw)
{
    uint32_t n = show(fs, name, path);

    if (n)
        return n;
    (void)fp_fat_name_short(raw, fs->name);
    return show(fs, name, path);
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
