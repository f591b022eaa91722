/* SPDX-License-Identifier: MIT */
#include "daemon/store/jobs.h"

#include "daemon/store/internal.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1000
#define KEEP     10000 /* jobs that ended */
#define LOG_KEEP 1000  /* lines a job */

#define COLUMNS                                                             \
    "SELECT id, kind, state, device, phase, unit, done, total, created_ms," \
    " started_ms, ended_ms, error, detail, request, result FROM job "

/* ---- writing ---- */

static int add_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct fpd_store_job *j = arg;
    int n = fpd_conn_run(
        conn,
        "INSERT INTO job(id, kind, state, device, phase, unit, done, total,"
        " created_ms, started_ms, ended_ms, error, detail, request, result)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
        "ttttttiiiiiittt", j->id, j->kind, j->state, j->device, j->phase,
        j->unit, (int64_t)j->done, (int64_t)j->total, j->created_ms,
        j->started_ms, j->ended_ms, (int64_t)j->error, j->detail, j->request,
        j->result);

    (void)store;
    if (n < 0)
        return n;
    n = fpd_conn_run(conn,
                     "DELETE FROM job WHERE ended_ms <> 0 AND id <="
                     " (SELECT id FROM job WHERE ended_ms <> 0"
                     " ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                     "i", (int64_t)KEEP);
    return n < 0 ? n : FP_OK;
}

static bool texts_fit(const struct fpd_store_job *job)
{
    return (!job->request ||
            fpd_store_fits(job->request, FPD_STORE_JOB_TEXT_MAX)) &&
           (!job->result ||
            fpd_store_fits(job->result, FPD_STORE_JOB_TEXT_MAX));
}

int fpd_store_job_add(struct fpd_store *store, struct fpd_store_job *job)
{
    if (!texts_fit(job) || (job->id[0] && !fpd_uuid_valid(job->id)))
        return FP_ERR_INVAL;
    if (!job->id[0]) {
        int err = fpd_uuid_new(job->id);

        if (err)
            return err;
    }
    if (!job->created_ms)
        job->created_ms = fpd_time_unix_ms();
    return fpd_store_write(store, FPD_DB_META, add_write, job);
}

static int update_write(struct fpd_store *store, struct fpd_conn *conn,
                        void *arg)
{
    const struct fpd_store_job *j = arg;
    int n = fpd_conn_run(
        conn,
        "UPDATE job SET state = ?2, phase = ?3, unit = ?4, done = ?5,"
        " total = ?6, started_ms = ?7, ended_ms = ?8, error = ?9, detail = ?10,"
        " result = ?11 WHERE id = ?1",
        "ttttiiiiitt", j->id, j->state, j->phase, j->unit, (int64_t)j->done,
        (int64_t)j->total, j->started_ms, j->ended_ms, (int64_t)j->error,
        j->detail, j->result);

    (void)store;
    return n < 0 ? n : n == 0 ? FP_ERR_NOENT : FP_OK;
}

int fpd_store_job_update(struct fpd_store *store,
                         const struct fpd_store_job *job)
{
    if (!texts_fit(job))
        return FP_ERR_INVAL;
    return fpd_store_write(store, FPD_DB_META, update_write, (void *)job);
}

/* ---- reading ---- */

static int text_new(sqlite3_stmt *stmt, int column, char **out)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    *out = text ? strdup(text) : NULL;
    return text && !*out ? FP_ERR_NOMEM : FP_OK;
}

static int from_row(sqlite3_stmt *stmt, struct fpd_store_job *out)
{
    int err;

    *out = (struct fpd_store_job){ 0 };
    fpd_column_text(stmt, 0, out->id, sizeof out->id);
    fpd_column_text(stmt, 1, out->kind, sizeof out->kind);
    fpd_column_text(stmt, 2, out->state, sizeof out->state);
    fpd_column_text(stmt, 3, out->device, sizeof out->device);
    fpd_column_text(stmt, 4, out->phase, sizeof out->phase);
    fpd_column_text(stmt, 5, out->unit, sizeof out->unit);
    out->done = (uint64_t)sqlite3_column_int64(stmt, 6);
    out->total = (uint64_t)sqlite3_column_int64(stmt, 7);
    out->created_ms = sqlite3_column_int64(stmt, 8);
    out->started_ms = sqlite3_column_int64(stmt, 9);
    out->ended_ms = sqlite3_column_int64(stmt, 10);
    out->error = sqlite3_column_int(stmt, 11);
    fpd_column_text(stmt, 12, out->detail, sizeof out->detail);
    err = text_new(stmt, 13, &out->request);
    if (!err)
        err = text_new(stmt, 14, &out->result);
    if (err)
        fpd_store_job_deinit(out);
    return err;
}

