/* SPDX-License-Identifier: MIT
 *
 * One job, as the code that does it sees it. Private to daemon/jobs.
 *
 * A runner is a function that does a job of one kind from its start, whatever
 * was done of it before. It looks at fpd_job_check() between blocks, tells how
 * far it is, and answers FP_OK, or an error for which fpd_job_fail() has set
 * the sentence. It runs on one thread; params, device and the spool never
 * change, what may be seen by others is behind the functions.
 */
#ifndef FPD_JOBS_JOB_H
#define FPD_JOBS_JOB_H

#include "daemon/device/device.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/jobs.h"

#include <pthread.h>
#include <stdatomic.h>

enum fpd_job_kind {
    FPD_JOB_BACKUP,
    FPD_JOB_RESTORE,
    FPD_JOB_VERIFY,
    FPD_JOB_PRUNE
};

enum fpd_job_state {
    FPD_JOB_QUEUED,
    FPD_JOB_RUNNING,
    FPD_JOB_WAITING,
    FPD_JOB_CANCELLING,
    FPD_JOB_DONE,
    FPD_JOB_FAILED,
    FPD_JOB_CANCELLED
};

struct fpd_job {
    /* Never change. */
    struct fpd_jobs *jobs;
    enum fpd_job_kind kind;
    const char *device;      /* row.device; "" for jobs of the store */
    json_t *params;          /* what was asked */
    struct fpd_spool *spool; /* restore of an upload, or NULL */
    _Atomic bool interrupt;  /* cancelled, or the daemon ends */

    /* private: behind jobs->lock */
    struct fpd_job *next;
    uint32_t refs;            /* the list's, and of who uses it now */
    enum fpd_job_state state; /* row.state says it in a word */
    struct fpd_store_job row; /* what the store gets; row.id never changes */
    pthread_mutex_t keep;     /* held while the row goes to the store */
    bool cancel;              /* a person asked for the end */
    bool held;                /* a thread works on it */
    const char *limit;        /* static; NULL */
    double rate;              /* units a second; 0: not known yet */
    uint64_t mark_done;
    int64_t mark_ms, told_ms, kept_ms; /* of fpd_now_ms() */
};

/* FP_ERR_CANCELED when the job should end. */
int fpd_job_check(struct fpd_job *job);
/* Frees what nothing in the store names any more; its progress is the job's. */
struct fpd_store_sweep;
int fpd_job_sweep(struct fpd_job *job, struct fpd_store_sweep *out);
/* Sleeps, in slices, so that an end is noticed soon. As fpd_job_check(). */
int fpd_job_sleep(struct fpd_job *job, uint32_t ms);
/* What is being done, "programming", at most 64 bytes; progress starts at 0. It
 * is in the store when this returns. */
void fpd_job_phase(struct fpd_job *job, const char *phase, const char *unit,
                   uint64_t total);
void fpd_job_progress(struct fpd_job *job, uint64_t done);
/* The total, where it is known only by and by. */
void fpd_job_total(struct fpd_job *job, uint64_t total);
/* What holds it back, seen while it runs; `limit` is static. */
void fpd_job_limit(struct fpd_job *job, const char *limit);
/* It waits for its device, or no longer does. */
void fpd_job_waiting(struct fpd_job *job, bool waiting);
/* A line of its log, and of the daemon's at debug. */
void fpd_job_log(struct fpd_job *job, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Sets the sentence that explains `err`, and returns err. The first one
 * stays. FP_ERR_CANCELED needs none. */
int fpd_job_fail(struct fpd_job *job, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a sentence to that. */
void fpd_job_append(struct fpd_job *job, const char *sentence);
/* Takes the reference. */
void fpd_job_result(struct fpd_job *job, json_t *result);
/* How long to wait for a device that is away. */
uint32_t fpd_job_wait_ms(const struct fpd_job *job);
/* Units a second, of late; 0: not known yet. */
double fpd_job_rate(struct fpd_job *job);
struct fpd_store *fpd_job_store(const struct fpd_job *job);
struct fpd_devices *fpd_job_devices(const struct fpd_job *job);

int fpd_job_run_backup(struct fpd_job *job);
int fpd_job_run_restore(struct fpd_job *job);
int fpd_job_run_verify(struct fpd_job *job);
int fpd_job_run_prune(struct fpd_job *job);

#endif
