/* SPDX-License-Identifier: MIT
 *
 * A block device: storage that is erased by block, then programmed.
 *
 * Units   bytes, except `block`, which counts erase blocks from 0
 * Memory  allocates nothing; a kind of device embeds struct fp_bdev as its
 *         first member; the caller owns it and keeps it alive while in use
 * Errors  0, or a negative enum fp_error; after a failed prog or erase the
 *         range may hold anything
 * Thread  one caller at a time
 *
 * A bdev lies above ECC and bad-block management; raw NAND is out of scope.
 * Wrappers (trace, stats, fault, gen, slice) are bdevs over a bdev and stack:
 * trace(stats(fault(ram))). Each knows only the one below it.
 */
#ifndef FP_CORE_BDEV_BDEV_H
#define FP_CORE_BDEV_BDEV_H

#include "core/config.h"
#include "core/error.h"

#include <stdint.h>

#if FP_ADDR32
typedef uint32_t fp_addr;
#else
typedef uint64_t fp_addr;
#endif

/* What the medium can and cannot do. */
enum {
    FP_BDEV_OVERWRITE = 1,   /* prog replaces, erase is a hint: card, disk */
    FP_BDEV_REPROG = 2,      /* a programmed unit may have more bits cleared */
    FP_BDEV_ERASED_FF = 4,   /* erased bytes read 0xff */
    FP_BDEV_ATOMIC_PROG = 8, /* one prog_size unit lands whole or not at all */
    FP_BDEV_XIP = 16,        /* erase and prog stall the CPU */
    FP_BDEV_REMOVABLE = 32,  /* the medium may leave: NODEV */
    FP_BDEV_RDONLY = 64,     /* prog and erase answer FP_ERR_ROFS; what is
                                mounted on it is read-only */
};

/* The kinds of operation, for those that log, count or spoil them. */
enum fp_bdev_op {
    FP_BDEV_READ,
    FP_BDEV_PROG,
    FP_BDEV_ERASE,
    FP_BDEV_SYNC,
    FP_BDEV_OP_COUNT,
};

struct fp_bdev;

struct fp_bdev_ops {
    /* Fill buf[0..size) from byte `off`. fp_bdev_read() has checked bounds
     * and alignment; may span blocks.
     * FP_ERR_CORRUPT: the medium answered with a bad check code, buf is
     * undefined. */
    int (*read)(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size);
    /* Program buf[0..size) over bytes erased since they were last written;
     * may span blocks. */
    int (*prog)(struct fp_bdev *dev, fp_addr off, const void *buf,
                uint32_t size);
    /* Erase `count` blocks from `block`. */
    int (*erase)(struct fp_bdev *dev, uint32_t block, uint32_t count);
    /* All that came before survives a power cut. NULL: it always does. */
    int (*sync)(struct fp_bdev *dev);
    /* Called between single erases and program bursts of long work, so that a
     * watchdog or a link can be served. It must not use the device. NULL:
     * nothing to do. */
    void (*yield)(struct fp_bdev *dev);
};

struct fp_bdev {
    const struct fp_bdev_ops *ops;
    uint32_t read_size;   /* reads are aligned to this and a multiple of it */
    uint32_t prog_size;   /* likewise programs; a multiple of read_size */
    uint32_t block_size;  /* erase unit; a multiple of prog_size */
    uint32_t block_count; /* at least 1 */
    uint32_t flags;       /* FP_BDEV_* */
};

/* The front end: checks bounds and alignment (FP_ERR_INVAL), then calls ops.
 * A size or count of 0 is FP_OK and touches nothing; FP_ERR_ROFS: the device is
 * read-only. */
int fp_bdev_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size);
int fp_bdev_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                 uint32_t size);
int fp_bdev_erase(struct fp_bdev *dev, uint32_t block, uint32_t count);
int fp_bdev_sync(struct fp_bdev *dev);
void fp_bdev_yield(struct fp_bdev *dev);

/* Bytes in the whole device. */
fp_addr fp_bdev_size(const struct fp_bdev *dev);

#endif
