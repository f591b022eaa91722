/* SPDX-License-Identifier: MIT */
#include "core/host/ahead.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW FP_HOST_AHEAD_WINDOW

static uint8_t *window_at(const struct fp_host_ahead *ahead, uint32_t i)
{
    return ahead->mem + (size_t)i * WINDOW;
}

/* Where it is, or the one that was not used for longest. */
static uint32_t find(const struct fp_host_ahead *ahead, uint64_t number)
{
    uint32_t oldest = 0;

    for (uint32_t i = 0; i < FP_HOST_AHEAD_WINDOWS; i++) {
        if (ahead->number[i] == number)
            return i;
        if (ahead->used_at[i] < ahead->used_at[oldest])
            oldest = i;
    }
    return oldest;
}

/* The last one ends where the device does. */
static int load(struct fp_host_ahead *ahead, uint32_t i, uint64_t number)
{
    fp_addr at = (number - 1) * WINDOW;
    fp_addr rest = fp_bdev_size(ahead->under) - at;
    int err;

    ahead->used_at[i] = ++ahead->now;
    if (ahead->number[i] == number)
        return FP_OK;
    ahead->number[i] = 0;
    err = fp_bdev_read(ahead->under, at, window_at(ahead, i),
                       rest < WINDOW ? (uint32_t)rest : WINDOW);
    if (!err)
        ahead->number[i] = number;
    return err;
}

/* Within one window. What of it is damaged may be elsewhere in it. */
static int read_part(struct fp_host_ahead *ahead, fp_addr off, uint8_t *dst,
                     uint32_t size)
{
    const uint64_t number = off / WINDOW + 1;
    const uint32_t i = find(ahead, number);

    if (load(ahead, i, number) != FP_OK)
        return fp_bdev_read(ahead->under, off, dst, size);
    memcpy(dst, window_at(ahead, i) + off % WINDOW, size);
    return FP_OK;
}

static int ahead_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_host_ahead *ahead = (struct fp_host_ahead *)dev;
    uint8_t *dst = buf;
    int err = FP_OK;

    /* Who reads much reads it once. */
    if (size >= WINDOW)
        return fp_bdev_read(ahead->under, off, buf, size);
    while (size > 0 && !err) {
        uint32_t n = WINDOW - (uint32_t)(off % WINDOW);

        n = n < size ? n : size;
        err = read_part(ahead, off, dst, n);
        off += n;
        dst += n;
        size -= n;
    }
    return err;
}

static const struct fp_bdev_ops ahead_ops = {
    .read = ahead_read,
    /* nothing is written */
};

struct fp_bdev *fp_host_ahead_init(struct fp_host_ahead *ahead,
                                   struct fp_bdev *under)
{
    *ahead = (struct fp_host_ahead){ .bdev = *under, .under = under };
    if (!(under->flags & FP_BDEV_RDONLY) || WINDOW % under->read_size != 0)
        return under;
    ahead->mem = malloc((size_t)FP_HOST_AHEAD_WINDOWS * WINDOW);
    if (ahead->mem == NULL)
        return under;
    ahead->bdev.ops = &ahead_ops;
    return &ahead->bdev;
}

void fp_host_ahead_deinit(struct fp_host_ahead *ahead)
{
    free(ahead->mem);
    ahead->mem = NULL;
}
