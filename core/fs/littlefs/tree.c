/* SPDX-License-Identifier: MIT
 *
 * Making directories, removing, renaming.
 *
 *     mkdir   the new pair is written; then one commit adds the entry and the
 *             tail, if the entry's pair is the last of its directory; else
 *             first the tail with the orphan flag set, then the entry
 *     rename  within a pair one commit; across pairs the copy together with
 *             the note "move pending", then the source and the note go
 *     remove  of a directory: the entry with the orphan flag set, then the
 *             pair leaves the thread and the flag goes
 *
 * Source: the format page, section 6.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

/* --- mkdir --- */

/* The last pair of the directory that `at` belongs to. */
static int last_of(struct fp_lfs *fs, const uint32_t at[2],
                   struct fp_lfs_mdir **m)
{
    uint32_t pair[2] = { at[0], at[1] };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        int err = fp_lfs_get(fs, pair, m);

        if (err || !(*m)->hard)
            return err;
        fp_lfs_pair_set(pair, (*m)->tail[0], (*m)->tail[1]);
    }
    return FP_ERR_CORRUPT;
}

static void add_dir(struct fp_lfs *fs, const struct fp_lfs_place *place,
                    const uint32_t pair[2])
{
    (void)fp_lfs_op(fs, FP_LFS_CREATE, place->id, NULL, 0);
    (void)fp_lfs_op(fs, FP_LFS_NAME_DIR, place->id, place->name,
                    place->name_len);
    fp_lfs_op_pair(fs, FP_LFS_STRUCT_DIR, place->id, pair[0], pair[1]);
}

static int make_dir(struct fp_lfs *fs, struct fp_lfs_place *place)
{
    struct fp_lfs_mdir *last;
    uint32_t pair[2], last_pair[2];
    int err = last_of(fs, place->pair, &last);

    if (err)
        return err;
    fp_lfs_pair_set(last_pair, last->pair[0], last->pair[1]);
    err = fp_lfs_new_pair(fs, last->tail, false, pair);
    if (err)
        return err;
    if (fp_lfs_pair_equal(last_pair, place->pair)) {
        add_dir(fs, place, pair);
        fp_lfs_op_pair(fs, FP_LFS_SOFTTAIL, FP_LFS_NO_ID, pair[0], pair[1]);
        return fp_lfs_commit(fs, place->pair, NULL);
    }
    /* The tail's commit may relocate the directory's last pair and with it
     * change links in the pair of the entry; but it adds no entries there. */
    fs->unlinked++;
    fs->gwant.tag |= FP_LFS_G_ORPHANS;
    fp_lfs_op_pair(fs, FP_LFS_SOFTTAIL, FP_LFS_NO_ID, pair[0], pair[1]);
    err = fp_lfs_commit(fs, last_pair, NULL);
    fs->unlinked--;
    if (err)
        return err;
    err = fp_lfs_find_in(fs, place->dir, place->name, place->name_len, true,
                         place);
    if (err != FP_ERR_NOENT)
        return err ? err : FP_ERR_EXIST;
    add_dir(fs, place, pair);
    fs->gwant.tag &= ~FP_LFS_G_ORPHANS;
    err = fp_lfs_commit(fs, place->pair, NULL);
    if (err)
        fs->prepared = false; /* the pair is an orphan until repaired */
    return err;
}

/* A place for a new entry: the parent is there, the name is not. */
static int lookup_new(struct fp_lfs *fs, const char *path,
                      struct fp_lfs_place *place)
{
    int err = fp_lfs_lookup(fs, path, true, place);

    if (!err)
        return FP_ERR_EXIST;
    return err == FP_ERR_NOENT && place->is_last ? FP_OK : err;
}

int fp_lfs_mkdir(struct fp_mount *mnt, const char *path)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_place place;
    int err = fp_lfs_prepare(fs);

    if (!err)
        err = lookup_new(fs, path, &place);
    return err ? err : fp_lfs_finish(fs, make_dir(fs, &place));
}

/* --- remove --- */

/* Empty: no entries, in no pair. Continuations without entries, which only
 * others leave, are dropped on the way. */
static int check_empty(struct fp_lfs *fs, const uint32_t head[2])
{
    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        uint32_t tail[2];
        int err = fp_lfs_get(fs, head, &m);

        if (err)
            return err;
        if (m->count)
            return FP_ERR_NOTEMPTY;
        if (!m->hard)
            return FP_OK;
        fp_lfs_pair_set(tail, m->tail[0], m->tail[1]);
        err = fp_lfs_get(fs, tail, &m);
        if (!err && m->count)
            err = FP_ERR_NOTEMPTY;
        if (!err)
            err = fp_lfs_unlink(fs, tail);
        if (err)
            return err;
    }
    return FP_ERR_CORRUPT;
}

