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

/* Whether the byte at `at` of a name, NUL behind it, cannot be shown. */
static bool needs_escape(const struct fp_mini *fs, const char *name,
                         const char *at)
{
    if (*at == '.')
        return at == name && (at[1] == '\0' || (at[1] == '.' && at[2] == '\0'));
    return *at == '/' || *at == '\0' || escape_at(fs, at) != NULL;
}

void fp_mini_show(const struct fp_mini *fs, const uint8_t *stored,
                  struct fp_dirent *entry)
{
    char name[FP_MINI_NAME + 2] = { 0 }, *out = entry->name;

    for (uint32_t i = 0; i < FP_MINI_NAME && stored[i] != 0xff; i++)
        name[i] = (char)stored[i];
    for (uint32_t i = 0; i < FP_MINI_NAME && stored[i] != 0xff; i++) {
        const char *escape = escapes[0];

        *out++ = name[i];
        if (fs->is_raw || !needs_escape(fs, name, &name[i]))
            continue;
        while (*escape != name[i])
            escape += sizeof escapes[0];
        out[-1] = '%';
        *out++ = escape[1];
        *out++ = escape[2];
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
