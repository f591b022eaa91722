/* SPDX-License-Identifier: MIT
 *
 * Names: UTF-16 and 8.3 on the medium, UTF-8 in paths. Source: the format page,
 * long names, and "What our driver does".
 */
#include "core/fs/fat/vol.h"

#define SURROGATE 0xd800u
#define BAD_CHAR  0xffffffffu
/* A byte of an 8.3 name beyond ASCII, whose code page nobody knows. */
#define OEM 0xf000u

static uint32_t more_bytes(uint32_t lead)
{
    return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

uint32_t fp_fat_utf8_take(const char **text)
{
    static const uint32_t least[3] = { 0x80, 0x800, 0x10000 };
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t c = *p++, more;

    if (c >= 0x80) {
        if (c < 0xc2 || c > 0xf4)
            return BAD_CHAR;
        more = more_bytes(c);
        c &= 0x3fu >> more;
        for (uint32_t i = 0; i < more; i++, p++) {
            if ((*p & 0xc0) != 0x80)
                return BAD_CHAR;
            c = c << 6 | (*p & 0x3f);
        }
        if (c < least[more - 1] || c > 0x10ffff || c >> 11 == SURROGATE >> 11)
            return BAD_CHAR;
    }
    *text = (const char *)p;
    return c;
}

static uint32_t utf8_size(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* How many bytes it took. */
static uint32_t utf8_put(char *out, uint32_t c)
{
    uint32_t n = utf8_size(c);

    if (n == 1) {
        out[0] = (char)c;
        return 1;
    }
    for (uint32_t i = n; --i > 0; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(0xf00 >> n | c);
    return n;
}

/* Letters whose capitals stand at a fixed distance; of pairs, 1, the odd ones
 * are small. */
static const struct {
    uint16_t first, last;
    uint8_t down;
} small[] = {
    { 'a', 'z', 32 },       { 0xe0, 0xf6, 32 },    { 0xf8, 0xfe, 32 },
    { 0x100, 0x137, 1 },    { 0x14a, 0x177, 1 },   { 0x3b1, 0x3c1, 32 },
    { 0x3c3, 0x3cb, 32 },   { 0x430, 0x44f, 32 },  { 0x450, 0x45f, 80 },
    { 0x460, 0x481, 1 },    { 0x48a, 0x4bf, 1 },   { 0x4d0, 0x52f, 1 },
    { 0x561, 0x586, 48 },   { 0x1e00, 0x1e95, 1 }, { 0x1ea0, 0x1eff, 1 },
    { 0xff41, 0xff5a, 32 },
};

static uint32_t fold(uint32_t c)
{
    for (uint32_t i = 0; i < sizeof small / sizeof small[0]; i++)
        if (c >= small[i].first && c <= small[i].last)
            return small[i].down > 1 ? c - small[i].down : c & ~1u;
    return c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

/* Takes one character of the long name; BAD_CHAR for half a pair. */
static uint32_t unit_take(const struct fp_fat *fs, uint32_t *at)
{
    uint32_t c = fs->name[(*at)++], low;

    if (c >> 11 != SURROGATE >> 11)
        return c;
    if (c & 0x400 || *at >= fs->units)
        return BAD_CHAR;
    low = fs->name[(*at)++];
    if (low >> 10 != 0xdc00 >> 10)
        return BAD_CHAR;
    return 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
}

static uint32_t last_of(const uint8_t *text, uint32_t size)
{
    while (size && text[size - 1] == ' ')
        size--;
    return size;
}

/* The 8.3 name as it is shown, at most 12 bytes of at most three bytes; its
 * length. */
static uint32_t short_show(const uint8_t *raw, char *name)
{
    uint32_t base = last_of(raw, 8), ext = last_of(raw + 8, 3), n = 0;

    for (uint32_t i = 0; i < 8 + ext; i++) {
        uint8_t lower = i < 8 ? FP_FAT_LOWER_BASE : FP_FAT_LOWER_EXT;
        uint32_t c = i == 0 && raw[0] == 0x05 ? 0xe5 : raw[i];

        if (i == 8)
            name[n++] = '.';
        if (i >= base && i < 8)
            continue;
        if (c >= 'A' && c <= 'Z' && raw[FP_FAT_AT_CASE] & lower)
            c += 32;
        n += utf8_put(name + n, c < 0x80 ? c : OEM + c);
    }
    return n;
}

static bool is_end(char c)
{
    return c == '/' || c == '\0';
}

static bool long_is(const struct fp_fat *fs, const char *path)
{
    for (uint32_t at = 0; at < fs->units;) {
        uint32_t c = is_end(*path) ? BAD_CHAR : fp_fat_utf8_take(&path);

        if (c == BAD_CHAR || fold(c) != fold(unit_take(fs, &at)))
            return false;
    }
    return is_end(*path);
}

bool fp_fat_name_is(const struct fp_fat *fs, const uint8_t *raw,
                    const char *path)
{
    char name[40];
    uint32_t n = short_show(raw, name);

    if (fs->units && long_is(fs, path))
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (is_end(path[i]) || upper(name[i]) != upper(path[i]))
            return false;
    return is_end(path[n]);
}

uint32_t fp_fat_name_show(const struct fp_fat *fs, const uint8_t *raw,
                          char *name)
{
    uint32_t n = 0;

    for (uint32_t at = 0; at < fs->units;) {
        uint32_t c = unit_take(fs, &at);

        /* What a path cannot hold has its 8.3 name. */
        if (c == BAD_CHAR || c == '/' || n + utf8_size(c) > FP_NAME_MAX) {
            n = 0;
            break;
        }
        n += utf8_put(name + n, c);
    }
    if (!n || (n <= 2 && name[0] == '.' && name[n - 1] == '.'))
        n = short_show(raw, name);
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
