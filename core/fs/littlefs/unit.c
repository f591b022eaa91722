/* SPDX-License-Identifier: MIT
 *
 * In what units of programming a volume was written. It does not say so, but
 * every commit ends with a unit. So a unit is no larger than what divides the
 * ends of all last commits; and no larger than the erased area that a commit of
 * 2.1 gives the checksum of, which is a unit at least.
 *
 * Source: the format page, sections 3.2 and 3.5.
 */
#include "core/fs/littlefs/lfs.h"
#include "core/fs/littlefs/littlefs.h"

/* A page of NAND: a larger unit in a volume of 2.0 is chance. */
#define LARGEST_UNSAID 4096u

int fp_littlefs_prog_size(struct fp_mount *mnt, uint32_t *size)
{
    struct fp_lfs_chain thread;
    struct fp_lfs *fs = fp_lfs_of(mnt);
    uint32_t ends = fs->block_size, said = 0;
    int err;

    fp_lfs_chain_begin(&thread, 0, 1);
    while ((err = fp_lfs_chain_next(fs, &thread)) == FP_OK) {
        ends |= thread.m->off;
        if (thread.m->fcrc_size > said)
            said = thread.m->fcrc_size;
    }
    if (!said)
        said = fp_lfs_min(LARGEST_UNSAID, fs->block_size / 2);
    *size = ends & (0 - ends);
    while (*size > said)
        *size /= 2;
    return err == FP_ERR_NOENT ? FP_OK : err;
}
