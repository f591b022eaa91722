/* SPDX-License-Identifier: MIT
 *
 * A stretch of another device as a device of its own, from any byte on and of
 * any length: what may be a volume inside a dump. Unlike a slice it asks for no
 * alignment, is read by the byte whatever the device below wants, and may be
 * longer than what is there: behind that is erased flash, so that a volume that
 * is cut off can say its own size. Read-only.
 *
 * Memory  `under` and the budget are borrowed and must outlive it
 * Errors  those of the device below; FP_ERR_CANCELED when the budget is spent
 */
#ifndef FP_CORE_HOST_VIEW_H
#define FP_CORE_HOST_VIEW_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

#define FP_HOST_VIEW_PAGE 4096u

struct fp_host_view {
    struct fp_bdev bdev;
    bool passed; /* something behind the end of what is there was read */
    /* private */
    struct fp_bdev *under;
    uint64_t first, there; /* bytes of `under` */
    uint64_t *budget;
    uint64_t page_at; /* of `under`; UINT64_MAX: nothing is in page */
    uint32_t page_size;
    uint8_t page[FP_HOST_VIEW_PAGE];
};

/* `size` bytes, not 0: those of `under` from `first` on, as far as they go. Each
 * read takes what it costs off *budget (NULL: that has no limit). */
void fp_host_view_init(struct fp_host_view *view, struct fp_bdev *under,
                       uint64_t first, uint64_t size, uint64_t *budget);

#endif
