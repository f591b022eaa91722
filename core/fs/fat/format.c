/* SPDX-License-Identifier: MIT
 *
 * An empty volume over the whole device. Which width and how large a cluster
 * follows the tables of the specification ("FAT Volume Initialization"), for
 * FAT12 its practice on floppy disks: the smallest cluster that keeps the width.
 *
 * The boot sector is written last and wiped first: a format that a power cut
 * ends leaves no volume.
 */
#include "core/fs/fat/vol.h"

#define MEDIA     0xf8
#define FAT12_MAX 4084u
#define FAT16_MAX 65524u
#define FAT32_MAX 0x0ffffff4u
#define MARGIN    16u         /* others count clusters wrongly by a few */
#define LOOKED_AT (32u << 20) /* bytes behind the tables: there files begin */

struct plan {
    uint32_t bits, sector, sectors, cluster; /* of a cluster: in sectors */
    uint32_t reserved, fats, root, fat_sectors;
    uint32_t serial;
};

static uint32_t most_clusters(uint32_t bits)
{
    return bits == 12 ? FAT12_MAX : bits == 16 ? FAT16_MAX : FAT32_MAX;
}

/* Sectors of one copy of the table, and clusters that are left. */
static uint32_t settle_table(struct plan *p)
{
    uint32_t root = (p->root * FP_FAT_SLOT + p->sector - 1) / p->sector;
    uint32_t rest, clusters = 0;

    if (p->reserved + root >= p->sectors)
        return 0;
    rest = p->sectors - p->reserved - root;
    p->fat_sectors = 1;
    for (;;) {
        uint32_t bytes, need;

        if (p->fats * p->fat_sectors >= rest)
            return 0;
        clusters = (rest - p->fats * p->fat_sectors) / p->cluster;
        if (clusters > FAT32_MAX)
            return clusters;
        bytes = p->bits == 12 ? (clusters + 2) * 3 / 2 + 1
                              : (clusters + 2) * (p->bits / 8);
        need = (bytes + p->sector - 1) / p->sector;
        if (need <= p->fat_sectors)
            return clusters;
        /* A larger table leaves fewer clusters: this ends. */
        p->fat_sectors = need;
    }
}

/* Bytes of a cluster by the specification's tables, which are in sectors of
 * 512 bytes. */
static uint32_t table_cluster(const struct plan *p)
{
    static const struct {
        uint32_t up_to, size;
    } fat16[] = { { 32680, 1024 },      { 262144, 2048 },   { 524288, 4096 },
                  { 1048576, 8192 },    { 2097152, 16384 }, { 4194304, 32768 },
                  { UINT32_MAX, 65536 } },
      fat32[] = { { 532480, 512 },
                  { 16777216, 4096 },
                  { 33554432, 8192 },
                  { 67108864, 16384 },
                  { UINT32_MAX, 32768 } };
    uint64_t size = (uint64_t)p->sectors * (p->sector / 512);
    uint32_t i = 0;

    if (p->bits == 12)
        return p->sector;
    if (p->bits == 16) {
        while (size > fat16[i].up_to && i < 6)
            i++;
        return fat16[i].size;
    }
    while (size > fat32[i].up_to && i < 4)
        i++;
    return fat32[i].size;
}

static bool is_power(uint32_t v)
{
    return v && !(v & (v - 1));
}

/* Makes clusters larger until their count fits the width. */
static int fit(struct plan *p, uint32_t stated)
{
    uint32_t least = p->bits == 12 ? 0 : most_clusters(p->bits == 16 ? 12 : 16);
    uint32_t size = stated ? stated : table_cluster(p), clusters;

    if (!is_power(size) || size > 65536)
        return FP_ERR_INVAL;
    if (size < p->sector)
        size = p->sector;
    for (;; size *= 2) {
        p->cluster = size / p->sector;
        clusters = settle_table(p);
        if (clusters + MARGIN <= most_clusters(p->bits) || stated ||
            size == 65536 || p->cluster == 128)
            break;
    }
    /* A cluster too large for the table's width is made smaller. */
    while (!stated && clusters < least + 1 + MARGIN && p->cluster > 1 &&
           p->bits != 12) {
        p->cluster /= 2;
        clusters = settle_table(p);
    }
    if (!clusters || clusters <= least || clusters > most_clusters(p->bits) ||
        p->cluster > 128)
        return FP_ERR_INVAL;
    return FP_OK;
}

