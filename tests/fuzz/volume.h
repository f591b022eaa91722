/* SPDX-License-Identifier: MIT
 *
 * Any image as a volume: probed, mounted, walked, read, checked, written to,
 * and the same once more after a new mount. What the target of a filesystem is
 * made of: it says how the bytes are to be seen, and that is all.
 *
 * What is found is told by the sanitizers, by a limit on the bytes that one
 * operation may read or write (nothing goes round for ever), and by what a
 * driver may never do: list a name that is none, write while read-only, take
 * more findings than an image has bytes.
 */
#ifndef FP_TESTS_FUZZ_VOLUME_H
#define FP_TESTS_FUZZ_VOLUME_H

#include "core/fs/fs.h"

#define FUZZ_READ_ONLY 128

/* One way to see an image. */
struct fuzz_layout {
    const struct fp_fs_ops *ops; /* NULL: whichever of `drivers` probes best */
    const struct fp_fs_ops *const *drivers;
    uint32_t prog_size, block_size; /* of the device; what fills no block at
                                       the end of the image is left out */
    uint32_t medium;                /* FP_BDEV_*; 0: NOR, as ram.h has it */
    uint32_t read_size;             /* 0: 1 */
    struct fp_fs_config cfg;        /* what is stated at mount */
    uint32_t passes; /* an operation may read so many times the image; 0 is
                        2000: a write may look through all of it for a free
                        block, for each component of a path */
};

/* Uses image[0..size) as a volume, on a copy. */
void fuzz_volume(const struct fuzz_layout *layout, const uint8_t *image,
                 size_t size);

/* An input whose first byte says which of layouts[0..count) it is (modulo
 * `count`, without FUZZ_READ_ONLY, which makes it read-only), then the image,
 * of at most size_max bytes. Returns what LLVMFuzzerTestOneInput must. */
int fuzz_layouts(const struct fuzz_layout *layouts, uint32_t count,
                 size_t size_max, const uint8_t *data, size_t size);

#endif
