/* SPDX-License-Identifier: MIT
 *
 * What the littlefs tests share: golden images with their manifests, and the
 * tree of a mounted volume as the manifests write it.
 *
 * Memory  everything is malloc'd; the caller frees (json_decref, free)
 * Errors  a helper that fails ends the test
 */
#ifndef FP_TESTS_UNIT_LITTLEFS_SUPPORT_H
#define FP_TESTS_UNIT_LITTLEFS_SUPPORT_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "core/bdev/ram.h"
#include "core/digest/sha256.h"
#include "core/fs/fs.h"
#include "core/fs/littlefs/littlefs.h"

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
static const struct fp_fs_ops *const lfs_driver = &fp_fs_littlefs_ro;
#else
static const struct fp_fs_ops *const lfs_driver = &fp_fs_littlefs;
#endif

#define LFS_IMAGES FP_TEST_IMAGES "/littlefs/"

struct lfs_image {
    char name[96];
    json_t *manifest;
    uint8_t *mem;
    size_t size;
    uint32_t block_size, block_count, prog_size;
};

static inline uint32_t lfs_json_u32(json_t *obj, const char *key)
{
    json_t *value = json_object_get(obj, key);

    assert_true(json_is_integer(value));
    return (uint32_t)json_integer_value(value);
}

static inline void lfs_image_load(struct lfs_image *image, const char *name)
{
    char path[512];
    json_t *geometry;
    json_error_t error;
    gzFile gz;
    int n;

    memset(image, 0, sizeof *image);
    snprintf(image->name, sizeof image->name, "%s", name);
    snprintf(path, sizeof path, LFS_IMAGES "%s.json", name);
    image->manifest = json_load_file(path, 0, &error);
    if (!image->manifest)
        fail_msg("%s: %s", path, error.text);
    geometry = json_object_get(image->manifest, "geometry");
    image->block_size = lfs_json_u32(geometry, "block_size");
    image->block_count = lfs_json_u32(geometry, "block_count");
    image->prog_size = lfs_json_u32(geometry, "prog_size");
    image->size = (size_t)image->block_size * image->block_count;
    image->mem = malloc(image->size);
    assert_non_null(image->mem);
    snprintf(path, sizeof path, LFS_IMAGES "%s.img.gz", name);
    gz = gzopen(path, "rb");
    assert_non_null(gz);
    n = gzread(gz, image->mem, (unsigned)image->size);
    assert_int_equal(n, image->size);
    gzclose(gz);
}

static inline void lfs_image_free(struct lfs_image *image)
{
    json_decref(image->manifest);
    free(image->mem);
}

/* Mounts with a workspace of exactly the size asked for, so that a sanitizer
 * sees every byte beyond. */
static inline int lfs_mount(struct fp_mount *mnt, struct fp_bdev *dev,
                            const struct fp_fs_config *cfg)
{
    static const struct fp_fs_config none;
    size_t size = lfs_driver->workspace(dev, cfg ? cfg : &none);
    void *ws = malloc(size ? size : 1);
    int err;

    assert_non_null(ws);
    err = fp_fs_mount(mnt, lfs_driver, dev, cfg, ws, size);
    if (err)
        free(ws);
    return err;
}

static inline void lfs_unmount(struct fp_mount *mnt)
{
    assert_int_equal(fp_fs_unmount(mnt), FP_OK);
    free(mnt->ws);
}

static inline void lfs_hex(char *to, const uint8_t *bytes, size_t size)
{
    to[0] = 0;
    for (size_t i = 0; i < size; i++)
        sprintf(to + 2 * i, "%02x", bytes[i]);
}

static inline json_t *lfs_attrs(struct fp_mount *mnt, const char *path)
{
    uint8_t types[256], value[1024];
    char key[8], hex[2049];
    int count = fp_fs_listattr(mnt, path, types, sizeof types);
    json_t *attrs = NULL;

    if (count == FP_ERR_NOTSUP) { /* a build without FP_LFS_EXTRAS */
        count = 0;
        for (int type = 0; type < 256; type++)
            if (fp_fs_getattr(mnt, path, (uint8_t)type, value, 0) >= 0)
                types[count++] = (uint8_t)type;
    }
    assert_true(count >= 0);
    if (count > 0)
        attrs = json_object();
    for (int i = 0; i < count; i++) {
        int32_t n = fp_fs_getattr(mnt, path, types[i], value, sizeof value);

        assert_true(n >= 0);
        lfs_hex(hex, value, (size_t)n);
        snprintf(key, sizeof key, "%d", types[i]);
        json_object_set_new(attrs, key, json_string(hex));
    }
    return attrs;
}

