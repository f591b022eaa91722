/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/littlefs/lfs.h"
#include "core/fs/littlefs/littlefs.h"

const struct fp_fs_ops fp_fs_littlefs_ro = {
    .name = "littlefs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .caps = FP_LFS_CAPS,
    .workspace = fp_lfs_workspace,
    .probe = FP_FS_PROBE ? fp_lfs_probe : NULL,
    .mount = fp_lfs_mount,
    .stat = fp_lfs_stat,
    .statfs = fp_lfs_statfs,
    .open = fp_lfs_open_ro,
    .read = fp_lfs_read_ro,
#if !FP_READONLY
    .close = fp_lfs_close_ro,
    .closedir = fp_lfs_closedir,
#endif
    .opendir = fp_lfs_opendir,
    .readdir = fp_lfs_readdir,
    .getattr = fp_lfs_getattr,
    .listattr = FP_LFS_EXTRAS ? fp_lfs_listattr : NULL,
    .blocks =
        FP_FS_BLOCKS && (FP_LFS_EXTRAS || !FP_READONLY) ? fp_lfs_blocks : NULL,
    .step = FP_FS_CHECK ? fp_lfs_step_ro : NULL,
};
