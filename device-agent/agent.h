/* SPDX-License-Identifier: MIT
 *
 * The agent: what a firmware links in so that flashport reaches its flash.
 *
 *     main loop ──► fp_agent_poll() ──► link (proto) ──► send()
 *     bytes in  ──► fp_agent_input()        │
 *                                           ▼ messages
 *                        tasks: one a request, worked off in slices
 *                                           │
 *                       vfs and filesystems ┴ block devices (core)
 *
 * Memory  allocates nothing. struct fp_agent, the config, its arrays and all
 *         buffers are the caller's and stay where they are while in use. The
 *         struct is about 9 KB with the default limits below; most of it are
 *         paths (FP_AGENT_PATH_MAX) and a message
 * Time    the caller passes milliseconds of a clock that may wrap
 * Blocks  a call of fp_agent_poll() does at most one piece of work that
 *         writes: one call of a filesystem driver or one erase block. Reading
 *         and hashing go by scratch_size bytes
 * Thread  one caller at a time; the firmware uses the same vfs from the same
 *         thread, or holds a lock around both
 * Errors  what a host sends wrong it is told as a Failure; nothing a host or a
 *         wire does stops the agent
 */
#ifndef FP_DEVICE_AGENT_AGENT_H
#define FP_DEVICE_AGENT_AGENT_H

#include "core/bdev/gen.h"
#include "core/bdev/slice.h"
#include "core/bdev/stats.h"
#include "core/vfs/vfs.h"
#include "device-agent/task.h"
#include "proto/flashport.pb.h"
#include "proto/link.h"
#include "proto/lz4.h"

/* Uploads at work or waiting to be continued, at once. */
#ifndef FP_AGENT_UPLOADS
#define FP_AGENT_UPLOADS 2
#endif

/* Partitions of a storage that are told as regions. */
#ifndef FP_AGENT_PARTITIONS
#define FP_AGENT_PARTITIONS 4
#endif

/* The least frame_max, which every message fits; with paths longer than that,
 * every message but those of two long paths. */
#define FP_AGENT_FRAME_MIN (FP_AGENT_PATH_MAX <= 200 ? 512 : 640)

/* Results kept so that a request sent again answers as it did first. */
#ifndef FP_AGENT_OUTCOMES
#define FP_AGENT_OUTCOMES 8
#endif

/* Flags of a region, as in flashport.proto. The agent itself programs and erases
 * nothing in one that is RDONLY, and does not read one that is HIDDEN either;
 * volumes on the former are mounted read-only, on the latter not at all. */
enum {
    FP_AGENT_REGION_RDONLY = 1,
    FP_AGENT_REGION_XIP = 2,
    FP_AGENT_REGION_UNIQUE = 4,
    FP_AGENT_REGION_HIDDEN = 8,
    FP_AGENT_REGION_PARTITION = 16, /* told by the medium itself */
};

struct fp_agent_region {
    const char *name; /* at most 16 bytes */
    uint64_t off;
    uint64_t size;
    uint32_t flags;
};

struct fp_agent_storage;

/* What the agent sees of a storage that has such regions. */
struct fp_agent_guard {
    struct fp_bdev bdev; /* first */
    const struct fp_agent_storage *storage;
};

/* A region that the medium itself tells of. */
struct fp_agent_partition {
    struct fp_agent_region region; /* size 0: no part of the storage */
    const char *why; /* constant text: nothing can be mounted; NULL: it can */
    uint8_t rank;    /* as fp_agent_volume.partition; 0: none of these */
};

