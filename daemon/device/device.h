/* SPDX-License-Identifier: MIT
 *
 * The devices of this daemon: the registry of links and of the devices found
 * at their far ends, and the requests one makes of a device.
 *
 * A link is a place where a device may be ("serial:/dev/ttyACM0@921600"); one
 * worker thread a link opens it, shakes hands, serves requests and comes back
 * when the cable does. A device is known by the id it tells in Hello, not by
 * its port: the object stays when the link is lost and moves with the device
 * to another link.
 *
 * Memory  fpd_devices_find() and _list() give references (_unref). A request
 *         is the caller's, embedded where it likes, and belongs to the worker
 *         from fpd_device_submit() until done() has been entered; what it
 *         points to (paths, buffers) must live as long.
 * Errors  0 or a negative enum fp_error; what the device adds (a sentence,
 *         bytes needed and free) is in struct fpd_failure
 * Thread  every function here may be called from any thread. done() and other
 *         callbacks run on the worker: they must not block, and must not call
 *         fpd_device_run() or fpd_devices_stop().
 */
#ifndef FPD_DEVICE_DEVICE_H
#define FPD_DEVICE_DEVICE_H

#include "daemon/device/pipe.h"
#include "daemon/device/spool.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_ID_MAX       64
#define FPD_PATH_MAX     512 /* bytes on the wire */
#define FPD_NAME_MAX     255
#define FPD_VOLUMES_MAX  8
#define FPD_STORAGES_MAX 8
#define FPD_REGIONS_MAX  8
#define FPD_DIGEST_SIZE  16 /* of a chunk */

struct fpd_devices;
struct fpd_device;

/* What the outside may be told about a link and the device at it. */
enum fpd_device_state {
    FPD_ABSENT, /* the port is not there */
    FPD_OPENING,
    FPD_SYNCING,      /* waiting for the link's handshake */
    FPD_HELLO,        /* asking who it is */
    FPD_ONLINE,       /* serves requests */
    FPD_BUSY,         /* online, but silent for over a second though asked */
    FPD_LOST,         /* was online; the link broke */
    FPD_BACKOFF,      /* waiting to try again */
    FPD_RELEASED,     /* the port is lent to another program for a time */
    FPD_CONFLICT,     /* another link serves a device of this id */
    FPD_INCOMPATIBLE, /* speaks no version of ours */
    FPD_REFUSED,      /* answers what no agent may */
};

/* "online": the word of the API. */
const char *fpd_device_state_name(enum fpd_device_state state);
/* Does it take requests? */
bool fpd_device_state_serves(enum fpd_device_state state);

struct fpd_volume_info {
    char path[17];    /* "/flash" */
    char storage[17]; /* "flash0" */
    char fs[17];      /* "littlefs"; "" when nothing is mounted */
    char region[17];  /* of the storage, that it lies on; "": all of it */
    char version[9];
    char reason[97];   /* why read-only or not mounted; "" */
    bool needs_repair; /* a cut left what the next write puts right */
    bool mounted;
    bool writable;
    uint32_t caps;    /* FP_CAP_* */
    uint32_t promise; /* enum fp_promise */
    uint64_t size;
    uint64_t free;
    uint64_t file_max;
    uint64_t files_max; /* 0: bounded by space only */
    uint32_t block_size;
    uint32_t name_max;
    uint32_t fs_gen; /* moves with every change of the volume */
};

/* Flags of a region, as in flashport.proto. A hidden one is told to nobody: it
 * is known here so that it is left alone. */
enum {
    FPD_REGION_RDONLY = 1,
    FPD_REGION_XIP = 2,
    FPD_REGION_UNIQUE = 4,
    FPD_REGION_HIDDEN = 8,
    FPD_REGION_PARTITION = 16,
};

struct fpd_region_info {
    char name[17];
    uint64_t off;
    uint64_t size;
    uint32_t flags; /* FPD_REGION_* */
};

struct fpd_storage_info {
    char name[17];
    uint32_t read_size;
    uint32_t prog_size;
    uint32_t block_size;
    uint32_t block_count;
    uint32_t flags;      /* FP_BDEV_* */
    uint32_t chunk_size; /* 4096, or 65536 on large storages */
    uint64_t size;       /* block_size * block_count */
    uint32_t gen;        /* when last asked */
    bool gen_trusted;    /* every writer moves it */
    bool no_medium;      /* the card is out; sizes are of the last one */
    uint32_t region_count;
    struct fpd_region_info regions[FPD_REGIONS_MAX];
};

