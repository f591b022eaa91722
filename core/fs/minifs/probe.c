/* SPDX-License-Identifier: MIT
 *
 * Finding minifs where nobody says how large its blocks are. The volume does
 * not either: but its metadata lies at a multiple of a block, says how many
 * entries it has, and behind them and behind each file's content a block is
 * erased. The size that most entries agree with is taken; where none can tell,
 * a volume without files, the device's own.
 */
#include "core/fs/minifs/mini.h"

#define SMALLEST 256u /* block that is guessed; one may be stated smaller */
#define LARGEST  65536u
#define BLOCKS   65535u

struct guess {
    struct fp_mini fs; /* as far as a section needs it */
    fp_addr at;        /* of the metadata */
    uint32_t best_size;
    int best;
};

/* Are all bytes erased? 1, 0, or an error. */
static int is_erased(struct fp_bdev *dev, fp_addr at, uint32_t size)
{
    uint8_t buf[64];

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

/* 1: there is content, and nothing behind it; 0: no word on that. */
static int agrees(struct fp_mini *fs, const uint8_t *entry)
{
    uint32_t size = fp_mini_size(fs, entry);
    fp_addr at = fp_mini_addr(fs, fp_mini_block(fs, entry));
    int empty = size == 0 ? 1 : is_erased(fs->dev, at, size);

    if (empty)
        return empty < 0 ? empty : 0;
    return is_erased(fs->dev, at + size, fs->block_size - size);
}

/* How many entries agree with blocks of fs->block_size; FP_ERR_NOENT: it
 * cannot be that. */
static int count_agreeing(struct guess *g)
{
    struct fp_mini *fs = &g->fs;
    uint8_t section[FP_MINI_SECTION];
    int err = fp_bdev_read(fs->dev, g->at, section, sizeof section), sum = 0;
    uint32_t end;

    fs->count = fp_mini_get16(fs, section + 14);
    if (fs->count > fs->slots)
        err = FP_ERR_NOENT;
    for (uint32_t i = 1; i <= fs->count && !err; i++) {
        int one;

        err = fp_bdev_read(fs->dev, g->at + FP_MINI_SECTION * i, section,
                           sizeof section);
        if (!err && !fp_mini_is_sound(fs, section))
            err = FP_ERR_NOENT;
        one = err ? err : agrees(fs, section);
        err = one < 0 ? one : FP_OK;
        sum += one;
    }
    if (err)
        return err;
    end = FP_MINI_SECTION * (fs->count + 1);
    return is_erased(fs->dev, g->at + end, fs->block_size - end) == 1
               ? sum
               : FP_ERR_NOENT;
}

/* Metadata at g->at: which size of block, in which byte order? */
static void try_size(struct guess *g, uint32_t size, bool is_stated)
{
    struct fp_mini *fs = &g->fs;
    fp_addr blocks = fp_bdev_size(fs->dev) / size;

    fs->block_size = size;
    fs->block_count = blocks < BLOCKS ? (uint32_t)blocks : BLOCKS;
    fs->slots = size / FP_MINI_SECTION - 1;
    if (g->at % size != 0 || g->at / size >= fs->block_count)
        return;
    for (int order = 0; order < 2; order++) {
        int sum = count_agreeing(g);

        if (is_stated && sum < 0)
            sum = 0; /* mount says better what is wrong with it */
        if (sum > g->best || (sum == g->best && size == fs->dev->block_size)) {
            g->best = sum;
            g->best_size = size;
        }
        fs->is_big = !fs->is_big;
    }
}

static void try_sizes(struct guess *g, uint32_t stated)
{
    if (stated != 0) {
        try_size(g, stated, true);
        return;
    }
    for (uint32_t size = SMALLEST; size <= LARGEST; size *= 2)
        try_size(g, size, false);
}

int fp_mini_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    uint32_t step = cfg->block_size ? cfg->block_size : SMALLEST;
    struct guess g = { .fs = { .dev = dev }, .best = -1 };
    fp_addr end = fp_bdev_size(dev);

    if (*score >= 80)
        return FP_ERR_NOENT;
    if (dev->read_size != 1 || step < 2 * FP_MINI_SECTION)
        return FP_ERR_NOENT;
    g.fs.version = (uint8_t)fp_fs_option(cfg->options, "version", 1);
    g.fs.is_big = fp_fs_option(cfg->options, "big", 0);
    if (end / step > BLOCKS)
        end = (fp_addr)BLOCKS * step;
    for (; g.at + step <= end && g.best < 0; g.at += step) {
        g.fs.block_size = step;
        /* A bad block somewhere says nothing of the rest. */
        if (fp_mini_is_marked(&g.fs, (uint32_t)(g.at / step)) > 0)
            try_sizes(&g, cfg->block_size);
    }
    if (g.best < 0)
        return FP_ERR_NOENT;
    cfg->block_size = g.best_size;
    *score = g.best > 0 ? 80 : 60;
    return FP_OK;
}
