/* SPDX-License-Identifier: MIT
 *
 * Every image that the reference made reads as its manifest says, in the
 * stored view and by paths, and what must be refused is refused; the presets
 * are found; a reader writes nothing. What the reference could not read after
 * a power cut need not be there.
 */
#include "tests/unit/spiffs_support.h"

#if FP_READONLY
static const struct fp_fs_ops *const whole = &fp_fs_spiffs_ro;
#else
static const struct fp_fs_ops *const whole = &fp_fs_spiffs;
#endif

static const struct fp_fs_ops *driver;

/* The manifest's row for a file that was listed, taken out of the list. */
static void take_row(const struct spf_image *image, json_t *rows,
                     const char *name, int64_t size, const char *hex)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        const char *path = json_string_value(json_object_get(row, "path"));

        if (strcmp(path, name) != 0)
            continue;
        if (json_object_get(row, "read_error")) {
            if (size >= 0)
                continue;
        } else if (size != json_integer_value(json_object_get(row, "size")) ||
                   strcmp(hex, json_string_value(
                                   json_object_get(row, "sha256"))) != 0) {
            continue;
        }
        json_array_remove(rows, i);
        return;
    }
    fail_msg("%s: no such file in the manifest: %s, %lld", image->name, name,
             (long long)size);
}

static void lists_as_stored(struct spf_image *image)
{
    json_t *rows = json_deep_copy(json_object_get(image->manifest, "files"));
    struct fp_dirent entry;
    struct fp_dir dir;
    json_t *row;
    size_t i;

    assert_int_equal(spf_mount(image, driver, FP_MOUNT_STORED), FP_OK);
    assert_int_equal(fp_fs_opendir(&image->mnt, &dir, "/"), FP_OK);
    while (fp_fs_readdir(&dir, &entry) == 1) {
        char path[300], hex[65] = "";
        int64_t size;

        assert_int_equal(entry.st.type, FP_TYPE_FILE);
        snprintf(path, sizeof path, "/%s", entry.name);
        size = spf_digest(&image->mnt, path, hex);
        if (size >= 0)
            assert_int_equal(size, entry.st.size);
        take_row(image, rows, entry.name, size, hex);
    }
    fp_fs_closedir(&dir);
    json_array_foreach(rows, i, row) if (!json_object_get(row, "read_error"))
        fail_msg("%s: %s is not listed", image->name,
                 json_string_value(json_object_get(row, "path")));
    json_decref(rows);
    assert_int_equal(fp_fs_unmount(&image->mnt), FP_OK);
}

/* Where the stored name is to be found by the rule of docs/formats/spiffs.md;
 * the names in the images need no more of it than this. */
static void path_of(json_t *rows, const char *name, char *path, size_t size)
{
    bool slashes = true;
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row) slashes &=
        json_string_value(json_object_get(row, "path"))[0] == '/';
    snprintf(path, size, "%s%s",
             slashes          ? ""
             : name[0] == '/' ? "/%"
                              : "/",
             name);
}

static void is_found_by_path(struct spf_image *image)
{
    json_t *rows = json_object_get(image->manifest, "files"), *row;
    size_t i;

    assert_int_equal(spf_mount(image, driver, FP_MOUNT_RDONLY), FP_OK);
    json_array_foreach(rows, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "path"));
        char path[300], hex[65];

        if (json_object_get(row, "read_error"))
            continue;
        path_of(rows, name, path, sizeof path);
        assert_int_equal(spf_digest(&image->mnt, path, hex),
                         json_integer_value(json_object_get(row, "size")));
        assert_string_equal(hex,
                            json_string_value(json_object_get(row, "sha256")));
    }
    assert_int_equal(fp_fs_unmount(&image->mnt), FP_OK);
}

static void reads_as_made(struct spf_image *image)
{
    uint8_t *before = malloc(image->size);

    assert_non_null(before);
    memcpy(before, image->mem, image->size);
    if (spf_is_volume(image)) {
        lists_as_stored(image);
        is_found_by_path(image);
    } else {
        assert_int_equal(spf_mount(image, driver, FP_MOUNT_RDONLY),
                         FP_ERR_CORRUPT);
    }
    assert_memory_equal(image->mem, before, image->size);
    free(before);
}

static void every_image_reads_as_its_manifest_says(void **state)
{
    (void)state;
    driver = whole;
    assert_int_equal(spf_each(reads_as_made), 102);
}

static void so_it_does_without_the_writing_half(void **state)
{
    (void)state;
    driver = &fp_fs_spiffs_ro;
    assert_int_equal(spf_each(reads_as_made), 102);
    driver = whole;
}

static int found_count;

/* As an image file of which nothing is known. Layouts that are in no preset
 * are not found, nor is one without magic and without files. */
static void is_found(struct spf_image *image)
{
    const struct fp_fs_ops *drivers[] = { whole, NULL }, *ops;
    struct fp_fs_config cfg = { 0 };
    struct fp_bdev_ram ram;
    int err;

    if (strstr(image->name, "n64m64") ||
        strstr(image->name, "nomagic_b4096_p256_empty"))
        return;
    fp_bdev_ram_init(&ram, 1, 8, image->size / 8, image->mem);
    err = fp_fs_probe(drivers, &ram.bdev, &ops, &cfg);
    if (!spf_is_volume(image)) {
        if (err != FP_ERR_NOENT)
            fail_msg("%s: is no volume, but found: %u %u %s", image->name,
                     cfg.block_size, cfg.page_size, cfg.options);
        return;
    }
    if (err)
        fail_msg("%s: probe answers %s", image->name, fp_strerror(err));
    assert_int_equal(cfg.block_size, image->block_size);
    assert_int_equal(cfg.page_size, image->page_size);
    /* An empty volume could be of several layouts. */
    if (json_array_size(json_object_get(image->manifest, "files")) == 0 ||
        strstr(image->name, "pl_003"))
        return;
    snprintf(image->options, sizeof image->options, "%s", cfg.options);
    lists_as_stored(image);
    found_count++;
}

static void every_preset_is_found(void **state)
{
    (void)state;
    found_count = 0;
    spf_each(is_found);
    print_message("%d volumes found\n", found_count);
    assert_true(found_count > 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_image_reads_as_its_manifest_says),
        cmocka_unit_test(so_it_does_without_the_writing_half),
        cmocka_unit_test(every_preset_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
