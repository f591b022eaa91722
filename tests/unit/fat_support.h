/* SPDX-License-Identifier: MIT
 *
 * What the FAT tests share: golden images with their manifests, a card in
 * memory, and the tree of a mounted volume as the manifests write it.
 *
 * Memory  everything is malloc'd; the caller frees (json_decref, free)
 * Errors  a helper that fails ends the test
 */
#ifndef FP_TESTS_UNIT_FAT_SUPPORT_H
#define FP_TESTS_UNIT_FAT_SUPPORT_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "core/bdev/ram.h"
#include "core/digest/sha256.h"
#include "core/fs/fat/fat.h"

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

#if FP_READONLY
static const struct fp_fs_ops *const fat_driver = &fp_fs_fat_ro;
#else
static const struct fp_fs_ops *const fat_driver = &fp_fs_fat;
#endif

#define FAT_IMAGES FP_TEST_IMAGES "/fat/"

static inline void fat_ok(int64_t got, const char *what)
{
    if (got < 0)
        fail_msg("%s: %s", what, fp_strerror((int)got));
}

/* mem[0..size) as a card with that sector. */
static inline void fat_card(struct fp_bdev_ram *ram, uint8_t *mem, size_t size,
                            uint32_t sector)
{
    fp_bdev_ram_init(ram, sector, sector, (uint32_t)(size / sector), mem);
    ram->bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
}

/* The image and its manifest; *size bytes. */
static inline uint8_t *fat_image(const char *name, json_t **manifest,
                                 size_t *size)
{
    char path[512];
    json_error_t error;
    uint8_t *mem;
    gzFile gz;

    snprintf(path, sizeof path, FAT_IMAGES "%s.json", name);
    *manifest = json_load_file(path, 0, &error);
    if (!*manifest)
        fail_msg("%s: %s", path, error.text);
    *size = (size_t)json_integer_value(json_object_get(*manifest, "size"));
    if (!*size)
        *size = 131072; /* the smallest are all of this size */
    mem = malloc(*size);
    assert_non_null(mem);
    snprintf(path, sizeof path, FAT_IMAGES "%s.img.gz", name);
    gz = gzopen(path, "rb");
    assert_non_null(gz);
    assert_int_equal(gzread(gz, mem, (unsigned)*size), *size);
    gzclose(gz);
    return mem;
}

/* Mounts with a workspace of exactly the size asked for, so that a sanitizer
 * sees every byte beyond. */
static inline int fat_mount(struct fp_mount *mnt, struct fp_bdev *dev,
                            const struct fp_fs_config *cfg)
{
    struct fp_fs_config use = cfg ? *cfg : (struct fp_fs_config){ 0 };
    int score = 0, err = fat_driver->probe(dev, &use, &score);
    size_t size = fat_driver->workspace(dev, &use);
    void *ws;

    if (err)
        return err;
    ws = malloc(size ? size : 1);
    assert_non_null(ws);
    err = fp_fs_mount(mnt, fat_driver, dev, &use, ws, size);
    if (err)
        free(ws);
    return err;
}

static inline void fat_unmount(struct fp_mount *mnt)
{
    fat_ok(fp_fs_unmount(mnt), "unmount");
    free(mnt->ws);
}

static inline json_t *fat_file(struct fp_mount *mnt, const char *path,
                               uint64_t *size)
{
    uint8_t buf[4000], digest[FP_SHA256_SIZE];
    char hex[2 * FP_SHA256_SIZE + 1];
    struct fp_sha256 sha;
    struct fp_file file;
    int32_t n;

    *size = 0;
    fat_ok(fp_fs_open(mnt, &file, path, FP_O_READ), path);
    fp_sha256_init(&sha);
    while ((n = fp_fs_read(&file, buf, sizeof buf)) > 0) {
        fp_sha256_update(&sha, buf, (size_t)n);
        *size += (uint64_t)n;
    }
    fat_ok(n, path);
    fat_ok(fp_fs_close(&file), path);
    fp_sha256_final(&sha, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
    return json_string(hex);
}

/* {"path": {"type", "size", "sha256"}} of all that lies below. */
static inline void fat_tree_into(json_t *tree, struct fp_mount *mnt,
                                 const char *path)
{
    struct fp_dir dir;
    struct fp_dirent entry;
    int got;

    fat_ok(fp_fs_opendir(mnt, &dir, path), path);
    while ((got = fp_fs_readdir(&dir, &entry)) == 1) {
        char below[2048];
        json_t *item = json_object();
        uint64_t size;

        snprintf(below, sizeof below, "%s/%s", path[1] ? path : "", entry.name);
        assert_null(json_object_get(tree, below));
        json_object_set_new(tree, below, item);
        if (entry.st.type == FP_TYPE_DIR) {
            json_object_set_new(item, "type", json_string("dir"));
            fat_tree_into(tree, mnt, below);
            continue;
        }
        json_object_set_new(item, "type", json_string("file"));
        json_object_set_new(item, "sha256", fat_file(mnt, below, &size));
        json_object_set_new(item, "size", json_integer((json_int_t)size));
        assert_int_equal(size, entry.st.size);
    }
    fat_ok(got, path);
    fat_ok(fp_fs_closedir(&dir), path);
}

static inline json_t *fat_tree(struct fp_mount *mnt)
{
    json_t *tree = json_object();

    fat_tree_into(tree, mnt, "/");
    return tree;
}

/* The same of a manifest's list. */
static inline json_t *fat_tree_of(json_t *files)
{
    json_t *tree = json_object(), *file;
    size_t i;

    json_array_foreach(files, i, file)
    {
        json_t *item = json_copy(file);
        const char *path = json_string_value(json_object_get(file, "path"));

        json_object_set_new(tree, path, item);
        json_object_del(item, "path");
        json_object_del(item, "path_hex");
    }
    return tree;
}

/* What `one` has that `other` has not, or otherwise. */
static inline int fat_print_missing(const char *what, json_t *one,
                                    json_t *other)
{
    const char *path;
    json_t *item;
    int count = 0;

    json_object_foreach(one, path, item)
    {
        char *text;

        if (json_equal(item, json_object_get(other, path)))
            continue;
        text = json_dumps(item, JSON_COMPACT);
        print_error("%s: %s %s\n", what, path, text);
        free(text);
        count++;
    }
    return count;
}

static inline void fat_assert_same(const char *what, json_t *got, json_t *want)
{
    int count;

    print_message("%s: %zu entries\n", what, json_object_size(want));
    count = fat_print_missing("not wanted", got, want);
    count += fat_print_missing("missing", want, got);
    if (count)
        fail_msg("%s: %d differences", what, count);
}

#endif