/* Reads in pieces of odd sizes. */
static inline int lfs_digest(struct fp_mount *mnt, const char *path,
                             uint64_t *size, char hex[65])
{
    uint8_t buf[1501], digest[32];
    struct fp_sha256 sha;
    struct fp_file file;
    int32_t n = 0;
    uint32_t piece = 1;
    int err = fp_fs_open(mnt, &file, path, FP_O_READ);

    if (err)
        return err;
    fp_sha256_init(&sha);
    *size = 0;
    while ((n = fp_fs_read(&file, buf, piece)) > 0) {
        fp_sha256_update(&sha, buf, (size_t)n);
        *size += (uint64_t)n;
        piece = piece * 3 % sizeof buf + 1;
    }
    fp_sha256_final(&sha, digest);
    lfs_hex(hex, digest, 32);
    err = fp_fs_close(&file);
    return n < 0 ? n : err;
}

static inline bool lfs_is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* The tree as manifests have it: path, type, size, sha256, attrs; sorted by
 * path. A name beyond ASCII has path_hex, one that is not UTF-8 path null. */
static inline json_t *lfs_entry(struct fp_mount *mnt, const char *path,
                                const struct fp_stat *st)
{
    json_t *row = json_object(), *attrs = lfs_attrs(mnt, path);
    json_t *text = json_string(path);
    char hex[2100];

    json_object_set_new(row, "path", text ? text : json_null());
    if (!lfs_is_ascii(path)) {
        lfs_hex(hex, (const uint8_t *)path, strlen(path));
        json_object_set_new(row, "path_hex", json_string(hex));
    }
    json_object_set_new(row, "type",
                        json_string(st->type == FP_TYPE_DIR ? "dir" : "file"));
    if (st->type == FP_TYPE_FILE) {
        uint64_t size = 0;

        assert_int_equal(lfs_digest(mnt, path, &size, hex), FP_OK);
        assert_int_equal(size, st->size);
        json_object_set_new(row, "size", json_integer((json_int_t)size));
        json_object_set_new(row, "sha256", json_string(hex));
    }
    if (attrs)
        json_object_set_new(row, "attrs", attrs);
    return row;
}

static inline int lfs_by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lfs_paths {
    char **list;
    size_t count;
};

static inline void lfs_paths_add(struct lfs_paths *p, const char *dir,
                                 const char *name)
{
    char path[2048];

    snprintf(path, sizeof path, "%s/%s", strcmp(dir, "/") ? dir : "", name);
    p->list = realloc(p->list, (p->count + 1) * sizeof p->list[0]);
    p->list[p->count++] = strdup(path);
}

/* Every path of the volume, breadth first. */
static inline struct lfs_paths lfs_walk(struct fp_mount *mnt)
{
    struct lfs_paths all = { 0 };

    all.list = malloc(sizeof all.list[0]);
    all.list[all.count++] = strdup("/");
    for (size_t i = 0; i < all.count; i++) {
        struct fp_dirent entry;
        struct fp_dir dir;
        struct fp_stat st;
        int got;

        assert_int_equal(fp_fs_stat(mnt, all.list[i], &st), FP_OK);
        if (st.type != FP_TYPE_DIR)
            continue;
        assert_int_equal(fp_fs_opendir(mnt, &dir, all.list[i]), FP_OK);
        while ((got = fp_fs_readdir(&dir, &entry)) > 0)
            lfs_paths_add(&all, all.list[i], entry.name);
        assert_int_equal(got, 0);
        assert_int_equal(fp_fs_closedir(&dir), FP_OK);
    }
    return all;
}

static inline json_t *lfs_tree(struct fp_mount *mnt)
{
    struct lfs_paths all = lfs_walk(mnt);
    json_t *tree = json_array();

    qsort(all.list, all.count, sizeof all.list[0], lfs_by_path);
    for (size_t i = 0; i < all.count; i++) {
        struct fp_stat st;

        if (strcmp(all.list[i], "/") != 0) {
            assert_int_equal(fp_fs_stat(mnt, all.list[i], &st), FP_OK);
            json_array_append_new(tree, lfs_entry(mnt, all.list[i], &st));
        }
        free(all.list[i]);
    }
    free(all.list);
    return tree;
}

