/* SPDX-License-Identifier: MIT
 *
 * Stored names and paths. The rule is in docs/formats/spiffs.md, "Names"; it
 * can be inverted, and a path that is not what some name is shown as names
 * nothing.
 *
 *     component   shown as
 *     ""          %
 *     "." ".."    %2E %2E%2E
 *     '%'         %25 where it could be taken for one of these: at the end,
 *                 before "25" or "2E"
 *     file        with a % behind it, where there is a directory of that name
 *
 * In the raw view a path is '/' and the stored name, byte for byte.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

uint32_t fp_spf_hash(const uint8_t *name, uint32_t size)
{
    uint32_t hash = 5381;

    for (uint32_t i = 0; i < size; i++)
        hash = hash * 33 ^ name[i];
    return hash ^ hash >> 15;
}

static uint32_t bit_of(uint32_t hash)
{
    return hash % (FP_SPF_DIR_BYTES * 8);
}

/* A second, independent place in the filter. */
static uint32_t other_bit_of(uint32_t hash)
{
    return bit_of(hash >> 12);
}

void fp_spf_note_dirs(struct fp_spf *fs, const uint8_t *name, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (name[i] == '/') {
            uint32_t hash = fp_spf_hash(name, i);

            fp_spf_bit_set(fs->dirs, bit_of(hash));
            fp_spf_bit_set(fs->dirs, other_bit_of(hash));
        }
}

bool fp_spf_may_be_dir(const struct fp_spf *fs, uint32_t hash)
{
    return fp_spf_bit(fs->dirs, bit_of(hash)) &&
           fp_spf_bit(fs->dirs, other_bit_of(hash));
}

/* Would a '%' before these be taken for the start of a code? */
static char coded(const uint8_t *next, uint32_t size)
{
    if (size < 2 || next[0] != '2')
        return 0;
    return next[1] == '5' ? '%' : next[1] == 'E' ? '.' : 0;
}

static bool is_dots(const uint8_t *name, uint32_t size)
{
    return size > 0 && size <= 2 && name[0] == '.' && name[size - 1] == '.';
}

/* What `name[i]` is coded as, 0: it is shown as it is. */
static char code_of(const uint8_t *name, uint32_t size, uint32_t i)
{
    if (name[i] == '%' && (i + 1 == size || coded(name + i + 1, size - i - 1)))
        return '5';
    return is_dots(name, size) ? 'E' : 0;
}

uint32_t fp_spf_encode(const struct fp_spf *fs, const uint8_t *name,
                       uint32_t size, bool also_dir, char *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < size && n + 3 <= FP_NAME_MAX; i++) {
        char code = fs->raw ? 0 : code_of(name, size, i);

        out[n++] = code ? '%' : (char)name[i];
        if (code) {
            out[n++] = '2';
            out[n++] = code;
        }
    }
    if (also_dir || (size == 0 && !fs->raw))
        out[n++] = '%';
    out[n] = '\0';
    return n;
}

/* One component of a path, text[0..size), to the end of fs->name. */
static int decode_component(struct fp_spf *fs, const uint8_t *text,
                            uint32_t size, bool *marked)
{
    uint32_t start = fs->name_size;
    char shown[FP_NAME_MAX + 1];
    uint32_t n;

    *marked = size > 1 && text[size - 1] == '%';
    if (text[size - 1] == '%')
        n = size - 1;
    else
        n = size;
    for (uint32_t i = 0; i < n; i++) {
        char c = text[i] == '%' ? coded(text + i + 1, n - i - 1) : 0;

        if (fs->name_size + 1u >= fs->name_len)
            return FP_ERR_NAMETOOLONG;
        fs->name[fs->name_size++] = c ? (uint8_t)c : text[i];
        i += c ? 2 : 0;
    }
    n = fp_spf_encode(fs, fs->name + start, fs->name_size - start, *marked,
                      shown);
    if (n != size || memcmp(shown, text, size) != 0)
        return FP_ERR_INVAL;
    return FP_OK;
}

static int put_slash(struct fp_spf *fs)
{
    if (fs->name_size + 1u >= fs->name_len)
        return FP_ERR_NAMETOOLONG;
    fs->name[fs->name_size++] = '/';
    return FP_OK;
}

/* The stored name itself. */
static int decode_raw(struct fp_spf *fs, const char *name)
{
    size_t size = strlen(name);

    if (size >= fs->name_len)
        return FP_ERR_NAMETOOLONG;
    memcpy(fs->name, name, size);
    fs->name_size = (uint32_t)size;
    return FP_OK;
}

int fp_spf_decode(struct fp_spf *fs, const char *path, bool *marked)
{
    const uint8_t *text = (const uint8_t *)path + 1;
    int err = FP_OK;

    fs->name_size = 0;
    *marked = false;
    if (fs->raw)
        return decode_raw(fs, path + 1);
    if (*text != '\0' && fs->slash)
        err = put_slash(fs);
    while (*text != '\0' && !err) {
        uint32_t size = 0;

        while (text[size] != '\0' && text[size] != '/')
            size++;
        if (*marked) /* only a file is */
            return FP_ERR_INVAL;
        err = decode_component(fs, text, size, marked);
        text += size;
        if (*text == '/' && !err) {
            err = put_slash(fs);
            text++;
        }
    }
    return err;
}
