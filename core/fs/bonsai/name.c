/* SPDX-License-Identifier: MIT
 *
 * Handles as stored and as shown. Stored are up to 254 bytes of anything;
 * shown is what can stand in a path. Four escapes are all there are, and a
 * '%' that stands before none of them is itself. A handle ".data" is escaped
 * because a directory's own data is shown under that name.
 */
#include "core/fs/bonsai/bon.h"

/* Byte, then the two digits behind '%'. */
static const char escapes[4][3] = {
    { '/', '2', 'F' }, { '\0', '0', '0' }, { '.', '2', 'E' }, { '%', '2', '5' }
};

/* The escape that `at` begins with, or NULL. */
static const char *escape_at(const uint8_t *at)
{
    if (at[0] != '%')
        return NULL;
    for (int i = 0; i < 4; i++)
        if (at[1] == escapes[i][1] && at[2] == escapes[i][2])
            return escapes[i];
    return NULL;
}

int fp_bon_component(struct fp_bon *fs, const char *path, const char **rest)
{
    uint32_t size = 0;

    if (!fs->is_raw && strncmp(path, ".data", 5) == 0 &&
        (path[5] == '\0' || path[5] == '/')) {
        *rest = path + 5;
        fs->handle_size = 0;
        return FP_ERR_INVAL;
    }
    for (; *path != '\0' && *path != '/'; path++, size++) {
        const char *escape =
            fs->is_raw ? NULL : escape_at((const uint8_t *)path);

        if (size < FP_BON_NAME_MAX)
            fs->handle[size] = (uint8_t)(escape != NULL ? *escape : *path);
        path += escape != NULL ? 2 : 0;
    }
    *rest = path;
    fs->handle_size = (uint8_t)size;
    return size > FP_BON_NAME_MAX ? FP_ERR_NAMETOOLONG : FP_OK;
}

/* Reserved as a whole: ".", ".." and ".data", in a handle that begins
 * with a dot. */
static bool is_reserved(const uint8_t *handle, uint32_t size)
{
    return size <= 2 ? handle[size - 1] == '.'
                     : size == 5 && memcmp(handle, ".data", 5) == 0;
}

/* The escape of byte `i`, NULL where it shows as itself. */
static const char *escape_of(const uint8_t *handle, uint32_t size, uint32_t i)
{
    uint8_t byte = handle[i];

    if ((byte == '%' && escape_at(&handle[i]) == NULL) ||
        (byte == '.' && (i > 0 || !is_reserved(handle, size))))
        return NULL;
    for (i = 0; i < 4; i++)
        if (byte == (uint8_t)escapes[i][0])
            return escapes[i];
    return NULL;
}

void fp_bon_show(struct fp_bon *fs, const struct fp_bon_node *node,
                 struct fp_dirent *entry)
{
    uint8_t *handle = fs->row;
    uint32_t size = node->handle_size;
    char *out = entry->name;

    fp_bon_read(fs, fp_bon_handle_at(node), handle, size);
    handle[size] = '\0'; /* an escape may not begin with bytes behind it */
    for (uint32_t i = 0; i < size && out + 3 <= entry->name + FP_NAME_MAX;
         i++) {
        const char *escape = escape_of(handle, size, i);

        *out++ = (char)handle[i];
        if (escape != NULL) {
            out[-1] = '%';
            *out++ = escape[1];
            *out++ = escape[2];
        }
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
