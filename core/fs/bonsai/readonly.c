/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/bonsai/bon.h"
#include "core/fs/bonsai/bonsai.h"

const struct fp_fs_ops fp_fs_bonsai_ro = {
    .name = "bonsai",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_bon_workspace,
    .probe = FP_FS_PROBE ? fp_bon_probe : NULL,
    .mount = fp_bon_mount,
    .stat = fp_bon_stat,
    .statfs = fp_bon_statfs,
    .open = fp_bon_open_ro,
    .read = fp_bon_file_read,
    .close = fp_bon_close_ro,
    .opendir = fp_bon_opendir,
    .readdir = fp_bon_readdir,
    .closedir = fp_bon_closedir,
    .blocks = FP_FS_BLOCKS ? fp_bon_blocks : NULL,
    .step = FP_FS_CHECK ? fp_bon_step_ro : NULL,
};
