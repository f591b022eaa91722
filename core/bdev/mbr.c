/* SPDX-License-Identifier: MIT */
#include "core/bdev/mbr.h"
#include "core/bytes.h"

#include <string.h>

/* Source: docs/formats/fat.md, MBR */
#define ENTRIES    446
#define ENTRY_SIZE 16
#define SIGNATURE  510
#define TYPE_EMPTY 0x00
#define TYPE_GPT   0xee

bool fp_bdev_mbr_is_signed(const uint8_t *sector)
{
    return sector[SIGNATURE] == 0x55 && sector[SIGNATURE + 1] == 0xaa;
}

static bool is_extended(uint8_t type)
{
    return (type & 0x7f) == 0x05 || type == 0x0f;
}

/* What a device or partition that starts with this sector is. A boot sector of
 * FAT has a jump, a size of sectors that ends in 00, one FAT or two, and a
 * byte for the medium; code in front of a table may have the jump only. */
static uint8_t look_at(const uint8_t *sector)
{
    if (memcmp(sector + 3, "EXFAT   ", 8) == 0)
        return FP_MBR_EXFAT;
    if ((sector[0] == 0xeb || sector[0] == 0xe9) && sector[11] == 0 &&
        sector[12] != 0 && (sector[16] == 1 || sector[16] == 2) &&
        sector[21] >= 0xf0)
        return FP_MBR_BARE;
    return FP_MBR_FINE;
}

void fp_bdev_mbr_place(struct fp_bdev_part *parts, uint32_t i,
                       fp_addr sector_count)
{
    struct fp_bdev_part *part = &parts[i];

    part->why = FP_MBR_FINE;
    if (part->first > sector_count || part->count > sector_count - part->first)
        part->why = FP_MBR_BEYOND_END;
    if (part->first == 0)
        part->why = FP_MBR_OVERLAPS;
    while (i-- > 0)
        if (part->first - parts[i].first < parts[i].count ||
            parts[i].first - part->first < part->count)
            part->why = parts[i].why = FP_MBR_OVERLAPS;
}

void fp_bdev_mbr_list(struct fp_bdev_mbr *mbr, struct fp_bdev *dev,
                      const uint8_t *sector, uint32_t at, uint32_t number)
{
    const uint8_t *entry = sector + ENTRIES;

    mbr->extended = 0;
    for (; entry < sector + SIGNATURE; entry += ENTRY_SIZE, number++) {
        uint32_t first = fp_get_le32(entry + 8);
        struct fp_bdev_part part = {
            /* Beyond every device rather than wrapped. */
            .first = first <= UINT32_MAX - at ? at + first : UINT32_MAX,
            .count = fp_get_le32(entry + 12),
            .number = (uint8_t)number,
            .type = entry[4],
        };

        if (entry[0] & 0x7f) /* to be booted, or not; nothing else */
            mbr->why = FP_MBR_NO_TABLE;
        if (part.type == TYPE_GPT)
            mbr->why = FP_MBR_GPT;
        if (is_extended(part.type)) {
            mbr->extended = first;
        } else if (part.type != TYPE_EMPTY && part.count != 0 &&
                   mbr->count < FP_BDEV_MBR_MAX) {
            mbr->parts[mbr->count] = part;
            fp_bdev_mbr_place(mbr->parts, mbr->count++,
                              fp_bdev_size(dev) / mbr->sector_size);
        }
    }
}

void fp_bdev_mbr_look_into(struct fp_bdev_mbr *mbr, uint32_t from,
                           struct fp_bdev *dev, uint8_t *buf)
{
    for (; from < mbr->count; from++) {
        struct fp_bdev_part *part = &mbr->parts[from];
        fp_addr off = (fp_addr)part->first * mbr->sector_size;

        if (part->why == FP_MBR_FINE &&
            fp_bdev_read(dev, off, buf, mbr->sector_size) == FP_OK &&
            look_at(buf) == FP_MBR_EXFAT)
            part->why = FP_MBR_EXFAT;
    }
}

int fp_bdev_mbr_read(struct fp_bdev_mbr *mbr, struct fp_bdev *dev, void *buf,
                     uint32_t sector_size)
{
    int err = fp_bdev_read(dev, 0, buf, sector_size);

    *mbr = (struct fp_bdev_mbr){ .sector_size = sector_size };
    if (err)
        return err;
    mbr->why = look_at(buf);
    if (mbr->why == FP_MBR_FINE) {
        mbr->why = FP_MBR_NO_TABLE;
        if (fp_bdev_mbr_is_signed(buf)) {
            mbr->why = FP_MBR_FINE;
            fp_bdev_mbr_list(mbr, dev, buf, 0, 1);
        }
    }
    if (mbr->why != FP_MBR_FINE) {
        mbr->count = 0;
        return mbr->why < FP_MBR_EXFAT ? FP_ERR_NOENT : FP_ERR_NOTSUP;
    }
    fp_bdev_mbr_look_into(mbr, 0, dev, buf);
    return FP_OK;
}

int fp_bdev_mbr_slice(const struct fp_bdev_mbr *mbr, uint32_t i,
                      struct fp_bdev *dev, struct fp_bdev_slice *slice)
{
    const struct fp_bdev_part *part = &mbr->parts[i];

    if (part->why == FP_MBR_EXFAT)
        return FP_ERR_NOTSUP;
    if (part->why != FP_MBR_FINE)
        return FP_ERR_CORRUPT;
    return fp_bdev_slice_init(slice, dev,
                              (fp_addr)part->first * mbr->sector_size,
                              (fp_addr)part->count * mbr->sector_size);
}
