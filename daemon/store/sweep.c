/* SPDX-License-Identifier: MIT
 *
 * The sweep: marks what is named, frees the rest, gives back the space.
 *
 * Nothing counts references: a count that drifts by one loses data or keeps it
 * for ever, and keeping counts would write to every chunk of every snapshot.
 * What lives is found from the roots instead, each node once, however many
 * snapshots share it.
 *
 * It runs beside builders and readers. Whatever becomes named while it marks is
 * added to what lives by those who name it: new nodes by the commit, on the
 * writer, and chunks by the builder when it lets go of its pins. What open
 * handles read is marked with the rest. Deleting is done by the writer, a slice
 * at a time, with the pins locked.
 */
#include "daemon/store/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE 512 /* rows looked at, and freed at most, at once */

struct todo {
    uint8_t (*ids)[16];
    size_t count, room;
};

struct sweep {
    struct fpd_store *store;
    struct fpd_store_live live;
    struct todo todo[FPD_NODE_LEVELS]; /* nodes not looked at yet */
    fpd_store_progress_fn progress;
    void *ctx;
    uint64_t done, total;
    struct fpd_store_sweep *out;
};

static int tell(struct sweep *s, uint64_t more)
{
    s->done += more;
    return s->progress ? s->progress(s->ctx, s->done,
                                     s->done > s->total ? s->done : s->total)
                       : FP_OK;
}

/* ---- mark ---- */

static int todo_add(struct sweep *s, unsigned level, const uint8_t id[16])
{
    struct todo *todo = &s->todo[level];
    int isnew;

    isnew = fpd_idset_add(&s->live.nodes, id);
    if (isnew <= 0)
        return isnew;
    if (todo->count == todo->room) {
        size_t room = todo->room ? todo->room * 2 : 1024;
        void *ids = realloc(todo->ids, room * 16);

        if (!ids)
            return FP_ERR_NOMEM;
        todo->ids = ids;
        todo->room = room;
    }
    memcpy(todo->ids[todo->count++], id, 16);
    return FP_OK;
}

static int mark_kids(struct sweep *s, unsigned level,
                     const struct fpd_snapshot_entry *kids, unsigned count)
{
    int err = FP_OK;

    if (level > 0) {
        for (unsigned i = 0; i < count && err >= 0; i++)
            err = todo_add(s, level - 1, kids[i].id);
        return err < 0 ? err : FP_OK;
    }
    pthread_mutex_lock(&s->store->pin_lock);
    for (unsigned i = 0; i < count && err >= 0; i++)
        if (kids[i].kind == FPD_KIND_CHUNK)
            err = fpd_idset_add(&s->live.chunks, kids[i].id);
    pthread_mutex_unlock(&s->store->pin_lock);
    return err < 0 ? err : FP_OK;
}

struct root {
    uint8_t id[16];
    unsigned level;
};

/* Roots of the snapshots and of the open handles, in one look. */
static int list_roots(struct sweep *s, struct fpd_conn *conn,
                      struct root **roots, size_t *count)
{
    const struct fpd_snapshot_reader *r;
    struct root *list = NULL;
    sqlite3_stmt *stmt = NULL;
    size_t n = 0, room = 0;
    int err;

    pthread_mutex_lock(&s->store->pin_lock);
    err = fpd_stmt_bind(conn, &stmt,
                        "SELECT root, size, chunk_size FROM snapshot", "");
    r = s->store->open_readers;
    while (!err) {
        if (n == room) {
            void *more = realloc(list, (room = room * 2 + 64) * sizeof *list);

            if (!more) {
                err = FP_ERR_NOMEM;
                break;
            }
            list = more;
        }
        if (r) {
            memcpy(list[n].id, r->root, 16);
            list[n++].level = fpd_node_top(r->info.chunk_count);
            r = r->next;
            continue;
        }
        err = fpd_stmt_step(stmt);
        if (err <= 0)
            break;
        err = fpd_column_blob(stmt, 0, list[n].id, 16);
        if (!err) {
            int64_t size = sqlite3_column_int64(stmt, 1);
            int64_t chunk = sqlite3_column_int64(stmt, 2);

            if (size < 1 || chunk < 1 ||
                (size - 1) / chunk >= (int64_t)1 << (8 * FPD_NODE_LEVELS))
                err = FP_ERR_CORRUPT;
            else
                list[n++].level =
                    fpd_node_top((uint32_t)((size - 1) / chunk + 1));
        }
    }
    fpd_stmt_done(stmt);
    pthread_mutex_unlock(&s->store->pin_lock);
    *roots = list;
    *count = n;
    return err;
}

static int mark_roots(struct sweep *s, struct fpd_conn *conn)
{
    struct root *roots;
    size_t count;
    int err = list_roots(s, conn, &roots, &count);

    for (size_t i = 0; !err && i < count; i++)
        err = todo_add(s, roots[i].level, roots[i].id);
    free(roots);
    return err;
}

