/* SPDX-License-Identifier: MIT */
#include "cli/image/medium.h"

#include "cli/image/kinds.h"

#include <inttypes.h>
#include <string.h>

/* The partition that the volume was found in; NULL: none. */
static const struct fp_bdev_part *partition_of(const struct fpc_image *image)
{
    const struct fp_bdev_mbr *table = &image->scan.mbr;

    for (uint32_t i = 0; i < table->count; i++)
        if ((uint64_t)table->parts[i].first * table->sector_size ==
            image->found_at)
            return &table->parts[i];
    return NULL;
}

/* How many blocks are the volume's, so that nothing behind it is written to;
 * 0: it says so itself, or has all that there is. An exit code. */
static int bound(const struct fpc_image *image, const struct fp_statfs *st,
                 uint32_t *count)
{
    const struct fp_bdev_part *part = partition_of(image);
    const char *fs = image->host.vol.mnt.ops->name;

    *count = image->cfg.block_count;
    if (*count)
        return FPC_EXIT_OK;
    if (part) {
        *count = (uint32_t)((uint64_t)part->count *
                            image->scan.mbr.sector_size / st->block_size);
        return FPC_EXIT_OK;
    }
    if (image->found_at == 0 || fpc_image_kind(fs)->states_size ||
        strcmp(fs, "raw") == 0)
        return FPC_EXIT_OK;
    fpc_error("%s: a %s does not say where it ends, and what follows it must "
              "not be written to: give --block-count; to the end of the file "
              "it is %" PRIu64,
              image->path, fs, image->host.file.size / st->block_size);
    return FPC_EXIT_REFUSED;
}

static bool is_empty(struct fp_mount *mnt)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int err = fp_fs_opendir(mnt, &dir, "/");

    if (err)
        return false;
    err = fp_fs_readdir(&dir, &entry);
    fp_fs_closedir(&dir);
    return err == 0;
}

/* A layout that was only guessed would be another one once something is
 * written in it. */
static int check_layout(struct fpc_image *image)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    const char *needs = fpc_image_kind(mnt->ops->name)->empty_needs;

    if (!needs || image->cfg.block_size || !is_empty(mnt))
        return FPC_EXIT_OK;
    fpc_error("%s: a %s without files does not show its layout: give %s (it "
              "looks like blocks of %" PRIu32 ")",
              image->path, mnt->ops->name, needs, mnt->cfg.block_size);
    return FPC_EXIT_REFUSED;
}

/* What the caller states, the volume shows, or its kind mostly has, in that
 * order; blocks are made of it. */
static uint32_t prog_size(struct fpc_image *image, uint32_t block_size)
{
    struct fp_mount *mnt = &image->host.vol.mnt;
    uint32_t size = image->prog_size;

    if (size)
        return size;
    size = fp_host_drivers_prog_size(mnt);
    if (!size)
        size = fpc_image_kind(mnt->ops->name)->prog_size;
    while (block_size % size != 0)
        size /= 2;
    return size;
}

/* NOR for what is made for flash; for cards, sectors that are replaced. */
static struct fpc_medium medium_of(struct fpc_image *image,
                                   const struct fp_statfs *st, uint32_t count)
{
    const struct fp_mount *mnt = &image->host.vol.mnt;
    const struct fpc_image_kind *kind = fpc_image_kind(mnt->ops->name);
    struct fpc_medium medium = {
        .file = { .flags = FP_HOST_FILE_WRITE |
                           (kind->card ? 0u : (uint32_t)FP_HOST_FILE_NOR),
                  .offset = image->found_at,
                  .prog_size = prog_size(image, st->block_size),
                  .block_size = st->block_size,
                  .block_count = count },
        .volume = { .drivers = fp_host_drivers,
                    .fs = mnt->ops->name,
                    .cfg = image->cfg },
        .sectors = { .off = image->found_at,
                     .size = kind->card ? st->size : 0,
                     .sector_size = st->block_size },
    };

    medium.volume.cfg.block_size = mnt->cfg.block_size;
    medium.volume.cfg.page_size = mnt->cfg.page_size;
    medium.volume.cfg.options =
        mnt->cfg.options ? mnt->cfg.options : kind->host_opts;
    return medium;
}

int fpc_image_medium(struct fpc_image *image, struct fpc_medium *medium)
{
    struct fp_statfs st;
    uint32_t count = 0;
    int status, err = fp_fs_statfs(&image->host.vol.mnt, &st);

    if (fpc_image_say_cut(image))
        return FPC_EXIT_REFUSED;
    if (err)
        return fpc_image_failed(image, "/", err);
    status = check_layout(image);
    if (status == FPC_EXIT_OK)
        status = bound(image, &st, &count);
    *medium = medium_of(image, &st, count);
    return status;
}
