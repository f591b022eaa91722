/* SPDX-License-Identifier: MIT */
#include "core/bdev/stats.h"

#include <stddef.h>
#include <string.h>

static struct fp_bdev_stats *stats_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_stats *)dev;
}

static uint64_t now_us(const struct fp_bdev_stats *stats)
{
    if (stats->cfg.clock_us == NULL)
        return 0;
    return stats->cfg.clock_us(stats->cfg.clock_ctx);
}

static int count(struct fp_bdev_stats *stats, enum fp_bdev_op op,
                 uint64_t bytes, uint64_t start_us, int err)
{
    struct fp_bdev_count *c = &stats->count[op];

    c->calls++;
    c->bytes += bytes;
    c->time_us += now_us(stats) - start_us;
    c->errors += err != FP_OK;
    return err;
}

static int stats_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    struct fp_bdev_stats *stats = stats_of(dev);
    uint64_t start_us = now_us(stats);
    int err = fp_bdev_read(stats->under, off, buf, size);

    return count(stats, FP_BDEV_READ, size, start_us, err);
}

static int stats_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    struct fp_bdev_stats *stats = stats_of(dev);
    uint64_t start_us = now_us(stats);
    int err = fp_bdev_prog(stats->under, off, buf, size);

    return count(stats, FP_BDEV_PROG, size, start_us, err);
}

static int stats_erase(struct fp_bdev *dev, uint32_t block, uint32_t blocks)
{
    struct fp_bdev_stats *stats = stats_of(dev);
    uint64_t start_us = now_us(stats);
    int err = fp_bdev_erase(stats->under, block, blocks);

    /* A failed erase wears too, so it counts. */
    if (stats->cfg.erases != NULL)
        for (uint32_t i = 0; i < blocks; i++)
            stats->cfg.erases[block + i]++;
    return count(stats, FP_BDEV_ERASE, (uint64_t)blocks * dev->block_size,
                 start_us, err);
}

static int stats_sync(struct fp_bdev *dev)
{
    struct fp_bdev_stats *stats = stats_of(dev);
    uint64_t start_us = now_us(stats);
    int err = fp_bdev_sync(stats->under);

    return count(stats, FP_BDEV_SYNC, 0, start_us, err);
}

static void stats_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(stats_of(dev)->under);
}

static const struct fp_bdev_ops stats_ops = {
    .read = stats_read,
    .prog = stats_prog,
    .erase = stats_erase,
    .sync = stats_sync,
    .yield = stats_yield,
};

void fp_bdev_stats_init(struct fp_bdev_stats *stats, struct fp_bdev *under,
                        const struct fp_bdev_stats_config *cfg)
{
    *stats = (struct fp_bdev_stats){ .bdev = *under, .under = under };
    stats->bdev.ops = &stats_ops;
    if (cfg != NULL)
        stats->cfg = *cfg;
}

struct fp_bdev_wear fp_bdev_stats_wear(const struct fp_bdev_stats *stats)
{
    struct fp_bdev_wear wear = { .least = UINT32_MAX };

    for (uint32_t i = 0; i < stats->bdev.block_count; i++) {
        uint32_t erases = stats->cfg.erases[i];

        wear.never += !erases;
        wear.total += erases;
        if (erases > wear.most)
            wear.most = erases;
        if (erases && erases < wear.least)
            wear.least = erases;
    }
    if (!wear.most)
        wear.least = 0;
    return wear;
}

void fp_bdev_stats_reset(struct fp_bdev_stats *stats)
{
    memset(stats->count, 0, sizeof stats->count);
}
