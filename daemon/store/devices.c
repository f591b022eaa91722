/* SPDX-License-Identifier: MIT */
#include "daemon/store/devices.h"

#include "daemon/store/internal.h"

#include <string.h>

#define LIST_MAX 1000
#define ID_MAX   64

#define COLUMNS                                                                \
    "SELECT d.id, coalesce(l.label, ''), d.model, d.firmware, d.link, d.tags," \
    " d.first_seen_ms, d.last_seen_ms FROM device d"                           \
    " LEFT JOIN label l ON l.device = d.id "

struct args {
    const char *id, *model, *firmware, *link, *text;
};

/* ---- writing ---- */

static int seen_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct args *a = arg;
    int n = fpd_conn_run(
        conn,
        "INSERT INTO device(id, model, firmware, link, tags, first_seen_ms,"
        " last_seen_ms) VALUES(?1, ?2, ?3, ?4, '', ?5, ?5)"
        " ON CONFLICT(id) DO UPDATE SET model = excluded.model,"
        " firmware = excluded.firmware, link = excluded.link,"
        " last_seen_ms = excluded.last_seen_ms",
        "tttti", a->id, a->model, a->firmware, a->link, fpd_time_unix_ms());

    (void)store;
    return n < 0 ? n : FP_OK;
}

static int one(int changed)
{
    return changed < 0 ? changed : changed == 0 ? FP_ERR_NOENT : FP_OK;
}

static int forget_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    const struct args *a = arg;

    (void)store;
    return one(
        fpd_conn_run(conn, "DELETE FROM device WHERE id = ?1", "t", a->id));
}

int fpd_store_device_forget(struct fpd_store *store, const char *id)
{
    return fpd_store_write(store, FPD_DB_META, forget_write,
                           &(struct args){ .id = id });
}

#define STRANGERS \
    " FROM device WHERE tags = '' AND id NOT IN (SELECT device FROM label)"

/* Of those without a label or tags: how many have no snapshot, in the other
 * database, and which is to go first; never `newest`. */
static int find_strangers(struct fpd_conn *meta, struct fpd_conn *snapshots,
                          const char *newest, int64_t *count,
                          char first[ID_MAX + 1])
{
    sqlite3_stmt *stmt;
    int err =
        fpd_stmt_bind(meta, &stmt,
                      "SELECT id" STRANGERS " AND id <> ?1"
                      " ORDER BY last_seen_ms > first_seen_ms, last_seen_ms",
                      "t", newest);

    *count = 1;
    if (err)
        return err;
    while ((err = fpd_stmt_step(stmt)) > 0) {
        char id[ID_MAX + 1];
        int64_t have = 0;

        fpd_column_text(stmt, 0, id, sizeof id);
        err = fpd_conn_int(snapshots, &have,
                           "SELECT EXISTS(SELECT 1 FROM snapshot"
                           " WHERE device = ?1)",
                           "t", id);
        if (err)
            break;
        if (!have && (*count)++ == 1)
            memcpy(first, id, sizeof id);
    }
    fpd_stmt_done(stmt);
    return err;
}

/* Forgets one where there are too many. */
static int bound_strangers(struct fpd_store *store, const char *newest)
{
    struct fpd_conn *meta, *snapshots;
    char first[ID_MAX + 1] = "";
    int64_t count = 0;
    int err = fpd_reader_take(store, FPD_DB_META, &meta);

    if (err)
        return err;
    err = fpd_conn_int(meta, &count, "SELECT count(*)" STRANGERS, "");
    if (!err && count > FPD_STORE_STRANGERS_MAX) {
        err = fpd_reader_take(store, FPD_DB_STORE, &snapshots);
        if (!err) {
            err = find_strangers(meta, snapshots, newest, &count, first);
            fpd_reader_give(store, FPD_DB_STORE, snapshots);
        }
    }
    fpd_reader_give(store, FPD_DB_META, meta);
    if (err || count <= FPD_STORE_STRANGERS_MAX || !first[0])
        return err;
    return fpd_store_device_forget(store, first);
}

int fpd_store_device_seen(struct fpd_store *store, const char *id,
                          const char *model, const char *firmware,
                          const char *link)
{
    struct args a = {
        .id = id, .model = model, .firmware = firmware, .link = link
    };
    int err;

    if (!id[0] || !fpd_store_fits(id, ID_MAX) || !fpd_store_fits(model, 32) ||
        !fpd_store_fits(firmware, 32) || !fpd_store_fits(link, 256))
        return FP_ERR_INVAL;
    err = fpd_store_write(store, FPD_DB_META, seen_write, &a);
    return err ? err : bound_strangers(store, id);
}

static int label_write(struct fpd_store *store, struct fpd_conn *conn,
                       void *arg)
{
    const struct args *a = arg;
    int64_t count = 0;
    int n, err = fpd_conn_int(conn, &count,
                              "SELECT 1 FROM device WHERE id = ?1", "t", a->id);

    (void)store;
    if (err)
        return err;
    if (!a->text[0]) {
        n = fpd_conn_run(conn, "DELETE FROM label WHERE device = ?1", "t",
                         a->id);
        return n < 0 ? n : FP_OK;
    }
    err = fpd_conn_int(conn, &count,
                       "SELECT (SELECT count(*) FROM device WHERE id = ?2 AND"
                       " id <> ?1) + (SELECT count(*) FROM label WHERE"
                       " label = ?2 AND device <> ?1)",
                       "tt", a->id, a->text);
    if (!err && count > 0)
        err = FP_ERR_EXIST;
    if (err)
        return err;
    n = fpd_conn_run(conn, "INSERT OR REPLACE INTO label VALUES(?1, ?2)", "tt",
                     a->id, a->text);
    return n < 0 ? n : FP_OK;
}

