/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/image.h"

#include "cli/image/kinds.h"
#include "cli/image/opts.h"
#include "cli/out.h"
#include "cli/say.h"
#include "core/host/name.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Partition tables count in these. */
#define SECTOR 512

/* Bytes that are read behind the first volume to say whether it is the only
 * one. */
#define READ_ON ((uint64_t)64 << 20)

static int open_with(struct fpc_image *image,
                     const struct fp_host_file_config *file,
                     struct fp_host_volume_config *volume)
{
    volume->drivers = fp_host_drivers;
    volume->cfg.flags |= FP_MOUNT_RDONLY;
    if (volume->fs && !volume->cfg.options)
        volume->cfg.options = fpc_image_kind(volume->fs)->host_opts;
    image->found_at = file->offset;
    return fp_host_image_open(&image->host, image->path, file, volume);
}

static int open_at(struct fpc_image *image, uint64_t offset)
{
    struct fp_host_file_config file = { .offset = offset };
    struct fp_host_volume_config volume = { .fs = image->fs,
                                            .cfg = image->cfg };

    /* Of one that states no size, the end is where that is said to be. */
    if (image->fs && !fpc_image_kind(image->fs)->states_size &&
        image->cfg.block_size && image->cfg.block_count) {
        file.block_size = image->cfg.block_size;
        file.block_count = image->cfg.block_count;
    }
    return open_with(image, &file, &volume);
}

/* As the scan found it: all of it, and nothing behind it. What was stated
 * besides is heard. */
static int open_region(struct fpc_image *image, const struct fp_host_region *r)
{
    struct fp_host_file_config file = { .offset = r->offset };
    struct fp_host_volume_config volume = { .fs = r->ops->name,
                                            .cfg = image->cfg };
    const char *stated = image->cfg.options;

    if (r->missing)
        return r->is_mountable ? open_at(image, r->offset) : FP_ERR_CORRUPT;
    file.block_size = r->cfg.block_size;
    file.block_count = (uint32_t)(r->size / r->cfg.block_size);
    volume.cfg.block_size = r->cfg.block_size;
    volume.cfg.page_size = r->cfg.page_size;
    if (r->cfg.options &&
        snprintf(image->found_opts, sizeof image->found_opts, "%s%s%s",
                 stated ? stated : "", stated ? "," : "",
                 r->cfg.options) < (int)sizeof image->found_opts)
        volume.cfg.options = image->found_opts;
    return open_with(image, &file, &volume);
}

/* What is the matter with the first partition that is no free space. */
static int why_no_partition(struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->scan.mbr;
    int err = FP_ERR_NOENT;

    for (uint32_t i = 0; i < table->count && err == FP_ERR_NOENT; i++)
        if (table->parts[i].why != FP_MBR_OVERLAPS &&
            table->parts[i].why != FP_MBR_EXFAT)
            err = open_at(image, (uint64_t)table->parts[i].first * SECTOR);
    return err == FP_ERR_INVAL ? FP_ERR_NOENT : err;
}

static bool has_foreign_table(const struct fpc_image *image)
{
    return !image->has_offset && (image->scan.mbr.why == FP_MBR_GPT ||
                                  image->scan.mbr.why == FP_MBR_EXFAT);
}

/* Where the scan found nothing: the volume all the same, or what is wrong. */
static int open_unfound(struct fpc_image *image)
{
    if (has_foreign_table(image))
        return FP_ERR_NOENT;
    return image->scan.mbr.count > 0 ? why_no_partition(image)
                                     : open_at(image, 0);
}

/* Why no volume was found, where the table of partitions knows; true then. */
static bool say_table(const struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->scan.mbr;

    if (has_foreign_table(image)) {
        fpc_error("%s: %s", image->path, fp_bdev_mbr_text(table->why));
        return true;
    }
    for (uint32_t i = 0; !image->has_offset && i < table->count; i++) {
        if (table->parts[i].why == FP_MBR_FINE)
            continue;
        fpc_error("%s: partition %u: %s", image->path, table->parts[i].number,
                  fp_bdev_mbr_text(table->parts[i].why));
        return true;
    }
    return false;
}

