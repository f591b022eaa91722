/* SPDX-License-Identifier: MIT
 *
 * Every driver that writes, on media of several geometries; and fs_flat.h,
 * which shows that the suite keeps to a driver's limits.
 */
#include "tests/unit/fs_suite.h"

#include "core/fs/bonsai/bonsai.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "tests/sector_stack.h"
#include "tests/unit/fs_flat.h"

#define LITTLEFS(prog, block, count)                                        \
    {                                                                       \
        .ops = &fp_fs_littlefs, .prog_size = (prog), .block_size = (block), \
        .block_count = (count)                                              \
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

    MINIFS(1, 256, 64),
    MINIFS(64, 256, 32),
    MINIFS(256, 256, 24),
    MINIFS(8, 1024, 24),
    MINIFS(16, 4096, 16),

    BONSAI(64, 256, 256),
    BONSAI(1, 256, 1024),
    BONSAI(16, 128, 512),

    { .ops = &fs_flat, .prog_size = 16, .block_size = 512, .block_count = 128 },
    { .ops = &fs_flat,
      .prog_size = 16,
      .block_size = 4096,
      .block_count = 64,
      .wrap = sector_stack_start,
      .wrap_size = sizeof(struct sector_stack) },
};

int main(void)
{
    return fs_suite_run(rows, sizeof rows / sizeof rows[0]);
}
