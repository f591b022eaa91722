/* SPDX-License-Identifier: MIT
 *
 * Tables of partitions: MBR, and the one of ESP-IDF. A table is no proof of
 * what is in its partitions, but it says where to look, and where what states
 * no size of its own ends.
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

#include <string.h>

#define SECTOR   512u
#define GPT_SIZE (34 * SECTOR)

/* --- MBR --- */

static const uint8_t mbr_mark[] = { 0x55, 0xaa };

static uint64_t mbr_next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    return fp_host_scan_find(pass, from, mbr_mark, sizeof mbr_mark, 510);
}

/* A logical partition's own table says once more where that is. */
static bool is_known(const struct fp_host_scan *scan, uint64_t offset)
{
    for (size_t i = 0; i < scan->part_count; i++)
        if (scan->parts[i].offset == offset)
            return true;
    return false;
}

static int add_parts(struct fp_host_scan_pass *pass,
                     const struct fp_bdev_mbr *mbr, uint64_t at)
{
    int err = FP_OK;

    for (uint32_t i = 0; i < mbr->count && !err; i++) {
        struct fp_host_part part = {
            .offset = at + (uint64_t)mbr->parts[i].first * mbr->sector_size,
            .size = (uint64_t)mbr->parts[i].count * mbr->sector_size,
            .number = mbr->parts[i].number,
            .type = mbr->parts[i].type,
            .why = mbr->parts[i].why,
        };

        if (at == 0 || !is_known(pass->scan, part.offset))
            err = fp_host_scan_add_part(pass->scan, &part);
    }
    return err;
}

/* Every partition lies where it can, and one of them begins with the boot
 * sector of a FAT: else a sector in the midst of a dump that ends in the mark
 * is taken for no table. */
static bool is_sure(struct fp_host_scan_pass *pass,
                    const struct fp_bdev_mbr *mbr, uint64_t at)
{
    bool is_boot = false;
    uint8_t boot[SECTOR];

    for (uint32_t i = 0; i < mbr->count; i++) {
        uint64_t off = at + (uint64_t)mbr->parts[i].first * SECTOR;

        if (mbr->parts[i].why != FP_MBR_FINE ||
            fp_host_scan_peek(pass, off, boot, sizeof boot))
            return false;
        is_boot |= (boot[0] == 0xeb || boot[0] == 0xe9) && boot[510] == 0x55 &&
                   boot[511] == 0xaa;
    }
    return is_boot;
}

/* The other kind of table is told, and its volumes are found without it. Its
 * least size is 34 sectors. Source: UEFI specification, GPT disk layout */
static int gpt_look(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    uint8_t mark[8];

    if (pass->size - at < GPT_SIZE ||
        fp_host_scan_peek(pass, at + SECTOR, mark, sizeof mark) ||
        memcmp(mark, "EFI PART", sizeof mark) != 0)
        return FP_ERR_NOENT;
    found->size = GPT_SIZE;
    found->text = "GPT, not read";
    return FP_OK;
}

static int mbr_look(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    uint8_t sector[SECTOR];
    struct fp_bdev_mbr mbr;
    int err;

    if (pass->size - at < 2 * SECTOR)
        return FP_ERR_NOENT;
    fp_host_view_init(&pass->view, pass->dev, at, pass->size - at,
                      &pass->budget);
    err = fp_bdev_mbr_read(&mbr, &pass->view.bdev, sector, SECTOR);
    if (err == FP_OK)
        fp_bdev_mbr_read_logical(&mbr, &pass->view.bdev, sector);
    if (at == 0)
        pass->scan->mbr = mbr;
    *found = (struct fp_host_region){
        .kind = FP_HOST_TABLE, .offset = at, .size = SECTOR, .text = "MBR"
    };
    if (mbr.why == FP_MBR_GPT)
        return gpt_look(pass, at, found);
    if (err || mbr.count == 0 || (at != 0 && !is_sure(pass, &mbr, at)))
        return err == FP_ERR_IO || err == FP_ERR_NODEV ? err : FP_ERR_NOENT;
    *found = (struct fp_host_region){
        .kind = FP_HOST_TABLE, .offset = at, .size = SECTOR, .text = "MBR"
    };
    return add_parts(pass, &mbr, at);
}

const struct fp_host_scan_finder fp_host_scan_mbr = {
    .next = mbr_next,
    .look = mbr_look,
};

/* --- ESP-IDF ---
 *
 * 32 bytes a partition: aa 50, type, subtype, offset and size (u32, little
 * endian, counted from the start of the flash), a label of 16 bytes, flags.
 * Behind the last one may be a digest, eb eb, and 0xff follows to the end.
 * Source: ESP-IDF Programming Guide, Partition Tables
 */

#define ESP_ENTRY   32u
#define ESP_ENTRIES 95u
#define ESP_SIZE    0xc00u
#define ESP_GRID    4096u

static const uint8_t esp_mark[] = { 0xaa, 0x50 };

static uint64_t esp_next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    uint64_t at = (from + ESP_GRID - 1) / ESP_GRID * ESP_GRID;

    for (; at < pass->win_end; at += ESP_GRID) {
        uint32_t size;
        const uint8_t *p = fp_host_scan_bytes(pass, at, &size);

        if (size >= ESP_SIZE && memcmp(p, esp_mark, sizeof esp_mark) == 0)
            return at;
    }
    return pass->win_end;
}

static struct fp_host_part esp_part(const uint8_t *entry, uint32_t number,
                                    uint64_t end)
{
    struct fp_host_part part = { .offset = fp_get_le32(entry + 4),
                                 .size = fp_get_le32(entry + 8),
                                 .number = number,
                                 .type = entry[2],
                                 .subtype = entry[3],
                                 .is_esp = true };

    memcpy(part.label, entry + 12, 16);
    if (part.offset > end || part.size > end - part.offset)
        part.why = FP_MBR_BEYOND_END;
    return part;
}

/* Entries, then what may stand behind them; 0: it is no table. */
static uint32_t esp_count(const uint8_t *table)
{
    uint32_t n = 0;

    while (n < ESP_ENTRIES &&
           memcmp(table + n * ESP_ENTRY, esp_mark, sizeof esp_mark) == 0)
        n++;
    for (uint32_t i = 0; i < n; i++)
        if (fp_get_le32(table + i * ESP_ENTRY + 4) % 4096 != 0 ||
            fp_get_le32(table + i * ESP_ENTRY + 8) == 0)
            return 0;
    table += n * ESP_ENTRY;
    return (table[0] == 0xff && table[1] == 0xff) ||
                   (table[0] == 0xeb && table[1] == 0xeb)
               ? n
               : 0;
}

static int esp_look(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    uint32_t size, count;
    const uint8_t *table = fp_host_scan_bytes(pass, at, &size);
    int err = FP_OK;

    count = esp_count(table);
    if (count == 0)
        return FP_ERR_NOENT;
    *found = (struct fp_host_region){
        .kind = FP_HOST_TABLE, .offset = at, .size = ESP_SIZE, .text = "ESP-IDF"
    };
    for (uint32_t i = 0; i < count && !err; i++) {
        struct fp_host_part part =
            esp_part(table + i * ESP_ENTRY, i + 1, pass->size);

        err = fp_host_scan_add_part(pass->scan, &part);
    }
    return err;
}

const struct fp_host_scan_finder fp_host_scan_esp = {
    .next = esp_next,
    .look = esp_look,
};
