/* SPDX-License-Identifier: MIT
 *
 * What the SPIFFS tests share: the reference's images with their manifests,
 * mounts on them, and the checker that knows nothing of the driver.
 *
 * Memory  everything is malloc'd; the caller frees (json_decref, free)
 * Errors  a helper that fails ends the test
 */
#ifndef FP_TESTS_UNIT_SPIFFS_SUPPORT_H
#define FP_TESTS_UNIT_SPIFFS_SUPPORT_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "core/bdev/ram.h"
#include "core/digest/sha256.h"
#include "core/fs/fs.h"
#include "core/fs/spiffs/spiffs.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#define SPF_IMAGES FP_TEST_IMAGES "/spiffs/"

/* An image, or a volume of the test's own. */
struct spf_image {
    char name[256];
    json_t *manifest;
    uint8_t *mem;
    uint32_t size, block_size, page_size;
    char options[160];  /* of the driver */
    char checking[200]; /* of the checker, the same in its words */
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    void *ws;
};

static inline uint32_t spf_u32(json_t *obj, const char *key)
{
    json_t *value = json_object_get(obj, key);

    assert_true(json_is_integer(value));
    return (uint32_t)json_integer_value(value);
}

static inline void spf_layout(struct spf_image *image, uint32_t name_len,
                              uint32_t meta_len, uint32_t magic,
                              uint32_t magic_length, uint32_t aligned,
                              uint32_t id_bytes)
{
    snprintf(image->options, sizeof image->options,
             "name_len=%u,meta_len=%u,magic=%u,magic_length=%u,aligned=%u,"
             "id_bytes=%u",
             name_len, meta_len, magic, magic_length, aligned, id_bytes);
    snprintf(image->checking, sizeof image->checking,
             "--page-size %u --block-size %u --name-len %u --meta-len %u "
             "--magic %u --magic-length %u --aligned %u --id-bytes %u",
             image->page_size, image->block_size, name_len, meta_len, magic,
             magic_length, aligned, id_bytes);
}

static inline void spf_load(struct spf_image *image, const char *name)
{
    char path[512];
    json_t *geometry, *options;
    json_error_t error;
    gzFile gz;

    memset(image, 0, sizeof *image);
    snprintf(image->name, sizeof image->name, "%s", name);
    snprintf(path, sizeof path, SPF_IMAGES "%s.json", name);
    image->manifest = json_load_file(path, 0, &error);
    if (!image->manifest)
        fail_msg("%s: %s", path, error.text);
    geometry = json_object_get(image->manifest, "geometry");
    options = json_object_get(image->manifest, "options");
    image->size = spf_u32(geometry, "size");
    image->block_size = spf_u32(geometry, "log_block_size");
    image->page_size = spf_u32(geometry, "log_page_size");
    spf_layout(image, spf_u32(options, "obj_name_len"),
               spf_u32(options, "obj_meta_len"), spf_u32(options, "use_magic"),
               spf_u32(options, "use_magic_length"),
               spf_u32(options, "aligned_object_index_tables"),
               spf_u32(options, "id_bytes"));
    image->mem = malloc(image->size);
    assert_non_null(image->mem);
    snprintf(path, sizeof path, SPF_IMAGES "%s.img.gz", name);
    gz = gzopen(path, "rb");
    assert_non_null(gz);
    assert_int_equal(gzread(gz, image->mem, image->size), image->size);
    gzclose(gz);
}

static inline void spf_free(struct spf_image *image)
{
    json_decref(image->manifest);
    free(image->mem);
    free(image->ws);
    memset(image, 0, sizeof *image);
}

/* Mounts what is in image->mem; a workspace is made anew each time. */
static inline int spf_mount(struct spf_image *image,
                            const struct fp_fs_ops *ops, uint32_t flags)
{
    struct fp_fs_config cfg = {
        .flags = flags,
        .block_size = image->block_size,
        .page_size = image->page_size,
        .options = image->options,
    };
    size_t size;

    fp_bdev_ram_init(&image->ram, 1, image->block_size,
                     image->size / image->block_size, image->mem);
    size = ops->workspace(&image->ram.bdev, &cfg);
    assert_true(size > 0);
    free(image->ws);
    image->ws = malloc(size);
    assert_non_null(image->ws);
    memset(image->ws, 0xa5, size);
    return fp_fs_mount(&image->mnt, ops, &image->ram.bdev, &cfg, image->ws,
                       size);
}

static inline void spf_hex(const uint8_t *bytes, size_t size, char *text)
{
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The whole of an open file; an error of the driver, or its size. */
static inline int64_t spf_digest(struct fp_mount *mnt, const char *path,
                                 char hex[65])
{
    struct fp_sha256 sha;
    struct fp_file file;
    uint8_t buf[700], digest[FP_SHA256_SIZE];
    int64_t size = 0;
    int32_t n = fp_fs_open(mnt, &file, path, FP_O_READ);

    if (n)
        return n;
    fp_sha256_init(&sha);
    while ((n = fp_fs_read(&file, buf, sizeof buf)) > 0) {
        fp_sha256_update(&sha, buf, (size_t)n);
        size += n;
    }
    fp_fs_close(&file);
    fp_sha256_final(&sha, digest);
    spf_hex(digest, sizeof digest, hex);
    return n < 0 ? n : size;
}

/* What the checker says of image->mem: {"files", "findings"...}. It must find
 * nothing to complain of; `settled`: nor what a power cut may leave. */
static inline json_t *spf_check(struct spf_image *image, bool settled)
{
    char command[600], path[] = "/tmp/fp_spiffs_XXXXXX";
    int fd = mkstemp(path);
    json_error_t error;
    json_t *got;
    FILE *pipe;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, image->mem, image->size), image->size);
    close(fd);
    snprintf(command, sizeof command,
             "/usr/bin/python3 " FP_TEST_TOOLS
             "/spiffs_check.py %s --json %s %s",
             path, settled ? "--settled" : "", image->checking);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    got = json_loadf(pipe, 0, &error);
    if (pclose(pipe) != 0) {
        json_t *findings = json_object_get(got, "findings"), *row;
        size_t i;

        json_array_foreach(findings, i, row)
            print_error("%s: %s: %s\n", image->name,
                        json_string_value(json_object_get(row, "level")),
                        json_string_value(json_object_get(row, "text")));
        fail_msg("%s: the checker complains", image->name);
    }
    unlink(path);
    assert_non_null(got);
    return got;
}

/* Every image there is. */
static inline int spf_each(void (*fn)(struct spf_image *image))
{
    DIR *dir = opendir(SPF_IMAGES);
    struct dirent *found;
    int count = 0;

    assert_non_null(dir);
    while ((found = readdir(dir))) {
        char *end = strstr(found->d_name, ".json");
        struct spf_image image;

        if (!end)
            continue;
        *end = 0;
        spf_load(&image, found->d_name);
        fn(&image);
        spf_free(&image);
        count++;
    }
    closedir(dir);
    return count;
}

static inline bool spf_is_volume(const struct spf_image *image)
{
    return !strcmp(json_string_value(json_object_get(image->manifest, "mount")),
                   "ok");
}

#endif
