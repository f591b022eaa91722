/* SPDX-License-Identifier: MIT
 *
 * Finding FAT: its first sector ends in a mark, which those of partition tables
 * and of much else do, too.
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

static const uint8_t boot_mark[] = { 0x55, 0xaa };

/* Source: docs/formats/fat.md, boot sector. The same mark ends the sector of a
 * partition table. */
static uint64_t boot_next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    return fp_host_scan_find(pass, from, boot_mark, sizeof boot_mark, 510);
}

static uint64_t fat_next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    uint32_t size;

    for (;; from++) {
        const uint8_t *p;

        from = boot_next(pass, from);
        if (from >= pass->win_end)
            return from;
        p = fp_host_scan_bytes(pass, from, &size);
        if ((p[0] == 0xeb || p[0] == 0xe9) && p[11] == 0 && p[12] != 0)
            return from;
    }
}

/* The table begins with the byte that the boot sector has for the medium: so a
 * boot sector's copy, which FAT32 keeps, is not taken for another volume. */
static int fat_look(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    const struct fp_fs_ops *ops = fp_host_scan_driver(pass, "fat");
    struct fp_fs_config cfg = { 0 };
    uint8_t boot[36], table[1];
    uint64_t table_at, sectors;
    int err = fp_host_scan_peek(pass, at, boot, sizeof boot);

    if (err || ops == NULL)
        return err ? err : FP_ERR_NOENT;
    table_at = at + (uint64_t)fp_get_le16(boot + 11) * fp_get_le16(boot + 14);
    if (table_at < pass->size) {
        err = fp_host_scan_peek(pass, table_at, table, sizeof table);
        if (err || table[0] != boot[21])
            return err ? err : FP_ERR_NOENT;
    }
    sectors = fp_get_le16(boot + 19);
    if (sectors == 0)
        sectors = fp_get_le32(boot + 32);
    return fp_host_scan_settle(pass, ops, &cfg, at,
                               sectors * fp_get_le16(boot + 11), true, found);
}

const struct fp_host_scan_finder fp_host_scan_fat = {
    .fs = "fat",
    .next = fat_next,
    .look = fat_look,
};
