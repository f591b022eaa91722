/* SPDX-License-Identifier: MIT
 *
 * Putting right what a check finds: lost clusters become free, chains end with
 * their files, moves are finished, the tables agree, the count is written. What
 * is an error, because content is at stake, is told and left alone, and then no
 * cluster is freed.
 */
#include "core/fs/fat/check.h"

static void fix(struct fp_fat *fs, enum fp_fat_fix what, uint32_t a, uint32_t b,
                struct fp_fat_place *place)
{
    fp_fat_begin(fs);
    switch (what) {
    case FP_FAT_FIX_END:
        fp_fat_set(fs, a, FP_FAT_EOC);
        break;
    case FP_FAT_FIX_PARENT:
        fp_fat_parent_set(fs, a, b);
        break;
    case FP_FAT_FIX_MOVE:
        fp_fat_settle_old(fs, place);
        break;
    case FP_FAT_FIX_LOST:
        fp_fat_set(fs, a, 0);
        break;
    case FP_FAT_FIX_COPY:
        fs->fat.dirty = true;
        fp_fat_flush(fs, &fs->fat);
        break;
    case FP_FAT_FIX_COUNT:
        fs->free = a;
        fs->counted = fs->last + 1;
        fs->dirty = b != 0;
        fp_fat_sync(fs->mnt);
        break;
    }
}

int fp_fat_step(struct fp_mount *mnt, struct fp_step *step)
{
    struct fp_fat *fs = fp_fat_enter(mnt);

    switch (step->kind) {
    case FP_STEP_CHECK:
        return fp_fat_check(fs, step, NULL);
    case FP_STEP_REPAIR:
        return fp_fat_check(fs, step, fix);
    case FP_STEP_GC:
        step->done = fp_fat_is_counted(fs);
        step->progress = fs->counted;
        step->total = fs->last;
        fp_fat_count(fs, 32);
        return fs->err;
    default:
        step->done = true; /* there is nothing to tidy */
        return FP_OK;
    }
}
