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

enum {
    NOT_MARKED,
    NOT_METADATA, /* a header that is none */
    DOUBTFUL,     /* a header over entries that cannot be */
    SOUND
};

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

/* The count in whichever byte order it can be in, which is then that of all
 * integers. */
static bool read_count(struct fp_mini *fs)
{
    uint32_t count = fp_mini_get16(fs, fs->meta + 14);
    uint32_t swapped = (count << 8 | count >> 8) & 0xffff;

    if (count > fs->slots) {
        if (swapped > fs->slots)
            return false;
        count = swapped;
        fs->is_big = !fs->is_big;
    }
    fs->count = count;
    return true;
}

/* Reads the block to meta if it has the mark. */
static int load(struct fp_mini *fs, uint32_t block)
{
    int err = fp_mini_is_marked(fs, block);

    if (err <= 0)
        return err;
    err = fp_bdev_read(fs->dev, fp_mini_addr(fs, block), fs->meta,
                       fs->block_size);
    if (err)
        return err;
    if (!read_count(fs))
        return NOT_METADATA;
    for (uint32_t i = 0; i < fs->count; i++)
        if (!fp_mini_is_sound(fs, fp_mini_entry(fs, i)))
            return DOUBTFUL;
    return SOUND;
}

/* A block that cannot be read is no metadata, unless none else is. */
static int scan(struct fp_mini *fs)
{
    int best = NOT_METADATA, seen = 0, bad = FP_ERR_CORRUPT;

    for (uint32_t block = 0; block < fs->block_count; block++) {
        int rank = load(fs, block);

        if (rank < 0)
            bad = rank;
        if (rank > 0)
            seen++;
        if (rank > best) {
            best = rank;
            fs->block = block;
        }
    }
    fs->has_rival = seen > 1;
    if (best == NOT_METADATA)
        return bad;
    best = load(fs, fs->block);
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
    return sizeof(struct fp_mini) + dev->prog_size + size +
           files * (sizeof(struct fp_mini_file *) +
                    (size_t)(FP_READONLY ? 0 : size));
}

/* The struct, a pointer for each file, a unit, the metadata, and a block for
 * each file. */
void fp_mini_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws)
{
    struct fp_mini *fs = ws;
    fp_addr count;

    memset(fs, 0, sizeof *fs + cfg->max_files * sizeof *fs->files);
    fs->dev = dev;
    fs->block_size = block_size_of(dev, cfg);
    count = fp_bdev_size(dev) / fs->block_size;
    fs->each = fs->block_size / dev->block_size;
    fs->block_count = count < UINT16_MAX ? (uint32_t)count : UINT16_MAX;
    fs->file_max = fs->block_size < UINT16_MAX ? fs->block_size : UINT16_MAX;
    fs->slots = fs->block_size / FP_MINI_SECTION - 1;
    fs->max_files = cfg->max_files;
    fs->files = (struct fp_mini_file **)(void *)(fs + 1);
    fs->unit = (uint8_t *)(fs->files + cfg->max_files);
    fs->meta = fs->unit + dev->prog_size;
    fs->entries = fs->meta + FP_MINI_SECTION;
    fs->bufs = fs->meta + fs->block_size;
    fs->version = (uint8_t)fp_fs_option(cfg->options, "version", 1);
    fs->is_big = fp_fs_option(cfg->options, "big", 0);
    fs->is_raw = fp_fs_option(cfg->options, "raw", 0);
}

bool fp_mini_can_write(const struct fp_mini *fs)
{
    const struct fp_bdev *dev = fs->dev;

    return dev->flags & FP_BDEV_ERASED_FF &&
           dev->flags &
               (FP_BDEV_REPROG | FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG) &&
           fs->block_size % dev->block_size == 0 && fs->block_count >= 2;
}

int fp_mini_mount(struct fp_mount *mnt)
{
    struct fp_mini *fs = mnt->ws;

    fp_mini_setup(mnt->dev, &mnt->cfg, fs);
    mnt->cfg.block_size = fs->block_size;
    if (!fp_mini_can_write(fs))
        mnt->cfg.flags |= FP_MOUNT_RDONLY;
    return fp_mini_look(fs);
}

int fp_mini_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    uint32_t used, files;
    int err = fp_mini_look(fs);

    if (err)
        return err;
    used = fs->count + 1;
    files = fs->slots - fs->count;
    /* One block stays free: without it nothing could be changed again. */
    while (files > 0 && used + files >= fs->block_count)
        files--;
    st->block_size = fs->block_size;
    st->block_count = fs->block_count;
    st->blocks_used = used;
    st->size = fp_mini_addr(fs, fs->block_count);
    st->free = fp_mini_addr(fs, files);
    st->name_max = FP_MINI_NAME;
    st->file_max = fs->file_max;
    st->files_max = fs->count + files;
    st->version[0] = (char)('0' + fs->version % 10);
    st->needs_repair = fs->has_rival;
    return FP_OK;
}

int fp_mini_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_mini *fs = fp_mini_of(mnt);
    int err = fp_mini_look(fs);

    if (!err)
        err = fn(ctx, fs->block, FP_BLOCK_METADATA);
    for (uint32_t i = 0; i < fs->count && !err; i++) {
        const uint8_t *entry = fp_mini_entry(fs, i);

        if (fp_mini_is_sound(fs, entry))
            err = fn(ctx, fp_mini_block(fs, entry), FP_BLOCK_DATA);
    }
    return err;
}