/* Equal as sets: manifests list a directory in its own order. */
static inline bool lfs_rows_equal(json_t *a, json_t *b)
{
    size_t i, j;
    json_t *row, *other;

    if (!json_is_array(a) || !json_is_array(b))
        return json_equal(a, b);
    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, row)
    {
        bool found = false;

        json_array_foreach(b, j, other)
        {
            found = found || json_equal(row, other);
        }
        if (!found)
            return false;
    }
    return true;
}

static inline void lfs_assert_same(const char *what, json_t *got,
                                   json_t *expected)
{
    if (!lfs_rows_equal(got, expected)) {
        char *a = json_dumps(got, JSON_INDENT(1) | JSON_SORT_KEYS);
        char *b = json_dumps(expected, JSON_INDENT(1) | JSON_SORT_KEYS);

        fprintf(stderr, "%s: got %s\nexpected %s\n", what, a, b);
        free(a);
        free(b);
        fail_msg("%s: not as expected", what);
    }
}

/* --- checking --- */

struct lfs_findings {
    uint32_t errors, warnings, pending;
};

static inline void lfs_print_finding(void *ctx, enum fp_finding_level level,
                                     uint32_t block, const char *text)
{
    static const char *const names[] = { "error", "warning", "pending" };

    if (ctx)
        fprintf(stderr, "%s: %s: block %d: %s\n", (const char *)ctx,
                names[level], (int)block, text);
}

/* Our own check, all slices. `what` names the volume in its output. */
static inline struct lfs_findings lfs_check(struct fp_mount *mnt,
                                            const char *what)
{
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = lfs_print_finding,
                            .ctx = (void *)(uintptr_t)what };
    struct lfs_findings found;

    while (!step.done)
        assert_int_equal(fp_fs_step(mnt, &step), FP_OK);
    found.errors = step.errors;
    found.warnings = step.warnings;
    found.pending = step.pending;
    return found;
}

/* The checker that knows nothing of the driver. */
static inline void lfs_check_image(const char *what, const uint8_t *mem,
                                   uint32_t block_size, uint32_t block_count,
                                   uint32_t prog_size, const char *options)
{
    char file[] = "/tmp/fp-lfs-XXXXXX", cmd[700];
    int fd = mkstemp(file);
    FILE *out = fdopen(fd, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(mem, block_size, block_count, out), block_count);
    fclose(out);
    snprintf(cmd, sizeof cmd,
             "/usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py %s "
             "--block-size %u --prog-size %u %s >%s.txt 2>&1",
             options, block_size, prog_size, file, file);
    if (system(cmd)) {
        snprintf(cmd, sizeof cmd, "grep -v '^file\\|^dir' %s.txt >&2", file);
        if (system(cmd))
            print_message("no output\n");
        fail_msg("%s: the checker objects, see %s", what, file);
    }
    snprintf(cmd, sizeof cmd, "%s.txt", file);
    remove(cmd);
    remove(file);
}

/* The same, and what it lists: {"/path": {"type": ..., "sha256": ...}}. With
 * `sound`, an error or a warning ends the test. */
static inline json_t *lfs_list_image(const char *what, const uint8_t *mem,
                                     uint32_t block_size, uint32_t block_count,
                                     bool sound, const char *options,
                                     uint32_t *blocks_used)
{
    char file[] = "/tmp/fp-lfs-XXXXXX", cmd[700];
    json_t *report, *row, *tree = json_object(), *used;
    int fd = mkstemp(file), status;
    FILE *out = fdopen(fd, "wb");
    json_error_t error;
    size_t i;

    assert_non_null(out);
    assert_int_equal(fwrite(mem, block_size, block_count, out), block_count);
    fclose(out);
    snprintf(cmd, sizeof cmd,
             "/usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py %s "
             "--block-size %u --json %s 2>&1",
             file, block_size, options);
    out = popen(cmd, "r");
    assert_non_null(out);
    report = json_loadf(out, 0, &error); /* reads on to the end */
    status = pclose(out);
    if (!report)
        fail_msg("%s: the checker says nothing: %s", what, error.text);
    if (sound && status) {
        json_dumpf(json_object_get(report, "findings"), stderr, JSON_INDENT(1));
        fail_msg("%s: the checker objects, see %s", what, file);
    }
    remove(file);
    json_array_foreach(json_object_get(report, "files"), i, row)
    {
        json_object_set(tree, json_string_value(json_object_get(row, "path")),
                        row);
    }
    assert_int_equal(json_object_size(tree), i);
    used = json_object_get(report, "blocks_in_use");
    *blocks_used = (uint32_t)json_integer_value(used);
    json_decref(report);
    return tree;
}

#endif