static const char *where_not(const struct fpc_image *image)
{
    if (image->has_offset)
        return " at this offset";
    if (image->scan.gave_up)
        return ": too much looks like one and is none, so that not all was "
               "looked at; state where it is with --offset";
    return ": erased, damaged, or of a kind that is not known";
}

/* Is it stated where the volume is, or how it is laid out? Then it is there and
 * so, and not searched for. */
static bool is_stated(const struct fpc_image *image)
{
    const char *opts = image->opts;

    return image->has_offset || image->cfg.block_size || image->cfg.page_size ||
           (opts && image->fs) || (image->fs && strcmp(image->fs, "raw") == 0);
}

/* What is there instead, if what was stated is what hides it; true then. */
static bool say_other(struct fpc_image *image)
{
    const struct fpc_image was = *image;
    const uint64_t offset = image->found        ? image->found->offset
                            : image->has_offset ? image->offset
                                                : 0;
    const struct fp_mount *mnt = &image->host.vol.mnt;
    char size[40] = "";
    int err;

    if (!image->fs && !image->cfg.block_count && !is_stated(image))
        return false;
    image->fs = NULL;
    image->cfg = (struct fp_fs_config){ .flags = 0 };
    err = open_at(image, offset);
    image->fs = was.fs;
    image->cfg = was.cfg;
    if (err)
        return false;
    if (!was.fs || strcmp(mnt->ops->name, was.fs) == 0)
        snprintf(size, sizeof size, " with blocks of %" PRIu32,
                 mnt->cfg.block_size ? mnt->cfg.block_size
                                     : mnt->dev->block_size);
    fpc_error("%s: not as stated: it looks like a %s%s; left out, --fs and the "
              "sizes are found out",
              image->path, mnt->ops->name, size);
    fp_host_image_close(&image->host);
    return true;
}

/* Erased flash is no damaged volume. */
static bool say_erased(const struct fpc_image *image)
{
    struct fp_host_file_config cfg = { .offset = image->found_at };
    struct fp_host_file file;
    uint8_t buf[4096];
    struct fp_fs_blank all = {
        .dev = &file.bdev, .buf = buf, .size = sizeof buf, .also = 0xff
    };
    bool is_erased;

    if (fp_host_file_open(&file, image->path, &cfg) != FP_OK)
        return false;
    is_erased = fp_fs_blank_to(&all, fp_bdev_size(&file.bdev), 0) == 1;
    fp_host_file_close(&file);
    if (is_erased)
        fpc_error("%s: there is no volume: all of it is erased (0xff); "
                  "\"flashport image create\" makes one",
                  image->path);
    return is_erased;
}

static int refused(struct fpc_image *image, int err)
{
    const char *fs = image->found ? image->found->ops->name
                     : image->fs  ? image->fs
                                  : "volume";

    switch (err) {
    case FP_ERR_NOENT:
        if (!say_table(image) && !say_other(image))
            fpc_error("%s: no filesystem found%s", image->path,
                      where_not(image));
        return FPC_EXIT_REFUSED;
    case FP_ERR_CORRUPT:
        if (fpc_image_say_cut(image) || say_other(image) || say_erased(image))
            return FPC_EXIT_REFUSED;
        fpc_error("%s: the %s is damaged: it cannot be mounted", image->path,
                  fs);
        return FPC_EXIT_REFUSED;
    case FP_ERR_INVAL:
        if (strcmp(fs, "raw") != 0 && say_other(image))
            return FPC_EXIT_REFUSED;
        if (strcmp(fs, "raw") == 0)
            fpc_error("%s: --fs raw takes --opt NAME=OFFSET+SIZE[:ro],... "
                      "with ranges that lie in the file",
                      image->path);
        else
            fpc_error(
                "%s: the volume is not as stated: give the block size and "
                "count it has, or leave them out",
                image->path);
        return FPC_EXIT_REFUSED;
    case FP_ERR_NOTSUP:
        if (!say_other(image))
            fpc_error("%s: a %s of a version or with limits that are not known",
                      image->path, fs);
        return FPC_EXIT_REFUSED;
    default:
        fpc_error("%s: %s", image->path,
                  fp_host_file_why(&image->host.file, err));
        return (int)fpc_exit_of(err);
    }
}