/* From the top level down; a node leads to nodes of the level below only. */
static int mark(struct sweep *s, struct fpd_conn *conn)
{
    struct fpd_snapshot_entry kids[FPD_NODE_KIDS];
    unsigned count;
    int err = mark_roots(s, conn);

    for (unsigned level = FPD_NODE_LEVELS; !err && level-- > 0;) {
        struct todo *todo = &s->todo[level];

        while (!err && todo->count > 0) {
            const uint8_t *id = todo->ids[--todo->count];

            err = fpd_node_load(conn, id, level, kids, &count);
            if (!err)
                err = mark_kids(s, level, kids, count);
            if (!err && todo->count % SLICE == 0)
                err = tell(s, 0);
        }
    }
    return err;
}

/* ---- free ---- */

struct slice {
    struct sweep *sweep;
    bool chunks; /* or nodes */
    uint8_t ids[SLICE][16];
    unsigned count;
    unsigned first, some; /* of these, for one transaction */
    unsigned step;        /* how many that may be */
    uint64_t freed, bytes;
};

static bool pinned(const struct fpd_store *store, const uint8_t id[16])
{
    for (const struct fpd_store_pins *p = store->builders; p; p = p->next)
        if (fpd_idset_has(&p->chunks, id))
            return true;
    return false;
}

static int free_chunk(struct fpd_conn *conn, struct slice *slice,
                      const uint8_t id[16])
{
    int64_t stored = 0;
    int n =
        fpd_conn_int(conn, &stored, "SELECT stored FROM chunk WHERE id = ?1",
                     "b", id, (size_t)16);

    if (n)
        return n == FP_ERR_NOENT ? FP_OK : n;
    n = fpd_conn_run(conn,
                     "DELETE FROM blob WHERE id ="
                     " (SELECT loc FROM chunk WHERE id = ?1)",
                     "b", id, (size_t)16);
    if (n >= 0)
        n = fpd_conn_run(conn, "DELETE FROM chunk WHERE id = ?1", "b", id,
                         (size_t)16);
    if (n < 0)
        return n;
    slice->freed++;
    slice->bytes += (uint64_t)stored;
    return FP_OK;
}

static int free_row(struct fpd_store *store, struct fpd_conn *conn,
                    struct slice *slice, const uint8_t id[16])
{
    const struct fpd_store_live *live = &slice->sweep->live;
    int n;

    if (slice->chunks) {
        if (fpd_idset_has(&live->chunks, id) || pinned(store, id))
            return FP_OK;
        return free_chunk(conn, slice, id);
    }
    if (fpd_idset_has(&live->nodes, id) || fpd_idset_has(&live->kept, id))
        return FP_OK;
    n = fpd_conn_run(conn, "DELETE FROM node WHERE id = ?1", "b", id,
                     (size_t)16);
    if (n > 0)
        slice->freed++;
    return n < 0 ? n : FP_OK;
}

/* The commit must be within the lock: who pins a chunk and then looks for it
 * must not find what is about to go. Hence a COMMIT of its own; the writer's
 * follows on an empty transaction. */
static int free_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    struct slice *slice = arg;
    int err;

    slice->freed = slice->bytes = 0;
    pthread_mutex_lock(&store->pin_lock);
    err = slice->sweep->live.err;
    for (unsigned i = 0; !err && i < slice->some; i++)
        err = free_row(store, conn, slice, slice->ids[slice->first + i]);
    if (!err)
        err = fpd_conn_exec(conn, "COMMIT");
    pthread_mutex_unlock(&store->pin_lock);
    if (!err)
        err = fpd_conn_exec(conn, "BEGIN IMMEDIATE");
    return err;
}

/* The next rows after `after`, and of them those that may be dead. */
static int pick(struct sweep *s, struct fpd_conn *conn, struct slice *slice,
                uint8_t after[16], size_t *after_size, unsigned *seen)
{
    sqlite3_stmt *stmt;
    uint8_t id[16];
    int err = fpd_stmt_bind(
        conn, &stmt,
        slice->chunks
            ? "SELECT id FROM chunk WHERE id > ?1 ORDER BY id LIMIT 512"
            : "SELECT id FROM node WHERE id > ?1 ORDER BY id LIMIT 512",
        "b", after, *after_size);

    *seen = 0;
    slice->count = 0;
    if (err)
        return err;
    pthread_mutex_lock(&s->store->pin_lock);
    while ((err = fpd_stmt_step(stmt)) > 0) {
        err = fpd_column_blob(stmt, 0, id, sizeof id);
        if (err)
            break;
        ++*seen;
        if (!fpd_idset_has(slice->chunks ? &s->live.chunks : &s->live.nodes,
                           id))
            memcpy(slice->ids[slice->count++], id, sizeof id);
    }
    pthread_mutex_unlock(&s->store->pin_lock);
    fpd_stmt_done(stmt);
    if (*seen > 0) {
        memcpy(after, id, sizeof id);
        *after_size = sizeof id;
    }
    return err;
}

