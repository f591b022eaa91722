/* SPDX-License-Identifier: MIT */
#include "core/fs/raw/region.h"

#include <string.h>

int32_t fp_raw_load(struct fp_mount *mnt, fp_addr off)
{
    struct fp_raw *raw = fp_raw_of(mnt);
    uint32_t in = (uint32_t)(off % raw->size);
    int err = FP_OK;

    off -= in;
    if (off != raw->at && raw->write_back != NULL)
        err = raw->write_back(mnt);
    if (off != raw->at && !err) {
        raw->at = FP_RAW_NOWHERE;
        err = fp_bdev_read(mnt->dev, off, fp_raw_buf(raw), raw->size);
        if (!err)
            raw->at = off;
    }
    return err ? err : (int32_t)(raw->size - in);
}

int fp_raw_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    (void)flags;
    fp_raw_forget(mnt);
    fp_raw_file_of(file)->region = fp_raw_find(mnt, path);
    return fp_raw_file_of(file)->region != NULL ? FP_OK : FP_ERR_NOENT;
}

int32_t fp_raw_move(struct fp_file *file, uint8_t *buf, uint32_t size,
                    fp_raw_move_fn *fn)
{
    struct fp_raw_file *f = fp_raw_file_of(file);
    uint32_t done = 0;

    while (done < size) {
        int32_t n = fp_raw_load(file->mnt, f->region->off + f->pos + done);
        uint8_t *bytes;

        if (n < 0)
            return n;
        bytes = fp_raw_end(file->mnt) - n;
        if ((uint32_t)n > size - done)
            n = (int32_t)(size - done);
        fn(fp_raw_of(file->mnt), bytes, buf + done, (uint32_t)n);
        done += (uint32_t)n;
    }
    f->pos += size;
    return (int32_t)size;
}

static void copy_out(struct fp_raw *raw, uint8_t *bytes, uint8_t *buf,
                     uint32_t size)
{
    (void)raw;
    memcpy(buf, bytes, size);
}

int32_t fp_raw_read(struct fp_file *file, void *buf, uint32_t size)
{
    fp_addr left = fp_raw_left(file);

    return fp_raw_move(file, buf, size < left ? size : (uint32_t)left,
                       copy_out);
}

int64_t fp_raw_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_raw_file *f = fp_raw_file_of(file);
    uint64_t to = (uint64_t)off; /* before the start is behind every end */

    if (whence == FP_SEEK_CUR)
        to += f->pos;
    else if (whence == FP_SEEK_END)
        to += f->region->size;
    if (to > f->region->size)
        return FP_ERR_INVAL;
    f->pos = (fp_addr)to;
    return (int64_t)to;
}
