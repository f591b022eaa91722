/* SPDX-License-Identifier: MIT
 *
 * The folder: made, locked, its databases brought up to date, closed again.
 *
 * The lock is a flock on DIR/lock, because SQLite's own locks would let two
 * daemons in: each would read, write and sweep what the other's builders hold
 * pinned in memory. Pins need no table for the same reason: only this process
 * has any, and when it dies they are gone with the work they protected, which
 * the next sweep then frees.
 */
#include "daemon/store/internal.h"

#include "daemon/log.h"
#include "daemon/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_MAX 4000

bool fpd_store_fits(const char *text, size_t max)
{
    return strnlen(text, max + 1) <= max;
}

static int from_errno(int number)
{
    switch (number) {
    case ENOENT:
        return FP_ERR_NOENT;
    case EACCES:
    case EPERM:
        return FP_ERR_ACCES;
    case ENOSPC:
    case EDQUOT:
        return FP_ERR_NOSPC;
    case ENOTDIR:
        return FP_ERR_NOTDIR;
    case EROFS:
        return FP_ERR_ROFS;
    case ENOMEM:
        return FP_ERR_NOMEM;
    default:
        return FP_ERR_IO;
    }
}

/* Sets the sentence from errno. */
static int told(const char *what, const char *dir, char *why, size_t size)
{
    int number = errno;

    snprintf(why, size, "can't %s %s: %s", what, dir, strerror(number));
    return from_errno(number);
}

static int make_dir(const char *dir, char *why, size_t size)
{
    struct stat st;

    if (mkdir(dir, 0700) == 0 || errno == EEXIST) {
        if (stat(dir, &st) != 0)
            return told("look at", dir, why, size);
        if (S_ISDIR(st.st_mode))
            return FP_OK;
        errno = ENOTDIR;
    }
    return told("make the folder", dir, why, size);
}

static int take_lock(struct fpd_store *store, char *why, size_t size)
{
    char path[DIR_MAX + 32], text[32] = "";
    ssize_t n;

    snprintf(path, sizeof path, "%s/lock", store->dir);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return told("open", path, why, size);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return told("lock", path, why, size);
        n = read(store->lock_fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        snprintf(why, size,
                 "another flashportd (process %s) uses %s; stop it, or choose "
                 "another folder with --data",
                 text[0] ? text : "unknown", store->dir);
        return FP_ERR_BUSY;
    }
    /* Only a help for that sentence, so a failure to write it is no matter. */
    if (ftruncate(store->lock_fd, 0) == 0)
        dprintf(store->lock_fd, "%ld\n", (long)getpid());
    return FP_OK;
}

static int open_db(struct fpd_store *store, enum fpd_db db, char *why,
                   size_t size)
{
    char path[DIR_MAX + 32];
    int fd, err;

    snprintf(path, sizeof path, "%s/%s", store->dir, fpd_schema_file(db));
    /* Made here, because SQLite would make it with the mode of the umask; its
     * logs take the mode of the database. */
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return told("open", path, why, size);
    close(fd);
    err = fpd_conn_open(path, false, &store->writer[db]);
    if (err) {
        snprintf(why, size, "can't open %s: %s", path, fp_strerror(err));
        return err;
    }
    return fpd_schema_apply(store->writer[db], db, why, size);
}

/* What the daemon before left unfinished is told, once, in the job's log. */
static int tell_interrupted(struct fpd_conn *conn)
{
    int n = fpd_conn_run(
        conn,
        "INSERT INTO job_log(job, seq, at_ms, text)"
        " SELECT id, (SELECT coalesce(max(seq), 0) + 1 FROM job_log"
        " WHERE job = job.id), ?1, 'interrupted: the daemon stopped'"
        " FROM job WHERE ended_ms = 0",
        "i", fpd_time_unix_ms());

    if (n > 0)
        fpd_log(FPD_LOG_WARN, "store", "jobs were interrupted: count=%d", n);
    return n < 0 ? n : FP_OK;
}

static void unwind(struct fpd_store *store)
{
    fpd_reader_close_all(store);
    for (int db = 0; db < FPD_DB_COUNT; db++)
        fpd_conn_close(store->writer[db]);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_mutex_destroy(&store->queue_lock);
    pthread_cond_destroy(&store->queued);
    pthread_mutex_destroy(&store->pool_lock);
    pthread_mutex_destroy(&store->pin_lock);
    free(store->dir);
    free(store);
}

static int open_all(struct fpd_store *store, char *why, size_t size)
{
    int err = make_dir(store->dir, why, size);

    if (!err)
        err = take_lock(store, why, size);
    if (err)
        return err;
    fpd_room_lend(store); /* a database needs some room to be opened */
    for (int db = 0; !err && db < FPD_DB_COUNT; db++)
        err = open_db(store, (enum fpd_db)db, why, size);
    if (err) {
        fpd_room_keep(store);
        return err;
    }
    err = tell_interrupted(store->writer[FPD_DB_META]);
    if (err == FP_ERR_NOSPC) /* it can be read all the same */
        err = FP_OK;
    fpd_writer_settle(store);
    if (!err)
        err = fpd_writer_start(store);
    if (err)
        snprintf(why, size, "can't start the store: %s", fp_strerror(err));
    return err;
}

