/* SPDX-License-Identifier: MIT
 *
 * Handles as stored and as shown. Stored are up to 254 bytes of anything;
 * shown is what can stand in a path. Four escapes are all there are, and a
 * '%' that stands before none of them is itself. A handle ".data" is escaped
 * because a directory's own data is shown under that name.
 */
#include "core/fs/bonsai/bon.h"

/* Byte, then the two digits behind '%'. */
static const char escapes[] = { '/', '2', 'F', '\0', '0', '0',
                                '.', '2', 'E', '%',  '2', '5' };

/* The escape that `at` begins with, or NULL. */
static const char *escape_at(const char *at)
{
    for (uint32_t i = 0; i < sizeof escapes && at[0] == '%'; i += 3)
        if (strncmp(at + 1, escapes + i + 1, 2) == 0)
            return escapes + i;
    return NULL;
}

/* Is it the name of a directory's own data, as long as that is in a path? */
static bool is_data(const uint8_t *name, uint32_t size)
{
    return size == 5 && memcmp(name, ".data", 5) == 0;
}

bool fp_bon_component(struct fp_bon *fs, const char *path, const char **rest)
{
    const char *from = path;
    uint32_t size = 0;

    for (; *path != '\0' && *path != '/'; path++, size++) {
        const char *escape = fp_bon_is_raw(fs) ? NULL : escape_at(path);

        if (size < FP_BON_NAME_MAX)
            fs->handle[size] = (uint8_t)(escape != NULL ? *escape : *path);
        path += escape != NULL ? 2 : 0;
    }
    *rest = path;
    fs->handle_size = (uint8_t)size;
    if (size > FP_BON_NAME_MAX)
        fp_bon_fail(fs, FP_ERR_NAMETOOLONG);
    return fp_bon_is_raw(fs) || !is_data(fs->handle, (uint32_t)(path - from));
}

/* Reserved as a whole: ".", ".." and ".data", in a handle that begins
 * with a dot. */
static bool is_reserved(const uint8_t *handle, uint32_t size)
{
    return size <= 2 ? handle[size - 1] == '.' : is_data(handle, size);
}

/* Byte `i` shows as itself. */
static bool is_plain(const uint8_t *handle, uint32_t size, uint32_t i)
{
    switch (handle[i]) {
    case '%':
        return escape_at((const char *)&handle[i]) == NULL;
    case '.':
        return i > 0 || !is_reserved(handle, size);
    default:
        return handle[i] != '/' && handle[i] != '\0';
    }
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
        const char *escape = escapes;

        *out++ = (char)handle[i];
        if (is_plain(handle, size, i))
            continue;
        while (*escape != out[-1])
            escape += 3;
        out[-1] = '%';
        *out++ = escape[1];
        *out++ = escape[2];
    }
    *out = '\0';
    entry->name_len = (uint16_t)(out - entry->name);
}
