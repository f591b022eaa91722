/* SPDX-License-Identifier: MIT
 *
 * Handles as stored and as shown. Stored are up to 254 bytes of anything. A
 * handle ".data" is escaped because a directory's own data is shown under that
 * name.
 */
#include "core/fs/bonsai/bon.h"

static const char escapes[] = "\4/2F.2E%25\0"
                              "00";

int fp_bon_component(struct fp_bon *fs, const char *path, const char **rest)
{
    bool is_own_data;
    uint32_t size;

    *rest = path;
    size = fp_fs_unescape(rest, fs->is_raw ? "" : escapes, fs->handle,
                          FP_BON_NAME_MAX);
    is_own_data =
        !fs->is_raw && *rest == path + 5 && memcmp(path, ".data", 5) == 0;
    fs->handle_size = (uint8_t)size;
    if (is_own_data) {
        fs->handle_size = 0;
        return FP_ERR_INVAL;
    }
    return size > FP_BON_NAME_MAX ? FP_ERR_NAMETOOLONG : FP_OK;
}

void fp_bon_show(struct fp_bon *fs, const struct fp_bon_node *node,
                 struct fp_dirent *entry)
{
    fp_bon_read(fs, fp_bon_handle_at(node), fs->row, node->handle_size);
    fp_fs_escape(entry, escapes, fs->row, node->handle_size);
}
