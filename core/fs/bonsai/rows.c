/* SPDX-License-Identifier: MIT
 *
 * Free rows, and writing them. A row that is given up is erased at the end of
 * the operation, so that free rows are blank; a power cut in between leaves
 * some that are not, and these are erased when they are needed.
 */
#include "core/fs/bonsai/bon.h"

uint32_t fp_bon_alloc(struct fp_bon *fs, uint32_t want, uint32_t count,
                      uint32_t keep)
{
    uint32_t best = 0, run = 0, row = 0;

    for (uint32_t at = 0; at < fp_bon_head(fs) && best < want; at++) {
        run++;
        if (fs->map[at] & FP_BON_USED)
            run = 0;
        if (run > best) {
            best = run;
            row = at + 1 - run;
        }
    }
    if (best < count || fs->free < count + keep)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    if (fs->err)
        return 0;
    fp_bon_take(fs, row, count, FP_BON_USED);
    return row;
}

void fp_bon_erase(struct fp_bon *fs, uint32_t row)
{
    uint32_t each = FP_BON_ROW / fs->dev->block_size;

    if (!fs->err)
        fs->err = fp_bdev_erase(fs->dev, row * each, each);
}

void fp_bon_clear(struct fp_bon *fs, uint32_t row)
{
    if (!fp_bon_is_same(fs, row, NULL))
        fp_bon_erase(fs, row);
}

void fp_bon_put_row(struct fp_bon *fs, uint32_t row, const uint8_t *buf)
{
    fp_bon_clear(fs, row);
    if (!fs->err)
        fs->err =
            fp_bdev_prog(fs->dev, (fp_addr)row * FP_BON_ROW, buf, FP_BON_ROW);
}

int fp_bon_end(struct fp_bon *fs)
{
    int err = fp_bon_result(fs), map_err;
    uint32_t row = fp_bon_head(fs);

    if (!fs->is_applying)
        fs->journal[FP_BON_COUNT] = 0;
    if (fs->map[fs->cached] & FP_BON_TREE)
        fs->cached = fs->rows;
    fs->is_mapped = false;
    fp_bon_map(fs);
    /* What a journal may still need stays. */
    while (!fs->is_applying && row-- > 0 && !fs->err)
        if ((fs->map[row] & (FP_BON_WAS | FP_BON_USED)) == FP_BON_WAS)
            fp_bon_clear(fs, row);
    fs->is_mapped = !fs->err;
    map_err = fp_bon_result(fs);
    return err ? err : map_err;
}
