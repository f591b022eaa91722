/* SPDX-License-Identifier: MIT
 *
 * A piece of another device as a device of its own: a partition, a region.
 *
 * Memory  `under` is borrowed and must outlive the slice
 * Errors  those of the device below
 */
#ifndef FP_CORE_BDEV_SLICE_H
#define FP_CORE_BDEV_SLICE_H

#include "core/bdev/bdev.h"

struct fp_bdev_slice {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    uint32_t first; /* block of `under` that is block 0 here */
};

/* The bytes [off, off + size) of `under`. Both are whole erase blocks and lie
 * inside, else FP_ERR_INVAL. */
int fp_bdev_slice_init(struct fp_bdev_slice *slice, struct fp_bdev *under,
                       fp_addr off, fp_addr size);

#endif
