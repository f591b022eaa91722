/* SPDX-License-Identifier: MIT
 *
 * Partitions of an MBR as regions, and which of them is the first, the second
 * that a volume lies on: those of a FAT type in the order of the table; where
 * there is none of these, the others, of which one may say why it is no use.
 *
 * A file of its own, so that a device without cards does not link it.
 */
#include "core/bdev/mbr.h"
#include "device-agent/agent.h"

/* Source: docs/formats/fat.md, MBR. */
static bool is_fat(uint8_t type)
{
    return type == 0x01 || type == 0x04 || type == 0x06 || type == 0x0b ||
           type == 0x0c || type == 0x0e;
}

/* A partition that reaches beyond the storage, as others, is no region: it
 * keeps a size of 0 and is not told of. */
static void take(struct fp_agent_partition *part, const struct fp_bdev_mbr *mbr,
                 uint32_t index)
{
    static const char *const names[] = { "part1", "part2", "part3", "part4" };
    const struct fp_bdev_part *from = &mbr->parts[index];

    *part = (struct fp_agent_partition){
        .region = { .name = names[index],
                    .off = (uint64_t)from->first * mbr->sector_size,
                    .flags = FP_AGENT_REGION_PARTITION },
    };
    if (from->why == FP_MBR_FINE || from->why == FP_MBR_EXFAT)
        part->region.size = (uint64_t)from->count * mbr->sector_size;
    if (from->why != FP_MBR_FINE)
        part->why = fp_bdev_mbr_text(from->why);
}

static void rank(struct fp_agent_partition *parts, uint32_t count,
                 const struct fp_bdev_mbr *mbr)
{
    uint8_t fats = 0, others = 0;

    for (uint32_t i = 0; i < count; i++)
        if (is_fat(mbr->parts[i].type))
            parts[i].rank = ++fats;
    for (uint32_t i = 0; fats == 0 && i < count; i++)
        parts[i].rank = ++others;
}

int fp_agent_partitions_mbr(struct fp_bdev *dev, uint8_t *buf, uint32_t size,
                            struct fp_agent_partition *parts, const char **why)
{
    uint32_t sector = dev->read_size > 512 ? dev->read_size : 512;
    struct fp_bdev_mbr mbr;
    uint32_t count;
    int err;

    if (size < sector)
        return 0;
    err = fp_bdev_mbr_read(&mbr, dev, buf, sector);
    *why = fp_bdev_mbr_text(mbr.why);
    if (err)
        return err == FP_ERR_NOENT ? 0 : err;
    count = mbr.count < FP_AGENT_PARTITIONS ? mbr.count : FP_AGENT_PARTITIONS;
    for (uint32_t i = 0; i < count; i++)
        take(&parts[i], &mbr, i);
    rank(parts, count, &mbr);
    return (int)count;
}
