/* SPDX-License-Identifier: MIT
 *
 * Reading a snapshot. The handle keeps the path of nodes it used last and the
 * chunk it unpacked last, so a reading from front to back loads each node and
 * each chunk once. Every call takes a connection for as long as it copies.
 */
#include "daemon/store/internal.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int fpd_store_snapshot_open(struct fpd_store *store, const char *id,
                            struct fpd_snapshot_reader **out)
{
    struct fpd_snapshot_reader *r = calloc(1, sizeof *r);
    struct fpd_conn *conn;
    int err = FP_ERR_NOMEM;

    if (!r)
        return err;
    r->store = store;
    r->zstd = ZSTD_createDCtx();
    if (r->zstd)
        err = fpd_reader_take(store, FPD_DB_STORE, &conn);
    if (err)
        goto out_free;

    /* In one with the look: a sweep either sees the row, or this handle. */
    pthread_mutex_lock(&store->pin_lock);
    err = fpd_snapshot_find(conn, id, &r->info, r->root);
    if (!err) {
        r->next = store->open_readers;
        store->open_readers = r;
    }
    pthread_mutex_unlock(&store->pin_lock);
    fpd_reader_give(store, FPD_DB_STORE, conn);
    if (err)
        goto out_free;
    *out = r;
    return FP_OK;

out_free:
    ZSTD_freeDCtx(r->zstd);
    free(r);
    return err;
}

void fpd_store_snapshot_close(struct fpd_snapshot_reader *r)
{
    struct fpd_snapshot_reader **p;

    if (!r)
        return;
    pthread_mutex_lock(&r->store->pin_lock);
    for (p = &r->store->open_readers; *p != r; p = &(*p)->next)
        ;
    *p = r->next;
    pthread_mutex_unlock(&r->store->pin_lock);
    ZSTD_freeDCtx(r->zstd);
    free(r);
}

const struct fpd_snapshot *fpd_store_snapshot_info(
    const struct fpd_snapshot_reader *r)
{
    return &r->info;
}

/* How many entries node `index` of `level` must have. */
static unsigned kids_wanted(const struct fpd_snapshot_reader *r, unsigned level,
                            uint32_t index)
{
    uint32_t unit = level == 0 ? 1 : fpd_node_span(level - 1);
    uint32_t all = (r->info.chunk_count - 1) / unit + 1;
    uint32_t left = all - index * FPD_NODE_KIDS;

    return left < FPD_NODE_KIDS ? left : FPD_NODE_KIDS;
}

/* Sees to it that nodes[0] is the leaf of this chunk. */
static int load_path(struct fpd_snapshot_reader *r, struct fpd_conn *conn,
                     uint32_t chunk)
{
    const uint8_t *id = r->root;

    for (unsigned level = fpd_node_top(r->info.chunk_count) + 1; level-- > 0;) {
        uint32_t index = chunk / fpd_node_span(level);
        unsigned kid;
        int err;

        if (!r->nodes[level].valid || r->nodes[level].index != index) {
            r->nodes[level].valid = false;
            err = fpd_node_load(conn, id, level, r->nodes[level].kids,
                                &r->nodes[level].count);
            if (err)
                return err;
            if (r->nodes[level].count != kids_wanted(r, level, index))
                return FP_ERR_CORRUPT;
            r->nodes[level].valid = true;
            r->nodes[level].index = index;
        }
        if (level == 0)
            break;
        kid = chunk / fpd_node_span(level - 1) % FPD_NODE_KIDS;
        id = r->nodes[level].kids[kid].id;
    }
    return FP_OK;
}

int fpd_store_snapshot_entries(struct fpd_snapshot_reader *r, uint32_t first,
                               uint32_t count, struct fpd_snapshot_entry *out)
{
    struct fpd_conn *conn;
    int err;

    if (first > r->info.chunk_count || count > r->info.chunk_count - first)
        return FP_ERR_INVAL;
    err = fpd_reader_begin(r->store, FPD_DB_STORE, &conn);
    if (err)
        return err;
    for (uint32_t i = 0; !err && i < count; i++) {
        err = load_path(r, conn, first + i);
        if (!err)
            out[i] = r->nodes[0].kids[(first + i) % FPD_NODE_KIDS];
    }
    fpd_reader_end(r->store, FPD_DB_STORE, conn);
    return err;
}

uint32_t fpd_snapshot_size_of(const struct fpd_snapshot_reader *r,
                              uint32_t chunk)
{
    uint64_t left = r->info.size - (uint64_t)chunk * r->info.chunk_size;

    return left < r->info.chunk_size ? (uint32_t)left : r->info.chunk_size;
}

/* Sees to it that r->chunk holds this chunk. *damaged gets its id when it is
 * the store that is to blame. */
static int load_chunk(struct fpd_snapshot_reader *r, struct fpd_conn *conn,
                      uint32_t chunk, const uint8_t **damaged)
{
    const struct fpd_snapshot_entry *entry;
    uint32_t size = 0;
    int err;

    if (r->chunk_valid && r->chunk_index == chunk)
        return FP_OK;
    r->chunk_valid = false;
    err = load_path(r, conn, chunk);
    if (err)
        return err;
    entry = &r->nodes[0].kids[chunk % FPD_NODE_KIDS];
    if (entry->kind == FPD_KIND_UNREADABLE)
        return FP_ERR_CORRUPT;
    if (entry->kind == FPD_KIND_FILL) {
        memset(r->chunk, entry->fill, fpd_snapshot_size_of(r, chunk));
    } else {
        err = fpd_chunk_load(conn, r->zstd, entry->id, r->chunk, &size);
        if (err == FP_ERR_NOENT)
            err = FP_ERR_CORRUPT;
        if (err == FP_ERR_CORRUPT)
            *damaged = entry->id;
        if (err)
            return err;
        if (size != fpd_snapshot_size_of(r, chunk))
            return FP_ERR_CORRUPT; /* the chunk is sound, the snapshot not */
    }
    r->chunk_valid = true;
    r->chunk_index = chunk;
    return FP_OK;
}

int fpd_store_snapshot_read(struct fpd_snapshot_reader *r, uint64_t off,
                            void *buf, size_t size, uint32_t *bad)
{
    const uint8_t *damaged = NULL;
    struct fpd_conn *conn;
    uint8_t *out = buf;
    int err;

    if (off > r->info.size || size > r->info.size - off)
        return FP_ERR_INVAL;
    err = fpd_reader_begin(r->store, FPD_DB_STORE, &conn);
    if (err)
        return err;
    while (size > 0) {
        uint32_t chunk = (uint32_t)(off / r->info.chunk_size);
        uint32_t at = (uint32_t)(off % r->info.chunk_size);
        size_t n = fpd_snapshot_size_of(r, chunk) - at;

        err = load_chunk(r, conn, chunk, &damaged);
        if (err) {
            if (bad)
                *bad = chunk;
            break;
        }
        n = n < size ? n : size;
        memcpy(out, r->chunk + at, n);
        out += n;
        off += n;
        size -= n;
    }
    fpd_reader_end(r->store, FPD_DB_STORE, conn);
    if (damaged)
        fpd_chunk_mark_bad(r->store, damaged);
    return err;
}
