/* SPDX-License-Identifier: MIT
 *
 * Laying out the workspace, mounting to read, what a volume says of itself.
 *
 *     struct fp_fat | window onto the table | window onto the rest |
 *     runs of each file | bits of names | name of each file | bitmap of a check
 */
#include "core/fs/fat/vol.h"

#define FILES_DEFAULT 4u
#define RUNS_DEFAULT  8u
#define CHECK_DEFAULT 512u
#define NAMES_DEFAULT 512u
#define BYTES_MAX     0x1000000u /* of these two */
#define ALIGN         16u
/* Sectors of the table that one call of statfs counts at most. */
#define COUNT_SLICE 1024u

static uint32_t round_up(uint32_t v)
{
    return (v + ALIGN - 1) & ~(ALIGN - 1);
}

/* What is there for speed, and for a check: its bytes. False: an option is
 * none. */
static bool lay_out_extras(const struct fp_fs_config *cfg,
                           struct fp_fat_layout *l, size_t *size)
{
#if !FP_FAT_SMALL
    l->runs = fp_fs_option(cfg->options, "runs", RUNS_DEFAULT);
    l->names = fp_fs_option(cfg->options, "names", NAMES_DEFAULT);
    if (l->runs - 1 > 0x1000 || l->names - 1 > BYTES_MAX)
        return false;
    *size += l->names + (size_t)l->files * l->runs * sizeof(struct fp_fat_run);
#endif
    if (!FP_FS_CHECK)
        return true;
    l->bitmap = fp_fs_option(cfg->options, "check", CHECK_DEFAULT);
    *size += l->bitmap;
    return l->bitmap - 1 <= BYTES_MAX;
}

/* The bytes that it takes; 0: no FAT can live there. */
static size_t lay_out(const struct fp_bdev *dev, const struct fp_fs_config *cfg,
                      struct fp_fat_layout *l)
{
    uint32_t sector = cfg->block_size, files = cfg->max_files;
    size_t size;

    if (!sector)
        sector = dev->prog_size > 512 ? dev->prog_size : 512;
    if (!files)
        files = FILES_DEFAULT;
    l->sector = sector;
    l->files = files;
    size =
        round_up(sizeof(struct fp_fat)) + 2 * sector + files * FP_FAT_NAME_SIZE;
    if (sector - 512 > 4096 - 512 || sector & (sector - 1) ||
        sector % dev->read_size || files > FP_FAT_FILES_MAX ||
        !lay_out_extras(cfg, l, &size))
        return 0;
    return size;
}

size_t fp_fat_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    struct fp_fat_layout l;

    return lay_out(dev, cfg, &l);
}

static void place(struct fp_fat *fs)
{
    const struct fp_fat_layout *l = &fs->layout;
    uint8_t *at = (uint8_t *)fs + round_up(sizeof *fs);

    fs->fat.buf = at;
    fs->win.buf = at += l->sector;
    fs->fat.sector = fs->win.sector = FP_FAT_NONE;
    fs->counted = fs->next = 2;
    at += l->sector;
#if !FP_FAT_SMALL
    fs->runs = (struct fp_fat_run *)(void *)at;
    at += l->files * l->runs * sizeof *fs->runs;
    fs->index.bits = at;
    at += l->names;
    fp_fat_index_start(fs);
#endif
    fs->names = at;
    if (FP_FS_CHECK)
        fs->bitmap = at + l->files * FP_FAT_NAME_SIZE;
}

/* FSInfo is a hint, and believed only if the volume was left in order. */
static void read_info(struct fp_fat *fs)
{
    const uint8_t *raw;
    uint32_t count, next;

    if (!fs->info)
        return;
    raw = fp_fat_show(fs, fs->info) + 484;
    count = fp_fat_u32(raw + 4);
    next = fp_fat_u32(raw + 8);
    if (fp_fat_u32(raw) != 0x61417272) {
        fs->info = 0;
        return;
    }
    if (fp_fat_is_cluster(fs, next))
        fs->next = next;
    if (count < fs->last && !fs->dirty) {
        fs->free = count;
        fs->counted = fs->last + 1;
    }
}

/* Was the volume left in order? Entry 1 tells, of FAT12 the boot sector. */
static void read_state(struct fp_fat *fs)
{
    uint32_t flags = fp_fat_exchange(fs, 1, 0, 0);

    fs->dirty = fs->win.buf[fs->state_off] & 1 || fs->clean & ~flags;
}

int fp_fat_mount(struct fp_mount *mnt)
{
    struct fp_fs_config *cfg = &mnt->cfg;
    struct fp_fat *fs = mnt->ws;
    fp_addr size = fp_bdev_size(mnt->dev);
    uint32_t sector;

    memset(fs, 0, sizeof *fs);
    lay_out(mnt->dev, cfg, &fs->layout);
    place(fs);
    sector = fs->layout.sector;
    mnt->file_max = UINT32_MAX;
    fs->mnt = mnt;
    fs->dev = mnt->dev;
    fs->sector_size = sector;
    cfg->block_size = sector;
    cfg->max_files = fs->layout.files;
    fs->zone = fp_fs_option(cfg->options, "zone", 0);
    if (size < sector)
        return FP_ERR_CORRUPT;
    fp_fat_show(fs, 0);
    if (!fs->err)
        fs->err = fp_fat_boot_parse(fs, fs->win.buf);
    if (fs->err)
        return fs->err == FP_ERR_NOENT ? FP_ERR_CORRUPT : fs->err;
    if (fs->sector_size != sector ||
        (cfg->block_count && cfg->block_count != fs->sectors))
        return FP_ERR_INVAL;
    if (fs->sectors > size >> fs->sector_shift)
        return FP_ERR_CORRUPT;
    cfg->block_count = fs->sectors;
    read_state(fs);
    read_info(fs);
    return fs->err;
}

void fp_fat_count(struct fp_fat *fs, uint32_t sectors)
{
    /* As many entries as FAT32 has in them; others have more. */
    uint32_t left = sectors << (fs->sector_shift - 2);

    for (; left && !fp_fat_is_counted(fs); left--) {
        uint32_t value = fp_fat_get(fs, fs->counted);

        if (fs->err)
            return;
        fs->free += !value;
        fs->counted++;
    }
}

int fp_fat_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_fat *fs = fp_fat_enter(mnt);

    fp_fat_count(fs, COUNT_SLICE);
    st->block_size = fs->sector_size;
    st->block_count = fs->sectors;
    /* What has not been counted is taken for used. */
    st->blocks_used = fs->sectors - (fs->free << fs->spc_shift);
    st->free = (fp_addr)fs->free << fs->cluster_shift;
    st->name_max = FP_NAME_MAX;
    st->version[0] = fs->bits == 32 ? '3' : '1';
    st->version[1] = fs->bits == 16 ? '6' : '2';
    return fs->err;
}
