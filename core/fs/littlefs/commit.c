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
    memset(op, 0, sizeof *op);
    op->type = (uint16_t)type;
    op->id = (uint16_t)id;
    op->len = (uint16_t)len;
    op->buf = buf;
    return op;
}

void fp_lfs_op_pair(struct fp_lfs *fs, uint32_t type, uint32_t id, uint32_t a,
                    uint32_t b)
{
    struct fp_lfs_op *op = fp_lfs_op(fs, type, id, NULL, 8);

    fp_put_le32(op->raw, a);
    fp_put_le32(op->raw + 4, b);
    op->buf = op->raw;
}

/* --- places that follow their entries --- */

static void follow_ops(const struct fp_lfs *fs, struct fp_lfs_node *n,
                       uint32_t from)
{
    for (uint32_t i = from; i < fs->op_count; i++) {
        uint32_t type = fs->ops[i].type, id = fs->ops[i].id;

        if (type == FP_LFS_CREATE) {
            /* A listing that stands here will meet the new entry. */
            if (id < n->id || (id == n->id && n->what != FP_LFS_NODE_DIR))
                n->id++;
        } else if (type == FP_LFS_DELETE) {
            if (id == n->id && n->what != FP_LFS_NODE_DIR) {
                fp_lfs_pair_set(n->pair, FP_LFS_NULL, FP_LFS_NULL);
                return;
            }
            if (id < n->id)
                n->id--;
        }
    }
}

static void follow_outcome(struct fp_lfs_node *n,
                           const struct fp_lfs_outcome *out)
{
    if (fp_lfs_pair_is_null(n->pair))
        return;
    for (uint32_t i = 0; i < out->split_count; i++) {
        const struct fp_lfs_split *split = &out->splits[i];

        if (n->id >= split->id) {
            fp_lfs_pair_set(n->pair, split->pair[0], split->pair[1]);
            n->id = (uint16_t)(n->id - split->id);
            return;
        }
    }
    fp_lfs_pair_set(n->pair, out->now[0], out->now[1]);
}

static void follow_all(struct fp_lfs *fs)
{
    const struct fp_lfs_outcome *out = &fs->out;

    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        if (!fp_lfs_pair_is_null(n->pair) &&
            fp_lfs_pair_shares(n->pair, out->old)) {
            follow_ops(fs, n, 0);
            follow_outcome(n, out);
        }
        if (!fp_lfs_pair_is_null(n->dir) &&
            fp_lfs_pair_shares(n->dir, out->old)) {
            const uint32_t *to = out->expanded ? out->splits[0].pair : out->now;

            fp_lfs_pair_set(n->dir, to[0], to[1]);
        }
    }
}

/* Puts `mark` where the entry of the last CREATE ends up. */
static void place_mark(struct fp_lfs *fs, struct fp_lfs_node *mark)
{
    for (uint32_t i = 0; i < fs->op_count; i++) {
        if (fs->ops[i].type != FP_LFS_CREATE)
            continue;
        fp_lfs_pair_set(mark->pair, fs->out.old[0], fs->out.old[1]);
        mark->id = fs->ops[i].id;
        follow_ops(fs, mark, i + 1);
        follow_outcome(mark, &fs->out);
    }
}

/* --- one commit --- */

static uint32_t ops_size(struct fp_lfs *fs, int *err)
{
    uint32_t size = 0;

    *err = FP_OK;
    for (uint32_t i = 0; i < fs->op_count; i++) {
        const struct fp_lfs_op *op = &fs->ops[i];
        uint32_t from = 0;

        if (op->type != FP_LFS_OP_ATTRS) {
            size += 4 + fp_lfs_tag_size(op->len);
            continue;
        }
        while (from < 256) {
            struct fp_lfs_attr attr;

            *err =
                fp_lfs_attr_scan(fs, op->block, op->end, op->off, from, &attr);
            if (*err == FP_ERR_NODATA) {
                *err = FP_OK;
                break;
            }
            if (*err)
                return 0;
            size += 4u + attr.len;
            from = attr.type + 1u;
        }
    }
    return size;
}

