/* SPDX-License-Identifier: MIT
 *
 * A probe reads a few bytes here and there. So that this does not become a call
 * to the system each, one page of the device below is kept.
 */
#include "core/host/view.h"

#include <string.h>

/* What a read costs however few bytes it is for, in bytes. */
#define CALL_COST 64u

static int spend(struct fp_host_view *view, uint64_t cost)
{
    if (view->budget == NULL)
        return FP_OK;
    if (*view->budget < cost) {
        *view->budget = 0;
        return FP_ERR_CANCELED;
    }
    *view->budget -= cost;
    return FP_OK;
}

/* Pages lie as read units of the device below do. */
static int load_page(struct fp_host_view *view, uint64_t at)
{
    uint64_t start = at - at % FP_HOST_VIEW_PAGE;
    uint64_t rest = fp_bdev_size(view->under) - start;
    int err;

    if (view->page_at == start)
        return FP_OK;
    view->page_at = UINT64_MAX;
    view->page_size =
        rest < FP_HOST_VIEW_PAGE ? (uint32_t)rest : FP_HOST_VIEW_PAGE;
    err = spend(view, view->page_size);
    if (!err)
        err = fp_bdev_read(view->under, start, view->page, view->page_size);
    if (!err)
        view->page_at = start;
    return err;
}

/* Whole pages go past the one that is kept. */
static int read_pages(struct fp_host_view *view, uint64_t at, uint8_t *dst,
                      uint32_t size)
{
    int err = spend(view, size);

    return err ? err : fp_bdev_read(view->under, at, dst, size);
}

static int read_part(struct fp_host_view *view, uint64_t at, uint8_t *dst,
                     uint32_t size)
{
    int err = load_page(view, at);

    if (!err)
        memcpy(dst, view->page + at % FP_HOST_VIEW_PAGE, size);
    return err;
}

static int read_there(struct fp_host_view *view, uint64_t at, uint8_t *dst,
                      uint32_t size)
{
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t n = FP_HOST_VIEW_PAGE - (uint32_t)(at % FP_HOST_VIEW_PAGE);

        if (n == FP_HOST_VIEW_PAGE && size >= n) {
            n = size - size % FP_HOST_VIEW_PAGE;
            err = read_pages(view, at, dst, n);
        } else {
            n = n < size ? n : size;
            err = read_part(view, at, dst, n);
        }
        at += n;
        dst += n;
        size -= n;
    }
    return err;
}

static int view_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct fp_host_view *view = (struct fp_host_view *)dev;
    uint8_t *dst = buf;
    uint64_t there = off < view->there ? view->there - off : 0;
    uint32_t n = there < size ? (uint32_t)there : size;
    int err = spend(view, (uint64_t)size + CALL_COST);

    if (err)
        return err;
    view->passed |= n < size;
    memset(dst + n, 0xff, size - n);
    return read_there(view, view->first + off, dst, n);
}

static const struct fp_bdev_ops view_ops = {
    .read = view_read,
    /* nothing is written */
};

void fp_host_view_init(struct fp_host_view *view, struct fp_bdev *under,
                       uint64_t first, uint64_t size, uint64_t *budget)
{
    uint64_t rest = fp_bdev_size(under) - first;
    uint32_t block = 1;

    while (size / block > UINT32_MAX)
        block *= 2;
    view->bdev = (struct fp_bdev){
        .ops = &view_ops,
        .read_size = 1,
        .prog_size = 1,
        .block_size = block,
        .block_count = (uint32_t)(size / block),
        .flags = FP_BDEV_ERASED_FF | FP_BDEV_RDONLY,
    };
    view->passed = false;
    view->under = under;
    view->first = first;
    view->there = size < rest ? size : rest;
    view->budget = budget;
    view->page_at = UINT64_MAX;
}
