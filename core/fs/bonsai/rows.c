/* SPDX-License-Identifier: MIT
 *
 * Free rows, and writing them. A row that is given up is erased at the end of
 * the operation, so that free rows are blank; a power cut in between leaves
 * some that are not, and these are erased when they are needed.
 */
#include "core/fs/bonsai/bon.h"

/* Free rows from `row` on, up to `most`. */
static uint32_t run_at(const struct fp_bon *fs, uint32_t row, uint32_t most)
{
    uint32_t count = 0;

    while (count < most && row + count < fp_bon_head(fs) &&
           !fp_bon_bit(fs->used, row + count))
        count++;
    return count;
}

static void take(struct fp_bon *fs, uint32_t row, uint32_t count)
{
    fs->free -= count;
    while (count-- > 0)
        fp_bon_set(fs->used, row + count);
}

int fp_bon_take(struct fp_bon *fs, uint32_t row, uint32_t count)
{
    if (fs->free < count + FP_BON_KEEP || run_at(fs, row, count) < count)
        return FP_ERR_NOSPC;
    take(fs, row, count);
    return FP_OK;
}

int fp_bon_alloc(struct fp_bon *fs, uint32_t count, uint32_t *row)
{
    for (*row = FP_BON_ROOT + 1; *row < fp_bon_head(fs); (*row)++)
        if (fp_bon_take(fs, *row, count) == FP_OK)
            return FP_OK;
    return FP_ERR_NOSPC;
}

int fp_bon_alloc_last(struct fp_bon *fs, uint32_t *row)
{
    for (*row = fp_bon_head(fs); --*row > FP_BON_ROOT;)
        if (run_at(fs, *row, 1) == 1) {
            take(fs, *row, 1);
            return FP_OK;
        }
    return FP_ERR_NOSPC;
}

uint32_t fp_bon_longest(const struct fp_bon *fs, uint32_t *row)
{
    uint32_t best = 0;

    for (uint32_t at = FP_BON_ROOT + 1; at < fp_bon_head(fs); at++) {
        uint32_t count = run_at(fs, at, fs->rows);

        if (count > best) {
            best = count;
            *row = at;
        }
        at += count;
    }
    return best;
}

int fp_bon_erase(struct fp_bon *fs, uint32_t row)
{
    uint32_t each = FP_BON_ROW / fs->dev->block_size;

    return fp_bdev_erase(fs->dev, row * each, each);
}

int fp_bon_clear(struct fp_bon *fs, uint32_t row)
{
    int blank = fp_bon_is_blank(fs, row);

    return blank < 0 ? blank : blank ? FP_OK : fp_bon_erase(fs, row);
}

int fp_bon_put_row(struct fp_bon *fs, uint32_t row, const uint8_t *buf)
{
    int err = fp_bon_clear(fs, row);

    return err ? err
               : fp_bdev_prog(fs->dev, (fp_addr)row * FP_BON_ROW, buf,
                              FP_BON_ROW);
}

int fp_bon_settle(struct fp_bon *fs, int err)
{
    int map_err;

    memcpy(fs->was, fs->used, fs->rows / 8 + 1);
    fs->is_mapped = false;
    fs->moves = 0;
    /* What a journal may still need stays. */
    if (fs->is_lost || fs->pending > 0)
        return err;
    map_err = fp_bon_map(fs);
    for (uint32_t row = 0; row < fp_bon_head(fs) && !map_err; row++) {
        if (fp_bon_bit(fs->was, row) && !fp_bon_bit(fs->used, row))
            map_err = fp_bon_clear(fs, row);
    }
    if (map_err)
        fs->is_mapped = false;
    return err ? err : map_err;
}
