/* SPDX-License-Identifier: MIT
 *
 * Any bytes as whatever filesystem claims them: each driver's probe, and the
 * volume of the one that is surest. Input: a byte, then the image.
 */
#include "core/host/drivers.h"
#include "tests/fuzz/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_layout layouts[] = {
        { .drivers = fp_host_drivers, .prog_size = 1, .block_size = 512 },
        { .drivers = fp_host_drivers, .prog_size = 1, .block_size = 4096 },
        { .drivers = fp_host_drivers,
          .prog_size = 512,
          .block_size = 512,
          .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG },
    };

    return fuzz_layouts(layouts, sizeof layouts / sizeof *layouts, 1u << 20,
                        data, size);
}
