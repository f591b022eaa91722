/* SPDX-License-Identifier: MIT
 *
 * Writing a pair out afresh: its live entries go to the other block in one
 * commit, and with them the operations of the running commit, which are
 * applied to the index first. What was superseded stays behind.
 *
 *     too much for half a block   the upper entries go to pairs of their own,
 *                                 which this one continues in (split)
 *     a new last entry, and no    it alone goes to a pair of its own; the log
 *     room to tidy up             of this one gets the link to that (spill)
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

#define OVERHEAD  40u /* revision, tail, move state, CRC */
#define BAD_TRIES 16

/* --- operations applied to the index --- */

bool fp_lfs_apply_op(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t number)
{
    const struct fp_lfs_op *op = &fs->ops[number];
    uint32_t hash = 0;

    if (op->type == FP_LFS_OP_ATTRS) {
        if (op->id >= m->count)
            return false;
        m->ents[op->id].attr =
            fp_lfs_rec_make(FP_LFS_REC_OP | number, 0, FP_LFS_SEVERAL);
        return true;
    }
    if (op->type == FP_LFS_SOFTTAIL || op->type == FP_LFS_HARDTAIL) {
        const uint8_t *raw = op->buf;

        fp_lfs_pair_set(m->tail, fp_get_le32(raw), fp_get_le32(raw + 4));
        m->hard = op->type == FP_LFS_HARDTAIL;
        if (fp_lfs_pair_is_null(m->tail))
            m->hard = false;
        return true;
    }
    if (op->type >> 8 == 0)
        hash = fp_lfs_hash(0, op->buf, op->len);
    return fp_lfs_apply(fs, m, fp_lfs_tag(op->type, op->id, op->len),
                        FP_LFS_REC_OP | number, hash);
}

/* --- the attributes of an entry that has several --- */

/* The id that an operation's entry has once all are done. */
static uint32_t final_id(const struct fp_lfs *fs, uint32_t number)
{
    uint32_t id = fs->ops[number].id;

    for (uint32_t i = number + 1; i < fs->op_count; i++) {
        const struct fp_lfs_op *op = &fs->ops[i];

        if (op->type == FP_LFS_CREATE)
            id += op->id <= id;
        else if (op->type == FP_LFS_DELETE && op->id == id)
            return FP_LFS_NO_ID;
        else if (op->type == FP_LFS_DELETE)
            id -= op->id < id;
    }
    return id;
}

/* The next one from the operations, which overrule what the log says. */
static const struct fp_lfs_op *op_attr(const struct fp_lfs *fs, uint32_t id,
                                       uint32_t from)
{
    const struct fp_lfs_op *best = NULL;

    for (uint32_t i = 0; i < fs->op_count; i++) {
        const struct fp_lfs_op *op = &fs->ops[i];

        if (op->type >> 8 == 3 && (op->type & 0xff) >= from &&
            final_id(fs, i) == id && (!best || op->type <= best->type))
            best = op;
    }
    return best;
}

/* One that flash has or, with *op set, one from the operations. */
static int next_attr(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t id,
                     uint32_t from, struct fp_lfs_attr *attr,
                     const struct fp_lfs_op **op)
{
    const struct fp_lfs_ent *ent = &m->ents[id];
    uint32_t block = m->pair[0], end = m->off;
    uint32_t name_off = fp_lfs_rec_off(ent->name);
    int err;

    *op = NULL;
    if (ent->attr & FP_LFS_REC_OP) {
        const struct fp_lfs_op *source = &fs->ops[fp_lfs_rec_off(ent->attr)];

        return fp_lfs_attr_scan(fs, source->block, source->end, source->off,
                                from, attr);
    }
    if (ent->name & FP_LFS_REC_OP)
        end = 0; /* a new entry has nothing on flash */
    err = fp_lfs_attr_scan(fs, block, end, name_off, from, attr);
    if (err && err != FP_ERR_NODATA)
        return err;
    *op = op_attr(fs, id, from);
    if (*op && (err || ((*op)->type & 0xffu) <= attr->type)) {
        attr->type = (uint8_t)(*op)->type;
        attr->len = (*op)->len;
        return FP_OK;
    }
    *op = NULL;
    return err;
}

