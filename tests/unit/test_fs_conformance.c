/* SPDX-License-Identifier: MIT
 *
 * Every driver that writes, on media of several geometries; and fs_flat.h,
 * which shows that the suite keeps to a driver's limits.
 */
#include "tests/unit/fs_suite.h"

#include "core/fs/bonsai/bonsai.h"
#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "core/fs/spiffs/spiffs.h"
#include "tests/sector_stack.h"
#include "tests/unit/fs_flat.h"

#define LITTLEFS(prog, block, count)                                        \
    {                                                                       \
        .ops = &fp_fs_littlefs, .prog_size = (prog), .block_size = (block), \
        .block_count = (count)                                              \
    }

/* A card of so many sectors. */
#define FAT(sector, count, opts)                                          \
    {                                                                     \
        .ops = &fp_fs_fat, .prog_size = (sector), .block_size = (sector), \
        .block_count = (count),                                           \
        .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG,                \
        .cfg = { .options = (opts) }, .traits = FS_SUITE_TEXT_NAMES       \
    }

#define SPIFFS(prog, block, count, page, opts)                            \
    {                                                                     \
        .ops = &fp_fs_spiffs, .prog_size = (prog), .block_size = (block), \
        .block_count = (count), .cfg = {                                  \
            .page_size = (page),                                          \
            .options = (opts)                                             \
        }                                                                 \
    }

#define MINIFS(prog, block, count)                                        \
    {                                                                     \
        .ops = &fp_fs_minifs, .prog_size = (prog), .block_size = (block), \
        .block_count = (count), .traits = FS_SUITE_NO_FF                  \
    }

#define BONSAI(prog, block, count)                                        \
    {                                                                     \
        .ops = &fp_fs_bonsai, .prog_size = (prog), .block_size = (block), \
        .block_count = (count), .traits = FS_SUITE_PATHS_MAKE_DIRS        \
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

    SPIFFS(1, 4096, 64, 256, NULL),  /* as esp-idf */
    SPIFFS(16, 8192, 32, 256, NULL), /* as esp8266 */
    SPIFFS(256, 4096, 64, 256, "meta_len=0"),
    SPIFFS(4, 4096, 96, 128, "magic_length=0"),
    SPIFFS(1, 4096, 64, 256, "id_bytes=4"),
    /* Empty and without magic: whose it is must be said. */
    { .ops = &fp_fs_spiffs,
      .prog_size = 1,
      .block_size = 4096,
      .block_count = 64,
      .cfg = { .block_size = 4096, .page_size = 512, .options = "magic=0" },
      .traits = FS_SUITE_STATED },

    MINIFS(1, 256, 64),
    MINIFS(64, 256, 32),
    MINIFS(256, 256, 24),
    MINIFS(8, 1024, 24),
    MINIFS(16, 4096, 16),

    BONSAI(64, 256, 256),
    BONSAI(1, 256, 1024),
    BONSAI(16, 128, 512),

#if FP_LFS_EXTRAS /* it is all of littlefs, with limits */
    { .ops = &fs_flat, .prog_size = 16, .block_size = 512, .block_count = 128 },
    { .ops = &fs_flat,
      .prog_size = 16,
      .block_size = 4096,
      .block_count = 64,
      .wrap = sector_stack_start,
      .wrap_size = sizeof(struct sector_stack) },
#endif
};

int main(void)
{
    return fs_suite_run(rows, sizeof rows / sizeof rows[0]);
}
