/* SPDX-License-Identifier: MIT
 *
 * A device that speaks MicroPython's block protocol (readblocks, writeblocks,
 * ioctl), as a port's Python objects do, as a block device.
 *
 * Forms   simple: whole blocks, and writing erases by itself, so that programs
 *         replace (FP_BDEV_OVERWRITE). Extended: any range within a block, and
 *         only ioctl 6 erases
 * Memory  cfg is copied; cfg.ctx must outlive the device
 * Errors  a negative result of a callback is -errno, of MicroPython's numbers,
 *         which are Linux's: ENODEV, EROFS, EBUSY and ENOMEM keep their
 *         meaning, all others are FP_ERR_IO
 * Source  MicroPython documentation, class vfs.AbstractBlockDev
 *
 * The protocol does not tell what the medium promises: cfg.flags does. FAT
 * wants FP_BDEV_ATOMIC_PROG to be among them, if it is true.
 */
#ifndef FP_CORE_BDEV_MPY_H
#define FP_CORE_BDEV_MPY_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

/* What an ioctl asks for. */
enum fp_mpy_ioctl {
    FP_MPY_INIT = 1,
    FP_MPY_DEINIT = 2,
    FP_MPY_SYNC = 3,
    FP_MPY_BLOCK_COUNT = 4,
    FP_MPY_BLOCK_SIZE = 5,
    FP_MPY_ERASE = 6, /* arg: the block */
};

struct fp_bdev_mpy_config {
    /* buf[0..size) from or to byte `off` of block `block` on. Simple form: off
     * is 0, size is whole blocks, and the Python method gets (block, buf);
     * extended: all lie within one block, and it gets (block, buf, off). 0, or
     * -errno; None and True are 0. */
    int (*readblocks)(void *ctx, uint32_t block, uint32_t off, void *buf,
                      uint32_t size);
    int (*writeblocks)(void *ctx, uint32_t block, uint32_t off, const void *buf,
                       uint32_t size);
    /* What the method returned, None being 0. */
    int32_t (*ioctl)(void *ctx, enum fp_mpy_ioctl op, uint32_t arg);
    void *ctx;
    bool extended;
    uint32_t prog_size; /* extended only; default 1 */
    uint32_t flags;     /* FP_BDEV_*: what is known of the medium */
};

struct fp_bdev_mpy {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev_mpy_config cfg;
};

/* Asks the device to start (ioctl 1), then for its count and size of blocks
 * (ioctl 4 and 5; a size of 0 is 512, as the protocol has it). FP_ERR_INVAL:
 * no blocks, or a prog_size that does not divide them. */
int fp_bdev_mpy_init(struct fp_bdev_mpy *mpy,
                     const struct fp_bdev_mpy_config *cfg);
/* ioctl 2. Syncs before. */
int fp_bdev_mpy_deinit(struct fp_bdev_mpy *mpy);

#endif
