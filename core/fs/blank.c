/* SPDX-License-Identifier: MIT */
#include "core/fs/fs.h"

/* So that a watchdog is served on a slow bus. */
#define CHUNK 4096u

static fp_addr round_up(fp_addr off, uint32_t unit)
{
    return (off + unit - 1) / unit * unit;
}

static bool holds_nothing(const struct fp_fs_blank *blank, uint32_t from,
                          uint32_t to)
{
    for (; from < to; from++)
        if (blank->buf[from] != 0xff && blank->buf[from] != blank->also)
            return false;
    return true;
}

int fp_fs_blank_to(struct fp_fs_blank *blank, fp_addr to, uint32_t skip)
{
    uint32_t unit = blank->dev->read_size;
    uint32_t most = blank->size < CHUNK ? blank->size : CHUNK;

    most = most < unit ? unit : most - most % unit;
    while (!blank->err && !blank->is_used && blank->at < to) {
        uint32_t before = (uint32_t)(blank->at % unit);
        fp_addr off = blank->at - before, rest = round_up(to, unit) - off;
        uint32_t n = rest < most ? (uint32_t)rest : most;
        uint32_t end = to - off < n ? (uint32_t)(to - off) : n;

        blank->err = fp_bdev_read(blank->dev, off, blank->buf, n);
        blank->is_used = !blank->err && !holds_nothing(blank, before, end);
        blank->at = off + end;
        fp_bdev_yield(blank->dev);
    }
    if (blank->at < to + skip)
        blank->at = to + skip;
    return blank->err ? blank->err : !blank->is_used;
}

void fp_fs_blank_but(struct fp_fs_blank *blank, fp_addr off, const char *text,
                     uint32_t size)
{
    uint32_t unit = blank->dev->read_size, before = (uint32_t)(off % unit);
    uint32_t n = (uint32_t)round_up(before + size, unit);
    int err = blank->err
                  ? blank->err
                  : fp_bdev_read(blank->dev, off - before, blank->buf, n);

    for (uint32_t i = 0; i < size && !err; i++)
        if (~blank->buf[before + i] & text[i])
            blank->is_used = true;
    if (err != FP_ERR_CORRUPT) /* as a unit is that took half a program */
        blank->err = err;
}
