/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/spiffs/spiffs.h"
#include "core/fs/spiffs/spf.h"

static int statfs_rw(struct fp_mount *mnt, struct fp_statfs *st)
{
    int err = fp_spf_statfs(mnt, st);

    st->caps |= FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE | FP_CAP_SEEKWRITE |
                FP_CAP_APPEND | FP_CAP_HOLES | FP_CAP_WRITE;
    return err;
}

const struct fp_fs_ops fp_fs_spiffs = {
    .name = "spiffs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_spf_workspace,
    .probe = FP_FS_PROBE ? fp_spf_probe : NULL,
    .format = FP_FS_FORMAT ? fp_spf_format : NULL,
    .is_blank = FP_FS_FORMAT ? fp_spf_is_blank : NULL,
    .mount = fp_spf_mount,
    .sync = fp_spf_sync,
    .stat = fp_spf_stat,
    .statfs = statfs_rw,
    .open = fp_spf_open,
    .read = fp_spf_read_rw,
    .write = fp_spf_write,
    .seek = fp_spf_seek,
    .truncate = fp_spf_truncate,
    .fsync = fp_spf_fsync,
    .reserve = fp_spf_reserve,
    .commit = fp_spf_file_commit,
    .close = fp_spf_close,
    .opendir = fp_spf_opendir,
    .readdir = fp_spf_readdir,
    .remove = fp_spf_remove,
    .rename = fp_spf_rename,
    .blocks = FP_FS_BLOCKS ? fp_spf_blocks : NULL,
    .step = FP_FS_CHECK ? fp_spf_step : NULL,
};
