/* SPDX-License-Identifier: MIT */
#include "core/fs/fs.h"

/* So that a watchdog is served on a slow bus. */
#define CHUNK 4096u

/* The bytes of the device at off, read in whole units. */
static const uint8_t *fetch(struct fp_fs_blank *blank, fp_addr off,
                            uint32_t size)
{
    uint32_t unit = blank->dev->read_size, before = (uint32_t)(off % unit);

    size += before + unit - 1;
    blank->err =
        fp_bdev_read(blank->dev, off - before, blank->buf, size - size % unit);
    return blank->buf + before;
}

int fp_fs_blank_to(struct fp_fs_blank *blank, fp_addr to, uint32_t skip)
{
    uint32_t unit = blank->dev->read_size;
    uint32_t most = blank->size < CHUNK ? blank->size : CHUNK;

    most = most < unit ? unit : most - most % unit;
    while (!blank->err && !blank->is_used && blank->at < to) {
        uint32_t size = most - (uint32_t)(blank->at % unit);
        const uint8_t *bytes;

        if (size > to - blank->at)
            size = (uint32_t)(to - blank->at);
        bytes = fetch(blank, blank->at, size);
        for (uint32_t i = 0; i < size && !blank->err; i++)
            if (bytes[i] != 0xff && bytes[i] != blank->also)
                blank->is_used = true;
        blank->at += size;
        fp_bdev_yield(blank->dev);
    }
    if (blank->at < to + skip)
        blank->at = to + skip;
    return blank->err ? blank->err : !blank->is_used;
}

void fp_fs_blank_but(struct fp_fs_blank *blank, fp_addr off, const char *text,
                     uint32_t size)
{
    const uint8_t *bytes;

    if (blank->err)
        return;
    bytes = fetch(blank, off, size);
    for (uint32_t i = 0; i < size && !blank->err; i++)
        if (~bytes[i] & text[i])
            blank->is_used = true;
    if (blank->err == FP_ERR_CORRUPT) /* a unit that took half a program */
        blank->err = FP_OK;
}
