/* SPDX-License-Identifier: MIT
 *
 * The step of the table that writes. There is nothing to collect or to tidy
 * but rivals: a free block is erased when it is needed.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_step(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    int err;

    if (step->kind == FP_STEP_CHECK)
        return fp_mini_check(fs, step);
    step->done = true;
    err = fp_mini_look(fs);
    return err ? err : fp_mini_drop_rivals(fs);
}