/* Bytes of the UTF-8 character at p, which a NUL ends; 0: it is none. */
static unsigned utf8_size(const unsigned char *p)
{
    unsigned n = p[0] < 0x80   ? 1
                 : p[0] < 0xc2 ? 0
                 : p[0] < 0xe0 ? 2
                 : p[0] < 0xf0 ? 3
                 : p[0] < 0xf5 ? 4
                               : 0;

    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than needed, a surrogate, or above U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static bool label_valid(const char *label)
{
    const unsigned char *p = (const unsigned char *)label;

    if (!fpd_store_fits(label, 64))
        return false;
    while (*p) {
        unsigned n = utf8_size(p);

        if (n == 0 || *p < 0x20 || *p == 0x7f || *p == '/' ||
            (*p == 0xc2 && p[1] < 0xa0))
            return false;
        p += n;
    }
    return true;
}

int fpd_store_device_label(struct fpd_store *store, const char *id,
                           const char *label)
{
    if (!label_valid(label))
        return FP_ERR_INVAL;
    return fpd_store_write(store, FPD_DB_META, label_write,
                           &(struct args){ .id = id, .text = label });
}

static int tag_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct args *a = arg;

    (void)store;
    return one(fpd_conn_run(conn, "UPDATE device SET tags = ?2 WHERE id = ?1",
                            "tt", a->id, a->text));
}

int fpd_store_device_tag(struct fpd_store *store, const char *id,
                         const char *tags)
{
    if (!fpd_store_fits(tags, sizeof((struct fpd_store_device *)0)->tags - 1))
        return FP_ERR_INVAL;
    return fpd_store_write(store, FPD_DB_META, tag_write,
                           &(struct args){ .id = id, .text = tags });
}

/* ---- reading ---- */

static void from_row(sqlite3_stmt *stmt, struct fpd_store_device *out)
{
    *out = (struct fpd_store_device){ 0 };
    fpd_column_text(stmt, 0, out->id, sizeof out->id);
    fpd_column_text(stmt, 1, out->label, sizeof out->label);
    fpd_column_text(stmt, 2, out->model, sizeof out->model);
    fpd_column_text(stmt, 3, out->firmware, sizeof out->firmware);
    fpd_column_text(stmt, 4, out->link, sizeof out->link);
    fpd_column_text(stmt, 5, out->tags, sizeof out->tags);
    out->first_seen_ms = sqlite3_column_int64(stmt, 6);
    out->last_seen_ms = sqlite3_column_int64(stmt, 7);
}

/* That lies with the snapshots, in the other database. */
static int add_backups(struct fpd_store *store,
                       struct fpd_store_device *devices, size_t count)
{
    struct fpd_conn *conn;
    int err = fpd_reader_take(store, FPD_DB_STORE, &conn);

    if (err)
        return err;
    for (size_t i = 0; !err && i < count; i++)
        err = fpd_conn_int(conn, &devices[i].last_backup_ms,
                           "SELECT coalesce(max(taken_ms), 0) FROM snapshot"
                           " WHERE device = ?1",
                           "t", devices[i].id);
    fpd_reader_give(store, FPD_DB_STORE, conn);
    return err;
}

int fpd_store_device_get(struct fpd_store *store, const char *id,
                         struct fpd_store_device *out)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt, COLUMNS "WHERE d.id = ?1", "t", id);
    if (!err)
        err = fpd_stmt_step(stmt);
    if (err > 0)
        from_row(stmt, out);
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    if (err <= 0)
        return err < 0 ? err : FP_ERR_NOENT;
    return add_backups(store, out, 1);
}

int fpd_store_device_list(struct fpd_store *store, const char *after,
                          struct fpd_store_device *out, size_t max,
                          size_t *count)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    size_t n = 0;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    *count = 0;
    if (err)
        return err;
    if (max > LIST_MAX)
        max = LIST_MAX;
    err = fpd_stmt_bind(conn, &stmt,
                        COLUMNS "WHERE d.id > ?1 ORDER BY d.id LIMIT ?2", "ti",
                        after ? after : "", (int64_t)max);
    while (!err && n < max && (err = fpd_stmt_step(stmt)) > 0) {
        from_row(stmt, &out[n++]);
        err = FP_OK;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    if (err < 0)
        return err;
    *count = n;
    return add_backups(store, out, n);
}

int fpd_store_device_called(struct fpd_store *store, const char *label,
                            char id[65])
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    if (err)
        return err;
    err = fpd_stmt_bind(
        conn, &stmt, "SELECT device FROM label WHERE label = ?1", "t", label);
    if (!err)
        err = fpd_stmt_step(stmt);
    if (err > 0)
        fpd_column_text(stmt, 0, id, 65);
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err > 0 ? FP_OK : err < 0 ? err : FP_ERR_NOENT;
}
