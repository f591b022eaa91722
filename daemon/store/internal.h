/* SPDX-License-Identifier: MIT
 *
 * The store from within: its writer thread, its pool of readers, and what the
 * sweep must leave alone. Private to daemon/store.
 *
 * Who owns what
 *   writer[], reserve, full
 *                the writer thread alone
 *   readers[]    pool, behind pool_lock; a connection taken is the taker's
 *   builders, open_readers, sweep
 *                behind pin_lock. The writer holds it while it deletes, so
 *                whoever pins a digest and looks afterwards finds the chunk
 *                either pinned or gone.
 */
#ifndef FPD_STORE_INTERNAL_H
#define FPD_STORE_INTERNAL_H

#include "daemon/store/db.h"
#include "daemon/store/idset.h"
#include "daemon/store/snapshot.h"
#include "daemon/store/store.h"
#include "daemon/time.h"

#include <pthread.h>

/* Entries of one node, and the most bytes they take: see node.c. */
#define FPD_NODE_KIDS 256
#define FPD_NODE_SIZE (FPD_NODE_KIDS * 17)
/* Levels of a tree over FPD_STORE_CHUNKS_MAX chunks. */
#define FPD_NODE_LEVELS 3

struct fpd_store_command; /* writer.c */

/* A builder's hold on what it has named. */
struct fpd_store_pins {
    struct fpd_idset chunks;
    struct fpd_store_pins *next;
};

/* What a sweep under way has found alive. */
struct fpd_store_live {
    struct fpd_idset chunks;
    struct fpd_idset nodes;
    struct fpd_idset kept; /* nodes of commits meanwhile: those are not looked
                              below, as a commit may fail after all */
    int err; /* something could not be added: nothing more may be freed */
};

struct fpd_store {
    char *dir;
    int lock_fd;

    pthread_t thread;
    pthread_mutex_t queue_lock;
    pthread_cond_t queued;
    struct fpd_store_command *first, *last;
    bool stop;
    struct fpd_conn *writer[FPD_DB_COUNT];
    int reserve; /* bytes that room.c holds */
    bool full;

    pthread_mutex_t pool_lock;
    struct fpd_conn *readers[FPD_DB_COUNT];
    unsigned reader_count[FPD_DB_COUNT];

    pthread_mutex_t pin_lock;
    struct fpd_store_pins *builders;
    struct fpd_snapshot_reader *open_readers;
    struct fpd_store_live *sweep; /* of the one under way, or NULL */
};

/* ---- writer.c ---- */

int fpd_writer_start(struct fpd_store *store);
void fpd_writer_stop(struct fpd_store *store);
/* Runs fn on the writer thread in one transaction and waits for its commit.
 * An error of fn, or of the commit, leaves nothing of it. */
typedef int (*fpd_write_fn)(struct fpd_store *store, struct fpd_conn *conn,
                            void *arg);
int fpd_store_write(struct fpd_store *store, enum fpd_db db, fpd_write_fn fn,
                    void *arg);
/* The same for what makes the store larger, by about `bytes`. FP_ERR_NOSPC
 * where there is not room enough; other writes are done then all the same, as
 * long as the reserve lasts. */
int fpd_store_grow(struct fpd_store *store, enum fpd_db db, uint64_t bytes,
                   fpd_write_fn fn, void *arg);
/* Moves the logs into the databases, with the reserve given up for it. Of the
 * writer thread, or before there is one. */
void fpd_writer_settle(struct fpd_store *store);
/* Moves the log into the database now. */
int fpd_store_checkpoint(struct fpd_store *store, enum fpd_db db);

/* ---- room.c: of the writer thread ---- */

/* Gives up the reserve. */
void fpd_room_lend(struct fpd_store *store);
/* Makes it anew, as large as there is room for. Is it whole? */
bool fpd_room_keep(struct fpd_store *store);
/* Is there room to grow by `bytes`, with the reserve whole? */
bool fpd_room_fits(struct fpd_store *store, uint64_t bytes);

/* ---- pool.c ---- */

int fpd_reader_take(struct fpd_store *store, enum fpd_db db,
                    struct fpd_conn **out);
void fpd_reader_give(struct fpd_store *store, enum fpd_db db,
                     struct fpd_conn *conn);
/* The same with one read transaction around a call's queries, which saves each
 * of them its locks. Never kept from one call of the store to the next. */
