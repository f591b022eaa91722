/* SPDX-License-Identifier: MIT
 *
 * The store: the one place of the daemon that talks SQLite. Two databases in
 * one folder: store.db holds content (snapshots, nodes, chunks), meta.db what
 * is small and changes often (devices, labels, jobs, tokens, settings).
 *
 *     store.h     the folder, its chunks, verify and sweep  (this file)
 *     builder.h   making a snapshot
 *     snapshot.h  listing, reading and deleting snapshots
 *     bdev.h      a snapshot as a read-only block device
 *     devices.h   devices that were seen, labels
 *     jobs.h      jobs and their log
 *     tokens.h    who may use the API
 *     uuid.h      ids
 *
 * Memory  fpd_store_open() gives a store, _close() takes it; handles made from
 *         it must be closed first
 * Errors  0 or a negative enum fp_error: NOSPC the disk is full, CORRUPT a
 *         database or its content is damaged, BUSY somebody else holds it,
 *         IO the disk failed, NOMEM
 * Thread  every function from any thread, unless a handle says otherwise. One
 *         thread of the store writes; writing calls wait for it, and when they
 *         return success it is on disk. Readers never wait for a writer, and
 *         no database transaction stays open between two calls.
 */
#ifndef FPD_STORE_STORE_H
#define FPD_STORE_STORE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_STORE_DIGEST_SIZE 16    /* a chunk's id */
#define FPD_STORE_CHUNK_MAX   65536 /* bytes of one chunk */

struct fpd_store;

/* Makes `dir` (0700) and the databases (0600) where they are missing, brings
 * older ones up to date, and takes the folder for this process alone. Jobs
 * that a dead daemon left unfinished get a line in their log that says so. A
 * store that is up to date opens on a full disk too.
 * On an error why[0..size) gets a sentence for a person. FP_ERR_BUSY: another
 * process has the folder; FP_ERR_NOTSUP: a newer flashport made it;
 * FP_ERR_CORRUPT: not a store of ours, or damaged. */
int fpd_store_open(const char *dir, struct fpd_store **out, char *why,
                   size_t size);
/* Waits for what is being written. Accepts NULL. */
void fpd_store_close(struct fpd_store *store);

/* ---- chunks ---- */

/* The first 16 bytes of the SHA-256 of data[0..size). */
void fpd_store_digest(const void *data, size_t size,
                      uint8_t id[FPD_STORE_DIGEST_SIZE]);
/* Are the bytes all the same? *byte is which. */
bool fpd_store_is_fill(const void *data, size_t size, uint8_t *byte);

/* present[i] says whether the chunk ids[i] is there and sound. It may be gone
 * a moment later: who builds a snapshot asks fpd_store_builder_offer(). */
int fpd_store_have(struct fpd_store *store,
                   const uint8_t (*ids)[FPD_STORE_DIGEST_SIZE], size_t count,
                   bool *present);

/* ---- upkeep ---- */

/* Called between slices of long work; a value other than 0 ends it, and is
 * what the work returns (FP_ERR_CANCELED is meant). */
typedef int (*fpd_store_progress_fn)(void *ctx, uint64_t done, uint64_t total);

struct fpd_store_verify {
    uint64_t chunks;  /* read and hashed again */
    uint64_t bytes;   /* of their content */
    uint64_t bad;     /* damaged chunks; fetched anew by the next backup */
    uint64_t missing; /* chunks or nodes named by something, yet not there */
    uint64_t nodes_bad;
};

/* Reads and hashes again all that snapshot `id` names, or everything if NULL.
 * FP_OK when it came to its end, whatever it found: look at out. FP_ERR_NOENT:
 * no such snapshot. `progress` may be NULL. */
int fpd_store_verify(struct fpd_store *store, const char *id,
                     fpd_store_progress_fn progress, void *ctx,
                     struct fpd_store_verify *out);

struct fpd_store_sweep {
    uint64_t chunks; /* freed */
    uint64_t nodes;
    uint64_t bytes; /* as they were stored, compressed */
};

/* Frees what no snapshot, no open handle and no builder names, and gives the
 * space back to the disk. FP_ERR_BUSY: a sweep is running already;
 * FP_ERR_CORRUPT: a node is missing or damaged, so that it cannot be known
 * what is still named: nothing is freed. `progress` may be NULL. */
int fpd_store_sweep(struct fpd_store *store, fpd_store_progress_fn progress,
                    void *ctx, struct fpd_store_sweep *out);

/* FP_ERR_NOSPC: the disk has no room for content; what is stored is read, and
 * can be deleted and swept, and small things such as the states of jobs are
 * stored in a reserve (a file of the folder) as long as it lasts. */
int fpd_store_room(struct fpd_store *store);

struct fpd_store_stats {
    uint64_t snapshots;
    uint64_t chunks;
    uint64_t nodes;
    uint64_t content_bytes; /* of the chunks, each once */
    uint64_t stored_bytes;  /* the same, compressed */
    uint64_t disk_bytes;    /* both databases and their logs */
};
int fpd_store_stats(struct fpd_store *store, struct fpd_store_stats *out);

/* ---- settings ---- */

/* A value of up to 4096 bytes under a short name; NULL removes it. */
int fpd_store_setting_set(struct fpd_store *store, const char *name,
                          const char *value);
/* FP_ERR_NOENT; FP_ERR_NOMEM: buf[0..size) is too small. */
int fpd_store_setting_get(struct fpd_store *store, const char *name, char *buf,
                          size_t size);

#endif
