/* SPDX-License-Identifier: MIT
 *
 * Two maps, a bit a chunk:
 *
 *     since_gen          answer_gen            gen
 *     |---- answer ------|------ fresh --------|   (now)
 *
 * A write sets a bit in `fresh`. A question merges fresh into the answer or
 * puts it in its place, and from then on fresh starts empty at the present:
 *
 *     asked since answer_gen   the last reply arrived: answer = fresh
 *     asked since since_gen    it was lost: answer |= fresh
 *     asked since between      answer |= fresh, a superset of what was asked
 *     asked since before       not known; fresh starts anew at the present
 *
 * Either way the answer covers [since_gen, answer_gen) again, and stays while
 * the reader fetches it in pieces, whatever is written meanwhile.
 */
#include "core/bdev/gen.h"

#include <string.h>

#define DEFAULT_CHUNK_SIZE 4096

static struct fp_bdev_gen *gen_of(struct fp_bdev *dev)
{
    return (struct fp_bdev_gen *)dev;
}

static uint32_t chunk_count(const struct fp_bdev *dev, uint32_t chunk_size)
{
    fp_addr size = fp_bdev_size(dev);

    return (uint32_t)(size / chunk_size + (size % chunk_size != 0));
}

static size_t map_size(const struct fp_bdev_gen *gen)
{
    return (fp_bdev_gen_chunk_count(gen) + (size_t)7) / 8;
}

/* What changed is known since now. */
static void start_anew(struct fp_bdev_gen *gen)
{
    gen->since_gen = gen->answer_gen = gen->gen;
    if (gen->cfg.maps != NULL)
        memset(gen->cfg.maps, 0, 2 * map_size(gen));
}

/* A count that wrapped would let an old generation pass for a new one. */
static void next_gen(struct fp_bdev_gen *gen)
{
    if (++gen->gen != 0)
        return;
    for (unsigned i = 0; i < FP_EPOCH_SIZE; i++)
        if (++gen->cfg.epoch[i] != 0)
            break;
    start_anew(gen);
}

/* The range [off, off + size), of at least one byte, is about to change.
 * FP_ERR_BUSY: not now. */
static int touch(struct fp_bdev_gen *gen, fp_addr off, fp_addr size)
{
    uint32_t chunk, last;

    if (fp_bdev_gen_is_frozen(gen))
        return FP_ERR_BUSY;
    next_gen(gen);
    if (gen->cfg.maps == NULL)
        return FP_OK;
    chunk = (uint32_t)(off / gen->cfg.chunk_size);
    last = (uint32_t)((off + size - 1) / gen->cfg.chunk_size);
    for (; chunk <= last; chunk++)
        gen->fresh[chunk / 8] |= (uint8_t)(1 << chunk % 8);
    return FP_OK;
}

static int gen_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    return fp_bdev_read(gen_of(dev)->under, off, buf, size);
}

static int gen_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    struct fp_bdev_gen *gen = gen_of(dev);
    int err = touch(gen, off, size);

    return err ? err : fp_bdev_prog(gen->under, off, buf, size);
}

static int gen_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_bdev_gen *gen = gen_of(dev);
    int err = touch(gen, (fp_addr)block * dev->block_size,
                    (fp_addr)count * dev->block_size);

    return err ? err : fp_bdev_erase(gen->under, block, count);
}

static int gen_sync(struct fp_bdev *dev)
{
    return fp_bdev_sync(gen_of(dev)->under);
}

static void gen_yield(struct fp_bdev *dev)
{
    fp_bdev_yield(gen_of(dev)->under);
}

static const struct fp_bdev_ops gen_ops = {
    .read = gen_read,
    .prog = gen_prog,
    .erase = gen_erase,
    .sync = gen_sync,
    .yield = gen_yield,
};

size_t fp_bdev_gen_maps_size(const struct fp_bdev *dev, uint32_t chunk_size)
{
    if (chunk_size == 0)
        chunk_size = DEFAULT_CHUNK_SIZE;
    return 2 * ((chunk_count(dev, chunk_size) + (size_t)7) / 8);
}

int fp_bdev_gen_init(struct fp_bdev_gen *gen, struct fp_bdev *under,
                     const struct fp_bdev_gen_config *cfg)
{
    memset(gen, 0, sizeof *gen);
    gen->bdev = *under;
    gen->bdev.ops = &gen_ops;
    gen->under = under;
    gen->cfg = *cfg;
    if (cfg->chunk_size == 0)
        gen->cfg.chunk_size = DEFAULT_CHUNK_SIZE;
    if (cfg->maps == NULL)
        return FP_OK;
    if (cfg->maps_size < 2 * map_size(gen))
        return FP_ERR_NOMEM;
    gen->answer = cfg->maps;
    gen->fresh = cfg->maps + map_size(gen);
    start_anew(gen);
    return FP_OK;
}

