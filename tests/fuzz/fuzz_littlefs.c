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
 * What is found is told by the sanitizers and by a limit on the bytes that one
 * operation may read or write: nothing goes round for ever.
 */
#include "core/bdev/ram.h"
#include "core/bytes.h"
#include "core/digest/crc32.h"
#include "core/fs/littlefs/littlefs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MAX   65536u
#define ERASE_SIZE  8u
#define ENTRIES_MAX 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* --- a device that ends what never ends --- */

struct limited {
    struct fp_bdev bdev;
    struct fp_bdev_ram ram;
    uint64_t left;
};

static void spend(struct fp_bdev *dev, uint64_t size)
{
    struct limited *l = (struct limited *)(void *)dev;

    if (l->left < size)
        abort();
    l->left -= size;
}

static struct fp_bdev *under(struct fp_bdev *dev)
{
    return &((struct limited *)(void *)dev)->ram.bdev;
}

static int limited_read(struct fp_bdev *dev, fp_addr off, void *buf,
                        uint32_t size)
{
    spend(dev, size);
    return fp_bdev_read(under(dev), off, buf, size);
}

static int limited_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                        uint32_t size)
{
    spend(dev, size);
    return fp_bdev_prog(under(dev), off, buf, size);
}

static int limited_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    spend(dev, (uint64_t)count * dev->block_size);
    return fp_bdev_erase(under(dev), block, count);
}

static const struct fp_bdev_ops limited_ops = {
    .read = limited_read,
    .prog = limited_prog,
    .erase = limited_erase,
};

static struct limited dev;

/* Before every operation. A commit may look through the whole volume for free
 * blocks, parents and predecessors, and do so again for each pair that moves
 * with it; a path looks through a directory for each of its components. */
static void allow(void)
{
    dev.left = 2000 * (uint64_t)fp_bdev_size(&dev.bdev) + (1u << 20);
}

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

/* --- use --- */

static char paths[ENTRIES_MAX][FP_PATH_MAX + FP_NAME_MAX + 2];
static int path_count;

static void on_finding(void *ctx, enum fp_finding_level level, uint32_t block,
                       const char *text)
{
    (void)block;
    *(size_t *)ctx += strlen(text) + (size_t)level;
}

static int on_block(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)use;
    *(size_t *)ctx += block;
    return FP_OK;
}

static void read_file(struct fp_mount *mnt, const char *path)
{
    uint8_t buf[1000];
    struct fp_file file;
    int64_t end;

    allow();
    if (fp_fs_open(mnt, &file, path, FP_O_READ))
        return;
    for (int i = 0; i < 8; i++) {
        allow();
        if (fp_fs_read(&file, buf, sizeof buf) <= 0)
            break;
    }
    end = fp_fs_seek(&file, 0, FP_SEEK_END);
    for (int i = 1; i < 4 && end > 0; i++) {
        allow();
        (void)fp_fs_seek(&file, end * i / 4, FP_SEEK_SET);
        (void)fp_fs_read(&file, buf, 100);
    }
    allow();
    fp_fs_close(&file);
}

static void attributes(struct fp_mount *mnt, const char *path)
{
    uint8_t types[256], value[1100];
    int count;

    allow();
    count = fp_fs_listattr(mnt, path, types, sizeof types);
    for (int i = 0; i < count && i < 4; i++) {
        allow();
        (void)fp_fs_getattr(mnt, path, types[i], value, sizeof value);
    }
}

static void list(struct fp_mount *mnt, int at)
{
    struct fp_dirent entry;
    struct fp_dir dir;

    allow();
    if (fp_fs_opendir(mnt, &dir, paths[at]))
        return;
    for (;;) {
        allow();
        if (fp_fs_readdir(&dir, &entry) <= 0 || path_count == ENTRIES_MAX)
            break;
        if (entry.name_len > FP_NAME_MAX ||
            strlen(entry.name) != entry.name_len)
            abort();
        if (strlen(paths[at]) + 1 + entry.name_len <= FP_PATH_MAX)
            snprintf(paths[path_count++], sizeof paths[0], "%.*s/%s",
                     FP_PATH_MAX, at ? paths[at] : "", entry.name);
    }
    allow();
    fp_fs_closedir(&dir);
}

static void walk(struct fp_mount *mnt)
{
    struct fp_stat st;

    strcpy(paths[0], "/");
    path_count = 1;
    for (int i = 0; i < path_count; i++) {
        allow();
        (void)fp_fs_stat(mnt, paths[i], &st);
        attributes(mnt, paths[i]);
        read_file(mnt, paths[i]);
        list(mnt, i);
    }
}

