/* SPDX-License-Identifier: MIT
 *
 * Writing a pair out afresh: its live entries go to the other block in one
 * commit, and with them the operations of the running commit, which are
 * applied to the index first. What was superseded stays behind.
 *
 *     too much for half a block   the upper entries go to pairs of their own,
 *                                 which this one continues in (split)
 *     (revision + 1) divides      the pair takes a fresh block for the other
 *     a bad block                 likewise, whatever the revision
 *     the same on pair {0,1}      it cannot move: its entries go to a pair of
 *                                 their own, it keeps the superblock (expand)
 *
 * After a relocation nothing leads to the new block yet; the caller links it
 * (commit.c). Until then the old state stands, and therefore the new block
 * must not carry a change of the global state. The delta of a pair that this
 * commit drops is no change: the pair leaves the thread when the new block
 * enters it, so the new block has it from the start.
 *
 * Source: the format page, section 3.6.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define BAD_TRIES 16

#if !FP_LFS_SMALL
/* Of an entry with several attributes, in the index: the running commit sets
 * some of them. */
#define SETS_SOME 1u
#endif

/* --- operations applied to the index --- */

static FP_LFS_APART bool apply_op(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                                  uint32_t number)
{
    const struct fp_lfs_op *op = &fs->ops[number];
    uint32_t rec = FP_LFS_REC_OP | number;

    if (op->type >> 8 == FP_LFS_SOFTTAIL >> 8) {
        fp_lfs_pair_set(m->tail, op->words[0], op->words[1]);
        fp_lfs_le(m->tail, 2);
        m->hard = op->type & 1 && !fp_lfs_pair_is_null(m->tail);
        return true;
    }
    if (op->type == FP_LFS_OP_ATTRS) {
        m->attrs = true;
#if !FP_LFS_SMALL
        m->ents[op->id].attr = fp_lfs_rec_make(0, 0, FP_LFS_SEVERAL);
#endif
        return true;
    }
#if !FP_LFS_SMALL
    if (op->type >> 8 == 0)
        fs->hash = fp_lfs_hash(0, op->buf, op->len);
#endif
    if (!fp_lfs_apply(fs, m, fp_lfs_tag(op->type, op->id, op->len), rec))
        return false;
#if !FP_LFS_SMALL
    if (op->type >> 8 == 3 && fp_lfs_ent_searched(m, &m->ents[op->id]))
        m->ents[op->id].attr = fp_lfs_rec_make(SETS_SOME, 0, FP_LFS_SEVERAL);
#endif
    return true;
}

/* --- writing entries --- */

/* The tag is that of a record of kind 0 and lacks its length. */
static void put_rec(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                    uint32_t tag, fp_lfs_rec rec)
{
    uint32_t off = fp_lfs_rec_off(rec);

    tag += fp_lfs_tag(fp_lfs_rec_kind(rec), 0, fp_lfs_rec_len(rec));
    if (!fp_lfs_rec_kind(rec))
        return;
    if (rec & FP_LFS_REC_OP) {
        fp_lfs_log_op(fs, tag, &fs->ops[off]);
    } else {
        fs->log.source = m->pair[0];
        fp_lfs_log_put(fs, tag, NULL, off);
    }
}

/* Those that entry i has on flash or, when the running commit makes it, the one
 * that it copies; but what that commit sets comes before them. With
 * FP_LFS_SMALL no commit that sets some moves entries, so that i says whose. */
static void put_attrs(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      uint32_t i, uint32_t id)
{
    const struct fp_lfs_ent *ent = &m->ents[i];
    const struct fp_lfs_at *name;
    struct fp_lfs_at own;
    uint32_t of = i;

#if !FP_LFS_SMALL
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE)
        put_rec(fs, m,
                fp_lfs_tag(FP_LFS_ATTR + ent->attr_type - FP_LFS_ONE, id, 0),
                ent->attr);
    if (fp_lfs_rec_off(ent->attr) != SETS_SOME)
        of = FP_LFS_NO_ID;
#endif
    if (!fp_lfs_ent_searched(m, ent))
        return;
    own = (struct fp_lfs_at){ m->pair[0], fp_lfs_rec_off(ent->name), m->off };
    name = &own;
    if (ent->name & FP_LFS_REC_OP) {
        const struct fp_lfs_op *op = fp_lfs_op_typed(fs, FP_LFS_OP_ATTRS);

        own.end = 0;
        if (op)
            name = &op->at;
    }
    fp_lfs_log_attrs(fs, name, id, of);
}

