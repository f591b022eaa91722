/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/raw/region.h"

const struct fp_fs_ops fp_fs_raw_ro = {
    .name = "raw",
    .promise = FP_PROMISE_NONE,
    .workspace = fp_raw_workspace_text,
    .mount = fp_raw_mount_text,
    .stat = fp_raw_stat,
    .statfs = fp_raw_statfs,
    .open = fp_raw_open,
    .read = fp_raw_read,
    .seek = fp_raw_seek,
    .opendir = fp_raw_opendir,
    .readdir = fp_raw_readdir,
    .getattr = fp_raw_getattr,
};
