/* SPDX-License-Identifier: MIT
 *
 * Image files opened with their volume: found, seen in its own blocks, mounted.
 * Expected values come from the manifests beside the images.
 */
#define _DEFAULT_SOURCE

#include "core/fs/littlefs/littlefs.h"
#include "core/host/volume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
static const struct fp_host_volume_config any = { .drivers = drivers };

static char dir[] = "/tmp/fp-volume-XXXXXX";
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

/* Unpacks a golden image behind `offset` bytes of zeros. */
static void unpack(const char *name, int offset)
{
    char command[600];

    snprintf(command, sizeof command,
             "{ head -c %d /dev/zero; gzip -dc '%s/littlefs/%s.img.gz'; } > %s",
             offset, FP_TEST_IMAGES, name, path);
    assert_int_equal(system(command), 0);
}

static void expect_size(struct fp_mount *mnt, const char *file, uint64_t size)
{
    struct fp_stat st;

    assert_int_equal(fp_fs_stat(mnt, file, &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_FILE);
    assert_int_equal(st.size, size);
}

static void the_volume_tells_its_block_size(void **state)
{
    static const struct {
        const char *name;
        uint32_t block_size, block_count;
    } rows[] = { { "basic_b128_p1_v21", 128, 512 },
                 { "basic_b600_p4_v21", 600, 200 },
                 { "basic_b4096_p256_v21", 4096, 0 },
                 { "basic_b65536_p256_v21", 65536, 0 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fp_host_image image;

        unpack(rows[i].name, 0);
        assert_int_equal(fp_host_image_open(&image, path, NULL, &any), FP_OK);
        assert_int_equal(image.file.bdev.block_size, rows[i].block_size);
        if (rows[i].block_count != 0)
            assert_int_equal(image.file.bdev.block_count, rows[i].block_count);
        assert_true(image.vol.mnt.cfg.flags & FP_MOUNT_RDONLY);
        assert_int_equal(fp_host_image_close(&image), FP_OK);
    }
}

static void a_volume_lies_behind_an_offset(void **state)
{
    const struct fp_host_file_config at = { .offset = 777 };
    struct fp_host_image image;

    (void)state;
    unpack("basic_b600_p4_v21", 777);
    assert_int_equal(fp_host_image_open(&image, path, &at, &any), FP_OK);
    expect_size(&image.vol.mnt, "/b8p1", 76);
    expect_size(&image.vol.mnt, "/ctz_02_593", 593);
    assert_int_equal(fp_host_image_close(&image), FP_OK);
    assert_int_equal(fp_host_image_open(&image, path, NULL, &any),
                     FP_ERR_NOENT);
}

static void where_nothing_is_nothing_is_mounted(void **state)
{
    struct fp_host_volume_config cfg = any;
    struct fp_host_image image;

    (void)state;
    unpack("blank_ff_b512", 0);
    assert_int_equal(fp_host_image_open(&image, path, NULL, &any),
                     FP_ERR_NOENT);
    /* The one who insists on a driver gets that driver's word. */
    cfg.fs = "littlefs";
    assert_true(fp_host_image_open(&image, path, NULL, &cfg) < 0);
    cfg.fs = "bogus";
    assert_int_equal(fp_host_image_open(&image, path, NULL, &cfg),
                     FP_ERR_NOENT);
    /* Every handle is back: the file can be locked for writing. */
    assert_int_equal(fp_host_file_open(&image.file, path,
                                       &(struct fp_host_file_config){
                                           .flags = FP_HOST_FILE_WRITE }),
                     FP_OK);
    fp_host_file_close(&image.file);
}

static void a_volume_with_open_files_stays_open(void **state)
{
    struct fp_host_image image;
    struct fp_file file;
    uint8_t c;

    (void)state;
    unpack("basic_b600_p4_v21", 0);
    assert_int_equal(fp_host_image_open(&image, path, NULL, &any), FP_OK);
    assert_int_equal(fp_fs_open(&image.vol.mnt, &file, "/b8p1", FP_O_READ),
                     FP_OK);
    assert_int_equal(fp_host_image_close(&image), FP_ERR_BUSY);
    assert_int_equal(fp_fs_read(&file, &c, 1), 1);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_host_image_close(&image), FP_OK);
}

static void drivers_go_by_their_names(void **state)
{
    (void)state;
    assert_ptr_equal(fp_host_volume_driver(drivers, "littlefs"),
                     &fp_fs_littlefs);
    assert_null(fp_host_volume_driver(drivers, "littlef"));
    assert_null(fp_host_volume_driver(drivers, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_volume_tells_its_block_size),
        cmocka_unit_test(a_volume_lies_behind_an_offset),
        cmocka_unit_test(where_nothing_is_nothing_is_mounted),
        cmocka_unit_test(a_volume_with_open_files_stays_open),
        cmocka_unit_test(drivers_go_by_their_names),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
