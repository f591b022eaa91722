/* SPDX-License-Identifier: MIT
 *
 * A database tells by application_id that it is ours and by user_version how
 * many of the steps below it has seen. A step is never changed once released;
 * what is needed later is a step more. Page size and auto_vacuum can only be
 * chosen before the first table, so they stand in front of everything.
 */
#include "daemon/store/schema.h"

#include <inttypes.h>
#include <stdio.h>

static const char store_1[] =
    "CREATE TABLE snapshot("
    " id TEXT PRIMARY KEY, device TEXT NOT NULL, storage TEXT NOT NULL,"
    " region TEXT NOT NULL, taken_ms INTEGER NOT NULL, off INTEGER NOT NULL,"
    " size INTEGER NOT NULL, chunk_size INTEGER NOT NULL, root BLOB NOT NULL,"
    " epoch BLOB NOT NULL, gen INTEGER NOT NULL, consistency INTEGER NOT NULL,"
    " unreadable INTEGER NOT NULL, firmware TEXT NOT NULL, fs TEXT NOT NULL,"
    " pinned INTEGER NOT NULL, tags TEXT NOT NULL,"
    " new_bytes INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX snapshot_device ON snapshot(device, storage, id);"
    "CREATE TABLE node(id BLOB PRIMARY KEY, level INTEGER NOT NULL,"
    " kids BLOB NOT NULL);"
    "CREATE TABLE chunk(id BLOB PRIMARY KEY, size INTEGER NOT NULL,"
    " codec INTEGER NOT NULL, stored INTEGER NOT NULL, bad INTEGER NOT NULL,"
    " checked_ms INTEGER NOT NULL, loc INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE blob(id INTEGER PRIMARY KEY, rest BLOB NOT NULL,"
    " data BLOB NOT NULL);";

static const char meta_1[] =
    "CREATE TABLE device(id TEXT PRIMARY KEY, model TEXT NOT NULL,"
    " firmware TEXT NOT NULL, link TEXT NOT NULL, tags TEXT NOT NULL,"
    " first_seen_ms INTEGER NOT NULL, last_seen_ms INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE label(device TEXT PRIMARY KEY REFERENCES device(id)"
    " ON DELETE CASCADE, label TEXT NOT NULL UNIQUE) WITHOUT ROWID;"
    "CREATE TABLE job(id TEXT PRIMARY KEY, kind TEXT NOT NULL,"
    " device TEXT NOT NULL, state TEXT NOT NULL, phase TEXT NOT NULL,"
    " unit TEXT NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL, error INTEGER NOT NULL,"
    " detail TEXT NOT NULL, request TEXT, result TEXT) WITHOUT ROWID;"
    "CREATE INDEX job_device ON job(device, id);"
    "CREATE INDEX job_unfinished ON job(id) WHERE ended_ms = 0;"
    "CREATE TABLE job_log(job TEXT NOT NULL REFERENCES job(id)"
    " ON DELETE CASCADE, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
    " text TEXT NOT NULL, PRIMARY KEY(job, seq)) WITHOUT ROWID;"
    "CREATE TABLE token(id TEXT PRIMARY KEY, name TEXT NOT NULL,"
    " hash BLOB NOT NULL UNIQUE, scope INTEGER NOT NULL,"
    " devices TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;";

static const struct {
    const char *file;
    int64_t app_id; /* "FpSt", "FpMe" */
    const char *birth;
    unsigned step_count;
    const char *steps[1];
    /* Prepared at every start: fails where a table or column is missing. */
    const char *probe;
} schemas[FPD_DB_COUNT] = {
    [FPD_DB_STORE] = { "store.db",
                       0x46705374,
                       "PRAGMA page_size = 65536;"
                       "PRAGMA auto_vacuum = incremental;",
                       1,
                       { store_1 },
                       "SELECT s.root, s.unreadable, n.level, n.kids, c.bad,"
                       " c.checked_ms, c.loc, b.rest, b.data"
                       " FROM snapshot s, node n, chunk c, blob b LIMIT 0" },
    [FPD_DB_META] = { "meta.db",
                      0x46704d65,
                      "PRAGMA page_size = 4096;"
                      "PRAGMA auto_vacuum = incremental;",
                      1,
                      { meta_1 },
                      "SELECT d.tags, l.label, j.detail, g.seq, t.hash, s.value"
                      " FROM device d, label l, job j, job_log g, token t,"
                      " setting s LIMIT 0" },
};

const char *fpd_schema_file(enum fpd_db db)
{
    return schemas[db].file;
}

static int step_up(struct fpd_conn *conn, enum fpd_db db, unsigned version)
{
    char sql[128];
    int err;

    /* Format of the two pragmas below: they take no parameters. */
    snprintf(sql, sizeof sql,
             "PRAGMA application_id = %" PRId64 "; PRAGMA user_version = %u;",
             schemas[db].app_id, version + 1);
    err = fpd_conn_exec(conn, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = fpd_conn_exec(conn, schemas[db].steps[version]);
    if (!err)
        err = fpd_conn_exec(conn, sql);
    if (!err)
        err = fpd_conn_exec(conn, "COMMIT");
    if (err)
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

static int check_identity(struct fpd_conn *conn, enum fpd_db db,
                          int64_t *version, char *why, size_t size)
{
    int64_t app_id = 0, tables = 0;
    int err = fpd_conn_int(conn, &app_id, "PRAGMA application_id", "");

    if (!err)
        err = fpd_conn_int(conn, version, "PRAGMA user_version", "");
    if (!err)
        err = fpd_conn_int(conn, &tables, "SELECT count(*) FROM sqlite_schema",
                           "");
    if (err) {
        snprintf(why, size, "%s can't be read: %s", schemas[db].file,
                 err == FP_ERR_CORRUPT ? "it is no database, or damaged"
                                       : fp_strerror(err));
        return err;
    }
    if (app_id == 0 && *version == 0 && tables == 0)
        return FP_OK; /* new */
    if (app_id != schemas[db].app_id) {
        snprintf(why, size, "%s is a database of another program",
                 schemas[db].file);
        return FP_ERR_CORRUPT;
    }
    if (*version > (int64_t)schemas[db].step_count) {
        snprintf(why, size,
                 "%s has schema %" PRId64 ", made by a newer flashport; this "
                 "one knows schemas up to %u",
                 schemas[db].file, *version, schemas[db].step_count);
        return FP_ERR_NOTSUP;
    }
    return FP_OK;
}

int fpd_schema_apply(struct fpd_conn *conn, enum fpd_db db, char *why,
                     size_t size)
{
    int64_t version = 0;
    sqlite3_stmt *probe;
    int err = check_identity(conn, db, &version, why, size);

    if (err)
        return err;
    if (version == 0)
        err = fpd_conn_exec(conn, schemas[db].birth);
    if (!err)
        err = fpd_conn_exec(conn, "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA journal_size_limit = 1048576;"
                                  "PRAGMA foreign_keys = 1;");
    for (; !err && version < (int64_t)schemas[db].step_count; version++)
        err = step_up(conn, db, (unsigned)version);
    if (err) {
        snprintf(why, size, "%s can't be set up: %s", schemas[db].file,
                 fp_strerror(err));
        return err;
    }
    err = fpd_stmt_bind(conn, &probe, schemas[db].probe, "");
    if (err)
        snprintf(why, size, "%s lacks tables that its schema has: %s",
                 schemas[db].file, sqlite3_errmsg(conn->db));
    return err;
}
