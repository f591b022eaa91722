/* SPDX-License-Identifier: MIT
 *
 * What lies between: runs of one byte, and data between these, with a word on
 * what it seems to be where that is cheap and sure. A run shorter than `least`
 * is a part of the data around it, unless it begins or ends the gap.
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

#include <stdlib.h>
#include <string.h>

#define LEAST      4096u
#define LEAST_EDGE 256u
#define RUNS_MOST  16384u /* in all of the dump */
#define HEAD       512u
#define COUNTED    (16u << 20)

struct gap {
    struct fp_host_scan_pass *pass;
    uint64_t begin, end, least;
    uint64_t data_at; /* where data began that was not told yet */
    uint64_t run_at;  /* where the run of `byte` began */
    uint8_t byte;
    uint64_t counts[256];
    bool is_text;
};

/* --- what data is --- */

/* Source: the formats' own documents; ESP-IDF's "Application image format",
 * Microsoft's uf2 README, RFC 1952, the ELF and U-Boot headers. */
static const struct {
    uint32_t at, size;
    const char *bytes, *text;
} marks[] = {
    { 0, 8, "UF2\nWQ]\x9e", "UF2" },
    { 0, 3, "\x1f\x8b\x08", "gzip" },
    { 0, 4,
      "\x7f"
      "ELF",
      "ELF" },
    { 0, 4, "\x27\x05\x19\x56", "U-Boot image" },
    { 0, 4, "\xd0\x0d\xfe\xed", "device tree" },
    { 0, 4, "PK\x03\x04", "zip" },
    { 0, 4, "hsqs", "SquashFS" },
    { 0, 4, "\x85\x19\x03\x20", "JFFS2" },
    { 0, 4, "UBI#", "UBI" },
    { 0, 6,
      "\xfd"
      "7zXZ\0",
      "xz" },
    { 0, 4, "\x28\xb5\x2f\xfd", "zstd" },
    { 3, 8, "EXFAT   ", "exFAT" },
    { 3, 8, "NTFS    ", "NTFS" },
    { 1080, 2, "\x53\xef", "ext2, ext3 or ext4" },
};

/* Segments by the count, modes of the SPI flash, and an entry point in the
 * address space of code. */
static bool is_esp_image(const uint8_t *head)
{
    return head[0] == 0xe9 && head[1] >= 1 && head[1] <= 16 && head[2] <= 5 &&
           head[7] >= 0x40 && head[7] <= 0x4f;
}

static bool is_text(uint8_t byte)
{
    return byte >= 0x20 ? byte != 0x7f
                        : byte == '\n' || byte == '\r' || byte == '\t';
}

/* Are the bytes spread as chance spreads them? The sum of squares is smallest
 * where all are equally frequent. */
static bool is_even(const uint64_t counts[256])
{
    uint64_t n = 0, squares = 0;

    for (unsigned i = 0; i < 256; i++) {
        n += counts[i];
        squares += counts[i] * counts[i];
    }
    return n >= 4096 && squares * 256 <= n * n + n * n / 32 + 512 * n;
}

static const char *guess(struct gap *gap, uint64_t at, uint64_t size)
{
    uint8_t head[1088];
    uint32_t n = size < sizeof head ? (uint32_t)size : (uint32_t)sizeof head;

    if (fp_host_scan_peek(gap->pass, at, head, n))
        return NULL;
    if (n >= 24 && is_esp_image(head))
        return "ESP image";
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (n >= marks[i].at + marks[i].size &&
            memcmp(head + marks[i].at, marks[i].bytes, marks[i].size) == 0)
            return marks[i].text;
    if (gap->is_text)
        return "text";
    return is_even(gap->counts) ? "high entropy" : NULL;
}

/* --- runs --- */

static void forget(struct gap *gap, uint64_t at)
{
    gap->data_at = at;
    gap->is_text = true;
    memset(gap->counts, 0, sizeof gap->counts);
}

static int tell_data(struct gap *gap, uint64_t end)
{
    struct fp_host_region region = { .kind = FP_HOST_DATA,
                                     .offset = gap->data_at,
                                     .size = end - gap->data_at };

    if (region.size == 0)
        return FP_OK;
    region.text = guess(gap, region.offset, region.size);
    return fp_host_scan_add(gap->pass->scan, &region);
}

