/* SPDX-License-Identifier: MIT
 *
 * Tells a callback of every operation after it was done, with its result.
 *
 * Memory  `under` is borrowed and must outlive the trace
 * Errors  those of the device below, unchanged
 */
#ifndef FP_CORE_BDEV_TRACE_H
#define FP_CORE_BDEV_TRACE_H

#include "core/bdev/bdev.h"

struct fp_bdev_event {
    enum fp_bdev_op op;
    fp_addr off;     /* of the first byte; erase: of the first block's */
    fp_addr size;    /* bytes; 0 for sync */
    uint32_t block;  /* erase: the first block */
    uint32_t count;  /* erase: how many */
    const void *buf; /* read, prog: what was read or is to be written */
    int err;         /* what the device below answered */
};

/* Valid during the call only. It must not use the device. */
typedef void (*fp_bdev_trace_fn)(void *ctx, const struct fp_bdev_event *event);

struct fp_bdev_trace {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    fp_bdev_trace_fn fn;
    void *ctx;
};

void fp_bdev_trace_init(struct fp_bdev_trace *trace, struct fp_bdev *under,
                        fp_bdev_trace_fn fn, void *ctx);

/* "read", "prog", "erase", "sync". */
const char *fp_bdev_op_name(enum fp_bdev_op op);

#endif
