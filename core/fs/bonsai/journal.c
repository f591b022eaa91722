/* SPDX-License-Identifier: MIT
 *
 * The journal: how rows that are in use change in one step. Their new content
 * goes to free rows; then the last row of the partition, which no file gets,
 * says which row gets what, with a CRC over all of it. From then on the change
 * has happened: readers look at the new rows (node.c). Then it is applied
 * where it belongs, the head is erased, and the new rows are.
 *
 *     | System | root .. old .. |  free  | new | new |  head  |
 *                    ^-------------------- 3. copy --'    ^ 2. says so, 4. erased
 *                                          1. written
 *
 * A cut before 2 ends leaves what was; after it, the next mount reads the
 * journal, and the first change applies it from the start. Applying twice is
 * the same as once, as the new rows are erased only when the head is.
 */
#include "core/fs/bonsai/bon.h"

#include "core/digest/crc32.h"

static int copy_row(struct fp_bon *fs, const struct fp_bon_move *m)
{
    int err = fp_bon_read_row(fs, m->source);

    return err ? err : fp_bon_put_row(fs, m->target, fs->row);
}

static int apply(struct fp_bon *fs)
{
    uint32_t count = fs->pending;
    int err = FP_OK;

    for (uint32_t i = 0; i < count && !err; i++)
        err = copy_row(fs, &fs->move[i]);
    if (!err && count > 0)
        err = fp_bon_erase(fs, fp_bon_head(fs));
    if (err)
        return err;
    fs->pending = 0;
    for (uint32_t i = 0; i < count && !err; i++)
        err = fp_bon_erase(fs, fs->move[i].source);
    return err ? err : fp_bdev_sync(fs->dev);
}

int fp_bon_prepare(struct fp_bon *fs)
{
    int err = FP_OK;

    if (fs->is_lost)
        err = fp_bon_load_journal(fs);
    fs->is_lost = err != FP_OK;
    if (!err && fs->pending > 0) {
        err = apply(fs);
        fs->is_mapped = false;
    }
    if (!err)
        err = fp_bon_map(fs);
    /* The original put a file where the journal's head goes. */
    return !err && fp_bon_bit(fs->used, fp_bon_head(fs)) ? FP_ERR_ROFS : err;
}

int fp_bon_journal(struct fp_bon *fs, uint32_t row, const uint8_t *buf)
{
    struct fp_bon_move *m = &fs->move[fs->moves];
    uint32_t source;
    int err = FP_ERR_NOSPC;

    if (fs->moves < FP_BON_MOVES)
        err = fp_bon_alloc_last(fs, &source);
    if (!err)
        err = fp_bon_put_row(fs, source, buf);
    if (err)
        return err;
    m->target = (uint16_t)row;
    m->source = (uint16_t)source;
    if (fs->moves++ == 0)
        fs->crc = UINT32_MAX;
    fs->crc = fp_crc32(fs->crc, buf, FP_BON_ROW);
    return FP_OK;
}

/* Source: the format page, The journal. */
static void compose_head(struct fp_bon *fs)
{
    uint8_t *head = fs->row, *at = head + FP_BON_JOURNAL;

    memset(head, 0, FP_BON_ROW);
    head[0] = 7;
    head[1] = (uint8_t)(FP_BON_JOURNAL - FP_BON_HEAD - 7 + 4 * fs->moves);
    memcpy(head + FP_BON_HEAD, "journal", 7);
    fp_bon_put_addr(fs, at - 5, 0);
    at[-1] = (uint8_t)fs->moves;
    for (uint32_t i = 0; i < fs->moves; i++, at += 4) {
        fp_put_le16(at, fs->move[i].target);
        fp_put_le16(at + 2, fs->move[i].source);
    }
    at = head + FP_BON_JOURNAL;
    fp_put_le32(at - 9, fp_crc32(fs->crc, at - 5, 5 + 4 * fs->moves));
}

int fp_bon_commit(struct fp_bon *fs)
{
    int err;

    if (fs->moves == 0)
        return FP_OK;
    compose_head(fs);
    err = fp_bon_put_row(fs, fp_bon_head(fs), fs->row);
    if (err) {
        fs->is_lost = true; /* whether it is committed, flash knows */
        return err;
    }
    fs->pending = fs->moves;
    fs->has_changed = true;
    return apply(fs);
}
