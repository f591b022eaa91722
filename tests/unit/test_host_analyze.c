/* SPDX-License-Identifier: MIT
 *
 * What each block is used for: by hand counts on volumes that are made here,
 * by manifests on the reference images.
 */
#include "core/bdev/ram.h"
#include "core/bdev/stats.h"
#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/fs/minifs/minifs.h"
#include "core/fs/raw/raw.h"
#include "core/fs/spiffs/spiffs.h"
#include "core/host/analyze.h"
#include "core/host/drivers.h"
#include "core/host/volume.h"

#include <glob.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define BLOCK  4096
#define BLOCKS 64

static uint8_t flash[BLOCK * BLOCKS];
static uint32_t erases[BLOCKS]; /* as the device below counts them */
static struct fp_bdev_ram ram;
static struct fp_bdev_stats stats;
static struct fp_host_volume vol;
static struct fp_host_analysis a;

/* A volume on erased flash; a card is memory where programs replace. */
static void make(const char *fs, uint32_t prog_size, uint32_t block_size,
                 uint32_t flags)
{
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers, .fs = fs };
    struct fp_bdev_stats_config count = { .erases = erases };

    memset(erases, 0, sizeof erases);
    memset(flash, 0xff, sizeof flash);
    fp_bdev_ram_init(&ram, prog_size, block_size,
                     (uint32_t)sizeof flash / block_size, flash);
    ram.bdev.flags |= flags;
    fp_bdev_stats_init(&stats, &ram.bdev, block_size == BLOCK ? &count : NULL);
    cfg.cfg.block_size = block_size;
    assert_int_equal(fp_host_volume_format(&stats.bdev, &cfg), FP_OK);
    assert_int_equal(fp_host_volume_open(&vol, &stats.bdev, &cfg), FP_OK);
}

static void write_file(const char *path, uint32_t size)
{
    static const uint8_t content[BLOCK * 8] = { 1 };
    struct fp_file file;

    assert_true(size <= sizeof content);
    assert_int_equal(fp_fs_open(&vol.mnt, &file, path,
                                FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
                     FP_OK);
    assert_int_equal(fp_fs_write(&file, content, size), size);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_sync(&vol.mnt), FP_OK);
}

static void analyze(void)
{
    uint32_t sum = 0;

    assert_int_equal(fp_host_analyze(&a, &vol.mnt), FP_OK);
    for (int use = 0; use < FP_HOST_USES; use++)
        sum += a.count[use];
    assert_int_equal(sum, a.block_count);
}

static void done(void)
{
    fp_host_analysis_free(&a);
    assert_int_equal(fp_host_volume_close(&vol), FP_OK);
}

static void expect_counts(uint32_t metadata, uint32_t data, uint32_t stale)
{
    assert_int_equal(a.count[FP_HOST_USE_METADATA], metadata);
    assert_int_equal(a.count[FP_HOST_USE_DATA], data);
    assert_int_equal(a.count[FP_HOST_USE_STALE], stale);
    assert_int_equal(a.count[FP_HOST_USE_BAD], 0);
}

/* The superblock pair, then a file of 10,000 bytes in 3 blocks, which is
 * removed. */
static void littlefs_blocks_are_used_and_then_stale(void **state)
{
    (void)state;
    make("littlefs", 16, BLOCK, 0);
    analyze();
    expect_counts(2, 0, 0);
    assert_int_equal(a.anchor_count, 2);
    assert_int_equal(a.anchors[0] + a.anchors[1], 1);
    fp_host_analysis_free(&a);

    write_file("/a", 10000);
    analyze();
    expect_counts(2, 3, 0);
    fp_host_analysis_free(&a);

    assert_int_equal(fp_fs_remove(&vol.mnt, "/a"), FP_OK);
    analyze();
    expect_counts(2, 0, 3);
    done();
}

/* A byte in the middle of a free block, and one as its last. */
static void one_byte_makes_a_block_stale(void **state)
{
    (void)state;
    make("littlefs", 16, BLOCK, 0);
    flash[40 * BLOCK + 1000] = 0xfe;
    flash[50 * BLOCK + BLOCK - 1] = 0;
    memset(flash + 60 * BLOCK, 0, BLOCK);
    analyze();
    expect_counts(2, 0, 3);
    assert_int_equal(a.use[40], FP_HOST_USE_STALE);
    assert_int_equal(a.use[50], FP_HOST_USE_STALE);
    assert_int_equal(a.use[60], FP_HOST_USE_STALE);
    done();
}

