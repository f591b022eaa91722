/* SPDX-License-Identifier: MIT
 *
 * A snapshot as a block device, so that its files can be looked at.
 * FP_BDEV_RDONLY: programs and erases are FP_ERR_ROFS.
 *
 * Memory  the caller's; the reader is borrowed and serves this device alone
 * Errors  read: FP_ERR_CORRUPT where the device could not read its flash, or
 *         the store is damaged
 * Thread  one at a time
 */
#ifndef FPD_STORE_BDEV_H
#define FPD_STORE_BDEV_H

#include "core/bdev/bdev.h"
#include "daemon/store/snapshot.h"

struct fpd_store_bdev {
    struct fp_bdev bdev; /* first member */
    /* private */
    struct fpd_snapshot_reader *reader;
};

/* block_size 0: the chunk size. FP_ERR_INVAL: the image is smaller than one
 * block. A rest that is no whole block is left out. */
int fpd_store_bdev_init(struct fpd_store_bdev *dev,
                        struct fpd_snapshot_reader *reader,
                        uint32_t block_size);

#endif
