/* SPDX-License-Identifier: MIT
 *
 * What the scan found, for people (a row a region, within 80 columns) and for
 * programs.
 */
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NOTE "                                  "

/* What the type in an MBR stands for; the volume may be another. */
static const char *mbr_type(uint8_t type)
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

/* Source: ESP-IDF Programming Guide, Partition Tables */
static const char *esp_type(const struct fp_host_part *part)
{
    static const struct {
        uint8_t type, subtype;
        const char *name;
    } names[] = {
        { 0, 0x00, "app, factory" },   { 1, 0x00, "data, ota" },
        { 1, 0x01, "data, phy" },      { 1, 0x02, "data, nvs" },
        { 1, 0x03, "data, coredump" }, { 1, 0x81, "data, fat" },
        { 1, 0x82, "data, spiffs" },   { 1, 0x83, "data, littlefs" },
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].type == part->type && names[i].subtype == part->subtype)
            return names[i].name;
    return part->type == 0 ? "app" : part->type == 1 ? "data" : "other";
}

/* --- for people --- */

static void print_place(const char *mark, uint64_t offset, uint64_t size)
{
    char at[24], hex[24], text[16];

    snprintf(at, sizeof at, "0x%" PRIx64, offset);
    snprintf(hex, sizeof hex, "0x%" PRIx64, size);
    printf("%4s  %-12s  %-12s %5s  ", mark, at, hex, fpc_size_text(size, text));
}

static void print_part(const struct fp_host_part *part)
{
    print_place("", part->offset, part->size);
    printf("partition %" PRIu32, part->number);
    if (part->label[0]) {
        fputs(" \"", stdout);
        fpc_print_name(stdout, part->label, strlen(part->label));
        putchar('"');
    }
    printf(": %s\n", part->is_esp ? esp_type(part) : mbr_type(part->type));
    if (part->why == FP_MBR_BEYOND_END)
        puts(NOTE "ends behind the end of the file");
    else if (part->why == FP_MBR_OVERLAPS)
        puts(NOTE "overlaps another or the table itself");
    else if (part->why == FP_MBR_EXFAT)
        puts(NOTE "exFAT, which is not supported");
}

static void print_use(const struct fp_host_region *r)
{
    const struct fp_statfs *st = &r->st;

    if (!r->has_use) {
        printf("%s, blocks of %" PRIu32, r->ops->name, r->cfg.block_size);
        return;
    }
    printf("%s%s%s, %" PRIu64 " x %" PRIu32, r->ops->name,
           st->version[0] ? " " : "", st->version, st->block_count,
           st->block_size);
    if (st->block_count)
        printf(", %u %% used",
               (unsigned)(st->blocks_used * 100 / st->block_count));
}

static void print_volume(const struct fp_host_region *r, size_t number)
{
    char mark[16], text[16];

    snprintf(mark, sizeof mark, "%zu", number);
    print_place(mark, r->offset, r->size);
    print_use(r);
    putchar('\n');
    if (r->missing == UINT64_MAX)
        puts(NOTE "cut off: it goes on behind the end");
    else if (r->missing)
        printf(NOTE "cut off: 0x%" PRIx64 " (%s) are missing\n", r->missing,
               fpc_size_text(r->missing, text));
    if (r->is_damaged)
        puts(NOTE "damaged: see image check");
    if (r->cfg.page_size)
        printf(NOTE "--page-size %" PRIu32 "\n", r->cfg.page_size);
    if (r->cfg.options)
        printf(NOTE "--opt %s\n", r->cfg.options);
    if (!r->states_size)
        puts(NOTE "states no size: as far as it plausibly goes");
}

static void print_other(const struct fp_host_region *r)
{
    print_place("", r->offset, r->size);
    if (r->kind == FP_HOST_TABLE)
        printf("partition table (%s)\n", r->text);
    else if (r->kind == FP_HOST_DATA)
        printf("data%s%s\n", r->text ? ": " : "", r->text ? r->text : "");
    else if (r->byte == 0xff)
        puts("erased (0xff)");
    else if (r->byte == 0)
        puts("zero");
    else
        printf("constant 0x%02x\n", r->byte);
}

/* A partition stands before what begins in it. */
static void print_parts(const struct fpc_image *image, uint64_t from,
                        uint64_t to)
{
    const struct fp_host_scan *scan = &image->scan;

    for (size_t i = 0; i < scan->part_count; i++)
        if (scan->parts[i].offset >= from && scan->parts[i].offset < to)
            print_part(&scan->parts[i]);
}

