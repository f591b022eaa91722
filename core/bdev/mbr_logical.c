/* SPDX-License-Identifier: MIT
 *
 * Each table in an extended partition has one logical partition, which it
 * places from itself on, and the place of the next table, which it counts from
 * the start of the extended partition.
 */
#include "core/bdev/mbr.h"

#include <stddef.h>

#define FIRST_NUMBER 5

void fp_bdev_mbr_read_logical(struct fp_bdev_mbr *mbr, struct fp_bdev *dev,
                              void *buf)
{
    const fp_addr sector_count = fp_bdev_size(dev) / mbr->sector_size;
    const uint32_t base = mbr->extended, had = mbr->count;
    uint32_t at = base;

    /* No longer than the list, so that a chain that leads round ends. */
    for (uint32_t n = 0; at != 0 && n < FP_BDEV_MBR_MAX; n++) {
        if (at >= sector_count ||
            fp_bdev_read(dev, (fp_addr)at * mbr->sector_size, buf,
                         mbr->sector_size) != FP_OK ||
            !fp_bdev_mbr_is_signed(buf))
            break;
        fp_bdev_mbr_list(mbr, dev, buf, at, FIRST_NUMBER + n);
        if (mbr->extended == 0 || mbr->extended > UINT32_MAX - base)
            break;
        at = base + mbr->extended;
    }
    mbr->extended = 0;
    mbr->why = FP_MBR_FINE; /* the device has a table, however this one is */
    fp_bdev_mbr_look_into(mbr, had, dev, buf);
}
