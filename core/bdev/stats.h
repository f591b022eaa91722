/* SPDX-License-Identifier: MIT
 *
 * Counts and times what a device is asked for, by kind of operation, and how
 * often each block was erased.
 *
 * Memory  `under` and the array of erase counts are borrowed and must outlive
 *         the stats; counters are 64 bits and never wrap in practice
 * Errors  those of the device below, unchanged
 */
#ifndef FP_CORE_BDEV_STATS_H
#define FP_CORE_BDEV_STATS_H

#include "core/bdev/bdev.h"

struct fp_bdev_stats_config {
    /* Microseconds from any start, monotonic. NULL: nothing is timed. */
    uint64_t (*clock_us)(void *ctx);
    void *clock_ctx;
    /* erases[0..block_count) of `under`, counted up, not cleared: a port that
     * keeps them may continue. NULL: not counted by block. */
    uint32_t *erases;
};

struct fp_bdev_count {
    uint64_t calls;
    uint64_t bytes; /* asked for; an erased block counts its size */
    uint64_t time_us;
    uint64_t errors; /* calls that failed */
};

struct fp_bdev_stats {
    struct fp_bdev bdev;
    struct fp_bdev_count count[FP_BDEV_OP_COUNT]; /* by enum fp_bdev_op */
    /* private */
    struct fp_bdev *under;
    struct fp_bdev_stats_config cfg;
};

/* How even the wear is. A block that holds what never changes is erased
 * never: with wear levelling that moves only what is written, the blocks that
 * are written in turn are those above 0. */
struct fp_bdev_wear {
    uint32_t never;       /* blocks with an erase count of 0 */
    uint32_t least, most; /* of the others; 0 where there are none */
    uint64_t total;
};

/* cfg NULL: counts only. */
void fp_bdev_stats_init(struct fp_bdev_stats *stats, struct fp_bdev *under,
                        const struct fp_bdev_stats_config *cfg);

/* Of cfg.erases, which must be there. */
struct fp_bdev_wear fp_bdev_stats_wear(const struct fp_bdev_stats *stats);

/* Counters by kind back to 0; erase counts stay. */
void fp_bdev_stats_reset(struct fp_bdev_stats *stats);

#endif