static int make_plan(struct plan *p, const struct fp_bdev *dev,
                     const struct fp_fs_config *cfg)
{
    const uint32_t need = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    const char *options = cfg->options;
    fp_addr blocks;
    uint64_t size;

    *p = (struct plan){ .sector = cfg->block_size };
    if (!p->sector)
        p->sector = dev->prog_size > 512 ? dev->prog_size : 512;
    if ((dev->flags & need) != need || p->sector % dev->prog_size)
        return FP_ERR_NOTSUP;
    blocks = fp_bdev_size(dev) / p->sector;
    p->sectors = blocks > 0xfffffff0 ? 0xfffffff0 : (uint32_t)blocks;
    if (cfg->block_count) {
        if (cfg->block_count > p->sectors)
            return FP_ERR_INVAL;
        p->sectors = cfg->block_count;
    }
    size = (uint64_t)p->sectors * (p->sector / 512);
    p->bits = fp_fs_option(options, "bits",
                           size < 8400      ? 12
                           : size < 1048576 ? 16
                                            : 32);
    if (p->bits != 12 && p->bits != 16 && p->bits != 32)
        return FP_ERR_INVAL;
    p->fats = fp_fs_option(options, "fats", 2);
    p->root = fp_fs_option(options, "root", p->sectors < 1024 ? 64 : 512);
    /* Whole sectors of it. */
    p->root = (p->root + p->sector / FP_FAT_SLOT - 1) &
              ~(p->sector / FP_FAT_SLOT - 1);
    p->reserved = p->bits == 32 ? 32 : 1;
    if (p->bits == 32)
        p->root = 0;
    else if (!p->root || p->root > 0xffff)
        return FP_ERR_INVAL;
    if (p->fats - 1 > 1)
        return FP_ERR_INVAL;
    p->serial = fp_fs_option(options, "serial", cfg->seed ^ p->sectors);
    return fit(p, fp_fs_option(options, "cluster", 0));
}

/* The sector behind the tables. */
static uint32_t root_of(const struct plan *p)
{
    return p->reserved + p->fats * p->fat_sectors;
}

/* --- on the medium --- */

/* "label=" among the options, padded and in capitals. */
static bool take_label(const char *options, uint8_t *label)
{
    uint32_t n = 0;

    memset(label, ' ', 11);
    while (options && strncmp(options, "label=", 6) != 0) {
        options = strchr(options, ',');
        options += options != NULL;
    }
    if (!options)
        return false;
    for (options += 6; *options && *options != ',' && n < 11; options++) {
        uint8_t c = (uint8_t)*options;

        label[n++] = c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
    }
    return n > 0;
}

static void fill_boot(const struct plan *p, uint8_t *boot, const char *options)
{
    bool is_32 = p->bits == 32, is_small = p->sectors < 0x10000 && !is_32;
    uint8_t *tail = boot + (is_32 ? 64 : 36);

    memcpy(boot, is_32 ? "\xeb\x58\x90" : "\xeb\x3c\x90", 3);
    memcpy(boot + 3, "FLASHPRT", 8);
    fp_put_le16(boot + 11, (uint16_t)p->sector);
    boot[13] = (uint8_t)p->cluster;
    fp_put_le16(boot + 14, (uint16_t)p->reserved);
    boot[16] = (uint8_t)p->fats;
    fp_put_le16(boot + 17, (uint16_t)p->root);
    fp_put_le16(boot + 19, (uint16_t)(is_small ? p->sectors : 0));
    boot[21] = MEDIA;
    fp_put_le16(boot + 22, (uint16_t)(is_32 ? 0 : p->fat_sectors));
    fp_put_le16(boot + 24, 63);  /* sectors a track and */
    fp_put_le16(boot + 26, 255); /* heads: what everybody writes */
    fp_put_le32(boot + 32, is_small ? 0 : p->sectors);
    if (is_32) {
        fp_put_le32(boot + 36, p->fat_sectors);
        fp_put_le32(boot + 44, 2);
        fp_put_le16(boot + 48, 1);
        fp_put_le16(boot + 50, 6);
    }
    tail[0] = 0x80;
    tail[2] = 0x29;
    fp_put_le32(tail + 3, p->serial);
    if (!take_label(options, tail + 7))
        memcpy(tail + 7, "NO NAME    ", 11);
    memcpy(tail + 18,
           p->bits == 12   ? "FAT12   "
           : p->bits == 16 ? "FAT16   "
                           : "FAT32   ",
           8);
    fp_put_le16(boot + 510, 0xaa55);
}

static int prog(struct fp_bdev *dev, const struct plan *p, uint32_t sector,
                const uint8_t *buf)
{
    return fp_bdev_prog(dev, (fp_addr)sector * p->sector, buf, p->sector);
}

