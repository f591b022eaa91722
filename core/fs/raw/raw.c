/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/raw/region.h"

const struct fp_fs_ops fp_fs_raw = {
    .name = "raw",
    .promise = FP_PROMISE_NONE,
    .workspace = fp_raw_workspace_text,
    /* no .probe: nothing tells a region */
    .mount = fp_raw_mount_text,
    .unmount = fp_raw_sync,
    .sync = fp_raw_sync,
    .stat = fp_raw_stat,
    .statfs = fp_raw_statfs,
    .open = fp_raw_open_rw,
    .read = fp_raw_read,
    .write = fp_raw_write,
    .seek = fp_raw_seek,
    .fsync = fp_raw_fsync,
    .reserve = fp_raw_reserve,
    .close = fp_raw_fsync,
    .opendir = fp_raw_opendir,
    .readdir = fp_raw_readdir,
    .getattr = fp_raw_getattr,
};
