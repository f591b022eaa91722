/* SPDX-License-Identifier: MIT
 *
 * Names as stored and as shown. Stored are up to 12 bytes of anything but
 * 0xff; shown is what can stand in a path. Four escapes are all there are, and
 * a '%' that stands before none of them is itself, so that names without
 * oddities look like themselves and every stored name is shown as one path.
 */
#include "core/fs/minifs/mini.h"

/* Byte, then the two digits behind '%'. */
static const char escapes[4][3] = {
    { '/', '2', 'F' }, { '\0', '0', '0' }, { '.', '2', 'E' }, { '%', '2', '5' }
};

/* The escape that `at` begins with, or NULL. */
static const char *escape_at(const struct fp_mini *fs, const char *at)
{
    if (at[0] != '%' || fs->is_raw)
        return NULL;
    for (int i = 0; i < 4; i++)
        if (at[1] == escapes[i][1] && at[2] == escapes[i][2])
            return escapes[i];
    return NULL;
}

int fp_mini_name_of(const struct fp_mini *fs, const char *path,
                    uint8_t name[FP_MINI_NAME])
{
    uint32_t len = 0;

    memset(name, 0xff, FP_MINI_NAME);
    for (path++; *path != '\0' && (*path != '/' || fs->is_raw); path++) {
        const char *escape = escape_at(fs, path), *byte = path;

        if (escape != NULL) {
            byte = escape;
            path += 2;
        }
        if ((uint8_t)*byte == 0xff)
            return FP_ERR_INVAL;
        if (len == FP_MINI_NAME)
            return FP_ERR_NAMETOOLONG;
        name[len++] = (uint8_t)*byte;
    }
    return *path != '\0';
}

/* The escape of byte `i` of a stored name, NULL where it shows as itself. A
 * name that is not ended by 0xff ends with its last byte: what lies behind in
 * the entry is none of it. */
static const char *escape_of(const struct fp_mini *fs, const uint8_t *name,
                             uint32_t i)
{
    const char *at = (const char *)&name[i];

    if (fs->is_raw ||
        (*at == '%' && (i + 2 >= FP_MINI_NAME || escape_at(fs, at) == NULL)) ||
        (*at == '.' && (i > 0 || name[name[1] == '.' ? 2 : 1] != 0xff)))
        return NULL;
    for (i = 0; i < 4; i++)
        if (*at == escapes[i][0])
            return escapes[i];
    return NULL;
}

void fp_mini_show(const struct fp_mini *fs, const uint8_t *stored,
                  struct fp_dirent *entry)
{
    char *out = entry->name;

    for (uint32_t i = 0; i < FP_MINI_NAME && stored[i] != 0xff; i++) {
        const char *escape = escape_of(fs, stored, i);

        *out++ = (char)stored[i];
        if (escape != NULL) {
            out[-1] = '%';
            *out++ = escape[1];
            *out++ = escape[2];
        }
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
