/* SPDX-License-Identifier: MIT
 *
 * Verify: reads what is stored as a restore would, and hashes it. A chunk found
 * damaged is marked, so that the next backup that comes by it fetches it anew.
 */
#include "daemon/store/internal.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define SLICE 256 /* chunks, or one node, between two looks at progress */

struct verify {
    struct fpd_store *store;
    struct fpd_conn *conn;
    ZSTD_DCtx *zstd;
    fpd_store_progress_fn progress;
    void *ctx;
    uint64_t done, total;
    struct fpd_store_verify *out;
    uint8_t chunk[FPD_STORE_CHUNK_MAX];
};

static int tell(struct verify *v, uint64_t more)
{
    v->done += more;
    return v->progress ? v->progress(v->ctx, v->done,
                                     v->done > v->total ? v->done : v->total)
                       : FP_OK;
}

/* size 0: any. */
static int check_chunk(struct verify *v, const uint8_t id[16], uint32_t size)
{
    uint32_t got = 0;
    int err = fpd_chunk_load(v->conn, v->zstd, id, v->chunk, &got);

    if (err == FP_ERR_NOENT) {
        v->out->missing++;
        return FP_OK;
    }
    if (err && err != FP_ERR_CORRUPT)
        return err;
    v->out->chunks++;
    v->out->bytes += got;
    if (err == FP_ERR_CORRUPT) {
        v->out->bad++;
        return fpd_chunk_mark_bad(v->store, id);
    }
    v->out->bad += size && got != size;
    return FP_OK;
}

/* ---- one snapshot ---- */

/* Each content once; a last chunk that is shorter is one of its own. */
static int check_entries(struct verify *v, struct fpd_snapshot_reader *reader,
                         struct fpd_idset *seen, uint32_t first, uint32_t count,
                         const struct fpd_snapshot_entry *entries)
{
    uint32_t whole = reader->info.chunk_size;
    int err = FP_OK;

    for (uint32_t i = 0; !err && i < count; i++) {
        uint32_t size = fpd_snapshot_size_of(reader, first + i);

        if (entries[i].kind != FPD_KIND_CHUNK)
            continue;
        err = fpd_idset_add(seen, entries[i].id);
        if (err > 0 || (!err && size != whole))
            err = check_chunk(v, entries[i].id, size);
    }
    return err;
}

static int check_snapshot(struct verify *v, const char *id)
{
    struct fpd_snapshot_entry *entries = malloc(SLICE * sizeof *entries);
    struct fpd_snapshot_reader *reader = NULL;
    struct fpd_idset seen = { 0 };
    uint32_t count = 0;
    int err = FP_ERR_NOMEM;

    if (entries)
        err = fpd_store_snapshot_open(v->store, id, &reader);
    if (!err)
        v->total = count = reader->info.chunk_count;
    for (uint32_t i = 0; !err && i < count; i += SLICE) {
        uint32_t n = count - i < SLICE ? count - i : SLICE;

        err = fpd_store_snapshot_entries(reader, i, n, entries);
        if (err == FP_ERR_CORRUPT) {
            v->out->nodes_bad++;
            err = FP_OK;
        } else if (!err) {
            err = check_entries(v, reader, &seen, i, n, entries);
        }
        if (!err)
            err = tell(v, n);
    }
    fpd_store_snapshot_close(reader);
    fpd_idset_deinit(&seen);
    free(entries);
    return err;
}

/* ---- everything ---- */

/* The next ids after `after` of a table, copied out: nothing stays open while
 * they are checked. */
static int next_ids(struct fpd_conn *conn, const char *sql, uint8_t after[16],
                    size_t after_size, uint8_t (*ids)[16], int64_t *levels,
                    unsigned *count)
{
    sqlite3_stmt *stmt;
    int err = fpd_stmt_bind(conn, &stmt, sql, "b", after, after_size);

    *count = 0;
    if (err)
        return err;
    while (*count < SLICE && (err = fpd_stmt_step(stmt)) > 0) {
        err = fpd_column_blob(stmt, 0, ids[*count], 16);
        if (err)
            break;
        levels[(*count)++] = sqlite3_column_int64(stmt, 1);
    }
    fpd_stmt_done(stmt);
    return err < 0 ? err : FP_OK;
}