static bool gstate_changes(const struct fp_lfs *fs,
                           struct fp_lfs_gstate *change)
{
    *change = fs->gdisk;
    fp_lfs_gstate_xor(change, &fs->gwant);
    fp_lfs_gstate_xor(change, &fs->absorb);
    return !fp_lfs_gstate_is_zero(change);
}

static int put_attrs(struct fp_lfs *fs, struct fp_lfs_log *log,
                     const struct fp_lfs_op *op)
{
    uint32_t from = 0;

    while (from < 256) {
        struct fp_lfs_attr attr;
        int err =
            fp_lfs_attr_scan(fs, op->block, op->end, op->off, from, &attr);

        if (!err)
            err = fp_lfs_log_flash(
                fs, log, fp_lfs_tag(FP_LFS_ATTR | attr.type, op->id, attr.len),
                attr.block, attr.off);
        if (err)
            return err == FP_ERR_NODATA ? FP_OK : err;
        from = attr.type + 1u;
    }
    return FP_OK;
}

static int put_op(struct fp_lfs *fs, struct fp_lfs_log *log,
                  const struct fp_lfs_op *op)
{
    uint32_t tag = fp_lfs_tag(op->type, op->id, op->len);

    if (op->type == FP_LFS_OP_ATTRS)
        return put_attrs(fs, log, op);
    return fp_lfs_log_op(fs, log, tag, op);
}

/* After a failed program: what a mount would find decides. A commit that is
 * there all the same is done, and the next one goes to the other block. */
static int judge_failed(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    uint32_t off = m->off;
    int err = fp_lfs_advance(fs, m);

    m->erased = false;
    if (err)
        return err;
    return m->off > off ? FP_OK : FP_LFS_BAD;
}

/* Appends the operations from that number on to the log. FP_LFS_BAD: the flash
 * behind it is bad, and m is as it was. */
static int append(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t from)
{
    struct fp_lfs_gstate delta;
    struct fp_lfs_log log;
    int err = FP_OK;

    fp_lfs_log_append(&log, m);
    fs->pcache.block = FP_LFS_NULL;
    for (uint32_t i = from; i < fs->op_count && !err; i++)
        err = put_op(fs, &log, &fs->ops[i]);
    if (!err && gstate_changes(fs, &delta)) {
        uint8_t raw[12];

        fp_lfs_gstate_xor(&delta, &m->delta);
        fp_put_le32(raw, delta.tag);
        fp_put_le32(raw + 4, delta.pair[0]);
        fp_put_le32(raw + 8, delta.pair[1]);
        err = fp_lfs_log_ram(
            fs, &log, fp_lfs_tag(FP_LFS_MOVESTATE, FP_LFS_NO_ID, 12), raw);
    }
    if (!err)
        err = fp_lfs_log_end(fs, &log);
    if (err == FP_LFS_BAD)
        return judge_failed(fs, m);
    if (err)
        return err;
    err = fp_lfs_advance(fs, m);
    return !err && m->off != log.off ? FP_ERR_IO : err;
}

/* Room that the log has left behind the commit; negative: it does not fit. */
static int room(struct fp_lfs *fs, const struct fp_lfs_mdir *m, int32_t *left)
{
    struct fp_lfs_gstate change;
    int err;
    uint32_t size = ops_size(fs, &err) + 8;

    if (gstate_changes(fs, &change))
        size += 16;
    if (!m->erased || m->count >= fp_lfs_entries_ok(fs) ||
        m->off + size > fs->block_size)
        *left = -1;
    else
        *left = (int32_t)(fs->block_size -
                          fp_lfs_align_up(m->off + size, fs->prog_size));
    return err;
}

#define LINK_SIZE 40u /* of a commit with a tail and a change of state */

