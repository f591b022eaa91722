/* SPDX-License-Identifier: MIT
 *
 * How a change reaches flash. Content first, to a block that nothing refers
 * to; then a metadata block; then the old one stops being metadata. Blocks are
 * taken in a circle, content behind the metadata, metadata behind the content,
 * and erased when they are taken, so that everything wears alike.
 *
 *     old metadata .. | content | new metadata |
 *                      1.        2. and its mark    3. the old one's mark goes
 *
 * The mark is a block's first byte. It is programmed last; where a unit takes
 * no second program, the device lands units whole (fp_mini_can_write()), and
 * the last is the one with the mark. A cut before step 2 ends leaves the old
 * volume; a cut after it leaves two, old and new, and whichever comes first
 * counts, until prepare() takes the mark off the other. Taking it off, and not
 * erasing at once, also saves the moment when a torn erase has left the mark
 * over half of the entries.
 */
#include "core/fs/minifs/mini.h"

static bool takes_second_prog(const struct fp_mini *fs)
{
    return fs->dev->flags & (FP_BDEV_REPROG | FP_BDEV_OVERWRITE);
}

static int erase(const struct fp_mini *fs, uint32_t block)
{
    uint32_t each = fs->block_size / fs->dev->block_size;

    return fp_bdev_erase(fs->dev, block * each, each);
}

/* Programs buf[from..size), rounded up to units; 0xff stands behind size. */
static int prog(const struct fp_mini *fs, uint32_t block, uint8_t *buf,
                uint32_t from, uint32_t size)
{
    uint32_t unit = fs->dev->prog_size;
    uint32_t end = (size + unit - 1) / unit * unit;

    memset(buf + size, 0xff, end - size);
    return from >= end ? FP_OK
                       : fp_bdev_prog(fs->dev, fp_mini_addr(fs, block) + from,
                                      buf + from, end - from);
}

int fp_mini_store(const struct fp_mini *fs, uint32_t block, uint8_t *buf,
                  uint32_t size)
{
    int err = erase(fs, block);

    return err ? err : prog(fs, block, buf, 0, size);
}

static void put16(const struct fp_mini *fs, uint8_t *p, uint32_t v)
{
    p[fs->is_big] = (uint8_t)v;
    p[!fs->is_big] = (uint8_t)(v >> 8);
}

/* What was metadata is none any more. One byte is enough where it can be
 * programmed; the block is erased when it is needed. */
static int drop(const struct fp_mini *fs, uint32_t block)
{
    if (!takes_second_prog(fs))
        return erase(fs, block);
    memset(fs->unit, 0xff, fs->dev->prog_size);
    fs->unit[0] = 0;
    return fp_bdev_prog(fs->dev, fp_mini_addr(fs, block), fs->unit,
                        fs->dev->prog_size);
}

int fp_mini_prepare(struct fp_mini *fs)
{
    int err = fp_mini_look(fs);

    for (uint32_t block = 0; !err && fs->has_rival && block < fs->block_count;
         block++) {
        if (block == fs->block)
            continue;
        err = fp_mini_is_marked(fs, block);
        if (err > 0)
            err = drop(fs, block);
    }
    if (!err)
        fs->has_rival = false;
    return err;
}

/* Open files count: they read on from what was removed, and what they staged
 * has no entry yet. */
static bool is_used(const struct fp_mini *fs, uint32_t block)
{
    if (block == fs->block)
        return true;
    for (uint32_t i = 0; i < fs->count; i++)
        if (fp_mini_block(fs, fp_mini_entry(fs, i)) == block)
            return true;
    for (uint32_t i = 0; i < fs->max_files; i++)
        if (fs->files[i] != NULL && fs->files[i]->block == block)
            return true;
    return false;
}

int fp_mini_next_free(const struct fp_mini *fs, uint32_t block, uint32_t *next)
{
    for (uint32_t i = 0; i < fs->block_count; i++) {
        block = block + 1 < fs->block_count ? block + 1 : 0;
        if (!is_used(fs, block)) {
            *next = block;
            return FP_OK;
        }
    }
    return FP_ERR_NOSPC;
}

int fp_mini_write_meta(struct fp_mini *fs, uint32_t block)
{
    uint32_t size = FP_MINI_SECTION * (fs->count + 1);
    int err = erase(fs, block);

    memcpy(fs->meta, FP_MINI_MAGIC, FP_MINI_MAGIC_SIZE);
    fs->meta[FP_MINI_MAGIC_SIZE] = fs->version;
    put16(fs, fs->meta + 14, fs->count);
    memset(fs->meta + size, 0xff, fs->block_size - size);
    fs->meta[0] = 0xff;
    if (!err)
        err = prog(fs, block, fs->meta,
                   takes_second_prog(fs) ? 0 : fs->dev->prog_size, size);
    fs->meta[0] = (uint8_t)FP_MINI_MAGIC[0];
    if (err)
        return err;
    return fp_bdev_prog(fs->dev, fp_mini_addr(fs, block), fs->meta,
                        fs->dev->prog_size);
}

int fp_mini_commit(struct fp_mini *fs, uint32_t block)
{
    uint32_t old = fs->block;
    int err = fp_mini_write_meta(fs, block);

    if (!err) {
        fs->block = block;
        err = drop(fs, old);
    }
    if (!err)
        err = fp_bdev_sync(fs->dev);
    fs->is_loaded = !err;
    return err;
}

void fp_mini_set_entry(struct fp_mini *fs, uint32_t index,
                       const struct fp_mini_file *f)
{
    uint8_t *entry = fp_mini_entry(fs, index);

    memcpy(entry, f->name, FP_MINI_NAME);
    put16(fs, entry + 12, f->size);
    put16(fs, entry + 14, f->block);
}
