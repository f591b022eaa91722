/* SPDX-License-Identifier: MIT
 *
 * A block device over what os.h opens: geometry, and flash out of a file.
 */
#include "core/host/file.h"

#include "core/host/os.h"

#include <stdio.h>
#include <string.h>

#define LARGEST_DEFAULT_BLOCK 4096

static struct fp_host_file *file_of(struct fp_bdev *dev)
{
    return (struct fp_host_file *)dev;
}

static int fill_erased(struct fp_host_file *file, uint64_t pos, uint64_t size)
{
    memset(file->buf, 0xff, sizeof file->buf);
    while (size > 0) {
        uint32_t n =
            size < sizeof file->buf ? (uint32_t)size : sizeof file->buf;
        int err = fp_host_os_write(file, pos, file->buf, n);

        if (err)
            return err;
        pos += n;
        size -= n;
    }
    return FP_OK;
}

static int file_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct fp_host_file *file = file_of(dev);

    return fp_host_os_read(file, file->offset + off, buf, size);
}

static int file_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                     uint32_t size)
{
    struct fp_host_file *file = file_of(dev);

    return fp_host_os_write(file, file->offset + off, buf, size);
}

static int nor_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    struct fp_host_file *file = file_of(dev);
    const uint8_t *src = buf;

    while (size > 0) {
        uint32_t n = size < sizeof file->buf ? size : sizeof file->buf;
        int err = fp_host_os_read(file, file->offset + off, file->buf, n);

        if (err)
            return err;
        for (uint32_t i = 0; i < n; i++)
            file->buf[i] &= src[i];
        err = fp_host_os_write(file, file->offset + off, file->buf, n);
        if (err)
            return err;
        off += n;
        src += n;
        size -= n;
    }
    return FP_OK;
}

static int file_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_host_file *file = file_of(dev);
    uint64_t off = (uint64_t)block * dev->block_size;

    return fill_erased(file, file->offset + off,
                       (uint64_t)count * dev->block_size);
}

static int file_sync(struct fp_bdev *dev)
{
    return dev->flags & FP_BDEV_RDONLY ? FP_OK : fp_host_os_sync(file_of(dev));
}

static const struct fp_bdev_ops file_ops = {
    .read = file_read,
    .prog = file_prog,
    .erase = file_erase,
    .sync = file_sync,
};

static const struct fp_bdev_ops nor_ops = {
    .read = file_read,
    .prog = nor_prog,
    .erase = file_erase,
    .sync = file_sync,
};

static uint32_t default_block_size(uint64_t size, uint32_t prog_size)
{
    uint32_t block_size = LARGEST_DEFAULT_BLOCK;

    while (block_size > prog_size && size % block_size != 0 &&
           size / (block_size / 2) <= UINT32_MAX)
        block_size /= 2;
    return block_size;
}

/* Flash that is only read may be seen in blocks of any size. */
static bool can_erase(struct fp_host_file *file, uint32_t block_size)
{
    if (file->bdev.flags & FP_BDEV_RDONLY ||
        (block_size % file->erase_unit == 0 &&
         file->offset % file->erase_unit == 0))
        return true;
    snprintf(file->why, sizeof file->why,
             "this flash is erased in blocks of %lu bytes: what is written has "
             "to start and to count in them",
             (unsigned long)file->erase_unit);
    return false;
}

/* Lays the device over the bytes behind the offset. */
static int set_geometry(struct fp_host_file *file, uint32_t block_size,
                        uint32_t block_count)
{
    uint64_t fits;

    if (block_size == 0 || block_size % file->bdev.prog_size != 0 ||
        !can_erase(file, block_size))
        return FP_ERR_INVAL;
    fits = file->size / block_size;
    if (fits == 0 || block_count > fits)
        return FP_ERR_INVAL;
    if (block_count == 0 && fits > UINT32_MAX)
        return FP_ERR_FBIG;
    if (block_count == 0)
        block_count = (uint32_t)fits;

    file->bdev.block_size = block_size;
    file->bdev.block_count = block_count;
    file->tail = file->size - fp_bdev_size(&file->bdev);
    return FP_OK;
}

/* Makes the file as long as its geometry says, unless it is. */
static int grow(struct fp_host_file *file,
                const struct fp_host_file_config *cfg)
{
    uint64_t end = (uint64_t)cfg->block_size * cfg->block_count;
    int err;

    if (end > INT64_MAX - cfg->offset)
        return FP_ERR_FBIG;
    end += cfg->offset;
    if (file->all >= end)
        return FP_OK;
    err = fill_erased(file, file->all, end - file->all);
    if (!err)
        err = fp_host_os_sync(file);
    if (!err)
        file->all = end;
    return err;
}