void fp_bdev_gen_forget(struct fp_bdev_gen *gen)
{
    next_gen(gen);
    start_anew(gen);
}

int fp_bdev_gen_replace(struct fp_bdev_gen *gen,
                        const struct fp_bdev_gen_config *cfg)
{
    struct fp_bdev_gen_config use = *cfg;
    uint32_t before = gen->gen;
    int err;

    memcpy(use.epoch, gen->cfg.epoch, sizeof use.epoch);
    err = fp_bdev_gen_init(gen, gen->under, &use);
    gen->gen = before;
    if (!err)
        fp_bdev_gen_forget(gen);
    return err;
}

const uint8_t *fp_bdev_gen_epoch(const struct fp_bdev_gen *gen)
{
    return gen->cfg.epoch;
}

uint32_t fp_bdev_gen_now(const struct fp_bdev_gen *gen)
{
    return gen->gen;
}

uint32_t fp_bdev_gen_chunk_count(const struct fp_bdev_gen *gen)
{
    return chunk_count(&gen->bdev, gen->cfg.chunk_size);
}

uint32_t fp_bdev_gen_chunk_size(const struct fp_bdev_gen *gen)
{
    return gen->cfg.chunk_size;
}

int fp_bdev_gen_changed(struct fp_bdev_gen *gen, uint32_t since, uint32_t *now)
{
    *now = gen->gen;
    if (gen->cfg.maps == NULL)
        return FP_ERR_NOTSUP;
    if (since > gen->gen || since < gen->since_gen) {
        start_anew(gen);
        return FP_ERR_STALE;
    }
    if (since >= gen->answer_gen) {
        gen->since_gen = gen->answer_gen;
        memset(gen->answer, 0, map_size(gen));
    }
    for (size_t i = 0; i < map_size(gen); i++) {
        gen->answer[i] |= gen->fresh[i];
        gen->fresh[i] = 0;
    }
    gen->answer_gen = gen->gen;
    return FP_OK;
}

/* The first chunk from `chunk` on that is one of the answer, or is not; the
 * count of chunks if there is none. */
static uint32_t next_chunk(const struct fp_bdev_gen *gen, uint32_t chunk,
                           int is_told)
{
    uint32_t end = fp_bdev_gen_chunk_count(gen);

    while (chunk < end && (gen->answer[chunk / 8] >> chunk % 8 & 1) != is_told)
        chunk++;
    return chunk;
}

bool fp_bdev_gen_run(const struct fp_bdev_gen *gen, uint32_t *first,
                     uint32_t *count)
{
    if (gen->cfg.maps == NULL)
        return false;
    *first = next_chunk(gen, *first, 1);
    *count = next_chunk(gen, *first, 0) - *first;
    return *count > 0;
}

int fp_bdev_gen_freeze(struct fp_bdev_gen *gen, uint32_t ms)
{
    uint32_t now_ms;

    if (gen->cfg.clock_ms == NULL)
        return FP_ERR_NOTSUP;
    if (fp_bdev_gen_is_frozen(gen))
        return FP_OK;
    now_ms = gen->cfg.clock_ms(gen->cfg.clock_ctx);
    if (now_ms - gen->since_ms < gen->for_ms)
        return FP_ERR_BUSY;
    gen->frozen = true;
    gen->since_ms = now_ms;
    gen->for_ms = ms;
    return FP_OK;
}

/* After as many milliseconds, which whoever writes has now, too. */
static void thaw_after(struct fp_bdev_gen *gen, uint32_t ms)
{
    gen->frozen = false;
    gen->since_ms += ms;
    gen->for_ms = ms;
}

static uint32_t passed_ms(const struct fp_bdev_gen *gen)
{
    return gen->cfg.clock_ms(gen->cfg.clock_ctx) - gen->since_ms;
}

void fp_bdev_gen_thaw(struct fp_bdev_gen *gen)
{
    if (fp_bdev_gen_is_frozen(gen))
        thaw_after(gen, passed_ms(gen));
}

bool fp_bdev_gen_is_frozen(struct fp_bdev_gen *gen)
{
    if (gen->frozen && passed_ms(gen) >= gen->for_ms)
        thaw_after(gen, gen->for_ms);
    return gen->frozen;
}
