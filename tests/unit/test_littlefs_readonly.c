/* SPDX-License-Identifier: MIT
 *
 * A build with FP_READONLY reads every image that the reference made as the
 * ordinary one does (test_littlefs_images.c), and writes to none.
 */
#include "tests/unit/littlefs_images.h"

static void every_image_reads_as_its_manifest_says(void **state)
{
    (void)state;
    each_image(reads_as_made);
}

static void nothing_is_written(void **state)
{
    struct lfs_image image;
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_fs_config cfg;

    (void)state;
    lfs_image_load(&image, "append_b512_p16");
    cfg = config_of(&image);
    cfg.flags = 0;
    fp_bdev_ram_init(&ram, image.prog_size, image.block_size, image.block_count,
                     image.mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    assert_int_equal(mnt.cfg.flags, FP_MOUNT_RDONLY);
    assert_int_equal(fp_fs_mkdir(&mnt, "/new"), FP_ERR_ROFS);
    lfs_unmount(&mnt);
    lfs_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_reads_as_its_manifest_says),
        cmocka_unit_test(nothing_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
