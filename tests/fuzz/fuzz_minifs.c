/* SPDX-License-Identifier: MIT
 *
 * Any image as a minifs volume. Input: a byte, then the image.
 */
#include "core/fs/minifs/minifs.h"
#include "tests/fuzz/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_layout layouts[] = {
        /* the block size is found out */
        { .ops = &fp_fs_minifs, .prog_size = 1, .block_size = 256 },
        { .ops = &fp_fs_minifs,
          .prog_size = 64,
          .block_size = 256,
          .cfg.block_size = 256 },
        { .ops = &fp_fs_minifs,
          .prog_size = 16,
          .block_size = 1024,
          .cfg.block_size = 1024 },
        { .ops = &fp_fs_minifs,
          .prog_size = 1,
          .block_size = 64,
          .cfg.block_size = 64,
          .cfg.options = "big=1" },
        { .ops = &fp_fs_minifs,
          .prog_size = 256,
          .block_size = 4096,
          .medium = FP_BDEV_ERASED_FF | FP_BDEV_ATOMIC_PROG,
          .cfg.block_size = 4096 },
    };

    return fuzz_layouts(layouts, sizeof layouts / sizeof *layouts, 1u << 17,
                        data, size);
}
