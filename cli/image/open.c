/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/image.h"

#include "cli/image/kinds.h"
#include "cli/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Volumes inside a larger image are looked for at multiples of this: the erase
 * block of nearly every flash, or a multiple of it. */
#define GRID 4096

/* Partition tables count in these. */
#define SECTOR 512

static int open_at(struct fpc_image *image, uint64_t offset)
{
    struct fp_host_file_config file = { .offset = offset };
    struct fp_host_volume_config volume = {
        .drivers = fp_host_drivers,
        .fs = image->fs,
        .cfg = image->cfg,
    };

    volume.cfg.flags |= FP_MOUNT_RDONLY;
    image->found_at = offset;
    return fp_host_image_open(&image->host, image->path, &file, &volume);
}

/* How sure a driver is of a volume at this offset: 0 not at all, -1 the file
 * ends before it. */
static int score_at(const struct fpc_image *image, uint64_t offset)
{
    struct fp_host_file_config cfg = { .offset = offset, .block_size = 1 };
    struct fp_host_file file;
    int best = 0;

    if (fp_host_file_open(&file, image->path, &cfg) != FP_OK)
        return -1;
    for (const struct fp_fs_ops *const *ops = fp_host_drivers; *ops; ops++) {
        struct fp_fs_config found = image->cfg;
        int score = best;

        if ((*ops)->probe != NULL &&
            (*ops)->probe(&file.bdev, &found, &score) == FP_OK && score > best)
            best = score;
    }
    fp_host_file_close(&file);
    return best;
}

/* A volume that keeps its anchor twice is found, less surely, one block early
 * too: the surer neighbour is the one meant. */
static int search(struct fpc_image *image)
{
    uint64_t offset = GRID;
    int score, next;

    for (score = score_at(image, offset); score >= 0; score = next) {
        next = score_at(image, offset + GRID);
        if (score > 0 && score >= next)
            return open_at(image, offset);
        offset += GRID;
    }
    return FP_ERR_NOENT;
}

/* The partition that is a volume, the first of them; or what is the matter with
 * the first that is no free space. */
static int open_partition(struct fpc_image *image)
{
    int first_err = FP_ERR_NOENT;

    for (uint32_t i = 0; i < image->table.count; i++) {
        const struct fp_bdev_part *part = &image->table.parts[i];
        int err;

        if (part->why == FP_MBR_OVERLAPS || part->why == FP_MBR_EXFAT)
            continue;
        err = open_at(image, (uint64_t)part->first * SECTOR);
        if (err == FP_OK)
            return FP_OK;
        if (first_err == FP_ERR_NOENT && err != FP_ERR_INVAL)
            first_err = err;
    }
    return first_err;
}

static bool has_foreign_table(const struct fpc_image *image)
{
    return !image->has_offset &&
           (image->table.why == FP_MBR_GPT || image->table.why == FP_MBR_EXFAT);
}

/* FP_ERR_NOENT when there is none anywhere. */
static int open_first(struct fpc_image *image)
{
    int err = has_foreign_table(image) && !image->fs ? FP_ERR_NOENT
                                                     : open_at(image, 0);

    if (err != FP_ERR_NOENT || has_foreign_table(image))
        return err;
    return image->table.count > 0 ? open_partition(image) : search(image);
}

/* Why no volume was found, where the table of partitions knows; true then. */
static bool say_table(const struct fpc_image *image)
{
    if (has_foreign_table(image)) {
        fpc_error("%s: %s", image->path, fp_bdev_mbr_text(image->table.why));
        return true;
    }
    for (uint32_t i = 0; !image->has_offset && i < image->table.count; i++) {
        const struct fp_bdev_part *part = &image->table.parts[i];

        if (part->why == FP_MBR_FINE)
            continue;
        fpc_error("%s: partition %u: %s", image->path, part->number,
                  fp_bdev_mbr_text(part->why));
        return true;
    }
    return false;
}

static int refused(struct fpc_image *image, int err)
{
    const char *fs = image->fs ? image->fs : "volume";

    switch (err) {
    case FP_ERR_NOENT:
        if (!say_table(image))
            fpc_error("%s: no filesystem found%s", image->path,
                      image->has_offset
                          ? " at this offset"
                          : ": erased, damaged, or of a kind that "
                            "is not known");
        return FPC_EXIT_REFUSED;
    case FP_ERR_CORRUPT:
        if (fpc_image_say_cut(image))
            return FPC_EXIT_REFUSED;
        fpc_error("%s: the %s is damaged: it cannot be mounted", image->path,
                  fs);
        return FPC_EXIT_REFUSED;
    case FP_ERR_INVAL:
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
        fpc_error("%s: a %s of a version or with limits that are not known",
                  image->path, fs);
        return FPC_EXIT_REFUSED;
    default:
        fpc_error("%s: %s", image->path, fp_strerror(err));
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

/* A file too short for a table has none. */
static void read_table(struct fpc_image *image, struct fp_bdev *dev)
{
    static uint8_t buf[SECTOR];

    if (fp_bdev_mbr_read(&image->table, dev, buf, SECTOR) == FP_OK)
        fp_bdev_mbr_read_logical(&image->table, dev, buf);
}

int fpc_image_open(struct fpc_image *image)
{
    int err;

    if (image->fs && !fp_host_volume_driver(fp_host_drivers, image->fs)) {
        fpc_image_kinds_told(image->fs);
        return FPC_EXIT_USAGE;
    }
    /* A file that is not there is told from one without a filesystem. */
    struct fp_host_file file;
    struct fp_host_file_config cfg = { 0 };

    err = fp_host_file_open(&file, image->path, &cfg);
    if (err) {
        fpc_error("%s: %s", image->path,
                  err == FP_ERR_INVAL ? "the file is empty" : fp_strerror(err));
        return err == FP_ERR_INVAL ? FPC_EXIT_REFUSED : (int)fpc_exit_of(err);
    }
    read_table(image, &file.bdev);
    fp_host_file_close(&file);
    err = image->has_offset ? open_at(image, image->offset) : open_first(image);
    if (err)
        return refused(image, err);
    show_stored(image);
    return FPC_EXIT_OK;
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
    fp_host_image_close(&image->host);
}

int fpc_image_failed(struct fpc_image *image, const char *path, int err)
{
    if (err == FP_ERR_CORRUPT && fpc_image_say_cut(image))
        return FPC_EXIT_REFUSED;
    fprintf(stderr, "flashport: %s: ", image->path);
    fpc_print_name(stderr, path, strlen(path));
    fprintf(stderr, ": %s\n", fp_strerror(err));
    return (int)fpc_exit_of(err);
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
