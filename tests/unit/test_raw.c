/* SPDX-License-Identifier: MIT
 *
 * The raw driver: regions as files, by table and by text.
 */
#include "core/bdev/fault.h"
#include "core/bdev/gen.h"
#include "core/bdev/ram.h"
#include "core/bdev/stats.h"
#include "core/fs/raw/raw.h"
#include "core/vfs/vfs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK  256u
#define BLOCKS 32u
#define SIZE   (BLOCK * BLOCKS)
#define TEXT   "firmware=0+0x400:ro,model=0x800+1024,odd=3000+100,all=0+8192"

static uint8_t mem[SIZE], scratch[BLOCK];
static uint64_t ws[2048];
static struct fp_bdev_ram ram;
static struct fp_bdev_gen gen;
static struct fp_bdev_fault fault;
static struct fp_bdev_stats stats;
static struct fp_mount mnt;
static uint32_t ms;

static uint32_t clock_of(void *ctx)
{
    return *(uint32_t *)ctx;
}

static void new_device(void)
{
    const struct fp_bdev_gen_config cfg = { .clock_ms = clock_of,
                                            .clock_ctx = &ms };

    for (uint32_t i = 0; i < SIZE; i++)
        mem[i] = (uint8_t)(i * 13 + i / 256);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem);
    ram.bdev.read_size = 8; /* ranges need not be of this */
    assert_int_equal(fp_bdev_gen_init(&gen, &ram.bdev, &cfg), FP_OK);
    fp_bdev_fault_init(&fault, &gen.bdev, scratch, 1);
    fp_bdev_stats_init(&stats, &fault.bdev, NULL);
}

static int mount_text(const char *text)
{
    const struct fp_fs_config cfg = { .options = text };

    return fp_fs_mount(&mnt, &fp_fs_raw, &stats.bdev, &cfg, ws, sizeof ws);
}

static void set_up(void)
{
    new_device();
    assert_int_equal(mount_text(TEXT), FP_OK);
}

static void drop(void)
{
    assert_int_equal(fp_fs_unmount(&mnt), FP_OK);
}

static void regions_are_listed_with_their_sizes(void **state)
{
    static const struct {
        const char *name;
        uint64_t size;
    } expected[] = { { "firmware", 0x400 },
                     { "model", 1024 },
                     { "odd", 100 },
                     { "all", 8192 } };
    struct fp_dirent entry;
    struct fp_statfs fs;
    struct fp_stat st;
    struct fp_dir dir;

    (void)state;
    set_up();
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/"), FP_OK);
    for (size_t i = 0; i < 4; i++) {
        char path[32] = "/";

        assert_int_equal(fp_fs_readdir(&dir, &entry), 1);
        assert_string_equal(entry.name, expected[i].name);
        assert_int_equal(entry.name_len, strlen(entry.name));
        assert_int_equal(entry.st.type, FP_TYPE_FILE);
        assert_int_equal(entry.st.size, expected[i].size);
        strcat(path, entry.name);
        assert_int_equal(fp_fs_stat(&mnt, path, &st), FP_OK);
        assert_int_equal(st.size, expected[i].size);
        assert_int_equal(st.type, FP_TYPE_FILE);
    }
    assert_int_equal(fp_fs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_fs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_fs_closedir(&dir), FP_OK);

    assert_int_equal(fp_fs_stat(&mnt, "/", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_DIR);
    assert_int_equal(fp_fs_stat(&mnt, "/mode", &st), FP_ERR_NOENT);
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/model"), FP_ERR_NOTDIR);
    assert_int_equal(fp_fs_opendir(&mnt, &dir, "/none"), FP_ERR_NOENT);
    assert_int_equal(fp_fs_statfs(&mnt, &fs), FP_OK);
    assert_int_equal(fs.size, SIZE);
    assert_int_equal(fs.free, 0);
    assert_int_equal(fs.caps, FP_CAP_SEEKWRITE | FP_CAP_WRITE);
    assert_int_equal(fp_fs_raw.promise, FP_PROMISE_NONE);
    drop();
}

static void any_range_can_be_read(void **state)
{
    struct fp_file file;
    uint8_t buf[1000];

    (void)state;
    set_up();
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ), FP_OK);
    for (uint32_t off = 0; off <= 1024; off += 71)
        for (uint32_t n = 0; n < sizeof buf; n += 111) {
            uint32_t left = 1024 - off < n ? 1024 - off : n;

            assert_int_equal(fp_fs_seek(&file, off, FP_SEEK_SET), off);
            assert_int_equal(fp_fs_read(&file, buf, n), left);
            assert_memory_equal(buf, mem + 0x800 + off, left);
            assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_CUR), off + left);
        }
    assert_int_equal(fp_fs_seek(&file, -24, FP_SEEK_END), 1000);
    assert_int_equal(fp_fs_seek(&file, 24, FP_SEEK_CUR), 1024);
    assert_int_equal(fp_fs_seek(&file, 1, FP_SEEK_END), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&file, -1025, FP_SEEK_END), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&file, -1, FP_SEEK_SET), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&file, INT64_MAX, FP_SEEK_CUR), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&file, INT64_MIN, FP_SEEK_CUR), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_CUR), 1024);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    drop();
}

