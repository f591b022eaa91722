/* SPDX-License-Identifier: MIT
 *
 * Finding minifs where nobody says how large its blocks are. The volume does
 * not either: but its metadata lies at a multiple of a block, says how many
 * entries it has, and behind them and behind each file's content a block is
 * erased. The size that most entries agree with is taken; where none can tell,
 * a volume without files, the device's own.
 *
 * A device waits for this before it is there, so it is bounded: one read at
 * each place where metadata may begin, and for a few that begin as metadata
 * does, a few entries in each size. The figures: the format page, Block size.
 */
#include "core/fs/minifs/mini.h"

#define SMALLEST   256u /* block that is guessed; one may be stated smaller */
#define LARGEST    65536u
#define BLOCKS     65535u
#define CANDIDATES 4u  /* metadata that is looked into; a cut leaves two */
#define SAMPLES    8u  /* entries that are asked */
#define SAMPLE     64u /* bytes where it matters whether they are erased */
#define SURE       80
#define LIKELY     60

struct guess {
    fp_addr at;     /* of the metadata */
    uint32_t count; /* of its entries */
    uint32_t smallest, largest;
    uint32_t best_size;
    int best;
    struct fp_mini fs; /* as far as a section needs it; its files are none */
};

/* Are all bytes erased? 1, 0, or an error. */
static int is_erased(struct fp_bdev *dev, fp_addr at, uint32_t size)
{
    uint8_t buf[256];

    while (size > 0) {
        uint32_t n = size < sizeof buf ? size : sizeof buf;
        int err = fp_bdev_read(dev, at, buf, n);

        if (err)
            return err;
        for (uint32_t i = 0; i < n; i++)
            if (buf[i] != 0xff)
                return 0;
        at += n;
        size -= n;
    }
    return 1;
}

/* 1: there is content, and nothing behind it nor at the block's end; 0: no
 * word on that. */
static int agrees(struct fp_mini *fs, const uint8_t *entry)
{
    uint32_t size = fp_mini_size(fs, entry), rest = fs->block_size - size;
    fp_addr at = fp_mini_addr(fs, fp_mini_block(fs, entry));
    uint32_t n = rest < SAMPLE ? rest : SAMPLE;
    int empty = is_erased(fs->dev, at, size < SAMPLE ? size : SAMPLE);

    if (empty)
        return empty < 0 ? empty : 0;
    empty = is_erased(fs->dev, at + size, n);
    return empty == 1 ? is_erased(fs->dev, at + fs->block_size - n, n) : empty;
}

/* How many of the first entries agree with blocks of fs->block_size;
 * FP_ERR_NOENT: it cannot be that. */
static int count_agreeing(struct guess *g)
{
    struct fp_mini *fs = &g->fs;
    uint8_t entry[FP_MINI_SECTION];
    int sum = 0;

    for (uint32_t i = 1; i <= g->count && i <= SAMPLES; i++) {
        int one = fp_bdev_read(fs->dev, g->at + FP_MINI_SECTION * i, entry,
                               sizeof entry);

        if (!one)
            one =
                fp_mini_is_sound(fs, entry) ? agrees(fs, entry) : FP_ERR_NOENT;
        if (one < 0)
            return one;
        sum += one;
    }
    return sum;
}

static void try_size(struct guess *g, uint32_t size)
{
    struct fp_mini *fs = &g->fs;
    fp_addr blocks = fp_bdev_size(fs->dev) / size;
    int sum;

    fs->block_size = size;
    fs->block_count = blocks < BLOCKS ? (uint32_t)blocks : BLOCKS;
    if (g->at % size != 0 || g->at / size >= fs->block_count)
        return;
    sum = count_agreeing(g);
    if (sum > g->best || (sum == g->best && size == fs->dev->block_size)) {
        g->best = sum;
        g->best_size = size;
    }
}

/* Metadata at g->at, in one byte order: which size of block? One is too large
 * where something lies between the entries and its end. */
static void try_sizes(struct guess *g)
{
    struct fp_mini *fs = &g->fs;
    uint8_t header[FP_MINI_SECTION];
    uint32_t end; /* up to here it may be metadata */

    if (fp_bdev_read(fs->dev, g->at, header, sizeof header) != FP_OK)
        return;
    g->count = fp_mini_get16(fs, header + 14);
    end = FP_MINI_SECTION * (g->count + 1);
    for (uint32_t size = g->smallest; size <= g->largest && size; size *= 2) {
        if (size < end)
            continue;
        if (is_erased(fs->dev, g->at + end, size - end) != 1)
            return;
        end = size;
        try_size(g, size);
    }
}

/* Mount says better what is wrong where the block size is stated. */
static void try_candidate(struct guess *g, uint32_t stated)
{
    for (int order = 0; order < 2; order++) {
        try_sizes(g);
        g->fs.is_big = !g->fs.is_big;
    }
    if (stated && g->best < 0) {
        g->best = 0;
        g->best_size = stated;
    }
}

/* Cards and disks are written by the sector, over what was there. Memory that
 * takes any byte is an image: of what flash, it does not tell. */
static bool is_card(const struct fp_bdev *dev)
{
    return dev->flags & FP_BDEV_OVERWRITE && dev->prog_size > 1;
}

/* The flash itself is known to erase no less at once than its own blocks. */
static uint32_t smallest_on(const struct fp_bdev *dev)
{
    bool is_flash =
        dev->flags & FP_BDEV_ERASED_FF && !(dev->flags & FP_BDEV_OVERWRITE);
    uint32_t size = is_flash ? dev->block_size : SMALLEST;

    while (size < SMALLEST)
        size *= 2;
    return size;
}

int fp_mini_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    struct guess g = { .fs = { .dev = dev }, .best = -1 };
    uint32_t step = cfg->block_size, left = CANDIDATES;
    fp_addr end = fp_bdev_size(dev);

    if (*score >= SURE || dev->read_size != 1 || (step == 0 && is_card(dev)))
        return FP_ERR_NOENT;
    g.smallest = g.largest = step = step ? step : smallest_on(dev);
    if (cfg->block_size == 0 && step < LARGEST)
        g.largest = LARGEST;
    if (step < 2 * FP_MINI_SECTION)
        return FP_ERR_NOENT;
    g.fs.version = (uint8_t)fp_fs_option(cfg->options, "version", 1);
    g.fs.is_big = fp_fs_option(cfg->options, "big", 0);
    if (end / step > BLOCKS)
        end = (fp_addr)BLOCKS * step;
    for (; end - g.at >= step && g.best < 0 && left > 0; g.at += step) {
        g.fs.block_size = step;
        /* A bad block somewhere says nothing of the rest. */
        if (fp_mini_is_marked(&g.fs, (uint32_t)(g.at / step)) <= 0)
            continue;
        try_candidate(&g, cfg->block_size);
        left--;
    }
    if (g.best < 0)
        return FP_ERR_NOENT;
    cfg->block_size = g.best_size;
    *score = g.best > 0 ? SURE : LIKELY;
    return FP_OK;
}
