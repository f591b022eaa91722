/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming. A directory goes with its one entry in its parent,
 * and whatever it has with it; renamed, it stays where it is, as its children
 * have its address. A file that is renamed is written anew.
 */
#include "core/fs/bonsai/bon.h"

/* Listings of the node skip nothing when the child at `row` goes. */
static void tell_dirs(struct fp_bon *fs, const struct fp_bon_edit *e,
                      uint32_t row)
{
    struct fp_bon_node kid;
    uint32_t index = 0;

    if (row == 0 || row == FP_BON_NOTHING)
        return;
    while (fp_bon_kid(fs, &e->node, &index, &kid) > 0 && kid.row != row)
        ;
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == e->node.row && d->index >= index)
            d->index--;
}

static int remove_at(struct fp_mount *mnt, const char *path, bool all)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_edit e;
    struct fp_bon_place place;
    struct fp_bon_node kid;
    uint32_t index = 0;
    int err = fp_bon_prepare(fs);

    if (!err)
        err = fp_bon_find(fs, path, false, &place);
    if (!err && !all && !place.is_own_data)
        err = fp_bon_kid(fs, &place.node, &index, &kid);
    if (err)
        return err > 0 ? FP_ERR_NOTEMPTY : err;
    err = fp_bon_edit_of(
        fs, place.is_own_data ? place.node.row : place.node.parent, &e);
    if (place.is_own_data)
        e.node.data_size = 0;
    else
        e.drop = place.node.row;
    if (!err)
        err = fp_bon_edit_here(fs, &e);
    if (!err) {
        tell_dirs(fs, &e, e.drop);
        err = fp_bon_commit(fs);
    }
    return fp_bon_settle(fs, err);
}

int fp_bon_remove(struct fp_mount *mnt, const char *path)
{
    return remove_at(mnt, path, false);
}

int fp_bon_remove_all(struct fp_mount *mnt, const char *path)
{
    return remove_at(mnt, path, true);
}

/* What rename works on. */
struct move {
    bool replaces;
    struct fp_bon_place from, to;
    uint32_t row;             /* where it will be */
    struct fp_bon_edit e;     /* itself, */
    struct fp_bon_edit left;  /* the parent it leaves, */
    struct fp_bon_edit right; /* that it comes to, if another */
};

/* May `from` become what is at `to`? */
static int may_replace(struct fp_bon *fs, const struct move *m)
{
    struct fp_bon_node kid;
    uint32_t index = 0;
    int got = fp_bon_kid(fs, &m->to.node, &index, &kid);

    if (!fp_bon_is_dir(&m->from.node))
        return m->to.node.kids > 0 ? FP_ERR_ISDIR : FP_OK;
    if (!fp_bon_is_dir(&m->to.node))
        return FP_ERR_NOTDIR;
    return got > 0 ? FP_ERR_NOTEMPTY : got;
}

static int find_both(struct fp_bon *fs, struct move *m, const char *from,
                     const char *to, uint32_t flags)
{
    int err = fp_bon_find(fs, from, false, &m->from);

    if (err)
        return err;
    if (m->from.is_own_data)
        return FP_ERR_NOTSUP;
    err = fp_bon_find(fs, to, true, &m->to);
    m->replaces = !err;
    if (m->to.is_own_data)
        return FP_ERR_NOTSUP;
    if (err == FP_ERR_NOENT && strchr(m->to.rest, '/') == NULL)
        return fp_bon_component(fs, m->to.rest, &m->to.rest);
    if (err)
        return err;
    if (flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    /* What was read of the target's handle is the wanted one. */
    return may_replace(fs, m);
}

/* A file that somebody is writing would take its old handle again. */
static bool is_written(const struct fp_bon *fs, uint32_t row)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        const struct fp_bon_file *f = fs->files[i];

        if (f != NULL && f->node == row && f->is_dirty)
            return true;
    }
    return false;
}

static int edits_of(struct fp_bon *fs, struct move *m)
{
    uint32_t parent = m->replaces ? m->to.node.parent : m->to.parent.row;
    int err = fp_bon_edit_of(fs, m->from.node.row, &m->e);

    if (!err)
        err = fp_bon_edit_of(fs, m->from.node.parent, &m->left);
    if (!err)
        err = fp_bon_edit_of(fs, parent, &m->right);
    m->e.handle = fs->handle;
    m->e.node.handle_size = fs->handle_size;
    m->e.node.parent = parent;
    m->left.drop = m->from.node.row;
    m->right.drop = m->replaces ? m->to.node.row : 0;
    m->right.put = m->row = m->from.node.row;
    if (parent != m->from.node.parent)
        return err;
    m->left.drop_too = m->right.drop;
    m->left.put = m->row;
    return err;
}

/* Room for what stays where it is; 1: try again. */
static int make_room(struct fp_bon *fs, struct move *m)
{
    bool is_dir = m->from.node.kids > 0;
    int err = is_dir ? fp_bon_edit_room(fs, &m->e) : FP_OK;

    if (!err && m->left.put == 0)
        err = fp_bon_edit_room(fs, &m->right);
    return err;
}

static int change(struct fp_bon *fs, struct move *m)
{
    int err;

    if (m->from.node.kids > 0) {
        err = fp_bon_edit_here(fs, &m->e);
    } else {
        err = fp_bon_edit_new(fs, &m->e, &m->row);
        m->right.put = m->row;
        if (m->left.put != 0)
            m->left.put = m->row;
    }
    if (!err)
        err = fp_bon_edit_here(fs, &m->left);
    if (!err && m->left.put == 0)
        err = fp_bon_edit_here(fs, &m->right);
    return err;
}

int fp_bon_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct move m;
    int err = fp_bon_prepare(fs);

    if (err)
        return err;
    do {
        err = find_both(fs, &m, from, to, flags);
        if (!err && is_written(fs, m.from.node.row))
            err = FP_ERR_BUSY;
        if (!err)
            err = edits_of(fs, &m);
        if (!err)
            err = make_room(fs, &m);
    } while (err == 1);
    if (!err)
        err = change(fs, &m);
    if (!err) {
        tell_dirs(fs, &m.left, m.left.put == 0 ? m.left.drop : m.left.drop_too);
        err = fp_bon_commit(fs);
    }
    if (!err)
        fp_bon_tell_moved(fs, m.from.node.row, m.row);
    return fp_bon_settle(fs, err);
}
