/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "cli/image/make.h"

#include "cli/image/unfinished.h"
#include "core/bdev/ram.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to this size an image is made in memory, and written at once. */
#define IN_MEMORY_MAX ((uint64_t)256 << 20)

/* --- what is to be made --------------------------------------------------- */

/* Nobody means to lose a dump by writing another image over it. */
static int check_absent(const struct fpc_image *image)
{
    struct stat st;

    if (image->force || lstat(image->path, &st) != 0)
        return FPC_EXIT_OK;
    fpc_error("%s: exists; --force replaces it", image->path);
    return FPC_EXIT_CONFLICT;
}

/* --size is --block-count in bytes. */
static int take_size(struct fpc_image *image)
{
    const uint64_t block = image->cfg.block_size, count = image->size / block;

    if (image->size == 0)
        return FPC_EXIT_OK;
    if (image->cfg.block_count) {
        fpc_error("--size and --block-count both say how large it is: give "
                  "one");
        return FPC_EXIT_USAGE;
    }
    if (image->size % block != 0 || count > UINT32_MAX) {
        fpc_error("--size %" PRIu64 ": not a number of blocks of %" PRIu64
                  " bytes that can be",
                  image->size, block);
        return FPC_EXIT_USAGE;
    }
    image->cfg.block_count = (uint32_t)count;
    return FPC_EXIT_OK;
}

int fpc_make_check(struct fpc_make *m)
{
    struct fpc_image *image = m->image;
    const struct fp_fs_ops *ops;
    int status;

    image->fs = image->fs ? image->fs : "littlefs";
    m->kind = fpc_image_kind(image->fs);
    if (!image->cfg.block_size)
        image->cfg.block_size = m->kind->block_size;
    if (!image->prog_size)
        image->prog_size = m->kind->prog_size;
    ops = fp_host_volume_driver(fp_host_drivers, image->fs);
    if (!ops) {
        fpc_image_kinds_told("--fs", image->fs);
        return FPC_EXIT_USAGE;
    }
    if (!ops->format) {
        fpc_error("--fs %s: cannot be made, only read and written where it is",
                  image->fs);
        return FPC_EXIT_USAGE;
    }
    status = take_size(image);
    return status ? status : check_absent(image);
}

/* --- making it ------------------------------------------------------------ */

/* What is there already is another file of the source whose name is no other
 * one to this filesystem. */
static int store(const struct fpc_make *m, const struct fpc_source *s,
                 struct fp_mount *mnt, const char *name)
{
    struct fp_stat st;

    if (fp_fs_stat(mnt, name, &st) != FP_OK)
        return fpc_source_store(m->files, s, mnt, name);
    fpc_error("%s: %s does not tell its name from another's", s->path,
              m->image->fs);
    return FPC_EXIT_CONFLICT;
}

int fpc_make_put_all(struct fpc_make *m, struct fp_mount *mnt)
{
    int err = FP_OK;

    for (size_t i = 0; i < m->files->count && err == FP_OK; i++) {
        const struct fpc_source *s = &m->files->items[i];
        const char *name = fpc_source_below(m->files, s);

        err = s->is_dir ? fpc_source_mkdir(mnt, name) : store(m, s, mnt, name);
        if (err)
            m->failed_at = s;
    }
    return err;
}

static int fill(struct fpc_make *m)
{
    int err;

    m->failed_at = NULL;
    err = m->put ? m->put(m, &m->vol.mnt) : fpc_make_put_all(m, &m->vol.mnt);
    return err ? err : fp_fs_sync(&m->vol.mnt);
}

/* On a device that is erased. */
static int make_on(struct fpc_make *m, struct fp_bdev *dev)
{
    const struct fpc_image *image = m->image;
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = image->fs,
                                         .cfg = image->cfg };
    int err;

    cfg.cfg.block_count = 0;
    err = fp_host_volume_format(dev, &cfg);
    if (err == FP_OK)
        err = fp_host_volume_open(&m->vol, dev, &cfg);
    if (err == FP_OK) {
        err = fill(m);
        fp_host_volume_close(&m->vol);
    }
    return err;
}

/* FP_OK, or an exit code, told. */
static int save(const char *path, const uint8_t *mem, size_t size)
{
    FILE *out = fopen(path, "wbe");
    bool saved = out && fwrite(mem, 1, size, out) == size && fflush(out) == 0 &&
                 fsync(fileno(out)) == 0;

    saved = out && fclose(out) == 0 && saved;
    return saved ? FP_OK : fpc_failed(path);
}

static int make_in_memory(struct fpc_make *m, const char *path, uint32_t count)
{
    const uint32_t block = m->image->cfg.block_size;
    const size_t size = (size_t)block * count;
    uint8_t *mem = malloc(size);
    struct fp_bdev_ram ram;
    int err;

    if (!mem)
        return FP_ERR_NOMEM;
    memset(mem, 0xff, size);
    fp_bdev_ram_init(&ram, m->image->prog_size, block, count, mem);
    if (m->kind->card)
        ram.bdev.flags =
            FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG | FP_BDEV_ERASED_FF;
    err = make_on(m, &ram.bdev);
    if (err == FP_OK)
        err = save(path, mem, size);
    free(mem);
    return err;
}