/* To free rows takes room in the log: on a full disk, fewer at a time. */
static int free_slice(struct sweep *s, struct slice *slice)
{
    struct fpd_store_sweep *out = s->out;
    int err;

    for (slice->first = 0; slice->first < slice->count;
         slice->first += slice->some) {
        slice->some = slice->count - slice->first;
        if (slice->some > slice->step)
            slice->some = slice->step;
        err = fpd_store_write(s->store, FPD_DB_STORE, free_write, slice);
        if (err == FP_ERR_NOSPC && slice->some > 1) {
            slice->step = slice->some / 2;
            slice->some = 0;
            continue;
        }
        if (err)
            return err;
        *(slice->chunks ? &out->chunks : &out->nodes) += slice->freed;
        out->bytes += slice->bytes;
    }
    return FP_OK;
}

static int free_all(struct sweep *s, struct fpd_conn *conn, struct slice *slice,
                    bool chunks)
{
    uint8_t after[16] = { 0 };
    size_t after_size = 0; /* the empty blob is before every id */
    unsigned seen;
    int err;

    slice->chunks = chunks;
    do {
        err = pick(s, conn, slice, after, &after_size, &seen);
        if (!err)
            err = free_slice(s, slice);
        if (!err)
            err = tell(s, seen);
    } while (!err && seen > 0);
    return err;
}

struct vacuum {
    int pages; /* to give back at once */
    int64_t left;
};

static int vacuum_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    struct vacuum *v = arg;
    char sql[64];
    int err;

    (void)store;
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", v->pages);
    err = fpd_conn_exec(conn, sql);
    if (err)
        return err;
    return fpd_conn_int(conn, &v->left, "PRAGMA freelist_count", "");
}

/* Pages at the end of the file go back to the disk, those before them are
 * filled from behind. */
static int vacuum(struct sweep *s)
{
    struct vacuum v = { .pages = 64, .left = INT64_MAX };
    int64_t before;
    int err;

    do {
        before = v.left;
        err = fpd_store_write(s->store, FPD_DB_STORE, vacuum_write, &v);
        while (err == FP_ERR_NOSPC && v.pages > 1) {
            v.pages /= 4;
            err = fpd_store_write(s->store, FPD_DB_STORE, vacuum_write, &v);
        }
        if (!err)
            err = tell(s, 0);
    } while (!err && v.left > 0 && v.left < before);
    return err ? err : fpd_store_checkpoint(s->store, FPD_DB_STORE);
}

/* ---- the whole ---- */

/* On the writer, so that every commit is wholly before the sweep, and found by
 * it, or wholly after, and tells it. */
static int begin_write(struct fpd_store *store, struct fpd_conn *conn,
                       void *arg)
{
    int err = FP_OK;

    (void)conn;
    pthread_mutex_lock(&store->pin_lock);
    if (store->sweep)
        err = FP_ERR_BUSY;
    else
        store->sweep = arg;
    pthread_mutex_unlock(&store->pin_lock);
    return err;
}

static void end(struct sweep *s)
{
    pthread_mutex_lock(&s->store->pin_lock);
    s->store->sweep = NULL;
    pthread_mutex_unlock(&s->store->pin_lock);
    fpd_idset_deinit(&s->live.chunks);
    fpd_idset_deinit(&s->live.nodes);
    fpd_idset_deinit(&s->live.kept);
    for (unsigned i = 0; i < FPD_NODE_LEVELS; i++)
        free(s->todo[i].ids);
}

static int sweep_run(struct sweep *s, struct fpd_conn *conn)
{
    struct slice *slice = calloc(1, sizeof *slice);
    int64_t rows = 0;
    int err;

    if (!slice)
        return FP_ERR_NOMEM;
    slice->sweep = s;
    slice->step = SLICE;
    err = fpd_conn_int(conn, &rows,
                       "SELECT (SELECT count(*) FROM node) +"
                       " (SELECT count(*) FROM chunk)",
                       "");
    s->total = (uint64_t)rows;
    if (!err)
        err = mark(s, conn);
    if (!err)
        err = free_all(s, conn, slice, false);
    if (!err)
        err = free_all(s, conn, slice, true);
    free(slice);
    return err;
}

int fpd_store_sweep(struct fpd_store *store, fpd_store_progress_fn progress,
                    void *ctx, struct fpd_store_sweep *out)
{
    struct sweep s = {
        .store = store, .progress = progress, .ctx = ctx, .out = out
    };
    struct fpd_conn *conn;
    int err;

    *out = (struct fpd_store_sweep){ 0 };
    err = fpd_store_write(store, FPD_DB_STORE, begin_write, &s.live);
    if (err)
        return err;
    err = fpd_reader_take(store, FPD_DB_STORE, &conn);
    if (!err) {
        err = sweep_run(&s, conn);
        fpd_reader_give(store, FPD_DB_STORE, conn);
    }
    /* What was freed is given back even when the rest was given up. */
    if (!err)
        err = vacuum(&s);
    end(&s);
    return err;
}
