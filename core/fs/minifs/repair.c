/* SPDX-License-Identifier: MIT
 *
 * The step of the table that writes. There is nothing to collect or to tidy:
 * a free block is erased when it is needed.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_step(struct fp_mount *mnt, struct fp_step *step)
{
    if (step->kind == FP_STEP_CHECK)
        return fp_mini_check_step(fp_mini_of(mnt), step);
    step->done = true;
    return step->kind == FP_STEP_REPAIR ? fp_mini_prepare(fp_mini_of(mnt))
                                        : FP_OK;
}
