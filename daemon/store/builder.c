/* SPDX-License-Identifier: MIT
 *
 * What the maker said of each chunk stands in `entries`, and in `states` how
 * much of it is true already:
 *
 *     UNKNOWN ──offer──► WANTED ──put──► SETTLED
 *        └───────── put, offer ────────────┘
 *
 * Content that is put is hashed and compressed here, on the maker's thread,
 * gathered in `arena`, and handed to the writer a thousand chunks at a time:
 * a transaction costs a sync of the disk, however small it is.
 *
 * The commit builds the tree in memory, from the leaves up, and inserts what of
 * it is new, with the row of the snapshot, in one transaction.
 */
#include "daemon/store/builder.h"

#include "daemon/store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define BATCH_MAX  1024
#define ARENA_SIZE (4u << 20)

enum {
    UNKNOWN,
    WANTED,
    SETTLED
};

struct fpd_store_builder {
    struct fpd_store *store;
    struct fpd_snapshot info;
    struct fpd_snapshot_entry *entries;
    uint8_t *states;
    uint32_t missing; /* entries not SETTLED */
    struct fpd_store_pins pins;
    ZSTD_CCtx *zstd;
    uint8_t *scratch; /* FPD_STORE_CHUNK_MAX bytes */
    /* On their way to disk; data points into the arena. */
    struct fpd_packed *batch;
    struct fpd_idset batch_ids;
    unsigned batch_count;
    uint8_t *arena;
    uint32_t arena_used;
};

/* ---- new, free ---- */

static bool config_fits(const struct fpd_store_builder_config *cfg)
{
    uint32_t c = cfg->chunk_size;

    return cfg->device && cfg->device[0] && fpd_store_fits(cfg->device, 64) &&
           cfg->storage && cfg->storage[0] &&
           fpd_store_fits(cfg->storage, 16) &&
           (!cfg->region || fpd_store_fits(cfg->region, 16)) && c >= 512 &&
           c <= FPD_STORE_CHUNK_MAX && (c & (c - 1)) == 0 && cfg->size > 0 &&
           cfg->off % c == 0 && cfg->off <= INT64_MAX && cfg->size <= INT64_MAX;
}

static int allocate(struct fpd_store_builder *b)
{
    b->entries = calloc(b->info.chunk_count, sizeof *b->entries);
    b->states = calloc(b->info.chunk_count, 1);
    b->batch = calloc(BATCH_MAX, sizeof *b->batch);
    b->arena = malloc(ARENA_SIZE);
    b->scratch = malloc(FPD_STORE_CHUNK_MAX);
    b->zstd = ZSTD_createCCtx();
    return b->entries && b->states && b->batch && b->arena && b->scratch &&
                   b->zstd
               ? FP_OK
               : FP_ERR_NOMEM;
}

static void deallocate(struct fpd_store_builder *b)
{
    fpd_idset_deinit(&b->pins.chunks);
    fpd_idset_deinit(&b->batch_ids);
    ZSTD_freeCCtx(b->zstd);
    free(b->scratch);
    free(b->arena);
    free(b->batch);
    free(b->states);
    free(b->entries);
    free(b);
}

int fpd_store_builder_new(struct fpd_store *store,
                          const struct fpd_store_builder_config *cfg,
                          struct fpd_store_builder **out)
{
    struct fpd_store_builder *b;
    uint64_t count;

    if (!config_fits(cfg))
        return FP_ERR_INVAL;
    count = (cfg->size - 1) / cfg->chunk_size + 1;
    if (count > FPD_STORE_CHUNKS_MAX)
        return FP_ERR_FBIG;
    b = calloc(1, sizeof *b);
    if (!b)
        return FP_ERR_NOMEM;
    b->store = store;
    b->info.off = cfg->off;
    b->info.size = cfg->size;
    b->info.chunk_size = cfg->chunk_size;
    b->info.chunk_count = b->missing = (uint32_t)count;
    snprintf(b->info.device, sizeof b->info.device, "%s", cfg->device);
    snprintf(b->info.storage, sizeof b->info.storage, "%s", cfg->storage);
    snprintf(b->info.region, sizeof b->info.region, "%s",
             cfg->region ? cfg->region : "");
    if (allocate(b) != FP_OK) {
        deallocate(b);
        return FP_ERR_NOMEM;
    }
    pthread_mutex_lock(&store->pin_lock);
    b->pins.next = store->builders;
    store->builders = &b->pins;
    pthread_mutex_unlock(&store->pin_lock);
    *out = b;
    return FP_OK;
}