struct fpd_link_info {
    char name[256];   /* the SPEC as configured */
    const char *kind; /* "serial", "usb", "tcp"...; static */
    uint32_t rate;    /* baud; 0 where there is none */
    enum fpd_device_state state;
    char reason[160];            /* why not online: a sentence; "" */
    char device[FPD_ID_MAX + 1]; /* whom it found there, or "" */
    uint64_t tx_bytes, rx_bytes; /* on the wire */
    uint64_t tx_frames, rx_frames;
    uint64_t rx_damaged, retransmitted;
    uint32_t connects; /* handshakes completed */
};

struct fpd_device_info {
    char id[FPD_ID_MAX + 1];
    char model[33];
    char firmware[33];
    char default_volume[17]; /* "/sd" when mounted, else "/flash", else the
                                first that is; "" */
    char filesystems[97];    /* that it has drivers of, "littlefs,fat" */
    uint8_t epoch[8];        /* new at each start of the agent */
    enum fpd_device_state state;
    char reason[160];
    char conflict[256];   /* the link that tells the same id; "" */
    uint32_t boot_reason; /* 0 unknown, 1 power, 2 reset, 3 watchdog, 4 sw */
    uint32_t path_max;
    char left_out[73];      /* what its firmware has not, "snapshots,restore" */
    uint32_t features;      /* enum fp_Feature: what both ends use */
    char link_features[49]; /* the same in words, "lz4_in,whole_put" */
    int64_t online_since_ms;   /* unix; 0 when offline */
    int64_t last_seen_ms;      /* unix */
    int64_t released_until_ms; /* unix; 0: the port is ours */
    struct fpd_link_info link;
    uint32_t volume_count;
    struct fpd_volume_info volumes[FPD_VOLUMES_MAX];
    uint32_t storage_count;
    struct fpd_storage_info storages[FPD_STORAGES_MAX];
};

/* Was its firmware built without that part, a word as in left_out? */
bool fpd_device_lacks(const struct fpd_device_info *info, const char *part);

struct fpd_devices_config {
    /* Something to be seen changed about this device: state, volumes, a new
     * one. May be NULL. Runs on a worker with no lock held. */
    void (*changed)(void *ctx, const char *id);
    void *ctx;
    uint32_t queue_max;    /* requests a device at once; 0: 64 */
    uint32_t reconnect_ms; /* an accepted request waits this long for a lost
                                link, its own deadline aside; 0: 10000 */
};

/* ---- the registry ---- */

int fpd_devices_new(const struct fpd_devices_config *cfg,
                    struct fpd_devices **out);
/* Adds a link and starts its worker; opening happens there, so a port that is
 * not there yet is no error. FP_ERR_INVAL (a bad SPEC), FP_ERR_EXIST:
 * why[0..size) gets a sentence that says what would be right. */
int fpd_devices_add_link(struct fpd_devices *devices, const char *spec,
                         char *why, size_t size);
/* Ends the worker and forgets the link; the device stays, absent. */
int fpd_devices_remove_link(struct fpd_devices *devices, const char *spec);
/* Would add_link take it? Opens nothing. For --check-config. */
int fpd_devices_check_link(const char *spec, char *why, size_t size);
/* Fails what is queued (FP_ERR_CANCELED), ends and joins every worker. From
 * now on submit answers FP_ERR_NODEV. */
void fpd_devices_stop(struct fpd_devices *devices);
/* Stops if that was not done. References held by others keep their objects. */
void fpd_devices_free(struct fpd_devices *devices);

/* The device of this id, as a reference, or NULL. Labels are the API's. */
struct fpd_device *fpd_devices_find(struct fpd_devices *devices,
                                    const char *id);
/* Calls fn for each device, in order of their ids, without a lock held. */
void fpd_devices_each(struct fpd_devices *devices,
                      void (*fn)(void *ctx, struct fpd_device *device),
                      void *ctx);
/* Every link, whether it found a device or not: copies up to max, returns how
 * many there are. */
size_t fpd_devices_links(struct fpd_devices *devices, struct fpd_link_info *out,
                         size_t max);
