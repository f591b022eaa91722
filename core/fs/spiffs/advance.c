/* SPDX-License-Identifier: MIT
 *
 * Work in advance, a slice at a time: repair, and a collection of garbage.
 */
#include "core/fs/spiffs/spf.h"

int fp_spf_step(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    int err;

    if (step->kind == FP_STEP_CHECK)
        return fp_spf_check(mnt, step);
    if (step->kind == FP_STEP_REPAIR)
        fs->swept = fs->tidied = false;
    err = fp_spf_begin(fs);
    step->total = fs->block_count;
    step->done = true;
    if (err || step->kind == FP_STEP_REPAIR)
        return err;
    /* A block a slice, while that gives room; at most each block once. */
    if (fs->gone < fs->usable || step->progress >= step->total)
        return FP_OK;
    err = fp_spf_collect(fs);
    if (err == FP_ERR_NOSPC)
        return FP_OK;
    step->progress++;
    step->done = err != FP_OK;
    return fp_spf_failed(fs, err);
}