void fpd_store_builder_free(struct fpd_store_builder *b)
{
    struct fpd_store_pins **p;
    struct fpd_store *store;

    if (!b)
        return;
    store = b->store;
    pthread_mutex_lock(&store->pin_lock);
    for (p = &store->builders; *p != &b->pins; p = &(*p)->next)
        ;
    *p = b->pins.next;
    /* A sweep under way may have looked for snapshots before ours was there. */
    if (store->sweep && b->info.id[0] &&
        fpd_idset_merge(&store->sweep->chunks, &b->pins.chunks) != FP_OK)
        store->sweep->err = FP_ERR_NOMEM;
    pthread_mutex_unlock(&store->pin_lock);
    deallocate(b);
}

/* ---- what each chunk is ---- */

static bool in_range(const struct fpd_store_builder *b, uint32_t first,
                     uint32_t count)
{
    return first <= b->info.chunk_count && count <= b->info.chunk_count - first;
}

static void set(struct fpd_store_builder *b, uint32_t i, uint8_t state,
                const struct fpd_snapshot_entry *entry)
{
    if (b->states[i] == SETTLED)
        b->missing++;
    if (state == SETTLED)
        b->missing--;
    b->states[i] = state;
    b->entries[i] = *entry;
}

static int pin(struct fpd_store_builder *b, const uint8_t *ids,
               const uint8_t *kinds, uint32_t count)
{
    int err = FP_OK;

    pthread_mutex_lock(&b->store->pin_lock);
    for (uint32_t i = 0; i < count && err >= 0; i++)
        if (!kinds || kinds[i] == FPD_KIND_CHUNK)
            err = fpd_idset_add(&b->pins.chunks, ids + 16 * (size_t)i);
    pthread_mutex_unlock(&b->store->pin_lock);
    return err < 0 ? err : FP_OK;
}

static size_t size_of(const struct fpd_store_builder *b, uint32_t index)
{
    uint64_t left = b->info.size - (uint64_t)index * b->info.chunk_size;

    return left < b->info.chunk_size ? (size_t)left : b->info.chunk_size;
}

/* Is it in the batch, of `size` bytes? */
static bool gathered(const struct fpd_store_builder *b, const uint8_t id[16],
                     size_t size)
{
    for (unsigned i = 0; i < b->batch_count && fpd_idset_has(&b->batch_ids, id);
         i++)
        if (memcmp(b->batch[i].id, id, 16) == 0)
            return b->batch[i].size == size;
    return false;
}

/* 1: the store has it, in its size, or is about to; 0: not. It is pinned
 * already. */
static int known(struct fpd_store_builder *b, struct fpd_conn *conn,
                 uint32_t index, const uint8_t id[16])
{
    size_t size = size_of(b, index);

    return gathered(b, id, size) ? 1
                                 : fpd_chunk_present(conn, id, (uint32_t)size);
}

static int offer_one(struct fpd_store_builder *b, struct fpd_conn *conn,
                     uint32_t index, uint8_t kind, const uint8_t digest[16])
{
    struct fpd_snapshot_entry entry = { .kind = kind };
    int have = 1;

    if (kind == FPD_KIND_CHUNK) {
        memcpy(entry.id, digest, 16);
        have = known(b, conn, index, digest);
        if (have < 0)
            return have;
    } else if (kind == FPD_KIND_FILL) {
        entry.fill = digest[0];
    }
    set(b, index, have ? SETTLED : WANTED, &entry);
    return !have;
}

int fpd_store_builder_offer(struct fpd_store_builder *b, uint32_t first,
                            uint32_t count, const uint8_t *digests,
                            const uint8_t *kinds, bool *wanted)
{
    struct fpd_conn *conn;
    int err, sum = 0;

    if (!in_range(b, first, count))
        return FP_ERR_INVAL;
    for (uint32_t i = 0; i < count; i++)
        if (kinds[i] > FPD_KIND_UNREADABLE)
            return FP_ERR_INVAL;
    err = pin(b, digests, kinds, count);
    if (!err)
        err = fpd_reader_begin(b->store, FPD_DB_STORE, &conn);
    if (err)
        return err;
    for (uint32_t i = 0; i < count; i++) {
        int n =
            offer_one(b, conn, first + i, kinds[i], digests + 16 * (size_t)i);

        if (n < 0) {
            err = n;
            break;
        }
        wanted[i] = n > 0;
        sum += n;
    }
    fpd_reader_end(b->store, FPD_DB_STORE, conn);
    return err ? err : sum;
}

