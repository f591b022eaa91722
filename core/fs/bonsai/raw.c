/* SPDX-License-Identifier: MIT
 *
 * The raw view: every node is a file, and its name is all handles from the
 * root's to its own with '/' between. They are listed in the root, which has
 * nothing else, in the order of their rows.
 */
#include "core/fs/bonsai/bon.h"

const char *fp_bon_raw_path(const char *path)
{
    if (path[1] == '\0')
        return path;
    return strncmp(path, "/root", 5) == 0 && (path[5] == '/' || path[5] == '\0')
               ? path + 5
               : NULL;
}

/* From the end of entry->name to its beginning: a node, then its parents. */
static void show(struct fp_bon *fs, struct fp_bon_node at,
                 struct fp_dirent *entry)
{
    uint32_t from = FP_NAME_MAX;

    for (;;) {
        if (at.handle_size + 1u > from)
            fp_bon_fail(fs, FP_ERR_NAMETOOLONG);
        if (fs->err)
            return;
        from -= at.handle_size;
        fp_bon_read(fs, fp_bon_handle_at(&at), &entry->name[from],
                    at.handle_size);
        if (at.row == FP_BON_ROOT)
            break;
        entry->name[--from] = '/';
        fp_bon_load(fs, at.parent, &at);
    }
    entry->name_len = (uint16_t)(FP_NAME_MAX - from);
    memmove(entry->name, &entry->name[from], entry->name_len);
    entry->name[entry->name_len] = '\0';
}

int fp_bon_readdir_raw(struct fp_bon *fs, struct fp_bon_dir *d,
                       struct fp_dirent *entry)
{
    struct fp_bon_node node;
    int err;

    fp_bon_map(fs);
    if (fs->err)
        return fp_bon_result(fs);
    while (d->index < fs->rows && !(fs->map[d->index] & FP_BON_BEGUN))
        d->index++;
    if (d->index == fs->rows)
        return 0;
    if (!fp_bon_load(fs, d->index++, &node))
        fp_bon_fail(fs, FP_ERR_CORRUPT);
    entry->st.type = FP_TYPE_FILE;
    entry->st.size = node.data_size;
    show(fs, node, entry);
    err = fp_bon_result(fs);
    return err ? err : 1;
}
