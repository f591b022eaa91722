/* SPDX-License-Identifier: MIT
 *
 * What the parts of the job engine share. Private to daemon/jobs.
 *
 * The list holds the jobs that have not ended, the oldest first; one that has
 * ended lives in the store alone. Where the store could not take the end (its
 * disk is full) the job stays in the list, ended, until it can; when the daemon
 * ends before that, the next one does the job again. `lock` is held for moments only, never over
 * a call of the store, a device or a callback.
 */
#ifndef FPD_JOBS_ENGINE_H
#define FPD_JOBS_ENGINE_H

#include "daemon/jobs/job.h"

#define FPD_JOBS_THREADS_MAX 64

struct fpd_jobs {
    struct fpd_jobs_config cfg;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* a job came, ended, or the daemon ends */
    struct fpd_job *first;
    bool stopping;
    bool stopped;
    uint32_t thread_count;
    pthread_t threads[FPD_JOBS_THREADS_MAX];
};

/* "backup" ...; -1: no kind of that name. */
const char *fpd_job_kind_name(enum fpd_job_kind kind);
int fpd_job_kind_parse(const char *name);

/* With jobs->lock held. */
void fpd_job_set_state(struct fpd_job *job, enum fpd_job_state state);
bool fpd_job_ended(const struct fpd_job *job);

/* A job of this kind for `device` ("" for none); takes params. NULL: no
 * memory. */
struct fpd_job *fpd_job_new(struct fpd_jobs *jobs, enum fpd_job_kind kind,
                            const char *device, json_t *params);
void fpd_job_free(struct fpd_job *job);
/* The one of this id in the list, as a reference; NULL. */
struct fpd_job *fpd_jobs_find(struct fpd_jobs *jobs, const char *id);
void fpd_job_unref(struct fpd_job *job);
/* Writes the row to the store. */
int fpd_job_keep(struct fpd_job *job);
/* Tells the callback. */
void fpd_job_tell(struct fpd_job *job);

/* Adds it to the store and the queue; takes the job, on an error too. */
int fpd_jobs_submit(struct fpd_jobs *jobs, struct fpd_job *job,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size);
/* Into the list, with the lock held. */
void fpd_jobs_append(struct fpd_jobs *jobs, struct fpd_job *job);

/* What the daemon before left behind. */
int fpd_jobs_resume(struct fpd_jobs *jobs);

/* What the device has after a restore that ended in this phase. */
const char *fpd_restore_left(const char *phase);

/* The JSON of a row; live may be NULL. */
json_t *fpd_job_json(const struct fpd_store_job *row,
                     const struct fpd_job *live);

#endif
