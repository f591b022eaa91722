/* SPDX-License-Identifier: MIT
 *
 * One mechanism under all verbs that write.
 *
 *     find      the volume, read-only, as for any other verb
 *     try       it is opened for writing where it is, and nothing written: one
 *               that is cut off, foreign or not to be written to is refused
 *               here, before anything is copied
 *     copy      beside its name (replace.h)
 *     change    in the copy, as flash or as a card, whichever it is made for
 *     check     a volume that was sound still is
 *     replace   the copy takes the name
 *
 * Nobody sees the copy before it has the name, so that a sync of the volume
 * costs nothing, and one at the end is enough. A disk, which cannot be copied
 * beside its name, is changed in place: there every sync counts, and the
 * driver's promise is what a power cut leaves.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/findings.h"
#include "cli/image/kinds.h"
#include "cli/image/medium.h"
#include "cli/image/replace.h"
#include "cli/say.h"
#include "core/bdev/sector.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Larger files are no dumps of flash that has a reserve. */
#define FLASH_MAX (256u << 20)

/* --- find ----------------------------------------------------------------- */

static int find(struct fpc_image *image, struct fpc_medium *medium)
{
    int status = fpc_image_open(image);

    if (status)
        return status;
    status = fpc_image_medium(image, medium);
    fpc_image_close(image);
    if (status == FPC_EXIT_OK)
        image->fs = medium->volume.fs;
    return status;
}

/* --- open ----------------------------------------------------------------- */

static int not_opened(struct fpc_image *image, int err)
{
    switch (err) {
    case FP_ERR_BUSY:
        fpc_error("%s: somebody else has it open to write to it", image->path);
        return FPC_EXIT_CONFLICT;
    case FP_ERR_ACCES:
    case FP_ERR_ROFS:
        fpc_error("%s: it may not be written to", image->path);
        return FPC_EXIT_FAILED;
    case FP_ERR_INVAL:
    case FP_ERR_NOTSUP:
        fpc_error("%s: this %s can be read, but not be written to on this "
                  "medium: %s",
                  image->path, image->fs,
                  image->prog_size ? "--prog-size must divide its blocks"
                                   : "its blocks or its place do not fit");
        return FPC_EXIT_REFUSED;
    default:
        fpc_error("%s: %s", image->path, fp_strerror(err));
        return (int)fpc_exit_of(err);
    }
}

/* Opens the volume in `path`, the image or its copy, for writing. */
static int open_to_write(struct fpc_image *image,
                         const struct fpc_medium *medium, const char *path,
                         uint32_t flags)
{
    struct fp_host_file_config file = medium->file;
    int err;

    file.flags |= flags;
    err = fp_host_image_open(&image->host, path, &file, &medium->volume);
    if (err)
        return not_opened(image, err);
    if (!(image->host.vol.mnt.cfg.flags & FP_MOUNT_RDONLY))
        return FPC_EXIT_OK;
    fp_host_image_close(&image->host);
    fpc_error("%s: this %s can be read, but not be written to", image->path,
              image->fs);
    return FPC_EXIT_REFUSED;
}

static int close_written(struct fpc_image *image, int status)
{
    int err = status ? FP_OK : fp_fs_sync(&image->host.vol.mnt);
    int close_err = fp_host_image_close(&image->host);

    if (status)
        return status;
    err = err ? err : close_err;
    return err ? fpc_image_failed(image, "/", err) : FPC_EXIT_OK;
}

/* --- check ---------------------------------------------------------------- */

/* Errors in the volume in `path`; UINT32_MAX: it cannot even be opened. */
static uint32_t count_errors(struct fpc_image *image,
                             const struct fpc_medium *medium, const char *path)
{
    struct fp_host_file_config file = medium->file;
    struct fp_host_volume_config volume = medium->volume;
    struct fpc_findings findings;
    int err;

    file.flags = FP_HOST_FILE_NOLOCK;
    volume.cfg.flags |= FP_MOUNT_RDONLY;
    if (fp_host_image_open(&image->host, path, &file, &volume) != FP_OK)
        return UINT32_MAX;
    err = fpc_findings_run(&findings, &image->host.vol.mnt, FP_STEP_CHECK,
                           FPC_FINDINGS_COUNT);
    fpc_findings_free(&findings);
    fp_host_image_close(&image->host);
    return err && err != FP_ERR_NOTSUP ? UINT32_MAX : findings.step.errors;
}