/* The last room of the log is for the link to a pair for what comes next. */
static int spill(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    const uint32_t *pair = fs->out.splits[0].pair;
    int err;

    if (!m->erased || m->off + LINK_SIZE > fs->block_size ||
        fs->op_count == FP_LFS_OPS_MAX)
        return FP_ERR_NOTSUP;
    err = fp_lfs_spill(fs, m);
    if (err)
        return err;
    fp_lfs_op_pair(fs, FP_LFS_HARDTAIL, FP_LFS_NO_ID, pair[0], pair[1]);
    err = append(fs, m, fs->op_count - 1);
    fs->op_count--;
    return err;
}

static int write_pair(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct fp_lfs_outcome *out = &fs->out;
    bool append_failed = false;
    int32_t left;
    int err = room(fs, m, &left);

    memset(out, 0, sizeof *out);
    fp_lfs_pair_set(out->old, m->pair[0], m->pair[1]);
    fp_lfs_pair_set(out->now, m->pair[0], m->pair[1]);
    out->gstate_done = true;
    if (err)
        return err;
    if (left < (int32_t)LINK_SIZE) {
        err = spill(fs, m);
        append_failed = err == FP_LFS_BAD;
        if (!append_failed && err != FP_ERR_NOTSUP && err != FP_ERR_NOSPC)
            return err;
    }
    if (left >= 0 && !append_failed) {
        err = append(fs, m, 0);
        if (err != FP_LFS_BAD)
            return err;
        append_failed = true;
    }
    return fp_lfs_compact(fs, m, append_failed);
}

/* Of the operations, which are done then. */
static int commit_one(struct fp_lfs *fs, const uint32_t pair[2],
                      struct fp_lfs_node *mark)
{
    const struct fp_lfs_outcome *out = &fs->out;
    struct fp_lfs_mdir *m;
    int err = fp_lfs_get(fs, pair, &m);

    if (err)
        return err;
    m->pins++;
    err = write_pair(fs, m);
    m->pins--;
    if (err) {
        m->valid = false;
        /* It may have landed all the same, when only the reading behind it
         * failed: then memory says less than flash, and writing on could lose
         * a file. Only these two are known to come before anything happens. */
        if (err != FP_ERR_NOSPC && err != FP_ERR_BUSY)
            fs->failed = true;
        return err;
    }
    if (out->gstate_done)
        fs->gdisk = fs->gwant;
    fs->absorb = (struct fp_lfs_gstate){ 0 };
    fp_lfs_drop_slots(fs, out->old, m);
    if (out->expanded)
        fp_lfs_pair_set(fs->root, out->splits[0].pair[0],
                        out->splits[0].pair[1]);
    else if (fp_lfs_pair_shares(fs->root, out->old))
        fp_lfs_pair_set(fs->root, out->now[0], out->now[1]);
    fs->used_known = false;
    fs->changes++;
    follow_all(fs);
    if (mark)
        place_mark(fs, mark);
    fs->op_count = 0;
    return FP_OK;
}

/* --- links after relocations --- */

/* Notes a relocation, whose links are to follow. */
static int note_moved(struct fp_lfs *fs)
{
    const struct fp_lfs_outcome *out = &fs->out;
    struct fp_lfs_moved *moved = &fs->moved[fs->moved_count];

    if (fp_lfs_pair_equal(out->old, out->now))
        return FP_OK;
    if (fs->moved_count == FP_LFS_MOVES_MAX)
        return FP_ERR_IO;
    fs->moved_count++;
    *moved = (struct fp_lfs_moved){ { out->old[0], out->old[1] },
                                    { out->now[0], out->now[1] },
                                    false,
                                    false,
                                    false };
    return FP_OK;
}

static void want_orphans(struct fp_lfs *fs)
{
    if (fs->unlinked)
        fs->gwant.tag |= FP_LFS_G_ORPHANS;
    else
        fs->gwant.tag &= ~FP_LFS_G_ORPHANS;
}