static void step(struct fp_mount *mnt, enum fp_step_kind kind)
{
    size_t sum = 0;
    struct fp_step s = { .kind = kind, .on_finding = on_finding, .ctx = &sum };
    int calls = 0;

    do {
        allow();
        if (++calls > 100000)
            abort();
    } while (fp_fs_step(mnt, &s) == FP_OK && !s.done);
}

static void put(struct fp_mount *mnt, const char *path, uint32_t flags,
                uint32_t size)
{
    static const uint8_t data[1500] = { 1, 2, 3 };
    const struct fp_commit_meta meta = { .has_mtime = true, .mtime_ns = 7 };
    struct fp_file file;

    allow();
    if (fp_fs_open(mnt, &file, path, FP_O_WRITE | flags))
        return;
    allow();
    (void)fp_fs_write(&file, data, size);
    allow();
    if (flags & FP_O_STAGE)
        (void)fp_fs_commit(&file, &meta);
    else
        (void)fp_fs_truncate(&file, size / 2);
    allow();
    (void)fp_fs_close(&file);
}

static void change(struct fp_mount *mnt)
{
    const char *last = paths[path_count - 1], *mid = paths[path_count / 2];

    put(mnt, "/fp", FP_O_CREATE, 20);
    allow();
    (void)fp_fs_mkdir(mnt, "/dir");
    put(mnt, "/dir/staged", FP_O_CREATE | FP_O_STAGE, 1500);
    put(mnt, last, FP_O_APPEND, 700);
    allow();
    (void)fp_fs_rename(mnt, mid, "/dir/moved", 0);
    allow();
    (void)fp_fs_rename(mnt, "/dir/staged", last, 0);
    allow();
    (void)fp_fs_setattr(mnt, mid, 0x74, "abcdefg", 8);
    allow();
    (void)fp_fs_remove(mnt, last);
    for (int i = 1; i < path_count && i < 8; i++) {
        allow();
        (void)fp_fs_remove(mnt, paths[i]);
    }
    step(mnt, FP_STEP_GC);
    step(mnt, FP_STEP_COMPACT);
}

static void use(const struct fp_fs_config *cfg)
{
    struct fp_fs_config probed = *cfg;
    struct fp_mount mnt;
    struct fp_statfs st;
    size_t size, sum = 0;
    void *ws;
    int score;

    allow();
    if (!probed.block_size && fp_fs_littlefs.probe(&dev.bdev, &probed, &score))
        return;
    size = fp_fs_littlefs.workspace(&dev.bdev, &probed);
    ws = malloc(size ? size : 1);
    if (ws == NULL)
        abort();
    allow();
    if (!fp_fs_mount(&mnt, &fp_fs_littlefs, &dev.bdev, &probed, ws, size)) {
        allow();
        (void)fp_fs_statfs(&mnt, &st);
        walk(&mnt);
        allow();
        (void)fp_fs_blocks(&mnt, on_block, &sum);
        step(&mnt, FP_STEP_CHECK);
        if (!(probed.flags & FP_MOUNT_RDONLY)) {
            change(&mnt);
            walk(&mnt);
            step(&mnt, FP_STEP_REPAIR);
        }
        allow();
        if (fp_fs_unmount(&mnt))
            abort();
    }
    free(ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t prog_sizes[] = { 1, 2, 4, 8 };
    struct fp_fs_config cfg = { 0 };
    uint32_t bs, blocks;
    uint8_t *image;

    if (size < 1 + 256 || size > 1 + IMAGE_MAX)
        return 0;
    cfg.flags = data[0] & 64 ? FP_MOUNT_RDONLY : 0;
    cfg.block_size = data[0] & 7 ? 64u << (data[0] & 7) : 0;
    cfg.block_cycles = data[0] & 32 ? 1 : 0;
    blocks = (uint32_t)(size - 1) / ERASE_SIZE;
    image = malloc((size_t)blocks * ERASE_SIZE);
    if (image == NULL)
        abort();
    memcpy(image, data + 1, (size_t)blocks * ERASE_SIZE);
    bs = block_size_of(data[0], image, (size_t)blocks * ERASE_SIZE);
    for (uint32_t at = 0; !(data[0] & 128) && at + bs <= blocks * ERASE_SIZE;
         at += bs)
        (void)follow(image + at, bs, UINT32_MAX, &(uint32_t){ 0 }, true);

    fp_bdev_ram_init(&dev.ram, prog_sizes[data[0] >> 3 & 3], ERASE_SIZE, blocks,
                     image);
    dev.bdev = dev.ram.bdev;
    dev.bdev.ops = &limited_ops;
    use(&cfg);
    use(&cfg);
    free(image);
    return 0;
}