struct fp_agent_storage {
    /* private */
    bool restoring;
    bool stalls;
    /* the firmware's */
    const char *name;    /* "flash0", at most 16 bytes */
    struct fp_bdev *dev; /* the outermost device, that everyone writes through:
                             &gen->bdev if there is a gen */
    struct fp_bdev_gen *gen;     /* NULL: its generation is not known */
    struct fp_bdev_stats *stats; /* NULL: no counters */
    uint32_t chunk_size;         /* 0: 4096, or 65536 above 256 MiB */
    const struct fp_agent_region *regions;
    uint32_t region_count; /* at most 8, partitions included */
    /* Optional: fp_agent_partitions_mbr, or NULL, the medium has none. Fills
     * parts[0..FP_AGENT_PARTITIONS) by what the medium says itself, with
     * buf[0..size) to read into. Returns how many there are, 0 without a table;
     * or an error, and *why is constant text. */
    int (*partitions)(struct fp_bdev *dev, uint8_t *buf, uint32_t size,
                      struct fp_agent_partition *parts, const char **why);
    /* private */
#if FP_AGENT_MEDIA
    uint32_t seen;   /* number of the medium when last looked */
    uint32_t medium; /* that serves; 0: none, and no volume is mounted */
    uint32_t looked_ms;
    bool media_due;                        /* an Event of it */
    uint32_t gen_seen, gen_synced, gen_ms; /* of one that may be pulled */
#endif
#if FP_AGENT_REGIONS
    struct fp_agent_guard guard;
    struct fp_agent_partition parts[FP_AGENT_PARTITIONS];
    uint32_t part_count;
    int parts_err;
    const char *parts_why;
#endif
};

/* As in flashport.options. */
#define FP_AGENT_FS_MAX      16
#define FP_AGENT_OPTIONS_MAX 64

/* What a host's Mount or Format gave; "" nothing. */
struct fp_agent_told {
    char fs[FP_AGENT_FS_MAX + 1];
    char options[FP_AGENT_OPTIONS_MAX + 1];
};

struct fp_agent_volume {
    /* private */
    bool mounted;
    bool erased;   /* where a filesystem would begin there is nothing */
    int mount_err; /* why it is not: 0 when it was unmounted on request */
    struct fp_agent_storage *on; /* NULL: there is none of that name */
    /* the firmware's */
    const char *path;    /* "/flash" */
    const char *storage; /* by name */
    const char *region;  /* NULL: the whole storage, or as below */
    uint32_t partition;  /* region NULL: n, the partition of that rank; 1 also
                            the whole storage where there is no table, and
                            from 2 on no volume is told of then */
    const char *fs;      /* "littlefs"; NULL: the driver that probing finds */
    struct fp_fs_config cfg; /* cfg.flags FP_MOUNT_RDONLY: never written; its
                                max_files counts the application's files, the
                                tasks' and the uploads'; the agent adds its
                                epoch to the seed */
    /* Optional. Puts what a filesystem needs between it and the device, as
     * FAT on flash does core/bdev/sector.h: *out is what is mounted. Called
     * before each mount and format; a freeze's FP_ERR_BUSY is not its. */
    int (*adapt)(struct fp_agent_volume *volume, struct fp_bdev *dev,
                 struct fp_bdev **out);
    void *adapt_ctx;
    void *ws; /* aligned as malloc aligns */
    size_t ws_size;
#if FP_FS_FORMAT
    bool format_erased; /* when the device starts there is nothing, but perhaps
                           what is left of such a format that was cut: make a
                           filesystem. What is damaged never is formatted unless
                           somebody asks */
#endif
    /* private */
    struct fp_vfs_mount vm;
#if FP_AGENT_REGIONS
    struct fp_bdev_slice slice;
#endif
#if FP_FS_PROBE && FP_AGENT_TEXTS
    const struct fp_fs_ops *found; /* is there, where another was named */
#endif
#if FP_AGENT_OPTIONS
    struct fp_agent_told told;
#endif
};

struct fp_agent_config {
    const char *id;    /* [A-Za-z0-9._-]{1,64}, of silicon or of a
                               configuration, never of restorable flash */
    const char *model; /* at most 32 bytes, as is firmware */
    const char *firmware;
    const uint8_t *epoch; /* 8 random bytes, new at each start; NULL: the
                               host's nonce serves, which comes with Hello */
    uint32_t boot_reason; /* as in HelloReply */
    const uint8_t *key;   /* that a host must have, and this device proves to
                             have: 16 random bytes at least; needs `entropy`.
                             NULL: whoever reaches the wire is served */
    size_t key_size;

