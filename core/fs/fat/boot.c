/* SPDX-License-Identifier: MIT
 *
 * The boot sector: is it a FAT's, and how is the volume laid out? Source: the
 * format page, boot sector. Everything in it is taken for an attacker's; what
 * parses has all its parts within `sectors`.
 */
#include "core/fs/fat/vol.h"

/* How the names of relatives begin, where FAT has its maker's. */
#define EXFAT 0x41465845u
#define NTFS  0x5346544eu

/* 32: no power of two. */
static uint32_t log2_of(uint32_t v)
{
    uint32_t shift = 0;

    for (uint32_t power = 1; power && power != v; power <<= 1)
        shift++;
    return shift;
}

/* What the first sector of a partition table, or of anything else that ends in
 * 55 AA, does not have. */
static bool is_plausible(const uint8_t *boot)
{
    uint32_t shift = log2_of(fp_fat_u16(boot + 11));

    return (boot[0] == 0xeb || boot[0] == 0xe9) && shift >= 9 && shift <= 12 &&
           shift + log2_of(boot[13]) <= 16 && fp_fat_u16(boot + 14) &&
           (boot[16] == 1 || boot[16] == 2) &&
           (boot[21] == 0xf0 || boot[21] >= 0xf8);
}

/* FAT32 says some things elsewhere and some more. */
static bool parse_32(struct fp_fat *fs, const uint8_t *boot, uint32_t reserved)
{
    uint32_t flags = fp_fat_u16(boot + 40);

    fs->root_cluster = fp_fat_u32(boot + 44);
    fs->clean = 0x8000000;
    fs->info = fp_fat_u16(boot + 48);
    if (fs->info >= reserved)
        fs->info = 0;
    fs->state_off = 65;
    if (flags & 0x80) { /* one copy is in use, the others are not written */
        if ((flags & 15) >= fs->fat_count)
            return false;
        fs->fat_start += (flags & 15) * fs->fat_sectors;
        fs->fat_count = 1;
    }
    return fp_fat_u16(boot + 42) == 0 && !fs->root_slots &&
           fp_fat_is_cluster(fs, fs->root_cluster);
}

int fp_fat_boot_judge(const uint8_t *boot)
{
    uint32_t name = fp_fat_u32(boot + 3);

    if (name == EXFAT || name == NTFS)
        return FP_ERR_NOTSUP;
    return is_plausible(boot) ? FP_OK : FP_ERR_NOENT;
}

/* Which width it has depends on the count of clusters and on nothing else. */
static bool parse_clusters(struct fp_fat *fs)
{
    uint32_t clusters = (fs->sectors - fs->data_start) >> fs->spc_shift;
    uint32_t end;

    fs->bits = clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32;
    fs->mask = FP_FAT_EOC >> (fs->bits == 32 ? 4 : 32 - fs->bits);
    fs->clean = fs->bits == 16 ? 0x8000 : 0;
    fs->last = clusters + 1;
    if (!clusters || clusters > 0x0ffffff0)
        return false;
    end = ((fs->last + 1) * (fs->bits / 4u) - 1) / 2; /* of the last entry */
    return end >> fs->sector_shift < fs->fat_sectors;
}

/* A number that has 16 bits at `at`, or else 32 bits at `wide`. */
static uint32_t either(const uint8_t *boot, uint32_t at, uint32_t wide)
{
    uint32_t v = fp_fat_u16(boot + at);

    return v ? v : fp_fat_u32(boot + wide);
}

int fp_fat_boot_parse(struct fp_fat *fs, const uint8_t *boot)
{
    uint32_t reserved = fp_fat_u16(boot + 14);
    int err = fp_fat_u16(boot + 510) == 0xaa55 ? fp_fat_boot_judge(boot)
                                               : FP_ERR_NOENT;

    if (err)
        return err;
    fs->sector_size = fp_fat_u16(boot + 11);
    fs->sector_shift = (uint8_t)log2_of(fs->sector_size);
    fs->spc_shift = (uint8_t)log2_of(boot[13]);
    fs->cluster_shift = (uint8_t)(fs->sector_shift + fs->spc_shift);
    fs->fat_count = boot[16];
    fs->fat_start = reserved;
    fs->root_slots = fp_fat_u16(boot + 17);
    fs->state_off = 37;
    fs->sectors = either(boot, 19, 32);
    fs->fat_sectors = either(boot, 22, 36);
    if (fs->fat_sectors - 1 >= 0x1000000) /* so sums cannot overflow */
        return FP_ERR_CORRUPT;
    fs->root_start = reserved + fs->fat_count * fs->fat_sectors;
    fs->data_start = fs->root_start +
                     ((fs->root_slots * FP_FAT_SLOT + fs->sector_size - 1) >>
                      fs->sector_shift);
    if (fs->data_start >= fs->sectors || !parse_clusters(fs))
        return FP_ERR_CORRUPT;
    if (fs->bits == 32 ? !parse_32(fs, boot, reserved) : !fs->root_slots)
        return FP_ERR_CORRUPT;
    return FP_OK;
}
