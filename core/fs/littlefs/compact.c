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

/* Of an entry with several attributes, in the index: the running commit sets
 * some of them. */
#define SETS_SOME 1u

/* --- operations applied to the index --- */

static FP_LFS_APART bool apply_op(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                                  uint32_t number)
{
    const struct fp_lfs_op *op = &fs->ops[number];
    uint32_t rec = FP_LFS_REC_OP | number;
    struct fp_lfs_ent *ent;

    if (op->type >> 8 == FP_LFS_SOFTTAIL >> 8) {
        fp_lfs_pair_set(m->tail, op->words[0], op->words[1]);
        fp_lfs_le(m->tail, 2);
        m->hard = op->type == FP_LFS_HARDTAIL && !fp_lfs_pair_is_null(m->tail);
        return true;
    }
    ent = &m->ents[op->id];
    if (op->type == FP_LFS_OP_ATTRS) {
        ent->attr = fp_lfs_rec_make(rec, 0, FP_LFS_SEVERAL);
        return true;
    }
#if !FP_LFS_SMALL
    if (op->type >> 8 == 0)
        fs->hash = fp_lfs_hash(0, op->buf, op->len);
#endif
    if (!fp_lfs_apply(fs, m, fp_lfs_tag(op->type, op->id, op->len), rec))
        return false;
    if (op->type >> 8 == 3 && fp_lfs_rec_kind(ent->attr) == FP_LFS_SEVERAL)
        ent->attr = fp_lfs_rec_make(SETS_SOME, 0, FP_LFS_SEVERAL);
    return true;
}

/* --- writing entries --- */

static void put_rec(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                    uint32_t type, uint32_t id, fp_lfs_rec rec)
{
    uint32_t off = fp_lfs_rec_off(rec);
    uint32_t tag = fp_lfs_tag(type, id, fp_lfs_rec_len(rec));

    if (!fp_lfs_rec_kind(rec))
        return;
    if (rec & FP_LFS_REC_OP) {
        fp_lfs_log_op(fs, tag, &fs->ops[off]);
    } else {
        fs->log.source = m->pair[0];
        fp_lfs_log_put(fs, tag, NULL, off);
    }
}

static void put_attrs(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      const struct fp_lfs_ent *ent, uint32_t id)
{
    struct fp_lfs_at name = { m->pair[0], fp_lfs_rec_off(ent->name), m->off };
    uint32_t what = fp_lfs_rec_off(ent->attr);

    if (!fp_lfs_rec_kind(ent->attr))
        return;
#if !FP_LFS_SMALL
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE) {
        put_rec(fs, m, FP_LFS_ATTR | (uint32_t)ent->attr_type, id, ent->attr);
        return;
    }
#endif
    if (ent->attr & FP_LFS_REC_OP)
        fp_lfs_log_attrs(fs, &fs->ops[what].at, id, false);
    else
        fp_lfs_log_attrs(fs, &name, id, what == SETS_SOME);
}

/* Entries [from, to), which become 0.. there. */
static void put_entries(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct fp_lfs_ent *ent = &m->ents[i];
        uint32_t id = i - from, type = fp_lfs_rec_kind(ent->name);

        /* An entry without a name we know is damage: not ours to lose. */
        if (!type)
            fs->log.err = FP_ERR_CORRUPT;
        /* But for the superblock's, a name's kind is its type. */
        if (type == FP_LFS_SUPER)
            type = FP_LFS_NAME_SUPER;
        put_rec(fs, m, type, id, ent->name);
        put_rec(fs, m, FP_LFS_STRUCT_DIR - 1 + fp_lfs_rec_kind(ent->strct), id,
                ent->strct);
        if (!fs->part->bare)
            put_attrs(fs, m, ent, id);
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
    uint32_t again = 0;
    int err = fp_lfs_word(fs, block, 0, rev);

    fp_lfs_forget(fs, block);
    if (!err)
        err = fp_lfs_word(fs, block, 0, &again);
    if (err == FP_ERR_CORRUPT)
        *rev = again = 0; /* nobody will read more of it than we */
    else if (err)
        return err;
    return *rev == again ? FP_OK : FP_LFS_BAD;
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
    *fs->part = (struct fp_lfs_part){ .tail = { tail[0], tail[1] } };
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
 * one entry at least. */
static uint32_t choose_cut(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                           uint32_t most)
{
    uint32_t end = fs->part->to, cut = end - 1,
             sum = fp_lfs_live_size(fs, m, cut, end);

    while (cut > 1 && end - cut < fp_lfs_entries_ok(fs) / 2) {
        sum += fp_lfs_live_size(fs, m, cut - 1, cut);
        if (sum > most)
            break;
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
    uint32_t limit = fp_lfs_align_up(fs->block_size / 2, fs->prog_size);
    bool last = adds_last(fs, m);
    int err = FP_OK;

    limit = fp_lfs_min(limit, room);
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
        if (fp_lfs_live_size(fs, m, cut, fs->part->to) > room)
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
    fs->out->expanded = fs->part->bare = true;
    fs->part->to = 1;
    return FP_OK;
}

/* --- the pair itself --- */

/* To the other block of the pair. What a failed program left may be a whole
 * commit all the same. The pair has this block until its links are new: a
 * mount must not find the change in it and in their commits too. */
static int put_home(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    int err;

    fs->part->delta = m->delta;
    fp_lfs_gstate_change(fs, &fs->part->delta);
    err = put_part(fs, m, m->pair[1]);
    if (err == FP_LFS_BAD)
        (void)fp_lfs_erase(fs, m->pair[1]);
    return err;
}

/* For wear alone nobody moves into the last blocks. */
static int put_elsewhere(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                         bool wear, uint32_t *block)
{
    int err;

    fs->part->delta = m->delta;
    fp_lfs_gstate_xor(&fs->part->delta, &fs->absorb);
    err = put_fresh(fs, m, block);
    if (err != FP_ERR_NOSPC || !wear)
        return err;
    *block = m->pair[1];
    return put_home(fs, m);
}

/* Writes what is left to a block of the pair, or to a fresh one where that is
 * due or needed, and reads it into the index. The superblock cannot go
 * elsewhere. */
static FP_LFS_APART int put_self(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                                 bool wear, bool bad)
{
    uint32_t target = m->pair[1], keep = m->pair[bad];
    int err = FP_LFS_BAD;

    fs->part->rev = m->rev + 1;
    if (!wear && !bad)
        err = put_home(fs, m);
    if (err == FP_LFS_BAD && !is_anchor(m))
        err = put_elsewhere(fs, m, wear && !bad, &target);
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
    struct fp_lfs_outcome *out = fs->out;
    bool wear = wear_is_due(fs, m), anchor = is_anchor(m);
    int err = FP_OK;

    /* From here on the index holds what flash does not: whoever asks for this
     * pair, such as the allocator, reads it into another slot. */
    m->valid = false;
    for (uint32_t i = 0; i < fs->op_count; i++)
        if (!apply_op(fs, m, i))
            return FP_ERR_CORRUPT;
    *fs->part = (struct fp_lfs_part){ .to = m->count,
                                      .hard = m->hard,
                                      .tail = { m->tail[0], m->tail[1] } };
    if (wear && anchor && m->count > 1)
        err = expand(fs, m);
    if (!err && !out->expanded)
        err = split(fs, m);
    if (!err)
        err = put_self(fs, m, wear && !anchor && !out->split_count,
                       bad && !anchor);
    return fp_lfs_shown(err);
}