    struct fp_vfs *vfs; /* shared with the firmware; its drivers */
    struct fp_agent_storage *storages;
    uint32_t storage_count;
    struct fp_agent_volume *volumes;
    uint32_t volume_count;

    /* Paths that no host changes, nor what is below them: "/flash/boot.py".
     * Neither is their volume formatted nor their storage restored by one. The
     * filesystem's other spellings of a name are the same name here. */
    const char *const *protected_paths;
    uint32_t protected_count;

    /* The wire. As struct fp_link_config. */
    size_t (*send)(void *ctx, const uint8_t *buf, size_t size);
    void *ctx;          /* of this and all that follow */
    uint16_t frame_max; /* FP_AGENT_FRAME_MIN at least */
    uint8_t *tx_buf;
    size_t tx_size;
    uint8_t *rx_buf;
    size_t rx_size;

    uint8_t *scratch; /* for hashing; a multiple of every read_size. NULL: the
                               memory of a message serves, 0.25 to 1 KB */
    size_t scratch_size;
    uint8_t *block_buf; /* as large as the largest erase block that shall
                               be restorable; NULL: nothing is */
    size_t block_buf_size;
    uint32_t upload_keep_ms; /* an interrupted upload may go on for that long;
                                0: 60000 */

    /* Optional without a key. Random bytes; false: none to be had. */
    bool (*entropy)(void *ctx, uint8_t *buf, size_t size);
    /* Optional. Counter number `index` of the port's own: true and its name and
     * value, false behind the last. */
    bool (*counter)(void *ctx, uint32_t index, const char **name,
                    uint64_t *value);
    /* Optional. Microseconds, for counters of where the time goes. */
    uint64_t (*clock_us)(void *ctx);
    /* Optional. So many bytes were hashed: a simulated device takes the time
     * that a small CPU would. */
    void (*hashed)(void *ctx, uint32_t size);
    /* Optional; for storages that are FP_BDEV_REMOVABLE. A number for the medium
     * that is in, another for each that is put in; 0 none. Asked in every poll.
     * Without it the agent reads a little of each twice a second, and
     * FP_ERR_NODEV tells that there is none. */
    uint32_t (*medium)(void *ctx, const char *storage);
    /* Optional. A medium is in and nothing is mounted of it: sets the storage's
     * device up for it, which from there on no longer answers FP_ERR_NODEV.
     * What the storage is, and workspaces of volumes on it, may change here. */
    void (*inserted)(void *ctx, const char *storage);
    /* Optional. Restarts the device; called once the answer is out. */
    void (*reboot)(void *ctx);
    /* Optional. The host wants a storage for itself (begin), or gives it back
     * (!begin). The firmware closes its files on it and answers true, or
     * refuses. */
    bool (*exclusive)(void *ctx, const char *storage, bool begin);
    /* Optional. A host has changed what is at `path`: a file that has landed
     * whole, what was made, renamed (both names), cut or removed; or one that
     * was written in place, or appended to, and given up, where what came of it
     * stays. The path of a volume, "/flash": it was mounted, with whatever is on
     * it, at the start, after a format or a restore; or a repair has written to
     * it. Called within fp_agent_poll(), and from fp_agent_init(),
     * fp_agent_format() and fp_agent_deinit(); it may use the vfs, and not the
     * agent. */
    void (*changed)(void *ctx, const char *path);
    /* LZ4 on the line, so that text travels faster than its bytes would. In:
     * the window of what comes, FP_LZ4_WINDOW_MIN to 65535 bytes; 2 KiB make
     * text half as long. NULL: the host sends none. */
    uint8_t *lz4_in;
    size_t lz4_in_size;
    /* Out: the window of what goes, and what goes next, each half of it;
     * 2 * frame_max at least, 128 KiB at most. NULL: what goes is sent as it
     * is. The table has a power of two of places, 256 to 65536; one place for 4
     * to 8 bytes of the window is enough. */
    uint8_t *lz4_out;
    size_t lz4_out_size;
    uint16_t *lz4_table;
    size_t lz4_table_count;
    /* Optional, of a wire with a rate. rates[0], the one it has at the start,
     * is safe: every handshake is made at it. The others, up to 11, are those
     * that a host may raise it to, ascending. */
    const uint32_t *rates;
    uint32_t rate_count;
    /* Sets it, once all that send() took has left. False: it stays as it is. */
    bool (*set_rate)(void *ctx, uint32_t baud);
};

