/* SPDX-License-Identifier: MIT
 *
 * Commits, and what follows from them.
 *
 * A commit is appended to the pair's log where there is room behind it that is
 * known to be erased; otherwise the pair is written out afresh (compact.c),
 * which may relocate it. Then its links have to follow:
 *
 *     1 the new block is written             nothing leads to it yet
 *     2 the parent's entry names the new     from now on this is the state;
 *       pair, and the orphan flag is set     the thread still has the old pair
 *     3 the predecessor's tail names it,     done
 *       and the flag is cleared
 *
 * A continuation, reached by a hard tail, has no entry in a parent: step 3
 * alone. Steps 2 and 3 are commits themselves. They never move a pair for
 * wear, but a bad block may make them relocate in turn: the latest relocation
 * is finished first, and whoever follows the old link of a pair that is not
 * finished is led to the new one (fs->moved).
 *
 * A change of the global state travels with the commit that makes its
 * operation visible: the pair's own, or after a relocation the commit of step
 * 2 (or 3 alone).
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

/* --- operations --- */

struct fp_lfs_op *fp_lfs_op(struct fp_lfs *fs, uint32_t type, uint32_t id,
                            const void *buf, uint32_t len)
{
    struct fp_lfs_op *op = &fs->ops[fs->op_count++];

    FP_ASSERT(fs->op_count <= FP_LFS_OPS_MAX);
    op->type = (uint16_t)type;
    op->id = (uint16_t)id;
    op->len = (uint16_t)len;
    op->buf = buf;
    return op;
}

const struct fp_lfs_op *fp_lfs_op_typed(const struct fp_lfs *fs, uint32_t type)
{
    for (uint32_t i = 0; i < fs->op_count; i++)
        if (fs->ops[i].type == type)
            return &fs->ops[i];
    return NULL;
}

void fp_lfs_op_pair(struct fp_lfs *fs, uint32_t type, uint32_t id,
                    const uint32_t pair[2])
{
    struct fp_lfs_op *op = fp_lfs_op(fs, type, id, NULL, 8);

    op->buf = op->words;
    fp_lfs_pair_set(op->words, pair[0], pair[1]);
    fp_lfs_le(op->words, 2);
}

void fp_lfs_op_delete(struct fp_lfs *fs, uint32_t id)
{
    (void)fp_lfs_op(fs, FP_LFS_DELETE, id, NULL, 0);
}

void fp_lfs_op_create(struct fp_lfs *fs, uint32_t type)
{
    const struct fp_lfs_place *to = fs->to;

    (void)fp_lfs_op(fs, FP_LFS_CREATE, to->id, NULL, 0);
    (void)fp_lfs_op(fs, type, to->id, to->name, to->name_len);
}

/* --- places that follow their entries --- */

/* The id that the operations leave the place with, or give it, if it is
 * parked. False: its entry is gone. */
static bool follow_ops(const struct fp_lfs *fs, struct fp_lfs_node *n)
{
    const struct fp_lfs_op *op = fs->ops, *end = op + fs->op_count;

    for (; op < end; op++) {
        if (op->type >> 8 != FP_LFS_CREATE >> 8)
            continue;
        if (n->parked) {
            if (op->type != FP_LFS_CREATE)
                continue;
            n->id = op->id;
            n->parked = false;
        } else if (op->id + (n->what == FP_LFS_NODE_DIR) <= n->id) {
            if (op->type == FP_LFS_CREATE)
                n->id++;
            else if (op->id == n->id)
                return false;
            else
                n->id--;
        }
    }
    return true;
}

static void follow_outcome(struct fp_lfs_node *n,
                           const struct fp_lfs_outcome *out,
                           const uint32_t now[2])
{
    for (uint32_t i = 0; i < out->split_count; i++)
        if (n->id >= out->splits[i].id) {
            now = out->splits[i].pair;
            n->id = (uint16_t)(n->id - out->splits[i].id);
            break;
        }
    fp_lfs_pair_set(n->pair, now[0], now[1]);
}

