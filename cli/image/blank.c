/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/image/blank.h"

#include "cli/belt.h"

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

/* As much as is zero is left out of the file, and as much is written again
 * where a byte of it has changed. */
#define UNIT ((size_t)4096)

/* As much is written in one call: a signal waits for its end. */
#define PIECE_UNITS 64u
#define PIECE       (PIECE_UNITS * UNIT)
#define TRAYS       3

/* What is in the file of a unit. */
enum written {
    NOT_YET,
    ON_ITS_WAY, /* others read it: nobody may change it */
    WRITTEN,
    STALE, /* it has changed since */
};

struct tray {
    const struct fpc_image_blank *blank;
    size_t piece;
    bool failed;
};

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

/* --- writing behind ------------------------------------------------------- */

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

/* Bytes from the start on, by units that are all zero, or of which none is. */
static size_t run_of(const uint8_t *mem, size_t size, bool *zero)
{
    size_t run = 0, n;

    for (; run < size && run < PIECE; run += n) {
        bool is;

        n = size - run < UNIT ? size - run : UNIT;
        is = fpc_image_is_zero(mem + run, n);
        if (run == 0)
            *zero = is;
        else if (is != *zero)
            break;
    }
    return run;
}

/* Where the file has nothing yet, zeros are left out: holes read as zeros. */
static bool write_first(int fd, const uint8_t *src, size_t size, size_t at)
{
    for (size_t done = 0, n; done < size; done += n) {
        bool zero = false;

        n = run_of(src + done, size - done, &zero);
        if (!zero && !write_all(fd, src + done, n, at + done))
            return false;
    }
    return true;
}

static void write_tray(void *tray, void *hand)
{
    struct tray *t = tray;
    const size_t at = t->piece * PIECE;

    (void)hand;
    t->failed = !write_first(t->blank->fd, t->blank->mem + at, PIECE, at);
}

static void mark(struct fpc_image_blank *blank, size_t piece, enum written as)
{
    memset(blank->written + piece * PIECE_UNITS, (int)as, PIECE_UNITS);
}

/* What failed is tried again at the end, and told then. */
static bool take_back(struct fpc_image_blank *blank)
{
    const struct tray *t = fpc_belt_take(blank->behind);

    if (t)
        mark(blank, t->piece, t->failed ? STALE : WRITTEN);
    return t;
}

static void give(struct fpc_image_blank *blank, size_t piece)
{
    struct tray *t = fpc_belt_empty(blank->behind);

    if (!t && take_back(blank))
        t = fpc_belt_empty(blank->behind);
    if (!t)
        return;
    *t = (struct tray){ .blank = blank, .piece = piece };
    mark(blank, piece, ON_ITS_WAY);
    fpc_belt_give(blank->behind);
}

/* [off, off + size), not empty, is going to be changed. */
static void change(struct fpc_image_blank *blank, size_t off, size_t size)
{
    if (!blank->behind)
        return;
    for (size_t i = off / UNIT; i <= (off + size - 1) / UNIT; i++) {
        while (blank->written[i] == ON_ITS_WAY)
            take_back(blank);
        if (blank->written[i] == WRITTEN)
            blank->written[i] = STALE;
    }
}

/* [off, off + size), not empty, was programmed: a piece is thought to be full
 * when its last byte was so, or something behind it. */
static void programmed(struct fpc_image_blank *blank, size_t off, size_t size)
{
    if (!blank->behind)
        return;
    for (size_t i = off / PIECE - (off >= PIECE); (i + 1) * PIECE <= off + size;
         i++)
        if (blank->written[(i + 1) * PIECE_UNITS - 1] == NOT_YET)
            give(blank, i);
}

/* --- the device ----------------------------------------------------------- */

static int blank_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fpc_image_blank *blank = blank_of(dev);
    const uint32_t n = touched(blank, off, size);
    int err;

    if (size == 0)
        return FP_OK;
    if (off > blank->end) { /* what is skipped is erased */
        change(blank, blank->end, (size_t)off - blank->end);
        memset(blank->mem + blank->end, blank->fill, (size_t)off - blank->end);
    }
    change(blank, off, size);
    if (off + size > blank->end)
        blank->end = (size_t)off + size;
    memcpy(blank->mem + off + n, (const uint8_t *)buf + n, size - n);
    err = blank->ram_ops->prog(dev, off, buf, n);
    programmed(blank, off, size);
    return err;
}

static int blank_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fpc_image_blank *blank = blank_of(dev);
    const size_t off = (size_t)block * dev->block_size;
    const size_t size = (size_t)count * dev->block_size;

    if (size > 0)
        change(blank, off, size);
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
        .fd = -1,
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
    fpc_belt_free(blank->behind);
    if (blank->fd >= 0)
        close(blank->fd);
    free(blank->written);
    free(blank->mem);
    *blank = (struct fpc_image_blank){ .fd = -1 };
}

int fpc_image_blank_open(struct fpc_image_blank *blank, const char *path)
{
    blank->fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    return blank->fd < 0 ? -1 : 0;
}

/* Without the memory for it, all is written at the end. */
void fpc_image_blank_follow(struct fpc_image_blank *blank)
{
    const struct fpc_belt_kind kind = {
        .work = write_tray,
        .tray_size = sizeof(struct tray),
        .count = TRAYS,
    };

    blank->written =
        calloc(blank->size / PIECE + 1, PIECE_UNITS * sizeof *blank->written);
    if (blank->written)
        blank->behind = fpc_belt_new(&kind);
}

/* Up to where the units from that at `at` on are in the same state. */
static size_t same_from(const struct fpc_image_blank *blank, size_t at)
{
    size_t to = at / UNIT;

    if (!blank->written)
        return blank->end;
    while (to * UNIT < blank->end &&
           blank->written[to] == blank->written[at / UNIT])
        to++;
    return to * UNIT < blank->end ? to * UNIT : blank->end;
}

/* Up to where something was written. */
static bool save_units(struct fpc_image_blank *blank)
{
    bool saved = true;

    for (size_t at = 0, to; at < blank->end && saved; at = to) {
        const uint8_t *src = blank->mem + at;
        enum written is = blank->written ? blank->written[at / UNIT] : NOT_YET;

        to = same_from(blank, at);
        if (is == NOT_YET)
            saved = write_first(blank->fd, src, to - at, at);
        else if (is == STALE)
            saved = write_all(blank->fd, src, to - at, at);
    }
    return saved;
}

static bool write_erased(int fd, uint8_t fill, size_t at, size_t end)
{
    uint8_t erased[65536];
    size_t n;

    memset(erased, fill, sizeof erased);
    for (; at < end; at += n) {
        n = end - at < sizeof erased ? end - at : sizeof erased;
        if (!write_all(fd, erased, n, at))
            return false;
    }
    return true;
}

/* Behind the end all is erased: zeros as a hole, that the file grows by. */
static bool save_rest(struct fpc_image_blank *blank)
{
    return ftruncate(blank->fd, (off_t)blank->end) == 0 &&
           (blank->fill == 0 ||
            write_erased(blank->fd, blank->fill, blank->end, blank->size)) &&
           ftruncate(blank->fd, (off_t)blank->size) == 0;
}

int fpc_image_blank_save(struct fpc_image_blank *blank)
{
    while (blank->behind && take_back(blank))
        ;
    return save_units(blank) && save_rest(blank) ? 0 : -1;
}
