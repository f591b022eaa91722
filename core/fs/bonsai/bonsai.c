/* SPDX-License-Identifier: MIT
 *
 * The table of the whole driver.
 */
#include "core/fs/bonsai/bonsai.h"
#include "core/fs/bonsai/bon.h"

int fp_fs_bonsai_remove_all(struct fp_mount *mnt, const char *path)
{
    struct fp_stat st;
    int err = fp_fs_stat(mnt, path, &st);

    if (err)
        return err;
    if (mnt->ops != &fp_fs_bonsai)
        return FP_ERR_NOTSUP;
    if (mnt->cfg.flags & FP_MOUNT_RDONLY)
        return FP_ERR_ROFS;
    return path[1] == '\0' ? FP_ERR_BUSY : fp_bon_remove_all(mnt, path);
}

const struct fp_fs_ops fp_fs_bonsai = {
    .name = "bonsai",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .caps = FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE | FP_CAP_SEEKWRITE |
            FP_CAP_APPEND | FP_CAP_RENAME_DIR | FP_CAP_HOLES | FP_CAP_WRITE,
    .workspace = fp_bon_workspace,
    .probe = FP_FS_PROBE ? fp_bon_probe : NULL,
    .format = FP_FS_FORMAT ? fp_bon_format : NULL,
    .is_blank = FP_FS_FORMAT ? fp_bon_is_blank : NULL,
    .mount = fp_bon_mount,
    .unmount = fp_bon_unmount,
    .sync = fp_bon_sync,
    .stat = fp_bon_stat,
    .statfs = fp_bon_statfs,
    .open = fp_bon_open,
    .read = fp_bon_file_read,
    .write = fp_bon_write,
    .truncate = fp_bon_truncate,
    .fsync = fp_bon_fsync,
    .reserve = fp_bon_reserve,
    .commit = fp_bon_file_commit,
    .close = fp_bon_close,
    .opendir = fp_bon_opendir,
    .readdir = fp_bon_readdir,
    .closedir = fp_bon_closedir,
    .remove = fp_bon_remove,
    .rename = fp_bon_rename,
    .blocks = FP_FS_BLOCKS ? fp_bon_blocks : NULL,
    .step = FP_FS_CHECK ? fp_bon_step : NULL,
};
