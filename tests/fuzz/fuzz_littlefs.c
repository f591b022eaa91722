/* SPDX-License-Identifier: MIT
 *
 * Any image as a littlefs volume: mounted, walked, read, checked, written to,
 * and the same once more after a new mount.
 *
 * Input: a byte, then the image.
 *   bits 0..2  block size stated at mount: 0 none, else 64 << it
 *   bits 3, 4  unit of programming: 1, 2, 4, 8
 *   bit 5      metadata moves at every second erase
 *   bit 6      read-only
 *   bit 7      CRCs stay as they are; else every commit's is made good, so
 *              that changes reach behind the check
 *
 * Most changes go through a mutator that knows tags: on flash each is XORed
 * with the one before, and a byte changed blindly would change all behind it.
 *
 * A commit may look through the whole volume for free blocks, parents and
 * predecessors, and do so again for each pair that moves with it; a path looks
 * through a directory for each of its components: 2,000 times the image.
 */
#include "core/bytes.h"
#include "core/digest/crc32.h"
#include "core/fs/littlefs/littlefs.h"
#include "tests/fuzz/volume.h"

#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX  65536u
#define ERASE_SIZE 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* --- logs --- */

/* What the image says, if it is one that the harness can follow. */
static uint32_t block_size_of(uint8_t how, const uint8_t *image, size_t size)
{
    uint32_t said = 64u << (how & 7);

    if (!(how & 7))
        said = size >= 28 ? fp_get_le32(image + 24) : 0;
    return said >= 104 && said <= size / 2 ? said : 512;
}

/* Follows a block's log; each commit's CRC becomes right. The offset of tag
 * number `find`, or 0, and with it the tag and the one before. */
static uint32_t follow(uint8_t *block, uint32_t size, uint32_t find,
                       uint32_t *found, bool repair)
{
    uint32_t off = 4, ptag = 0xffffffff, at = 0;
    uint32_t crc = fp_crc32(0xffffffff, block, 4);

    while (off + 8 <= size) {
        uint32_t tag = fp_get_be32(block + off) ^ ptag;
        uint32_t len = (tag & 0x3ff) == 0x3ff ? 0 : tag & 0x3ff;
        uint32_t type = tag >> 20 & 0x7ff;

        if (tag >> 31 || len > size - off - 4)
            break;
        if (find-- == 0) {
            at = off;
            *found = tag;
        }
        if ((type & 0x780) == 0x500) {
            crc = fp_crc32(crc, block + off, 4);
            if (repair)
                fp_put_le32(block + off + 4, crc);
            ptag = tag ^ (type & 1) << 31;
            crc = 0xffffffff;
        } else {
            crc = fp_crc32(crc, block + off, 4 + len);
            ptag = tag;
        }
        off += 4 + len;
    }
    return at;
}

/* Another type, id or length in a tag; the tag behind keeps its own value. */
static void change_tag(uint8_t *block, uint32_t size, uint32_t at, uint32_t tag,
                       uint32_t how)
{
    static const uint16_t types[] = { 0x001, 0x002, 0x0ff, 0x200, 0x201,
                                      0x202, 0x301, 0x374, 0x401, 0x4ff,
                                      0x5ff, 0x600, 0x601, 0x7ff };
    uint32_t len = (tag & 0x3ff) == 0x3ff ? 0 : tag & 0x3ff, flip;

    switch (how % 4) {
    case 0:
        flip = (tag ^ (uint32_t)types[how / 4 % 14] << 20) & 0x7ff00000;
        break;
    case 1:
        flip = (tag ^ (how / 4 % 8) << 10) & 0xffc00;
        break;
    case 2:
        flip = 1u << (how / 4 % 31);
        break;
    default:
        flip = (tag ^ how / 4 % 32) & 0x3ff;
    }
    fp_put_be32(block + at, fp_get_be32(block + at) ^ flip);
    if (at + 8 + len <= size)
        fp_put_be32(block + at + 4 + len,
                    fp_get_be32(block + at + 4 + len) ^ flip);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    uint32_t rng = seed * 2654435761u | 1, times = 1 + (rng >> 28 & 3);
    uint8_t *image = data + 1;

    if (size < 1024 || seed % 5 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    if (seed % 16 == 1)
        data[0] = (uint8_t)(rng >> 12);
    while (times--) {
        uint32_t bs = block_size_of(data[0], image, size - 1), at, tag = 0;
        uint32_t blocks = (uint32_t)((size - 1) / bs);
        uint8_t *block;

        rng = rng * 1664525 + 1013904223;
        block = image + (size_t)((rng >> 8) % blocks) * bs;
        rng = rng * 1664525 + 1013904223;
        at = follow(block, bs, (rng >> 8) % 24, &tag, false);
        rng = rng * 1664525 + 1013904223;
        if (at == 0) {
            times += rng >> 31; /* no log; another block, perhaps */
            continue;
        }
        if (rng >> 31 && (tag & 0x3ff) != 0x3ff && tag & 0x3ff &&
            at + 4 + (tag & 0x3ff) <= bs) {
            uint32_t where = (rng >> 4) % (tag & 0x3ff);

            /* Pairs and heads: small numbers are blocks. */
            block[at + 4 + where] = rng >> 30 & 1
                                        ? (uint8_t)((rng >> 16) % blocks)
                                        : (uint8_t)(rng >> 16);
        } else {
            change_tag(block, bs, at, tag, rng >> 8);
        }
    }
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t prog_sizes[] = { 1, 2, 4, 8 };
    struct fuzz_layout layout = { .ops = &fp_fs_littlefs,
                                  .block_size = ERASE_SIZE };
    uint32_t bs;
    uint8_t *image;

    if (size < 1 + 256 || size > 1 + IMAGE_MAX)
        return 0;
    layout.prog_size = prog_sizes[data[0] >> 3 & 3];
    layout.cfg.flags = data[0] & 64 ? FP_MOUNT_RDONLY : 0;
    layout.cfg.block_size = data[0] & 7 ? 64u << (data[0] & 7) : 0;
    layout.cfg.block_cycles = data[0] & 32 ? 1 : 0;
    size -= 1 + (size - 1) % ERASE_SIZE;
    image = malloc(size);
    if (image == NULL)
        abort();
    memcpy(image, data + 1, size);
    bs = block_size_of(data[0], image, size);
    for (size_t at = 0; !(data[0] & 128) && at + bs <= size; at += bs)
        (void)follow(image + at, bs, UINT32_MAX, &(uint32_t){ 0 }, true);
    fuzz_volume(&layout, image, size);
    free(image);
    return 0;
}
