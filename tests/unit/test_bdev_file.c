/* SPDX-License-Identifier: MIT
 *
 * Image files as block devices, in a directory of the test's own.
 */
#define _DEFAULT_SOURCE

#include "core/host/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/fp-file-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/image", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* The file holds `size` bytes, i at offset i. */
static void make_file(size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        fputc((int)(i & 255), file);
    assert_int_equal(fclose(file), 0);
}

static int byte_at(long off)
{
    FILE *file = fopen(path, "rb");
    int c;

    assert_non_null(file);
    assert_int_equal(fseek(file, off, SEEK_SET), 0);
    c = fgetc(file);
    fclose(file);
    return c;
}

static void reads_from_the_offset_and_leaves_the_tail(void **state)
{
    const struct fp_host_file_config cfg = { .offset = 100, .block_size = 64 };
    struct fp_host_file f;
    uint8_t buf[4];

    (void)state;
    make_file(100 + 3 * 64 + 10);
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_OK);
    assert_int_equal(f.bdev.block_count, 3);
    assert_int_equal(f.tail, 10);
    assert_int_equal(f.size, 3 * 64 + 10);
    assert_int_equal(fp_bdev_read(&f.bdev, 64, buf, 4), FP_OK);
    assert_int_equal(buf[0], 164);
    assert_int_equal(fp_bdev_read(&f.bdev, 3 * 64, buf, 1), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(&f.bdev, 0, buf, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_erase(&f.bdev, 0, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_sync(&f.bdev), FP_OK);

    assert_int_equal(fp_host_file_set_block_size(&f, 200), FP_OK);
    assert_int_equal(f.bdev.block_count, 1);
    assert_int_equal(f.tail, 2);
    assert_int_equal(fp_host_file_set_block_size(&f, 203), FP_ERR_INVAL);
    assert_int_equal(f.bdev.block_size, 200);
    fp_host_file_close(&f);
}

static void a_block_size_that_is_not_stated_divides_the_size(void **state)
{
    static const struct {
        size_t size;
        uint32_t block_size;
    } rows[] = {
        { 8192, 4096 }, { 4096 + 512, 512 }, { 600 * 8, 64 }, { 999, 1 }
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fp_host_file f;

        make_file(rows[i].size);
        assert_int_equal(fp_host_file_open(&f, path, NULL), FP_OK);
        assert_int_equal(f.bdev.block_size, rows[i].block_size);
        assert_int_equal(f.tail, 0);
        fp_host_file_close(&f);
    }
}

static void creates_an_erased_image_and_grows_a_short_one(void **state)
{
    const struct fp_host_file_config cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE | FP_HOST_FILE_NOR,
        .block_size = 512,
        .block_count = 20,
    };
    struct fp_host_file f;
    uint8_t buf[512];

    (void)state;
    unlink(path);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_OK);
        assert_int_equal(f.bdev.flags, FP_BDEV_REPROG | FP_BDEV_ERASED_FF);
        for (uint32_t block = (uint32_t)pass; block < 20; block++) {
            assert_int_equal(fp_bdev_read(&f.bdev, block * 512, buf, 512),
                             FP_OK);
            for (size_t i = 0; i < 512; i++)
                assert_int_equal(buf[i], 0xff);
        }
        fp_host_file_close(&f);
        make_file(512); /* the second pass grows this */
    }
}

static void as_nor_programs_clear_bits_only(void **state)
{
    const struct fp_host_file_config cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_NOR,
        .prog_size = 16,
        .block_size = 8192,
    };
    struct fp_host_file f;
    uint8_t buf[6000];

    (void)state;
    make_file(2 * 8192);
    memset(buf, 0x0f, sizeof buf);
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_OK);
    assert_int_equal(fp_bdev_prog(&f.bdev, 16, buf, 6000), FP_OK);
    assert_int_equal(fp_bdev_sync(&f.bdev), FP_OK);
    assert_int_equal(byte_at(15), 15);
    for (int i = 16; i < 6016; i += 97)
        assert_int_equal(byte_at(i), i & 0x0f);
    assert_int_equal(byte_at(6016), 6016 & 255);
    assert_int_equal(fp_bdev_prog(&f.bdev, 8, buf, 16), FP_ERR_INVAL);

    assert_int_equal(fp_bdev_erase(&f.bdev, 1, 1), FP_OK);
    assert_int_equal(byte_at(8191), 255);
    assert_int_equal(byte_at(8190), 254);
    assert_int_equal(byte_at(8192), 0xff);
    assert_int_equal(byte_at(2 * 8192 - 1), 0xff);
    fp_host_file_close(&f);
}