/* Files that were about to be made in a directory that is no more. */
static void forget_dir(struct fp_lfs *fs, const uint32_t head[2])
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        if (!fp_lfs_pair_is_null(n->dir) && fp_lfs_pair_shares(n->dir, head))
            fp_lfs_pair_set(n->dir, FP_LFS_NULL, FP_LFS_NULL);
        if (!fp_lfs_pair_is_null(n->pair) &&
            fp_lfs_pair_shares(n->pair, head)) {
            n->ended = true;
            fp_lfs_pair_set(n->pair, FP_LFS_NULL, FP_LFS_NULL);
        }
    }
}

/* Takes a directory that no entry names any more out of the thread. The flag
 * was set by the commit that removed the entry. */
static int drop_dir(struct fp_lfs *fs, const uint32_t head[2])
{
    int err;

    forget_dir(fs, head);
    fs->unlinked = 0;
    fs->gwant.tag &= ~FP_LFS_G_ORPHANS;
    err = fp_lfs_unlink(fs, head);
    if (err)
        fs->prepared = false;
    return err;
}

static int remove_at(struct fp_lfs *fs, struct fp_lfs_place *place,
                     const char *path)
{
    uint32_t head[2];
    int err;

    if (place->kind != FP_LFS_DIR)
        return fp_lfs_commit_delete(fs, place->pair, place->id);
    err = fp_lfs_enter(fs, place, head);
    if (!err)
        err = check_empty(fs, head);
    if (!err)
        err = fp_lfs_lookup(fs, path, false, place);
    if (err)
        return err;
    fs->unlinked = 1;
    fs->gwant.tag |= FP_LFS_G_ORPHANS;
    err = fp_lfs_commit_delete(fs, place->pair, place->id);
    fs->unlinked = 0;
    return err ? err : drop_dir(fs, head);
}

int fp_lfs_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_place place;
    int err = fp_lfs_prepare(fs);

    if (!err)
        err = fp_lfs_lookup(fs, path, false, &place);
    if (err)
        return err;
    if (place.is_root)
        return FP_ERR_BUSY;
    return fp_lfs_finish(fs, remove_at(fs, &place, path));
}

/* --- rename --- */

struct move {
    struct fp_lfs_place from, to;
    bool replaces;
    uint32_t victim[2]; /* head of the directory that is replaced */
    bool victim_is_dir;
};

/* One whose data is a record in the source's log. */
static void add_copy(struct fp_lfs *fs, uint32_t type, uint32_t id,
                     const struct fp_lfs_mdir *m, fp_lfs_rec rec)
{
    struct fp_lfs_op *op = fp_lfs_op(fs, type, id, NULL, fp_lfs_rec_len(rec));

    op->on_flash = true;
    op->block = m->pair[0];
    op->off = fp_lfs_rec_off(rec);
    op->end = m->off;
}

/* The destination's commit: the replaced entry out, the new one in, with
 * structure and attributes copied from the source's log. */
static int build_ops(struct fp_lfs *fs, struct move *mv)
{
    uint32_t id = mv->to.id;
    const struct fp_lfs_ent *ent;
    struct fp_lfs_mdir *m;
    int err = fp_lfs_get(fs, mv->from.pair, &m);

    if (err)
        return err;
    ent = &m->ents[mv->from.id];
    if (mv->replaces)
        (void)fp_lfs_op(fs, FP_LFS_DELETE, id, NULL, 0);
    (void)fp_lfs_op(fs, FP_LFS_CREATE, id, NULL, 0);
    (void)fp_lfs_op(
        fs, mv->from.kind == FP_LFS_DIR ? FP_LFS_NAME_DIR : FP_LFS_NAME_FILE,
        id, mv->to.name, mv->to.name_len);
    add_copy(fs, FP_LFS_STRUCT_DIR - 1 + fp_lfs_rec_kind(ent->strct), id, m,
             ent->strct);
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE)
        add_copy(fs, FP_LFS_ATTR | (uint32_t)ent->attr_type, id, m, ent->attr);
    else if (fp_lfs_rec_kind(ent->attr) == FP_LFS_SEVERAL)
        add_copy(fs, FP_LFS_OP_ATTRS, id, m, ent->name);
    return FP_OK;
}

/* The id that the source has once the other operations are done. */
static uint16_t source_id(const struct move *mv)
{
    uint16_t id = mv->from.id;

    if (mv->replaces)
        id = (uint16_t)(id - (mv->to.id < id));
    return (uint16_t)(id + (mv->to.id <= id));
}

/* Handles of the file that is renamed. Any of the commits may take the source
 * out, and the handles would take that for their file's end: they are marked
 * before, and go where the new entry went. */
static void park(struct fp_lfs *fs, const struct move *mv)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next)
        n->parked = n->what == FP_LFS_NODE_FILE && n->id == mv->from.id &&
                    !fp_lfs_pair_is_null(n->pair) &&
                    fp_lfs_pair_shares(n->pair, mv->from.pair);
}

/* Once the new entry is on flash; `to` is at no entry before. */
static void unpark(struct fp_lfs *fs, const struct fp_lfs_node *to)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next)
        if (n->parked && !fp_lfs_pair_is_null(to->pair)) {
            fp_lfs_pair_set(n->pair, to->pair[0], to->pair[1]);
            n->id = to->id;
        }
}

