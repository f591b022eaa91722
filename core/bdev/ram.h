/* SPDX-License-Identifier: MIT
 *
 * Memory as NOR flash: programming clears bits, erasing sets them all, so that
 * a missing erase is as wrong here as it is on the chip. Whoever sets
 * FP_BDEV_OVERWRITE in its flags has memory as a card instead, where a program
 * replaces what was there.
 *
 * Memory  mem[0..block_size * block_count) is the caller's; what it holds at
 *         init is what the device holds, erased (0xff) or an image
 * Errors  none of its own
 */
#ifndef FP_CORE_BDEV_RAM_H
#define FP_CORE_BDEV_RAM_H

#include "core/bdev/bdev.h"

struct fp_bdev_ram {
    struct fp_bdev bdev;
    /* private */
    uint8_t *mem;
};

/* Reads of any size; programs of prog_size, which divides block_size. */
void fp_bdev_ram_init(struct fp_bdev_ram *ram, uint32_t prog_size,
                      uint32_t block_size, uint32_t block_count, void *mem);

#endif
