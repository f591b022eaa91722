/* SPDX-License-Identifier: MIT
 *
 * The rows of snapshots. Their content is reader.c's.
 */
#include "daemon/store/snapshot.h"

#include "daemon/store/builder.h"
#include "daemon/store/internal.h"

#include <string.h>

#define LIST_MAX 1000

#define COLUMNS                                                              \
    "SELECT id, device, storage, region, fs, firmware, tags, taken_ms, off," \
    " size, chunk_size, unreadable, pinned, consistency, epoch, gen,"        \
    " new_bytes, root FROM snapshot "

const char *fpd_consistency_name(enum fpd_consistency consistency)
{
    switch (consistency) {
    case FPD_CONSISTENCY_GENERATION:
        return "generation";
    case FPD_CONSISTENCY_FROZEN:
        return "frozen";
    case FPD_CONSISTENCY_QUIESCED:
        return "quiesced";
    case FPD_CONSISTENCY_DOUBLE_READ:
        return "double-read";
    }
    return "unknown";
}

static int numbers_from_row(sqlite3_stmt *stmt, struct fpd_snapshot *out)
{
    int64_t off = sqlite3_column_int64(stmt, 8);
    int64_t size = sqlite3_column_int64(stmt, 9);
    int64_t chunk = sqlite3_column_int64(stmt, 10);
    int64_t count;

    /* The rest of the store relies on these, so a damaged row ends here. */
    if (off < 0 || size < 1 || chunk < 512 || chunk > FPD_STORE_CHUNK_MAX)
        return FP_ERR_CORRUPT;
    count = (size - 1) / chunk + 1;
    if (count > (int64_t)FPD_STORE_CHUNKS_MAX)
        return FP_ERR_CORRUPT;
    out->off = (uint64_t)off;
    out->size = (uint64_t)size;
    out->chunk_size = (uint32_t)chunk;
    out->chunk_count = (uint32_t)count;
    return FP_OK;
}

static int from_row(sqlite3_stmt *stmt, struct fpd_snapshot *out,
                    uint8_t root[16])
{
    int err;

    *out = (struct fpd_snapshot){ 0 };
    fpd_column_text(stmt, 0, out->id, sizeof out->id);
    fpd_column_text(stmt, 1, out->device, sizeof out->device);
    fpd_column_text(stmt, 2, out->storage, sizeof out->storage);
    fpd_column_text(stmt, 3, out->region, sizeof out->region);
    fpd_column_text(stmt, 4, out->fs, sizeof out->fs);
    fpd_column_text(stmt, 5, out->firmware, sizeof out->firmware);
    fpd_column_text(stmt, 6, out->tags, sizeof out->tags);
    out->taken_ms = sqlite3_column_int64(stmt, 7);
    out->unreadable = (uint32_t)sqlite3_column_int64(stmt, 11);
    out->complete = out->unreadable == 0;
    out->pinned = sqlite3_column_int64(stmt, 12) != 0;
    out->consistency = (enum fpd_consistency)sqlite3_column_int(stmt, 13);
    out->gen = (uint32_t)sqlite3_column_int64(stmt, 15);
    out->new_bytes = (uint64_t)sqlite3_column_int64(stmt, 16);
    err = fpd_column_blob(stmt, 14, out->epoch, sizeof out->epoch);
    if (!err)
        err = numbers_from_row(stmt, out);
    if (!err && root)
        err = fpd_column_blob(stmt, 17, root, 16);
    return err;
}

int fpd_snapshot_find(struct fpd_conn *conn, const char *id,
                      struct fpd_snapshot *out, uint8_t root[16])
{
    sqlite3_stmt *stmt;
    int err = fpd_stmt_bind(conn, &stmt, COLUMNS "WHERE id = ?1", "t", id);

    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0)
        err = from_row(stmt, out, root);
    else if (err == 0)
        err = FP_ERR_NOENT;
    fpd_stmt_done(stmt);
    return err;
}

int fpd_store_snapshot_get(struct fpd_store *store, const char *id,
                           struct fpd_snapshot *out)
{
    struct fpd_conn *conn;
    int err = fpd_reader_take(store, FPD_DB_STORE, &conn);