/* --- sizes --- */

static int entry_size(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t id,
                      uint32_t *size)
{
    const struct fp_lfs_ent *ent = &m->ents[id];
    uint32_t from = 0;

    *size = 4 + fp_lfs_rec_len(ent->name);
    if (ent->strct)
        *size += 4 + fp_lfs_rec_len(ent->strct);
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE)
        *size += 4 + fp_lfs_rec_len(ent->attr);
    while (fp_lfs_rec_kind(ent->attr) == FP_LFS_SEVERAL && from < 256) {
        struct fp_lfs_attr attr;
        const struct fp_lfs_op *op;
        int err = next_attr(fs, m, id, from, &attr, &op);

        if (err == FP_ERR_NODATA)
            break;
        if (err)
            return err;
        if (attr.len != FP_LFS_REMOVED)
            *size += 4u + attr.len;
        from = attr.type + 1u;
    }
    return FP_OK;
}

static int total_size(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t from,
                      uint32_t to, uint32_t *total)
{
    *total = 0;
    for (uint32_t id = from; id < to; id++) {
        uint32_t size;
        int err = entry_size(fs, m, id, &size);

        if (err)
            return err;
        *total += size;
    }
    return FP_OK;
}

int fp_lfs_live_size(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t *size)
{
    return total_size(fs, m, 0, m->count, size);
}

/* Where to cut [0, end): the upper part is the largest that takes no more
 * than half of the whole and fits a block, one entry at least. */
static int choose_cut(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t end,
                      uint32_t total, uint32_t *cut)
{
    uint32_t most = fs->block_size - OVERHEAD, sum = 0;

    if (most > total / 2)
        most = total / 2;
    for (*cut = end; *cut > 1; --*cut) {
        uint32_t size;
        int err = entry_size(fs, m, *cut - 1, &size);

        if (err)
            return err;
        if (*cut < end &&
            (sum + size > most || end - *cut >= fp_lfs_entries_ok(fs) / 2))
            break;
        sum += size;
    }
    return sum + OVERHEAD > fs->block_size ? FP_ERR_NOSPC : FP_OK;
}

/* --- writing entries --- */

static int put_rec(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                   struct fp_lfs_log *log, uint32_t tag, fp_lfs_rec rec)
{
    uint32_t off = fp_lfs_rec_off(rec);

    if (rec & FP_LFS_REC_OP)
        return fp_lfs_log_op(fs, log, tag, &fs->ops[off]);
    return fp_lfs_log_flash(fs, log, tag, m->pair[0], off);
}

static int put_attrs(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                     struct fp_lfs_log *log, uint32_t id, uint32_t as)
{
    const struct fp_lfs_ent *ent = &m->ents[id];
    uint32_t from = 0;

    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE)
        return put_rec(fs, m, log,
                       fp_lfs_tag(FP_LFS_ATTR | ent->attr_type, as,
                                  fp_lfs_rec_len(ent->attr)),
                       ent->attr);
    while (fp_lfs_rec_kind(ent->attr) == FP_LFS_SEVERAL && from < 256) {
        struct fp_lfs_attr attr;
        const struct fp_lfs_op *op;
        uint32_t tag;
        int err = next_attr(fs, m, id, from, &attr, &op);

        if (err)
            return err == FP_ERR_NODATA ? FP_OK : err;
        from = attr.type + 1u;
        tag = fp_lfs_tag(FP_LFS_ATTR | attr.type, as, attr.len);
        if (attr.len == FP_LFS_REMOVED)
            continue;
        err = op ? fp_lfs_log_op(fs, log, tag, op)
                 : fp_lfs_log_flash(fs, log, tag, attr.block, attr.off);
        if (err)
            return err;
    }
    return FP_OK;
}

