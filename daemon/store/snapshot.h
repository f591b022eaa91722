/* SPDX-License-Identifier: MIT
 *
 * Snapshots: listed, read, marked, deleted. Making one is builder.h.
 *
 * Memory  lists are arrays of the caller; _open() gives a handle, _close()
 *         takes it
 * Errors  FP_ERR_NOENT: no such snapshot
 * Thread  a handle serves one thread at a time
 */
#ifndef FPD_STORE_SNAPSHOT_H
#define FPD_STORE_SNAPSHOT_H

#include "daemon/store/store.h"
#include "daemon/store/uuid.h"

/* How it is known that the image is of one moment. */
enum fpd_consistency {
    FPD_CONSISTENCY_GENERATION = 1, /* the generation did not move */
    FPD_CONSISTENCY_FROZEN,         /* the device held its writes */
    FPD_CONSISTENCY_QUIESCED,       /* nobody had it mounted for writing */
    FPD_CONSISTENCY_DOUBLE_READ,    /* two readings were the same */
};
/* "generation", "frozen", "quiesced", "double-read"; "unknown". */
const char *fpd_consistency_name(enum fpd_consistency consistency);

struct fpd_snapshot {
    char id[FPD_UUID_SIZE];
    char device[65];
    char storage[17];
    char region[17];   /* "" for the whole storage */
    char fs[17];       /* what was found in it; "" */
    char firmware[33]; /* of the device when it was taken */
    char tags[1024];   /* the caller's, JSON by custom; "" */
    int64_t taken_ms;  /* unix */
    uint64_t off;      /* where in the storage it starts */
    uint64_t size;     /* bytes of the image */
    uint32_t chunk_size;
    uint32_t chunk_count; /* the last may be shorter */
    uint32_t unreadable;  /* chunks */
    bool complete;        /* unreadable == 0 */
    bool pinned;          /* kept by prune whatever the policy says */
    enum fpd_consistency consistency;
    uint8_t epoch[8]; /* of the device, with gen: "what changed since" */
    uint32_t gen;
    uint64_t new_bytes; /* that it added to the store, compressed */
};

struct fpd_snapshot_filter {
    const char *device;  /* NULL: any */
    const char *storage; /* NULL: any */
    const char *before;  /* id: only older ones, for the next page; NULL */
};

/* The newest first. *count gets how many stand in out, at most max (1000 at
 * once). When it is max there may be more: call again with the last id as
 * `before`. FP_ERR_INVAL: `before` is no id. */
int fpd_store_snapshot_list(struct fpd_store *store,
                            const struct fpd_snapshot_filter *filter,
                            struct fpd_snapshot *out, size_t max,
                            size_t *count);
int fpd_store_snapshot_get(struct fpd_store *store, const char *id,
                           struct fpd_snapshot *out);
/* Its content goes with the next sweep, once no handle is open on it.
 * FP_ERR_ACCES: it is pinned. */
int fpd_store_snapshot_delete(struct fpd_store *store, const char *id);
int fpd_store_snapshot_pin(struct fpd_store *store, const char *id,
                           bool pinned);
/* Replaces the tags. FP_ERR_INVAL: longer than struct fpd_snapshot takes. */
int fpd_store_snapshot_tag(struct fpd_store *store, const char *id,
                           const char *tags);

/* ---- reading ---- */

/* What a chunk is; the numbers are those of the wire's ChunkStatus. */
enum fpd_chunk_kind {
    FPD_KIND_CHUNK = 0,
    FPD_KIND_FILL = 1,       /* one byte throughout */
    FPD_KIND_UNREADABLE = 2, /* the device could not read it */
};

struct fpd_snapshot_entry {
    uint8_t kind;                      /* enum fpd_chunk_kind */
    uint8_t fill;                      /* FILL: the byte */
    uint8_t id[FPD_STORE_DIGEST_SIZE]; /* CHUNK; else zeros */
};

struct fpd_snapshot_reader;

/* Its content stays readable until the handle is closed, even if the snapshot
 * is deleted meanwhile. */
int fpd_store_snapshot_open(struct fpd_store *store, const char *id,
                            struct fpd_snapshot_reader **out);
/* Accepts NULL. */
void fpd_store_snapshot_close(struct fpd_snapshot_reader *reader);
const struct fpd_snapshot *fpd_store_snapshot_info(
    const struct fpd_snapshot_reader *reader);

/* What chunks [first, first + count) are. FP_ERR_INVAL: beyond the end;
 * FP_ERR_CORRUPT: the store is damaged. */
int fpd_store_snapshot_entries(struct fpd_snapshot_reader *reader,
                               uint32_t first, uint32_t count,
                               struct fpd_snapshot_entry *out);
/* The image's bytes from `off`, each chunk hashed as it is read. FP_ERR_INVAL:
 * beyond the end; FP_ERR_CORRUPT: chunk *bad (may be NULL) was unreadable when
 * the snapshot was taken, or is damaged in the store; see entries(). */
int fpd_store_snapshot_read(struct fpd_snapshot_reader *reader, uint64_t off,
                            void *buf, size_t size, uint32_t *bad);

#endif
