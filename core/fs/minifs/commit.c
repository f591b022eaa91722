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

static int erase(const struct fp_mini *fs, uint32_t block)
{
    return fp_bdev_erase(fs->dev, block * fs->each, fs->each);
}

int fp_mini_store(const struct fp_mini *fs, uint8_t *buf, uint32_t from,
                  uint32_t size)
{
    uint32_t unit = fs->dev->prog_size;
    uint32_t end = (size + unit - 1) / unit * unit;
    int err = erase(fs, fs->next);

    memset(buf + size, 0xff, fs->block_size - size);
    return err ? err
               : fp_bdev_prog(fs->dev, fp_mini_addr(fs, fs->next) + from,
                              buf + from, end - from);
}

void fp_mini_put16(const struct fp_mini *fs, uint8_t *p, uint32_t v)
{
    p[fs->is_big] = (uint8_t)v;
    p[!fs->is_big] = (uint8_t)(v >> 8);
}

/* Programs the unit that has the mark. */
static int prog_mark(struct fp_mini *fs, uint32_t block, uint8_t mark)
{
    fs->meta[0] = mark;
    return fp_bdev_prog(fs->dev, fp_mini_addr(fs, block), fs->meta,
                        fs->dev->prog_size);
}

/* Without its mark it is not, where that can be programmed, whatever becomes of
 * the bytes beside; the block is erased when it is needed. */
int fp_mini_drop(struct fp_mini *fs, uint32_t block)
{
    return fs->once ? erase(fs, block) : prog_mark(fs, block, 0);
}

int fp_mini_drop_rivals(struct fp_mini *fs)
{
    for (uint32_t block = 0; fs->has_rival && block < fs->block_count;
         block++) {
        int err = block == fs->block ? 0 : fp_mini_is_marked(fs, block);

        if (err > 0)
            err = fp_mini_drop(fs, block);
        if (err)
            return err;
    }
    fs->has_rival = false;
    return FP_OK;
}

/* Open files count: they read on from what was removed, and what they staged
 * has no entry yet. */
static bool is_used(const struct fp_mini *fs, uint32_t block)
{
    const uint8_t *entry = fp_mini_entry(fs, 0);

    if (block == fs->block)
        return true;
    for (; entry < fs->end; entry += FP_MINI_SECTION)
        if (fp_mini_block(fs, entry) == block)
            return true;
    for (uint32_t i = 0; i < fs->max_files; i++)
        if (fs->files[i] != NULL &&
            fp_mini_file_of(fs->files[i])->block == block)
            return true;
    return false;
}

uint32_t fp_mini_next_free(const struct fp_mini *fs, uint32_t block)
{
    for (uint32_t i = 0; i < fs->block_count; i++) {
        if (++block >= fs->block_count)
            block = 0;
        if (!is_used(fs, block))
            return block;
    }
    return FP_MINI_NO_BLOCK;
}

int fp_mini_write_meta(struct fp_mini *fs)
{
    int err;

    fp_mini_put16(fs, fs->meta + 14, fp_mini_count(fs));
    fs->meta[0] = 0xff;
    err = fp_mini_store(fs, fs->meta, fs->once, (uint32_t)(fs->end - fs->meta));
    return err ? err : prog_mark(fs, fs->next, (uint8_t)FP_MINI_MAGIC[0]);
}

int fp_mini_commit(struct fp_mini *fs)
{
    uint32_t old = fs->block;
    int err = FP_ERR_NOSPC;

    if (fs->next != FP_MINI_NO_BLOCK)
        err = fp_mini_drop_rivals(fs);
    if (!err)
        err = fp_mini_write_meta(fs);
    if (!err) {
        fs->block = fs->next;
        err = fp_mini_drop(fs, old);
    }
    if (!err)
        err = fp_bdev_sync(fs->dev);
    fs->is_loaded = !err;
    return err;
}