static void runs_are_neighbours_of_one_use(void **state)
{
    struct fp_host_run run;

    (void)state;
    make("littlefs", 16, BLOCK, 0);
    flash[40 * BLOCK] = 0;
    analyze();
    run = fp_host_analysis_run(&a, 0);
    assert_int_equal(run.use, FP_HOST_USE_METADATA);
    assert_int_equal(run.count, 2);
    run = fp_host_analysis_run(&a, 2);
    assert_int_equal(run.use, FP_HOST_USE_ERASED);
    assert_int_equal(run.count, 38);
    run = fp_host_analysis_run(&a, 41);
    assert_int_equal(run.first, 41);
    assert_int_equal(run.count, BLOCKS - 41);
    done();
}

static void expect_near(uint32_t told, uint32_t counted)
{
    assert_in_range(told, counted > 2 ? counted - 2 : 0, counted + 2);
}

/* Small files, made and removed, make the superblock pair compact. */
static void littlefs_tells_the_wear_of_its_pairs(void **state)
{
    (void)state;
    make("littlefs", 16, BLOCK, 0);
    for (int i = 0; i < 2000; i++) {
        write_file("/a", 20);
        assert_int_equal(fp_fs_remove(&vol.mnt, "/a"), FP_OK);
    }
    assert_true(erases[0] > 5);
    analyze();
    expect_near(a.erases[0], erases[0]);
    expect_near(a.erases[1], erases[1]);
    assert_int_equal(a.erases[BLOCKS - 1], FP_HOST_NOT_TOLD);
    done();
}

/* Of the older half of the pair, which nobody reads. */
static void what_no_flash_lives_through_is_no_wear(void **state)
{
    (void)state;
    make("littlefs", 16, BLOCK, 0);
    memset(flash, 0xee, 4);
    analyze();
    assert_int_equal(a.erases[0], FP_HOST_NOT_TOLD);
    done();
}

/* Garbage is collected over and over; formatting numbers its erases, too. */
static void spiffs_tells_the_erases_of_all_blocks(void **state)
{
    struct fp_bdev_wear wear;

    (void)state;
    make("spiffs", 1, BLOCK, 0);
    for (int i = 0; i < 100; i++)
        write_file("/a", 20000);
    analyze();
    wear = fp_bdev_stats_wear(&stats);
    assert_true(wear.total > 5 * BLOCKS);
    assert_null(a.erases);
    expect_near(a.erases_together, (uint32_t)wear.total);
    done();
}

/* 64 blocks of 4 KiB, each with a magic and otherwise blank. */
static void spiffs_tells_of_every_block(void **state)
{
    struct fp_fs_spiffs_block info;
    uint32_t blank;

    (void)state;
    make("spiffs", 1, BLOCK, 0);
    analyze();
    assert_int_equal(a.anchor_count, 0);
    assert_int_equal(a.count[FP_HOST_USE_DATA], 0);
    assert_int_equal(a.count[FP_HOST_USE_STALE], 0);
    assert_int_equal(a.count[FP_HOST_USE_METADATA],
                     1); /* the one that it keeps */
    blank = a.count[FP_HOST_USE_ERASED];
    fp_host_analysis_free(&a);

    write_file("/a", 20000); /* 80 pages of 251 bytes, 15 a block */
    analyze();
    assert_int_equal(blank - a.count[FP_HOST_USE_ERASED], 6);
    fp_host_analysis_free(&a);

    assert_int_equal(fp_fs_remove(&vol.mnt, "/a"), FP_OK);
    analyze();
    assert_true(a.count[FP_HOST_USE_STALE] > 0);
    assert_int_equal(fp_fs_spiffs_block(&vol.mnt, BLOCKS, &info), FP_ERR_INVAL);
    done();
}

/* A card erases to zeros or to ones. */
static void a_card_that_is_zero_is_erased(void **state)
{
    struct fp_statfs st;

    (void)state;
    make("fat", 512, 512, FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG);
    memset(flash + sizeof flash - 3 * 512, 0, 512);
    flash[sizeof flash - 1] = 1;
    analyze();
    assert_int_equal(fp_fs_statfs(&vol.mnt, &st), FP_OK);
    assert_int_equal(a.block_size, 512);
    assert_int_equal(a.count[FP_HOST_USE_METADATA], st.blocks_used);
    assert_int_equal(a.count[FP_HOST_USE_STALE], 1);
    assert_int_equal(a.anchor_count, 1);
    assert_int_equal(a.anchors[0], 0);
    assert_null(a.erases);
    done();
}

/* Metadata wanders: a block a change. */
static void minifs_is_found_by_its_metadata(void **state)
{
    (void)state;
    make("minifs", 1, BLOCK, 0);
    write_file("/a", 100);
    analyze();
    expect_counts(1, 1, 1);
    assert_int_equal(a.anchor_count, 1);
    assert_memory_equal(flash + a.anchors[0] * BLOCK, "SfsMetadataBk", 13);
    done();
}