/* Entries [from, to), which become 0.. there. */
static void put_entries(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct fp_lfs_ent *ent = &m->ents[i];
        uint32_t id = i - from, kind = fp_lfs_rec_kind(ent->name), type = 0;

        /* An entry without a name we know is damage: not ours to lose. */
        if (!kind)
            fs->log.err = FP_ERR_CORRUPT;
        /* But for the superblock's, a name's kind is its type. */
        if (kind == FP_LFS_SUPER)
            type = FP_LFS_NAME_SUPER - FP_LFS_SUPER;
        put_rec(fs, m, fp_lfs_tag(type, id, 0), ent->name);
        type = FP_LFS_STRUCT_DIR - FP_LFS_DIRPAIR;
        put_rec(fs, m, fp_lfs_tag(type, id, 0), ent->strct);
        if (!fs->part->expanded)
            put_attrs(fs, m, i, id);
    }
}

uint32_t fp_lfs_live_size(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                          uint32_t from, uint32_t to)
{
    fp_lfs_log_count(fs);
    put_entries(fs, m, from, to);
    return fs->log.off;
}

/* --- writing blocks --- */

static int put_part(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                    uint32_t block)
{
    struct fp_lfs_part *part = fs->part;
    int err = fp_lfs_erase(fs, block);

    if (err)
        return err;
    fp_lfs_log_begin(fs, block, part->rev);
    put_entries(fs, m, part->from, part->to);
    if (!fp_lfs_pair_is_null(part->tail))
        fp_lfs_log_words(fs,
                         fp_lfs_tag(FP_LFS_SOFTTAIL + part->hard, FP_LFS_NO_ID,
                                    sizeof part->tail),
                         part->tail);
    if (!fp_lfs_gstate_is_zero(&part->delta))
        fp_lfs_log_words(fs, FP_LFS_TAG_MOVESTATE, &part->delta.tag);
    return fp_lfs_log_end(fs);
}

static int put_fresh(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t *block)
{
    int err = FP_LFS_BAD;

    for (int i = 0; err == FP_LFS_BAD && i < BAD_TRIES; i++) {
        err = fp_lfs_alloc_flight(fs, block);
        if (!err)
            err = put_part(fs, m, *block);
    }
    return err;
}

/* The revision that a block holds, as read twice: with a bit wrong in it what
 * the block holds might later count as newer than what is written now.
 * FP_LFS_BAD: it reads differently each time. */
static int old_revision(struct fp_lfs *fs, uint32_t block, uint32_t *rev)
{
    uint32_t again;
    int err = fp_lfs_revision(fs, block, rev);

    fp_lfs_forget(fs, block);
    if (!err)
        err = fp_lfs_revision(fs, block, &again);
    return !err && *rev != again ? FP_LFS_BAD : err;
}

/* A pair of its own for fs->part. The second block is written; the first keeps
 * whatever it held, so the revision starts behind that. */
static int put_new_pair(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t pair[2])
{
    uint32_t rev = 0;
    int err = FP_LFS_BAD;

    for (int i = 0; err == FP_LFS_BAD && i < BAD_TRIES; i++) {
        err = fp_lfs_alloc_flight(fs, &pair[0]);
        if (!err)
            err = old_revision(fs, pair[0], &rev);
    }
    if (err)
        return err;
    if (fs->cycles)
        rev += fs->cycles - rev % fs->cycles;
    fs->part->rev = rev + 1;
    return put_fresh(fs, m, &pair[1]);
}

int fp_lfs_new_pair(struct fp_lfs *fs, const uint32_t tail[2], uint32_t pair[2])
{
    memset(fs->part, 0, sizeof *fs->part);
    fp_lfs_pair_set(fs->part->tail, tail[0], tail[1]);
    return fp_lfs_shown(put_new_pair(fs, NULL, pair));
}

/* --- splitting --- */

/* Entries from `cut` on go to a pair of their own. */
static int split_off(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t cut)
{
    struct fp_lfs_part *part = fs->part;
    struct fp_lfs_split *split = &fs->out->splits[fs->out->split_count];
    int err;

    part->from = cut;
    err = put_new_pair(fs, m, split->pair);
    part->from = 0;
    if (err)
        return err;
    split->id = cut;
    fs->out->split_count++;
    part->to = cut;
    fp_lfs_pair_set(part->tail, split->pair[0], split->pair[1]);
    part->hard = true;
    return FP_OK;
}

/* Does the commit add an entry behind all others? */
static bool adds_last(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    return fs->op_count && fs->ops[0].type == FP_LFS_CREATE &&
           fs->ops[0].id + 1u == m->count;
}

/* Where to cut: the upper part is the largest that takes no more than `most`,
 * one entry at least; none when that does not fit a block. */
static uint32_t choose_cut(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                           uint32_t most)
{
    uint32_t end = fs->part->to, cut = end, sum = 0;
    uint32_t limit = fs->block_size - FP_LFS_OVERHEAD;

    while (cut > 1 && end - cut < fp_lfs_entries_ok(fs) / 2) {
        sum += fp_lfs_live_size(fs, m, cut - 1, cut);
        if (sum > limit)
            break;
        limit = most;
        cut--;
    }
    return cut;
}

