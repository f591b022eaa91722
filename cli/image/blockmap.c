/* SPDX-License-Identifier: MIT */
#include "cli/image/blockmap.h"

void fpc_blockmap_init(struct fpc_blockmap *map,
                       const struct fp_host_analysis *analysis, uint32_t most)
{
    uint64_t per_cell = 1, blocks = analysis->block_count;

    while ((blocks + per_cell - 1) / per_cell > most)
        per_cell *= 2;
    map->analysis = analysis;
    map->per_cell = (uint32_t)per_cell;
    map->count = (uint32_t)((blocks + per_cell - 1) / per_cell);
}

static enum fp_host_use most_of(const uint32_t count[FP_HOST_USES])
{
    enum fp_host_use best = FP_HOST_USE_ERASED;

    if (count[FP_HOST_USE_BAD] > 0)
        return FP_HOST_USE_BAD;
    for (int use = 0; use < FP_HOST_USES; use++)
        if (count[use] > count[best])
            best = (enum fp_host_use)use;
    return best;
}

struct fpc_cell fpc_blockmap_cell(const struct fpc_blockmap *map, uint32_t cell)
{
    const struct fp_host_analysis *a = map->analysis;
    struct fpc_cell out = { .erases = FP_HOST_NOT_TOLD };
    uint32_t count[FP_HOST_USES] = { 0 };
    uint32_t first = cell * map->per_cell, n = a->block_count - first;

    if (n > map->per_cell)
        n = map->per_cell;
    for (uint32_t b = first; b < first + n; b++) {
        const uint32_t erases = a->erases ? a->erases[b] : FP_HOST_NOT_TOLD;

        count[a->use[b]]++;
        if (erases != FP_HOST_NOT_TOLD &&
            (out.erases == FP_HOST_NOT_TOLD || erases > out.erases))
            out.erases = erases;
    }
    out.use = most_of(count);
    out.is_mixed = count[out.use] < n;
    return out;
}

struct fpc_wear fpc_blockmap_wear(const struct fp_host_analysis *analysis)
{
    struct fpc_wear wear = { .least = UINT32_MAX };
    double sum = 0;

    for (uint32_t b = 0; analysis->erases && b < analysis->block_count; b++) {
        const uint32_t erases = analysis->erases[b];

        if (erases == FP_HOST_NOT_TOLD)
            continue;
        if (wear.told++ == 0 || erases > wear.most) {
            wear.most = erases;
            wear.worst = b;
        }
        if (erases < wear.least)
            wear.least = erases;
        sum += erases;
    }
    if (wear.told == 0)
        return (struct fpc_wear){ 0 };
    wear.mean = sum / wear.told;
    return wear;
}
