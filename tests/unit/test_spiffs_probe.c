/* SPDX-License-Identifier: MIT
 *
 * What looking for a SPIFFS volume, and mounting one, asks of the medium, in
 * calls of read: a card takes as long for one as for a kilobyte.
 */
#include "tests/unit/spiffs_support.h"

#include "core/bdev/stats.h"
#include "core/bdev/window.h"
#include "core/bytes.h"

#define MIB (1u << 20)

/* A medium that nobody has to store: what is where is worked out. */
struct made {
    struct fp_bdev bdev;
    uint8_t (*byte_at)(uint64_t at);
};

static int made_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    const struct made *made = (const struct made *)dev;
    uint8_t *dst = buf;

    for (uint32_t i = 0; i < size; i++)
        dst[i] = made->byte_at(off + i);
    return FP_OK;
}

static const struct fp_bdev_ops made_ops = { .read = made_read };

struct looked {
    int err, score;
    uint64_t reads;
    struct fp_fs_config cfg;
};

/* Of the medium, counted below the window that probes are given. */
static struct looked look_at(struct fp_bdev *dev, int score)
{
    struct looked looked = { .score = score };
    struct fp_bdev_window window;
    struct fp_bdev_stats stats;
    uint8_t unit[4096];

    fp_bdev_stats_init(&stats, dev, NULL);
    looked.err = fp_fs_spiffs.probe(
        fp_bdev_window_init(&window, &stats.bdev, unit, sizeof unit),
        &looked.cfg, &looked.score);
    looked.reads = stats.count[FP_BDEV_READ].calls;
    return looked;
}

static struct looked look_at_made(uint8_t (*byte_at)(uint64_t at),
                                  uint32_t read_size, uint32_t block_size,
                                  uint32_t block_count)
{
    struct made made = {
        .bdev = { .ops = &made_ops,
                  .read_size = read_size,
                  .prog_size = read_size,
                  .block_size = block_size,
                  .block_count = block_count,
                  .flags = FP_BDEV_RDONLY },
        .byte_at = byte_at,
    };

    return look_at(&made.bdev, 0);
}

static uint8_t zero(uint64_t at)
{
    (void)at;
    return 0;
}

static uint8_t ones(uint64_t at)
{
    (void)at;
    return 0xff;
}

static uint8_t noise(uint64_t at)
{
    uint64_t x = at + 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (uint8_t)(x >> 56);
}

static void what_is_no_volume_is_seen_at_once(void **state)
{
    uint8_t (*const fills[])(uint64_t) = { zero, ones, noise };

    (void)state;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        const struct looked looks[] = {
            look_at_made(fills[i], 512, 512, 3u * 1024 * 2048), /* 3 GiB */
            look_at_made(fills[i], 1, 4096, 32 * MIB / 4096),
            look_at_made(fills[i], 16, 256, 16 * MIB / 256),
            look_at_made(fills[i], 1, 4096, 16),
        };

        for (size_t k = 0; k < sizeof looks / sizeof *looks; k++) {
            assert_int_equal(looks[k].err, FP_ERR_NOENT);
            assert_in_range(looks[k].reads, 0, 200);
        }
    }
}

/* 128 GiB of what would otherwise be looked at. */
static void what_is_too_large_is_not_read(void **state)
{
    struct looked looked = look_at_made(zero, 512, 512, 128u * 1024 * 2048);

    (void)state;
    assert_int_equal(looked.err, FP_ERR_NOENT);
    assert_int_equal(looked.reads, 0);
}

/* --- media that agree with all that they are asked --- */

/* Every entry is that of an index page, and every page begins so; but none is
 * final, so that the search for headers goes on. */
static uint8_t filling(uint64_t at)
{
    return at % 2 ? 0x80 : 0x02;
}

/* Pages whose lookup page ends so have magic in blocks of any size and number,
 * for ids of two bytes and of four. Source: docs/formats/spiffs.md, 2. */
