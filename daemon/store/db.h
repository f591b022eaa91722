/* SPDX-License-Identifier: MIT
 *
 * SQLite as the rest of the store sees it: a connection with its prepared
 * statements, and statements that are bound in one call. Private to
 * daemon/store.
 *
 * Memory  fpd_conn_open() gives, _close() takes
 * Errors  SQLite's codes become ours in fpd_db_error(), here and nowhere else
 * Thread  a connection serves one thread at a time
 */
#ifndef FPD_STORE_DB_H
#define FPD_STORE_DB_H

#include "core/config.h"
#include "core/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Statements one connection keeps prepared. */
#define FPD_CONN_STMTS 64

enum fpd_db {
    FPD_DB_STORE,
    FPD_DB_META,
    FPD_DB_COUNT
};

struct fpd_conn {
    sqlite3 *db;
    struct fpd_conn *next; /* in the pool of readers */
    int wal_pages;         /* of the log after the last commit */
    unsigned stmt_count;
    struct {
        const char *sql; /* a literal: compared by address */
        sqlite3_stmt *stmt;
    } stmts[FPD_CONN_STMTS];
};

/* One of ours for an SQLite result code. */
int fpd_db_error(int rc);

/* A reader may not write and never checkpoints. */
int fpd_conn_open(const char *path, bool reader, struct fpd_conn **out);
void fpd_conn_close(struct fpd_conn *conn);
/* One or more statements without results. */
int fpd_conn_exec(struct fpd_conn *conn, const char *sql);

/* Prepares the literal `sql` once a connection and binds by `types`:
 *   i  int64_t             t  const char *, NULL stands for NULL
 *   b  const void *, size_t
 * What is bound stays valid until fpd_stmt_done(). */
int fpd_stmt_bind(struct fpd_conn *conn, sqlite3_stmt **out, const char *sql,
                  const char *types, ...);
/* 1: a row; 0: no more; or an error. */
int fpd_stmt_step(sqlite3_stmt *stmt);
/* Ends its read transaction; accepts NULL. */
void fpd_stmt_done(sqlite3_stmt *stmt);

/* Bind, run to the end, reset: for what changes rows. Returns how many rows it
 * changed. */
int fpd_conn_run(struct fpd_conn *conn, const char *sql, const char *types,
                 ...);
/* The one integer a query gives; FP_ERR_NOENT without a row. */
int fpd_conn_int(struct fpd_conn *conn, int64_t *out, const char *sql,
                 const char *types, ...);

/* A text column into buf[0..size), cut to fit; "" for NULL. */
void fpd_column_text(sqlite3_stmt *stmt, int column, char *buf, size_t size);
/* A blob column of exactly `size` bytes. */
int fpd_column_blob(sqlite3_stmt *stmt, int column, void *buf, size_t size);

#endif