/* What a node names must be there. */
static int check_node(struct verify *v, const uint8_t id[16], int64_t level)
{
    struct fpd_snapshot_entry kids[FPD_NODE_KIDS];
    unsigned count = 0;
    int64_t one;
    int err = level < 0 || level >= FPD_NODE_LEVELS
                  ? FP_ERR_CORRUPT
                  : fpd_node_load(v->conn, id, (unsigned)level, kids, &count);

    if (err == FP_ERR_CORRUPT) {
        v->out->nodes_bad++;
        return FP_OK;
    }
    for (unsigned i = 0; !err && i < count; i++) {
        if (kids[i].kind != FPD_KIND_CHUNK)
            continue;
        if (level > 0)
            err =
                fpd_conn_int(v->conn, &one, "SELECT 1 FROM node WHERE id = ?1",
                             "b", kids[i].id, (size_t)16);
        else
            err =
                fpd_conn_int(v->conn, &one, "SELECT 1 FROM chunk WHERE id = ?1",
                             "b", kids[i].id, (size_t)16);
        if (err == FP_ERR_NOENT) {
            v->out->missing++;
            err = FP_OK;
        }
    }
    return err;
}

/* The first and the last id of a slice that was hashed. */
struct checked {
    const uint8_t *first, *last;
};

static int checked_write(struct fpd_store *store, struct fpd_conn *conn,
                         void *arg)
{
    const struct checked *c = arg;
    int n = fpd_conn_run(conn,
                         "UPDATE chunk SET checked_ms = ?3"
                         " WHERE id BETWEEN ?1 AND ?2 AND bad = 0",
                         "bbi", c->first, (size_t)16, c->last, (size_t)16,
                         fpd_time_unix_ms());

    (void)store;
    return n < 0 ? n : FP_OK;
}

static int check_table(struct verify *v, const char *sql, bool nodes)
{
    uint8_t ids[SLICE][16], after[16] = { 0 };
    int64_t levels[SLICE];
    size_t after_size = 0;
    unsigned count;
    int err;

    do {
        err = next_ids(v->conn, sql, after, after_size, ids, levels, &count);
        for (unsigned i = 0; !err && i < count; i++)
            err = nodes ? check_node(v, ids[i], levels[i])
                        : check_chunk(v, ids[i], 0);
        if (!err && !nodes && count > 0)
            err = fpd_store_write(v->store, FPD_DB_STORE, checked_write,
                                  &(struct checked){ ids[0], ids[count - 1] });
        if (count > 0) {
            memcpy(after, ids[count - 1], 16);
            after_size = 16;
        }
        if (!err)
            err = tell(v, count);
    } while (!err && count > 0);
    return err;
}

static int check_all(struct verify *v)
{
    int64_t rows = 0;
    int err = fpd_conn_int(v->conn, &rows,
                           "SELECT (SELECT count(*) FROM node) +"
                           " (SELECT count(*) FROM chunk)",
                           "");

    v->total = (uint64_t)rows;
    if (!err)
        err = check_table(v,
                          "SELECT id, level FROM node WHERE id > ?1"
                          " ORDER BY id LIMIT 256",
                          true);
    if (!err)
        err = check_table(v,
                          "SELECT id, 0 FROM chunk WHERE id > ?1"
                          " ORDER BY id LIMIT 256",
                          false);
    return err;
}

int fpd_store_verify(struct fpd_store *store, const char *id,
                     fpd_store_progress_fn progress, void *ctx,
                     struct fpd_store_verify *out)
{
    struct verify *v = calloc(1, sizeof *v);
    int err = FP_ERR_NOMEM;

    *out = (struct fpd_store_verify){ 0 };
    if (!v)
        return err;
    v->store = store;
    v->progress = progress;
    v->ctx = ctx;
    v->out = out;
    v->zstd = ZSTD_createDCtx();
    if (v->zstd)
        err = fpd_reader_take(store, FPD_DB_STORE, &v->conn);
    if (!err) {
        err = id ? check_snapshot(v, id) : check_all(v);
        fpd_reader_give(store, FPD_DB_STORE, v->conn);
    }
    ZSTD_freeDCtx(v->zstd);
    free(v);
    return err;
}