int fpd_reader_begin(struct fpd_store *store, enum fpd_db db,
                     struct fpd_conn **out);
void fpd_reader_end(struct fpd_store *store, enum fpd_db db,
                    struct fpd_conn *conn);
void fpd_reader_close_all(struct fpd_store *store);

/* ---- chunk.c ---- */

/* A chunk as it goes to disk: made by fpd_chunk_pack() on the caller's thread,
 * so that the writer only writes. */
struct fpd_packed {
    uint8_t id[16];
    uint8_t rest[16]; /* the second half of the SHA-256 */
    uint8_t codec;    /* FPD_CODEC_* */
    uint32_t size;
    uint32_t stored;
    const uint8_t *data;
};

enum {
    FPD_CODEC_RAW = 0,
    FPD_CODEC_ZSTD = 1
};

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

void fpd_sha256(const void *data, size_t size, uint8_t digest[32]);
/* Fills codec, stored and data from data[0..size); `buf` of FPD_STORE_CHUNK_MAX
 * bytes takes what is compressed, and data points there or at the original. */
void fpd_chunk_pack(struct ZSTD_CCtx_s *zstd, const void *data, size_t size,
                    uint8_t *buf, struct fpd_packed *out);
/* On the writer. 1: it was new, or replaced a damaged one; 0: it was there;
 * FP_ERR_DIGEST: another content has this id. */
int fpd_chunk_insert(struct fpd_conn *conn, const struct fpd_packed *chunk);
/* 1: there, sound, and of `size` bytes (0: any); 0: not. */
int fpd_chunk_present(struct fpd_conn *conn, const uint8_t id[16],
                      uint32_t size);
/* The same for content whose whole digest is known. FP_ERR_DIGEST: another
 * content has this id. */
int fpd_chunk_check(struct fpd_conn *conn, const uint8_t id[16],
                    const uint8_t rest[16]);
/* Reads, unpacks and hashes. FP_ERR_CORRUPT: not as it was stored;
 * FP_ERR_NOENT. buf has FPD_STORE_CHUNK_MAX bytes. */
int fpd_chunk_load(struct fpd_conn *conn, struct ZSTD_DCtx_s *zstd,
                   const uint8_t id[16], uint8_t *buf, uint32_t *size);
/* Says that chunk `id` is damaged: it is fetched anew when it comes by. */
int fpd_chunk_mark_bad(struct fpd_store *store, const uint8_t id[16]);

/* ---- node.c ---- */

unsigned fpd_node_top(uint32_t chunk_count); /* level of the root */
/* Chunks under one node of this level. */
uint32_t fpd_node_span(unsigned level);
/* Returns the bytes used of out[0..FPD_NODE_SIZE). */
size_t fpd_node_encode(const struct fpd_snapshot_entry *kids, unsigned count,
                       uint8_t *out);
void fpd_node_id(unsigned level, const uint8_t *kids, size_t size,
                 uint8_t id[16]);
/* FP_ERR_CORRUPT: missing, damaged, or of another level. */
int fpd_node_load(struct fpd_conn *conn, const uint8_t id[16], unsigned level,
                  struct fpd_snapshot_entry kids[FPD_NODE_KIDS],
                  unsigned *count);

/* ---- snapshot.c, reader.c ---- */

/* root may be NULL. */
int fpd_snapshot_find(struct fpd_conn *conn, const char *id,
                      struct fpd_snapshot *out, uint8_t root[16]);

struct fpd_snapshot_reader {
    struct fpd_store *store;
    struct fpd_snapshot info;
    uint8_t root[16];
    struct fpd_snapshot_reader *next; /* in store->open_readers */
    struct ZSTD_DCtx_s *zstd;
    struct {
        bool valid;
        uint32_t index; /* which node of its level */
        unsigned count;
        struct fpd_snapshot_entry kids[FPD_NODE_KIDS];
    } nodes[FPD_NODE_LEVELS]; /* the path read last */
    bool chunk_valid;
    uint32_t chunk_index; /* which one `chunk` holds */
    uint8_t chunk[FPD_STORE_CHUNK_MAX];
};

/* Bytes of a chunk: chunk_size, the last what is left. */
uint32_t fpd_snapshot_size_of(const struct fpd_snapshot_reader *r,
                              uint32_t chunk);

/* ---- store.c ---- */

/* Is text at most max bytes long? */
bool fpd_store_fits(const char *text, size_t max);

#endif
