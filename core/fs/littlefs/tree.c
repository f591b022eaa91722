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

int fp_lfs_begin(struct fp_lfs *fs, const char *path, bool for_create)
{
    int err = fp_lfs_prepare(fs);

    return err ? err : fp_lfs_lookup(fs, path, for_create, fs->to);
}

/* --- mkdir --- */

/* The last pair of the directory that `at` belongs to. */
static int last_of(struct fp_lfs *fs, const uint32_t at[2],
                   struct fp_lfs_mdir **m)
{
    struct fp_lfs_chain dir;
    int err;

    fp_lfs_chain_begin(&dir, at[0], at[1]);
    do
        err = fp_lfs_chain_next(fs, &dir);
    while (!err && dir.m->hard);
    *m = dir.m;
    return err;
}

/* The new pair into the thread, before it has an entry. The commit may relocate
 * the directory's last pair and with it change links in the pair of the entry;
 * but it adds no entries there. */
static int link_early(struct fp_lfs *fs, const uint32_t last[2],
                      const uint32_t pair[2])
{
    struct fp_lfs_place *place = fs->to;
    int err;

    fp_lfs_pend(fs, 1);
    fp_lfs_op_pair(fs, FP_LFS_SOFTTAIL, FP_LFS_NO_ID, pair);
    err = fp_lfs_commit(fs, last);
    if (!err)
        err = fp_lfs_find_in(fs, place, true);
    if (err)
        return err;
    if (place->kind)
        return FP_ERR_EXIST;
    fp_lfs_pend(fs, -1);
    return FP_OK;
}

static int make_dir(struct fp_lfs *fs)
{
    const struct fp_lfs_place *place = fs->to;
    uint32_t pair[2], last[2];
    struct fp_lfs_mdir *m;
    int err = last_of(fs, place->pair, &m);

    if (err)
        return err;
    fp_lfs_pair_set(last, m->pair[0], m->pair[1]);
    err = fp_lfs_new_pair(fs, m->tail, pair);
    if (!err && !fp_lfs_pair_equal(last, place->pair))
        err = link_early(fs, last, pair);
    if (err)
        return err;
    fp_lfs_op_create(fs, FP_LFS_NAME_DIR);
    fp_lfs_op_pair(fs, FP_LFS_STRUCT_DIR, place->id, pair);
    if (fp_lfs_pair_equal(last, place->pair))
        fp_lfs_op_pair(fs, FP_LFS_SOFTTAIL, FP_LFS_NO_ID, pair);
    return fp_lfs_commit(fs, place->pair);
}

int fp_lfs_mkdir(struct fp_mount *mnt, const char *path)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    int err = fp_lfs_begin(fs, path, true);

    if (!err && fs->to->kind)
        err = FP_ERR_EXIST;
    return err ? err : fp_lfs_finish(fs, make_dir(fs));
}

/* --- what goes --- */

/* Empty: no entries, in no pair. Continuations without entries, which only
 * others leave, are dropped on the way. */
static int check_empty(struct fp_lfs *fs, const uint32_t head[2])
{
    uint32_t before, tail[2];
    struct fp_lfs_mdir *m;
    int err;

    do {
        err = fp_lfs_get(fs, head, &m);
        if (!err && m->count)
            err = FP_ERR_NOTEMPTY;
        if (err || !m->hard)
            return err;
        before = fs->changes;
        fp_lfs_pair_set(tail, m->tail[0], m->tail[1]);
        err = fp_lfs_commit_delete(fs, tail, FP_LFS_NO_ID);
    } while (!err && fs->changes != before);
    return err ? err : FP_ERR_NOTEMPTY;
}

/* What is at `to` may go: if it is a directory, it is empty. */
static int choose_victim(struct fp_lfs *fs, const char *path)
{
    int err;

    if (fs->to->kind != FP_LFS_DIR)
        return FP_OK;
    err = fp_lfs_enter(fs, fs->to, fs->victim);
    if (!err)
        err = check_empty(fs, fs->victim);
    return err ? err : fp_lfs_lookup(fs, path, false, fs->to);
}

/* Around the commit that removes the entry of a directory: the orphan flag is
 * set by it, and cleared by the one that takes the pair out of the thread. */
static void begin_removal(struct fp_lfs *fs)
{
    if (fs->to->kind == FP_LFS_DIR)
        fp_lfs_pend(fs, 1);
}

static int end_removal(struct fp_lfs *fs, int err)
{
    if (err || fs->to->kind != FP_LFS_DIR)
        return err;
    fp_lfs_pend(fs, -1);
    return fp_lfs_unlink(fs, fs->victim);
}

