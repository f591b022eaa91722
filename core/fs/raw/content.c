/* SPDX-License-Identifier: MIT */
#include "core/fs/raw/region.h"

#include <string.h>

/* FP_OK if the region is full of one byte, 1 if it is not. */
static int compare(struct fp_mount *mnt, const struct fp_raw_region *region,
                   uint8_t *fill)
{
    fp_addr done = 0;

    while (done < region->size) {
        int32_t n = fp_raw_load(mnt, region->off + done);
        const uint8_t *bytes;

        if (n < 0)
            return n;
        bytes = fp_raw_end(mnt) - n;
        if (done == 0)
            *fill = *bytes;
        for (; n > 0 && done < region->size; n--, done++)
            if (*bytes++ != *fill)
                return 1;
        fp_bdev_yield(mnt->dev);
    }
    return region->size == 0;
}

int32_t fp_raw_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size)
{
    const struct fp_raw_region *region = fp_raw_find(mnt, path);
    uint8_t said[2] = { FP_RAW_DATA, 0 };
    int err;

    if (region == NULL && path[1] != '\0')
        return FP_ERR_NOENT;
    if (region == NULL || type != FP_RAW_ATTR_CONTENT)
        return FP_ERR_NODATA;
    fp_raw_forget(mnt);
    err = compare(mnt, region, &said[1]);
    if (err < 0)
        return err;
    if (err != FP_OK)
        said[1] = 0;
    else
        said[0] = said[1] == 0xff && mnt->dev->flags & FP_BDEV_ERASED_FF
                      ? FP_RAW_ERASED
                      : FP_RAW_CONSTANT;
    memcpy(buf, said, size < sizeof said ? size : sizeof said);
    return sizeof said;
}
