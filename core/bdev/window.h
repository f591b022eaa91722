/* SPDX-License-Identifier: MIT
 *
 * A device that is read by the byte, over one that is read by the sector: for
 * those who look at a few fields here and there, as probes do, and have no room
 * for a sector. Read-only.
 *
 * Memory  `under` and buf, of one read unit, are borrowed and must outlive it
 * Errors  those of the device below
 */
#ifndef FP_CORE_BDEV_WINDOW_H
#define FP_CORE_BDEV_WINDOW_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>

struct fp_bdev_window {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    uint8_t *buf; /* the unit at `at`, if it is there at all */
    fp_addr at;
    bool is_filled;
};

/* The device to read: the window or, where buf[0..size) holds no unit of
 * `under` or a unit is a byte, `under` itself. */
struct fp_bdev *fp_bdev_window_init(struct fp_bdev_window *window,
                                    struct fp_bdev *under, void *buf,
                                    size_t size);

#endif
