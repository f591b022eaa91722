/* SPDX-License-Identifier: MIT
 *
 * Finding minifs: its metadata lies anywhere in the volume and says neither
 * where that begins nor how large blocks are. But each entry names the block
 * of its content, counted from the start, and behind the content that block is
 * erased: so the start is where every file ends exactly where its entry says.
 * Source: docs/formats/minifs.md
 *
 * An empty volume tells nothing: it is taken to begin with its metadata or, if
 * all before that is erased, where the dump or the partition does.
 */
#include "core/host/scan/pass.h"

#include <string.h>

#define SECTION  16u
#define SMALLEST 256u
#define LARGEST  65536u
#define USUAL    4096u
#define BLOCKS   65535u

static const char mark[] = "SfsMetadataBk\x01";

/* Metadata, as read with blocks of one size and in one byte order. */
struct guess {
    uint64_t at;         /* of the metadata */
    const uint8_t *meta; /* it, in the window */
    uint32_t block_size, count;
    bool is_big;
};

static uint64_t next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    return fp_host_scan_find(pass, from, mark, sizeof mark - 1, 0);
}

static uint32_t get16(const struct guess *g, const uint8_t *p)
{
    return (uint32_t)p[!g->is_big] << 8 | p[g->is_big];
}

/* Does the file of this entry lie where it would if the volume began at
 * `start`? 1 yes, 0 it has no content, FP_ERR_NOENT no. */
static int try_entry(struct fp_host_scan_pass *pass, const struct guess *g,
                     uint64_t start, const uint8_t *entry)
{
    uint32_t size = get16(g, entry + 12);
    uint64_t at = start + (uint64_t)get16(g, entry + 14) * g->block_size;
    uint8_t last;
    int err;

    if (entry[0] == 0xff || size > g->block_size ||
        at + g->block_size > pass->limit)
        return FP_ERR_NOENT;
    if (size == 0)
        return 0;
    if (at == g->at)
        return FP_ERR_NOENT;
    err = fp_host_scan_peek(pass, at + size - 1, &last, 1);
    if (err || last == 0xff)
        return err ? err : FP_ERR_NOENT;
    err = fp_host_scan_is_erased(pass, at + size, g->block_size - size);
    return err < 0 ? err : err ? 1 : FP_ERR_NOENT;
}

/* How many files lie where they would; FP_ERR_NOENT: one of them does not. */
static int try_start(struct fp_host_scan_pass *pass, const struct guess *g,
                     uint64_t start)
{
    int sum = 0, one = 0;

    for (uint32_t i = 1; i <= g->count && one >= 0; i++) {
        one = try_entry(pass, g, start, g->meta + i * SECTION);
        sum += one;
    }
    return one < 0 ? one : sum;
}

/* Can the metadata be of this size of block, in this order? 1, 0, an error. */
static int read_head(struct fp_host_scan_pass *pass, struct guess *g)
{
    uint32_t end, size;

    g->meta = fp_host_scan_bytes(pass, g->at, &size);
    g->count = get16(g, g->meta + 14);
    end = (g->count + 1) * SECTION;
    if (end > g->block_size || g->block_size > size ||
        g->at + g->block_size > pass->limit)
        return 0;
    return fp_host_scan_is_erased(pass, g->at + end, g->block_size - end);
}

struct best {
    struct guess guess;
    uint64_t start;
    int fit; /* -1: none */
};

/* The starts that this size of block allows. */
static int try_starts(struct fp_host_scan_pass *pass, const struct guess *g,
                      struct best *best)
{
    uint64_t most = (g->at - pass->floor) / g->block_size;

    for (uint64_t m = 0; m <= most && m < BLOCKS; m++) {
        uint64_t start = g->at - m * g->block_size;
        int fit = try_start(pass, g, start);

        if (fit < 0 && fit != FP_ERR_NOENT)
            return fit;
        if (fit < 0)
            continue;
        fit = 2 * fit + (pass->is_head && start == pass->floor);
        if (fit > best->fit || (fit == best->fit && g->block_size <= USUAL &&
                                best->guess.block_size < g->block_size))
            *best = (struct best){ *g, start, fit };
        if (g->count == 0)
            break;
    }
    return FP_OK;
}

static int try_sizes(struct fp_host_scan_pass *pass, uint64_t at,
                     struct best *best)
{
    for (uint32_t size = SMALLEST; size <= LARGEST; size *= 2) {
        for (int order = 0; order < 2; order++) {
            struct guess g = { .at = at, .block_size = size, .is_big = order };
            int err = read_head(pass, &g);

            if (err > 0)
                err = try_starts(pass, &g, best);
            if (err < 0)
                return err;
        }
    }
    return FP_OK;
}

/* An empty volume, in front of which nothing is, begins where that does. */
static void stretch(struct fp_host_scan_pass *pass, struct best *best)
{
    uint64_t before = best->start - pass->floor;

    if (pass->is_head && best->guess.count == 0 &&
        before % best->guess.block_size == 0 &&
        before / best->guess.block_size < BLOCKS &&
        fp_host_scan_is_erased(pass, pass->floor, before) == 1)
        best->start = pass->floor;
}

/* To the last block in use. */
static uint64_t used_size(const struct guess *g, uint64_t start)
{
    uint64_t blocks = (g->at - start) / g->block_size + 1;

    for (uint32_t i = 1; i <= g->count; i++) {
        uint32_t block = get16(g, g->meta + i * SECTION + 14);

        if (block >= blocks)
            blocks = block + 1u;
    }
    return blocks * g->block_size;
}

static int look(struct fp_host_scan_pass *pass, uint64_t at,
                struct fp_host_region *found)
{
    const struct fp_fs_ops *ops = fp_host_scan_driver(pass, "minifs");
    struct best best = { .fit = -1 };
    struct fp_fs_config cfg = { 0 };
    int err;

    if (ops == NULL)
        return FP_ERR_NOENT;
    err = try_sizes(pass, at, &best);
    if (err || best.fit < 0)
        return err ? err : FP_ERR_NOENT;
    stretch(pass, &best);
    cfg.block_size = best.guess.block_size;
    return fp_host_scan_settle(pass, ops, &cfg, best.start,
                               used_size(&best.guess, best.start), false,
                               found);
}

/* A block that is free, or was once metadata or a file's, ends erased. */
static uint64_t grow(struct fp_host_scan_pass *pass,
                     const struct fp_host_region *volume, uint64_t limit)
{
    uint32_t block = volume->cfg.block_size;
    uint64_t at = volume->offset + volume->size;

    if (limit - volume->offset > (uint64_t)BLOCKS * block)
        limit = volume->offset + (uint64_t)BLOCKS * block;
    while (at + block <= limit &&
           fp_host_scan_is_erased(pass, at + block - SECTION, SECTION) == 1)
        at += block;
    return at;
}

const struct fp_host_scan_finder fp_host_scan_minifs = {
    .fs = "minifs",
    .next = next,
    .look = look,
    .grow = grow,
};
