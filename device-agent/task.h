/* SPDX-License-Identifier: MIT
 *
 * A task: one request at work. Private to the agent; here because struct
 * fp_agent is placed by its caller and so must be complete.
 *
 * A request is copied out of its frame into a task at once, so that a long one
 * never holds up those behind it. Then fp_agent_poll() calls the task's step
 * again and again, each time for one slice, in turn with the other tasks.
 */
#ifndef FP_DEVICE_AGENT_TASK_H
#define FP_DEVICE_AGENT_TASK_H

#include "core/digest/sha256.h"
#include "core/vfs/vfs.h"
#include "device-agent/parts.h"

#include <stdbool.h>
#include <stdint.h>

/* Requests unanswered at once, 2 at least. */
#ifndef FP_AGENT_REQUESTS
#define FP_AGENT_REQUESTS 4
#endif

/* Longest path that is taken, in bytes; what a message carries at most. */
#ifndef FP_AGENT_PATH_MAX
#define FP_AGENT_PATH_MAX FP_MESSAGE_PATH_MAX
#endif

/* Chunk digests in one reply, 16 bytes of every task each; likewise. */
#ifndef FP_AGENT_DIGESTS
#define FP_AGENT_DIGESTS FP_MESSAGE_DIGESTS
#endif
/* Chunks in one ChunkRead, likewise. */
#define FP_AGENT_CHUNKS 64

struct fp_agent_storage;
struct fp_agent_volume;
struct fp_agent_upload;
struct fp_agent_job;

struct fp_agent_names {
    char from[FP_AGENT_PATH_MAX + 1]; /* or the only one */
    char to[FP_AGENT_PATH_MAX + 1];
    uint64_t size;
    bool no_replace;
};

struct fp_agent_remove {
    char path[FP_AGENT_PATH_MAX + 1];
    struct fp_file file;
    struct fp_sha256 sha;
    uint8_t want[FP_SHA256_SIZE];
    bool hashing;
};

struct fp_agent_attr {
    char path[FP_AGENT_PATH_MAX + 1];
    uint8_t type;
    bool remove;
    uint16_t size;
    uint8_t value[256];
};

struct fp_agent_list {
    uint32_t skip, limit; /* limit 0: all */
    uint32_t at;          /* index of what comes next */
    bool is_open, has_entry;
    struct fp_vfs_dir dir;
    struct fp_dirent entry; /* read, not yet sent */
};

/* Of a file or a storage, on its way; first in whatever has one. */
struct fp_agent_range {
    fp_addr at, left; /* position; bytes to go */
};

struct fp_agent_read {
    struct fp_agent_range range;
    fp_addr len;
    uint32_t crc;
    bool told; /* ReadReply is out */
    struct fp_file file;
    struct fp_stat st;
    struct fp_sha256 sha; /* Digest */
};

/* What must hold for a file to take its name. */
struct fp_agent_terms {
    uint8_t want[FP_SHA256_SIZE]; /* its content */
    uint8_t old[FP_SHA256_SIZE];  /* that of the old file, if has_old */
    bool has_old, if_absent, has_gen;
    uint32_t gen;
};

struct fp_agent_put {
    char path[FP_AGENT_PATH_MAX + 1];
    uint8_t id[16];
    uint8_t mode;
    bool is_whole;   /* bytes and commit come with it */
    bool bytes_wait; /* and the bytes are in front of the line */
    bool has_mtime;
    int64_t mtime_ns;
    fp_addr size;
    struct fp_agent_terms terms; /* is_whole */
};

struct fp_agent_commit {
    struct fp_agent_upload *upload;
    struct fp_agent_terms terms;
    bool replaced; /* there was an old file */
    uint8_t phase;
    uint8_t tries;
    fp_addr left;
    uint32_t gen_before; /* of the hash of the old file */
    struct fp_file file; /* the old one */
    struct fp_sha256 sha;
};

struct fp_agent_check {
    struct fp_step step;
    uint32_t lost; /* findings that found no room on the line */
    bool wrote;    /* or may have */
};

/* Of Mount and Format. */
struct fp_agent_mount_args {
    char fs[17];
    char options[65];
    bool told; /* Format: BUSY is out */
};

struct fp_agent_chunks {
    struct fp_agent_range range; /* ChunkDigest: of the current chunk */
    uint32_t first, count;       /* still to be told, in the level's unit */
    uint32_t gen_first;
    uint32_t collected; /* of them, below */
    bool uniform, unreadable, upper_unreadable, is_begun;
    uint8_t fill, level;
    struct fp_sha256
        sha; /* of the chunk; that of its digests is agent->upper */
    uint8_t digests[16 * FP_AGENT_DIGESTS];
    uint8_t status[FP_AGENT_DIGESTS];
    uint8_t lost[FP_AGENT_CHUNKS / 8]; /* ChunkRead: bits of those unreadable */
};

struct fp_agent_changed {
    uint32_t gen;
    uint32_t next; /* chunk to look at next */
    bool too_old;
};

struct fp_agent_blocks {
    struct fp_agent_range range; /* that the BULK fills */
    uint32_t filled;             /* bytes in block_buf */
    bool told;                   /* "send the BULK now" is out */
    int err;
};

struct fp_agent_task {
    uint32_t id; /* 0: free */
    const struct fp_agent_job *job;
    uint8_t stream; /* 0: none */
    bool computing; /* the next slice needs no room on the line */
    bool bulk;      /* it finds the room for its bytes itself */
    bool has_op_id;
    uint32_t turn; /* bytes for the line in its turn so far */
    int err;       /* failed: the Failure waits for room */
#if FP_AGENT_TEXTS
    const char *detail;
#endif
    fp_addr needed, free, limit;
    uint8_t op_id[8];
    struct fp_agent_storage *storage; /* that it touches, or NULL */
    struct fp_agent_volume *volume;   /* likewise */
    union {
        uint32_t index; /* lists: the next one */
        struct fp_agent_range range;
        struct fp_agent_names names;
        struct fp_agent_remove remove;
#if FP_AGENT_ATTRS
        struct fp_agent_attr attr;
#endif
        struct fp_agent_list list;
        struct fp_agent_read read;
        struct fp_agent_put put;
        struct fp_agent_commit commit;
#if FP_AGENT_CHECK
        struct fp_agent_check check;
#endif
        struct fp_agent_mount_args mount;
        struct fp_agent_chunks chunks;
        struct fp_agent_changed changed;
        struct fp_agent_blocks blocks;
        uint32_t freeze_ms;
    } u;
};

#endif