void fp_lfs_want_no_move(struct fp_lfs *fs)
{
    fs->gwant.tag &= FP_LFS_G_ORPHANS;
    fp_lfs_pair_set(fs->gwant.pair, 0, 0);
}

void fp_lfs_want_move(struct fp_lfs *fs, const uint32_t pair[2], uint32_t id)
{
    fs->gwant.tag =
        (fs->gwant.tag & FP_LFS_G_ORPHANS) | fp_lfs_tag(FP_LFS_DELETE, id, 0);
    fp_lfs_pair_set(fs->gwant.pair, pair[0], pair[1]);
}

/* A new link in a pair. When the source of a pending move lies in the same
 * pair, the same commit takes it out: the pair may relocate or split now, and
 * the global state would name a place that is no longer. */
static int relink(struct fp_lfs *fs, const uint32_t pair[2], uint32_t type,
                  uint32_t id, const uint32_t to[2])
{
    uint32_t last[2] = { to[0], to[1] };
    int err;

    fp_lfs_resolve(fs, last);
    fp_lfs_op_pair(fs, type, id, last[0], last[1]);
    if (fp_lfs_has_move(&fs->gwant) &&
        fp_lfs_pair_shares(fs->gwant.pair, pair)) {
        (void)fp_lfs_op(fs, FP_LFS_DELETE, fp_lfs_tag_id(fs->gwant.tag), NULL,
                        0);
        fp_lfs_want_no_move(fs);
    }
    err = commit_one(fs, pair, NULL);
    return err ? err : note_moved(fs);
}

static int link_parent(struct fp_lfs *fs, struct fp_lfs_moved *r)
{
    struct fp_lfs_place parent;
    uint32_t pred[2];
    bool hard;
    int err = fp_lfs_find_pred(fs, r->old, pred, &hard);

    r->parent_done = true;
    if (err || hard)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    err = fp_lfs_find_parent(fs, r->old, &parent);
    if (err)
        return err == FP_ERR_NOENT ? FP_OK : err;
    r->flagged = true;
    fs->unlinked++;
    want_orphans(fs);
    return relink(fs, parent.pair, FP_LFS_STRUCT_DIR, parent.id, r->now);
}

static int link_pred(struct fp_lfs *fs, struct fp_lfs_moved *r)
{
    uint32_t pred[2];
    bool hard;
    int err = fp_lfs_find_pred(fs, r->old, pred, &hard);

    r->done = true;
    if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    if (r->flagged)
        fs->unlinked--;
    want_orphans(fs);
    return relink(fs, pred, hard ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL,
                  FP_LFS_NO_ID, r->now);
}

/* The latest relocation first: on the way to its links others may follow. */
static int settle_links(struct fp_lfs *fs)
{
    for (uint32_t i = fs->moved_count; i > 0; i = fs->moved_count) {
        int err;

        while (i > 0 && fs->moved[i - 1].done)
            i--;
        if (i == 0)
            return FP_OK;
        err = fs->moved[i - 1].parent_done ? link_pred(fs, &fs->moved[i - 1])
                                           : link_parent(fs, &fs->moved[i - 1]);
        if (err)
            return err;
    }
    return FP_OK;
}

int fp_lfs_commit(struct fp_lfs *fs, const uint32_t pair[2],
                  struct fp_lfs_node *mark)
{
    struct fp_lfs_gstate wanted = fs->gdisk;
    bool still = fs->still;
    int err;

    err = commit_one(fs, pair, mark);
    if (err) {
        fs->op_count = 0;
        fs->gwant = wanted; /* nothing of it happened */
        fs->absorb = (struct fp_lfs_gstate){ 0 };
        return err;
    }
    err = note_moved(fs);
    fs->still = true;
    if (!err)
        err = settle_links(fs);
    fs->op_count = 0;
    fs->still = still;
    fs->moved_count = 0;
    if (err) {
        fs->failed = true;
        fs->gwant = fs->gdisk;
    }
    return err;
}

