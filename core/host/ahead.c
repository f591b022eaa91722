/* SPDX-License-Identifier: MIT */
#include "core/host/ahead.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW FP_HOST_AHEAD_WINDOW
#define RUN    FP_HOST_AHEAD_RUN

/* Metadata is read in less than this. */
#define PIECE 1024u

/* The window that byte `off` lies in; NULL: it cannot be read as a whole. The
 * last one ends where the device does. */
static const uint8_t *window_of(struct fp_host_ahead *ahead, fp_addr off)
{
    const uint64_t number = off / WINDOW + 1;
    const uint32_t place = (uint32_t)(number % ahead->places);
    const fp_addr at = off - off % WINDOW;
    const fp_addr rest = fp_bdev_size(ahead->under) - at;
    uint8_t *window = ahead->mem + (size_t)place * WINDOW;

    if (ahead->number[place] == number)
        return window;
    ahead->number[place] = 0;
    if (fp_bdev_read(ahead->under, at, window,
                     rest < WINDOW ? (uint32_t)rest : WINDOW) != FP_OK)
        return NULL;
    ahead->number[place] = number;
    return window;
}

/* What is read in pieces is contents, and once: a window of it would cost fresh
 * memory and serve nobody. The rest of a sector at a file's end follows. */
static bool is_content(struct fp_host_ahead *ahead, fp_addr off, uint32_t size)
{
    const uint64_t number = off / WINDOW + 1;
    const bool is_there = ahead->number[number % ahead->places] == number;
    const bool is_tail = ahead->end != 0 && off == ahead->end;

    ahead->end = size >= PIECE ? off + size : 0;
    return !is_there && (size >= PIECE || is_tail);
}

/* Contents, less than a window of them. Files lie one behind the other, mostly:
 * what comes next is read along; but not where something of it is damaged,
 * which disks take their time to tell. */
static int read_content(struct fp_host_ahead *ahead, fp_addr off, void *buf,
                        uint32_t size)
{
    const fp_addr rest = fp_bdev_size(ahead->under) - off;

    if (off < ahead->run || off + size > ahead->run_end) {
        const uint32_t n = rest < RUN ? (uint32_t)rest : RUN;

        ahead->run_end = 0;
        if (off < ahead->alone)
            return fp_bdev_read(ahead->under, off, buf, size);
        if (fp_bdev_read(ahead->under, off, ahead->contents, n) != FP_OK) {
            ahead->alone = off + n;
            return fp_bdev_read(ahead->under, off, buf, size);
        }
        ahead->run = off;
        ahead->run_end = off + n;
    }
    memcpy(buf, ahead->contents + (off - ahead->run), size);
    return FP_OK;
}

/* Within one window. What of it is damaged may be elsewhere in it. */
static int read_part(struct fp_host_ahead *ahead, fp_addr off, uint8_t *dst,
                     uint32_t size)
{
    const uint8_t *window = window_of(ahead, off);

    if (window == NULL)
        return fp_bdev_read(ahead->under, off, dst, size);
    memcpy(dst, window + off % WINDOW, size);
    return FP_OK;
}

static int ahead_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_host_ahead *ahead = (struct fp_host_ahead *)dev;
    uint8_t *dst = buf;
    int err = FP_OK;

    if (size >= WINDOW)
        return fp_bdev_read(ahead->under, off, buf, size);
    if (is_content(ahead, off, size))
        return read_content(ahead, off, buf, size);
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
    const uint64_t windows = (fp_bdev_size(under) + WINDOW - 1) / WINDOW;

    *ahead = (struct fp_host_ahead){ .bdev = *under, .under = under };
    if (!(under->flags & FP_BDEV_RDONLY) || WINDOW % under->read_size != 0)
        return under;
    ahead->places = windows < FP_HOST_AHEAD_PLACES ? (uint32_t)windows
                                                   : FP_HOST_AHEAD_PLACES;
    ahead->mem = malloc((size_t)ahead->places * WINDOW);
    ahead->number = calloc(ahead->places, sizeof *ahead->number);
    ahead->contents = malloc(RUN);
    if (ahead->mem == NULL || ahead->number == NULL ||
        ahead->contents == NULL) {
        fp_host_ahead_deinit(ahead);
        return under;
    }
    ahead->bdev.ops = &ahead_ops;
    return &ahead->bdev;
}

void fp_host_ahead_deinit(struct fp_host_ahead *ahead)
{
    free(ahead->mem);
    free(ahead->number);
    free(ahead->contents);
    ahead->contents = NULL;
    ahead->mem = NULL;
    ahead->number = NULL;
}
