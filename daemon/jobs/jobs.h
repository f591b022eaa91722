/* SPDX-License-Identifier: MIT
 *
 * Jobs: everything that takes longer than a request. A backup, a restore, a
 * verify of the store, a prune.
 *
 * A job is a row in the store before its id is told, so it outlives the
 * daemon. One thread works on it at a time, from a small pool; jobs of one
 * device run one after another, those of different devices side by side. A job
 * whose device is away waits for it (state "waiting") and goes on when it is
 * back, until it has waited for wait_ms.
 *
 *   queued ──► running ◄──► waiting
 *     │           │  └────────┤
 *     ▼           ▼           ▼
 *  cancelled   done, failed, cancelled     (cancelling: on the way there)
 *
 * After a restart of the daemon what was queued or under way is taken up again
 * from its start, which costs little, because nothing is done twice:
 *   backup   the chunks that were stored already are not fetched again
 *   restore  from a snapshot: only chunks that differ are programmed. Of an
 *            uploaded image (its bytes are gone with the daemon): failed, with
 *            a sentence that says what is on the device now
 *   verify, prune  from the start
 *
 * Memory  fpd_jobs_new() to _free(); JSON comes as a new reference
 * Errors  0 or a negative enum fp_error; why[0..size) gets a sentence for a
 *         person where a parameter has that name
 * Thread  every function may be called from any thread; none but _wait, _stop
 *         and _free blocks for longer than a store transaction
 */
#ifndef FPD_JOBS_JOBS_H
#define FPD_JOBS_JOBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_JOB_ID_SIZE 37 /* a UUIDv7 in hex and dashes, with the NUL */

struct fpd_devices;
struct fpd_spool;
struct fpd_store;
struct fpd_jobs;

struct fpd_jobs_config {
    struct fpd_store *store;     /* borrowed; outlives the jobs */
    struct fpd_devices *devices; /* borrowed; outlives the jobs */
    /* A job is there, moved or ended; progress at most four times a second a
     * job. For SSE: fpd_jobs_get() gives what to send. On a job's thread or
     * the caller's, with no lock held. May be NULL. */
    void (*changed)(void *ctx, const char *id);
    void *ctx;
    uint32_t threads; /* jobs at once; 0: 16, as they mostly wait */
    uint32_t wait_ms; /* for a device that is away; 0: 600000 */
};

/* Takes up again what was left by the daemon before. */
int fpd_jobs_new(const struct fpd_jobs_config *cfg, struct fpd_jobs **out);
/* Ends the threads. Jobs under way stop between two blocks and are taken up
 * again by the next daemon; a restore that can't be is reported failed. */
void fpd_jobs_stop(struct fpd_jobs *jobs);
/* Stops if that was not done. NULL is accepted. */
void fpd_jobs_free(struct fpd_jobs *jobs);

/* ---- to start one ---- */

struct fpd_backup_params {
    const char *device;
    const char *storage;
    const char *region; /* NULL: the whole storage */
    const char *tags;   /* JSON text, up to 1023 bytes; or NULL */
    bool pinned;        /* retention leaves it alone */
};
/* id gets the job's. FP_ERR_NOENT: no such device, storage or region; but of a
 * device that is known and away the storage is looked at once it is back.
 * FP_ERR_INVAL: tags too long; here and below FP_ERR_NFILE: too many jobs wait
 * already. The job's result: {"snapshot":id,"new_bytes":n,
 * "complete":bool,"unreadable":chunks,"consistency":word,"fetched":chunks}. */
int fpd_jobs_backup(struct fpd_jobs *jobs, const struct fpd_backup_params *p,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size);

struct fpd_restore_params {
    const char *device;
    const char *storage;
    const char *region; /* NULL: as the snapshot says, or the whole storage */
    /* One of the two. The spool's reference is shared (_ref), its body may
     * still be on its way: the job begins when it has ended. */
    const char *snapshot;
    struct fpd_spool *spool;
    bool incomplete; /* program what a snapshot has even if chunks of it could
                        not be read then; those are left as they are */
    bool smaller;    /* program an image that is smaller than the range; what
                        lies behind it is left as it is */
    /* Regions within the range that are firmware (executed in place,
     * read-only) or, on another device than the snapshot's, unique (keys,
     * calibration) are left as they are, unless named here. */
    const char *const *regions;
    size_t region_count;
};
/* Everything that can be refused without the device is refused here:
 * FP_ERR_NOENT; FP_ERR_PRECOND: an incomplete snapshot, or an image that is
 * smaller than the storage or region; FP_ERR_FBIG: larger; FP_ERR_NFILE also
 * where four images wait for this device. The job refuses the rest before its
 * first erase.
 * Its result: {"programmed":chunks,"same":chunks,"skipped":[regions]}.
 *
 * When it fails or is cancelled half-way, its error says what the device has
 * now: either nothing was changed, or there is no filesystem any more (where
 * one begins was erased first and is written last) until the restore is run
 * again, which programs only what is missing. */
int fpd_jobs_restore(struct fpd_jobs *jobs, const struct fpd_restore_params *p,
                     char id[FPD_JOB_ID_SIZE], char *why, size_t size);

/* Re-reads and re-hashes what the store holds. Fails (FP_ERR_CORRUPT) when
 * something is not as it was stored. snapshot NULL: everything. Where one waits
 * already that has not begun, id is that one's. FP_ERR_NFILE comes earlier than
 * for others, who shall find room. */
int fpd_jobs_verify(struct fpd_jobs *jobs, const char *snapshot,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size);

/* Deletes these snapshots (none: only sweeps), at once and before it returns,
 * so that they are gone from every list; the job then frees what nothing names
 * any more, on a full disk too, where it is stored when it has made room. FP_ERR_NOENT, FP_ERR_ACCES (pinned): none is deleted.
 * Result: {"deleted":n,"freed_bytes":n,"freed_chunks":n}. */
int fpd_jobs_prune(struct fpd_jobs *jobs, const char *const *snapshots,
                   size_t count, char id[FPD_JOB_ID_SIZE], char *why,
                   size_t size);

/* ---- to watch and to end ---- */

/* The job as interfaces.md gives it: {id,kind,device,state,phase,progress,
 * result?,error?:{"code":"NODEV","err":-19,"detail":sentence},params,created,
 * started?,ended?}; times are unix milliseconds. NULL: no such job. */
json_t *fpd_jobs_get(struct fpd_jobs *jobs, const char *id);
/* Newest first, up to `limit` (0: 100, at most 1000): an array of such objects.
 * device NULL: of all. before NULL: from the newest; else of those older than
 * this id, for the next page. NULL: no memory or store. */
json_t *fpd_jobs_list(struct fpd_jobs *jobs, const char *device,
                      const char *before, size_t limit);
/* What happened, an array of {"seq":n,"time":ms,"text":sentence}, the oldest
 * first, from behind seq `after` on, at most 200. NULL: no such job. */
json_t *fpd_jobs_log(struct fpd_jobs *jobs, const char *id, uint32_t after);
/* Asks for an end. A job that waits in the queue is cancelled at once; one that
 * runs, between two blocks. FP_ERR_NOENT; FP_ERR_STALE: it had ended. */
int fpd_jobs_cancel(struct fpd_jobs *jobs, const char *id);
/* Waits until it has ended. FP_ERR_NOENT, FP_ERR_TIMEDOUT; FP_OK: it ended,
 * whichever way. */
int fpd_jobs_wait(struct fpd_jobs *jobs, const char *id, uint32_t ms);
/* Does a job hold this device (running or waiting)? */
bool fpd_jobs_busy(struct fpd_jobs *jobs, const char *device);

#endif
