/* SPDX-License-Identifier: MIT
 *
 * Damaged images: truncated, zeroed, bits flipped, and, so that damage gets
 * behind the checksums, tags and data changed with the commit's CRC made good
 * again. Each is mounted, walked, read and checked, and a part is written to;
 * any answer will do, as long as there is one: sanitizers and a limit on the
 * number of reads are what this test listens to.
 *
 *     FP_LFS_MUTATIONS=100000 FP_LFS_SEED=7 test_littlefs_mutations
 */
#include "tests/unit/littlefs_support.h"

#include "core/bytes.h"
#include "core/digest/crc32.h"

static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 11) % below;
}

/* A device that counts its reads and refuses once they are far more than any
 * walk in time linear to the image could take. */
struct limited {
    struct fp_bdev bdev;
    struct fp_bdev *under;
    uint64_t left;
};

static int limited_read(struct fp_bdev *dev, fp_addr off, void *buf,
                        uint32_t size)
{
    struct limited *l = (struct limited *)(void *)dev;

    if (l->left < size)
        fail_msg("more was read than a damaged image is worth");
    l->left -= size;
    return fp_bdev_read(l->under, off, buf, size);
}

static int limited_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                        uint32_t size)
{
    return fp_bdev_prog(((struct limited *)(void *)dev)->under, off, buf, size);
}

static int limited_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    return fp_bdev_erase(((struct limited *)(void *)dev)->under, block, count);
}

static const struct fp_bdev_ops limited_ops = {
    .read = limited_read,
    .prog = limited_prog,
    .erase = limited_erase,
};

/* --- damage --- */

/* Follows the log of a block and changes something in one of its commits, then
 * writes the CRC that belongs to it. */
static void mutate_commit(uint8_t *block, uint32_t size)
{
    uint32_t target = rnd(12), seen = 0, off = 4, ptag = 0xffffffff;
    uint32_t crc = fp_crc32(0xffffffff, block, 4);
    bool hit = false;

    while (off + 8 <= size) {
        uint32_t tag = fp_get_be32(block + off) ^ ptag;
        uint32_t len = (tag & 0x3ff) == 0x3ff ? 0 : tag & 0x3ff;
        uint32_t type = tag >> 20 & 0x7ff;

        if (tag >> 31 || off + 4 + len > size)
            return;
        if ((type & 0x780) == 0x500) {
            crc = fp_crc32(crc, block + off, 4);
            fp_put_le32(block + off + 4, crc);
            if (hit)
                return;
            ptag = tag ^ (type & 1) << 31;
            crc = 0xffffffff;
            off += 4 + len;
            continue;
        }
        if (!hit && seen++ == target) {
            hit = true;
            if (len && rnd(3)) {
                block[off + 4 + rnd(len)] = (uint8_t)rnd(rnd(2) ? 8 : 256);
            } else {
                /* The tag after it is XORed with this one: its own value
                 * stays when both change alike. */
                uint32_t flip = 1u << (10 + rnd(21));

                if (off + 8 + len > size)
                    return;
                fp_put_be32(block + off, fp_get_be32(block + off) ^ flip);
                fp_put_be32(block + off + 4 + len,
                            fp_get_be32(block + off + 4 + len) ^ flip);
                tag ^= flip;
            }
        }
        crc = fp_crc32(crc, block + off, 4 + len);
        ptag = tag;
        off += 4 + len;
    }
}

static void damage(const struct lfs_image *image, uint8_t *mem, size_t *size)
{
    uint32_t blocks = image->block_count, bs = image->block_size;
    uint32_t times = 1 + rnd(4);

    switch (rnd(8)) {
    case 0: /* truncated */
        *size = bs * (1 + rnd(blocks));
        break;
    case 1: /* zeroed */
        memset(mem + rnd((uint32_t)image->size - 64), 0, 64);
        break;
    case 2: /* one block over another */
        memcpy(mem + (size_t)rnd(blocks) * bs, mem + (size_t)rnd(4) * bs, 1);
        memmove(mem + (size_t)rnd(blocks) * bs, mem + (size_t)rnd(blocks) * bs,
                bs);
        break;
    case 3: /* bits */
        while (times--)
            mem[rnd((uint32_t)image->size)] ^= (uint8_t)(1u << rnd(8));
        break;
    default:
        times *= 4;
        while (times--)
            mutate_commit(mem + (size_t)rnd(rnd(2) ? blocks : 8) % blocks * bs,
                          bs);
    }
}

/* --- use --- */

static void read_all(struct fp_mount *mnt, const char *path)
{
    uint8_t buf[4096];
    struct fp_file file;

    if (fp_fs_open(mnt, &file, path, FP_O_READ))
        return;
    for (int i = 0; i < 64 && fp_fs_read(&file, buf, sizeof buf) > 0; i++)
        ;
    fp_fs_close(&file);
}

