/* SPDX-License-Identifier: MIT
 *
 * Any image as a FAT volume on a card, with sectors as it says.
 *
 * Input: a byte, then the image.
 *   bits 0, 1  unit of programming and of blocks: 512, 1024, 2048, 4096
 *   bit 7      read-only
 */
#include "core/fs/fat/fat.h"
#include "tests/fuzz/volume.h"

#define IMAGE_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CARD(sector)                                                      \
    {                                                                     \
        .ops = &fp_fs_fat, .prog_size = (sector), .block_size = (sector), \
        .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG                 \
    }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_layout layouts[] = { CARD(512), CARD(1024),
                                                  CARD(2048), CARD(4096) };

    return fuzz_layouts(layouts, 4, IMAGE_MAX, data, size);
}
