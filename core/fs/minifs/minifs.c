/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/minifs/minifs.h"
#include "core/fs/minifs/mini.h"

const struct fp_fs_ops fp_fs_minifs = {
    .name = "minifs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .caps = FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE | FP_CAP_SEEKWRITE |
            FP_CAP_APPEND | FP_CAP_HOLES | FP_CAP_WRITE,
    .workspace = fp_mini_workspace,
    .probe = FP_FS_PROBE ? fp_mini_probe : NULL,
    .format = FP_FS_FORMAT ? fp_mini_format : NULL,
    .is_blank = FP_FS_FORMAT ? fp_mini_is_blank : NULL,
    .mount = fp_mini_mount,
    .stat = fp_mini_stat,
    .statfs = fp_mini_statfs,
    .open = fp_mini_open,
    .read = fp_mini_read,
    .write = fp_mini_write,
    .truncate = fp_mini_truncate,
    .fsync = fp_mini_fsync,
    .reserve = fp_mini_reserve,
    .commit = fp_mini_file_commit,
    .close = fp_mini_forget,
    .readdir = fp_mini_readdir,
    .remove = fp_mini_remove,
    .rename = fp_mini_rename,
    .blocks = FP_FS_BLOCKS ? fp_mini_blocks : NULL,
    .step = FP_FS_CHECK ? fp_mini_step : NULL,
};