/* Takes parts off until what is left is small enough: for half a block, so
 * that there is room to append. Names mostly arrive in order, though: who adds
 * behind all others gets a pair alone and will go on there, and what is left
 * may fill its block. A full device stops the splitting early, as long as the
 * rest fits a block at all. */
static int split(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    uint32_t room = fs->block_size - FP_LFS_OVERHEAD;
    uint32_t limit = fs->block_size / 2;
    bool last = adds_last(fs, m);
    int err = FP_OK;

    if (limit < fs->prog_size)
        limit = room; /* nothing is appended to such a block */
    for (;;) {
        uint32_t total = fp_lfs_live_size(fs, m, 0, fs->part->to), cut;
        bool few = fs->part->to <= fp_lfs_entries_ok(fs);

        if (fs->log.err)
            return fs->log.err;
        if (total <= limit && few)
            return FP_OK;
        if (err || fs->part->to < 2 ||
            fs->out->split_count == FP_LFS_SPLITS_MAX)
            return total <= room && (few || !err) ? FP_OK : FP_ERR_NOSPC;
        cut = choose_cut(fs, m, last ? 0 : fp_lfs_min(total / 2, room));
        if (cut == fs->part->to)
            return FP_ERR_NOSPC; /* one entry that could not go on */
        err = split_off(fs, m, cut);
        if (err && err != FP_ERR_NOSPC)
            return err;
        if (last)
            limit = room;
        last = false;
    }
}

/* --- expanding the superblock --- */

static bool is_anchor(const struct fp_lfs_mdir *m)
{
    return (m->pair[0] | m->pair[1]) == 1; /* they differ */
}

/* The entries go to a new pair under the same ids, with a superblock entry of
 * its own in front. Only while an eighth of the volume is free. */
static int expand(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    uint32_t used;
    int err = fp_lfs_count_used(fs, &used);

    if (err || fs->block_count - used <= fs->block_count / 8)
        return err;
    err = split_off(fs, m, 0);
    if (err)
        return err == FP_ERR_NOSPC ? FP_OK : err;
    fs->part->expanded = true;
    fs->part->to = 1;
    return FP_OK;
}

/* --- the pair itself --- */

/* Writes what is left to the other block of the pair, or to a fresh one where
 * that is due or needed, and reads it into the index. The superblock cannot go
 * elsewhere, and for wear alone nobody moves into the last blocks.
 *
 * What a failed program left may be a whole commit all the same. The pair has
 * that block until its links are new: a mount must not find the change in it
 * and in their commits too. */
static FP_LFS_APART int put_self(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                                 bool wear, bool bad)
{
    struct fp_lfs_part *part = fs->part;
    uint32_t target = m->pair[1], keep = m->pair[bad];
    bool home = !wear && !bad;
    int err = FP_OK;

    part->rev = m->rev + 1;
    for (int i = 0; i < 2; i++) {
        part->delta = m->delta;
        if (home) {
            fp_lfs_gstate_change(fs, &part->delta);
            target = m->pair[1];
            err = put_part(fs, m, target);
            if (err == FP_LFS_BAD)
                (void)fp_lfs_erase(fs, target);
        } else {
            fp_lfs_gstate_xor(&part->delta, &fs->absorb);
            err = put_fresh(fs, m, &target);
        }
        if (err != (home ? FP_LFS_BAD : FP_ERR_NOSPC) || bad || is_anchor(m))
            break;
        home = !home;
    }
    if (err)
        return err;
    err = fp_lfs_parse(fs, m, target);
    m->pair[1] = keep;
    if (FP_FS_CHECK)
        m->fallback = false;
    return err || m->off != fs->log.off ? FP_ERR_IO : FP_OK;
}

static bool wear_is_due(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    return fs->cycles && !fs->still && (m->rev + 1) % fs->cycles == 0;
}

int fp_lfs_compact(struct fp_lfs *fs, struct fp_lfs_mdir *m, bool bad)
{
    struct fp_lfs_part *part = fs->part;
    bool wear = wear_is_due(fs, m);
    int err = FP_OK;

    /* From here on the index holds what flash does not: whoever asks for this
     * pair, such as the allocator, reads it into another slot. */
    m->valid = false;
    for (uint32_t i = 0; i < fs->op_count; i++)
        if (!apply_op(fs, m, i))
            return FP_ERR_CORRUPT;
    memset(part, 0, sizeof *part);
    part->to = m->count;
    part->hard = m->hard;
    fp_lfs_pair_set(part->tail, m->tail[0], m->tail[1]);
    if (is_anchor(m)) {
        if (wear && m->count > 1)
            err = expand(fs, m);
        wear = bad = false;
    }
    if (!err && !part->expanded)
        err = split(fs, m);
    if (!err)
        err = put_self(fs, m, wear && !fs->out->split_count, bad);
    return fp_lfs_shown(err);
}
