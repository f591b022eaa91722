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
static const char *escape_at(const char *at)
{
    if (at[0] != '%')
        return NULL;
    for (int i = 0; i < 4; i++)
        if (at[1] == escapes[i][1] && at[2] == escapes[i][2])
            return escapes[i];
    return NULL;
}

int fp_mini_name_of(const struct fp_mini *fs, const char *path,
                    uint8_t name[FP_MINI_NAME], const char **rest)
{
    uint32_t len = 0;
    int err = FP_OK;

    memset(name, 0xff, FP_MINI_NAME);
    for (path++; *path != '\0' && (*path != '/' || fs->is_raw); path++) {
        const char *escape = fs->is_raw ? NULL : escape_at(path);
        uint8_t byte = (uint8_t)(escape != NULL ? *escape : *path);

        path += escape != NULL ? 2 : 0;
        if (byte == 0xff)
            err = FP_ERR_INVAL;
        if (len < FP_MINI_NAME)
            name[len] = byte;
        len++;
    }
    *rest = path;
    return len > FP_MINI_NAME ? FP_ERR_NAMETOOLONG : err;
}

/* Whether byte `i` of the name cannot be shown as itself. */
static bool needs_escape(const char *name, uint32_t len, uint32_t i)
{
    if (name[i] == '.')
        return i == 0 && (len == 1 || (len == 2 && name[1] == '.'));
    return name[i] == '/' || name[i] == '\0' || escape_at(&name[i]) != NULL;
}

void fp_mini_show(const struct fp_mini *fs, const uint8_t *stored,
                  struct fp_dirent *entry)
{
    char name[FP_MINI_NAME + 2] = { 0 }, *out = entry->name;
    uint32_t len = 0;

    while (len < FP_MINI_NAME && stored[len] != 0xff) {
        name[len] = (char)stored[len];
        len++;
    }
    for (uint32_t i = 0; i < len; i++) {
        const char *escape = escapes[0];

        if (fs->is_raw || !needs_escape(name, len, i)) {
            *out++ = name[i];
            continue;
        }
        while (*escape != name[i])
            escape += sizeof escapes[0];
        *out++ = '%';
        *out++ = escape[1];
        *out++ = escape[2];
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
