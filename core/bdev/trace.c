/* SPDX-License-Identifier: MIT */
#include "core/bdev/trace.h"

static struct fp_bdev_trace *trace_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_trace *)dev;
}

static int tell(struct fp_bdev_trace *trace, const struct fp_bdev_event *event)
{
    trace->fn(trace->ctx, event);
    return event->err;
}

static int trace_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_bdev_trace *trace = trace_of(dev);
    struct fp_bdev_event event = { .op = FP_BDEV_READ, .off = off };

    event.size = size;
    event.buf = buf;
    event.err = fp_bdev_read(trace->under, off, buf, size);
    return tell(trace, &event);
}

static int trace_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fp_bdev_trace *trace = trace_of(dev);
    struct fp_bdev_event event = { .op = FP_BDEV_PROG, .off = off };

    event.size = size;
    event.buf = buf;
    event.err = fp_bdev_prog(trace->under, off, buf, size);
    return tell(trace, &event);
}

static int trace_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_bdev_trace *trace = trace_of(dev);
    struct fp_bdev_event event = { .op = FP_BDEV_ERASE };

    event.off = (fp_addr)block * dev->block_size;
    event.size = (fp_addr)count * dev->block_size;
    event.block = block;
    event.count = count;
    event.err = fp_bdev_erase(trace->under, block, count);
    return tell(trace, &event);
}

static int trace_sync(struct fp_bdev *dev)
{
    struct fp_bdev_trace *trace = trace_of(dev);
    struct fp_bdev_event event = { .op = FP_BDEV_SYNC };

    event.err = fp_bdev_sync(trace->under);
    return tell(trace, &event);
}

static void trace_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(trace_of(dev)->under);
}

static const struct fp_bdev_ops trace_ops = {
    .read = trace_read,
    .prog = trace_prog,
    .erase = trace_erase,
    .sync = trace_sync,
    .yield = trace_yield,
};

void fp_bdev_trace_init(struct fp_bdev_trace *trace, struct fp_bdev *under,
                        fp_bdev_trace_fn fn, void *ctx)
{
    *trace = (struct fp_bdev_trace){
        .bdev = *under,
        .under = under,
        .fn = fn,
        .ctx = ctx,
    };
    trace->bdev.ops = &trace_ops;
}

const char *fp_bdev_op_name(enum fp_bdev_op op)
{
    static const char *const names[FP_BDEV_OP_COUNT] = {
        [FP_BDEV_READ] = "read",
        [FP_BDEV_PROG] = "prog",
        [FP_BDEV_ERASE] = "erase",
        [FP_BDEV_SYNC] = "sync",
    };

    FP_ASSERT(op < FP_BDEV_OP_COUNT);
    return names[op];
}
