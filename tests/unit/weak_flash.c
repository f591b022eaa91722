/* SPDX-License-Identifier: MIT */
#include "weak_flash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct weak_flash *flash_of(struct fp_bdev *dev)
{
    return (struct weak_flash *)(void *)dev;
}

/* SplitMix64, as core/bdev/fault.c has it. */
static uint64_t next_random(struct weak_flash *flash)
{
    uint64_t z = flash->random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* True if the power goes in this operation. */
static bool is_cut(struct weak_flash *flash)
{
    return flash->off = ++flash->ops == flash->cut_at;
}

/* A byte that was on its way from what it is to `to`: each bit is there, or
 * still here, or undecided. */
static void tear(struct weak_flash *flash, size_t at, uint8_t to)
{
    uint64_t bits = next_random(flash);
    uint8_t changes = flash->mem[at] ^ to, done = (uint8_t)bits;
    uint8_t open = (uint8_t)(bits >> 8);

    flash->mem[at] ^= changes & done;
    flash->undecided[at] |= changes & open;
}

static int flash_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct weak_flash *flash = flash_of(dev);
    uint8_t *dst = buf;

    if (flash->off)
        return FP_ERR_IO;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t open = flash->undecided[off + i];

        dst[i] = flash->mem[off + i];
        if (open)
            dst[i] ^= open & (uint8_t)next_random(flash);
    }
    return FP_OK;
}

/* All has landed; a bit or two, of those near the start, not for good. */
static void prog_nearly(struct weak_flash *flash, size_t at, const uint8_t *src,
                        uint32_t size)
{
    memcpy(flash->mem + at, src, size);
    for (int i = 0; i < 2; i++) {
        uint64_t bits = next_random(flash);
        uint32_t byte = (uint32_t)(bits % (size < 20 ? size : 20));

        flash->undecided[at + byte] |=
            (uint8_t)(~src[byte] & 1 << (bits >> 32) % 8);
    }
}

static int flash_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct weak_flash *flash = flash_of(dev);
    const uint8_t *src = buf;
    uint64_t how = next_random(flash);
    uint32_t whole = size;
    bool cut;

    if (flash->off)
        return FP_ERR_IO;
    cut = is_cut(flash);
    for (uint32_t i = 0; i < size; i++) {
        if (flash->programmed[off + i])
            fail_msg("byte %lu is programmed twice", (unsigned long)(off + i));
        flash->programmed[off + i] = 1;
    }
    if (cut)
        whole = (uint32_t)(how / 8 % (size + 1));
    memcpy(flash->mem + off, src, whole);
    /* Up to somewhere, with a ragged edge; or all but for one bit or two. */
    if (cut && how % 8 < 5)
        for (uint32_t i = whole; i < size && i < whole + 24; i++)
            tear(flash, (size_t)off + i, src[i]);
    else if (cut && how % 8 < 7)
        prog_nearly(flash, (size_t)off, src, size);
    return cut ? FP_ERR_IO : FP_OK;
}

static void erase_torn(struct weak_flash *flash, size_t at)
{
    const uint32_t size = flash->bdev.block_size;
    uint64_t how = next_random(flash), pieces = next_random(flash);

    for (uint32_t i = 0; i < size; i++) {
        bool gone = how % 4 == 0   ? true
                    : how % 4 == 1 ? false
                                   : pieces >> i / 16 % 64 & 1;

        if (gone)
            flash->mem[at + i] = 0xff;
        /* A bit that an earlier cut left undecided stays so. */
        else if (how >> 40 & 1)
            tear(flash, at + i, 0xff);
        flash->programmed[at + i] = 1;
    }
}

static int flash_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct weak_flash *flash = flash_of(dev);
    const uint32_t size = dev->block_size;

    for (; count > 0; count--, block++) {
        size_t at = (size_t)block * size;

        if (flash->off)
            return FP_ERR_IO;
        if (is_cut(flash)) {
            erase_torn(flash, at);
            return FP_ERR_IO;
        }
        memset(flash->mem + at, 0xff, size);
        memset(flash->undecided + at, 0, size);
        memset(flash->programmed + at, 0, size);
    }
    return FP_OK;
}

static const struct fp_bdev_ops flash_ops = {
    .read = flash_read,
    .prog = flash_prog,
    .erase = flash_erase,
};

void weak_flash_init(struct weak_flash *flash, uint32_t prog_size,
                     uint32_t block_size, uint32_t block_count, uint8_t *mem,
                     uint8_t *undecided, uint8_t *programmed)
{
    *flash = (struct weak_flash){
        .bdev = {
            .ops = &flash_ops,
            .read_size = 1,
            .prog_size = prog_size,
            .block_size = block_size,
            .block_count = block_count,
            .flags = FP_BDEV_ERASED_FF,
        },
        .mem = mem,
        .undecided = undecided,
        .programmed = programmed,
    };
}

void weak_flash_cut(struct weak_flash *flash, uint32_t nth, uint64_t seed)
{
    flash->cut_at = nth == 0 ? 0 : flash->ops + nth;
    flash->random = seed;
}

void weak_flash_power_on(struct weak_flash *flash)
{
    flash->off = false;
    flash->cut_at = 0;
}
