/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/fat/fat.h"
#include "core/fs/fat/vol.h"

const struct fp_fs_ops fp_fs_fat = {
    .name = "fat",
    .caps = FP_CAP_DIRS | FP_CAP_MTIME | FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE |
            FP_CAP_SEEKWRITE | FP_CAP_APPEND | FP_CAP_RENAME_DIR |
            FP_CAP_HOLES | FP_CAP_WRITE,
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_fat_workspace,
    .probe = FP_FS_PROBE ? fp_fat_probe : NULL,
    .format = FP_FS_FORMAT ? fp_fat_format : NULL,
    .is_blank = FP_FS_FORMAT ? fp_fat_is_blank : NULL,
    .mount = fp_fat_mount_rw,
    .unmount = fp_fat_sync, /* read-only it was never marked */
    .sync = fp_fat_sync,
    .stat = fp_fat_stat,
    .statfs = fp_fat_statfs,
    .open = fp_fat_open,
    .read = fp_fat_file_read,
    .write = fp_fat_write,
    .truncate = fp_fat_truncate,
    .fsync = fp_fat_fsync,
    .reserve = fp_fat_reserve,
    .commit = fp_fat_commit,
    .close = fp_fat_close,
    .opendir = fp_fat_opendir,
    .readdir = fp_fat_readdir,
    .closedir = fp_fat_closedir,
    .mkdir = fp_fat_mkdir,
    .remove = fp_fat_remove,
    .rename = fp_fat_rename,
    .settime = fp_fat_settime,
    .blocks = FP_FS_BLOCKS ? fp_fat_blocks : NULL,
    .step = FP_FS_CHECK ? fp_fat_step : NULL,
};