/* At most so many entries: a damaged tree may have many names for the same. */
static void walk(struct fp_mount *mnt)
{
    static char todo[300][FP_PATH_MAX + 300];
    int count = 1;

    strcpy(todo[0], "/");
    for (int i = 0; i < count; i++) {
        uint8_t types[256];
        struct fp_dirent entry;
        struct fp_dir dir;

        (void)fp_fs_listattr(mnt, todo[i], types, sizeof types);
        read_all(mnt, todo[i]);
        if (fp_fs_opendir(mnt, &dir, todo[i]))
            continue;
        while (fp_fs_readdir(&dir, &entry) > 0 && count < 300)
            if (strlen(todo[i]) + entry.name_len < FP_PATH_MAX)
                snprintf(todo[count++], sizeof todo[0], "%.1022s/%.255s",
                         i ? todo[i] : "", entry.name);
        fp_fs_closedir(&dir);
    }
}

static void write_some(struct fp_mount *mnt)
{
    static const char data[700] = "x";
    struct fp_file file;

    (void)fp_fs_mkdir(mnt, "/fp");
    if (!fp_fs_open(mnt, &file, "/fp/new", FP_O_WRITE | FP_O_CREATE)) {
        (void)fp_fs_write(&file, data, sizeof data);
        (void)fp_fs_close(&file);
    }
    (void)fp_fs_rename(mnt, "/fp/new", "/moved", 0);
    (void)fp_fs_setattr(mnt, "/", 3, "abc", 3);
    (void)fp_fs_remove(mnt, "/fp");
}

static void use(const struct lfs_image *image, uint8_t *mem, size_t size,
                bool write)
{
    const struct fp_fs_ops *drivers[] = { &fp_fs_littlefs, NULL }, *ops;
    uint32_t blocks = (uint32_t)(size / image->block_size);
    struct fp_fs_config cfg = { .block_size = image->block_size,
                                .flags = write ? 0 : FP_MOUNT_RDONLY },
                        probed = { 0 };
    struct limited limited = { .left = UINT64_MAX };
    struct fp_step step = { .kind = FP_STEP_CHECK };
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_statfs st;

    fp_bdev_ram_init(&ram, image->prog_size, image->block_size, blocks, mem);
    limited.bdev = ram.bdev;
    limited.bdev.ops = &limited_ops;
    limited.under = &ram.bdev;
    (void)fp_fs_probe(drivers, &limited.bdev, &ops, &probed);
    /* A mount looks at each pair a few times at most. */
    limited.left = 16 * (uint64_t)size + 65536;
    if (lfs_mount(&mnt, &limited.bdev, &cfg))
        return;
    limited.left = UINT64_MAX;
    (void)fp_fs_statfs(&mnt, &st);
    walk(&mnt);
    for (int i = 0; i < 20000 && !step.done; i++)
        if (fp_fs_step(&mnt, &step))
            break;
    if (write)
        write_some(&mnt);
    walk(&mnt);
    lfs_unmount(&mnt);
}

static void damaged_images_get_an_answer(void **state)
{
    static const char *const names[] = {
        "basic_b128_p1_v21",
        "basic_b512_p16_v20",
        "many_b128_v21",
        "attrs_b512",
        "deep_b512",
        "wear_b512_c2",
        "pl_b256_c2_halforphan_0138",
        "pl_b256_c2_move_orphan_0092",
        "pl_b512_c1_orphan_0078",
        "names_b512_max48",
        "empty_b128_p1_v21",
        "many_b512_v20",
    };
    const char *text = getenv("FP_LFS_MUTATIONS"),
               *seed = getenv("FP_LFS_SEED");
    uint32_t total = text ? (uint32_t)atol(text) : 10000;
    uint32_t kinds = sizeof names / sizeof *names;

    (void)state;
    rng = seed ? strtoull(seed, NULL, 0) : 20261121;
    print_message("FP_LFS_SEED=%llu\n", (unsigned long long)rng);
    rng = rng * 0x9e3779b97f4a7c15u | 1;
    for (uint32_t k = 0; k < kinds; k++) {
        struct lfs_image image;
        uint8_t *mem;

        lfs_image_load(&image, names[k]);
        for (uint32_t i = 0; i < total / kinds + 1; i++) {
            size_t size = image.size;

            mem = malloc(image.size);
            memcpy(mem, image.mem, image.size);
            damage(&image, mem, &size);
            use(&image, mem, size, i % 2);
            free(mem);
        }
        lfs_image_free(&image);
    }
    print_message("%u mutations\n", (total / kinds + 1) * kinds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_images_get_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
