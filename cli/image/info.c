/* SPDX-License-Identifier: MIT
 *
 * flashport image info.
 */
#include "cli/image/image.h"
#include "cli/out.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

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

/* What the type in the table stands for; the volume may be another. */
static const char *type_name(uint8_t type)
{
    switch (type) {
    case 0x01:
        return "FAT12";
    case 0x04:
    case 0x06:
    case 0x0e:
        return "FAT16";
    case 0x0b:
    case 0x0c:
        return "FAT32";
    case 0x07:
        return "exFAT or NTFS";
    case 0x83:
        return "Linux";
    default:
        return "other";
    }
}

static json_t *partitions_json(const struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->table;
    json_t *list = json_array();

    for (uint32_t i = 0; i < table->count; i++) {
        const struct fp_bdev_part *part = &table->parts[i];
        json_t *item = json_pack(
            "{s:i,s:i,s:I,s:I}", "number", part->number, "type", part->type,
            "offset", (json_int_t)part->first * table->sector_size, "size",
            (json_int_t)part->count * table->sector_size);

        if (part->why != FP_MBR_FINE)
            json_object_set_new(item, "problem",
                                json_string(fp_bdev_mbr_text(part->why)));
        json_array_append_new(list, item);
    }
    return list;
}

static void print_partitions(const struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->table;
    char text[16];

    for (uint32_t i = 0; i < table->count; i++) {
        const struct fp_bdev_part *part = &table->parts[i];
        uint64_t offset = (uint64_t)part->first * table->sector_size;

        printf("partition %u  %s at 0x%" PRIx64 ", type 0x%02x (%s)%s\n",
               part->number,
               fpc_size_text((uint64_t)part->count * table->sector_size, text),
               offset, part->type, type_name(part->type),
               offset == image->found_at ? ": this one" : "");
        if (part->why != FP_MBR_FINE)
            printf("             %s\n", fp_bdev_mbr_text(part->why));
    }
}

static void print_json(const struct fpc_image *image,
                       const struct fp_statfs *st)
{
    json_t *doc = json_pack(
        "{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:b,s:I}", "fs",
        image->host.vol.mnt.ops->name, "version", st->version, "offset",
        (json_int_t)image->found_at, "block_size", (json_int_t)st->block_size,
        "block_count", (json_int_t)st->block_count, "blocks_used",
        (json_int_t)st->blocks_used, "size", (json_int_t)st->size, "free",
        (json_int_t)st->free, "name_max", (json_int_t)st->name_max, "file_max",
        (json_int_t)st->file_max, "caps", caps_json(st->caps), "needs_repair",
        (int)st->needs_repair, "missing", (json_int_t)fpc_image_missing(image));

    if (image->table.count > 0)
        json_object_set_new(doc, "partitions", partitions_json(image));
    json_dumpf(doc, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(doc);
}

static void print_text(const struct fpc_image *image,
                       const struct fp_statfs *st)
{
    const struct fp_host_file *file = &image->host.file;
    uint64_t size = st->block_size * st->block_count;
    uint64_t missing = fpc_image_missing(image);
    char text[16];

    printf("filesystem   %s %s\n", image->host.vol.mnt.ops->name, st->version);
    if (image->found_at)
        printf("at           0x%" PRIx64 " in the file\n", image->found_at);
    print_partitions(image);
    printf("size         %s: %" PRIu64 " blocks of %" PRIu32 "\n",
           fpc_size_text(size, text), st->block_count, st->block_size);
    if (file->size > size)
        printf("behind it    %" PRIu64 " bytes that are no part of it\n",
               file->size - size);
    if (missing)
        printf("cut off      the volume states %" PRIu64
               " bytes more than the file has, none of them in use\n",
               missing);
    printf("used         %" PRIu64 " blocks, %u %%\n", st->blocks_used,
           st->block_count ? (unsigned)(st->blocks_used * 100 / st->block_count)
                           : 0);
    printf("free         %s\n", fpc_size_text(st->free, text));
    printf("names        up to %" PRIu32 " bytes\n", st->name_max);
    printf("files        up to %" PRIu64 " bytes\n", st->file_max);
    if (st->needs_repair)
        puts("power cut    left something that the next write repairs: see "
             "image check");
}

int fpc_image_info(struct fpc_image *image)
{
    struct fp_statfs st;
    int err, status = fpc_image_open(image);

    if (status)
        return status;
    err = fp_fs_statfs(&image->host.vol.mnt, &st);
    if (err)
        status = fpc_image_failed(image, "/", err);
    else if (image->json)
        print_json(image, &st);
    else
        print_text(image, &st);
    fpc_image_close(image);
    return status;
}
