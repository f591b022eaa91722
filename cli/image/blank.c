/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/image/blank.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* A page of this size is got in one step, not in 512. */
#define LARGE_PAGE ((size_t)2 << 20)

/* As much as is zero is left out of the file. */
#define PIECE 4096u

/* As much is written in one call: a signal waits for its end. */
#define WRITE_MAX ((size_t)1 << 20)

static struct fpc_image_blank *blank_of(struct fp_bdev *dev)
{
    return (struct fpc_image_blank *)dev;
}

/* How many of the bytes [off, off + size) have been written to. */
static uint32_t touched(const struct fpc_image_blank *blank, fp_addr off,
                        uint32_t size)
{
    if (off >= blank->end)
        return 0;
    return blank->end - off < size ? (uint32_t)(blank->end - off) : size;
}

static int blank_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    const struct fpc_image_blank *blank = blank_of(dev);
    const uint32_t n = touched(blank, off, size);

    memcpy(buf, blank->mem + off, n);
    memset((uint8_t *)buf + n, blank->fill, size - n);
    return FP_OK;
}

static int blank_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fpc_image_blank *blank = blank_of(dev);
    const uint32_t n = touched(blank, off, size);

    if (off > blank->end) /* what is skipped is erased */
        memset(blank->mem + blank->end, blank->fill, (size_t)off - blank->end);
    if (off + size > blank->end)
        blank->end = (size_t)off + size;
    memcpy(blank->mem + off + n, (const uint8_t *)buf + n, size - n);
    return blank->ram_ops->prog(dev, off, buf, n);
}

static int blank_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fpc_image_blank *blank = blank_of(dev);
    const size_t off = (size_t)block * dev->block_size;
    const size_t size = (size_t)count * dev->block_size;

    if (off + size >= blank->end)
        blank->end = off < blank->end ? off : blank->end;
    else
        memset(blank->mem + off, blank->fill, size);
    return FP_OK;
}

static uint8_t *new_memory(size_t size)
{
    uint8_t *mem;

#ifdef MADV_HUGEPAGE
    if (size >= LARGE_PAGE) {
        mem = aligned_alloc(LARGE_PAGE,
                            (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
        if (mem)
            (void)madvise(mem, size, MADV_HUGEPAGE);
        return mem;
    }
#endif
    mem = malloc(size);
    return mem;
}

int fpc_image_blank_new(struct fpc_image_blank *blank, uint32_t prog_size,
                        uint32_t block_size, uint32_t block_count, uint8_t fill)
{
    *blank = (struct fpc_image_blank){
        .fill = fill,
        .size = (size_t)block_size * block_count,
    };
    blank->mem = new_memory(blank->size);
    if (!blank->mem)
        return FP_ERR_NOMEM;
    fp_bdev_ram_init(&blank->ram, prog_size, block_size, block_count,
                     blank->mem);
    blank->ram_ops = blank->ram.bdev.ops;
    blank->ops = *blank->ram_ops;
    blank->ops.read = blank_read;
    blank->ops.prog = blank_prog;
    blank->ops.erase = blank_erase;
    blank->ram.bdev.ops = &blank->ops;
    return FP_OK;
}

void fpc_image_blank_free(struct fpc_image_blank *blank)
{
    free(blank->mem);
    blank->mem = NULL;
}

bool fpc_image_is_zero(const uint8_t *buf, size_t size)
{
    return size == 0 || (buf[0] == 0 && memcmp(buf, buf + 1, size - 1) == 0);
}

static bool write_all(int fd, const uint8_t *src, size_t size, size_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, src, size, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        src += n;
        at += (size_t)n;
        size -= (size_t)n;
    }
    return true;
}

/* Bytes from the start on, in pieces, of which all are zero, or none is. */
static size_t run_of(const uint8_t *mem, size_t size, bool *zero)
{
    size_t run = 0, n;

    for (; run < size && run < WRITE_MAX; run += n) {
        bool is;

        n = size - run < PIECE ? size - run : PIECE;
        is = fpc_image_is_zero(mem + run, n);
        if (run == 0)
            *zero = is;
        else if (is != *zero)
            break;
    }
    return run;
}

/* What is zero is left out of the file: holes read as zeros. */
static bool write_bytes(int fd, const uint8_t *mem, size_t size)
{
    for (size_t at = 0, n; at < size; at += n) {
        bool zero = false;

        n = run_of(mem + at, size - at, &zero);
        if (!zero && !write_all(fd, mem + at, n, at))
            return false;
    }
    return true;
}

static bool write_erased(int fd, uint8_t fill, size_t at, size_t end)
{
    uint8_t erased[65536];
    size_t n;

    memset(erased, fill, sizeof erased);
    for (; at < end && fill != 0; at += n) {
        n = end - at < sizeof erased ? end - at : sizeof erased;
        if (!write_all(fd, erased, n, at))
            return false;
    }
    return true;
}

int fpc_image_blank_save(const struct fpc_image_blank *blank, const char *path)
{
    const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool saved;

    if (fd < 0)
        return -1;
    saved = write_bytes(fd, blank->mem, blank->end) &&
            write_erased(fd, blank->fill, blank->end, blank->size) &&
            ftruncate(fd, (off_t)blank->size) == 0;
    return close(fd) == 0 && saved ? 0 : -1;
}
