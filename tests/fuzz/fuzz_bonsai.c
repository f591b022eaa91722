/* SPDX-License-Identifier: MIT
 *
 * Any image as a Bonsai volume. Input: a byte, then the image.
 */
#include "core/fs/bonsai/bonsai.h"
#include "tests/fuzz/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_layout layouts[] = {
        { .ops = &fp_fs_bonsai, .prog_size = 64, .block_size = 256 },
        { .ops = &fp_fs_bonsai, .prog_size = 1, .block_size = 64 },
        { .ops = &fp_fs_bonsai,
          .prog_size = 64,
          .block_size = 256,
          .cfg.options = "raw=1" },
        { .ops = &fp_fs_bonsai,
          .prog_size = 64,
          .block_size = 256,
          .cfg.options = "start=0x1d000,path=40" },
    };

    return fuzz_layouts(layouts, sizeof layouts / sizeof *layouts, 1u << 17,
                        data, size);
}