struct fp_agent_upload {
    struct fp_file file; /* file.mnt NULL: the slot is free */
    struct fp_agent_volume *volume;
    uint8_t id[16];
    uint8_t stream; /* 0: no stream leads here in this session */
    uint8_t mode;
    bool has_mtime;
    bool is_whole;   /* its commit came with it: it has no id */
    bool replaces;   /* there was an old file when it began */
    bool committing; /* a task works on it */
    int err;         /* of a write; told at the commit */
    int64_t mtime_ns;
    fp_addr size;     /* as announced */
    fp_addr off;      /* bytes taken so far */
    fp_addr base;     /* append: where it begins in the file */
    uint32_t gen_own; /* generations that its own writing took */
    uint32_t used_ms; /* when something last came for it */
    char path[FP_AGENT_PATH_MAX + 1];
};

struct fp_agent_outcome {
    uint8_t op_id[8];
    bool used;
    int16_t err;
    uint32_t fs_gen;
};

enum fp_agent_rate_state {
    FP_AGENT_RATE_SAFE,
    FP_AGENT_RATE_DUE,   /* once the Done has left */
    FP_AGENT_RATE_TRIED, /* awaits a message at the new rate */
    FP_AGENT_RATE_RAISED,
};

struct fp_agent_rate {
    enum fp_agent_rate_state state;
    uint32_t now, before, wanted; /* baud */
    uint32_t confirm_ms;
    uint32_t since_ms;  /* when the state began */
    uint32_t polled_ms; /* last poll */
    uint32_t silent_ms; /* no good frame for so long, while we listened */
    uint64_t heard;     /* good frames until now */
    bool noise;         /* bytes came since the last good frame */
};

struct fp_agent_counts {
    uint32_t requests;   /* messages taken */
    uint32_t refused;    /* that were no request of ours */
    uint32_t stray_bulk; /* records for no known stream */
    uint64_t hash_us;    /* that hashing took; 0 without a clock */
    uint64_t wait_us;    /* that a request or upload waited for the line */
};

/* What nonces are made of where there is no entropy; no gap between them. */
struct fp_agent_seed {
    uint8_t epoch[FP_EPOCH_SIZE];
    uint8_t host_nonce[8];
    uint32_t count; /* of nonces made */
};