static void what_cannot_tell_is_refused(void **state)
{
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = "raw",
                                         .cfg = { .options = "x=0+4096" } };

    (void)state;
    fp_bdev_ram_init(&ram, 1, BLOCK, BLOCKS, flash);
    assert_int_equal(fp_host_volume_open(&vol, &ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_host_analyze(&a, &vol.mnt), FP_ERR_NOTSUP);
    assert_null(a.use);
    done();
}

static void uses_have_names(void **state)
{
    (void)state;
    assert_string_equal(fp_host_use_name(FP_HOST_USE_STALE), "stale");
    assert_string_equal(fp_host_use_name(FP_HOST_USE_METADATA), "metadata");
}

/* --- reference images --- */

#define IMAGE_MAX ((size_t)16 << 20)

/* The image beside the manifest, which is of the size returned. */
static size_t unpack(const char *manifest, uint8_t *mem)
{
    char path[512];
    gzFile file;
    int n;

    snprintf(path, sizeof path, "%.*s.img.gz", (int)strlen(manifest) - 5,
             manifest);
    file = gzopen(path, "rb");
    assert_non_null(file);
    n = gzread(file, mem, IMAGE_MAX);
    assert_true(n > 0 && (size_t)n < IMAGE_MAX);
    gzclose(file);
    return (size_t)n;
}

static uint32_t erased_of(const uint8_t *mem)
{
    uint32_t count = 0;

    for (uint32_t b = 0; b < a.block_count; b++) {
        const uint8_t *block = mem + (size_t)b * a.block_size;

        count += a.use[b] <= FP_HOST_USE_STALE && block[0] == 0xff &&
                 memcmp(block, block + 1, a.block_size - 1) == 0;
    }
    return count;
}

/* While a directory is half moved (orphans), the reference counts one of its
 * pairs where this driver sees both. */
static void expect_use(const json_t *doc)
{
    const json_t *gstate = json_object_get(doc, "gstate");
    json_int_t counted =
        json_integer_value(json_object_get(doc, "blocks_in_use"));
    uint32_t used = a.count[FP_HOST_USE_METADATA] + a.count[FP_HOST_USE_DATA];

    if (json_is_true(json_object_get(gstate, "has_orphans")))
        assert_in_range(used, counted, counted + 2);
    else
        assert_int_equal(used, counted);
}

static void expect_manifest(const json_t *doc, const uint8_t *mem)
{
    const json_t *metadata = json_object_get(doc, "metadata_block");

    assert_int_equal(fp_host_analyze(&a, &vol.mnt), FP_OK);
    if (json_object_get(doc, "blocks_in_use"))
        expect_use(doc);
    if (metadata)
        assert_int_equal(a.anchors[0], json_integer_value(metadata));
    assert_int_equal(a.count[FP_HOST_USE_ERASED], erased_of(mem));
    fp_host_analysis_free(&a);
}

/* Are there such, and do those that mount hold to their manifest? */
static void check_images(const char *fs, uint8_t *mem)
{
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = fs,
                                         .cfg = { .flags = FP_MOUNT_RDONLY } };
    char pattern[512];
    glob_t found;
    int checked = 0;

    snprintf(pattern, sizeof pattern, FP_TEST_IMAGES "/%s/*.json", fs);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *doc = json_load_file(found.gl_pathv[i], 0, NULL);
        const char *mount = json_string_value(json_object_get(doc, "mount"));
        size_t size = unpack(found.gl_pathv[i], mem);

        fp_bdev_ram_init(&ram, 1, 1, (uint32_t)size, mem);
        ram.bdev.flags |= FP_BDEV_RDONLY;
        if (mount && strcmp(mount, "ok") == 0 &&
            fp_host_volume_open(&vol, &ram.bdev, &cfg) == FP_OK) {
            expect_manifest(doc, mem);
            assert_int_equal(fp_host_volume_close(&vol), FP_OK);
            checked++;
        }
        json_decref(doc);
    }
    globfree(&found);
    assert_true(checked > 5);
}

static void images_are_what_their_manifests_say(void **state)
{
    uint8_t *mem = malloc(IMAGE_MAX);

    (void)state;
    assert_non_null(mem);
    check_images("littlefs", mem);
    check_images("minifs", mem);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(littlefs_blocks_are_used_and_then_stale),
        cmocka_unit_test(one_byte_makes_a_block_stale),
        cmocka_unit_test(runs_are_neighbours_of_one_use),
        cmocka_unit_test(littlefs_tells_the_wear_of_its_pairs),
        cmocka_unit_test(what_no_flash_lives_through_is_no_wear),
        cmocka_unit_test(spiffs_tells_the_erases_of_all_blocks),
        cmocka_unit_test(spiffs_tells_of_every_block),
        cmocka_unit_test(a_card_that_is_zero_is_erased),
        cmocka_unit_test(minifs_is_found_by_its_metadata),
        cmocka_unit_test(what_cannot_tell_is_refused),
        cmocka_unit_test(images_are_what_their_manifests_say),
        cmocka_unit_test(uses_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
