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
    fp_addr first; /* byte of `under` that is byte 0 here */
};

/* The bytes [off, off + size) of `under`, inside it and of whole erase blocks,
 * else FP_ERR_INVAL. Where programming replaces, whole units of that are
 * enough: a partition may lie anywhere on a card. Blocks of the slice are then
 * smaller, and erasing them, a hint anyway, does nothing. */
int fp_bdev_slice_init(struct fp_bdev_slice *slice, struct fp_bdev *under,
                       fp_addr off, fp_addr size);

#endif
