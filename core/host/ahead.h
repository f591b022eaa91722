/* SPDX-License-Identifier: MIT
 *
 * A device that nobody writes to, read in windows: filesystems read a sector
 * here and a name there, and each would be a call to the system. Each window
 * has its place, which on a large device others share with it. Contents of
 * files, which are read in larger pieces, go past them: there is one more
 * window, which begins wherever they do.
 *
 * Memory  32 MiB and 64 KiB of heap at the most, from init to deinit, of which
 *         as much is touched as is read; `under` is borrowed and must outlive
 *         it
 * Errors  those of the device below, for what was asked for only: where a
 *         window cannot be read as a whole, none is kept
 */
#ifndef FP_CORE_HOST_AHEAD_H
#define FP_CORE_HOST_AHEAD_H

#include "core/bdev/bdev.h"

#define FP_HOST_AHEAD_WINDOW 16384u
#define FP_HOST_AHEAD_PLACES 2048u
#define FP_HOST_AHEAD_RUN    65536u

struct fp_host_ahead {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    uint8_t *mem;     /* the windows */
    uint64_t *number; /* of the window that is in each place, from 1 */
    uint32_t places;
    fp_addr end; /* of the piece that was just read; 0: it was less */
    uint8_t *contents;
    fp_addr run, run_end; /* what of the device `contents` is */
    fp_addr alone;        /* before it nothing is read along */
};

/* The device to read: this one or, where `under` can be written to or there is
 * no memory, `under` itself. */
struct fp_bdev *fp_host_ahead_init(struct fp_host_ahead *ahead,
                                   struct fp_bdev *under);
/* Also of one that was zeroed, and not initialised. */
void fp_host_ahead_deinit(struct fp_host_ahead *ahead);

#endif
