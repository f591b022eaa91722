/* SPDX-License-Identifier: MIT
 *
 * How a torn operation is made out of whole ones, whatever lies below: the
 * blocks concerned are read, changed in the scratch block to what would have
 * been left behind, and then erased and programmed as that, so that the result
 * does not depend on the device below being NOR or a disk.
 */
#include "core/bdev/fault.h"

#include <stddef.h>
#include <string.h>

static struct fp_bdev_fault *fault_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_fault *)dev;
}

/* SplitMix64: any seed will do, zero too. Source: Steele, Lea, Flood, "Fast
 * splittable pseudorandom number generators", 2014, figure 17. */
static uint64_t next_random(struct fp_bdev_fault *fault)
{
    uint64_t z = fault->random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t bad_of(const struct fp_bdev_fault *fault, uint32_t block)
{
    for (uint32_t i = 0; i < fault->block_list_size; i++)
        if (fault->blocks[i].block == block)
            return fault->blocks[i].bad;
    return 0;
}

/* Faults of all the blocks that [off, off + size) touches. */
static uint32_t bad_in(const struct fp_bdev_fault *fault, fp_addr off,
                       uint32_t size)
{
    uint32_t block = (uint32_t)(off / fault->bdev.block_size);
    uint32_t last = (uint32_t)((off + size - 1) / fault->bdev.block_size);
    uint32_t bad = 0;

    if (fault->block_list_size == 0)
        return 0;
    for (; block <= last; block++)
        bad |= bad_of(fault, block);
    return bad;
}

/* Counts a call; true if it is the one that was told to fail. */
static bool call_fails(struct fp_bdev_fault *fault, enum fp_bdev_op op)
{
    return ++fault->calls[op] == fault->fail_at[op];
}

/* Counts a program or erase; true if the power goes in the middle of it. */
static bool is_cut(struct fp_bdev_fault *fault)
{
    return ++fault->writes == fault->cut_at;
}

/* What a programmed byte becomes: a medium that cannot replace ANDs. */
static uint8_t landed(const struct fp_bdev_fault *fault, uint8_t old,
                      uint8_t prog)
{
    return fault->bdev.flags & FP_BDEV_OVERWRITE ? prog : old & prog;
}

/* The scratch block becomes the content of `block`. */
static int store(struct fp_bdev_fault *fault, uint32_t block)
{
    fp_addr off = (fp_addr)block * fault->bdev.block_size;
    int err = fp_bdev_erase(fault->under, block, 1);

    if (err)
        return err;
    return fp_bdev_prog(fault->under, off, fault->scratch,
                        fault->bdev.block_size);
}

static int load(struct fp_bdev_fault *fault, uint32_t block)
{
    fp_addr off = (fp_addr)block * fault->bdev.block_size;

    return fp_bdev_read(fault->under, off, fault->scratch,
                        fault->bdev.block_size);
}

/* Where a program of `size` bytes stops: how many landed whole, and which
 * bits of the eight bytes behind them; or, by unit, whether each of the units
 * landed, whatever became of those before it (they take turns with 64 bits). */
struct torn {
    uint32_t whole;
    bool by_unit;
    uint64_t bits;
};

/* A card writes the sectors of one call in what order it likes. */
static bool is_card(const struct fp_bdev_fault *fault)
{
    const uint32_t card = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;

    return (fault->bdev.flags & card) == card;
}

static struct torn tear_of(struct fp_bdev_fault *fault, enum fp_fault_tear tear,
                           uint32_t size)
{
    struct torn torn = { .whole = 0 };

    if (tear == FP_FAULT_TEAR_ALL)
        torn.whole = size;
    else if (tear == FP_FAULT_TEAR_HALF)
        torn.whole = size / 2;
    else if (tear == FP_FAULT_TEAR_BITS && is_card(fault))
        torn.by_unit = true;
    else if (tear == FP_FAULT_TEAR_BITS)
        torn.whole = (uint32_t)(next_random(fault) % size);

    if (torn.by_unit)
        torn.bits = next_random(fault);
    else if (fault->bdev.flags & FP_BDEV_ATOMIC_PROG)
        torn.whole -= torn.whole % fault->bdev.prog_size;
    else if (tear == FP_FAULT_TEAR_BITS)
        torn.bits = next_random(fault);
    return torn;
}

/* The bits of byte `at` of the program that landed. */
static uint8_t mask_of(const struct fp_bdev_fault *fault, struct torn torn,
                       uint32_t at)
{
    if (torn.by_unit)
        return torn.bits >> at / fault->bdev.prog_size % 64 & 1 ? 0xff : 0;
    if (at < torn.whole)
        return 0xff;
    return (uint8_t)(torn.bits >> 8 * (at - torn.whole));
}

/* Programs what `torn` says of buf[0..size), block by block. */
static int prog_torn(struct fp_bdev_fault *fault, fp_addr off,
                     const uint8_t *buf, uint32_t size, struct torn torn)
{
    const uint32_t block_size = fault->bdev.block_size;
    uint32_t end = size - torn.whole < 8 ? size : torn.whole + 8;
    uint32_t done = 0;

    if (torn.by_unit)
        end = size;
    else if (torn.bits == 0)
        end = torn.whole;
    while (done < end) {
        uint32_t block = (uint32_t)((off + done) / block_size);
        uint32_t at = (uint32_t)((off + done) % block_size);
        int err = load(fault, block);

        if (err)
            return err;
        for (; done < end && at < block_size; done++, at++) {
            uint8_t old = fault->scratch[at];
            uint8_t now = landed(fault, old, buf[done]);
            uint8_t mask = mask_of(fault, torn, done);

            fault->scratch[at] = (uint8_t)((now & mask) | (old & ~mask));
        }
        err = store(fault, block);
        if (err)
            return err;
    }
    return FP_OK;
}

/* Erases part of the block: its first half, or random pieces of 16 bytes, of
 * whole units where a unit is atomic. */
static int erase_torn(struct fp_bdev_fault *fault, uint32_t block,
                      enum fp_fault_tear tear)
{
    const uint32_t block_size = fault->bdev.block_size;
    const bool atomic = fault->bdev.flags & FP_BDEV_ATOMIC_PROG;
    const uint32_t piece = atomic ? fault->bdev.prog_size : 16;
    uint32_t half = block_size / 2;
    uint64_t pieces = 0;
    int err;

    if (tear == FP_FAULT_TEAR_NONE)
        return FP_OK;
    if (tear == FP_FAULT_TEAR_ALL)
        return fp_bdev_erase(fault->under, block, 1);

    err = load(fault, block);
    if (err)
        return err;
    if (tear == FP_FAULT_TEAR_HALF)
        memset(fault->scratch, 0xff, atomic ? half - half % piece : half);
    for (uint32_t at = 0; tear == FP_FAULT_TEAR_BITS && at < block_size;
         at += piece) {
        if (at / piece % 64 == 0)
            pieces = next_random(fault);
        if (pieces >> at / piece % 64 & 1)
            memset(fault->scratch + at, 0xff,
                   block_size - at < piece ? block_size - at : piece);
    }
    return store(fault, block);
}

static int fault_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_bdev_fault *fault = fault_of(dev);
    uint32_t bad = bad_in(fault, off, size);
    int err;

    if (call_fails(fault, FP_BDEV_READ) || fault->off)
        return FP_ERR_IO;
    if (bad & FP_FAULT_READ_FAILS) {
        /* Undefined is what a caller must not rely on: garbage shows it. */
        memset(buf, 0xa5, size);
        return FP_ERR_CORRUPT;
    }
    err = fp_bdev_read(fault->under, off, buf, size);
    if (err == FP_OK && bad & FP_FAULT_READ_FLIPS) {
        uint64_t bit = next_random(fault) % ((uint64_t)size * 8);

        ((uint8_t *)buf)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    return err;
}

static int fault_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fp_bdev_fault *fault = fault_of(dev);
    uint32_t bad = bad_in(fault, off, size);

    if (call_fails(fault, FP_BDEV_PROG) || fault->off)
        return FP_ERR_IO;
    if (is_cut(fault)) {
        fault->off = true;
        if (!(bad & FP_FAULT_PROG_SILENT))
            (void)prog_torn(fault, off, buf, size,
                            tear_of(fault, fault->tear, size));
        return FP_ERR_IO;
    }
    if (bad & FP_FAULT_PROG_FAILS) {
        (void)prog_torn(fault, off, buf, size,
                        tear_of(fault, FP_FAULT_TEAR_HALF, size));
        return FP_ERR_IO;
    }
    if (bad & FP_FAULT_PROG_SILENT)
        return FP_OK;
    return fp_bdev_prog(fault->under, off, buf, size);
}