/* Forgets a device that is offline. FP_ERR_NOENT; FP_ERR_BUSY when online. */
int fpd_devices_forget(struct fpd_devices *devices, const char *id);

/* ---- a device ---- */

struct fpd_device *fpd_device_ref(struct fpd_device *device);
void fpd_device_unref(struct fpd_device *device);
/* Never changes. */
const char *fpd_device_id(const struct fpd_device *device);
/* A copy of all that is known; about 5 KiB, so not for the small stacks. */
void fpd_device_describe(struct fpd_device *device,
                         struct fpd_device_info *out);
/* What the device printed: up to `size` bytes from position *pos on of all that
 * came of it since the daemon started, where a character that has not come
 * whole is left for the next time. *pos becomes where they begin: further on
 * where what was asked for is no longer kept (the last 64 KiB are), and the
 * oldest that is where *pos was not reached yet, which is of an earlier daemon
 * then. */
size_t fpd_device_console(struct fpd_device *device, uint64_t *pos, char *buf,
                          size_t size);

/* ---- lending the port ---- */

#define FPD_RELEASE_ID_SIZE 37 /* a UUID as text */
#define FPD_RELEASE_MAX_MS  3600000

struct fpd_release {
    int64_t ms;       /* from now on, 1 to FPD_RELEASE_MAX_MS */
    bool force;       /* what is under way fails with FP_ERR_NODEV */
    const char *id;   /* the caller's name for this loan. One that is lent under
                       the same id already is lent anew from now on */
    int64_t until_ms; /* result: unix */
    char port[256];   /* result: what the other program opens */
    char why[200];    /* of FP_ERR_BUSY: a sentence */
};

/* Lends the port of the device's link to another program: nothing is sent or
 * received there any more, the port is closed and its lock is gone when this
 * returns, within some milliseconds ordinarily. The port is taken back when
 * the time is over, with fpd_device_reclaim(), or by the next start of the
 * daemon; if the other program holds it still, as soon as it lets go.
 * FP_ERR_NODEV: no link leads to the device. FP_ERR_BUSY: requests are at work
 * and `force` is not set, or it is lent under another id. FP_ERR_TIMEDOUT. */
int fpd_device_release(struct fpd_device *device, struct fpd_release *release);
/* Takes it back before its time. `id` NULL: whosever loan it is. FP_ERR_NOENT:
 * it is not lent; FP_ERR_BUSY: it is lent under another id. */
int fpd_device_reclaim(struct fpd_device *device, const char *id);
/* The same of a link, by its SPEC or the path in it, whether or not a device was
 * ever found there: a board that has no agent yet is flashed so.
 * FP_ERR_NOENT: there is no such link. */
int fpd_devices_release(struct fpd_devices *devices, const char *link,
                        struct fpd_release *release);
int fpd_devices_reclaim(struct fpd_devices *devices, const char *link,
                        const char *id);

/* ---- requests ---- */

enum fpd_op {
    FPD_OP_PING,
    FPD_OP_LOOK, /* what is known of the volumes is as they are now */
    FPD_OP_STAT,
    FPD_OP_LIST,
    FPD_OP_READ,
    FPD_OP_DIGEST,
    FPD_OP_PUT,
    FPD_OP_MKDIR,
    FPD_OP_REMOVE,
    FPD_OP_RENAME,
    FPD_OP_TRUNCATE,
    FPD_OP_ATTR_GET,
    FPD_OP_ATTR_SET,
    FPD_OP_MOUNT,
    FPD_OP_UNMOUNT,
    FPD_OP_FORMAT,
    FPD_OP_CHECK,
    FPD_OP_STATS,
    FPD_OP_REBOOT,
    FPD_OP_CHUNK_DIGESTS,
    FPD_OP_CHUNK_CHANGED,
    FPD_OP_CHUNK_READ,
    FPD_OP_CHUNK_WRITE,
    FPD_OP_FREEZE,
    FPD_OP_THAW,
    FPD_OP_RESTORE_BEGIN,
    FPD_OP_RESTORE_END,
};

/* Who goes first. Small requests always go between the frames of transfers;
 * of transfers, backup gets what the others leave and at least a tenth. */
