/* SPDX-License-Identifier: MIT
 *
 * What each block is used for: one holds the metadata, others a file each.
 */
#include "core/fs/minifs/mini.h"

int fp_mini_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    int err = fp_mini_look(fs);
    const uint8_t *entry = fp_mini_entry(fs, 0);

    if (!err)
        err = fn(ctx, fs->block, FP_BLOCK_METADATA);
    for (; entry < fs->end && !err; entry += FP_MINI_SECTION)
        if (fp_mini_is_sound(fs, entry))
            err = fn(ctx, fp_mini_block(fs, entry), FP_BLOCK_DATA);
    return err;
}
