/* SPDX-License-Identifier: MIT
 *
 * What each row is used for, as the map has it.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    int err;

    fp_bon_map(fs);
    err = fp_bon_result(fs);
    for (uint32_t row = 0; row < fp_bon_head(fs) && !err; row++)
        if (fs->map[row] & FP_BON_USED)
            err = fn(ctx, row,
                     row > FP_BON_ROOT ? FP_BLOCK_DATA : FP_BLOCK_METADATA);
    return err;
}