static int put_entry(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                     struct fp_lfs_log *log, uint32_t id, uint32_t as,
                     bool with_attrs)
{
    static const uint16_t names[] = { 0, FP_LFS_NAME_FILE, FP_LFS_NAME_DIR,
                                      FP_LFS_NAME_SUPER };
    const struct fp_lfs_ent *ent = &m->ents[id];
    uint32_t kind = fp_lfs_rec_kind(ent->name);
    int err;

    /* An entry without a name we know is damage: not ours to lose. */
    if (!kind)
        return FP_ERR_CORRUPT;
    err = put_rec(fs, m, log,
                  fp_lfs_tag(names[kind], as, fp_lfs_rec_len(ent->name)),
                  ent->name);
    kind = fp_lfs_rec_kind(ent->strct);
    if (!err && kind)
        err = put_rec(fs, m, log,
                      fp_lfs_tag(FP_LFS_STRUCT_DIR + kind - 1, as,
                                 fp_lfs_rec_len(ent->strct)),
                      ent->strct);
    if (!err && with_attrs)
        err = put_attrs(fs, m, log, id, as);
    return err;
}

/* What one block gets. */
struct part {
    uint32_t from, to; /* entries; they become 0.. */
    bool with_attrs;
    uint32_t tail[2];
    bool hard;
    struct fp_lfs_gstate delta;
};

static int put_part(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                    const struct part *part, uint32_t block, uint32_t rev,
                    uint32_t *end)
{
    struct fp_lfs_log log;
    uint8_t raw[12];
    int err = fp_lfs_erase(fs, block);

    if (!err)
        err = fp_lfs_log_begin(fs, &log, block, rev);
    for (uint32_t id = part->from; id < part->to && !err; id++)
        err = put_entry(fs, m, &log, id, id - part->from, part->with_attrs);
    if (!err && !fp_lfs_pair_is_null(part->tail)) {
        fp_put_le32(raw, part->tail[0]);
        fp_put_le32(raw + 4, part->tail[1]);
        err = fp_lfs_log_ram(
            fs, &log,
            fp_lfs_tag(part->hard ? FP_LFS_HARDTAIL : FP_LFS_SOFTTAIL,
                       FP_LFS_NO_ID, 8),
            raw);
    }
    if (!err && !fp_lfs_gstate_is_zero(&part->delta)) {
        fp_put_le32(raw, part->delta.tag);
        fp_put_le32(raw + 4, part->delta.pair[0]);
        fp_put_le32(raw + 8, part->delta.pair[1]);
        err = fp_lfs_log_ram(
            fs, &log, fp_lfs_tag(FP_LFS_MOVESTATE, FP_LFS_NO_ID, 12), raw);
    }
    if (!err)
        err = fp_lfs_log_end(fs, &log);
    *end = log.off;
    return err;
}

/* A pair of its own for `part`. The second block is written; the first keeps
 * whatever it held, so the revision starts behind that. */
static int put_new_pair(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                        const struct part *part, uint32_t pair[2])
{
    uint8_t raw[4] = { 0 };
    uint32_t end, rev;
    int err = fp_lfs_alloc_flight(fs, &pair[0]);

    if (!err)
        err = fp_lfs_read(fs, pair[0], 0, raw, 4);
    if (err && err != FP_ERR_CORRUPT)
        return err;
    rev = fp_get_le32(raw);
    if (fs->cycles)
        rev += fs->cycles - rev % fs->cycles;
    rev++;
    for (int i = 0; i < BAD_TRIES; i++) {
        err = fp_lfs_alloc_flight(fs, &pair[1]);
        if (!err)
            err = put_part(fs, m, part, pair[1], rev, &end);
        if (err != FP_LFS_BAD)
            return err;
    }
    return FP_ERR_IO;
}

int fp_lfs_new_pair(struct fp_lfs *fs, const uint32_t tail[2], bool hard,
                    uint32_t pair[2])
{
    struct part part = { .hard = hard };

    fp_lfs_pair_set(part.tail, tail[0], tail[1]);
    return put_new_pair(fs, NULL, &part, pair);
}

/* --- splitting --- */

static int split_off(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                     struct part *lower, uint32_t cut)
{
    struct fp_lfs_outcome *out = &fs->out;
    struct fp_lfs_split *split = &out->splits[out->split_count];
    struct part upper = *lower;
    int err;

    upper.from = cut;
    upper.delta = (struct fp_lfs_gstate){ 0 };
    err = put_new_pair(fs, m, &upper, split->pair);
    if (err)
        return err;
    split->id = cut;
    out->split_count++;
    lower->to = cut;
    fp_lfs_pair_set(lower->tail, split->pair[0], split->pair[1]);
    lower->hard = true;
    return FP_OK;
}