/* One commit does all. */
static int rename_within(struct fp_lfs *fs, struct move *mv,
                         struct fp_lfs_node *to)
{
    int err;

    park(fs, mv);
    (void)fp_lfs_op(fs, FP_LFS_DELETE, source_id(mv), NULL, 0);
    err = fp_lfs_commit(fs, mv->to.pair, to);
    unpark(fs, to);
    return err;
}

/* New links written by a relocation took the source out of its pair. When
 * that was the last entry of a continuation, the pair goes too. */
static int drop_if_empty(struct fp_lfs *fs, const uint32_t pair[2])
{
    struct fp_lfs_mdir *m;
    uint32_t now[2], pred[2];
    bool hard;
    int err = fp_lfs_find_in_thread(fs, pair, now);

    if (!err)
        err = fp_lfs_get(fs, now, &m);
    if (err || m->count)
        return err == FP_ERR_NOENT ? FP_OK : err;
    err = fp_lfs_find_pred(fs, now, pred, &hard);
    return !err && hard ? fp_lfs_unlink(fs, now) : FP_OK;
}

static int rename_across(struct fp_lfs *fs, struct move *mv,
                         struct fp_lfs_node *to)
{
    struct fp_lfs_node from = { .what = FP_LFS_NODE_MARK, .id = mv->from.id };
    int err;

    park(fs, mv);
    fp_lfs_pair_set(from.pair, mv->from.pair[0], mv->from.pair[1]);
    fp_lfs_pair_set(from.dir, FP_LFS_NULL, FP_LFS_NULL);
    fp_lfs_node_add(fs, &from);
    fp_lfs_want_move(fs, mv->from.pair, mv->from.id);
    err = fp_lfs_commit(fs, mv->to.pair, to);
    unpark(fs, to);
    if (!err) {
        /* The new links of a relocation may have taken the source along. */
        if (fp_lfs_has_move(&fs->gdisk)) {
            fp_lfs_want_no_move(fs);
            err = fp_lfs_commit_delete(fs, from.pair, from.id);
        } else {
            err = drop_if_empty(fs, mv->from.pair);
        }
        if (err)
            fs->prepared = false;
    }
    fp_lfs_node_del(fs, &from);
    return err;
}

static int do_rename(struct fp_lfs *fs, struct move *mv)
{
    struct fp_lfs_node to = { .what = FP_LFS_NODE_MARK };
    int err;

    fp_lfs_pair_set(to.pair, FP_LFS_NULL, FP_LFS_NULL);
    fp_lfs_pair_set(to.dir, FP_LFS_NULL, FP_LFS_NULL);
    err = build_ops(fs, mv);
    if (err)
        return err;
    if (mv->victim_is_dir) {
        fs->unlinked = 1;
        fs->gwant.tag |= FP_LFS_G_ORPHANS;
    }
    fp_lfs_node_add(fs, &to);
    err = fp_lfs_pair_shares(mv->from.pair, mv->to.pair)
              ? rename_within(fs, mv, &to)
              : rename_across(fs, mv, &to);
    fp_lfs_node_del(fs, &to);
    fs->unlinked = 0;
    if (!err && mv->victim_is_dir)
        err = drop_dir(fs, mv->victim);
    return err;
}

/* What is in the way must be of the same kind, and a directory empty. */
static int check_target(struct fp_lfs *fs, struct move *mv, const char *to)
{
    int err;

    if (mv->to.kind != mv->from.kind)
        return mv->to.kind == FP_LFS_DIR ? FP_ERR_ISDIR : FP_ERR_NOTDIR;
    mv->replaces = true;
    if (mv->to.kind != FP_LFS_DIR)
        return FP_OK;
    mv->victim_is_dir = true;
    err = fp_lfs_enter(fs, &mv->to, mv->victim);
    if (!err)
        err = check_empty(fs, mv->victim);
    return err ? err : fp_lfs_lookup(fs, to, true, &mv->to);
}

int fp_lfs_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct move mv = { .replaces = false };
    int err = fp_lfs_prepare(fs);

    if (!err)
        err = fp_lfs_lookup(fs, from, false, &mv.from);
    if (err)
        return err;
    err = fp_lfs_lookup(fs, to, true, &mv.to);
    if (mv.from.is_root || (!err && mv.to.is_root))
        return FP_ERR_BUSY;
    if (!err) {
        if (flags & FP_RENAME_NOREPLACE)
            return FP_ERR_EXIST;
        if (mv.from.id == mv.to.id &&
            fp_lfs_pair_equal(mv.from.pair, mv.to.pair))
            return FP_OK;
        err = check_target(fs, &mv, to);
        if (!err)
            err = fp_lfs_lookup(fs, from, false, &mv.from);
    } else if (err == FP_ERR_NOENT && mv.to.is_last) {
        err = FP_OK;
    }
    return err ? err : fp_lfs_finish(fs, do_rename(fs, &mv));
}