enum fpd_class {
    FPD_INTERACTIVE,
    FPD_UPLOAD,
    FPD_BACKUP
};

enum fpd_type {
    FPD_TYPE_FILE = 1,
    FPD_TYPE_DIR = 2
};

struct fpd_stat {
    enum fpd_type type;
    bool has_mtime;
    uint64_t size;
    int64_t mtime_ns;
};

struct fpd_entry {
    struct fpd_stat st;
    uint16_t name_len;
    char name[FPD_NAME_MAX + 1]; /* any byte but '/' and NUL; not UTF-8 by
                                    nature; never "", "." or ".." */
};

struct fpd_counter {
    char name[33]; /* "flash0.reads" */
    uint64_t value;
};

struct fpd_chunk_run {
    uint32_t first;
    uint32_t count;
};

enum fpd_chunk_status {
    FPD_CHUNK_OK = 0,
    FPD_CHUNK_FILL = 1,       /* one byte throughout */
    FPD_CHUNK_UNREADABLE = 2, /* its bytes are given as zeros */
};

/* What failed besides the number. */
struct fpd_failure {
    char detail[97]; /* a sentence, UTF-8 as the device sent it; "" */
    uint64_t needed; /* NOSPC: bytes */
    uint64_t free;   /* NOSPC: bytes */
    uint64_t limit;  /* NAMETOOLONG, FBIG, NFILE */
    bool told;       /* by the device: a NODEV of its own is a missing card */
};

struct fpd_request {
    /* Set by the caller; zero is the default of everything. Paths are those of
     * the device, "/flash/dir/file". */
    enum fpd_op op;
    enum fpd_class klass;
    int64_t deadline_ms; /* of fpd_now_ms(); 0: none, but a device that makes
                            no progress for 30 s is TIMEDOUT all the same */
    void (*done)(struct fpd_request *req); /* on the worker, exactly once; the
                                              request may be freed in it */
    void *ctx;