static void as_a_file_programs_replace_and_erasing_gives_ff(void **state)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE,
                                             .block_size = 64 };
    struct fp_host_file f;

    (void)state;
    make_file(256);
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_OK);
    assert_int_equal(f.bdev.flags, FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG |
                                       FP_BDEV_ERASED_FF);
    assert_int_equal(fp_bdev_prog(&f.bdev, 3, "\xf0", 1), FP_OK);
    assert_int_equal(byte_at(3), 0xf0);
    assert_int_equal(fp_bdev_erase(&f.bdev, 1, 1), FP_OK);
    assert_int_equal(byte_at(63), 63);
    assert_int_equal(byte_at(64), 0xff);
    assert_int_equal(byte_at(127), 0xff);
    assert_int_equal(byte_at(128), 128);
    fp_host_file_close(&f);
}

static void one_writer_at_a_time(void **state)
{
    struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE };
    struct fp_host_file a, b;

    (void)state;
    make_file(4096);
    assert_int_equal(fp_host_file_open(&a, path, &cfg), FP_OK);
    assert_int_equal(fp_host_file_open(&b, path, &cfg), FP_ERR_BUSY);
    assert_int_equal(fp_host_file_open(&b, path, NULL), FP_ERR_BUSY);
    cfg.flags = FP_HOST_FILE_NOLOCK;
    assert_int_equal(fp_host_file_open(&b, path, &cfg), FP_OK);
    fp_host_file_close(&b);
    fp_host_file_close(&a);
    assert_int_equal(fp_host_file_open(&a, path, NULL), FP_OK);
    assert_int_equal(fp_host_file_open(&b, path, NULL), FP_OK);
    fp_host_file_close(&b);
    fp_host_file_close(&a);
}

static void what_cannot_be_opened_says_why(void **state)
{
    struct fp_host_file_config cfg = { .block_size = 64 };
    struct fp_host_file f;

    (void)state;
    unlink(path);
    assert_int_equal(fp_host_file_open(&f, path, NULL), FP_ERR_NOENT);
    assert_int_equal(fp_host_file_open(&f, dir, NULL), FP_ERR_ISDIR);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(fp_host_file_open(&f, path, NULL), FP_ERR_NOTSUP);
    unlink(path);
    make_file(63);
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_ERR_INVAL);
    cfg.offset = 63;
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_ERR_INVAL);
    make_file(256);
    cfg = (struct fp_host_file_config){ .block_size = 64, .block_count = 5 };
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_ERR_INVAL);
    cfg = (struct fp_host_file_config){ .block_size = 64, .prog_size = 48 };
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_ERR_INVAL);
    cfg = (struct fp_host_file_config){ .flags = FP_HOST_FILE_CREATE };
    assert_int_equal(fp_host_file_open(&f, path, &cfg), FP_ERR_INVAL);
    make_file(0);
    assert_int_equal(fp_host_file_open(&f, path, NULL), FP_ERR_INVAL);
}

static void a_file_that_somebody_cut_is_an_io_error(void **state)
{
    struct fp_host_file f;
    uint8_t buf[64];

    (void)state;
    make_file(4096);
    assert_int_equal(fp_host_file_open(&f, path, NULL), FP_OK);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(fp_bdev_read(&f.bdev, 36, buf, 64), FP_OK);
    assert_int_equal(fp_bdev_read(&f.bdev, 37, buf, 64), FP_ERR_IO);
    fp_host_file_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_from_the_offset_and_leaves_the_tail),
        cmocka_unit_test(a_block_size_that_is_not_stated_divides_the_size),
        cmocka_unit_test(creates_an_erased_image_and_grows_a_short_one),
        cmocka_unit_test(as_nor_programs_clear_bits_only),
        cmocka_unit_test(as_a_file_programs_replace_and_erasing_gives_ff),
        cmocka_unit_test(one_writer_at_a_time),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(a_file_that_somebody_cut_is_an_io_error),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
