/* SPDX-License-Identifier: MIT
 *
 * Is there a littlefs at the start of a device, and what is its block size?
 * Works before any workspace exists, with small reads of its own.
 *
 * The superblock pair is blocks 0 and 1, and the entry's magic stands at byte
 * 8 of both. Block 0 is at a known place; where its first commit is good, its
 * record says the block size. When block 0 is torn or blank, block 1 has to be
 * found: at the sizes that flash has first, then, on devices whose own blocks
 * are small enough to leave it open, wherever the magic is.
 */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define CHUNK 64u

/* Reads whole read units into a small buffer. Devices with larger read units
 * than the buffer are read in units by way of their own driver's buffers: none
 * exists whose unit exceeds 256. */
#define UNIT_MAX 256u

struct source {
    struct fp_bdev *dev;
    fp_addr at; /* of the window */
    uint32_t size;
    uint8_t buf[UNIT_MAX];
};

static int get(struct source *src, fp_addr off, uint8_t *to, uint32_t size)
{
    uint32_t unit = src->dev->read_size;
    uint32_t window = unit > CHUNK ? unit : CHUNK / unit * unit;
    fp_addr total = fp_bdev_size(src->dev);

    for (; size > 0; off++, to++, size--) {
        if (off >= total)
            return FP_ERR_CORRUPT;
        if (!src->size || off < src->at || off - src->at >= src->size) {
            fp_addr start = off - off % unit;
            int err;

            src->size =
                total - start < window ? (uint32_t)(total - start) : window;
            src->at = start;
            err = fp_bdev_read(src->dev, start, src->buf, src->size);
            if (err) {
                src->size = 0;
                return err;
            }
        }
        *to = src->buf[off - src->at];
    }
    return FP_OK;
}

static int crc_bytes(struct source *src, fp_addr off, uint32_t size,
                     uint32_t *crc)
{
    while (size > 0) {
        uint8_t part[32];
        uint32_t n = fp_lfs_min(size, sizeof part);
        int err = get(src, off, part, n);

        if (err)
            return err;
        *crc = fp_crc32(*crc, part, n);
        off += n;
        size -= n;
    }
    return FP_OK;
}

/* Follows the first commit of the block at `start` to its CRC. *record: where
 * the superblock record lies; 0: there is none. */
static int first_commit(struct source *src, fp_addr start, uint32_t limit,
                        fp_addr *record)
{
    uint32_t crc = 0xffffffffu, ptag = 0xffffffffu, off = 4;
    int err = crc_bytes(src, start, 4, &crc);

    *record = 0;
    while (!err && off + 4 <= limit) {
        uint8_t raw[4];
        uint32_t tag, type, size;

        err = get(src, start + off, raw, 4);
        if (err)
            return err;
        tag = fp_get_be32(raw) ^ ptag;
        type = fp_lfs_tag_type(tag);
        size = fp_lfs_tag_size(tag);
        if (tag & FP_LFS_TAG_INVALID || off + 4 + size > limit)
            return FP_ERR_NOENT;
        crc = fp_crc32(crc, raw, 4);
        if (fp_lfs_tag_is_crc(tag)) {
            err = get(src, start + off + 4, raw, 4);
            return err ? err : fp_get_le32(raw) == crc ? FP_OK : FP_ERR_NOENT;
        }
        err = crc_bytes(src, start + off + 4, size, &crc);
        if (type == FP_LFS_STRUCT_INLINE && fp_lfs_tag_id(tag) == 0 &&
            size >= 24)
            *record = start + off + 4;
        ptag = tag;
        off += 4 + size;
    }
    return err ? err : FP_ERR_NOENT;
}

/* A superblock at `start`? */
static int superblock_at(struct source *src, fp_addr start, uint32_t limit,
                         uint32_t *block_size)
{
    uint8_t raw[8];
    fp_addr record;
    int err = get(src, start + 8, raw, 8);

    if (!err && memcmp(raw, "littlefs", 8) != 0)
        err = FP_ERR_NOENT;
    if (!err)
        err = first_commit(src, start, limit, &record);
    if (!err && !record)
        err = FP_ERR_NOENT;
    if (!err)
        err = get(src, record, raw, 8);
    if (err)
        return err;
    *block_size = fp_get_le32(raw + 4);
    if (fp_get_le32(raw) >> 16 != 2 || *block_size < FP_LFS_BLOCK_MIN ||
        *block_size > FP_LFS_BLOCK_MAX)
        return FP_ERR_NOENT;
    return FP_OK;
}

/* Is block 1 of a volume with this block size there? */
static bool second_at(struct source *src, uint32_t size)
{
    uint32_t found;

    return size >= FP_LFS_BLOCK_MIN && size <= FP_LFS_BLOCK_MAX &&
           superblock_at(src, size, size, &found) == FP_OK && found == size;
}

static uint32_t guess(struct source *src)
{
    uint32_t unit = src->dev->block_size;
    fp_addr total = fp_bdev_size(src->dev);

    for (uint32_t size = unit; size <= FP_LFS_BLOCK_MAX; size *= 2)
        if (second_at(src, size))
            return size;
    for (uint32_t size = 128; size <= FP_LFS_BLOCK_MAX; size *= 2)
        if (second_at(src, size))
            return size;
    if (unit > 512)
        return 0;
    for (uint32_t size = FP_LFS_BLOCK_MIN;
         size <= FP_LFS_BLOCK_MAX && size + 16 <= total; size++) {
        uint8_t first;

        if (get(src, (fp_addr)size + 8, &first, 1))
            continue;
        if (first == 'l' && second_at(src, size))
            return size;
    }
    return 0;
}

int fp_lfs_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    struct source src = { .dev = dev };
    fp_addr total = fp_bdev_size(dev);
    uint32_t limit =
        total < FP_LFS_BLOCK_MAX ? (uint32_t)total : FP_LFS_BLOCK_MAX;
    uint32_t size = 0;
    int err;

    *score = 0;
    if (dev->read_size > UNIT_MAX)
        return FP_ERR_NOTSUP;
    err = superblock_at(&src, 0, limit, &size);
    if (err && err != FP_ERR_NOENT && err != FP_ERR_CORRUPT)
        return err;
    if (err || (cfg->block_size && size != cfg->block_size)) {
        size = cfg->block_size;
        if (size ? !second_at(&src, size) : !(size = guess(&src)))
            return FP_ERR_NOENT;
    }
    /* Surest where both halves of the pair are there: one half alone is also
     * what the pair looks like from one block further on or before. */
    *score = err ? 60 : second_at(&src, size) ? 100 : 80;
    cfg->block_size = size;
    return FP_OK;
}