    union {
        struct {
            const char *path;
            struct fpd_stat st; /* result */
            uint32_t fs_gen;    /* result */
        } stat;
        struct {
            const char *path;
            uint32_t cursor; /* entries to skip */
            uint32_t max;    /* entries wanted; 0: 1000; at most 4096 */
            struct fpd_entry *entries; /* result, malloc'd, the caller frees
                                          it, after a failure too */
            uint32_t count;            /* result */
            uint32_t next;   /* result: cursor of what follows; 0: the end */
            uint32_t fs_gen; /* result */
        } list;
        struct {
            const char *path;
            uint64_t off;
            uint64_t len;          /* 0: to the end; cut at the end */
            struct fpd_pipe *pipe; /* gets the bytes, and the end or error */
            /* Called once, before the first byte, with the results below set;
             * not at all when it fails before. May be NULL. */
            void (*opened)(struct fpd_request *req);
            uint64_t size; /* result: of the whole file */
            uint64_t send; /* result: bytes that come */
            bool has_mtime;
            int64_t mtime_ns;
            uint32_t fs_gen;
        } read;
        struct {
            const char *path;
            uint64_t off;
            uint64_t len;       /* 0: to the end */
            uint8_t sha256[32]; /* result */
            uint64_t size;      /* result: of the whole file */
            uint32_t fs_gen;
        } digest;
        struct {
            const char *path;
            struct fpd_spool *spool;
            /* Gives up the old file first, when the body is whole; if_* below
             * are looked at before, which is not one step with the writing. */
            bool in_place;
            bool has_mtime;
            int64_t mtime_ns;
            bool if_absent; /* PRECOND if it exists */
            bool has_if_gen;
            uint32_t if_gen;
            const uint8_t *if_sha256; /* 32 bytes or NULL */
            uint32_t if_count;  /* so many of 32 bytes, one of which the old
                                  file has to have; 0: 1 */
            bool created;       /* result: there was none before */
            bool unchanged;     /* result: it had this content, nothing was
                                  programmed for it */
            bool gave_up;       /* result: in_place, and it may have begun */
            uint8_t sha256[32]; /* result */
            uint64_t size;      /* result */
            uint32_t fs_gen;
            _Atomic uint64_t sent; /* bytes that went out so far */
        } put;
        struct {
            const char *path;
            const uint8_t *if_sha256; /* REMOVE: 32 bytes or NULL */
            uint64_t size;            /* TRUNCATE */
            uint32_t fs_gen;          /* result */
        } change;                     /* MKDIR, REMOVE, TRUNCATE */
        struct {
            const char *from, *to;
            bool no_replace;
            uint32_t fs_gen;
        } rename;
        struct {
            const char *path;
            uint32_t type;
            bool remove;   /* ATTR_SET */
            uint32_t size; /* in: ATTR_SET; result: ATTR_GET */
            uint8_t value[256];
            uint32_t fs_gen;
        } attr;
        struct {
            const char *volume;  /* "/flash" */
            const char *fs;      /* FORMAT, MOUNT: "littlefs"; MOUNT: "auto",
                                    "": as last */
            const char *options; /* FORMAT, MOUNT: "k=v,k=v"; NULL none */
            bool repair;         /* CHECK */
            /* CHECK: a finding, on the worker; text is valid in the call.
             * block UINT32_MAX: none in particular. May be NULL. */
            void (*finding)(struct fpd_request *req, uint32_t level,
                            uint32_t block, const char *text);
            /* done of total, about; may be NULL. */
            void (*progress)(struct fpd_request *req, uint64_t done,
                             uint64_t total);
            uint32_t errors, warnings, pending; /* result of CHECK */
        } volume; /* MOUNT, UNMOUNT, FORMAT, CHECK */
        struct {
            struct fpd_counter *counters; /* the caller's */
            uint32_t max;
            uint32_t count; /* result, at most max */
        } stats;
        struct {
            const char *storage; /* "flash0" */
            /* CHUNK_*: as the caller was told them and has sized its buffers
             * by. FP_ERR_STALE: the device tells others now. */
            uint64_t storage_size;
            uint32_t chunk_size;
            uint32_t first, count;
            /* DIGESTS: count * 16 bytes and count statuses of the caller.
             * FILL: the byte, then zeros. READ: count * chunk_size bytes and
             * count statuses; a last chunk shorter than chunk_size is not
             * padded. WRITE: the bytes to program. */
            uint8_t *digests;
            uint8_t *data;
            uint8_t *status;
            uint32_t level;   /* DIGESTS: 0 chunks, 1 over 256 of them */
            uint8_t nonce[8]; /* WRITE: of RESTORE_BEGIN, whose result it is */
            /* CHANGED: what changed after generation `since`; up to runs_max
             * runs into the caller's array; too_old: take all as changed (also
             * when there were more runs than that). */
            uint32_t since;
            struct fpd_chunk_run *runs;
            uint32_t runs_max, runs_count;
            bool too_old;
            uint32_t freeze_ms; /* FREEZE: the device thaws by itself */
            uint32_t gen_first; /* result: generation before */
            uint32_t gen;       /* result: and after */
        } chunk;                /* CHUNK_*, FREEZE, THAW, RESTORE_* */
    } u;

    /* Results common to all. */
    int err;
    struct fpd_failure failure;
    uint8_t epoch[8]; /* of the device that answered */

    _Atomic bool cancel; /* set by fpd_device_cancel() */

    /* private */
    struct fpd_device *device;
    struct fpd_request *next;
    struct fpd_op_state *state;
    int64_t queued_ms;
};

/* Milliseconds of the monotonic clock. */
int64_t fpd_now_ms(void);

/* Queues it. FP_ERR_NODEV: offline; FP_ERR_NFILE: too much queued already;
 * FP_ERR_INVAL: what no device could answer (a path that is not absolute, a
 * component "..", longer than FPD_PATH_MAX: FP_ERR_NAMETOOLONG). On an error
 * done() is not called and pipes and spools are untouched. */
int fpd_device_submit(struct fpd_device *device, struct fpd_request *req);
/* Asks for an end: done() comes soon, with FP_ERR_CANCELED unless it was over
 * already. What is past its commit is not taken back. The caller sees to it
 * that the request lives: done() has not been entered. */
void fpd_device_cancel(struct fpd_device *device, struct fpd_request *req);
/* submit, and wait until done; for job threads. Returns req->err. done and ctx
 * of the request are used by this call. `cancel`, if given, is looked at ten
 * times a second. */
int fpd_device_run(struct fpd_device *device, struct fpd_request *req,
                   const _Atomic bool *cancel);

#endif
