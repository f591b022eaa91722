/* SPDX-License-Identifier: MIT
 *
 * The free space address, which the original starts writing at: behind the
 * last record. It is kept for the original only; a sync puts it right.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_sync(struct fp_mount *mnt)
{
    struct fp_bon *fs = fp_bon_of(mnt);

    fp_bon_begin(fs);
    fp_bon_put_addr(fs, FP_BON_FSA, fs->last);
    fp_bon_commit(fs);
    return fp_bon_end(fs);
}

/* A volume that was only looked at is left as it was. */
int fp_bon_unmount(struct fp_mount *mnt)
{
    return fp_bon_of(mnt)->has_changed ? fp_bon_sync(mnt) : FP_OK;
}