/* A volume that was sound must be so still. What was damaged before is no
 * reason to keep people from changing it, rm above all. */
static int check(struct fpc_image *image, const struct fpc_medium *medium,
                 const char *copy)
{
    uint32_t now = count_errors(image, medium, copy);

    if (now == 0)
        return FPC_EXIT_OK;
    if (now != UINT32_MAX && count_errors(image, medium, image->path) > 0) {
        fpc_error("%s: changed; the %s is damaged, as it was before: see image "
                  "check",
                  image->path, image->fs);
        return FPC_EXIT_OK;
    }
    fpc_error("%s: the change would leave the %s damaged: nothing was changed",
              image->path, image->fs);
    return FPC_EXIT_REFUSED;
}

/* --- change --------------------------------------------------------------- */

typedef int (*change_fn)(struct fpc_image *image, void *ctx);

/* What the sector adapter has not finished would be done by the device over
 * what is changed here. */
static int settle(struct fpc_image *image, const struct fpc_medium *medium,
                  const char *copy)
{
    const struct fp_host_file_config cfg = { .flags = FP_HOST_FILE_WRITE |
                                                      FP_HOST_FILE_NOLOCK };
    struct fp_host_file file;
    int err;

    if (medium->sectors.size == 0)
        return FPC_EXIT_OK;
    err = fp_host_file_open(&file, copy, &cfg);
    if (err == FP_OK && file.size > medium->sectors.size &&
        file.size <= FLASH_MAX)
        err = fp_bdev_sector_settle(&file.bdev, &medium->sectors);
    fp_host_file_close(&file);
    return err ? fpc_image_failed(image, "/", err) : FPC_EXIT_OK;
}

static int change_copy(struct fpc_image *image, const struct fpc_medium *medium,
                       const char *copy, change_fn change, void *ctx)
{
    struct fp_bdev *dev = &image->host.file.bdev;
    struct fp_bdev_ops ops;
    int status = settle(image, medium, copy);

    if (status == FPC_EXIT_OK)
        status = open_to_write(image, medium, copy, FP_HOST_FILE_NOLOCK);
    if (status)
        return status;
    ops = *dev->ops;
    ops.sync = NULL;
    dev->ops = &ops;
    status = close_written(image, change(image, ctx));
    return status ? status : check(image, medium, copy);
}

static int edit_file(struct fpc_image *image, struct fpc_replace *r,
                     change_fn change, void *ctx)
{
    struct fpc_medium medium;
    int status = find(image, &medium);

    if (status == FPC_EXIT_OK)
        status =
            open_to_write(image, &medium, image->path, FP_HOST_FILE_NOLOCK);
    if (status == FPC_EXIT_OK) {
        fp_host_image_close(&image->host);
        status = fpc_replace_copy(r);
    }
    if (status == FPC_EXIT_OK)
        status = change_copy(image, &medium, r->twin, change, ctx);
    if (status == FPC_EXIT_OK)
        return fpc_replace_commit(r);
    fpc_replace_abandon(r);
    return status == FPC_IMAGE_UNCHANGED ? FPC_EXIT_OK : status;
}

static int edit_disk(struct fpc_image *image, change_fn change, void *ctx)
{
    struct fpc_medium medium;
    int status = find(image, &medium);

    if (status == FPC_EXIT_OK)
        status = open_to_write(image, &medium, image->path, 0);
    if (status)
        return status;
    if (!image->quiet)
        fpc_note("%s: a disk: changed in place", image->path);
    status = close_written(image, change(image, ctx));
    return status == FPC_IMAGE_UNCHANGED ? FPC_EXIT_OK : status;
}

int fpc_image_edit(struct fpc_image *image, change_fn change, void *ctx)
{
    struct fpc_replace replace;
    struct stat st;
    int status;

    if (image->raw) {
        fpc_error("--raw is for looking: it changes nothing");
        return FPC_EXIT_USAGE;
    }
    if (stat(image->path, &st) == 0 && !S_ISREG(st.st_mode))
        return edit_disk(image, change, ctx);
    status = fpc_replace_lock(&replace, image->path);
    return status ? status : edit_file(image, &replace, change, ctx);
}