void fpd_store_job_deinit(struct fpd_store_job *job)
{
    free(job->request);
    free(job->result);
    job->request = job->result = NULL;
}

/* Takes the rows of a bound statement; after an error none is left. */
static int rows(sqlite3_stmt *stmt, struct fpd_store_job *out, size_t max,
                size_t *count)
{
    int err = FP_OK;

    *count = 0;
    while (*count < max && (err = fpd_stmt_step(stmt)) > 0) {
        err = from_row(stmt, &out[*count]);
        if (err)
            break;
        ++*count;
    }
    if (err >= 0)
        return FP_OK;
    while (*count > 0)
        fpd_store_job_deinit(&out[--*count]);
    return err;
}

int fpd_store_job_get(struct fpd_store *store, const char *id,
                      struct fpd_store_job *out)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    size_t count = 0;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt, COLUMNS "WHERE id = ?1", "t", id);
    if (!err)
        err = rows(stmt, out, 1, &count);
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err ? err : count == 0 ? FP_ERR_NOENT : FP_OK;
}

int fpd_store_job_list(struct fpd_store *store, const char *device,
                       const char *before, struct fpd_store_job *out,
                       size_t max, size_t *count)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err;

    *count = 0;
    if (before && !fpd_uuid_valid(before))
        return FP_ERR_INVAL;
    if (max > LIST_MAX)
        max = LIST_MAX;
    err = fpd_reader_take(store, FPD_DB_META, &conn);
    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt,
                        COLUMNS "WHERE (?1 IS NULL OR device = ?1) AND id < ?2"
                                " ORDER BY id DESC LIMIT ?3",
                        "tti", device, before ? before : "~", (int64_t)max);
    if (!err)
        err = rows(stmt, out, max, count);
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}

int fpd_store_job_unfinished(struct fpd_store *store, const char *after,
                             struct fpd_store_job *out, size_t max,
                             size_t *count)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    *count = 0;
    if (err)
        return err;
    if (max > LIST_MAX)
        max = LIST_MAX;
    err = fpd_stmt_bind(conn, &stmt,
                        COLUMNS "WHERE ended_ms = 0 AND id > ?1"
                                " ORDER BY id LIMIT ?2",
                        "ti", after ? after : "", (int64_t)max);
    if (!err)
        err = rows(stmt, out, max, count);
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}

/* ---- the log ---- */

struct line {
    const char *job;
    const char *text;
};

static int log_write(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    const struct line *line = arg;
    int64_t seq = 0;
    int n = fpd_conn_int(conn, &seq,
                         "SELECT (SELECT coalesce(max(seq), 0) + 1 FROM job_log"
                         " WHERE job = ?1) FROM job WHERE id = ?1",
                         "t", line->job);

    (void)store;
    if (n)
        return n;
    n = fpd_conn_run(conn, "INSERT INTO job_log VALUES(?1, ?2, ?3, ?4)", "tiit",
                     line->job, seq, fpd_time_unix_ms(), line->text);
    if (n >= 0)
        n = fpd_conn_run(conn,
                         "DELETE FROM job_log WHERE job = ?1 AND seq <= ?2",
                         "ti", line->job, seq - LOG_KEEP);
    return n < 0 ? n : FP_OK;
}

int fpd_store_job_log(struct fpd_store *store, const char *id, const char *text)
{
    char cut[FPD_STORE_LOG_LINE_MAX + 1];
    size_t n = strnlen(text, sizeof cut);

    if (n == sizeof cut)
        /* Back to where a character begins. */
        for (n--; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
            ;
    memcpy(cut, text, n);
    cut[n] = 0;
    return fpd_store_write(store, FPD_DB_META, log_write,
                           &(struct line){ id, cut });
}

int fpd_store_job_log_list(struct fpd_store *store, const char *id,
                           uint32_t after, struct fpd_store_log_line *out,
                           size_t max, size_t *count)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    *count = 0;
    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt,
                        "SELECT seq, at_ms, text FROM job_log WHERE job = ?1"
                        " AND seq > ?2 ORDER BY seq",
                        "ti", id, (int64_t)after);
    while (!err && *count < max && (err = fpd_stmt_step(stmt)) > 0) {
        struct fpd_store_log_line *line = &out[(*count)++];

        line->seq = (uint32_t)sqlite3_column_int64(stmt, 0);
        line->at_ms = sqlite3_column_int64(stmt, 1);
        fpd_column_text(stmt, 2, line->text, sizeof line->text);
        err = FP_OK;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}
