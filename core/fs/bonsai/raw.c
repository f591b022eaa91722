/* SPDX-License-Identifier: MIT
 *
 * The raw view: every node is a file, and its name is all handles from the
 * root's to its own with '/' between. They are listed in the root, which has
 * nothing else, in the order of their rows.
 */
#include "core/fs/bonsai/bon.h"

/* From the end of entry->name to its beginning: a node, then its parents. */
int fp_bon_show_raw(struct fp_bon *fs, const struct fp_bon_node *node,
                    struct fp_dirent *entry)
{
    struct fp_bon_node at = *node;
    uint32_t from = FP_NAME_MAX;
    int err = FP_OK;

    while (!err) {
        if (at.handle_size + 1u > from)
            return FP_ERR_NAMETOOLONG;
        from -= at.handle_size;
        err = fp_bon_read(fs, fp_bon_handle_at(&at), &entry->name[from],
                          at.handle_size);
        if (at.row == FP_BON_ROOT)
            break;
        entry->name[--from] = '/';
        if (!err)
            err = fp_bon_load(fs, at.parent, &at);
    }
    entry->name_len = (uint16_t)(FP_NAME_MAX - from);
    memmove(entry->name, &entry->name[from], entry->name_len);
    entry->name[entry->name_len] = '\0';
    return err;
}
