/* SPDX-License-Identifier: MIT
 *
 * The free space address, which the original starts writing at: behind the
 * last record. It is kept for the original only; a sync puts it right, and so
 * does a repair, which besides erases what power cuts left in free rows.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_sync(struct fp_mount *mnt)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    uint32_t fsa;

    fp_bon_begin(fs);
    fp_bon_read(fs, 0, fs->row, FP_BON_ROW);
    fsa = fp_bon_addr(fs, fs->last);
    if (fs->err || fp_get_le32(fs->row + FP_BON_FSA) == fsa)
        return fp_bon_result(fs);
    fp_put_le32(fs->row + FP_BON_FSA, fsa);
    fp_bon_journal(fs, 0);
    fp_bon_commit(fs);
    return fp_bon_end(fs);
}

/* A volume that was only looked at is left as it was. */
int fp_bon_unmount(struct fp_mount *mnt)
{
    return fp_bon_of(mnt)->has_changed ? fp_bon_sync(mnt) : FP_OK;
}

/* A row a slice, after the journal and the address. */
static int repair(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    uint32_t row = step->progress;

    if (row == 0)
        fs->err = fp_bon_sync(mnt);
    fp_bon_begin(fs);
    if (!fs->err && !fp_bon_bit(fs->used, row))
        fp_bon_clear(fs, row);
    if (fs->err)
        return fp_bon_result(fs);
    step->total = fs->rows;
    step->progress++;
    step->done = step->progress == step->total;
    return FP_OK;
}

int fp_bon_step(struct fp_mount *mnt, struct fp_step *step)
{
    if (step->kind == FP_STEP_CHECK)
        return fp_bon_check_step(fp_bon_of(mnt), step);
    if (step->kind == FP_STEP_REPAIR || step->kind == FP_STEP_GC)
        return repair(mnt, step);
    step->done = true;
    return FP_OK;
}