static uint8_t magic_everywhere(uint64_t at)
{
    static const uint16_t pages[] = { 128, 256, 512, 1024 };
    uint32_t in_block = (uint32_t)(at % 1024);

    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        uint32_t magic = 0x20140529u ^ pages[i];

        if (in_block + 8 >= pages[i] && in_block + 4 < pages[i])
            return (uint8_t)(magic >> (at % 4 * 8));
        if (in_block + 4 >= pages[i] && in_block + 2 < pages[i])
            return (uint8_t)(magic >> (at % 2 * 8));
    }
    return filling(at);
}

/* The magic with the number of the block, of 2,048 in 8 MiB. */
static uint8_t numbered_magic(uint64_t at)
{
    uint32_t in_block = (uint32_t)(at % 4096);
    uint32_t magic = 0x20140529u ^ 256u ^ (2048u - (uint32_t)(at / 4096));

    if (in_block == 252 || in_block == 253)
        return (uint8_t)(magic >> (in_block % 2 * 8));
    return filling(at);
}

/* The same, and nothing is in use. */
static uint8_t numbered_and_empty(uint64_t at)
{
    uint8_t is = numbered_magic(at);

    return is == filling(at) ? 0xff : is;
}

/* No magic, but erase counts wherever one may be, for ids of two bytes. */
static uint8_t counts_everywhere(uint64_t at)
{
    uint32_t in_page = (uint32_t)(at % 128);

    return in_page == 124 || in_page == 125   ? 0xff
           : in_page == 126 || in_page == 127 ? 0x01
                                              : filling(at);
}

static void a_medium_that_agrees_with_everything_ends_too(void **state)
{
    uint8_t (*const fills[])(uint64_t) = { magic_everywhere, numbered_magic,
                                           numbered_and_empty,
                                           counts_everywhere };

    (void)state;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        assert_in_range(look_at_made(fills[i], 1, 1024, 8 * MIB / 1024).reads,
                        300, 2000);
        assert_in_range(look_at_made(fills[i], 512, 512, 8 * MIB / 512).reads,
                        300, 2000);
    }
}

/* --- volumes --- */

struct volume {
    struct fp_bdev_ram ram;
    struct fp_bdev_stats stats;
    struct fp_mount mnt;
    uint8_t *mem, *ws;
    size_t ws_size;
};

static const struct fp_fs_config LAYOUT = { .block_size = 4096,
                                            .page_size = 256,
                                            .options = "meta_len=0" };

static void start(struct volume *v, uint32_t blocks)
{
    v->mem = malloc((size_t)blocks * 4096);
    assert_non_null(v->mem);
    memset(v->mem, 0xff, (size_t)blocks * 4096);
    fp_bdev_ram_init(&v->ram, 1, 4096, blocks, v->mem);
    fp_bdev_stats_init(&v->stats, &v->ram.bdev, NULL);
    v->ws_size = fp_fs_spiffs.workspace(&v->ram.bdev, &LAYOUT);
    v->ws = malloc(v->ws_size);
    assert_non_null(v->ws);
    assert_int_equal(
        fp_fs_format(&fp_fs_spiffs, &v->ram.bdev, &LAYOUT, v->ws, v->ws_size),
        FP_OK);
}

/* How often the medium was read for it. */
static uint64_t mount(struct volume *v, const struct fp_fs_config *cfg)
{
    fp_bdev_stats_reset(&v->stats);
    assert_int_equal(fp_fs_mount(&v->mnt, &fp_fs_spiffs, &v->stats.bdev, cfg,
                                 v->ws, v->ws_size),
                     FP_OK);
    return v->stats.count[FP_BDEV_READ].calls;
}