static FP_LFS_APART void follow_all(struct fp_lfs *fs,
                                    const struct fp_lfs_moved *moved)
{
    const struct fp_lfs_outcome *out = fs->out;
    const uint32_t *head =
        fs->part->expanded ? out->splits[0].pair : moved->now;

    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        if (n->parked || fp_lfs_pair_shares(n->pair, moved->old)) {
            if (follow_ops(fs, n))
                follow_outcome(n, out, moved->now);
            else
                fp_lfs_pair_set(n->pair, FP_LFS_NULL, FP_LFS_NULL);
        }
        if (fp_lfs_pair_shares(n->dir, moved->old))
            fp_lfs_pair_set(n->dir, head[0], head[1]);
    }
    if (fp_lfs_pair_shares(fs->root, moved->old))
        fp_lfs_pair_set(fs->root, head[0], head[1]);
}

/* --- one commit --- */

void fp_lfs_gstate_change(const struct fp_lfs *fs, struct fp_lfs_gstate *delta)
{
    fp_lfs_gstate_xor(delta, &fs->gdisk);
    fp_lfs_gstate_xor(delta, &fs->gwant);
    fp_lfs_gstate_xor(delta, &fs->absorb);
}

static void put_ops(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    struct fp_lfs_gstate delta = m->delta;

    for (uint32_t i = 0; i < fs->op_count; i++) {
        const struct fp_lfs_op *op = &fs->ops[i];

        if (op->type == FP_LFS_OP_ATTRS)
            fp_lfs_log_attrs(fs, &op->at, op->id, FP_LFS_NO_ID);
        else
            fp_lfs_log_op(fs, fp_lfs_tag(op->type, op->id, op->len), op);
    }
    fp_lfs_gstate_change(fs, &delta);
    if (memcmp(&delta, &m->delta, sizeof delta) != 0)
        fp_lfs_log_words(fs, FP_LFS_TAG_MOVESTATE, &delta.tag);
}

static bool fits(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    const struct fp_lfs_op *op = fs->ops;
    uint32_t size;

    fp_lfs_log_count(fs);
    put_ops(fs, m);
    size = fs->log.off;
    if (!m->erased || m->count >= fp_lfs_entries_ok(fs) ||
        m->off + size + 8 > fs->block_size)
        return false;
    /* An entry that does not fit a block of its own could never be written out
     * afresh: writing it out now tells. */
    if (fs->op_count && op->id < m->count &&
        op->type >> 8 != FP_LFS_CREATE >> 8)
        size += fp_lfs_live_size(fs, m, op->id, op->id + 1u);
    return size <= fs->block_size - FP_LFS_OVERHEAD;
}

/* Appends the operations to the log. After a failed program, what a mount
 * would find decides: a commit that is there all the same is done, and the
 * next one goes to the other block. FP_LFS_BAD: it is not, and m is as it was.
 */
static int append(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    uint32_t off = m->off;
    int err, written;

    fp_lfs_log_append(fs, m);
    put_ops(fs, m);
    written = fp_lfs_log_end(fs);
    if (written && written != FP_LFS_BAD)
        return written;
    err = fp_lfs_advance(fs, m);
    if (err || !written)
        return !err && m->off != fs->log.off ? FP_ERR_IO : err;
    m->erased = false;
    return m->off > off ? FP_OK : FP_LFS_BAD;
}

static FP_LFS_APART int write_pair(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct fp_lfs_outcome *out = fs->out;
    int err = FP_ERR_NOSPC;

    fs->part->expanded = false;
    out->split_count = 0;
    if (fits(fs, m))
        err = append(fs, m);
    if (err == FP_ERR_NOSPC || err == FP_LFS_BAD)
        err = fp_lfs_compact(fs, m, err == FP_LFS_BAD);
    return err;
}

/* What became of the pair is known: the state of the mount follows. A pair
 * that was relocated waits for its links, and the global state for them. */
static void settle(struct fp_lfs *fs, const struct fp_lfs_moved *moved)
{
    if (fp_lfs_pair_equal(moved->old, moved->now))
        fs->gdisk = fs->gwant;
    else
        fs->moved_count++;
    fs->used_known = false;
    fs->changes++;
    follow_all(fs, moved);
    fs->op_count = 0;
}

