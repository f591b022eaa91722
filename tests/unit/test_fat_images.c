/* SPDX-License-Identifier: MIT
 *
 * Volumes that mkfs.fat and mtools made read as their manifests say.
 */
#include "tests/unit/fat_support.h"

#include <dirent.h>

static const char *string_of(json_t *obj, const char *key)
{
    const char *value = json_string_value(json_object_get(obj, key));

    return value ? value : "";
}

static uint32_t number_of(json_t *obj, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(obj, key));
}

static void check_volume(const char *name, json_t *volume, uint8_t *mem,
                         size_t size)
{
    uint32_t sector = number_of(volume, "bytes_per_sector");
    json_t *want = fat_tree_of(json_object_get(volume, "files")), *got;
    struct fp_fs_config cfg = { .flags = FP_MOUNT_RDONLY };
    char label[FP_FAT_LABEL_MAX + 1];
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_statfs st;
    uint8_t *before = malloc(size);

    assert_non_null(before);
    memcpy(before, mem, size);
    fp_bdev_ram_init(&ram, 1, 512, (uint32_t)(size / 512), mem);
    fat_ok(fat_mount(&mnt, &ram.bdev, &cfg), name);
    fat_ok(fp_fs_statfs(&mnt, &st), name);
    assert_string_equal(st.version, string_of(volume, "type") + 3);
    assert_int_equal(st.block_size, sector);
    assert_int_equal(st.block_count, number_of(volume, "total_sectors"));
    assert_false(st.needs_repair);
    fat_ok(fp_fat_label(&mnt, label), name);
    assert_string_equal(label, string_of(volume, "label"));
    got = fat_tree(&mnt);
    fat_assert_same(name, got, want);
    fat_unmount(&mnt);
    assert_memory_equal(mem, before, size);
    free(before);
    json_decref(got);
    json_decref(want);
}

static void each_image_reads_as_it_was_made(void **state)
{
    DIR *dir = opendir(FAT_IMAGES);
    struct dirent *found;
    int count = 0;

    (void)state;
    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        json_t *manifest, *volume;
        uint8_t *mem;
        size_t size, i;

        if (!end)
            continue;
        *end = '\0';
        mem = fat_image(found->d_name, &manifest, &size);
        json_array_foreach(json_object_get(manifest, "volumes"), i, volume)
        {
            size_t off = number_of(volume, "offset");

            check_volume(found->d_name, volume, mem + off, size - off);
        }
        json_decref(manifest);
        free(mem);
        count++;
    }
    closedir(dir);
    assert_true(count >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_image_reads_as_it_was_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
