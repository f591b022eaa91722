/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a card: its table is read, and what it lists is sliced.
 *
 * Input: a byte, then the card.
 *   bits 0, 1  size of a sector: 512 << it
 *   bit 2      flash with blocks of 4096 bytes, else a card
 *
 * What must hold: the work is bounded, a partition that is fine lies inside
 * and apart from the others, its slice is exactly it, and one that is not fine
 * gives none.
 */
#include "core/bdev/mbr.h"
#include "core/bdev/ram.h"
#include "core/bdev/stats.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_part(const struct fp_bdev_mbr *mbr, uint32_t i,
                       struct fp_bdev *dev)
{
    const struct fp_bdev_part *part = &mbr->parts[i];
    uint64_t end = (uint64_t)part->first + part->count;
    struct fp_bdev_slice slice;
    int err = fp_bdev_mbr_slice(mbr, i, dev, &slice);

    check(fp_bdev_mbr_text(part->why) != NULL);
    if (part->why != FP_MBR_FINE) {
        check(err == FP_ERR_NOTSUP || err == FP_ERR_CORRUPT);
        return;
    }
    check(part->first > 0 && part->count > 0);
    check(end * mbr->sector_size <= fp_bdev_size(dev));
    for (uint32_t j = 0; j < mbr->count; j++)
        check(j == i || mbr->parts[j].first >= end ||
              (uint64_t)mbr->parts[j].first + mbr->parts[j].count <=
                  part->first);
    if (!err)
        check(fp_bdev_size(&slice.bdev) ==
              (uint64_t)part->count * mbr->sector_size);
    else
        check(err == FP_ERR_INVAL && !(dev->flags & FP_BDEV_OVERWRITE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[4096];
    struct fp_bdev_mbr mbr;
    struct fp_bdev_stats stats;
    struct fp_bdev_ram ram;
    uint32_t sector_size, block_size;
    uint8_t *card;
    int err;

    if (size < 1)
        return 0;
    sector_size = 512u << (data[0] & 3);
    block_size = data[0] & 4 ? 4096 : sector_size;
    if (size - 1 < block_size)
        return 0;
    card = malloc(size - 1);
    if (card == NULL)
        abort();
    memcpy(card, data + 1, size - 1);
    fp_bdev_ram_init(&ram, 1, block_size, (uint32_t)(size - 1) / block_size,
                     card);
    if (!(data[0] & 4))
        ram.bdev.flags = FP_BDEV_OVERWRITE;
    fp_bdev_stats_init(&stats, &ram.bdev, NULL);

    err = fp_bdev_mbr_read(&mbr, &stats.bdev, buf, sector_size);
    check(err == FP_OK || mbr.count == 0);
    if (!err)
        fp_bdev_mbr_read_logical(&mbr, &stats.bdev, buf);
    check(mbr.count <= FP_BDEV_MBR_MAX);
    check(stats.count[FP_BDEV_READ].calls <= 1 + 3 * FP_BDEV_MBR_MAX);
    for (uint32_t i = 0; i < mbr.count; i++)
        check_part(&mbr, i, &ram.bdev);
    free(card);
    return 0;
}