/* Of the operations, which are done then. */
static int commit_one(struct fp_lfs *fs, const uint32_t pair[2])
{
    struct fp_lfs_moved *moved = &fs->moved[fs->moved_count];
    struct fp_lfs_mdir *m;
    int err = fp_lfs_get(fs, pair, &m);

    if (!err && fs->moved_count == FP_LFS_MOVES_MAX)
        err = FP_ERR_IO;
    if (err)
        return err;
    fp_lfs_pair_set(moved->old, m->pair[0], m->pair[1]);
    moved->flagged = false;
    moved->step = 0;
    m->pins++;
    err = write_pair(fs, m);
    m->pins--;
    fp_lfs_drop_slots(fs, moved->old);
    m->valid = !err;
    fp_lfs_pair_set(moved->now, m->pair[0], m->pair[1]);
    if (!err)
        settle(fs, moved);
    /* It may have landed all the same, when only the reading behind it
     * failed: then memory says less than flash, and writing on could lose
     * a file. Only these two are known to come before anything happens. */
    else if (err != FP_ERR_NOSPC && err != FP_ERR_BUSY)
        fs->failed = true;
    return err;
}

/* --- links after relocations --- */

void fp_lfs_pend(struct fp_lfs *fs, int more)
{
    fs->unlinked += (uint32_t)more;
    fs->gwant.tag &= ~FP_LFS_G_ORPHANS;
    if (fs->unlinked)
        fs->gwant.tag |= FP_LFS_G_ORPHANS;
}

void fp_lfs_want_no_move(struct fp_lfs *fs)
{
    fs->gwant.tag &= FP_LFS_G_ORPHANS;
    fp_lfs_pair_set(fs->gwant.pair, 0, 0);
}

/* A new link in a pair. When the source of a pending move lies in the same
 * pair, the same commit takes it out: the pair may relocate or split now, and
 * the global state would name a place that is no longer. */
static int relink(struct fp_lfs *fs, const struct fp_lfs_place *at,
                  uint32_t type, struct fp_lfs_moved *moved)
{
    fp_lfs_resolve(fs, moved->now);
    fp_lfs_op_pair(fs, type, at->id, moved->now);
    if (fp_lfs_has_move(&fs->gwant) &&
        fp_lfs_pair_shares(fs->gwant.pair, at->pair)) {
        fp_lfs_op_delete(fs, fp_lfs_tag_id(fs->gwant.tag));
        fp_lfs_want_no_move(fs);
    }
    return commit_one(fs, at->pair);
}

/* The next link of a relocated pair: the parent's, if there is one, then the
 * predecessor's. */
static FP_LFS_APART int link_next(struct fp_lfs *fs, struct fp_lfs_moved *moved)
{
    struct fp_lfs_place *at = fs->parent;
    uint32_t type;
    int err, hard = fp_lfs_find_pred(fs, moved->old, at->pair);

    if (hard < 0)
        return hard == FP_ERR_NOENT ? FP_ERR_CORRUPT : hard;
    if (moved->step++) {
        at->id = FP_LFS_NO_ID;
        type = hard ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL;
        fp_lfs_pend(fs, -moved->flagged);
    } else {
        err = hard ? FP_ERR_NOENT : fp_lfs_find_parent(fs, moved->old, at);
        if (err)
            return err == FP_ERR_NOENT ? FP_OK : err;
        type = FP_LFS_STRUCT_DIR;
        moved->flagged = true;
        fp_lfs_pend(fs, 1);
    }
    return relink(fs, at, type, moved);
}

/* The latest relocation first: on the way to its links others may follow. */
static int link_all(struct fp_lfs *fs)
{
    uint32_t i = fs->moved_count;
    int err = FP_OK;

    while (i > 0 && !err) {
        if (fs->moved[i - 1].step == 2) {
            i--;
        } else {
            err = link_next(fs, &fs->moved[i - 1]);
            i = fs->moved_count;
        }
    }
    return err;
}

