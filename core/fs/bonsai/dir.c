/* SPDX-License-Identifier: MIT
 *
 * Listings: a node's children in their order, and its own data, if it has
 * some, as ".data" before them.
 */
#include "core/fs/bonsai/bon.h"

static void stat_node(const struct fp_bon *fs, const struct fp_bon_node *node,
                      struct fp_stat *st)
{
    st->type = fp_bon_is_dir(node) && !fs->is_raw ? FP_TYPE_DIR : FP_TYPE_FILE;
    st->size = st->type == FP_TYPE_FILE ? node->data_size : 0;
}

int fp_bon_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_place place;
    int err;

    st->type = FP_TYPE_DIR;
    if (path[1] == '\0')
        return FP_OK; /* also where a power cut took the root */
    err = fp_bon_find(fs, path, false, &place);
    if (err)
        return err;
    stat_node(fs, &place.node, st);
    if (place.is_own_data) {
        st->type = FP_TYPE_FILE;
        st->size = place.node.data_size;
    }
    return FP_OK;
}

static struct fp_bon_dir *dir_of(struct fp_dir *dir)
{
    return (struct fp_bon_dir *)(void *)dir->state;
}

int fp_bon_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_dir *d = dir_of(dir);
    struct fp_bon_place place = { .node.row = FP_BON_ROOT };
    struct fp_stat st;
    int err = fp_bon_stat(mnt, path, &st);

    if (!err && st.type != FP_TYPE_DIR)
        err = FP_ERR_NOTDIR;
    if (!err && path[1] != '\0')
        err = fp_bon_find(fs, path, false, &place);
    if (!err && fs->is_raw)
        err = fp_bon_map(fs);
    if (err)
        return err;
    d->node = place.node.row;
    d->next = fs->dirs;
    fs->dirs = d;
    return FP_OK;
}

/* The next node that a row begins, in the raw view. */
static int next_raw(struct fp_bon *fs, struct fp_bon_dir *d,
                    struct fp_bon_node *node)
{
    while (d->index < fs->rows)
        if (fp_bon_bit(fs->heads, d->index++))
            return fp_bon_load(fs, d->index - 1, node) ? 0 : 1;
    return 0;
}

static int next_kid(struct fp_bon *fs, struct fp_bon_dir *d,
                    struct fp_dirent *entry, struct fp_bon_node *kid)
{
    struct fp_bon_node node;
    int got = fp_bon_load(fs, d->node, &node);

    if (got)
        return got == FP_ERR_NOENT ? 0 : got;
    if (!d->has_told_data && node.data_size > 0) {
        d->has_told_data = true;
        memcpy(entry->name, ".data", 6);
        entry->name_len = 5;
        *kid = node;
        kid->row = 0;
        kid->kids = 0;
        return 1;
    }
    return fp_bon_kid(fs, &node, &d->index, kid);
}

int fp_bon_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    struct fp_bon *fs = fp_bon_of(dir->mnt);
    struct fp_bon_node node;
    int got = fs->is_raw ? next_raw(fs, dir_of(dir), &node)
                         : next_kid(fs, dir_of(dir), entry, &node);

    if (got <= 0)
        return got;
    stat_node(fs, &node, &entry->st);
    got = FP_OK;
    if (fs->is_raw)
        got = fp_bon_show_raw(fs, &node, entry);
    else if (node.row != 0)
        got = fp_bon_show(fs, &node, entry);
    return got ? got : 1;
}

int fp_bon_closedir(struct fp_dir *dir)
{
    struct fp_bon_dir **at = &fp_bon_of(dir->mnt)->dirs;

    while (*at != dir_of(dir))
        at = &(*at)->next;
    *at = dir_of(dir)->next;
    return FP_OK;
}