/* Each block is read once, however small the pieces asked for. */
static void reading_on_reads_no_block_twice(void **state)
{
    struct fp_file file;
    uint8_t buf[7];

    (void)state;
    set_up();
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ), FP_OK);
    while (fp_fs_read(&file, buf, sizeof buf) > 0)
        ;
    assert_int_equal(stats.count[FP_BDEV_READ].bytes, 1024);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    drop();
}

static void writing_changes_the_range_and_nothing_else(void **state)
{
    static uint8_t expected[SIZE];
    struct fp_file file;
    uint8_t buf[1024];

    (void)state;
    set_up();
    memcpy(expected, mem, SIZE);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t off = i * 397 % 1024, n = 1 + i * 53 % 300;

        if (n > 1024 - off)
            n = 1024 - off;
        memset(buf, (int)(200 - i), n);
        assert_int_equal(fp_fs_seek(&file, off, FP_SEEK_SET), off);
        assert_int_equal(fp_fs_write(&file, buf, n), n);
        memset(expected + 0x800 + off, (int)(200 - i), n);
        /* What was written is read, on flash or not yet. */
        assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        assert_int_equal(fp_fs_read(&file, buf, 1024), 1024);
        assert_memory_equal(buf, expected + 0x800, 1024);
    }
    assert_int_equal(fp_fs_fsync(&file), FP_OK);
    assert_memory_equal(mem, expected, SIZE);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    drop();
    assert_memory_equal(mem, expected, SIZE);
}

static void a_whole_region_costs_an_erase_a_block(void **state)
{
    struct fp_file file;
    uint8_t buf[1024];

    (void)state;
    set_up();
    for (uint32_t i = 0; i < 1024; i++)
        buf[i] = (uint8_t)(i * 7);
    for (uint32_t again = 0; again < 2; again++) {
        /* As an upload in place opens it. */
        assert_int_equal(
            fp_fs_open(&mnt, &file, "/model",
                       FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
            FP_OK);
        assert_int_equal(fp_fs_reserve(&file, 1024), FP_OK);
        assert_int_equal(fp_fs_reserve(&file, 1025), FP_ERR_FBIG);
        for (uint32_t off = 0; off < 1024; off += 128)
            assert_int_equal(fp_fs_write(&file, buf + off, 128), 128);
        assert_int_equal(fp_fs_write(&file, buf, 1), FP_ERR_FBIG);
        assert_int_equal(fp_fs_close(&file), FP_OK);
        assert_memory_equal(mem + 0x800, buf, 1024);
        /* The second time it is all there. */
        assert_int_equal(stats.count[FP_BDEV_ERASE].bytes, 1024);
        assert_int_equal(stats.count[FP_BDEV_PROG].bytes, 1024);
    }
    drop();
}

static void what_regions_cannot_do_is_refused(void **state)
{
    const uint32_t rw = FP_O_READ | FP_O_WRITE;
    struct fp_file file;

    (void)state;
    set_up();
    assert_int_equal(fp_fs_open(&mnt, &file, "/firmware", rw), FP_ERR_ACCES);
    assert_int_equal(fp_fs_open(&mnt, &file, "/odd", rw), FP_ERR_ACCES);
    assert_int_equal(fp_fs_open(&mnt, &file, "/none", rw), FP_ERR_NOENT);
    assert_int_equal(fp_fs_open(&mnt, &file, "/none", rw | FP_O_CREATE),
                     FP_ERR_NOTSUP);
    assert_int_equal(
        fp_fs_open(&mnt, &file, "/model", rw | FP_O_CREATE | FP_O_EXCL),
        FP_ERR_EXIST);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", rw | FP_O_APPEND),
                     FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model",
                                rw | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE),
                     FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_remove(&mnt, "/model"), FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_rename(&mnt, "/model", "/x", 0), FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_mkdir(&mnt, "/x"), FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", rw), FP_OK);
    assert_int_equal(fp_fs_truncate(&file, 10), FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_unmount(&mnt), FP_ERR_BUSY);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/firmware", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    drop();
    assert_int_equal(fp_fs_format(&fp_fs_raw, &stats.bdev, NULL, ws, sizeof ws),
                     FP_ERR_NOTSUP);
}

