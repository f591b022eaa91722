/* SPDX-License-Identifier: MIT
 *
 * The writer: one thread, a queue of commands, a transaction each. A command
 * lies on the stack of its caller, who sleeps until it is done, so the queue is
 * as long as there are callers and needs no limit of its own.
 *
 * The log (WAL) is moved into the database by this thread alone, after a commit
 * that left it longer than LOG_MAX, and when the store is closed. PASSIVE never
 * waits for readers; as those hold a transaction only for one chunk, the next
 * commit finds them gone.
 *
 * On a full disk the logs are moved and cut off, with the reserve (room.c)
 * given up for it, and what does not grow the store is done once more.
 */
#include "daemon/store/internal.h"

#include "daemon/log.h"

#define LOG_MAX (1 << 20) /* bytes */

struct fpd_store_command {
    enum fpd_db db;
    fpd_write_fn fn; /* NULL: a checkpoint */
    void *arg;
    uint64_t grows; /* bytes; 0: it is done on a full disk too */
    int err;
    bool done;
    pthread_cond_t finished;
    struct fpd_store_command *next;
};

static int checkpoint(struct fpd_conn *conn, int mode)
{
    int rc = sqlite3_wal_checkpoint_v2(conn->db, NULL, mode, NULL, NULL);

    /* BUSY: a reader still needs the log, so the rest moves next time. */
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return FP_OK;
    fpd_log(FPD_LOG_ERROR, "store", "can't move the log: %s",
            sqlite3_errmsg(conn->db));
    return fpd_db_error(rc);
}

static void maybe_checkpoint(struct fpd_conn *conn, enum fpd_db db)
{
    int page = db == FPD_DB_STORE ? 65536 : 4096;

    if (conn->wal_pages > LOG_MAX / page) {
        conn->wal_pages = 0;
        checkpoint(conn, SQLITE_CHECKPOINT_PASSIVE);
    }
}

static void cut_logs(struct fpd_store *store)
{
    for (int db = 0; db < FPD_DB_COUNT; db++)
        checkpoint(store->writer[db], SQLITE_CHECKPOINT_TRUNCATE);
}

void fpd_writer_settle(struct fpd_store *store)
{
    fpd_room_lend(store);
    cut_logs(store);
    fpd_room_keep(store);
}

static int transact(struct fpd_store *store, struct fpd_store_command *cmd)
{
    struct fpd_conn *conn = store->writer[cmd->db];
    int err = fpd_conn_exec(conn, "BEGIN IMMEDIATE");

    if (err)
        return err;
    err = cmd->fn(store, conn, cmd->arg);
    if (!err)
        err = fpd_conn_exec(conn, "COMMIT");
    /* Some failures (a full disk) have rolled back already. */
    if (err && !sqlite3_get_autocommit(conn->db))
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* What does not grow, once more, where the disk was full. */
static int transact_in_reserve(struct fpd_store *store,
                               struct fpd_store_command *cmd)
{
    int err;

    fpd_room_lend(store);
    cut_logs(store);
    err = transact(store, cmd);
    cut_logs(store);
    fpd_room_keep(store);
    return err;
}

static bool fits(struct fpd_store *store, uint64_t bytes)
{
    if (fpd_room_fits(store, bytes))
        return true;
    fpd_writer_settle(store);
    return fpd_room_fits(store, bytes);
}

static int run(struct fpd_store *store, struct fpd_store_command *cmd)
{
    struct fpd_conn *conn = store->writer[cmd->db];
    int err;

    if (!cmd->fn)
        return checkpoint(conn, SQLITE_CHECKPOINT_TRUNCATE);
    if (cmd->grows && !fits(store, cmd->grows))
        return FP_ERR_NOSPC;
    err = transact(store, cmd);
    if (!err)
        maybe_checkpoint(conn, cmd->db);
    else if (err == FP_ERR_NOSPC && !cmd->grows)
        err = transact_in_reserve(store, cmd);
    else if (err == FP_ERR_NOSPC)
        fpd_writer_settle(store);
    return err;
}

static void *writer_main(void *arg)
{
    struct fpd_store *store = arg;

    pthread_mutex_lock(&store->queue_lock);
    for (;;) {
        struct fpd_store_command *cmd = store->first;
        int err;

        if (!cmd) {
            if (store->stop)
                break;
            pthread_cond_wait(&store->queued, &store->queue_lock);
            continue;
        }
        store->first = cmd->next;
        if (!store->first)
            store->last = NULL;
        pthread_mutex_unlock(&store->queue_lock);
        err = run(store, cmd);
        pthread_mutex_lock(&store->queue_lock);
        cmd->err = err;
        cmd->done = true;
        pthread_cond_signal(&cmd->finished);
    }
    pthread_mutex_unlock(&store->queue_lock);
    return NULL;
}

static int submit(struct fpd_store *store, struct fpd_store_command *cmd)
{
    pthread_cond_init(&cmd->finished, NULL);
    pthread_mutex_lock(&store->queue_lock);
    if (store->last)
        store->last->next = cmd;
    else
        store->first = cmd;
    store->last = cmd;
    pthread_cond_signal(&store->queued);
    while (!cmd->done)
        pthread_cond_wait(&cmd->finished, &store->queue_lock);
    pthread_mutex_unlock(&store->queue_lock);
    pthread_cond_destroy(&cmd->finished);
    return cmd->err;
}

int fpd_store_write(struct fpd_store *store, enum fpd_db db, fpd_write_fn fn,
                    void *arg)
{
    struct fpd_store_command cmd = { .db = db, .fn = fn, .arg = arg };

    return submit(store, &cmd);
}

int fpd_store_grow(struct fpd_store *store, enum fpd_db db, uint64_t bytes,
                   fpd_write_fn fn, void *arg)
{
    struct fpd_store_command cmd = {
        .db = db, .fn = fn, .arg = arg, .grows = bytes + 1
    };

    return submit(store, &cmd);
}

static int nothing(struct fpd_store *store, struct fpd_conn *conn, void *arg)
{
    (void)store;
    (void)conn;
    (void)arg;
    return FP_OK;
}

int fpd_store_room(struct fpd_store *store)
{
    return fpd_store_grow(store, FPD_DB_STORE, 0, nothing, NULL);
}

int fpd_store_checkpoint(struct fpd_store *store, enum fpd_db db)
{
    struct fpd_store_command cmd = { .db = db };

    return submit(store, &cmd);
}

int fpd_writer_start(struct fpd_store *store)
{
    return pthread_create(&store->thread, NULL, writer_main, store) == 0
               ? FP_OK
               : FP_ERR_NOMEM;
}

void fpd_writer_stop(struct fpd_store *store)
{
    pthread_mutex_lock(&store->queue_lock);
    store->stop = true;
    pthread_cond_signal(&store->queued);
    pthread_mutex_unlock(&store->queue_lock);
    pthread_join(store->thread, NULL);
}
