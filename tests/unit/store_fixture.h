/* SPDX-License-Identifier: MIT
 *
 * What the tests of the store share: a folder of their own, images from a
 * seed, and a look into the databases with SQLite itself.
 */
#ifndef FP_TESTS_STORE_FIXTURE_H
#define FP_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/store/bdev.h"
#include "daemon/store/builder.h"
#include "daemon/store/devices.h"
#include "daemon/store/jobs.h"
#include "daemon/store/tokens.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char dir[64];
    struct fpd_store *store;
};

__attribute__((unused)) static int fixture_open(struct fixture *f)
{
    char why[256] = "";
    int err = fpd_store_open(f->dir, &f->store, why, sizeof why);

    if (err)
        fprintf(stderr, "open: %d %s\n", err, why);
    return err;
}

__attribute__((unused)) static int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    strcpy(f->dir, "/tmp/fp-store-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    *state = f;
    return fixture_open(f);
}

__attribute__((unused)) static int fixture_teardown(void **state)
{
    static const char *const names[] = { "store.db",     "store.db-wal",
                                         "store.db-shm", "meta.db",
                                         "meta.db-wal",  "meta.db-shm",
                                         "lock",         "reserve" };
    struct fixture *f = *state;

    fpd_store_close(f->store);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

/* xorshift64*: the same everywhere, from a seed. */
__attribute__((unused)) static uint64_t rnd(uint64_t *x)
{
    *x ^= *x >> 12;
    *x ^= *x << 25;
    *x ^= *x >> 27;
    return *x * 0x2545f4914f6cdd1du;
}

/* Half noise, half repetition, like firmware; never a fill. */
__attribute__((unused)) static void fill_chunk(uint8_t *out, size_t size,
                                               uint64_t seed)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < size; i++)
        out[i] = i < size / 2 ? (uint8_t)(rnd(&x) >> 32) : (uint8_t)(i % 32);
}

/* The one integer of a query, asked of SQLite and not of the store. */
__attribute__((unused)) static long long ask(const struct fixture *f,
                                             const char *file, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    char path[128];
    long long value = -1;

    snprintf(path, sizeof path, "%s/%s", f->dir, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    if (sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

/* Takes a snapshot of image[0..size) as a maker without digests. */
__attribute__((unused)) static int take(struct fpd_store *store,
                                        const char *device, const void *image,
                                        size_t size, uint32_t chunk_size,
                                        struct fpd_snapshot *out)
{
    struct fpd_store_builder_config cfg = {
        .device = device,
        .storage = "flash0",
        .size = size,
        .chunk_size = chunk_size,
    };
    struct fpd_store_builder_end end = {
        .consistency = FPD_CONSISTENCY_GENERATION,
    };
    struct fpd_store_builder *b;
    int err = fpd_store_builder_new(store, &cfg, &b);

    if (err)
        return err;
    for (size_t off = 0; !err && off < size; off += chunk_size)
        err = fpd_store_builder_put(
            b, (uint32_t)(off / chunk_size), (const uint8_t *)image + off,
            size - off < chunk_size ? size - off : chunk_size);
    if (!err)
        err = fpd_store_builder_commit(b, &end, out);
    fpd_store_builder_free(b);
    return err;
}

/* 0 if the snapshot reads back as image[0..size). */
__attribute__((unused)) static int compare(struct fpd_store *store,
                                           const char *id, const void *image,
                                           size_t size)
{
    struct fpd_snapshot_reader *r;
    uint8_t *buf = malloc(size);
    int err = fpd_store_snapshot_open(store, id, &r);

    if (!err) {
        err = fpd_store_snapshot_read(r, 0, buf, size, NULL);
        if (!err && memcmp(buf, image, size) != 0)
            err = 1;
        fpd_store_snapshot_close(r);
    }
    free(buf);
    return err;
}

/* Changes the databases behind the store's back. */
static inline void damage(struct fixture *f, const char *file, const char *sql)
{
    sqlite3 *db;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", f->dir, file);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

#endif
