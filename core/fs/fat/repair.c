/* SPDX-License-Identifier: MIT
 *
 * Putting right what a check finds: lost clusters become free, chains end with
 * their files, moves are finished, the tables agree, the count is written. What
 * is an error, because content is at stake, is told and left alone, and then no
 * cluster is freed.
 */
#include "core/fs/fat/check.h"

static int fix(struct fp_fat *fs, enum fp_fat_fix what, uint32_t a, uint32_t b,
               struct fp_fat_place *place)
{
    static const uint8_t unknown[7];
    int err = fp_fat_begin(fs);

    if (err)
        return err;
    switch (what) {
    case FP_FAT_FIX_END:
        return fp_fat_set(fs, a, FP_FAT_EOC);
    case FP_FAT_FIX_PARENT:
        return fp_fat_parent_set(fs, a, b);
    case FP_FAT_FIX_MOVE:
        return fp_fat_settle(fs, place, b, unknown);
    case FP_FAT_FIX_LOST:
        return fp_fat_set(fs, a, 0);
    case FP_FAT_FIX_COPY:
        fs->fat.dirty = true;
        return fp_fat_flush(fs, &fs->fat);
    case FP_FAT_FIX_COUNT:
        fs->free = a;
        fs->counted = fs->last + 1;
        fs->dirty = b != 0;
        return fp_fat_sync(fs->mnt);
    }
    return FP_OK;
}

int fp_fat_step(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_fat *fs = fp_fat_of(mnt);

    switch (step->kind) {
    case FP_STEP_CHECK:
        return fp_fat_check(fs, step, NULL);
    case FP_STEP_REPAIR:
        return fp_fat_check(fs, step, fix);
    case FP_STEP_GC:
        step->done = fp_fat_is_counted(fs);
        step->progress = fs->counted;
        step->total = fs->last;
        return fp_fat_count(fs, 32);
    default:
        step->done = true; /* there is nothing to tidy */
        return FP_OK;
    }
}