/* What is stored is shown as such where names are all there is; directories
 * have stored names anyway. */
static void show_stored(struct fpc_image *image)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_statfs st;

    if (!image->raw || fp_fs_statfs(mnt, &st) != FP_OK || st.caps & FP_CAP_DIRS)
        return;
    mnt->cfg.flags |= FP_MOUNT_STORED;
    image->stored = true;
    image->slashed = fpc_image_kind(mnt->ops->name)->slashed;
}

/* --- looking at the file --- */

static uint64_t next_data(void *ctx, uint64_t off)
{
    return fp_host_file_next_data(ctx, off);
}

/* Verbs need the volume in question, and to know whether it is the only one;
 * info wants to see everything. */
static int scan(struct fpc_image *image, struct fp_host_file *file)
{
    const bool is_all = strcmp(image->verb, "info") == 0 && !image->volume;
    struct fp_host_scan_config cfg = {
        .drivers = fp_host_drivers,
        .fs = image->fs,
        .next_data = next_data,
        .ctx = file,
        .want = is_all          ? 0
                : image->volume ? image->volume
                                : 2,
        .read_on = is_all || image->volume ? 0 : READ_ON,
    };

    return fp_host_scan(&image->scan, &file->bdev, &cfg);
}

/* A file too short for a table has none. */
static void read_table(struct fpc_image *image, struct fp_bdev *dev)
{
    static uint8_t buf[SECTOR];

    (void)fp_bdev_mbr_read(&image->scan.mbr, dev, buf, SECTOR);
}

int fpc_image_look(struct fpc_image *image)
{
    struct fp_host_file file;
    int err;

    if (image->fs && !fp_host_volume_driver(fp_host_drivers, image->fs)) {
        fpc_image_kinds_told("--fs", image->fs);
        return FPC_EXIT_USAGE;
    }
    err = fp_host_file_open(&file, image->path, NULL);
    if (err) {
        fpc_error("%s: %s", image->path,
                  err == FP_ERR_INVAL ? "the file is empty"
                                      : fp_host_file_why(&file, err));
        return err == FP_ERR_INVAL ? FPC_EXIT_REFUSED : (int)fpc_exit_of(err);
    }
    image->file_size = file.size;
    if (!is_stated(image) || image->volume)
        err = scan(image, &file);
    else
        read_table(image, &file.bdev);
    fp_host_file_close(&file);
    if (err) {
        fpc_error("%s: %s", image->path, fp_strerror(err));
        return (int)fpc_exit_of(err);
    }
    return FPC_EXIT_OK;
}

/* --- opening what was found --- */

static int refused_volume(const struct fpc_image *image)
{
    fpc_error("%s: there is no volume %u: of %zu that were found, see image "
              "info",
              image->path, image->volume, image->scan.volume_count);
    return FPC_EXIT_NOT_FOUND;
}

/* Is it in a partition that overlaps another? Then who opens it says so. */
static bool is_disputed(const struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->scan.mbr;
    bool is = false;

    for (uint32_t i = 0; i < table->count && !image->volume; i++)
        is |= table->parts[i].why == FP_MBR_OVERLAPS &&
              (uint64_t)table->parts[i].first * SECTOR == image->found_at;
    return is;
}

/* Which one it is, if there is another. */
static void say_which(struct fpc_image *image)
{
    if (image->told_which || image->volume || image->scan.volume_count < 2 ||
        strcmp(image->verb, "info") == 0)
        return;
    image->told_which = true;
    fpc_note(
        "%s: there are several volumes; this is the first, %s at 0x%" PRIx64
        ". All: image info; another: --volume N",
        image->path, image->found->ops->name, image->found->offset);
}

