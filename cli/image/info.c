/* SPDX-License-Identifier: MIT
 *
 * flashport image info.
 */
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/out.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *caps_json(uint32_t caps)
{
    static const struct {
        uint32_t cap;
        const char *name;
    } names[] = {
        { FP_CAP_DIRS, "dirs" },
        { FP_CAP_STAGE, "stage" },
        { FP_CAP_ATOMIC_REPLACE, "atomic-replace" },
        { FP_CAP_MTIME, "mtime" },
        { FP_CAP_ATTRS, "attrs" },
        { FP_CAP_SEEKWRITE, "seekwrite" },
        { FP_CAP_APPEND, "append" },
        { FP_CAP_RENAME_DIR, "rename-dir" },
        { FP_CAP_HOLES, "holes" },
    };
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (caps & names[i].cap)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

/* What was found, with nothing that is said of the first volume. */
static json_t *scan_json(const struct fpc_image *image)
{
    json_t *doc = json_pack(
        "{s:I,s:I,s:b,s:o}", "file_size", (json_int_t)image->file_size,
        "volumes", (json_int_t)image->scan.volume_count, "gave_up",
        (int)image->scan.gave_up, "map", fpc_image_map_json(image));

    if (image->scan.part_count > 0)
        json_object_set_new(doc, "partitions", fpc_image_parts_json(image));
    return doc;
}

/* What the scan found says where it ends; a mount need not know. */
static json_t *arguments_json(const struct fpc_image *image)
{
    const struct fp_mount *mnt = &image->host.vol.mnt;

    return fpc_image_arguments_json(
        mnt->ops, image->found ? &image->found->cfg : &mnt->cfg,
        image->found_at);
}

static json_t *volume_json(const struct fpc_image *image,
                           const struct fp_statfs *st)
{
    const struct fp_mount *mnt = &image->host.vol.mnt;

    return json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:b,s:I,s:o}", "fs",
        mnt->ops->name, "version", st->version, "offset",
        (json_int_t)image->found_at, "block_size", (json_int_t)st->block_size,
        "block_count", (json_int_t)st->block_count, "blocks_used",
        (json_int_t)st->blocks_used, "size", (json_int_t)st->size, "free",
        (json_int_t)st->free, "name_max", (json_int_t)st->name_max, "file_max",
        (json_int_t)st->file_max, "caps", caps_json(st->caps), "needs_repair",
        (int)st->needs_repair, "missing", (json_int_t)fpc_image_missing(image),
        "arguments", arguments_json(image));
}

/* For who wants to name it, or has a tool that must be told. */
static void print_arguments(const struct fpc_image *image)
{
    json_t *list = arguments_json(image);
    size_t i, column = 13;
    json_t *word;

    printf("%-12s", "as options");
    json_array_foreach(list, i, word)
    {
        const char *text = json_string_value(word);
        const json_t *value = json_array_get(list, i + 1);
        size_t wide = i % 2 ? 0 : json_string_length(value) + 1;

        if (column + strlen(text) + wide > 78) {
            printf("\n%12s", "");
            column = 13;
        }
        printf(" %s", text);
        column += strlen(text) + 1;
    }
    putchar('\n');
    json_decref(list);
}

static void print_text(const struct fpc_image *image,
                       const struct fp_statfs *st)
{
    const struct fp_host_file *file = &image->host.file;
    const struct fpc_image_kind *kind =
        fpc_image_kind(image->host.vol.mnt.ops->name);
    uint64_t size = st->block_size * st->block_count;
    uint64_t missing = fpc_image_missing(image);
    char text[16];

    printf("filesystem   %s %s\n", image->host.vol.mnt.ops->name, st->version);
    if (image->found_at)
        printf("at           0x%" PRIx64 " in the file\n", image->found_at);
    printf("size         %s: %" PRIu64 " block%s of %" PRIu32 "\n",
           fpc_size_text(size, text), st->block_count,
           fpc_plural(st->block_count), st->block_size);
    if (image->scan.count == 0 && file->size > size)
        printf("behind it    %" PRIu64 " bytes that are no part of it\n",
               file->size - size);
    if (missing)
        printf("cut off      the volume states %" PRIu64
               " bytes more than the file has, none of them in use\n",
               missing);
    printf("used         %" PRIu64 " block%s, %u %%\n", st->blocks_used,
           fpc_plural(st->blocks_used),
           st->block_count ? (unsigned)(st->blocks_used * 100 / st->block_count)
                           : 0);
    printf("free         %s\n", fpc_size_text(st->free, text));
    printf("names        up to %" PRIu32 " bytes%s\n", st->name_max,
           kind->whole_path ? ": of the whole path, without the slash it "
                              "starts with"
                            : "");
    printf("files        up to %" PRIu64 " bytes\n", st->file_max);
    if (image->host.vol.mnt.cfg.page_size)
        print_arguments(image);
    if (st->needs_repair)
        puts("power cut    left something that the next write repairs: see "
             "image check");
}

/* The map says more than the volume does if there is more. */
static bool has_map(const struct fpc_image *image)
{
    const struct fp_host_scan *scan = &image->scan;

    return scan->count > 1 || scan->part_count > 0 || scan->gave_up ||
           (scan->count == 1 && scan->volume_count == 0);
}

static int tell_volume(struct fpc_image *image, json_t *doc)
{
    struct fp_statfs st;
    int err = fp_fs_statfs(&image->host.vol.mnt, &st);
    json_t *volume;

    if (err)
        return fpc_image_failed(image, "/", err);
    if (image->json) {
        volume = volume_json(image, &st);
        json_object_update(doc, volume);
        json_decref(volume);
        return FPC_EXIT_OK;
    }
    if (image->scan.volume_count > 1 && !image->volume)
        puts("\nvolume 1 (another: --volume N):\n");
    else if (!image->volume && has_map(image))
        putchar('\n');
    print_text(image, &st);
    return FPC_EXIT_OK;
}

static int tell(struct fpc_image *image, json_t *doc)
{
    bool is_scanned = !image->volume && image->scan.count > 0;
    int status;

    if (is_scanned && !image->json && has_map(image)) {
        fpc_image_print_map(image);
        fflush(stdout); /* before what goes to stderr */
    }
    status = fpc_image_open_found(image);
    if (status == FPC_EXIT_OK)
        status = tell_volume(image, doc);
    if (image->json && (is_scanned || status == FPC_EXIT_OK))
        fpc_image_answer(json_incref(doc));
    return status;
}

int fpc_image_info(struct fpc_image *image)
{
    int status = fpc_image_look(image);
    json_t *doc = NULL;

    if (status == FPC_EXIT_OK) {
        doc = image->volume || image->scan.count == 0 ? json_object()
                                                      : scan_json(image);
        status = tell(image, doc);
    }
    json_decref(doc);
    fpc_image_close(image);
    return status;
}