static int erase_one(struct fp_bdev_fault *fault, uint32_t block)
{
    uint32_t bad = bad_of(fault, block);

    if (is_cut(fault)) {
        fault->off = true;
        if (!(bad & (FP_FAULT_ERASE_FAILS | FP_FAULT_ERASE_SILENT)))
            (void)erase_torn(fault, block, fault->tear);
        return FP_ERR_IO;
    }
    if (bad & FP_FAULT_ERASE_FAILS)
        return FP_ERR_IO;
    if (bad & FP_FAULT_ERASE_SILENT)
        return FP_OK;
    return fp_bdev_erase(fault->under, block, 1);
}

static int fault_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_bdev_fault *fault = fault_of(dev);
    int err = FP_OK;

    if (call_fails(fault, FP_BDEV_ERASE) || fault->off)
        return FP_ERR_IO;
    for (uint32_t i = 0; i < count && !err; i++)
        err = erase_one(fault, block + i);
    return err;
}

static int fault_sync(struct fp_bdev *dev)
{
    struct fp_bdev_fault *fault = fault_of(dev);

    if (call_fails(fault, FP_BDEV_SYNC) || fault->off)
        return FP_ERR_IO;
    return fp_bdev_sync(fault->under);
}

static void fault_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(fault_of(dev)->under);
}

