/* SPDX-License-Identifier: MIT
 *
 * Every driver that writes, on flash of several geometries.
 */
#include "tests/unit/fs_suite.h"

#include "core/fs/littlefs/littlefs.h"

/* Take it out when core/fs/littlefs/commit.c, commit_one(), sets fs->failed on
 * every error but FP_ERR_NOSPC. */
#define LFS_FAULT                                                     \
    "an I/O error just behind a commit that landed leaves the mount " \
    "writable with a stale move state: the next write may lose the file"

static const struct fs_suite_row rows[] = {
    { &fp_fs_littlefs, 1, 128, 512, LFS_FAULT },
    { &fp_fs_littlefs, 16, 128, 512, LFS_FAULT },
    { &fp_fs_littlefs, 1, 512, 256, LFS_FAULT },
    { &fp_fs_littlefs, 16, 512, 256, LFS_FAULT },
    { &fp_fs_littlefs, 16, 4096, 64, LFS_FAULT },
    { &fp_fs_littlefs, 256, 4096, 64, LFS_FAULT },
};

int main(void)
{
    return fs_suite_run(rows, sizeof rows / sizeof rows[0]);
}