/* --- taking pairs and entries out --- */

/* Listings that stand in a pair which is dropped go on behind it; files that
 * were in it have been removed. */
static void leave_pair(struct fp_lfs *fs, const uint32_t pair[2],
                       const uint32_t tail[2], bool hard)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        if (!fp_lfs_pair_is_null(n->dir) && fp_lfs_pair_shares(n->dir, pair))
            fp_lfs_pair_set(n->dir, FP_LFS_NULL, FP_LFS_NULL);
        if (fp_lfs_pair_is_null(n->pair) || !fp_lfs_pair_shares(n->pair, pair))
            continue;
        n->id = 0;
        if (n->what == FP_LFS_NODE_DIR && hard) {
            fp_lfs_pair_set(n->pair, tail[0], tail[1]);
        } else {
            n->ended = true;
            fp_lfs_pair_set(n->pair, FP_LFS_NULL, FP_LFS_NULL);
        }
    }
}

int fp_lfs_unlink(struct fp_lfs *fs, const uint32_t pair[2])
{
    uint32_t pred[2], tail[2], gone[2], flight = fs->flight_count;
    struct fp_lfs_mdir *m;
    bool pred_hard, hard;
    int err = fp_lfs_find_pred(fs, pair, pred, &pred_hard);

    if (!err)
        err = fp_lfs_get(fs, pair, &m);
    if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    if (flight + 2 > FP_LFS_FLIGHT_MAX)
        return FP_ERR_IO;
    /* The rest of an orphan must not become the rest of its predecessor. */
    hard = m->hard && pred_hard;
    fp_lfs_pair_set(tail, m->tail[0], m->tail[1]);
    fp_lfs_pair_set(gone, m->pair[0], m->pair[1]);
    fs->absorb = m->delta;
    fp_lfs_op_pair(fs, hard ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL, FP_LFS_NO_ID,
                   tail[0], tail[1]);
    /* The commit may relocate pairs, and these must not take the blocks that
     * it sets free: whoever moves there would leave together with the rest. */
    fs->flight[fs->flight_count++] = gone[0];
    fs->flight[fs->flight_count++] = gone[1];
    err = fp_lfs_commit(fs, pred, NULL);
    fs->flight_count = flight; /* what came since is linked, or failed */
    if (!err) {
        leave_pair(fs, gone, tail, hard);
        fp_lfs_drop_slots(fs, gone, NULL);
    }
    return err;
}

int fp_lfs_commit_delete(struct fp_lfs *fs, const uint32_t pair[2], uint32_t id)
{
    struct fp_lfs_mdir *m;
    uint32_t pred[2];
    bool hard = false;
    int err = fp_lfs_get(fs, pair, &m);

    if (err)
        return err;
    if (m->count == 1 && id == 0) {
        err = fp_lfs_find_pred(fs, pair, pred, &hard);
        if (err && err != FP_ERR_NOENT)
            return err;
    }
    if (hard)
        return fp_lfs_unlink(fs, pair);
    (void)fp_lfs_op(fs, FP_LFS_DELETE, id, NULL, 0);
    return fp_lfs_commit(fs, pair, NULL);
}

/* --- the frame of every operation that writes --- */

int fp_lfs_prepare(struct fp_lfs *fs)
{
    int err = FP_OK;

    if (fs->failed)
        return FP_ERR_ROFS;
    fs->flight_count = fs->op_count = 0;
    if (!fs->prepared)
        err = fp_lfs_repair(fs);
    fs->prepared = !err;
    fs->flight_count = 0;
    return err;
}

int fp_lfs_finish(struct fp_lfs *fs, int err)
{
    int synced = fp_bdev_sync(fs->dev);

    fs->flight_count = 0;
    return err ? err : synced;
}