static void texts_of_another_form_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "model",
        "model=",
        "model=0",
        "model=0+",
        "=0+1",
        "model=0+0x",
        "model=+1",
        "a=0+1,",
        ",a=0+1",
        "a=0+1,,b=0+1",
        "a=0+1;b=0+1",
        "a/b=0+1",
        "a=0+1:rw",
        "a=0+1:ro,a=1",
        "a=0+8193",
        "a=8193+0",
        "a=0x2001+0",
        "a=8192+1",
        "a=0+1,b=0+1,a=2+1",
        "a= 0+1",
        "a=0-1",
        "a=1+99999999999999999999999",
        "a=99999999999999999999999+1",
        "a=0xffffffffffffffff+2",
    };

    (void)state;
    new_device();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mount_text(bad[i]) != FP_ERR_INVAL)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(mount_text(NULL), FP_ERR_INVAL);
    assert_int_equal(mount_text("a=8192+0,b=0+8192,c=0X0+1"), FP_ERR_INVAL);
    assert_int_equal(mount_text("a=8192+0,b=0+8192:ro"), FP_OK);
    drop();
}

static void a_table_needs_no_text(void **state)
{
    static const struct fp_raw_region table[] = {
        { "boot", 0, 512, FP_RAW_RDONLY },
        { "data", 512, 768, 0 },
        { "odd", 3000, 100, 0 },
        { NULL, 0, 0, 0 },
    };
    const struct fp_fs_config cfg = { .table = table };
    struct fp_statfs fs;
    struct fp_file file;
    uint8_t buf[800];

    (void)state;
    new_device();
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_raw, &stats.bdev, &cfg, ws, sizeof ws), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/data", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, buf, 800), 768);
    assert_memory_equal(buf, mem + 512, 768);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/boot", FP_O_WRITE),
                     FP_ERR_ACCES);
    assert_int_equal(fp_fs_statfs(&mnt, &fs), FP_OK);
    assert_int_equal(fs.file_max, 768);
    drop();
}

static void a_small_buffer_is_for_reading(void **state)
{
    struct fp_fs_config cfg = { .options = TEXT, .cache_size = 16 };
    struct fp_file file;
    uint8_t buf[1024];
    size_t small, large;

    (void)state;
    new_device();
    small = fp_fs_raw.workspace(&stats.bdev, &cfg);
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_raw, &stats.bdev, &cfg, ws, small - 1),
        FP_ERR_NOMEM);
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_raw, &stats.bdev, &cfg, ws, small), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, buf, 1024), 1024);
    assert_memory_equal(buf, mem + 0x800, 1024);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_WRITE),
                     FP_ERR_ACCES);
    drop();
    cfg.cache_size = 0;
    large = fp_fs_raw.workspace(&stats.bdev, &cfg);
    assert_int_equal(large - small, BLOCK - 16);
    cfg.cache_size = 12; /* no multiple of what is read, nor a divisor */
    assert_int_equal(fp_fs_raw.workspace(&stats.bdev, &cfg), 0);
}

static void assert_content(const char *path, uint8_t content, uint8_t fill)
{
    uint8_t said[3] = { 77, 77, 77 };

    assert_int_equal(
        fp_fs_getattr(&mnt, path, FP_RAW_ATTR_CONTENT, said, sizeof said), 2);
    assert_int_equal(said[0], content);
    assert_int_equal(said[1], fill);
    assert_int_equal(said[2], 77);
}

static void erased_constant_and_data_are_told_apart(void **state)
{
    uint8_t said;

    (void)state;
    set_up();
    assert_content("/model", FP_RAW_DATA, 0);
    memset(mem + 0x800, 0xff, 1024);
    assert_content("/model", FP_RAW_ERASED, 0xff);
    memset(mem + 0x800, 0, 1024);
    assert_content("/model", FP_RAW_CONSTANT, 0);
    mem[0x800 + 1023] = 1;
    assert_content("/model", FP_RAW_DATA, 0);
    /* The last byte of a region that ends within a block; behind it, other. */
    memset(mem + 3000, 9, 100);
    assert_content("/odd", FP_RAW_CONSTANT, 9);
    assert_int_equal(fp_fs_getattr(&mnt, "/odd", 2, &said, 1), FP_ERR_NODATA);
    assert_int_equal(fp_fs_getattr(&mnt, "/", 1, &said, 1), FP_ERR_NODATA);
    assert_int_equal(fp_fs_getattr(&mnt, "/no", 1, &said, 1), FP_ERR_NOENT);
    drop();
}

