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
 */
#include "daemon/store/internal.h"

#include "daemon/log.h"

#define LOG_MAX (1 << 20) /* bytes */

struct fpd_store_command {
    enum fpd_db db;
    fpd_write_fn fn; /* NULL: a checkpoint */
    void *arg;
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

static int run(struct fpd_store *store, struct fpd_store_command *cmd)
{
    struct fpd_conn *conn = store->writer[cmd->db];
    int err;

    if (!cmd->fn)
        return checkpoint(conn, SQLITE_CHECKPOINT_TRUNCATE);
    err = fpd_conn_exec(conn, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = cmd->fn(store, conn, cmd->arg);
    if (!err)
        err = fpd_conn_exec(conn, "COMMIT");
    /* Some failures (a full disk) have rolled back already. */
    if (err && !sqlite3_get_autocommit(conn->db))
        sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
    if (!err)
        maybe_checkpoint(conn, cmd->db);
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
