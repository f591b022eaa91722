/* SPDX-License-Identifier: MIT
 *
 * Every image that the reference made reads as its manifest says: paths,
 * sizes, contents, attributes, the superblock, blocks in use; and what must
 * be refused is refused. Then each is written to, once in every way and 200
 * times at random, and holds what a model holds; what the checker that knows
 * nothing of the driver lists, before and after, is that too.
 */
#include "tests/unit/littlefs_images.h"
#include "tests/unit/littlefs_model.h"

#include <dirent.h>

/* A wrong block count is an error only for a caller who states one. */
static bool is_mountable(const struct lfs_image *image)
{
    json_t *mount = json_object_get(image->manifest, "mount");

    return strstr(image->name, "blockcount_mismatch") ||
           !strcmp(json_string_value(mount), "ok");
}

/* As an image file of which nothing is known: units of 8 bytes. */
static void is_found(struct lfs_image *image, bool ok)
{
    const struct fp_fs_ops *drivers[] = { &fp_fs_littlefs, NULL }, *ops;
    struct fp_fs_config cfg = { .flags = FP_MOUNT_RDONLY };
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    int err;

    fp_bdev_ram_init(&ram, 1, 8, (uint32_t)(image->size / 8), image->mem);
    err = fp_fs_probe(drivers, &ram.bdev, &ops, &cfg);
    if (!ok) {
        assert_int_equal(err, FP_ERR_NOENT);
        return;
    }
    if (err)
        fail_msg("%s: probe answers %s", image->name, fp_strerror(err));
    assert_int_equal(cfg.block_size, image->block_size);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    check_tree(image, &mnt);
    lfs_unmount(&mnt);
}

/* With block 0 torn, block 1 says it. Block 1 may then be the stale half, so
 * only the size is looked at. */
static void is_found_by_block_1(struct lfs_image *image)
{
    const struct fp_fs_ops *drivers[] = { &fp_fs_littlefs, NULL }, *ops;
    struct fp_fs_config cfg = { 0 };
    struct fp_bdev_ram ram;

    memset(image->mem, 0xff, image->block_size / 2);
    fp_bdev_ram_init(&ram, 1, 8, (uint32_t)(image->size / 8), image->mem);
    if (memcmp(image->mem + image->block_size + 8, "littlefs", 8) != 0)
        return;
    assert_int_equal(fp_fs_probe(drivers, &ram.bdev, &ops, &cfg), FP_OK);
    assert_int_equal(cfg.block_size, image->block_size);
}

static void reads_and_is_found(struct lfs_image *image, bool ok)
{
    reads_as_made(image, ok);
    if (!strstr(image->name, "blockcount_mismatch"))
        is_found(image, ok);
    if (ok)
        is_found_by_block_1(image);
}

static void every_image_reads_as_its_manifest_says(void **state)
{
    (void)state;
    each_image(reads_and_is_found);
}

/* --- going on writing --- */

static struct lfs_model_config model_of(const struct lfs_image *image,
                                        struct fp_bdev *dev)
{
    json_t *super = json_object_get(image->manifest, "superblock");
    struct lfs_model_config conf = { .name = image->name, .dev = dev };

    conf.mount = config_of(image);
    conf.mount.flags = 0;
    conf.mount.block_count = 0;
    conf.caches[1] = image->prog_size; /* or the default */
    conf.seed = 1;
    if (super)
        conf.attr_max = lfs_json_u32(super, "attr_max");
    conf.torn = strstr(image->name, "pl_") || strstr(image->name, "corrupt");
    for (const char *c = image->name; *c; c++)
        conf.seed = conf.seed * 31 + (unsigned char)*c;
    return conf;
}

/* The checker lists what the model has. */
static void assert_listed(const struct lfs_image *image, json_t *want,
                          bool sound, uint32_t used)
{
    char options[60];
    uint32_t found;
    json_t *got;

    snprintf(options, sizeof options, "%s --prog-size %u",
             strstr(image->name, "upgraded") ? "--upgraded" : "",
             image->prog_size);
    got =
        lfs_list_image(image->name, image->mem, image->block_size,
                       image->block_count, sound, sound ? options : "", &found);
    lfs_assert_same(image->name, got, want);
    if (used)
        assert_int_equal(found, used);
    json_decref(got);
    json_decref(want);
}

/* Nothing has been written: the model holds what the manifest says (see
 * above), the checker must read the same. One image has garbage behind its
 * last commit, which the next write removes. */
static void lists_as_read(struct lfs_image *image)
{
    struct lfs_model_config conf;
    struct fp_bdev_ram ram;
    uint32_t used;

    fp_bdev_ram_init(&ram, image->prog_size, image->block_size,
                     image->block_count, image->mem);
    conf = model_of(image, &ram.bdev);
    conf.mount.flags = FP_MOUNT_RDONLY;
    conf.damaged = strstr(image->name, "corrupt_newer_tail");
    lfs_model_start(&conf);
    assert_listed(image, lfs_model_stop(&used, NULL), !conf.damaged, 0);
}

/* False: hardly a free block. */
static bool takes_writes(struct lfs_image *image,
                         struct lfs_model_counts *counts)
{
    struct lfs_model_config conf;
    struct fp_bdev_ram ram;
    uint32_t used;
    json_t *tree;
    bool room;

    fp_bdev_ram_init(&ram, image->prog_size, image->block_size,
                     image->block_count, image->mem);
    conf = model_of(image, &ram.bdev);
    lfs_model_start(&conf);
    room = lfs_model_write_once();
    lfs_model_compare();
    lfs_model_run(200);
    tree = lfs_model_stop(&used, counts);
    assert_listed(image, tree, true, used);
    return room;
}

static void every_image_can_be_written_to(void **state)
{
    DIR *dir = opendir(LFS_IMAGES);
    uint32_t count = 0, operations = 0, full = 0;
    struct dirent *found;

    (void)state;
    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        struct lfs_model_counts counts;
        static struct lfs_image image;

        if (!end)
            continue;
        *end = 0;
        lfs_image_load(&image, found->d_name);
        if (is_mountable(&image)) {
            lists_as_read(&image);
            if (!takes_writes(&image, &counts))
                print_message("%s: found no space for everything\n",
                              image.name);
            count++;
            operations += counts.operations;
            full += counts.full;
        }
        lfs_image_free(&image);
    }
    closedir(dir);
    print_message("%u images, %u random operations, %u found no space\n", count,
                  operations, full);
    assert_true(count > 100);
}

static int say_where(void **state)
{
    (void)state;
    lfs_model_where();
    return 0;
}

/* The volume is half the device: refused only when a count is stated. */
static void a_smaller_block_count_mounts_unless_another_is_stated(void **state)
{
    struct lfs_image image;
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_fs_config cfg;
    struct fp_statfs st;

    (void)state;
    lfs_image_load(&image, "blockcount_mismatch_b512");
    cfg = config_of(&image);
    fp_bdev_ram_init(&ram, 16, 512, 64, image.mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_ERR_INVAL);
    cfg.block_count = 0;
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    assert_int_equal(st.block_count, 32);
    lfs_unmount(&mnt);
    lfs_image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_reads_as_its_manifest_says),
        cmocka_unit_test_teardown(every_image_can_be_written_to, say_where),
        cmocka_unit_test(a_smaller_block_count_mounts_unless_another_is_stated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