int fpc_image_open_found(struct fpc_image *image)
{
    size_t n = image->volume ? image->volume : 1;
    int err;

    image->found = fp_host_scan_volume(&image->scan, n);
    if (image->found) {
        image->found_at = image->found->offset;
        err = is_disputed(image) ? FP_ERR_NOENT
                                 : open_region(image, image->found);
    } else if (image->volume) {
        return refused_volume(image);
    } else if (is_stated(image)) {
        err = open_at(image, image->has_offset ? image->offset : 0);
    } else {
        err = open_unfound(image);
    }
    if (err)
        return refused(image, err);
    if (image->found)
        say_which(image);
    show_stored(image);
    return fpc_image_check_opts(image);
}

int fpc_image_open(struct fpc_image *image)
{
    int status = fpc_image_look(image);

    if (status == FPC_EXIT_OK)
        status = fpc_image_open_found(image);
    if (status)
        fpc_image_close(image);
    return status;
}

static char *rooted(const struct fpc_image *image, const char *path)
{
    const bool has_slash = path[0] == '/' && (!image->stored || image->slashed);
    size_t n = strlen(path);
    char *out = malloc(n + 2);

    if (!out)
        return NULL;
    snprintf(out, n + 2, "%s%s", has_slash ? "" : "/", path);
    for (n = strlen(out); n > 1 && out[n - 1] == '/' && !image->stored;)
        out[--n] = 0;
    return out;
}

int fpc_image_root_paths(struct fpc_image *image, int first)
{
    for (int i = first; i < image->arg_count; i++) {
        char *path = rooted(image, image->args[i]);

        if (!path)
            return fpc_error("out of memory"), FPC_EXIT_FAILED;
        free(image->args[i]);
        image->args[i] = path;
    }
    return FPC_EXIT_OK;
}

void fpc_image_close(struct fpc_image *image)
{
    if (image->host.vol.mnt.mounted)
        fp_host_image_close(&image->host);
    fp_host_scan_free(&image->scan);
}

/* In words that say whose fault it is where the phrase for all layers does
 * not. */
const char *fpc_image_name_why(struct fp_mount *mnt, const char *path, int err)
{
    static char text[FP_HOST_NAME_WHY];
    struct fp_statfs st = { 0 };

    if (err != FP_ERR_INVAL && err != FP_ERR_NAMETOOLONG)
        return NULL;
    fp_fs_statfs(mnt, &st);
    return fp_host_name_refused(mnt->ops->name, st.name_max, path, text) ? text
                                                                         : NULL;
}

static const char *why(struct fpc_image *image, const char *path, int err)
{
    static char text[80];
    struct fp_mount *mnt = &image->host.vol.mnt;
    const char *fs = mnt->ops ? mnt->ops->name : "volume";
    const char *fault = mnt->ops ? fpc_image_name_why(mnt, path, err) : NULL;

    if (fault)
        return fault;
    if (err == FP_ERR_NOTSUP)
        snprintf(text, sizeof text, "a %s cannot do that", fs);
    else if (err == FP_ERR_INVAL)
        snprintf(text, sizeof text, "invalid: no name that a %s can have", fs);
    else
        return fp_strerror(err);
    return text;
}

int fpc_image_failed(struct fpc_image *image, const char *path, int err)
{
    if (err == FP_ERR_CORRUPT && fpc_image_say_cut(image))
        return FPC_EXIT_REFUSED;
    fpc_error("%s: %.4000s: %s", image->path, path, why(image, path, err));
    return (int)fpc_exit_of(err);
}

void fpc_image_answer(json_t *doc)
{
    json_dumpf(doc, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(doc);
}

int fpc_image_read_file(struct fpc_image *image, const char *path,
                        int (*take)(void *ctx, const void *buf, size_t size),
                        void *ctx)
{
    static uint8_t buf[65536];
    struct fp_file file;
    int status = FPC_EXIT_OK;
    int32_t n;
    int err = fp_fs_open(&image->host.vol.mnt, &file, path, FP_O_READ);

    if (err)
        return fpc_image_failed(image, path, err);
    while (status == FPC_EXIT_OK &&
           (n = fp_fs_read(&file, buf, sizeof buf)) != 0)
        status = n < 0 ? fpc_image_failed(image, path, n)
                       : take(ctx, buf, (size_t)n);
    fp_fs_close(&file);
    return status;
}