int fpd_store_open(const char *dir, struct fpd_store **out, char *why,
                   size_t size)
{
    struct fpd_store *store;
    int err;

    if (!dir[0] || !fpd_store_fits(dir, DIR_MAX)) {
        snprintf(why, size, "the data folder's name is empty or too long");
        return FP_ERR_NAMETOOLONG;
    }
    store = calloc(1, sizeof *store);
    if (!store) {
        snprintf(why, size, "not enough memory");
        return FP_ERR_NOMEM;
    }
    store->lock_fd = -1;
    pthread_mutex_init(&store->queue_lock, NULL);
    pthread_cond_init(&store->queued, NULL);
    pthread_mutex_init(&store->pool_lock, NULL);
    pthread_mutex_init(&store->pin_lock, NULL);
    store->dir = strdup(dir);
    err = store->dir ? open_all(store, why, size) : FP_ERR_NOMEM;
    if (err) {
        unwind(store);
        return err;
    }
    *out = store;
    return FP_OK;
}

void fpd_store_close(struct fpd_store *store)
{
    if (!store)
        return;
    FP_ASSERT(!store->builders && !store->open_readers && !store->sweep);
    fpd_writer_stop(store);
    fpd_writer_settle(store);
    unwind(store);
}

/* ---- settings ---- */

struct setting {
    const char *name, *value;
};

static int setting_write(struct fpd_store *store, struct fpd_conn *conn,
                         void *arg)
{
    const struct setting *s = arg;
    int n;

    (void)store;
    if (s->value)
        n = fpd_conn_run(conn, "INSERT OR REPLACE INTO setting VALUES(?1, ?2)",
                         "tt", s->name, s->value);
    else
        n = fpd_conn_run(conn, "DELETE FROM setting WHERE name = ?1", "t",
                         s->name);
    return n < 0 ? n : FP_OK;
}

int fpd_store_setting_set(struct fpd_store *store, const char *name,
                          const char *value)
{
    struct setting s = { name, value };

    if (!name[0] || !fpd_store_fits(name, 64) ||
        (value && !fpd_store_fits(value, 4096)))
        return FP_ERR_INVAL;
    return fpd_store_write(store, FPD_DB_META, setting_write, &s);
}

int fpd_store_setting_get(struct fpd_store *store, const char *name, char *buf,
                          size_t size)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_META, &conn);

    if (err)
        return err;
    err = fpd_stmt_bind(conn, &stmt,
                        "SELECT value FROM setting WHERE name = ?1", "t", name);
    if (!err)
        err = fpd_stmt_step(stmt);
    if (err > 0) {
        err = FP_OK;
        if ((size_t)sqlite3_column_bytes(stmt, 0) >= size)
            err = FP_ERR_NOMEM;
        else
            fpd_column_text(stmt, 0, buf, size);
    } else if (err == 0) {
        err = FP_ERR_NOENT;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_META, conn);
    return err;
}

/* ---- stats ---- */

static uint64_t disk_size(const struct fpd_store *store, enum fpd_db db,
                          const char *suffix)
{
    char path[DIR_MAX + 32];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s%s", store->dir, fpd_schema_file(db),
             suffix);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int fpd_store_stats(struct fpd_store *store, struct fpd_store_stats *out)
{
    struct fpd_conn *conn;
    sqlite3_stmt *stmt = NULL;
    int err = fpd_reader_take(store, FPD_DB_STORE, &conn);

    if (err)
        return err;
    *out = (struct fpd_store_stats){ 0 };
    err = fpd_stmt_bind(
        conn, &stmt,
        "SELECT (SELECT count(*) FROM snapshot), (SELECT count(*) FROM node),"
        " count(*), coalesce(sum(size), 0), coalesce(sum(stored), 0)"
        " FROM chunk",
        "");
    if (!err)
        err = fpd_stmt_step(stmt);
    if (err > 0) {
        out->snapshots = (uint64_t)sqlite3_column_int64(stmt, 0);
        out->nodes = (uint64_t)sqlite3_column_int64(stmt, 1);
        out->chunks = (uint64_t)sqlite3_column_int64(stmt, 2);
        out->content_bytes = (uint64_t)sqlite3_column_int64(stmt, 3);
        out->stored_bytes = (uint64_t)sqlite3_column_int64(stmt, 4);
        err = FP_OK;
    }
    fpd_stmt_done(stmt);
    fpd_reader_give(store, FPD_DB_STORE, conn);
    for (int db = 0; db < FPD_DB_COUNT; db++)
        out->disk_bytes += disk_size(store, (enum fpd_db)db, "") +
                           disk_size(store, (enum fpd_db)db, "-wal");
    return err;
}
