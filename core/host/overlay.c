/* SPDX-License-Identifier: MIT
 *
 * Pages are whole blocks, so that an erase fills pages, and a page is read from
 * below once, before it is first written to.
 */
#include "core/host/overlay.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536u

static struct fp_host_overlay *overlay_of(struct fp_bdev *dev)
{
    return (struct fp_host_overlay *)dev;
}

/* Bytes of [off, off + size) that lie in the page of `off`. */
static uint32_t in_page(const struct fp_host_overlay *overlay, fp_addr off,
                        fp_addr size)
{
    const fp_addr left = overlay->page_size - off % overlay->page_size;

    return (uint32_t)(size < left ? size : left);
}

static int overlay_read(struct fp_bdev *dev, fp_addr off, void *buf,
                        uint32_t size)
{
    struct fp_host_overlay *overlay = overlay_of(dev);
    uint8_t *dst = buf;
    int err = FP_OK;

    for (uint32_t n; size > 0 && !err; off += n, dst += n, size -= n) {
        const uint8_t *page = overlay->pages[off / overlay->page_size];

        n = in_page(overlay, off, size);
        if (page)
            memcpy(dst, page + off % overlay->page_size, n);
        else
            err = fp_bdev_read(overlay->under, off, dst, n);
    }
    return err;
}

/* What lies below, of a page that the device may end in. */
static int fill(struct fp_host_overlay *overlay, uint64_t number, uint8_t *page)
{
    const fp_addr off = (fp_addr)number * overlay->page_size;
    const uint32_t size =
        in_page(overlay, off, fp_bdev_size(overlay->under) - off);

    return fp_bdev_read(overlay->under, off, page, size);
}

/* The page of `off`, to be written to. */
static int own(struct fp_host_overlay *overlay, fp_addr off, uint8_t **out)
{
    const uint64_t number = off / overlay->page_size;
    uint8_t **page = &overlay->pages[number];
    int err;

    *out = *page;
    if (*page)
        return FP_OK;
    if (overlay->taken + overlay->page_size > FP_HOST_OVERLAY_MAX)
        return FP_ERR_NOMEM;
    *out = malloc(overlay->page_size);
    if (!*out)
        return FP_ERR_NOMEM;
    err = fill(overlay, number, *out);
    if (err) {
        free(*out);
        return err;
    }
    *page = *out;
    overlay->taken += overlay->page_size;
    return FP_OK;
}

static void lay(uint8_t *dst, const uint8_t *src, uint32_t size, bool replace)
{
    for (uint32_t i = 0; i < size; i++)
        dst[i] = (uint8_t)(replace ? src[i] : dst[i] & src[i]);
}

static int overlay_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                        uint32_t size)
{
    struct fp_host_overlay *overlay = overlay_of(dev);
    const uint8_t *src = buf;

    for (uint32_t n; size > 0; off += n, src += n, size -= n) {
        uint8_t *page;
        int err = own(overlay, off, &page);

        if (err)
            return err;
        n = in_page(overlay, off, size);
        lay(page + off % overlay->page_size, src, n,
            dev->flags & FP_BDEV_OVERWRITE);
    }
    return FP_OK;
}

static int overlay_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_host_overlay *overlay = overlay_of(dev);
    fp_addr off = (fp_addr)block * dev->block_size;
    fp_addr size = (fp_addr)count * dev->block_size;

    for (uint32_t n; size > 0; off += n, size -= n) {
        uint8_t *page;
        int err = own(overlay, off, &page);

        if (err)
            return err;
        n = in_page(overlay, off, size);
        memset(page + off % overlay->page_size, 0xff, n);
    }
    return FP_OK;
}

static const struct fp_bdev_ops overlay_ops = {
    .read = overlay_read, .prog = overlay_prog, .erase = overlay_erase,
    /* .sync stays NULL: memory has nothing buffered */
};

int fp_host_overlay_init(struct fp_host_overlay *overlay, struct fp_bdev *under)
{
    const uint32_t block = under->block_size;

    *overlay = (struct fp_host_overlay){ .bdev = *under, .under = under };
    overlay->bdev.ops = &overlay_ops;
    overlay->bdev.flags = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    overlay->page_size = block < PAGE ? PAGE - PAGE % block : block;
    overlay->page_count =
        (fp_bdev_size(under) + overlay->page_size - 1) / overlay->page_size;
    overlay->pages = calloc(overlay->page_count, sizeof *overlay->pages);
    return overlay->pages ? FP_OK : FP_ERR_NOMEM;
}

void fp_host_overlay_free(struct fp_host_overlay *overlay)
{
    for (uint64_t i = 0; overlay->pages && i < overlay->page_count; i++)
        free(overlay->pages[i]);
    free(overlay->pages);
    overlay->pages = NULL;
}