static const struct fp_bdev_ops fault_ops = {
    .read = fault_read,
    .prog = fault_prog,
    .erase = fault_erase,
    .sync = fault_sync,
    .yield = fault_yield,
};

void fp_bdev_fault_init(struct fp_bdev_fault *fault, struct fp_bdev *under,
                        void *scratch, uint64_t seed)
{
    *fault = (struct fp_bdev_fault){
        .bdev = *under,
        .under = under,
        .scratch = scratch,
        .random = seed,
    };
    fault->bdev.ops = &fault_ops;
}

void fp_bdev_fault_cut(struct fp_bdev_fault *fault, uint32_t nth,
                       enum fp_fault_tear tear)
{
    fault->cut_at = nth == 0 ? 0 : fault->writes + nth;
    fault->tear = tear;
}

bool fp_bdev_fault_is_off(const struct fp_bdev_fault *fault)
{
    return fault->off;
}

void fp_bdev_fault_power_on(struct fp_bdev_fault *fault)
{
    fault->off = false;
    fault->cut_at = 0;
}

void fp_bdev_fault_fail(struct fp_bdev_fault *fault, enum fp_bdev_op op,
                        uint32_t nth)
{
    FP_ASSERT(op < FP_BDEV_OP_COUNT);
    fault->fail_at[op] = nth == 0 ? 0 : fault->calls[op] + nth;
}

void fp_bdev_fault_bad(struct fp_bdev_fault *fault,
                       const struct fp_fault_block *blocks, uint32_t count)
{
    fault->blocks = blocks;
    fault->block_list_size = count;
}
