/* SPDX-License-Identifier: MIT */
#include "daemon/store/db.h"

#include "daemon/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Nobody else opens the databases but a person with the sqlite3 shell: wait
 * for that one, for a while. */
#define BUSY_MS 5000

int fpd_db_error(int rc)
{
    if (rc == SQLITE_IOERR_SHMSIZE) /* its index of the log did not fit */
        return FP_ERR_NOSPC;
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return FP_OK;
    case SQLITE_FULL:
        return FP_ERR_NOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FP_ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: /* a table that is not as the schema says */
        return FP_ERR_CORRUPT;
    case SQLITE_NOMEM:
        return FP_ERR_NOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return FP_ERR_ACCES;
    case SQLITE_READONLY:
        return FP_ERR_ROFS;
    case SQLITE_CONSTRAINT:
        return FP_ERR_EXIST;
    case SQLITE_TOOBIG:
        return FP_ERR_FBIG;
    case SQLITE_INTERRUPT:
        return FP_ERR_CANCELED;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return FP_ERR_INVAL;
    default: /* IOERR, PROTOCOL and what is yet to be invented */
        return FP_ERR_IO;
    }
}

/* Logs where SQLite failed, with its own words, and translates. A taken key
 * is no failure of the database. */
static int failed(struct fpd_conn *conn, int rc)
{
    int err = fpd_db_error(rc);

    if (err != FP_OK && err != FP_ERR_EXIST && conn->db)
        fpd_log(FPD_LOG_ERROR, "store", "database: %s: sqlite=%d",
                sqlite3_errmsg(conn->db), sqlite3_extended_errcode(conn->db));
    return err;
}

static int on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct fpd_conn *conn = ctx;

    (void)db;
    (void)name;
    conn->wal_pages = pages;
    return SQLITE_OK;
}

int fpd_conn_open(const char *path, bool reader, struct fpd_conn **out)
{
    struct fpd_conn *conn = calloc(1, sizeof *conn);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc, err;

    if (!conn)
        return FP_ERR_NOMEM;
    if (!reader)
        flags |= SQLITE_OPEN_CREATE;
    rc = sqlite3_open_v2(path, &conn->db, flags, NULL);
    if (rc != SQLITE_OK) {
        err = failed(conn, rc);
        fpd_conn_close(conn);
        return err;
    }
    sqlite3_extended_result_codes(conn->db, 1);
    sqlite3_busy_timeout(conn->db, BUSY_MS);
    /* A hostile file must not make SQL of ours do what it does not say. */
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (reader) {
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        err = fpd_conn_exec(conn, "PRAGMA query_only = 1;");
        if (err) {
            fpd_conn_close(conn);
            return err;
        }
    } else {
        /* In place of SQLite's own hook, which moves the log; the pragma
         * wal_autocheckpoint would put that one back, or none. */
        sqlite3_wal_hook(conn->db, on_wal, conn);
    }
    *out = conn;
    return FP_OK;
}

void fpd_conn_close(struct fpd_conn *conn)
{
    if (!conn)
        return;
    for (unsigned i = 0; i < conn->stmt_count; i++)
        sqlite3_finalize(conn->stmts[i].stmt);
    sqlite3_close(conn->db);
    free(conn);
}

int fpd_conn_exec(struct fpd_conn *conn, const char *sql)
{
    int rc = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? FP_OK : failed(conn, rc);
}

static int prepare(struct fpd_conn *conn, const char *sql, sqlite3_stmt **out)
{
    int rc;

    for (unsigned i = 0; i < conn->stmt_count; i++) {
        if (conn->stmts[i].sql == sql) {
            *out = conn->stmts[i].stmt;
            return FP_OK;
        }
    }
    FP_ASSERT(conn->stmt_count < FPD_CONN_STMTS);
    rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                            NULL);
    if (rc != SQLITE_OK)
        return failed(conn, rc);
    conn->stmts[conn->stmt_count].sql = sql;
    conn->stmts[conn->stmt_count++].stmt = *out;
    return FP_OK;
}

static int bind(struct fpd_conn *conn, sqlite3_stmt **out, const char *sql,
                const char *types, va_list args)
{
    int err = prepare(conn, sql, out);

    if (err) {
        *out = NULL;
        return err;
    }
    for (int i = 1; *types; types++, i++) {
        int rc;

        if (*types == 'i') {
            rc = sqlite3_bind_int64(*out, i, va_arg(args, int64_t));
        } else if (*types == 't') {
            rc = sqlite3_bind_text(*out, i, va_arg(args, const char *), -1,
                                   SQLITE_STATIC);
        } else {
            const void *data = va_arg(args, const void *);
            size_t size = va_arg(args, size_t);

            rc = sqlite3_bind_blob64(*out, i, data, size, SQLITE_STATIC);
        }
        if (rc != SQLITE_OK) {
            fpd_stmt_done(*out);
            *out = NULL;
            return failed(conn, rc);
        }
    }
    return FP_OK;
}

int fpd_stmt_bind(struct fpd_conn *conn, sqlite3_stmt **out, const char *sql,
                  const char *types, ...)
{
    va_list args;
    int err;

    va_start(args, types);
    err = bind(conn, out, sql, types, args);
    va_end(args);
    return err;
}

int fpd_stmt_step(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    if ((rc & 0xff) != SQLITE_CONSTRAINT)
        fpd_log(FPD_LOG_ERROR, "store", "database: %s: sqlite=%d",
                sqlite3_errmsg(sqlite3_db_handle(stmt)), rc);
    return fpd_db_error(rc);
}

void fpd_stmt_done(sqlite3_stmt *stmt)
{
    if (!stmt)
        return;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

int fpd_conn_run(struct fpd_conn *conn, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    int err;

    va_start(args, types);
    err = bind(conn, &stmt, sql, types, args);
    va_end(args);
    if (err)
        return err;
    do
        err = fpd_stmt_step(stmt);
    while (err > 0);
    fpd_stmt_done(stmt);
    return err < 0 ? err : sqlite3_changes(conn->db);
}

int fpd_conn_int(struct fpd_conn *conn, int64_t *out, const char *sql,
                 const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list args;
    int err;

    va_start(args, types);
    err = bind(conn, &stmt, sql, types, args);
    va_end(args);
    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err > 0)
        *out = sqlite3_column_int64(stmt, 0);
    fpd_stmt_done(stmt);
    return err > 0 ? FP_OK : err < 0 ? err : FP_ERR_NOENT;
}

void fpd_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    size_t n = text ? strlen((const char *)text) : 0;

    if (n >= size)
        n = size - 1;
    if (n > 0)
        memcpy(buf, text, n);
    buf[n] = 0;
}

int fpd_column_blob(sqlite3_stmt *stmt, int column, void *buf, size_t size)
{
    const void *data = sqlite3_column_blob(stmt, column);

    if (!data || (size_t)sqlite3_column_bytes(stmt, column) != size)
        return FP_ERR_CORRUPT;
    memcpy(buf, data, size);
    return FP_OK;
}