int fpd_store_builder_unreadable(struct fpd_store_builder *b, uint32_t index)
{
    struct fpd_snapshot_entry entry = { .kind = FPD_KIND_UNREADABLE };

    if (!in_range(b, index, 1))
        return FP_ERR_INVAL;
    set(b, index, SETTLED, &entry);
    return FP_OK;
}

int fpd_store_builder_clear(struct fpd_store_builder *b, uint32_t first,
                            uint32_t count)
{
    struct fpd_snapshot_entry entry = { 0 };

    if (!in_range(b, first, count))
        return FP_ERR_INVAL;
    for (uint32_t i = 0; i < count; i++)
        set(b, first + i, UNKNOWN, &entry);
    return FP_OK;
}

uint32_t fpd_store_builder_missing(const struct fpd_store_builder *b)
{
    return b->missing;
}

int fpd_store_builder_next_missing(const struct fpd_store_builder *b,
                                   uint32_t from, uint32_t *index)
{
    for (uint32_t i = from; i < b->info.chunk_count; i++) {
        if (b->states[i] != SETTLED) {
            *index = i;
            return FP_OK;
        }
    }
    return FP_ERR_NOENT;
}

/* ---- content ---- */

struct flush {
    struct fpd_store_builder *builder;
    unsigned first, count; /* of the batch */
    uint64_t new_bytes;
};

static int flush_write(struct fpd_store *store, struct fpd_conn *conn,
                       void *arg)
{
    struct flush *flush = arg;
    struct fpd_store_builder *b = flush->builder;

    (void)store;
    flush->new_bytes = 0;
    for (unsigned i = flush->first; i < flush->first + flush->count; i++) {
        int n = fpd_chunk_insert(conn, &b->batch[i]);

        if (n < 0)
            return n;
        if (n > 0)
            flush->new_bytes += b->batch[i].stored;
    }
    return FP_OK;
}

static uint64_t flush_size(const struct flush *flush)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < flush->count; i++)
        size += flush->builder->batch[flush->first + i].stored;
    return size;
}

static int flush(struct fpd_store_builder *b)
{
    struct flush job = { .builder = b };
    unsigned step = b->batch_count;
    int err;

    /* On a disk that is nearly full, a piece at a time. */
    for (; job.first < b->batch_count; job.first += job.count) {
        job.count = b->batch_count - job.first;
        if (job.count > step)
            job.count = step;
        err = fpd_store_grow(b->store, FPD_DB_STORE, flush_size(&job),
                             flush_write, &job);
        if (err == FP_ERR_NOSPC && job.count > 1) {
            step = job.count / 2;
            job.count = 0;
            continue;
        }
        if (err)
            return err;
        b->info.new_bytes += job.new_bytes;
    }
    b->batch_count = 0;
    b->arena_used = 0;
    fpd_idset_deinit(&b->batch_ids);
    return FP_OK;
}

int fpd_store_builder_flush(struct fpd_store_builder *b)
{
    return flush(b);
}

/* Into the batch; its data is copied into the arena. */
static int gather(struct fpd_store_builder *b, const uint8_t digest[32],
                  const void *data, size_t size)
{
    struct fpd_packed packed;
    int err;

    if (b->batch_count == BATCH_MAX ||
        ARENA_SIZE - b->arena_used < FPD_STORE_CHUNK_MAX) {
        err = flush(b);
        if (err)
            return err;
    }
    memcpy(packed.id, digest, 16);
    memcpy(packed.rest, digest + 16, 16);
    fpd_chunk_pack(b->zstd, data, size, b->scratch, &packed);
    err = fpd_idset_add(&b->batch_ids, packed.id);
    if (err < 0)
        return err;
    memcpy(b->arena + b->arena_used, packed.data, packed.stored);
    packed.data = b->arena + b->arena_used;
    b->arena_used += packed.stored;
    b->batch[b->batch_count++] = packed;
    return FP_OK;
}