    if (err)
        return err;
    err = fpd_snapshot_find(conn, id, out, NULL);
    fpd_reader_give(store, FPD_DB_STORE, conn);
    return err;
}

static int bind_list(struct fpd_conn *conn, sqlite3_stmt **stmt,
                     const struct fpd_snapshot_filter *f, int64_t max)
{
    /* '~' is above every character of an id. */
    const char *before = f->before ? f->before : "~";

    if (f->device && f->storage)
        return fpd_stmt_bind(conn, stmt,
                             COLUMNS "WHERE device = ?1 AND storage = ?2"
                                     " AND id < ?3 ORDER BY id DESC LIMIT ?4",
                             "ttti", f->device, f->storage, before, max);
    return fpd_stmt_bind(conn, stmt,
                         COLUMNS "WHERE (?1 IS NULL OR device = ?1)"
                                 " AND (?2 IS NULL OR storage = ?2)"
                                 " AND id < ?3 ORDER BY id DESC LIMIT ?4",
                         "ttti", f->device, f->storage, before, max);
}

int fpd_store_snapshot_list(struct fpd_store *store,
                            const struct fpd_snapshot_filter *filter,
                            struct fpd_snapshot *out, size_t max, size_t *count)
{
    static const struct fpd_snapshot_filter all = { 0 };
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    int err;

    if (!filter)
        filter = &all;
    if (filter->before && !fpd_uuid_valid(filter->before))
        return FP_ERR_INVAL;
    if (max > LIST_MAX)
        max = LIST_MAX;
    err = fpd_reader_take(store, FPD_DB_STORE, &conn);
    if (err)
        return err;
    err = bind_list(conn, &stmt, filter, (int64_t)max);
    while (!err && n < max) {
        err = fpd_stmt_step(stmt);
        if (err <= 0)
            break;
        err = from_row(stmt, &out[n], NULL);
        n += err == FP_OK;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_STORE, conn);
    *count = n;
    return err;
}

struct change {
    const char *id;
    const char *tags;
    bool pinned;
};

/* Of a statement that names one snapshot. */
static int one(int changed)
{
    return changed < 0 ? changed : changed == 0 ? FP_ERR_NOENT : FP_OK;
}

static int delete_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    const struct change *c = arg;
    int64_t pinned = 0;
    int err = fpd_conn_int(
        conn, &pinned, "SELECT pinned FROM snapshot WHERE id = ?1", "t", c->id);

    (void)store;
    if (err)
        return err;
    if (pinned)
        return FP_ERR_ACCES;
    return one(
        fpd_conn_run(conn, "DELETE FROM snapshot WHERE id = ?1", "t", c->id));
}

int fpd_store_snapshot_delete(struct fpd_store *store, const char *id)
{
    return fpd_store_write(store, FPD_DB_STORE, delete_write,
                           &(struct change){ .id = id });
}

static int pin_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct change *c = arg;

    (void)store;
    return one(fpd_conn_run(conn,
                            "UPDATE snapshot SET pinned = ?2 WHERE id = ?1",
                            "ti", c->id, (int64_t)c->pinned));
}

int fpd_store_snapshot_pin(struct fpd_store *store, const char *id, bool pinned)
{
    return fpd_store_write(store, FPD_DB_STORE, pin_write,
                           &(struct change){ .id = id, .pinned = pinned });
}

static int tag_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct change *c = arg;

    (void)store;
    return one(fpd_conn_run(conn, "UPDATE snapshot SET tags = ?2 WHERE id = ?1",
                            "tt", c->id, c->tags));
}

int fpd_store_snapshot_tag(struct fpd_store *store, const char *id,
                           const char *tags)
{
    if (!fpd_store_fits(tags, sizeof((struct fpd_snapshot *)0)->tags - 1))
        return FP_ERR_INVAL;
    return fpd_store_write(store, FPD_DB_STORE, tag_write,
                           &(struct change){ .id = id, .tags = tags });
}
