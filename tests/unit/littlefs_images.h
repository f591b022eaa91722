/* SPDX-License-Identifier: MIT
 *
 * Whether an image that the reference made reads as its manifest says.
 */
#ifndef FP_TESTS_UNIT_LITTLEFS_IMAGES_H
#define FP_TESTS_UNIT_LITTLEFS_IMAGES_H

#include "tests/unit/littlefs_support.h"

#include <dirent.h>

static struct fp_fs_config config_of(const struct lfs_image *image)
{
    json_t *options = json_object_get(image->manifest, "options");

    return (struct fp_fs_config){
        .block_size = image->block_size,
        .block_count = image->block_count,
        .block_cycles = (int32_t)lfs_json_u32(options, "block_cycles"),
        .flags = FP_MOUNT_RDONLY,
    };
}

static void check_super(const struct lfs_image *image, struct fp_mount *mnt)
{
    json_t *super = json_object_get(image->manifest, "superblock");
    json_t *gstate = json_object_get(image->manifest, "gstate");
    json_t *power = json_object_get(image->manifest, "power_loss");
    bool orphans = json_is_true(json_object_get(gstate, "has_orphans"));
    bool move = json_is_true(json_object_get(gstate, "has_move"));
    struct fp_statfs st;

    (void)power;
    assert_int_equal(fp_fs_statfs(mnt, &st), FP_OK);
    assert_string_equal(st.version,
                        json_string_value(json_object_get(super, "version")));
    assert_int_equal(st.block_size, lfs_json_u32(super, "block_size"));
    assert_int_equal(st.block_count, lfs_json_u32(super, "block_count"));
    assert_int_equal(st.name_max, lfs_json_u32(super, "name_max"));
    assert_int_equal(st.file_max, lfs_json_u32(super, "file_max"));
    assert_int_equal(st.needs_repair, orphans || move);
    if (FP_READONLY && !FP_LFS_EXTRAS) {
        assert_int_equal(st.blocks_used, st.block_count);
        assert_int_equal(st.free, 0);
        return;
    }
    /* The reference's count of a half-orphan misses what its true pair
     * continues in: at most two blocks. */
    if (strstr(image->name, "halforphan"))
        assert_in_range(st.blocks_used,
                        lfs_json_u32(image->manifest, "blocks_in_use"),
                        lfs_json_u32(image->manifest, "blocks_in_use") + 2);
    else
        assert_int_equal(st.blocks_used,
                         lfs_json_u32(image->manifest, "blocks_in_use"));
}

static void check_tree(const struct lfs_image *image, struct fp_mount *mnt)
{
    json_t *root = json_object_get(image->manifest, "root");
    json_t *tree = lfs_tree(mnt), *attrs = lfs_attrs(mnt, "/");

    lfs_assert_same(image->name, tree,
                    json_object_get(image->manifest, "files"));
    if (root || attrs)
        lfs_assert_same(image->name, attrs, json_object_get(root, "attrs"));
    json_decref(tree);
    json_decref(attrs);
}

/* The check finds nothing but what the power cut left. */
static void check_clean(const struct lfs_image *image, struct fp_mount *mnt)
{
    json_t *gstate = json_object_get(image->manifest, "gstate");
    struct lfs_findings found = lfs_check(mnt, NULL);
    /* Garbage was put far behind the last commit of this one, where only who
     * writes looks. */
    uint32_t damaged =
        !FP_READONLY && strstr(image->name, "corrupt_newer_tail");

    if (found.errors != damaged || found.warnings)
        lfs_check(mnt, image->name);
    assert_int_equal(found.errors, damaged);
    assert_int_equal(found.warnings, 0);
    if (json_is_true(json_object_get(gstate, "has_orphans")) ||
        json_is_true(json_object_get(gstate, "has_move")))
        assert_true(found.pending > 0);
    else if (!strstr(image->name, "pl_") && !strstr(image->name, "corrupt"))
        assert_int_equal(found.pending, 0);
}

/* At its own geometry. */
static void reads_as_made(struct lfs_image *image, bool ok)
{
    struct fp_fs_config cfg = config_of(image);
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    int err;

    fp_bdev_ram_init(&ram, image->prog_size, image->block_size,
                     image->block_count, image->mem);
    err = lfs_mount(&mnt, &ram.bdev, &cfg);
    if (!ok) {
        assert_int_not_equal(err, FP_OK);
        return;
    }
    if (err)
        fail_msg("%s: mount answers %s", image->name, fp_strerror(err));
    check_super(image, &mnt);
    check_tree(image, &mnt);
    check_clean(image, &mnt);
    lfs_unmount(&mnt);
}

/* Every image there is. `ok`: the reference mounted it. */
static void each_image(void (*fn)(struct lfs_image *image, bool ok))
{
    DIR *dir = opendir(LFS_IMAGES);
    struct dirent *found;
    int count = 0;

    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        struct lfs_image image;

        if (!end)
            continue;
        *end = 0;
        lfs_image_load(&image, found->d_name);
        fn(&image, !strcmp("ok", json_string_value(json_object_get(
                                     image.manifest, "mount"))));
        lfs_image_free(&image);
        count++;
    }
    closedir(dir);
    assert_true(count > 100);
}

#endif
