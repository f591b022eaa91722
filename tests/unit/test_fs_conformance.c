/* SPDX-License-Identifier: MIT
 *
 * Every driver that writes, on media of several geometries; and fs_flat.h,
 * which shows that the suite keeps to a driver's limits.
 */
#include "tests/unit/fs_suite.h"

#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"
#include "tests/unit/fs_flat.h"

#define LITTLEFS(prog, block, count)                                        \
    {                                                                       \
        .ops = &fp_fs_littlefs, .prog_size = (prog), .block_size = (block), \
        .block_count = (count)                                              \
    }

/* A card of so many sectors. */
#define FAT(sector, count, opts)                                      \
    {                                                                 \
        .ops = &fp_fs_fat, .prog_size = (sector),                     \
        .block_size = (sector), .block_count = (count),               \
        .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG,            \
        .cfg = { .options = (opts) }, .traits = FS_SUITE_TEXT_NAMES   \
    }

static const struct fs_suite_row rows[] = {
    LITTLEFS(1, 128, 512),
    LITTLEFS(16, 128, 512),
    LITTLEFS(1, 512, 256),
    LITTLEFS(16, 512, 256),
    LITTLEFS(16, 4096, 64),
    LITTLEFS(256, 4096, 64),

    FAT(512, 256, NULL),
    FAT(512, 2048, "cluster=2048,fats=1"),
    FAT(4096, 64, NULL),
    FAT(512, 4300, "bits=16,cluster=512"),
    FAT(512, 67000, "bits=32,cluster=512"),

    { .ops = &fs_flat, .prog_size = 16, .block_size = 512, .block_count = 128 },
};

int main(void)
{
    return fs_suite_run(rows, sizeof rows / sizeof rows[0]);
}
