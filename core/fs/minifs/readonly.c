/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/minifs/mini.h"
#include "core/fs/minifs/minifs.h"

const struct fp_fs_ops fp_fs_minifs_ro = {
    .name = "minifs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_mini_workspace,
    .probe = FP_FS_PROBE ? fp_mini_probe : NULL,
    .mount = fp_mini_mount,
    .stat = fp_mini_stat,
    .statfs = fp_mini_statfs,
    .open = fp_mini_open,
    .read = fp_mini_read,
    .close = fp_mini_forget,
    .readdir = fp_mini_readdir,
    .blocks = FP_FS_BLOCKS ? fp_mini_blocks : NULL,
    .step = FP_FS_CHECK ? fp_mini_step_ro : NULL,
};
