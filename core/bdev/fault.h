/* SPDX-License-Identifier: MIT
 *
 * A device that fails as flash does: power that is cut in the middle of a
 * program or an erase, blocks that went bad, bits that flip, calls that fail.
 * Nothing fails before it is told to.
 *
 * Memory  `under`, the scratch block and the list of bad blocks are borrowed
 *         and must outlive the fault
 * Errors  FP_ERR_IO for what is told to fail and for everything while the
 *         power is off; FP_ERR_CORRUPT for reads of blocks marked unreadable
 *
 * Programs and erases are counted: a program is one call, whatever its size;
 * an erase is one block. fault.writes at the end of a run without a cut is how
 * many cuts there are to try.
 */
#ifndef FP_CORE_BDEV_FAULT_H
#define FP_CORE_BDEV_FAULT_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

/* What of the operation that the power was cut in had landed. A medium with
 * FP_BDEV_ATOMIC_PROG never has part of a unit, whatever is asked. */
enum fp_fault_tear {
    FP_FAULT_TEAR_NONE, /* nothing: the cut came just before */
    FP_FAULT_TEAR_HALF, /* the first half of the bytes */
    FP_FAULT_TEAR_BITS, /* bytes up to a random place, and there some of the
                           bits of a word of eight bytes; on a card (OVERWRITE
                           and ATOMIC_PROG) any of the units, in no order; an
                           erase: pieces */
    FP_FAULT_TEAR_ALL,  /* everything, yet nobody was told */
};

/* A block that keeps its old content keeps it in a power cut, too. */
enum fp_fault_bad {
    FP_FAULT_PROG_FAILS = 1,   /* and leaves half */
    FP_FAULT_ERASE_FAILS = 2,  /* and leaves the old content */
    FP_FAULT_PROG_SILENT = 4,  /* answers FP_OK and keeps the old content */
    FP_FAULT_ERASE_SILENT = 8, /* likewise */
    FP_FAULT_READ_FAILS = 16,  /* FP_ERR_CORRUPT: uncorrectable */
    FP_FAULT_READ_FLIPS = 32,  /* each read has one bit wrong, seldom twice
                                   the same */
};

struct fp_fault_block {
    uint32_t block;
    uint32_t bad; /* FP_FAULT_*, ORed */
};

struct fp_bdev_fault {
    struct fp_bdev bdev;
    uint32_t writes; /* programs and erases so far */
    uint32_t calls[FP_BDEV_OP_COUNT];
    /* private */
    struct fp_bdev *under;
    uint8_t *scratch;
    const struct fp_fault_block *blocks;
    uint32_t block_list_size;
    uint32_t cut_at; /* value of writes, 0 never */
    enum fp_fault_tear tear;
    bool off;
    uint32_t fail_at[FP_BDEV_OP_COUNT]; /* value of calls, 0 never */
    uint64_t random;
};

/* scratch[0..block_size of under) is for torn programs and erases. */
void fp_bdev_fault_init(struct fp_bdev_fault *fault, struct fp_bdev *under,
                        void *scratch, uint64_t seed);

/* Cuts the power in the nth program or erase from now, 1 being the next; 0
 * calls it off. The operation answers FP_ERR_IO, and so does everything after
 * it, until fp_bdev_fault_power_on(). */
void fp_bdev_fault_cut(struct fp_bdev_fault *fault, uint32_t nth,
                       enum fp_fault_tear tear);
bool fp_bdev_fault_is_off(const struct fp_bdev_fault *fault);
void fp_bdev_fault_power_on(struct fp_bdev_fault *fault);

/* Makes the nth call of that kind from now fail, once, with FP_ERR_IO and
 * nothing done; 0 calls it off. */
void fp_bdev_fault_fail(struct fp_bdev_fault *fault, enum fp_bdev_op op,
                        uint32_t nth);

/* From now on these blocks are bad: blocks[0..count). None: count 0. */
void fp_bdev_fault_bad(struct fp_bdev_fault *fault,
                       const struct fp_fault_block *blocks, uint32_t count);

#endif
