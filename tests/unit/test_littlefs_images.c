/* SPDX-License-Identifier: MIT
 *
 * Every image that the reference made reads as its manifest says: paths,
 * sizes, contents, attributes, the superblock, blocks in use; and what must
 * be refused is refused.
 */
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
    /* Garbage was put far behind the last commit of this one. */
    uint32_t damaged = strstr(image->name, "corrupt_newer_tail") ? 1 : 0;

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

static void every_image_reads_as_its_manifest_says(void **state)
{
    DIR *dir = opendir(LFS_IMAGES);
    struct dirent *found;
    int count = 0;

    (void)state;
    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        struct lfs_image image;
        bool ok, mismatch;

        if (!end)
            continue;
        *end = 0;
        lfs_image_load(&image, found->d_name);
        ok = !strcmp(
            "ok", json_string_value(json_object_get(image.manifest, "mount")));
        mismatch = strstr(image.name, "blockcount_mismatch");
        reads_as_made(&image, ok);
        if (!mismatch)
            is_found(&image, ok);
        if (ok)
            is_found_by_block_1(&image);
        lfs_image_free(&image);
        count++;
    }
    closedir(dir);
    print_message("%d images\n", count);
    assert_true(count > 100);
}

/* --- going on writing --- */

static void write_file(struct fp_mount *mnt, const char *path, uint32_t flags,
                       uint32_t size, int fill)
{
    struct fp_file file;
    uint8_t *buf = malloc(size);

    memset(buf, fill, size);
    assert_int_equal(fp_fs_open(mnt, &file, path, flags | FP_O_WRITE), FP_OK);
    assert_int_equal(fp_fs_write(&file, buf, size), size);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    free(buf);
}

static void assert_filled(struct fp_mount *mnt, const char *path, uint32_t size,
                          int fill)
{
    uint8_t *buf = malloc(size + 1);
    struct fp_file file;

    assert_int_equal(fp_fs_open(mnt, &file, path, FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, buf, size + 1), size);
    for (uint32_t i = 0; i < size; i++)
        assert_int_equal(buf[i], fill);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    free(buf);
}

/* Creates, appends, splits, renames, removes; attributes. `limits`: names
 * within 20 bytes, attributes within 16. */
static void go_on(struct lfs_image *image, struct fp_mount *mnt)
{
    uint32_t large = 3 * image->block_size / 2;
    char path[40];

    if (large > 9000)
        large = 9000;
    write_file(mnt, "/fp-new", FP_O_CREATE, 30, 1);
    write_file(mnt, "/fp-new", FP_O_APPEND, 30, 1);
    write_file(mnt, "/fp-large", FP_O_CREATE, large, 2);
    assert_int_equal(fp_fs_mkdir(mnt, "/fp-dir"), FP_OK);
    for (int i = 0; i < 12; i++) {
        snprintf(path, sizeof path, "/fp-dir/f%d", i);
        write_file(mnt, path, FP_O_CREATE, 20, i);
    }
    assert_int_equal(fp_fs_rename(mnt, "/fp-large", "/fp-dir/l", 0), FP_OK);
    assert_int_equal(fp_fs_setattr(mnt, "/fp-dir/l", 77, "seven", 5), FP_OK);
    assert_int_equal(fp_fs_rename(mnt, "/fp-dir/f3", "/fp-dir/f4", 0), FP_OK);
    assert_int_equal(fp_fs_remove(mnt, "/fp-dir/f5"), FP_OK);
}

static void still_there(struct fp_mount *mnt, const struct lfs_image *image,
                        uint32_t large)
{
    json_t *files = json_object_get(image->manifest, "files");
    json_t *tree = lfs_tree(mnt), *old = json_array(), *row;
    size_t i;

    json_array_foreach(tree, i, row)
    {
        const char *path = json_string_value(json_object_get(row, "path"));

        if (!path || strncmp(path, "/fp-", 4) != 0)
            json_array_append(old, row);
    }
    lfs_assert_same(image->name, old, files);
    json_decref(old);
    json_decref(tree);
    assert_filled(mnt, "/fp-new", 60, 1);
    assert_filled(mnt, "/fp-dir/l", large, 2);
    assert_filled(mnt, "/fp-dir/f4", 20, 3);
}

/* False: hardly a free block. */
static bool takes_writes(struct lfs_image *image)
{
    struct fp_fs_config cfg = config_of(image);
    uint32_t large = 3 * image->block_size / 2;
    struct lfs_findings found;
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_statfs st;

    cfg.flags = 0;
    cfg.block_count = 0;
    fp_bdev_ram_init(&ram, image->prog_size, image->block_size,
                     image->block_count, image->mem);
    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_fs_statfs(&mnt, &st), FP_OK);
    if (st.block_count - st.blocks_used < 12) {
        print_message("SKIP %s: %u blocks free\n", image->name,
                      (unsigned)(st.block_count - st.blocks_used));
        lfs_unmount(&mnt);
        return false;
    }
    go_on(image, &mnt);
    lfs_unmount(&mnt);

    assert_int_equal(lfs_mount(&mnt, &ram.bdev, &cfg), FP_OK);
    still_there(&mnt, image, large > 9000 ? 9000 : large);
    found = lfs_check(&mnt, image->name);
    assert_int_equal(found.errors + found.warnings, 0);
    lfs_unmount(&mnt);
    /* Pending is what a cut tore in a pair that was not written since. */
    lfs_check_image(image->name, image->mem, image->block_size,
                    image->block_count, image->prog_size,
                    strstr(image->name, "upgraded") ? "--upgraded" : "");
    return true;
}

static void every_image_can_be_written_to(void **state)
{
    DIR *dir = opendir(LFS_IMAGES);
    struct dirent *found;
    int count = 0;

    (void)state;
    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        struct lfs_image image;

        if (!end || strstr(found->d_name, "blockcount_mismatch"))
            continue;
        *end = 0;
        lfs_image_load(&image, found->d_name);
        if (!strcmp("ok", json_string_value(
                              json_object_get(image.manifest, "mount"))))
            count += takes_writes(&image);
        lfs_image_free(&image);
    }
    closedir(dir);
    print_message("%d images\n", count);
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
        cmocka_unit_test(every_image_can_be_written_to),
        cmocka_unit_test(a_smaller_block_count_mounts_unless_another_is_stated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
