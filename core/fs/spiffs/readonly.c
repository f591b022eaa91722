/* SPDX-License-Identifier: MIT
 *
 * The table of a build that only reads.
 */
#include "core/fs/spiffs/spf.h"
#include "core/fs/spiffs/spiffs.h"

static int step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    return fp_spf_check(mnt, step); /* the only one that writes nothing */
}

const struct fp_fs_ops fp_fs_spiffs_ro = {
    .name = "spiffs",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = fp_spf_workspace,
    .probe = FP_FS_PROBE ? fp_spf_probe : NULL,
    .mount = fp_spf_mount,
    .stat = fp_spf_stat,
    .statfs = fp_spf_statfs,
    .open = fp_spf_open_ro,
    .read = fp_spf_read_ro,
    .seek = fp_spf_seek,
    .close = fp_spf_close_ro,
    .opendir = fp_spf_opendir,
    .readdir = fp_spf_readdir,
    .blocks = FP_FS_BLOCKS ? fp_spf_blocks : NULL,
    .step = FP_FS_CHECK ? step_ro : NULL,
};
