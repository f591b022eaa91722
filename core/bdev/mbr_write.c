/* SPDX-License-Identifier: MIT
 *
 * A new table, in a sector that is empty otherwise. Addresses by cylinder,
 * head and sector, which nothing has asked for since cards were small, say
 * "too large for these" (fe ff ff), as is usual.
 */
#include "core/bdev/mbr.h"
#include "core/bytes.h"

#include <string.h>

#define ENTRIES    446
#define ENTRY_SIZE 16
#define SIGNATURE  510

static void put_entry(uint8_t *entry, const struct fp_bdev_part *part)
{
    static const uint8_t too_large[] = { 0xfe, 0xff, 0xff };

    memcpy(entry + 1, too_large, sizeof too_large);
    entry[4] = part->type;
    memcpy(entry + 5, too_large, sizeof too_large);
    fp_put_le32(entry + 8, part->first);
    fp_put_le32(entry + 12, part->count);
}

int fp_bdev_mbr_write(struct fp_bdev *dev, void *buf, uint32_t sector_size,
                      const struct fp_bdev_part *parts, uint32_t count)
{
    struct fp_bdev_part placed[4];
    uint8_t *sector = buf;
    int err = FP_OK;

    if (count > 4)
        return FP_ERR_INVAL;
    memset(sector, 0, sector_size);
    for (uint32_t i = 0; i < count; i++) {
        placed[i] = parts[i];
        fp_bdev_mbr_place(placed, i, fp_bdev_size(dev) / sector_size);
        if (placed[i].why != FP_MBR_FINE || placed[i].count == 0 ||
            placed[i].type == 0)
            return FP_ERR_INVAL;
        put_entry(sector + ENTRIES + i * ENTRY_SIZE, &placed[i]);
    }
    sector[SIGNATURE] = 0x55;
    sector[SIGNATURE + 1] = 0xaa;
    if (!(dev->flags & FP_BDEV_OVERWRITE))
        err = fp_bdev_erase(dev, 0, 1);
    if (!err)
        err = fp_bdev_prog(dev, 0, sector, sector_size);
    return err ? err : fp_bdev_sync(dev);
}
