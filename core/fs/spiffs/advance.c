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
    step->total = fs->block_count;
    step->done = true;
    if (step->kind == FP_STEP_COMPACT)
        return FP_OK; /* there is no log that would have to be written anew */
    if (step->kind == FP_STEP_REPAIR)
        fs->swept = fs->tidied = false;
    err = fp_spf_begin(fs);
    if (err || step->kind == FP_STEP_REPAIR)
        return err;
    /* A block a slice, those of which most is garbage. */
    if (!fp_spf_has_garbage(fs) || step->progress >= step->total)
        return FP_OK;
    err = fp_spf_collect(fs);
    if (err == FP_ERR_NOSPC)
        return FP_OK;
    step->progress++;
    step->done = err != FP_OK;
    return fp_spf_failed(fs, err);
}
