/* SPDX-License-Identifier: MIT
 *
 * The step of the table that writes. A repair does what a sync does, and erases
 * what power cuts left in free rows.
 */
#include "core/fs/bonsai/bon.h"

/* A row a slice, after the journal and the address. */
static int repair(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    uint32_t row = step->progress;

    if (row == 0)
        fs->err = fp_bon_sync(mnt);
    fp_bon_begin(fs);
    if (!fs->err && !(fs->map[row] & FP_BON_USED))
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
