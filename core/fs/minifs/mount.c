/* SPDX-License-Identifier: MIT
 *
 * Mounting: every block's first bytes are looked at, and the first block that
 * is metadata counts, as upstream has it. Two of them are what a power cut
 * leaves, between writing the new and erasing the old; either is a whole
 * state of the volume. But a cut may also tear the erase of the old one, and
 * then its header may stand over entries that are gone: a block of which an
 * entry cannot be true counts only if there is no better.
 */
#include "core/fs/minifs/mini.h"

uint32_t fp_mini_get16(const struct fp_mini *fs, const uint8_t *p)
{
    return (uint32_t)p[!fs->is_big] << 8 | p[fs->is_big];
}

bool fp_mini_is_sound(const struct fp_mini *fs, const uint8_t *entry)
{
    return entry[0] != 0xff && fp_mini_size(fs, entry) <= fs->block_size &&
           fp_mini_block(fs, entry) < fs->block_count;
}

int fp_mini_is_marked(const struct fp_mini *fs, uint32_t block)
{
    uint8_t header[FP_MINI_SECTION];
    int err =
        fp_bdev_read(fs->dev, fp_mini_addr(fs, block), header, sizeof header);

    if (err)
        return err;
    return header[FP_MINI_MAGIC_SIZE] == fs->version &&
           memcmp(header, FP_MINI_MAGIC, FP_MINI_MAGIC_SIZE) == 0;
}

/* Bytes of the metadata, by its count of entries. */
static uint32_t size_of(const struct fp_mini *fs)
{
    return FP_MINI_SECTION * (fp_mini_get16(fs, fs->meta + 14) + 1);
}

/* Reads the block to meta, in the byte order that its count can be in: 2, 1 if an entry cannot be that of a file, or an
 * error. */
static int load(struct fp_mini *fs, uint32_t block)
{
    int err = fp_bdev_read(fs->dev, fp_mini_addr(fs, block), fs->meta,
                           fs->block_size);
    uint8_t *entry = fp_mini_entry(fs, 0);

    if (err)
        return err;
    fs->block = block;
    if (size_of(fs) > fs->block_size)
        fs->is_big = !fs->is_big;
    if (size_of(fs) > fs->block_size)
        return FP_ERR_CORRUPT;
    fs->end = fs->meta + size_of(fs);
    for (; entry < fs->end; entry += FP_MINI_SECTION)
        if (!fp_mini_is_sound(fs, entry))
            return 1;
    return 2;
}

/* A block that cannot be read is no metadata, unless none else is. */
static int scan(struct fp_mini *fs)
{
    int best = FP_ERR_CORRUPT, seen = 0;
    uint32_t block = 0, found = 0;

    for (; block < fs->block_count; block++) {
        int rank = fp_mini_is_marked(fs, block);

        if (rank > 0) {
            seen++;
            rank = load(fs, block);
        }
        if (rank != 0 && (best < 0 || rank > best)) {
            best = rank;
            found = block;
        }
    }
    fs->has_rival = seen > 1;
    if (best > 0)
        best = load(fs, found);
    return best < 0 ? best : FP_OK;
}

int fp_mini_look(struct fp_mini *fs)
{
    int err = FP_OK;

    if (!fs->is_loaded)
        err = scan(fs);
    fs->is_loaded = !err;
    return err;
}

static uint32_t block_size_of(const struct fp_bdev *dev,
                              const struct fp_fs_config *cfg)
{
    return cfg->block_size ? cfg->block_size : dev->block_size;
}

size_t fp_mini_workspace(const struct fp_bdev *dev,
                         const struct fp_fs_config *cfg)
{
    uint32_t size = block_size_of(dev, cfg);
    uint32_t files = cfg->max_files ? cfg->max_files : 4;

    if (size < 2 * FP_MINI_SECTION || size % FP_MINI_SECTION != 0 ||
        size > fp_bdev_size(dev) || dev->read_size != 1)
        return 0;
    return sizeof(struct fp_mini) + size +
           files *
               (sizeof(struct fp_file *) + (size_t)(FP_READONLY ? 0 : size));
}

static uint32_t at_most(uint32_t n)
{
    return n < UINT16_MAX ? n : UINT16_MAX;
}

/* The struct with a pointer for each file, the metadata, and a block for each
 * file. */
bool fp_mini_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws)
{
    struct fp_mini *fs = ws;
    uint32_t size = block_size_of(dev, cfg);

    memset(fs, 0, sizeof *fs + cfg->max_files * sizeof *fs->files);
    fs->dev = dev;
    fs->block_size = size;
    fs->block_count = at_most((uint32_t)(fp_bdev_size(dev) / size));
    fs->each = size / dev->block_size;
    if (!(dev->flags & (FP_BDEV_REPROG | FP_BDEV_OVERWRITE)))
        fs->once = dev->prog_size;
    fs->max_files = cfg->max_files;
    fs->meta = (uint8_t *)(fs->files + cfg->max_files);
    fs->limit = fs->meta + size;
    fs->version = (uint8_t)fp_fs_option(cfg->options, "version", 1);
    fs->is_big = fp_fs_option(cfg->options, "big", 0);
    return dev->flags & FP_BDEV_ERASED_FF &&
           (!fs->once || dev->flags & FP_BDEV_ATOMIC_PROG) &&
           fs->each * dev->block_size == size && fs->block_count > 1;
}

int fp_mini_mount(struct fp_mount *mnt)
{
    struct fp_mini *fs = mnt->ws;

    if (!fp_mini_setup(mnt->dev, &mnt->cfg, fs))
        mnt->cfg.flags |= FP_MOUNT_RDONLY;
    mnt->cfg.block_size = fs->block_size;
    mnt->file_max = at_most(fs->block_size);
    fs->is_raw = mnt->cfg.flags & FP_MOUNT_STORED;
    return fp_mini_look(fs);
}

/* Two blocks are not for files: one holds the metadata, and without another
 * nothing could be changed again. */
int fp_mini_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    int err = fp_mini_look(fs);
    uint32_t used, files;

    if (err)
        return err;
    used = fp_mini_count(fs) + 1;
    files = fs->block_size / FP_MINI_SECTION - used;
    while (files > 0 && used + files >= fs->block_count)
        files--;
    st->block_size = fs->block_size;
    st->block_count = fs->block_count;
    st->blocks_used = used;
    st->free = fp_mini_addr(fs, files);
    st->name_max = FP_MINI_NAME;
    st->files_max = used - 1 + files;
    st->version[0] = (char)('0' + fs->version % 10);
    st->needs_repair = fs->has_rival;
    return FP_OK;
}