static int put_chunk(struct fpd_store_builder *b, const uint8_t digest[32],
                     const void *data, size_t size)
{
    struct fpd_conn *conn;
    int n, err = pin(b, digest, NULL, 1);

    if (err || fpd_idset_has(&b->batch_ids, digest))
        return err;
    err = fpd_reader_take(b->store, FPD_DB_STORE, &conn);
    if (err)
        return err;
    n = fpd_chunk_check(conn, digest, digest + 16);
    fpd_reader_give(b->store, FPD_DB_STORE, conn);
    if (n != 0)
        return n < 0 ? n : FP_OK;
    return gather(b, digest, data, size);
}

int fpd_store_builder_put(struct fpd_store_builder *b, uint32_t index,
                          const void *data, size_t size)
{
    struct fpd_snapshot_entry entry = { .kind = FPD_KIND_FILL };
    uint8_t digest[32];
    bool fill;
    int err;

    if (!in_range(b, index, 1) || size != size_of(b, index))
        return FP_ERR_INVAL;
    fill = fpd_store_is_fill(data, size, &entry.fill);
    if (!fill || b->states[index] == WANTED) {
        fpd_sha256(data, size, digest);
        if (b->states[index] == WANTED &&
            memcmp(digest, b->entries[index].id, 16) != 0)
            return FP_ERR_DIGEST;
    }
    if (!fill) {
        err = put_chunk(b, digest, data, size);
        if (err)
            return err;
        entry = (struct fpd_snapshot_entry){ .kind = FPD_KIND_CHUNK };
        memcpy(entry.id, digest, 16);
    }
    set(b, index, SETTLED, &entry);
    return FP_OK;
}

/* ---- commit ---- */

struct tree_node {
    uint8_t id[16];
    uint8_t level;
    size_t off; /* of its entries in tree.bytes */
    size_t size;
};

struct tree {
    struct tree_node *nodes;
    size_t count;
    uint8_t *bytes;
    size_t used;
};

static void tree_add(struct tree *tree, unsigned level,
                     const struct fpd_snapshot_entry *kids, unsigned count,
                     struct fpd_snapshot_entry *out)
{
    struct tree_node *node = &tree->nodes[tree->count++];

    node->level = (uint8_t)level;
    node->off = tree->used;
    node->size = fpd_node_encode(kids, count, tree->bytes + tree->used);
    tree->used += node->size;
    fpd_node_id(level, tree->bytes + node->off, node->size, node->id);
    *out = (struct fpd_snapshot_entry){ .kind = FPD_KIND_CHUNK };
    memcpy(out->id, node->id, 16);
}

/* Every level is made in place over the one below, in `line`: a node stands
 * left of its first kid, or on it. */
static int tree_build(const struct fpd_store_builder *b, struct tree *tree)
{
    size_t n = b->info.chunk_count, most = n / 128 + FPD_NODE_LEVELS;
    const struct fpd_snapshot_entry *below = b->entries;
    struct fpd_snapshot_entry *line;
    unsigned level = 0;

    *tree = (struct tree){ 0 };
    line = malloc((n / FPD_NODE_KIDS + 1) * sizeof *line);
    tree->nodes = malloc(most * sizeof *tree->nodes);
    tree->bytes = malloc((n + most) * 17);
    if (!line || !tree->nodes || !tree->bytes) {
        free(line);
        return FP_ERR_NOMEM;
    }
    do {
        size_t made = 0;

        for (size_t i = 0; i < n; i += FPD_NODE_KIDS, made++)
            tree_add(tree, level, below + i,
                     (unsigned)(n - i < FPD_NODE_KIDS ? n - i : FPD_NODE_KIDS),
                     &line[made]);
        below = line;
        n = made;
        level++;
    } while (n > 1);
    free(line);
    return FP_OK;
}

static void tree_deinit(struct tree *tree)
{
    free(tree->nodes);
    free(tree->bytes);
}

struct commit {
    const struct fpd_snapshot *info;
    const struct tree *tree;
};

/* The sweep under way has looked for nodes before ours were there. */
static void keep_nodes(struct fpd_store *store, const struct tree *tree)
{
    pthread_mutex_lock(&store->pin_lock);
    for (size_t i = 0; store->sweep && i < tree->count; i++)
        if (fpd_idset_add(&store->sweep->kept, tree->nodes[i].id) < 0)
            store->sweep->err = FP_ERR_NOMEM;
    pthread_mutex_unlock(&store->pin_lock);
}

