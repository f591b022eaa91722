/* SPDX-License-Identifier: MIT
 *
 * Sleeps are added up and slept once they reach a fraction of a millisecond:
 * nanosleep() takes some 60 us whatever it is asked for, and what it oversleeps
 * is taken off the next.
 */
#include "device-agent/ports/posix/timing.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SLEEP_LEAST_NS 200000u

static const struct fp_port_timing timings[] = {
    { .name = "none" },
    { .name = "nor",
      .read_call_us = 2,
      .read_ns_a_byte = 200,
      .prog_call_us = 5,
      .prog_us_a_unit = 250,
      .prog_unit = 256,
      .erase_us = 25000,
      .hash_ns_a_byte = 300 },
    { .name = "internal",
      .read_ns_a_byte = 15,
      .prog_us_a_unit = 41,
      .prog_unit = 4,
      .erase_us = 85000,
      .hash_ns_a_byte = 800,
      .flags = FP_BDEV_XIP },
    { .name = "sd",
      .read_call_us = 400,
      .read_ns_a_byte = 400,
      .prog_call_us = 300,
      .prog_us_a_unit = 1000,
      .prog_unit = 512,
      .hash_ns_a_byte = 300 },
};

const struct fp_port_timing *fp_port_timing_find(const char *name)
{
    for (size_t i = 0; i < sizeof timings / sizeof timings[0]; i++)
        if (strcmp(timings[i].name, name) == 0)
            return &timings[i];
    return NULL;
}

static struct fp_port_timed *timed_of(struct fp_bdev *dev)
{
    return (struct fp_port_timed *)dev;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void take(struct fp_port_timed *timed, uint64_t ns)
{
    uint64_t start, slept;
    struct timespec ts;

    timed->owed_ns += ns;
    if (timed->owed_ns < SLEEP_LEAST_NS)
        return;
    start = now_ns();
    ts.tv_sec = (time_t)(timed->owed_ns / 1000000000u);
    ts.tv_nsec = (long)(timed->owed_ns % 1000000000u);
    (void)nanosleep(&ts, NULL); /* a signal may end it early: made up for */
    slept = now_ns() - start;
    timed->owed_ns = timed->owed_ns > slept ? timed->owed_ns - slept : 0;
}

void fp_port_timed_hash(struct fp_port_timed *timed, uint32_t size)
{
    take(timed, (uint64_t)size * timed->timing->hash_ns_a_byte);
}

static void stall(struct fp_port_timed *timed, int begins)
{
    if (timed->timing->flags & FP_BDEV_XIP && timed->stall != NULL)
        timed->stall(timed->ctx, begins);
}

static int timed_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_port_timed *timed = timed_of(dev);
    const struct fp_port_timing *t = timed->timing;
    int err = fp_bdev_read(timed->under, off, buf, size);

    take(timed,
         t->read_call_us * (uint64_t)1000 + (uint64_t)size * t->read_ns_a_byte);
    return err;
}

static int timed_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fp_port_timed *timed = timed_of(dev);
    const struct fp_port_timing *t = timed->timing;
    uint64_t units = (size + (uint64_t)t->prog_unit - 1) / t->prog_unit;
    int err;

    stall(timed, 1);
    err = fp_bdev_prog(timed->under, off, buf, size);
    take(timed, (t->prog_call_us + units * t->prog_us_a_unit) * 1000);
    stall(timed, 0);
    return err;
}

static int timed_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_port_timed *timed = timed_of(dev);
    int err = FP_OK;

    /* Block by block, as a chip does: a kill in between leaves what a power
     * cut would. */
    for (uint32_t i = 0; i < count && !err; i++) {
        stall(timed, 1);
        err = fp_bdev_erase(timed->under, block + i, 1);
        take(timed, (uint64_t)timed->timing->erase_us * 1000);
        stall(timed, 0);
        fp_bdev_yield(timed->under);
    }
    return err;
}

static int timed_sync(struct fp_bdev *dev)
{
    return fp_bdev_sync(timed_of(dev)->under);
}

static const struct fp_bdev_ops timed_ops = {
    .read = timed_read,
    .prog = timed_prog,
    .erase = timed_erase,
    .sync = timed_sync,
};

void fp_port_timed_init(struct fp_port_timed *timed, struct fp_bdev *under,
                        const struct fp_port_timing *timing,
                        void (*stall_fn)(void *ctx, int begins), void *ctx)
{
    *timed = (struct fp_port_timed){
        .bdev = *under,
        .under = under,
        .timing = timing,
        .stall = stall_fn,
        .ctx = ctx,
    };
    timed->bdev.ops = &timed_ops;
    timed->bdev.flags |= timing->flags;
}
