/* SPDX-License-Identifier: MIT */
#include "core/bdev/window.h"

#include <string.h>

static struct fp_bdev_window *window_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_window *)dev;
}

static int move_to(struct fp_bdev_window *window, fp_addr at)
{
    int err;

    if (window->is_filled && window->at == at)
        return FP_OK;
    err =
        fp_bdev_read(window->under, at, window->buf, window->under->read_size);
    window->is_filled = err == FP_OK;
    window->at = at;
    return err;
}

static int window_read(struct fp_bdev *dev, fp_addr off, void *buf,
                       uint32_t size)
{
    struct fp_bdev_window *window = window_of(dev);
    uint32_t unit = window->under->read_size;
    uint8_t *dst = buf;

    while (size > 0) {
        uint32_t in = (uint32_t)(off % unit);
        uint32_t n = unit - in < size ? unit - in : size;
        int err = move_to(window, off - in);

        if (err)
            return err;
        memcpy(dst, window->buf + in, n);
        dst += n;
        off += n;
        size -= n;
    }
    return FP_OK;
}

static const struct fp_bdev_ops window_ops = {
    .read = window_read,
    /* nothing else: it is read-only */
};

struct fp_bdev *fp_bdev_window_init(struct fp_bdev_window *window,
                                    struct fp_bdev *under, void *buf,
                                    size_t size)
{
    if (under->read_size == 1 || size < under->read_size)
        return under;
    *window = (struct fp_bdev_window){
        .bdev = *under,
        .under = under,
        .buf = buf,
    };
    window->bdev.ops = &window_ops;
    window->bdev.read_size = 1;
    window->bdev.flags |= FP_BDEV_RDONLY;
    return &window->bdev;
}
