/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE     700
#define _FILE_OFFSET_BITS 64
#include "cli/image/make.h"

#include "cli/image/blank.h"
#include "cli/image/place.h"
#include "cli/image/replace.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Up to this size an image is made in memory, and written at once. */
#define IN_MEMORY_MAX ((uint64_t)256 << 20)

#define SLOT_SIZE    32
#define SECTOR_SLOTS 16

/* Names that the root of a small FAT has room for, and of others. */
#define ROOT_SMALL 64
#define ROOT_LARGE 512

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
    if (!image->cfg.options)
        image->cfg.options = m->kind->host_opts;
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
    int err = fpc_source_store(m->files, s, mnt, name, FP_O_EXCL);

    if (err != FP_ERR_EXIST)
        return err;
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

        err = s->is_dir ? fpc_source_mkdir(mnt, name, &s->meta)
                        : store(m, s, mnt, name);
        if (err) {
            m->failed_at = s;
            m->name_why = fpc_image_name_why(mnt, name, err);
            m->root_full =
                err == FP_ERR_NOSPC && fpc_place_root_full(mnt, name, s->size);
        }
    }
    return err;
}

static int fill(struct fpc_make *m)
{
    int err;

    m->failed_at = NULL;
    m->name_why = NULL;
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

static int make_in_memory(struct fpc_make *m, const char *path, uint32_t count)
{
    const bool card = m->kind->card;
    struct fpc_image_blank blank;
    int err =
        fpc_image_blank_new(&blank, m->image->prog_size,
                            m->image->cfg.block_size, count, card ? 0 : 0xff);

    if (err)
        return err;
    if (card)
        blank.ram.bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    if (fpc_image_blank_open(&blank, path) != 0)
        err = fpc_failed(m->image->path);
    /* Where it is tried which size fits, most is written for nothing. */
    if (err == FP_OK && m->image->cfg.block_count)
        fpc_image_blank_follow(&blank);
    if (err == FP_OK)
        err = make_on(m, &blank.ram.bdev);
    if (err == FP_OK && fpc_image_blank_save(&blank) != 0)
        err = fpc_failed(m->image->path);
    fpc_image_blank_free(&blank);
    return err;
}

/* A card in a file that begins as a hole, and stays one where it is zero. A
 * file that nobody knows yet needs no syncs but the last. */
struct growing {
    struct fp_host_file file; /* first: what its functions are called with */
    const struct fp_bdev_ops *ops;
};

static int growing_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                        uint32_t size)
{
    struct growing *g = (struct growing *)dev;

    if (fpc_image_is_zero(buf, size) &&
        fp_host_file_next_data(&g->file, off) >= (uint64_t)off + size)
        return FP_OK;
    return g->ops->prog(dev, off, buf, size);
}

/* Zeros throughout, that take no room on disk. */
static bool make_hole(const char *path, uint64_t size)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool made =
        fd >= 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, (off_t)size) == 0;

    return fd >= 0 && close(fd) == 0 && made;
}

