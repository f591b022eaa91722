/* SPDX-License-Identifier: MIT */
#include "core/fs/raw/region.h"

#include <string.h>

/* The buffer, an erase block, to the device. A freeze (FP_ERR_BUSY) changed
 * nothing, and after any other error it is tried again, too. */
static int write_back(struct fp_mount *mnt)
{
    struct fp_raw *raw = fp_raw_of(mnt);
    int err;

    fp_bdev_yield(mnt->dev);
    err = fp_bdev_erase(mnt->dev, (uint32_t)(raw->at / raw->size), 1);
    if (!err)
        err = fp_bdev_prog(mnt->dev, raw->at, fp_raw_buf(raw), raw->size);
    if (!err)
        raw->write_back = NULL;
    return err;
}

int fp_raw_open_rw(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    const uint32_t size = mnt->dev->block_size;
    int err = fp_raw_open(mnt, file, path, flags);
    const struct fp_raw_region *region = fp_raw_file_of(file)->region;

    if (err)
        return flags & FP_O_CREATE ? FP_ERR_NOTSUP : err;
    if (!(flags & FP_O_WRITE))
        return FP_OK;
    if (flags & FP_O_EXCL)
        return FP_ERR_EXIST;
    if (flags & FP_O_APPEND)
        return FP_ERR_NOTSUP;
    if (region->flags & FP_RAW_RDONLY || region->off % size != 0 ||
        region->size % size != 0 || fp_raw_of(mnt)->size != size)
        return FP_ERR_ACCES;
    return FP_OK;
}

static void copy_in(struct fp_raw *raw, uint8_t *bytes, uint8_t *buf,
                    uint32_t size)
{
    if (memcmp(bytes, buf, size) == 0)
        return;
    memcpy(bytes, buf, size);
    raw->write_back = write_back;
}

int32_t fp_raw_write(struct fp_file *file, const void *buf, uint32_t size)
{
    if (size > fp_raw_left(file))
        return FP_ERR_FBIG;
    return fp_raw_move(file, (uint8_t *)(uintptr_t)buf, size, copy_in);
}

int fp_raw_sync(struct fp_mount *mnt)
{
    struct fp_raw *raw = fp_raw_of(mnt);
    int err = FP_OK;

    if (raw->write_back != NULL)
        err = raw->write_back(mnt);
    return err ? err : fp_bdev_sync(mnt->dev);
}

/* Closes as well. What could not be written stays in the buffer, for the next
 * one that needs it or syncs. */
int fp_raw_fsync(struct fp_file *file)
{
    return fp_raw_sync(file->mnt);
}

int fp_raw_reserve(struct fp_file *file, uint64_t size)
{
    return size > fp_raw_file_of(file)->region->size ? FP_ERR_FBIG : FP_OK;
}