/* A file that nobody knows yet needs no syncs but the last. */
static int make_in_file(struct fpc_make *m, const char *path, uint32_t count)
{
    struct fp_host_file file;
    struct fp_host_file_config cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE |
                 (m->kind->card ? 0u : (uint32_t)FP_HOST_FILE_NOR),
        .prog_size = m->image->prog_size,
        .block_size = m->image->cfg.block_size,
        .block_count = count,
    };
    const struct fp_bdev_ops *ops;
    struct fp_bdev_ops unsynced;
    int err;

    unlink(path);
    err = fp_host_file_open(&file, path, &cfg);
    if (err)
        return err;
    ops = file.bdev.ops;
    unsynced = *ops;
    unsynced.sync = NULL;
    file.bdev.ops = &unsynced;
    err = make_on(m, &file.bdev);
    file.bdev.ops = ops;
    if (err == FP_OK)
        err = fp_bdev_sync(&file.bdev);
    fp_host_file_close(&file);
    return err;
}

/* One try at `count` blocks. An enum fp_error, or an exit code, told. */
static int make(struct fpc_make *m, const char *path, uint32_t count)
{
    const struct fpc_image *image = m->image;

    if (image->cfg.block_size % image->prog_size != 0)
        return FP_ERR_INVAL;
    return (uint64_t)image->cfg.block_size * count <= IN_MEMORY_MAX
               ? make_in_memory(m, path, count)
               : make_in_file(m, path, count);
}

/* Blocks that the content takes at the least, with what the format itself
 * takes. */
static uint32_t least_blocks(const struct fpc_make *m)
{
    uint64_t blocks = m->kind->least_blocks, size = m->image->cfg.block_size;

    for (size_t i = 0; i < m->files->count; i++) {
        const struct fpc_source *s = &m->files->items[i];

        blocks += s->is_dir            ? 2
                  : s->size > size / 8 ? (s->size + size - 9) / (size - 8)
                                       : 0;
    }
    return blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
}

/* More than this is no matter of room: the format takes no more files. */
static uint32_t most_blocks(const struct fpc_make *m, uint32_t least)
{
    /* A card's root has room for more once it is a FAT32. */
    uint64_t most =
        16 * ((uint64_t)least + m->files->count) + (m->kind->card ? 70000 : 64);

    return most > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)most;
}

/* Larger ones by steps that double, until one fits; then back to within a
 * thirtieth of the smallest. Spare room lets a filesystem that never
 * overwrites settle its metadata. */
static int make_smallest(struct fpc_make *m, const char *path)
{
    uint32_t low = least_blocks(m), count = low, made = low;
    uint32_t step = low / 16 + 1;
    const uint32_t most = most_blocks(m, low);
    int err = make(m, path, count);

    while (err == FP_ERR_NOSPC && count < most) {
        low = count;
        count = most - count > step ? count + step : most;
        step *= 2;
        err = make(m, path, count);
        made = count;
    }
    while (err == FP_OK && count - low > count / 32 + 1) {
        const uint32_t between = low + (count - low) / 2;

        err = make(m, path, between);
        made = between;
        if (err == FP_OK) {
            count = between;
        } else if (err == FP_ERR_NOSPC) {
            low = between;
            err = FP_OK;
        }
    }
    return err == FP_OK && made != count ? make(m, path, count) : err;
}

static int told(const struct fpc_make *m, int err)
{
    const char *at = m->failed_at ? m->failed_at->path : m->image->path;

    if (err == FP_OK)
        return FPC_EXIT_OK;
    if (err > 0)
        return err;
    if (err == FP_ERR_NOSPC && m->failed_at && !m->image->cfg.block_count)
        fpc_error("%s: does not fit, and larger images did not help: this %s "
                  "takes no more files here; --size may",
                  at, m->image->fs);
    else if (err == FP_ERR_NOSPC && m->failed_at)
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

int fpc_make(struct fpc_make *m)
{
    const char *path = m->image->path;
    char temp[PATH_MAX];
    int status;

    if ((size_t)snprintf(temp, sizeof temp, "%s.%ld.part", path,
                         (long)getpid()) >= sizeof temp) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    fpc_unfinished(temp);
    status = told(m, m->image->cfg.block_count
                         ? make(m, temp, m->image->cfg.block_count)
                         : make_smallest(m, temp));
    if (status == FPC_EXIT_OK && m->accept)
        status = m->accept(m);
    if (status == FPC_EXIT_OK && rename(temp, path) != 0)
        status = fpc_failed(path);
    if (status != FPC_EXIT_OK)
        unlink(temp);
    fpc_unfinished(NULL);
    return status;
}