/* Takes parts off until what is left is small enough. A full device stops
 * that early, as long as the rest fits a block at all. */
static int split(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct part *lower)
{
    uint32_t half = fp_lfs_align_up(fs->block_size / 2, fs->prog_size);
    uint32_t most = fs->block_size - OVERHEAD;

    for (;;) {
        uint32_t total, cut;
        int err = total_size(fs, m, lower->from, lower->to, &total);

        if (err)
            return err;
        if (total <= fp_lfs_min(half, most) &&
            lower->to <= fp_lfs_entries_ok(fs))
            return FP_OK;
        if (lower->to < 2)
            return total <= most ? FP_OK : FP_ERR_NOSPC;
        if (fs->out.split_count == FP_LFS_SPLITS_MAX)
            return total <= most ? FP_OK : FP_ERR_NOSPC;
        err = choose_cut(fs, m, lower->to, total, &cut);
        if (!err)
            err = split_off(fs, m, lower, cut);
        if (err == FP_ERR_NOSPC && total <= most &&
            lower->to <= fp_lfs_entries_ok(fs))
            return FP_OK;
        if (err)
            return err;
    }
}

/* --- spilling --- */

/* Does the commit do nothing but add an entry behind all others, where the
 * directory ends? */
static bool adds_last(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    if (m->hard || m->count < 2 || !fs->op_count ||
        fs->ops[0].type != FP_LFS_CREATE)
        return false;
    for (uint32_t i = 0; i < fs->op_count; i++)
        if (fs->ops[i].id != m->count && fs->ops[i].id != FP_LFS_NO_ID)
            return false;
    return true;
}

/* All operations on the index. */
static int apply_ops(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    for (uint32_t i = 0; i < fs->op_count; i++)
        if (!fp_lfs_apply_op(fs, m, i))
            return FP_ERR_CORRUPT;
    return FP_OK;
}

int fp_lfs_spill(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct part part = { .to = m->count, .with_attrs = true };
    uint32_t tail[2] = { m->tail[0], m->tail[1] }, count = m->count, live;
    int err;

    if (!adds_last(fs, m))
        return FP_ERR_NOTSUP;
    err = fp_lfs_live_size(fs, m, &live);
    if (err)
        return err;
    if (live <= fs->block_size / 2)
        return FP_ERR_NOTSUP;
    m->valid = false; /* as in fp_lfs_compact() */
    err = apply_ops(fs, m);
    fp_lfs_pair_set(part.tail, m->tail[0], m->tail[1]);
    part.to = m->count;
    if (!err)
        err = split_off(fs, m, &part, count);
    m->count = (uint16_t)count;
    fp_lfs_pair_set(m->tail, tail[0], tail[1]);
    m->hard = false;
    m->valid = true;
    return err;
}

/* --- expanding the superblock --- */

static bool wear_is_due(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    return fs->cycles && !fs->still && (m->rev + 1) % fs->cycles == 0;
}

static bool is_anchor(const struct fp_lfs_mdir *m)
{
    static const uint32_t anchor[2] = { 0, 1 };

    return fp_lfs_pair_equal(m->pair, anchor);
}

/* The entries go to a new pair under the same ids, with a superblock entry of
 * its own in front. Only while an eighth of the volume is free. */
static int expand(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct part *lower)
{
    struct fp_lfs_outcome *out = &fs->out;
    struct part upper = *lower;
    uint32_t used;
    int err = fp_lfs_count_used(fs, &used);

    if (err)
        return err;
    if (fs->block_count - used <= fs->block_count / 8)
        return FP_OK;
    upper.delta = (struct fp_lfs_gstate){ 0 };
    err = put_new_pair(fs, m, &upper, out->splits[0].pair);
    if (err)
        return err == FP_ERR_NOSPC ? FP_OK : err;
    out->expanded = true;
    out->split_count = 1;
    out->splits[0].id = 0;
    lower->to = 1;
    lower->with_attrs = false;
    fp_lfs_pair_set(lower->tail, out->splits[0].pair[0],
                    out->splits[0].pair[1]);
    lower->hard = true;
    return FP_OK;
}

