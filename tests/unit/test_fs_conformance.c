/* SPDX-License-Identifier: MIT
 *
 * Every driver that writes, on flash of several geometries.
 */
#include "tests/unit/fs_suite.h"

#include "core/fs/littlefs/littlefs.h"

static const struct fs_suite_row rows[] = {
    { &fp_fs_littlefs, 1, 128, 512 },  { &fp_fs_littlefs, 16, 128, 512 },
    { &fp_fs_littlefs, 1, 512, 256 },  { &fp_fs_littlefs, 16, 512, 256 },
    { &fp_fs_littlefs, 16, 4096, 64 }, { &fp_fs_littlefs, 256, 4096, 64 },
};

int main(void)
{
    return fs_suite_run(rows, sizeof rows / sizeof rows[0]);
}
