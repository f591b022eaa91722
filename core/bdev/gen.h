/* SPDX-License-Identifier: MIT
 *
 * The write generation of a storage: an epoch for each start, and a count that
 * moves with every program and erase, so that a reader of many blocks can tell
 * whether what it read belongs together; and, where memory allows, a map of
 * the chunks that changed since a generation, and a freeze. Outermost on a
 * device, so that every writer goes through it.
 *
 * Memory  `under` and the maps are borrowed and must outlive the gen
 * Errors  FP_ERR_BUSY for prog and erase while frozen, else those of the
 *         device below; a failed prog or erase moves the generation too, since
 *         the range may hold anything afterwards
 *
 * The answer to "what changed since s" is kept until the next question, which
 * may name s again (the reply was lost) or the generation of the reply. So two
 * maps are enough for one reader that asks again and again; a second reader is
 * told FP_ERR_STALE at times and has to compare digests, as after a restart.
 */
#ifndef FP_CORE_BDEV_GEN_H
#define FP_CORE_BDEV_GEN_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>

#define FP_EPOCH_SIZE 8

struct fp_bdev_gen_config {
    uint8_t epoch[FP_EPOCH_SIZE]; /* new at each start: random bytes */
    uint32_t chunk_size;          /* of the maps; default 4096 */
    /* Milliseconds from any start, may wrap. NULL: it can't be frozen, since
     * nothing would end the freeze when the reader is gone. */
    uint32_t (*clock_ms)(void *ctx);
    void *clock_ctx;
    /* maps[0..maps_size), fp_bdev_gen_maps_size() bytes or more. NULL: what
     * changed is never known. */
    uint8_t *maps;
    size_t maps_size;
};

struct fp_bdev_gen {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under;
    struct fp_bdev_gen_config cfg;
    uint32_t gen;
    uint32_t answer_gen; /* the generation of the last answer: map B starts */
    uint32_t since_gen;  /* what it was since: map A starts */
    uint8_t *answer;     /* map A: [since_gen, answer_gen) */
    uint8_t *fresh;      /* map B: [answer_gen, gen) */
    uint32_t frozen;     /* bool; a word is nearer than a byte is on Thumb */
    /* Frozen: since when and for how long; else when that ended, and how long it
     * is not frozen again. */
    uint32_t since_ms, for_ms;
};

/* Bytes of both maps, one bit a chunk each. */
size_t fp_bdev_gen_maps_size(const struct fp_bdev *dev, uint32_t chunk_size);

/* FP_ERR_NOMEM: maps are given, but too small. */
int fp_bdev_gen_init(struct fp_bdev_gen *gen, struct fp_bdev *under,
                     const struct fp_bdev_gen_config *cfg);

/* Anything may have changed below, as when a card was put in: the generation
 * moves, and what changed since one before it is FP_ERR_STALE. */
void fp_bdev_gen_forget(struct fp_bdev_gen *gen);
/* The same, and the device below has another geometry now. cfg as for init,
 * its epoch aside, which stays. */
int fp_bdev_gen_replace(struct fp_bdev_gen *gen,
                        const struct fp_bdev_gen_config *cfg);

/* The current epoch, FP_EPOCH_SIZE bytes, and generation. Should the count
 * ever wrap, the epoch changes, so that no pair comes twice. */
const uint8_t *fp_bdev_gen_epoch(const struct fp_bdev_gen *gen);
uint32_t fp_bdev_gen_now(const struct fp_bdev_gen *gen);

/* Chunks, the last perhaps shorter than the others, and their size. */
uint32_t fp_bdev_gen_chunk_count(const struct fp_bdev_gen *gen);
uint32_t fp_bdev_gen_chunk_size(const struct fp_bdev_gen *gen);

/* Asks what changed since generation `since` of this epoch and the current
 * one, which becomes *now. FP_OK: fp_bdev_gen_run() tells, until the next
 * question. The answer is exact when `since` is *now of the last question or,
 * the reply having been lost, of the one before; between those it may name
 * chunks that did not change, never miss one that did. FP_ERR_STALE: too long
 * ago, or in the future; take all as changed, and *now from here on.
 * FP_ERR_NOTSUP: without maps.
 *
 * A reader that begins asks once, whatever the answer, so that *now is exact
 * to ask since; then it reads, or compares digests, and asks again. */
int fp_bdev_gen_changed(struct fp_bdev_gen *gen, uint32_t since, uint32_t *now);

/* The first run of changed chunks at or behind *first: true, its start in
 * *first and its length in *count; false when there is none. To go on, add
 * *count to *first. */
bool fp_bdev_gen_run(const struct fp_bdev_gen *gen, uint32_t *first,
                     uint32_t *count);

/* Refuses programs and erases for `ms` milliseconds from now, or until thaw.
 * Frozen already: the time goes on as it was. FP_ERR_BUSY: whoever writes has
 * not had as long a time yet since the last freeze. FP_ERR_NOTSUP: without a
 * clock. */
int fp_bdev_gen_freeze(struct fp_bdev_gen *gen, uint32_t ms);
void fp_bdev_gen_thaw(struct fp_bdev_gen *gen);
bool fp_bdev_gen_is_frozen(struct fp_bdev_gen *gen);

#endif