static void count(struct gap *gap, uint64_t size)
{
    if (gap->run_at - gap->data_at < COUNTED)
        gap->counts[gap->byte] += size;
    gap->is_text &= is_text(gap->byte);
}

/* Bytes [run_at, end) are one run, which is over. */
static int end_run(struct gap *gap, uint64_t end)
{
    uint64_t size = end - gap->run_at;
    bool is_edge = gap->run_at == gap->begin || end == gap->end;
    struct fp_host_region region = { .kind = FP_HOST_CONSTANT,
                                     .offset = gap->run_at,
                                     .size = size,
                                     .byte = gap->byte };
    int err;

    if (size == 0)
        return FP_OK;
    if (size >= gap->least || (is_edge && size >= LEAST_EDGE) ||
        size == gap->end - gap->begin) {
        err = tell_data(gap, gap->run_at);
        forget(gap, end);
        return err ? err : fp_host_scan_add(gap->pass->scan, &region);
    }
    count(gap, size);
    return FP_OK;
}

/* Runs too short to be told, nearly all there are in data, are only counted. */
static int take(struct gap *gap, uint64_t at, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        int err = FP_OK;

        while (i < size && bytes[i] == gap->byte)
            i++;
        if (i == size)
            break;
        if (at + i - gap->run_at < LEAST_EDGE)
            count(gap, at + i - gap->run_at);
        else
            err = end_run(gap, at + i);
        if (err)
            return err;
        gap->byte = bytes[i];
        gap->run_at = at + i;
    }
    return FP_OK;
}

/* A hole of the file, of which the OS knows that it is zeros. */
static int take_hole(struct gap *gap, uint64_t *at)
{
    const struct fp_host_scan_config *cfg = gap->pass->cfg;
    const uint8_t zero = 0;
    uint64_t data = cfg->next_data ? cfg->next_data(cfg->ctx, *at) : *at;
    int err = FP_OK;

    if (data <= *at)
        return FP_OK;
    err = take(gap, *at, &zero, 1);
    *at = data < gap->end ? data : gap->end;
    return err;
}

static int read_gap(struct gap *gap)
{
    struct fp_host_scan_pass *pass = gap->pass;
    uint64_t at = gap->begin;
    int err;

    while (at < gap->end) {
        uint32_t n = FP_HOST_SCAN_WINDOW;

        err = take_hole(gap, &at);
        if (err || at == gap->end)
            return err;
        if (gap->end - at < n)
            n = (uint32_t)(gap->end - at);
        err = fp_bdev_read(&pass->whole.bdev, at, pass->buf, n);
        if (!err && at == gap->begin)
            gap->byte = pass->buf[0];
        if (!err)
            err = take(gap, at, pass->buf, n);
        if (err)
            return err;
        at += n;
    }
    return FP_OK;
}

static int describe(struct fp_host_scan_pass *pass, uint64_t begin,
                    uint64_t end)
{
    struct gap gap = { .pass = pass, .begin = begin, .end = end };
    int err;

    gap.run_at = begin;
    gap.least = pass->size / RUNS_MOST;
    if (gap.least < LEAST)
        gap.least = LEAST;
    forget(&gap, begin);
    err = read_gap(&gap);
    if (!err)
        err = end_run(&gap, end);
    return err ? err : tell_data(&gap, end);
}

int fp_host_scan_gaps(struct fp_host_scan_pass *pass)
{
    struct fp_host_scan *scan = pass->scan;
    struct fp_host_region *known = scan->regions;
    size_t count = scan->count;
    uint64_t at = 0;
    int err = FP_OK;

    scan->regions = NULL;
    scan->count = scan->volume_count = 0;
    for (size_t i = 0; i <= count && !err; i++) {
        uint64_t end = i < count ? known[i].offset : pass->size;

        if (end > at)
            err = describe(pass, at, end);
        if (err || i == count)
            break;
        err = fp_host_scan_add(scan, &known[i]);
        at = known[i].offset + known[i].size;
    }
    free(known);
    return err;
}