int fp_lfs_commit(struct fp_lfs *fs, const uint32_t pair[2])
{
    bool still = fs->still;
    int err = commit_one(fs, pair);

    fs->absorb = (struct fp_lfs_gstate){ 0 };
    if (!err) {
        fs->still = true;
        err = link_all(fs);
        fs->still = still;
        if (err)
            fs->failed = true;
    }
    if (err)
        fs->gwant = fs->gdisk; /* nothing of it happened */
    fs->moved_count = 0;
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next)
        n->parked = false;
    return err;
}

/* --- taking pairs and entries out --- */

/* Listings that stand in a pair which is dropped go on behind it; files that
 * were in it have been removed, and none can be made in its directory. */
static void leave_pair(struct fp_lfs *fs, const uint32_t pair[2],
                       const uint32_t tail[2], bool hard)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        if (fp_lfs_pair_shares(n->dir, pair))
            fp_lfs_pair_set(n->dir, FP_LFS_NULL, FP_LFS_NULL);
        if (!fp_lfs_pair_shares(n->pair, pair))
            continue;
        n->id = 0;
        n->ended = n->what != FP_LFS_NODE_DIR || !hard;
        if (n->ended)
            fp_lfs_pair_set(n->pair, FP_LFS_NULL, FP_LFS_NULL);
        else
            fp_lfs_pair_set(n->pair, tail[0], tail[1]);
    }
}

int fp_lfs_unlink(struct fp_lfs *fs, const uint32_t pair[2])
{
    uint32_t pred[2], tail[2], flight = fs->flight_count;
    uint32_t *gone = &fs->flight[flight];
    struct fp_lfs_mdir *m;
    int err, hard = fp_lfs_find_pred(fs, pair, pred);

    err = hard < 0 ? hard : fp_lfs_get(fs, pair, &m);
    if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    if (flight + 2 > FP_LFS_FLIGHT_MAX)
        return FP_ERR_IO;
    /* The rest of an orphan must not become the rest of its predecessor. */
    hard = m->hard && hard;
    fp_lfs_pair_set(tail, m->tail[0], m->tail[1]);
    fs->absorb = m->delta;
    fp_lfs_op_pair(fs, hard ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL, FP_LFS_NO_ID,
                   m->tail);
    /* The commit may relocate pairs, and these must not take the blocks that
     * it sets free: whoever moves there would leave together with the rest. */
    fp_lfs_pair_set(gone, m->pair[0], m->pair[1]);
    fs->flight_count += 2;
    err = fp_lfs_commit(fs, pred);
    fs->flight_count = flight; /* what came since is linked, or failed */
    if (!err) {
        leave_pair(fs, gone, tail, hard);
        fp_lfs_drop_slots(fs, gone);
    }
    return err;
}

int fp_lfs_commit_delete(struct fp_lfs *fs, const uint32_t pair[2], uint32_t id)
{
    bool none = id == FP_LFS_NO_ID;
    struct fp_lfs_mdir *m;
    uint32_t pred[2];
    int err = fp_lfs_get(fs, pair, &m);

    if (!err && m->count == !none)
        err = fp_lfs_find_pred(fs, pair, pred);
    if (err > 0)
        return fp_lfs_unlink(fs, pair);
    if (err && err != FP_ERR_NOENT)
        return err;
    if (none)
        return FP_OK;
    fp_lfs_op_delete(fs, id);
    return fp_lfs_commit(fs, pair);
}

/* --- the frame of every operation that writes --- */

int fp_lfs_prepare(struct fp_lfs *fs)
{
    if (fs->failed)
        return FP_ERR_ROFS;
    fs->flight_count = fs->op_count = 0;
    fs->unlinked = fs->gdisk.tag / FP_LFS_G_ORPHANS; /* what a cut left */
    return fp_lfs_repair(fs);
}

int fp_lfs_finish(struct fp_lfs *fs, int err)
{
    int synced = fp_bdev_sync(fs->dev);

    return err ? err : synced;
}
