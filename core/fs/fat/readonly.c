/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/fat/fat.h"
#include "core/fs/fat/vol.h"

const struct fp_fs_ops fp_fs_fat_ro = {
    .name = "fat",
    .caps = FP_CAP_DIRS | FP_CAP_MTIME,
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_fat_workspace,
    .probe = FP_FS_PROBE ? fp_fat_probe : NULL,
    .mount = fp_fat_mount,
    .stat = fp_fat_stat,
    .statfs = fp_fat_statfs,
    .open = fp_fat_open_ro,
    .read = fp_fat_file_read,
    .close = fp_fat_close_ro,
    .opendir = fp_fat_opendir,
    .readdir = fp_fat_readdir,
    .closedir = fp_fat_closedir,
    .blocks = FP_FS_BLOCKS ? fp_fat_blocks : NULL,
    .step = FP_FS_CHECK ? fp_fat_step_ro : NULL,
};