/* --- the pair itself --- */

/* Writes `part` to a block of the pair, or to a fresh one where that is due
 * or needed, and reads it into the index. */
static int put_self(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct part *part,
                    bool relocate, bool replace_current)
{
    uint32_t target = m->pair[1], keep = m->pair[0], end = 0;
    uint32_t rev = m->rev + 1;
    struct fp_lfs_gstate pending = part->delta;
    int err = FP_LFS_BAD;

    if (replace_current)
        keep = m->pair[1];
    if (!relocate) {
        err = put_part(fs, m, part, target, rev, &end);
        if (err == FP_LFS_BAD && is_anchor(m))
            return FP_ERR_IO; /* the superblock cannot go elsewhere */
        /* What a failed program left may be a whole commit all the same. The
         * pair has this block until its links are new: a mount must not find
         * the change in it and in their commits too. */
        if (err == FP_LFS_BAD)
            (void)fp_lfs_erase(fs, target);
    }
    for (int i = 0; err == FP_LFS_BAD && i < BAD_TRIES; i++) {
        err = fp_lfs_alloc_flight(fs, &target);
        /* For wear alone nobody moves into the last blocks. */
        if (err == FP_ERR_NOSPC && relocate && !replace_current) {
            relocate = false;
            target = m->pair[1];
            part->delta = pending;
            err = put_part(fs, m, part, target, rev, &end);
            if (err == FP_LFS_BAD)
                err = FP_ERR_IO;
            break;
        }
        part->delta = m->delta;
        fp_lfs_gstate_xor(&part->delta, &fs->absorb);
        if (!err)
            err = put_part(fs, m, part, target, rev, &end);
    }
    if (err)
        return err == FP_LFS_BAD ? FP_ERR_IO : err;
    err = fp_lfs_parse(fs, m, target);
    m->pair[1] = keep;
    if (err || m->off != end)
        return FP_ERR_IO;
    m->valid = true;
    m->fallback = false;
    return FP_OK;
}

/* How the delta of this pair has to change for the global state that is
 * wanted, with that of a pair about to be dropped. */
static struct fp_lfs_gstate delta_now(const struct fp_lfs *fs,
                                      const struct fp_lfs_mdir *m)
{
    struct fp_lfs_gstate delta = m->delta;

    fp_lfs_gstate_xor(&delta, &fs->gdisk);
    fp_lfs_gstate_xor(&delta, &fs->gwant);
    fp_lfs_gstate_xor(&delta, &fs->absorb);
    return delta;
}

static int write_out(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                     bool replace_current)
{
    struct fp_lfs_outcome *out = &fs->out;
    struct part part = { .to = m->count,
                         .with_attrs = true,
                         .hard = m->hard,
                         .delta = delta_now(fs, m) };
    bool wear = wear_is_due(fs, m);
    int err = FP_OK;

    fp_lfs_pair_set(part.tail, m->tail[0], m->tail[1]);
    if (wear && is_anchor(m) && m->count > 1)
        err = expand(fs, m, &part);
    if (!err && !out->expanded)
        err = split(fs, m, &part);
    if (err)
        return err;
    wear = wear && !is_anchor(m) && !out->split_count;
    if (is_anchor(m))
        replace_current = false;
    err = put_self(fs, m, &part, wear || replace_current, replace_current);
    if (err)
        return err;
    fp_lfs_pair_set(out->now, m->pair[0], m->pair[1]);
    out->gstate_done = fp_lfs_pair_equal(out->old, out->now);
    return FP_OK;
}

int fp_lfs_compact(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                   bool replace_current)
{
    int err;

    memset(&fs->out, 0, sizeof fs->out);
    fp_lfs_pair_set(fs->out.old, m->pair[0], m->pair[1]);
    /* From here on the index holds what flash does not: whoever asks for this
     * pair, such as the allocator, reads it into another slot. */
    m->valid = false;
    err = apply_ops(fs, m);
    return err ? err : write_out(fs, m, replace_current);
}
