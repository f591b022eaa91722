/* SPDX-License-Identifier: MIT
 *
 * Connections that read: as many as there are threads reading at this moment,
 * a few of them kept for the next.
 */
#include "daemon/store/internal.h"
#include "daemon/store/schema.h"

#include <stdio.h>
#include <stdlib.h>

#define POOL_KEEP 8

int fpd_reader_take(struct fpd_store *store, enum fpd_db db,
                    struct fpd_conn **out)
{
    char path[4096];

    pthread_mutex_lock(&store->pool_lock);
    *out = store->readers[db];
    if (*out) {
        store->readers[db] = (*out)->next;
        store->reader_count[db]--;
    }
    pthread_mutex_unlock(&store->pool_lock);
    if (*out)
        return FP_OK;
    snprintf(path, sizeof path, "%s/%s", store->dir, fpd_schema_file(db));
    return fpd_conn_open(path, true, out);
}

void fpd_reader_give(struct fpd_store *store, enum fpd_db db,
                     struct fpd_conn *conn)
{
    if (!conn)
        return;
    pthread_mutex_lock(&store->pool_lock);
    if (store->reader_count[db] < POOL_KEEP) {
        conn->next = store->readers[db];
        store->readers[db] = conn;
        store->reader_count[db]++;
        conn = NULL;
    }
    pthread_mutex_unlock(&store->pool_lock);
    fpd_conn_close(conn);
}

int fpd_reader_begin(struct fpd_store *store, enum fpd_db db,
                     struct fpd_conn **out)
{
    int err = fpd_reader_take(store, db, out);

    if (err)
        return err;
    err = fpd_conn_run(*out, "BEGIN", "");
    if (err < 0) {
        fpd_reader_give(store, db, *out);
        return err;
    }
    return FP_OK;
}

void fpd_reader_end(struct fpd_store *store, enum fpd_db db,
                    struct fpd_conn *conn)
{
    fpd_conn_run(conn, "ROLLBACK", "");
    fpd_reader_give(store, db, conn);
}

void fpd_reader_close_all(struct fpd_store *store)
{
    for (int db = 0; db < FPD_DB_COUNT; db++) {
        while (store->readers[db]) {
            struct fpd_conn *conn = store->readers[db];

            store->readers[db] = conn->next;
            fpd_conn_close(conn);
        }
    }
}