/* Flash has brought its own. */
static void set_ops(struct fp_host_file *file, uint32_t flags)
{
    if (file->bdev.ops == NULL && flags & FP_HOST_FILE_NOR) {
        file->bdev.ops = &nor_ops;
        file->bdev.flags = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    } else if (file->bdev.ops == NULL) {
        file->bdev.ops = &file_ops;
    }
    if (!(flags & FP_HOST_FILE_WRITE))
        file->bdev.flags |= FP_BDEV_RDONLY;
}

/* Programs in the units of the caller, or of the medium. */
static int set_prog_size(struct fp_host_file *file, uint32_t stated)
{
    if (file->bdev.flags & FP_BDEV_RDONLY)
        return FP_OK;
    if (stated == 0 && file->prog_unit > file->bdev.prog_size)
        file->bdev.prog_size = file->prog_unit;
    if (file->bdev.prog_size % file->prog_unit == 0)
        return FP_OK;
    snprintf(file->why, sizeof file->why,
             "this flash is programmed in pages of %lu bytes",
             (unsigned long)file->prog_unit);
    return FP_ERR_INVAL;
}

static int lay_out(struct fp_host_file *file,
                   const struct fp_host_file_config *cfg)
{
    uint32_t block_size = cfg->block_size;
    int err = FP_OK;

    set_ops(file, cfg->flags);
    if (cfg->flags & FP_HOST_FILE_CREATE && file->kind == FP_HOST_FILE)
        err = grow(file, cfg);
    if (!err)
        err = set_prog_size(file, cfg->prog_size);
    if (err)
        return err;
    if (cfg->offset >= file->all)
        return FP_ERR_INVAL;
    file->size = file->all - cfg->offset;
    if (block_size == 0 && file->erase_unit > 1)
        block_size = file->erase_unit;
    else if (block_size == 0)
        block_size = default_block_size(file->size, file->bdev.prog_size);
    return set_geometry(file, block_size, cfg->block_count);
}

static bool is_sound(const struct fp_host_file *file,
                     const struct fp_host_file_config *cfg)
{
    const uint32_t create = FP_HOST_FILE_CREATE | FP_HOST_FILE_WRITE;

    if (file->bdev.prog_size % file->bdev.read_size != 0 ||
        cfg->block_size % file->bdev.prog_size != 0)
        return false;
    return !(cfg->flags & FP_HOST_FILE_CREATE) ||
           ((cfg->flags & create) == create && cfg->block_size != 0 &&
            cfg->block_count != 0);
}

int fp_host_file_open(struct fp_host_file *file, const char *path,
                      const struct fp_host_file_config *cfg)
{
    static const struct fp_host_file_config defaults = { 0 };
    int err;

    if (cfg == NULL)
        cfg = &defaults;
    *file = (struct fp_host_file){
        .bdev = { .flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG |
                           FP_BDEV_ERASED_FF },
        .handle = -1,
        .offset = cfg->offset,
        .prog_unit = 1,
        .erase_unit = 1,
        .sector = 1,
    };
    file->bdev.read_size = cfg->read_size != 0 ? cfg->read_size : 1;
    file->bdev.prog_size =
        cfg->prog_size != 0 ? cfg->prog_size : file->bdev.read_size;
    if (!is_sound(file, cfg))
        return FP_ERR_INVAL;
    err = fp_host_os_open(file, path, cfg->flags);
    if (err)
        return err;
    err = lay_out(file, cfg);
    if (err)
        fp_host_file_close(file);
    return err;
}

const char *fp_host_file_why(const struct fp_host_file *file, int err)
{
    return file->why[0] ? file->why : fp_strerror(err);
}

void fp_host_file_close(struct fp_host_file *file)
{
    if (file->handle != -1)
        fp_host_os_close(file);
    file->handle = -1;
}

int fp_host_file_set_block_size(struct fp_host_file *file, uint32_t block_size)
{
    return set_geometry(file, block_size, 0);
}

uint64_t fp_host_file_next_data(struct fp_host_file *file, uint64_t off)
{
    uint64_t pos = fp_host_os_next_data(file, file->offset + off);

    return pos - file->offset < file->size ? pos - file->offset : file->size;
}
