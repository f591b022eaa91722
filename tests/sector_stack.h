/* SPDX-License-Identifier: MIT
 *
 * The sector adapter over the two slices of one flash that it needs, as the
 * suites put a volume on it: the last eighth of the flash, three groups at the
 * least, is the reserve, the rest the volume.
 *
 * Memory  all of it in one struct, which holds pointers into itself: it may be
 *         copied and copied back, but not moved
 */
#ifndef FP_TESTS_SECTOR_STACK_H
#define FP_TESTS_SECTOR_STACK_H

#include "core/bdev/sector.h"
#include "core/bdev/slice.h"

#include <stddef.h>

struct sector_stack {
    struct fp_bdev_slice volume, reserve;
    struct fp_bdev_sector sector;
    uint8_t buf[512];
};

/* Sets it up as a device does that has just started. */
static inline struct fp_bdev *sector_stack_start(void *mem,
                                                 struct fp_bdev *under,
                                                 int *err)
{
    struct sector_stack *stack = mem;
    const struct fp_bdev_sector_config cfg = { .buf = stack->buf };
    uint32_t spare = under->block_count / 8 < 4 ? 4 : under->block_count / 8;
    fp_addr size = (fp_addr)(under->block_count - spare) * under->block_size;

    *err = fp_bdev_slice_init(&stack->volume, under, 0, size);
    if (!*err)
        *err = fp_bdev_slice_init(&stack->reserve, under, size,
                                  fp_bdev_size(under) - size);
    if (!*err)
        *err = fp_bdev_sector_init(&stack->sector, &stack->volume.bdev,
                                   &stack->reserve.bdev, &cfg);
    return *err ? NULL : &stack->sector.bdev;
}

#endif