static int zero(struct fp_bdev *dev, const struct plan *p, uint32_t from,
                uint32_t count, uint8_t *buf)
{
    int err = FP_OK;

    memset(buf, 0, p->sector);
    for (; count-- > 0 && !err; from++) {
        err = prog(dev, p, from, buf);
        if (!(from & 63))
            fp_bdev_yield(dev);
    }
    return err;
}

/* The first sector of each copy: the two entries that are no cluster's, and
 * the root's on FAT32. */
static int put_tables(struct fp_bdev *dev, const struct plan *p, uint8_t *buf)
{
    int err = FP_OK;

    memset(buf, 0, p->sector);
    memset(buf, 0xff, p->bits == 32 ? 12 : p->bits / 4);
    buf[0] = MEDIA;
    for (uint32_t i = 0; i < 3 && p->bits == 32; i++)
        buf[4 * i + 3] = 0x0f;
    for (uint32_t i = 0; i < p->fats && !err; i++)
        err = prog(dev, p, p->reserved + i * p->fat_sectors, buf);
    return err;
}

static int put_label(struct fp_bdev *dev, const struct plan *p, uint8_t *buf,
                     const char *options)
{
    struct fp_fat_place label = { 0 };

    if (!take_label(options, label.raw))
        return FP_OK;
    label.raw[FP_FAT_AT_ATTR] = FP_FAT_LABEL;
    fp_put_le16(label.raw + FP_FAT_AT_DATE, 0x21);
    memset(buf, 0, p->sector);
    memcpy(buf, label.raw, FP_FAT_SLOT);
    return prog(dev, p, root_of(p), buf);
}

/* FSInfo and the copies of it and of the boot sector. */
static int put_info(struct fp_bdev *dev, const struct plan *p, uint8_t *buf,
                    uint32_t clusters)
{
    int err;

    memset(buf, 0, p->sector);
    fp_put_le32(buf, 0x41615252);
    fp_put_le32(buf + 484, 0x61417272);
    fp_put_le32(buf + 488, clusters - 1);
    fp_put_le32(buf + 492, 3);
    fp_put_le32(buf + 508, 0xaa550000);
    err = prog(dev, p, 1, buf);
    return err ? err : prog(dev, p, 7, buf);
}

int fp_fat_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    struct plan p;
    uint8_t *buf = ws;
    int err = make_plan(&p, dev, cfg);

    (void)ws_size; /* more than a sector: fp_fs_format() has asked */
    if (!err)
        err =
            zero(dev, &p, 0,
                 root_of(&p) + (p.bits == 32 ? p.cluster
                                             : p.root * FP_FAT_SLOT / p.sector),
                 buf);
    if (!err)
        err = put_tables(dev, &p, buf);
    if (!err)
        err = put_label(dev, &p, buf, cfg->options);
    if (!err && p.bits == 32)
        err = put_info(dev, &p, buf, settle_table(&p));
    if (err)
        return err;
    memset(buf, 0, p.sector);
    fill_boot(&p, buf, cfg->options);
    if (p.bits == 32)
        err = prog(dev, &p, 6, buf);
    if (!err)
        err = prog(dev, &p, 0, buf);
    return err ? err : fp_bdev_sync(dev);
}

/* Not all of a large card is read, but as much as has the start of whatever was
 * there in other partitions. What is erased reads as 0 on some. */
int fp_fat_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size)
{
    struct fp_fs_blank blank = { .dev = dev,
                                 .buf = ws,
                                 .size = (uint32_t)ws_size };
    uint8_t label[11];
    fp_addr end;
    struct plan p;
    int err = make_plan(&p, dev, cfg);

    if (err)
        return err;
    end = (fp_addr)p.sectors * p.sector;
    if (p.bits == 32) { /* FSInfo, its copy and that of the boot sector */
        (void)fp_fs_blank_to(&blank, p.sector, p.sector);
        (void)fp_fs_blank_to(&blank, 6 * p.sector, 2 * p.sector);
    }
    for (uint32_t i = 0; i < p.fats; i++)
        (void)fp_fs_blank_to(
            &blank, (fp_addr)(p.reserved + i * p.fat_sectors) * p.sector, 12);
    (void)fp_fs_blank_to(&blank, (fp_addr)root_of(&p) * p.sector,
                         take_label(cfg->options, label) ? FP_FAT_SLOT : 0);
    if (end - blank.at > LOOKED_AT)
        end = blank.at + LOOKED_AT;
    return fp_fs_blank_to(&blank, end, 0);
}