void fpc_image_print_map(const struct fpc_image *image)
{
    const struct fp_host_scan *scan = &image->scan;
    size_t number = 0;
    uint64_t at = 0;
    char text[16];

    printf("%s: %s (%" PRIu64 " bytes), %zu volume%s\n\n", image->path,
           fpc_size_text(image->file_size, text), image->file_size,
           scan->volume_count, scan->volume_count == 1 ? "" : "s");
    printf("%4s  %-12s  %-12s %5s  %s\n", "vol", "offset", "size", "", "what");
    for (size_t i = 0; i < scan->count; i++) {
        const struct fp_host_region *r = &scan->regions[i];

        print_parts(image, at, r->offset + 1);
        if (r->kind == FP_HOST_VOLUME)
            print_volume(r, ++number);
        else
            print_other(r);
        at = r->offset + 1;
    }
    print_parts(image, at, UINT64_MAX);
    if (scan->gave_up)
        puts("\nThere is too much that looks like a volume and is none: not "
             "all of it was\nlooked at.");
}

/* --- for programs --- */

json_t *fpc_image_arguments_json(const struct fp_fs_ops *ops,
                                 const struct fp_fs_config *cfg,
                                 uint64_t offset)
{
    json_t *list = json_pack("[s,s]", "--fs", ops->name);
    const struct {
        const char *option;
        uint64_t value;
    } numbers[] = {
        { "--offset", offset },
        { "--block-size", cfg->block_size },
        { "--block-count", cfg->block_count },
        { "--page-size", cfg->page_size },
    };
    /* One that states its layout needs no more than its place. */
    size_t most = fpc_image_kind(ops->name)->states_size ? 1 : 4;
    char text[24];

    for (size_t i = 0; i < most; i++) {
        if (numbers[i].value == 0)
            continue;
        snprintf(text, sizeof text, i ? "%" PRIu64 : "0x%" PRIx64,
                 numbers[i].value);
        json_array_append_new(list, json_string(numbers[i].option));
        json_array_append_new(list, json_string(text));
    }
    if (cfg->options && cfg->options[0]) {
        json_array_append_new(list, json_string("--opt"));
        json_array_append_new(list, json_string(cfg->options));
    }
    return list;
}

json_t *fpc_image_parts_json(const struct fpc_image *image)
{
    json_t *list = json_array();

    for (size_t i = 0; i < image->scan.part_count; i++) {
        const struct fp_host_part *part = &image->scan.parts[i];
        json_t *item =
            json_pack("{s:I,s:i,s:I,s:I}", "number", (json_int_t)part->number,
                      "type", part->type, "offset", (json_int_t)part->offset,
                      "size", (json_int_t)part->size);

        if (part->is_esp)
            json_object_set_new(item, "subtype", json_integer(part->subtype));
        if (part->label[0]) /* NULL, and left out, if it is no UTF-8 */
            json_object_set_new(item, "label", json_string(part->label));
        if (part->why != FP_MBR_FINE)
            json_object_set_new(item, "problem",
                                json_string(fp_bdev_mbr_text(part->why)));
        json_array_append_new(list, item);
    }
    return list;
}

static void add_volume(json_t *item, const struct fp_host_region *r,
                       size_t number)
{
    json_object_set_new(item, "volume", json_integer((json_int_t)number));
    json_object_set_new(item, "fs", json_string(r->ops->name));
    json_object_set_new(item, "block_size", json_integer(r->cfg.block_size));
    if (r->has_use) {
        json_object_set_new(item, "version", json_string(r->st.version));
        json_object_set_new(item, "block_count",
                            json_integer((json_int_t)r->st.block_count));
        json_object_set_new(item, "blocks_used",
                            json_integer((json_int_t)r->st.blocks_used));
    }
    json_object_set_new(item, "states_size", json_boolean(r->states_size));
    json_object_set_new(item, "damaged", json_boolean(r->is_damaged));
    json_object_set_new(item, "cut_off", json_boolean(r->missing != 0));
    if (r->missing && r->missing != UINT64_MAX)
        json_object_set_new(item, "missing",
                            json_integer((json_int_t)r->missing));
    json_object_set_new(item, "arguments",
                        fpc_image_arguments_json(r->ops, &r->cfg, r->offset));
}

static const char *kind_name(const struct fp_host_region *r)
{
    switch (r->kind) {
    case FP_HOST_VOLUME:
        return "volume";
    case FP_HOST_TABLE:
        return "table";
    case FP_HOST_DATA:
        return "data";
    default:
        return r->byte == 0xff ? "erased" : r->byte ? "constant" : "zero";
    }
}

json_t *fpc_image_map_json(const struct fpc_image *image)
{
    json_t *list = json_array();
    size_t number = 0;

    for (size_t i = 0; i < image->scan.count; i++) {
        const struct fp_host_region *r = &image->scan.regions[i];
        json_t *item =
            json_pack("{s:s,s:I,s:I}", "kind", kind_name(r), "offset",
                      (json_int_t)r->offset, "size", (json_int_t)r->size);

        if (r->kind == FP_HOST_VOLUME)
            add_volume(item, r, ++number);
        else if (r->kind == FP_HOST_CONSTANT)
            json_object_set_new(item, "byte", json_integer(r->byte));
        else if (r->text)
            json_object_set_new(item, "what", json_string(r->text));
        json_array_append_new(list, item);
    }
    return list;
}