static int make_in_file(struct fpc_make *m, const char *path, uint32_t count)
{
    const uint32_t block = m->image->cfg.block_size;
    const bool card = m->kind->card;
    struct growing g;
    struct fp_host_file_config cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE |
                 FP_HOST_FILE_NOLOCK | (card ? 0u : (uint32_t)FP_HOST_FILE_NOR),
        .prog_size = m->image->prog_size,
        .block_size = block,
        .block_count = count,
    };
    struct fp_bdev_ops ops;
    int err;

    if (!make_hole(path, card ? (uint64_t)block * count : 0))
        return fpc_failed(m->image->path);
    err = fp_host_file_open(&g.file, path, &cfg);
    if (err)
        return err;
    g.ops = g.file.bdev.ops;
    ops = *g.ops;
    ops.sync = NULL;
    ops.prog = card ? growing_prog : ops.prog;
    g.file.bdev.ops = &ops;
    err = make_on(m, &g.file.bdev);
    g.file.bdev.ops = g.ops;
    if (err == FP_OK)
        err = fp_bdev_sync(&g.file.bdev);
    fp_host_file_close(&g.file);
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

    blocks += m->root * SLOT_SIZE / size;
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
    if (err == FP_ERR_NOSPC && m->root_full)
        fpc_error("%s: " FPC_PLACE_ROOT_FULL, at);
    else if (err == FP_ERR_NOSPC && m->failed_at && !m->image->cfg.block_count)
        fpc_error("%s: does not fit, and larger images did not help: this %s "
                  "takes no more files here; --size may",
                  at, m->image->fs);
    else if (err == FP_ERR_NOSPC && m->failed_at)
        fpc_error("%s: does not fit into %" PRIu32 " blocks of %" PRIu32
                  " bytes",
                  at, m->image->cfg.block_count, m->image->cfg.block_size);
    else if ((err == FP_ERR_INVAL || err == FP_ERR_NOTSUP) && !m->failed_at)
        fpc_error("%s: no %s can be made with blocks of %" PRIu32
                  ", pages of %" PRIu32 " (0: the usual) and programs of "
                  "%" PRIu32 " bytes, in this size and with these options",
                  at, m->image->fs, m->image->cfg.block_size,
                  m->image->cfg.page_size, m->image->prog_size);
    else if (err == FP_ERR_NOENT && m->kind->no_folders)
        return fpc_error("%s: %s has no folders", at, m->image->fs),
               FPC_EXIT_FAILED;
    else if (m->failed_at && m->name_why)
        fpc_error("%s: %s", at, m->name_why);
    else if (err == FP_ERR_INVAL || err == FP_ERR_NOTSUP)
        fpc_error("%s: %s cannot store this name", at, m->image->fs);
    else
        fpc_error("%s: %s", at, fp_strerror(err));
    return (int)fpc_exit_of(err);
}

/* Slots that the names in the root take: one each, and one for 13 letters,
 * together in a sector where they can be. */
static size_t count_slots(const struct fpc_sources *files)
{
    size_t slots = 1; /* the label */

    for (size_t i = 0; i < files->count; i++) {
        const char *name = fpc_source_below(files, &files->items[i]) + 1;

        const size_t take = 1 + (strlen(name) + 12) / 13;

        if (strchr(name, '/'))
            continue;
        if (slots % SECTOR_SLOTS + take > SECTOR_SLOTS)
            slots += SECTOR_SLOTS - slots % SECTOR_SLOTS;
        slots += take;
    }
    return slots;
}

/* The root of a FAT that is no FAT32 is as large as it is made, for 64 names or
 * 512. A larger one is made if it takes that, unless its size is stated. The
 * text, if any, is to be freed. */
static int size_root(struct fpc_make *m, char **text)
{
    struct fp_fs_config *cfg = &m->image->cfg;
    const char *stated = cfg->options ? cfg->options : "";
    const size_t slots = count_slots(m->files), room = strlen(stated) + 30;

    *text = NULL;
    if (!m->kind->sized_root || slots <= ROOT_SMALL ||
        fp_fs_option(stated, "root", 0) || slots > UINT16_MAX - 16)
        return FP_OK;
    *text = malloc(room);
    if (!*text)
        return FP_ERR_NOMEM;
    m->root = slots > ROOT_LARGE ? slots : ROOT_LARGE;
    snprintf(*text, room, "%s%sroot=%zu", stated, stated[0] ? "," : "",
             (size_t)m->root);
    cfg->options = *text;
    return FP_OK;
}

static int make_any(struct fpc_make *m, const char *path)
{
    const uint32_t count = m->image->cfg.block_count;
    const char *stated = m->image->cfg.options;
    char *text;
    int err = size_root(m, &text);

    if (err == FP_OK && !count)
        err = fpc_sources_see(m->files);
    if (err == FP_OK)
        err = count ? make(m, path, count) : make_smallest(m, path);
    m->image->cfg.options = stated;
    free(text);
    return told(m, err);
}

int fpc_make(struct fpc_make *m)
{
    struct fpc_replace replace;
    int status = fpc_replace_lock_new(&replace, m->image->path);

    if (status)
        return status;
    status = make_any(m, replace.twin);
    if (status == FPC_EXIT_OK && m->accept)
        status = m->accept(m);
    if (status == FPC_EXIT_OK)
        return fpc_replace_commit(&replace);
    fpc_replace_abandon(&replace);
    return status;
}