static void a_freeze_costs_nothing(void **state)
{
    struct fp_file file;

    (void)state;
    set_up();
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_write(&file, "new", 3), 3);
    assert_int_equal(fp_bdev_gen_freeze(&gen, 1000), FP_OK);
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_BUSY);
    assert_int_equal(fp_fs_seek(&file, 300, FP_SEEK_SET), 300);
    assert_int_equal(fp_fs_write(&file, "new", 3), FP_ERR_BUSY);
    fp_bdev_gen_thaw(&gen);
    assert_int_equal(fp_fs_write(&file, "too", 3), 3);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_memory_equal(mem + 0x800, "new", 3);
    assert_memory_equal(mem + 0x800 + 300, "too", 3);
    drop();
}

static void errors_of_the_device_are_passed_on(void **state)
{
    struct fp_file file;
    uint8_t buf[300];

    (void)state;
    set_up();
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ | FP_O_WRITE),
                     FP_OK);
    fp_bdev_fault_fail(&fault, FP_BDEV_READ, 2);
    assert_int_equal(fp_fs_read(&file, buf, 300), FP_ERR_IO);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_CUR), 0);
    assert_int_equal(fp_fs_read(&file, buf, 300), 300);
    assert_memory_equal(buf, mem + 0x800, 300);
    for (int kind = FP_BDEV_PROG; kind <= FP_BDEV_SYNC; kind++) {
        buf[0] = (uint8_t)kind;
        assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        assert_int_equal(fp_fs_write(&file, buf, 1), 1);
        fp_bdev_fault_fail(&fault, (enum fp_bdev_op)kind, 1);
        assert_int_equal(fp_fs_fsync(&file), FP_ERR_IO);
        assert_int_equal(fp_fs_fsync(&file), FP_OK); /* tried again */
        assert_int_equal(mem[0x800], kind);
    }
    assert_int_equal(fp_fs_close(&file), FP_OK);
    drop();
}

static void reading_only_needs_the_reading_half_only(void **state)
{
    const struct fp_fs_config cfg = { .options = TEXT };
    struct fp_file file;
    struct fp_statfs st;
    uint8_t buf[4];

    (void)state;
    new_device();
    assert_int_equal(
        fp_fs_mount(&mnt, &fp_fs_raw_ro, &stats.bdev, &cfg, ws, sizeof ws),
        FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_WRITE),
                     FP_ERR_ROFS);
    assert_int_equal(fp_fs_open(&mnt, &file, "/model", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, buf, 4), 4);
    assert_memory_equal(buf, mem + 0x800, 4);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_int_equal(st.caps, 0);
    drop();
}

/* Beside a volume, as on a device: never found by probing. */
static void regions_are_mounted_by_name_beside_others(void **state)
{
    static const struct fp_fs_ops *const drivers[] = { &fp_fs_raw, NULL };
    const struct fp_fs_config cfg = { .options = TEXT };
    struct fp_vfs_mount vm;
    struct fp_stat st;
    struct fp_vfs vfs;

    (void)state;
    new_device();
    fp_vfs_init(&vfs, drivers);
    assert_int_equal(
        fp_vfs_mount(&vfs, &vm, "/raw", NULL, &stats.bdev, &cfg, ws, sizeof ws),
        FP_ERR_NOENT);
    assert_int_equal(fp_vfs_mount(&vfs, &vm, "/raw", &fp_fs_raw, &stats.bdev,
                                  &cfg, ws, sizeof ws),
                     FP_OK);
    assert_int_equal(fp_vfs_stat(&vfs, "/raw/model", &st), FP_OK);
    assert_int_equal(st.size, 1024);
    assert_int_equal(fp_vfs_unmount(&vfs, &vm), FP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_listed_with_their_sizes),
        cmocka_unit_test(any_range_can_be_read),
        cmocka_unit_test(reading_on_reads_no_block_twice),
        cmocka_unit_test(writing_changes_the_range_and_nothing_else),
        cmocka_unit_test(a_whole_region_costs_an_erase_a_block),
        cmocka_unit_test(what_regions_cannot_do_is_refused),
        cmocka_unit_test(texts_of_another_form_are_refused),
        cmocka_unit_test(a_table_needs_no_text),
        cmocka_unit_test(a_small_buffer_is_for_reading),
        cmocka_unit_test(erased_constant_and_data_are_told_apart),
        cmocka_unit_test(a_freeze_costs_nothing),
        cmocka_unit_test(errors_of_the_device_are_passed_on),
        cmocka_unit_test(reading_only_needs_the_reading_half_only),
        cmocka_unit_test(regions_are_mounted_by_name_beside_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
