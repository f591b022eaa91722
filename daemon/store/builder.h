/* SPDX-License-Identifier: MIT
 *
 * A snapshot in the making. The maker tells what each chunk is, in any order
 * and as often as it likes (the last word counts), and commits: the snapshot
 * is there whole or not at all. A builder that is given up leaves nothing that
 * the next sweep does not free.
 *
 *     fpd_store_builder_new(store, &cfg, &b)
 *     fpd_store_builder_offer(b, first, n, digests, kinds, wanted)
 *     ... fetch the wanted ones from the device ...
 *     fpd_store_builder_put(b, index, data, size)
 *     fpd_store_builder_commit(b, &end, &snapshot)
 *     fpd_store_builder_free(b)
 *
 * A maker without digests puts every chunk. What a builder has named is safe
 * from the sweep until it is freed.
 *
 * Memory  up to 85 bytes a chunk, and up to 4 MiB of content on its way to disk
 * Thread  one at a time
 */
#ifndef FPD_STORE_BUILDER_H
#define FPD_STORE_BUILDER_H

#include "daemon/store/snapshot.h"

/* Chunks that one snapshot may have: 16 GiB at 4 KiB, 256 GiB at 64 KiB. */
#define FPD_STORE_CHUNKS_MAX (1u << 22)

struct fpd_store_builder;

struct fpd_store_builder_config {
    const char *device;
    const char *storage;
    const char *region;  /* NULL: the whole storage */
    uint64_t off;        /* of the region in the storage; on the chunk grid */
    uint64_t size;       /* at least 1 */
    uint32_t chunk_size; /* a power of two, 512 to FPD_STORE_CHUNK_MAX */
};

/* FP_ERR_INVAL; FP_ERR_FBIG: more than FPD_STORE_CHUNKS_MAX chunks. */
int fpd_store_builder_new(struct fpd_store *store,
                          const struct fpd_store_builder_config *cfg,
                          struct fpd_store_builder **out);
/* Accepts NULL; without a commit before, the snapshot never was. */
void fpd_store_builder_free(struct fpd_store_builder *builder);

/* What the device says chunks [first, first + count) are. kinds[i] is an
 * FPD_KIND_*, digests[16 * i] the id, or for FILL the byte. Settles fills,
 * unreadable chunks and those that the store has in their size; wanted[i] says
 * which must be put, their number is returned.
 * FP_ERR_INVAL: beyond the end, or a kind that is none. */
int fpd_store_builder_offer(struct fpd_store_builder *builder, uint32_t first,
                            uint32_t count, const uint8_t *digests,
                            const uint8_t *kinds, bool *wanted);
/* The content of chunk `index`: chunk_size bytes, the last what is left.
 * FP_ERR_DIGEST: not what was offered: it changed in between; offer again.
 * FP_ERR_INVAL: no such chunk, or not its size. */
int fpd_store_builder_put(struct fpd_store_builder *builder, uint32_t index,
                          const void *data, size_t size);
/* What was put so far is on disk when this returns, so that who begins again
 * after a crash is not asked for it. */
int fpd_store_builder_flush(struct fpd_store_builder *builder);
/* The device could not read chunk `index`, whatever was offered. */
int fpd_store_builder_unreadable(struct fpd_store_builder *builder,
                                 uint32_t index);
/* Forgets what was said of [first, first + count), offers included. */
int fpd_store_builder_clear(struct fpd_store_builder *builder, uint32_t first,
                            uint32_t count);
/* Chunks that are not settled yet. */
uint32_t fpd_store_builder_missing(const struct fpd_store_builder *builder);
/* The first one at or after `from`; FP_ERR_NOENT: there is none. */
int fpd_store_builder_next_missing(const struct fpd_store_builder *builder,
                                   uint32_t from, uint32_t *index);

struct fpd_store_builder_end {
    enum fpd_consistency consistency;
    uint8_t epoch[8];
    uint32_t gen;
    int64_t taken_ms;     /* unix; 0: now */
    const char *fs;       /* NULL: none */
    const char *firmware; /* NULL: unknown */
    const char *tags;     /* NULL: none */
    bool pinned;
};

/* One transaction. FP_ERR_INVAL: chunks are missing, or a field is not as
 * struct fpd_snapshot says. After FP_OK only free() is left to call; after an
 * error it may be tried again. */
int fpd_store_builder_commit(struct fpd_store_builder *builder,
                             const struct fpd_store_builder_end *end,
                             struct fpd_snapshot *out);

#endif
