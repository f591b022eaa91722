/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming. A directory goes with its one entry in its parent,
 * and whatever it has with it; renamed, it stays where it is, as its children
 * have its address. A file that is renamed is written anew.
 */
#include "core/fs/bonsai/bon.h"

static int remove_at(struct fp_mount *mnt, const char *path, bool all)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct fp_bon_place place;

    fp_bon_begin(fs);
    (void)fp_bon_find(fs, path, false, &place);
    if (!all && !place.is_own_data && fp_bon_has_kids(fs, &place.node))
        fp_bon_fail(fs, FP_ERR_NOTEMPTY);
    if (place.is_own_data)
        fp_bon_put_data(fs, &place.node, 0, 0);
    else
        fp_bon_relink(fs, place.parent.row, place.node.row, 0, 0);
    fp_bon_commit(fs);
    return fp_bon_end(fs);
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
    const char *from_path, *to_path;
    uint32_t flags;
    struct fp_bon_place from, to;
};

/* May `from` become what is at `to`? */
static void check_replace(struct fp_bon *fs, const struct move *m)
{
    bool is_dir = fp_bon_is_dir(&m->to.node);

    if (m->flags & FP_RENAME_NOREPLACE)
        fp_bon_fail(fs, FP_ERR_EXIST);
    if (fp_bon_is_dir(&m->from.node) != is_dir)
        fp_bon_fail(fs, is_dir ? FP_ERR_ISDIR : FP_ERR_NOTDIR);
    if (fp_bon_has_kids(fs, &m->to.node))
        fp_bon_fail(fs, FP_ERR_NOTEMPTY);
}

/* Both ends; the wanted handle is in fs->handle then. */
static void find_both(struct fp_bon *fs, struct move *m)
{
    (void)fp_bon_find(fs, m->from_path, false, &m->from);
    if (fp_bon_find(fs, m->to_path, true, &m->to))
        check_replace(fs, m);
    else if (strchr(m->to.rest, '/') != NULL)
        fp_bon_fail(fs, FP_ERR_NOENT);
    if (m->from.is_own_data || m->to.is_own_data)
        fp_bon_fail(fs, FP_ERR_NOTSUP);
    /* Who is writing it would take its old handle again. */
    if (fp_bon_tell_moved(fs, m->from.node.row, m->from.node.row, true))
        fp_bon_fail(fs, FP_ERR_BUSY);
}

/* The node gets its new handle and parent: where it is, if it has children. */
static void move(struct fp_bon *fs, const struct move *m)
{
    struct fp_bon_node node = m->from.node;

    node.parent = m->to.parent.row;
    node.handle_size = fs->handle_size;
    if (node.kids == 0)
        node.row = fp_bon_alloc_node(fs, &node);
    fp_bon_move_node(fs, &node, &m->from.node, m->to.node.row);
}

/* Makes it where entries get longer. True: find both again. */
static bool make_room(struct fp_bon *fs, const struct move *m)
{
    const struct fp_bon_node *node = &m->from.node;
    bool is_one = m->from.parent.row == m->to.parent.row;

    if (fp_bon_room(fs, &m->to.parent, is_one || m->to.node.row != 0 ? 0 : 4))
        return true;
    return node->kids > 0 &&
           fp_bon_room(fs, node, (uint32_t)fs->handle_size - node->handle_size);
}

int fp_bon_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    struct move m;

    m.from_path = from;
    m.to_path = to;
    m.flags = flags;
    fp_bon_begin(fs);
    do {
        find_both(fs, &m);
    } while (!fs->err && make_room(fs, &m));
    if (!fs->err)
        move(fs, &m);
    return fp_bon_end(fs);
}
