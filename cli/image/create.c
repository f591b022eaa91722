/* SPDX-License-Identifier: MIT
 *
 * flashport image create: a directory here becomes an image.
 *
 * The image is written beside its name and renamed when it is whole and on
 * disk: whatever stops the making, the name holds the old image or the new
 * one. Without --block-count the smallest image that fits is sought: a first
 * guess from the sizes, then larger ones until nothing runs short.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/image/source.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct making {
    struct fpc_image *image;
    const struct fpc_image_kind *kind;
    struct fp_host_volume vol;
    struct fpc_sources files;
    const char *failed_at; /* the source that could not be put in, or NULL */
};

static int gather(struct making *m, const char *dir)
{
    int status = fpc_sources_read(&m->files, dir, false);

    if (status || m->files.of_dir)
        return status;
    errno = ENOTDIR;
    return fpc_failed(dir);
}

/* Where directories are there by the names of files, there is nothing to make;
 * one that stays empty is lost, which is no fault of the files. */
static int put_dir(struct making *m, const char *name)
{
    int err = fp_fs_mkdir(&m->vol.mnt, name);

    return err == FP_ERR_NOTSUP ? FP_OK : err;
}

static int put_all(struct making *m)
{
    int err = FP_OK;

    m->failed_at = NULL;
    for (size_t i = 0; i < m->files.count && err == FP_OK; i++) {
        const struct fpc_source *s = &m->files.items[i];
        const char *name = fpc_source_below(&m->files, s);

        err = s->is_dir ? put_dir(m, name)
                        : fpc_source_store(s, &m->vol.mnt, name);
        if (err)
            m->failed_at = s->path;
    }
    return err;
}

/* One try at `count` blocks. An fp_error, or 1 when it has been told. */
static int make(struct making *m, const char *path, uint32_t count)
{
    const struct fpc_image *image = m->image;
    struct fp_host_file file;
    struct fp_host_file_config file_cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE |
                 (m->kind->card ? 0u : (uint32_t)FP_HOST_FILE_NOR),
        .prog_size = image->prog_size,
        .block_size = image->cfg.block_size,
        .block_count = count,
    };
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = image->fs,
                                         .cfg = image->cfg };
    int err;

    cfg.cfg.block_count = 0;
    unlink(path);
    err = fp_host_file_open(&file, path, &file_cfg);
    if (err)
        return err;
    /* The image takes its name when it is whole. */
    if (m->kind->card)
        file.bdev.flags |= FP_BDEV_ATOMIC_PROG;
    err = fp_host_volume_format(&file.bdev, &cfg);
    if (err == FP_OK)
        err = fp_host_volume_open(&m->vol, &file.bdev, &cfg);
    if (err == FP_OK) {
        err = put_all(m);
        if (err == FP_OK)
            err = fp_fs_sync(&m->vol.mnt);
        fp_host_volume_close(&m->vol);
    }
    if (err == FP_OK)
        err = fp_bdev_sync(&file.bdev);
    fp_host_file_close(&file);
    return err;
}

/* Blocks that the content takes at the least, with what the format itself
 * takes. */
static uint32_t least_blocks(const struct making *m)
{
    uint64_t blocks = m->kind->least_blocks, size = m->image->cfg.block_size;

    for (size_t i = 0; i < m->files.count; i++) {
        const struct fpc_source *s = &m->files.items[i];

        blocks += s->is_dir            ? 2
                  : s->size > size / 8 ? (s->size + size - 9) / (size - 8)
                                       : 0;
    }
    return blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
}

/* Spare room lets a filesystem that never overwrites settle its metadata. */
static int make_smallest(struct making *m, const char *path)
{
    uint32_t count = least_blocks(m);
    int err;

    for (;;) {
        err = make(m, path, count);
        if (err != FP_ERR_NOSPC || count > UINT32_MAX / 2)
            return err;
        count += count / 16 + 1;
    }
}

static int told(const struct making *m, int err)
{
    const char *at = m->failed_at ? m->failed_at : m->image->path;

    if (err == FP_OK)
        return FPC_EXIT_OK;
    if (err == 1)
        return FPC_EXIT_FAILED;
    if (err == FP_ERR_NOSPC && m->failed_at)
        fpc_error("%s: does not fit into %" PRIu32 " blocks of %" PRIu32
                  " bytes",
                  at, m->image->cfg.block_count, m->image->cfg.block_size);
    else if (err == FP_ERR_INVAL && !m->failed_at)
        fpc_error("%s: no %s can be made with blocks of %" PRIu32
                  " and programs of %" PRIu32 " bytes",
                  at, m->image->fs, m->image->cfg.block_size,
                  m->image->prog_size);
    else
        fpc_error("%s: %s", at, fp_strerror(err));
    return (int)fpc_exit_of(err);
}

/* Nobody means to lose a dump by writing another image over it. */
static int check_absent(const struct fpc_image *image)
{
    struct stat st;

    if (image->force || lstat(image->path, &st) != 0)
        return FPC_EXIT_OK;
    fpc_error("%s: exists; --force replaces it", image->path);
    return FPC_EXIT_CONFLICT;
}

static int write_image(struct making *m)
{
    const char *path = m->image->path;
    char temp[PATH_MAX];
    int status;

    if ((size_t)snprintf(temp, sizeof temp, "%s.%ld.part", path,
                         (long)getpid()) >= sizeof temp) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    status = told(m, m->image->cfg.block_count
                         ? make(m, temp, m->image->cfg.block_count)
                         : make_smallest(m, temp));
    if (status == FPC_EXIT_OK && rename(temp, path) != 0)
        status = fpc_failed(path);
    if (status != FPC_EXIT_OK)
        unlink(temp);
    return status;
}

int fpc_image_create(struct fpc_image *image)
{
    struct making *m = calloc(1, sizeof *m);
    int status;

    if (!m)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    m->image = image;
    image->fs = image->fs ? image->fs : "littlefs";
    m->kind = fpc_image_kind(image->fs);
    image->cfg.block_size =
        image->cfg.block_size ? image->cfg.block_size : m->kind->block_size;
    image->prog_size = image->prog_size ? image->prog_size : m->kind->prog_size;
    if (!fp_host_volume_driver(fp_host_drivers, image->fs)) {
        fpc_image_kinds_told(image->fs);
        status = FPC_EXIT_USAGE;
    } else {
        status = check_absent(image);
    }
    if (status == FPC_EXIT_OK)
        status = gather(m, image->args[0]);
    if (status == FPC_EXIT_OK)
        status = write_image(m);
    if (status == FPC_EXIT_OK && image->json)
        printf("{\"entries\": %zu}\n", m->files.count);
    fpc_sources_free(&m->files);
    free(m);
    return status;
}