int fp_lfs_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    int err = fp_lfs_begin(fs, path, false);

    if (!err)
        err = choose_victim(fs, path);
    if (err)
        return err;
    begin_removal(fs);
    err = fp_lfs_commit_delete(fs, fs->to->pair, fs->to->id);
    return fp_lfs_finish(fs, end_removal(fs, err));
}

/* --- rename --- */

/* One whose data is a record in the source's log. */
static void add_copy(struct fp_lfs *fs, uint32_t type,
                     const struct fp_lfs_mdir *m, fp_lfs_rec rec)
{
    struct fp_lfs_op *op =
        fp_lfs_op(fs, type, fs->to->id, NULL, fp_lfs_rec_len(rec));

    op->at = (struct fp_lfs_at){ m->pair[0], fp_lfs_rec_off(rec), m->off };
}

/* The destination's commit: the replaced entry out, the new one in, with
 * structure and attributes copied from the source's log. */
static int build_ops(struct fp_lfs *fs)
{
    const struct fp_lfs_place *to = fs->to;
    const struct fp_lfs_ent *ent;
    struct fp_lfs_mdir *m;
    int err = fp_lfs_get(fs, fs->from->pair, &m);

    if (err)
        return err;
    ent = &m->ents[fs->from->id];
    if (to->kind)
        fp_lfs_op_delete(fs, to->id);
    /* A name's kind is its type. */
    fp_lfs_op_create(fs, fs->from->kind);
    add_copy(fs, FP_LFS_STRUCT_DIR - 1 + fp_lfs_rec_kind(ent->strct), m,
             ent->strct);
#if !FP_LFS_SMALL
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE)
        add_copy(fs, FP_LFS_ATTR | (uint32_t)ent->attr_type, m, ent->attr);
#endif
    if (fp_lfs_ent_searched(m, ent))
        add_copy(fs, FP_LFS_OP_ATTRS, m, ent->name);
    return FP_OK;
}

/* Handles of the file follow it to the new entry, whatever becomes of the
 * source. */
static void park(struct fp_lfs *fs)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next)
        n->parked = n->what == FP_LFS_NODE_FILE && n->id == fs->from->id &&
                    fp_lfs_pair_shares(n->pair, fs->from->pair);
}

/* One commit does all. The source has moved by what the others did. */
static int rename_within(struct fp_lfs *fs)
{
    uint32_t id = fs->from->id;

    if (fs->to->kind)
        id -= fs->to->id < id;
    id += fs->to->id <= id;
    fp_lfs_op_delete(fs, id);
    return fp_lfs_commit(fs, fs->to->pair);
}

/* The new links of a relocation may have taken the source along, and when that
 * was the last entry of a continuation, that goes too. */
static int rename_across(struct fp_lfs *fs)
{
    const struct fp_lfs_gstate *move = &fs->gdisk;
    uint32_t pair[2];
    int err;

    fs->gwant.tag |= fp_lfs_tag(FP_LFS_DELETE, fs->from->id, 0);
    fp_lfs_pair_set(fs->gwant.pair, fs->from->pair[0], fs->from->pair[1]);
    err = fp_lfs_commit(fs, fs->to->pair);
    if (err)
        return err;
    if (fp_lfs_has_move(move)) {
        fp_lfs_want_no_move(fs);
        return fp_lfs_commit_delete(fs, fs->from->pair,
                                    fp_lfs_tag_id(move->tag));
    }
    err = fp_lfs_find_in_thread(fs, fs->from->pair, pair);
    if (err)
        return err == FP_ERR_NOENT ? FP_OK : err;
    return fp_lfs_commit_delete(fs, pair, FP_LFS_NO_ID);
}

static int do_rename(struct fp_lfs *fs)
{
    int err = build_ops(fs);

    if (err)
        return err;
    park(fs);
    begin_removal(fs);
    err = fp_lfs_pair_shares(fs->from->pair, fs->to->pair) ? rename_within(fs)
                                                           : rename_across(fs);
    return end_removal(fs, err);
}

/* What is in the way must be of the same kind, and a directory empty. */
static int check_target(struct fp_lfs *fs, const char *from, const char *to)
{
    int err;

    if (fs->to->kind != fs->from->kind)
        return fs->to->kind == FP_LFS_DIR ? FP_ERR_ISDIR : FP_ERR_NOTDIR;
    err = choose_victim(fs, to);
    return err ? err : fp_lfs_lookup(fs, from, false, fs->from);
}

int fp_lfs_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    int err = fp_lfs_prepare(fs);

    if (!err)
        err = fp_lfs_lookup(fs, from, false, fs->from);
    if (!err)
        err = fp_lfs_lookup(fs, to, true, fs->to);
    if (!err && fs->to->kind)
        err = flags & FP_RENAME_NOREPLACE ? FP_ERR_EXIST
                                          : check_target(fs, from, to);
    return err ? err : fp_lfs_finish(fs, do_rename(fs));
}
