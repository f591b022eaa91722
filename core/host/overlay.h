/* SPDX-License-Identifier: MIT
 *
 * A device that can be written over one that is not: what changes is kept in
 * memory, what does not is read from below. For those who try something out on
 * an image, of whatever size, that must stay as it is.
 *
 * Whoever uses it sets its flags and its sizes to what the medium is like, no
 * longer than the device below: without FP_BDEV_OVERWRITE programs clear bits,
 * as on NOR flash. It begins with the flags of NOR flash and the sizes from
 * below.
 *
 * Memory  `under` is borrowed and must outlive it; pages are on the heap, one
 *         for each 64 KiB (or block, if that is larger) that was written to,
 *         at most FP_HOST_OVERLAY_MAX bytes; fp_host_overlay_free() frees them
 * Errors  those of reading the device below; FP_ERR_NOMEM: no room for what
 *         changes, and then nothing of the page did
 */
#ifndef FP_CORE_HOST_OVERLAY_H
#define FP_CORE_HOST_OVERLAY_H

#include "core/bdev/bdev.h"

#define FP_HOST_OVERLAY_MAX ((uint64_t)1 << 30)

struct fp_host_overlay {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    uint8_t **pages; /* pages[0..page_count), NULL: as below */
    uint64_t page_count;
    uint32_t page_size;
    uint64_t taken; /* bytes of pages */
};

int fp_host_overlay_init(struct fp_host_overlay *overlay,
                         struct fp_bdev *under);
void fp_host_overlay_free(struct fp_host_overlay *overlay);

#endif