static int commit_nodes(struct fpd_conn *conn, const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_node *node = &tree->nodes[i];
        /* A row of this id that holds something else is a damaged one. */
        int n =
            fpd_conn_run(conn,
                         "INSERT INTO node VALUES(?1, ?2, ?3)"
                         " ON CONFLICT(id) DO UPDATE SET"
                         " level = excluded.level, kids = excluded.kids"
                         " WHERE kids <> excluded.kids"
                         " OR level <> excluded.level",
                         "bib", node->id, sizeof node->id, (int64_t)node->level,
                         tree->bytes + node->off, node->size);

        if (n < 0)
            return n;
    }
    return FP_OK;
}

static int commit_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    const struct commit *commit = arg;
    const struct fpd_snapshot *s = commit->info;
    const struct tree *tree = commit->tree;
    int n;

    keep_nodes(store, tree);
    n = commit_nodes(conn, tree);
    if (n < 0)
        return n;
    n = fpd_conn_run(
        conn,
        "INSERT INTO snapshot(id, device, storage, region, taken_ms, off, size,"
        " chunk_size, root, epoch, gen, consistency, unreadable, firmware, fs,"
        " pinned, tags, new_bytes) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,"
        "?12,?13,?14,?15,?16,?17,?18)",
        "ttttiiiibbiiittiti", s->id, s->device, s->storage, s->region,
        s->taken_ms, (int64_t)s->off, (int64_t)s->size, (int64_t)s->chunk_size,
        tree->nodes[tree->count - 1].id, (size_t)16, s->epoch, sizeof s->epoch,
        (int64_t)s->gen, (int64_t)s->consistency, (int64_t)s->unreadable,
        s->firmware, s->fs, (int64_t)s->pinned, s->tags, (int64_t)s->new_bytes);
    return n < 0 ? n : FP_OK;
}

static int commit_info(const struct fpd_store_builder *b,
                       const struct fpd_store_builder_end *end,
                       struct fpd_snapshot *out)
{
    const char *fs = end->fs ? end->fs : "";
    const char *firmware = end->firmware ? end->firmware : "";
    const char *tags = end->tags ? end->tags : "";

    *out = b->info;
    if (end->consistency < FPD_CONSISTENCY_GENERATION ||
        end->consistency > FPD_CONSISTENCY_DOUBLE_READ ||
        !fpd_store_fits(fs, sizeof out->fs - 1) ||
        !fpd_store_fits(firmware, sizeof out->firmware - 1) ||
        !fpd_store_fits(tags, sizeof out->tags - 1))
        return FP_ERR_INVAL;
    snprintf(out->fs, sizeof out->fs, "%s", fs);
    snprintf(out->firmware, sizeof out->firmware, "%s", firmware);
    snprintf(out->tags, sizeof out->tags, "%s", tags);
    memcpy(out->epoch, end->epoch, sizeof out->epoch);
    out->gen = end->gen;
    out->consistency = end->consistency;
    out->pinned = end->pinned;
    out->taken_ms = end->taken_ms ? end->taken_ms : fpd_time_unix_ms();
    for (uint32_t i = 0; i < out->chunk_count; i++)
        out->unreadable += b->entries[i].kind == FPD_KIND_UNREADABLE;
    out->complete = out->unreadable == 0;
    return fpd_uuid_new(out->id);
}

int fpd_store_builder_commit(struct fpd_store_builder *b,
                             const struct fpd_store_builder_end *end,
                             struct fpd_snapshot *out)
{
    struct fpd_snapshot info;
    struct tree tree;
    int err;

    if (b->missing > 0 || b->info.id[0])
        return FP_ERR_INVAL;
    err = flush(b);
    if (!err)
        err = commit_info(b, end, &info);
    if (err)
        return err;
    err = tree_build(b, &tree);
    if (!err)
        err = fpd_store_grow(b->store, FPD_DB_STORE, tree.used, commit_write,
                             &(struct commit){ &info, &tree });
    tree_deinit(&tree);
    if (err)
        return err;
    b->info = info; /* its id says that it is done */
    *out = info;
    return FP_OK;
}