static void put(struct volume *v, const char *path, uint32_t size)
{
    static const uint8_t data[40000];
    struct fp_file file;

    assert_int_equal(
        fp_fs_open(&v->mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
        FP_OK);
    assert_int_equal(fp_fs_write(&file, data, size), size);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

static void stop(struct volume *v)
{
    if (v->mnt.mounted)
        assert_int_equal(fp_fs_unmount(&v->mnt), FP_OK);
    free(v->mem);
    free(v->ws);
}

/* One for each block's lookup page, one for each index page: of files that were
 * written once, of files that were replaced again and again, and of files with
 * index pages of their own. Of replaced ones the tag of another may by chance
 * be where the old header was, of one in 128, and costs a look. */
static void a_mount_reads_nothing_twice(void **state)
{
    struct volume v;
    char path[20];

    (void)state;
    start(&v, 128);
    assert_int_equal(mount(&v, &LAYOUT), 128);
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(path, sizeof path, "/d%u/file%u", i % 7, i);
        put(&v, path, 20 + i);
    }
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    assert_int_equal(mount(&v, &LAYOUT), 128 + 60);
    for (uint32_t i = 0; i < 5000; i++) {
        snprintf(path, sizeof path, "/d%u/file%u", i * i % 60 % 7, i * i % 60);
        put(&v, path, i % 800);
    }
    put(&v, "/large", 40000); /* 160 pages of data: 105, then 55 more */
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    assert_in_range(mount(&v, &LAYOUT), 128 + 62, 128 + 62 + 2);
    stop(&v);
}

/* And no more than two for each page of that when it has to search. */
static void a_mount_that_searches_reads_little_more(void **state)
{
    struct fp_fs_config nothing = { 0 };
    struct volume v;
    char path[20];

    (void)state;
    start(&v, 256);
    assert_int_equal(mount(&v, &LAYOUT), 256);
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/file%u", i);
        put(&v, path, 200);
    }
    assert_int_equal(fp_fs_unmount(&v.mnt), FP_OK);
    assert_in_range(mount(&v, &nothing), 356, 712);
    assert_string_equal(v.mnt.cfg.options, "meta_len=0");
    stop(&v);
}

/* The only file of a large volume tells its layout wherever it is: here behind
 * the block that claims to have been erased last. Of a volume that has more
 * blocks than there are reads it does so where it was come across. */
static void one_file_in_a_large_volume_is_found(void **state)
{
    static const struct {
        uint32_t blocks, behind;
    } places[] = { { 1024, 1 },    { 1024, 300 }, { 1024, 777 },
                   { 1024, 1022 }, { 4000, 15 },  { 4000, 3 } };

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint32_t block = places[i].behind;
        struct looked looked;
        struct volume v;

        start(&v, places[i].blocks);
        fp_put_le16(v.mem + block * 4096 + 254, 0x2000);
        mount(&v, &LAYOUT);
        put(&v, "/only", 2000);
        assert_true(v.mem[(block + 1) * 4096] != 0xff);
        looked = look_at(&v.ram.bdev, 0);
        assert_int_equal(looked.err, FP_OK);
        assert_int_equal(looked.score, 95);
        assert_int_equal(looked.cfg.block_size, 4096);
        assert_string_equal(looked.cfg.options, "meta_len=0");
        assert_in_range(looked.reads, 1, 2000);
        stop(&v);
    }
}

/* Another driver is as sure, and was asked first. */
static void who_cannot_win_does_not_look(void **state)
{
    struct looked looked;
    struct volume v;

    (void)state;
    start(&v, 64);
    mount(&v, &LAYOUT);
    put(&v, "/a", 600);
    put(&v, "/b", 600);
    looked = look_at(&v.ram.bdev, 94);
    assert_int_equal(looked.err, FP_OK);
    assert_int_equal(looked.score, 95);
    looked = look_at(&v.ram.bdev, 95);
    assert_int_equal(looked.err, FP_ERR_NOENT);
    assert_int_equal(looked.reads, 0);
    stop(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_volume_is_seen_at_once),
        cmocka_unit_test(what_is_too_large_is_not_read),
        cmocka_unit_test(a_medium_that_agrees_with_everything_ends_too),
        cmocka_unit_test(a_mount_reads_nothing_twice),
        cmocka_unit_test(a_mount_that_searches_reads_little_more),
        cmocka_unit_test(one_file_in_a_large_volume_is_found),
        cmocka_unit_test(who_cannot_win_does_not_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
