/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/littlefs/lfs.h"

const struct fp_fs_ops fp_fs_littlefs = {
    .name = "littlefs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .caps = FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE | FP_CAP_SEEKWRITE |
            FP_CAP_APPEND | FP_CAP_RENAME_DIR | FP_CAP_HOLES | FP_CAP_WRITE |
            FP_LFS_CAPS,
    .workspace = fp_lfs_workspace,
    .probe = FP_FS_PROBE ? fp_lfs_probe : NULL,
    .mount = fp_lfs_mount,
    .format = FP_FS_FORMAT ? fp_lfs_format : NULL,
    .is_blank = FP_FS_FORMAT && FP_LFS_EXTRAS ? fp_lfs_is_blank : NULL,
    .sync = fp_lfs_sync,
    .stat = fp_lfs_stat,
    .statfs = fp_lfs_statfs,
    .open = fp_lfs_open,
    .read = fp_lfs_read_rw,
    .write = fp_lfs_write,
    .truncate = fp_lfs_truncate,
    .fsync = fp_lfs_fsync,
    .reserve = FP_LFS_EXTRAS ? fp_lfs_reserve : NULL,
    .commit = fp_lfs_file_commit,
    .close = fp_lfs_close,
    .opendir = fp_lfs_opendir,
    .readdir = fp_lfs_readdir,
    .closedir = fp_lfs_closedir,
    .mkdir = fp_lfs_mkdir,
    .remove = fp_lfs_remove,
    .rename = fp_lfs_rename,
    .getattr = fp_lfs_getattr,
    .setattr = fp_lfs_setattr,
    .listattr = FP_LFS_EXTRAS ? fp_lfs_listattr : NULL,
    .settime = FP_LFS_EXTRAS ? fp_lfs_settime : NULL,
    .blocks = FP_FS_BLOCKS ? fp_lfs_blocks : NULL,
    .step = FP_FS_CHECK ? fp_lfs_step : NULL,
};