struct fp_agent {
#if FP_AGENT_STATS
    struct fp_agent_counts counts;
#endif
    /* private; small things first, where short instructions reach them */
    const struct fp_agent_config *cfg;
    bool in_session, has_epoch, has_nonce;
    bool rx_stall;
    bool holding; /* rx_stall: the host is not granted credit */
    bool wants_hold;
    bool wrote; /* in this poll: enough for it */
    bool reboot_due;
    bool volumes_changed;  /* an Event is due */
    bool wants_room;       /* an answer found none in this poll... */
    bool owes_room;        /* ... or in the one before, so bulk waits */
    int16_t zone_min;      /* in use... */
    int16_t told_zone_min; /* ... and as the last Hello told */
    struct fp_agent_seed seed;
    uint8_t nonce[8];
    uint32_t now_ms;
    uint32_t session;
    uint32_t features; /* that both ends have in this session */
    uint8_t *scratch;  /* may be that of the message */
    uint32_t scratch_size;
    uint32_t bulk_done;              /* bytes taken of the record in front */
    struct fp_agent_task *next_task; /* who is served first next time */
    uint32_t queued;                 /* bytes for the line in this slice */
    uint32_t pack_size; /* bytes that the next frame will hold, by the last */
    uint32_t gen_seen, gen_told, gen_ms;
    uint32_t reboot_ms;
    uint32_t next_outcome;
    struct fp_agent_task *block_owner; /* whose block is in block_buf */
    struct fp_link link;
    fp_Envelope message; /* the one taken or the one sent: a job copies what it
                            needs before anything is sent */
    struct fp_agent_task tasks[FP_AGENT_REQUESTS];
    struct fp_agent_upload uploads[FP_AGENT_UPLOADS];
    struct fp_agent_outcome outcomes[FP_AGENT_OUTCOMES];
#if FP_AGENT_STATS
    uint64_t waits_us; /* since when it waits for the line; 0: it does not */
#endif
#if FP_AGENT_LZ4_IN
    struct fp_lz4_decoder unpack;
#endif
#if FP_AGENT_LZ4_OUT
    struct fp_lz4_encoder pack;
#endif
#if FP_AGENT_AUTH
    uint8_t challenge[16]; /* ours, of the last Hello */
    bool has_challenge, is_proven;
#endif
#if FP_AGENT_RATES
    struct fp_agent_rate rate;
#endif
#if FP_AGENT_LEVELS
    struct fp_agent_task *upper_owner; /* whose digests are in upper */
    struct fp_sha256 upper;
#endif
};

/* Mounts what can be mounted and waits for a host. FP_ERR_INVAL: a name, size
 * or buffer in cfg breaks the rules above. A volume that cannot be mounted is
 * no error: it says why in the list of volumes.
 *
 * Blocks as long as the mounts do; at a volume's first start with format_erased
 * as long as it takes to read all of that and to format it. SPIFFS, minifs and
 * Bonsai erase every block then: 256 blocks of 45 ms each take 12 s. littlefs
 * erases two, FAT writes its tables. `yield` of the device is called all along.
 * A start that is cut there is made up for by the next. */
int fp_agent_init(struct fp_agent *agent, const struct fp_agent_config *cfg,
                  uint32_t now_ms);

/* Closes files, gives up uploads and unmounts, so that all is on flash. */
void fp_agent_deinit(struct fp_agent *agent);

/* Bytes that came in. */
void fp_agent_input(struct fp_agent *agent, const uint8_t *buf, size_t size,
                    uint32_t now_ms);

/* Does what can be done now. Returns the milliseconds until it wants to be
 * called again if nothing comes in before: 0 while there is work. */
uint32_t fp_agent_poll(struct fp_agent *agent, uint32_t now_ms);

/* Text for the host's console, as printf's would be: how many bytes went. 0
 * while there is no host or the wire is full; what did not go is not kept. Text
 * that a firmware writes to the UART itself arrives too, but for what falls
 * within a frame. */
size_t fp_agent_print(struct fp_agent *agent, const void *text, size_t size);

/* Does it serve the host that is there? Not before its proof where there is a
 * key. */
bool fp_agent_is_trusting(const struct fp_agent *agent);

/* True unless rx_stall media are to be written soon: the port may sleep. */
bool fp_agent_is_idle(const struct fp_agent *agent);

#if FP_FS_FORMAT
/* Makes an empty filesystem (fs NULL: the volume's, else the first driver's)
 * and mounts it. FP_ERR_BUSY: files are open on it. */
int fp_agent_format(struct fp_agent *agent, struct fp_agent_volume *volume,
                    const char *fs);
#endif

/* For fp_agent_storage.partitions: a card's MBR. */
int fp_agent_partitions_mbr(struct fp_bdev *dev, uint8_t *buf, uint32_t size,
                            struct fp_agent_partition *parts, const char **why);

/* Why a volume is not mounted or read-only, as a phrase; "" when it is neither.
 */
void fp_agent_volume_reason(const struct fp_agent_volume *volume, char *dst,
                            size_t size);

#endif
