/* SPDX-License-Identifier: MIT
 *
 * The engine: the list of jobs that have not ended, and the threads that take
 * the oldest one whose device no other job holds.
 *
 * When the daemon ends, a job under way is left in the store as it stands,
 * "running": that is the note by which the next daemon takes it up, the same
 * note that a killed daemon leaves.
 */
#include "daemon/jobs/engine.h"

#include "core/error.h"
#include "daemon/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    THREADS = 16,
    WAIT_MS = 600000,
    LIST_DEFAULT = 100,
    LIST_MAX = 1000,
    LOG_PAGE = 200,
    KEEP_AGAIN_S = 5,
};

typedef int (*runner_fn)(struct fpd_job *job);

static const runner_fn runners[] = {
    [FPD_JOB_BACKUP] = fpd_job_run_backup,
    [FPD_JOB_RESTORE] = fpd_job_run_restore,
    [FPD_JOB_VERIFY] = fpd_job_run_verify,
    [FPD_JOB_PRUNE] = fpd_job_run_prune,
};

/* ---- the list ---- */

/* The lock is held. */
static struct fpd_job *find(struct fpd_jobs *jobs, const char *id)
{
    struct fpd_job *job = jobs->first;

    while (job && strcmp(job->row.id, id) != 0)
        job = job->next;
    return job;
}

struct fpd_job *fpd_jobs_find(struct fpd_jobs *jobs, const char *id)
{
    struct fpd_job *job;

    pthread_mutex_lock(&jobs->lock);
    job = find(jobs, id);
    if (job)
        job->refs++;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

void fpd_job_unref(struct fpd_job *job)
{
    struct fpd_jobs *jobs = job->jobs;
    bool last;

    pthread_mutex_lock(&jobs->lock);
    last = --job->refs == 0;
    pthread_mutex_unlock(&jobs->lock);
    if (last)
        fpd_job_free(job);
}

void fpd_jobs_append(struct fpd_jobs *jobs, struct fpd_job *job)
{
    struct fpd_job **at = &jobs->first;

    while (*at)
        at = &(*at)->next;
    job->next = NULL;
    job->refs = 1;
    *at = job;
    pthread_cond_broadcast(&jobs->moved);
}

/* Whoever waits for it may go: it ended, and no thread works on it. */
static bool is_over(const struct fpd_job *job)
{
    return fpd_job_ended(job) && !job->held;
}

/* The lock is held. The oldest job that ended and is in the list all the
 * same; NULL. */
static struct fpd_job *unkept(struct fpd_jobs *jobs)
{
    struct fpd_job *job = jobs->first;

    while (job && !is_over(job))
        job = job->next;
    return job;
}

/* Out of the list, and its reference given back. */
static void retire(struct fpd_jobs *jobs, struct fpd_job *job)
{
    pthread_mutex_lock(&jobs->lock);
    for (struct fpd_job **at = &jobs->first; *at; at = &(*at)->next) {
        if (*at != job)
            continue;
        *at = job->next;
        break;
    }
    pthread_cond_broadcast(&jobs->moved);
    pthread_mutex_unlock(&jobs->lock);
    fpd_job_unref(job);
}

/* It has ended: into the store with it, or, where that has no room, kept here
 * so that whoever asks is told the truth. */
static void put_away(struct fpd_jobs *jobs, struct fpd_job *job)
{
    if (fpd_job_keep(job) == FP_OK) {
        retire(jobs, job);
        return;
    }
    pthread_mutex_lock(&jobs->lock);
    job->held = false;
    pthread_cond_broadcast(&jobs->moved);
    pthread_mutex_unlock(&jobs->lock);
}

/* The lock is held, and let go of meanwhile. Sleeps until something moves, or
 * until it is time to offer the store again what it had no room for. */
static void rest(struct fpd_jobs *jobs)
{
    struct fpd_job *job;
    struct timespec until;

    if (!unkept(jobs)) {
        pthread_cond_wait(&jobs->moved, &jobs->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += KEEP_AGAIN_S;
    if (pthread_cond_timedwait(&jobs->moved, &jobs->lock, &until) != ETIMEDOUT)
        return;
    job = unkept(jobs);
    if (!job)
        return;
    job->held = true; /* by this thread alone */
    pthread_mutex_unlock(&jobs->lock);
    put_away(jobs, job);
    pthread_mutex_lock(&jobs->lock);
}

/* The lock is held. */
static bool device_held(const struct fpd_jobs *jobs, const char *device)
{
    for (const struct fpd_job *job = jobs->first; job; job = job->next)
        if (job->held && !fpd_job_ended(job) &&
            strcmp(job->device, device) == 0)
            return true;
    return false;
}

/* The lock is held. */
static struct fpd_job *next_job(struct fpd_jobs *jobs)
{
    for (struct fpd_job *job = jobs->first; job; job = job->next)
        if (job->state == FPD_JOB_QUEUED && !job->held &&
            !device_held(jobs, job->device))
            return job;
    return NULL;
}

/* ---- running ---- */

static int64_t unix_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The daemon ends, and the job goes on in the next. */
static bool will_go_on(struct fpd_job *job, int err)
{
    bool left;

    pthread_mutex_lock(&job->jobs->lock);
    left = err == FP_ERR_CANCELED && !job->cancel && job->jobs->stopping;
    pthread_mutex_unlock(&job->jobs->lock);
    return left;
}

static void settle(struct fpd_job *job, int err)
{
    bool cancelled;

    pthread_mutex_lock(&job->jobs->lock);
    cancelled = err == FP_ERR_CANCELED && job->cancel;
    fpd_job_set_state(job, !err        ? FPD_JOB_DONE
                           : cancelled ? FPD_JOB_CANCELLED
                                       : FPD_JOB_FAILED);
    job->row.error = err;
    job->row.ended_ms = unix_ms();
    if (!err) {
        job->row.detail[0] = '\0';
        job->row.done = job->row.total; /* nothing is left to do */
    }
    pthread_mutex_unlock(&job->jobs->lock);
}

/* Whether it has ended. */
static bool run(struct fpd_job *job)
{
    int err;

    (void)fpd_job_keep(job);
    fpd_job_tell(job);
    err = runners[job->kind](job);
    if (err && err != FP_ERR_CANCELED)
        fpd_log(FPD_LOG_WARN, "jobs", "a %s failed: job=%s device=%s err=%s",
                job->row.kind, job->row.id, job->device, fp_strerror(err));
    if (will_go_on(job, err))
        return false;
    fpd_job_log(job, "%s%s%s", err ? "Ended" : "Done",
                err && job->row.detail[0] ? ": " : "",
                err ? job->row.detail : "");
    settle(job, err);
    return true;
}

static void *thread_main(void *arg)
{
    struct fpd_jobs *jobs = arg;

    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        struct fpd_job *job = next_job(jobs);
        char id[FPD_JOB_ID_SIZE];

        if (!job) {
            rest(jobs);
            continue;
        }
        job->held = true;
        fpd_job_set_state(job, FPD_JOB_RUNNING);
        if (!job->row.started_ms)
            job->row.started_ms = unix_ms();
        memcpy(id, job->row.id, sizeof(id));
        pthread_mutex_unlock(&jobs->lock);
        if (run(job))
            put_away(jobs, job);
        else
            retire(jobs, job);
        if (jobs->cfg.changed)
            jobs->cfg.changed(jobs->cfg.ctx, id);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* ---- life ---- */

static int start_threads(struct fpd_jobs *jobs)
{
    while (jobs->thread_count < jobs->cfg.threads) {
        if (pthread_create(&jobs->threads[jobs->thread_count], NULL,
                           thread_main, jobs))
            return FP_ERR_NOMEM;
        jobs->thread_count++;
    }
    return FP_OK;
}

static void init_lock(struct fpd_jobs *jobs)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->moved, &attr);
    pthread_condattr_destroy(&attr);
}

int fpd_jobs_new(const struct fpd_jobs_config *cfg, struct fpd_jobs **out)
{
    struct fpd_jobs *jobs = calloc(1, sizeof(*jobs));
    int err;

    if (!jobs)
        return FP_ERR_NOMEM;
    jobs->cfg = *cfg;
    if (!jobs->cfg.threads)
        jobs->cfg.threads = THREADS;
    if (jobs->cfg.threads > FPD_JOBS_THREADS_MAX)
        jobs->cfg.threads = FPD_JOBS_THREADS_MAX;
    if (!jobs->cfg.wait_ms)
        jobs->cfg.wait_ms = WAIT_MS;
    init_lock(jobs);
    err = fpd_jobs_resume(jobs);
    if (!err)
        err = start_threads(jobs);
    if (err) {
        fpd_jobs_free(jobs);
        return fpd_trace(err);
    }
    *out = jobs;
    return FP_OK;
}

void fpd_jobs_stop(struct fpd_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    if (jobs->stopped) {
        pthread_mutex_unlock(&jobs->lock);
        return;
    }
    jobs->stopped = jobs->stopping = true;
    for (struct fpd_job *job = jobs->first; job; job = job->next)
        atomic_store(&job->interrupt, true);
    pthread_cond_broadcast(&jobs->moved);
    pthread_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < jobs->thread_count; i++)
        pthread_join(jobs->threads[i], NULL);
}

void fpd_jobs_free(struct fpd_jobs *jobs)
{
    if (!jobs)
        return;
    fpd_jobs_stop(jobs);
    while (jobs->first) {
        struct fpd_job *job = jobs->first;

        jobs->first = job->next;
        fpd_job_free(job);
    }
    pthread_cond_destroy(&jobs->moved);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

/* ---- to watch and to end ---- */

json_t *fpd_jobs_get(struct fpd_jobs *jobs, const char *id)
{
    struct fpd_store_job row;
    struct fpd_job *job;
    json_t *obj = NULL;

    pthread_mutex_lock(&jobs->lock);
    job = find(jobs, id);
    if (job)
        obj = fpd_job_json(&job->row, job);
    pthread_mutex_unlock(&jobs->lock);
    if (job)
        return obj;
    memset(&row, 0, sizeof(row));
    if (fpd_store_job_get(jobs->cfg.store, id, &row))
        return NULL;
    obj = fpd_job_json(&row, NULL);
    fpd_store_job_deinit(&row);
    return obj;
}

static json_t *list_rows(struct fpd_jobs *jobs, struct fpd_store_job *rows,
                         size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        struct fpd_job *job;

        pthread_mutex_lock(&jobs->lock);
        job = find(jobs, rows[i].id);
        json_array_append_new(array,
                              fpd_job_json(job ? &job->row : &rows[i], job));
        pthread_mutex_unlock(&jobs->lock);
    }
    return array;
}

/* Where in an array, newest first, a job of this id belongs; SIZE_MAX: there it
 * is. */
static size_t place_of(const json_t *array, const char *id)
{
    size_t i = 0;

    for (; i < json_array_size(array); i++) {
        json_t *other = json_object_get(json_array_get(array, i), "id");
        int order = strcmp(json_string_value(other), id);

        if (order <= 0)
            return order ? i : SIZE_MAX;
    }
    return i;
}

/* Adds those that the store has not taken, as it does not when its disk is
 * full. */
static void add_unstored(struct fpd_jobs *jobs, json_t *array,
                         const char *device, const char *before, size_t limit)
{
    pthread_mutex_lock(&jobs->lock);
    for (struct fpd_job *job = jobs->first; job; job = job->next) {
        size_t at = place_of(array, job->row.id);

        if (at >= limit || (device && strcmp(job->row.device, device) != 0) ||
            (before && strcmp(job->row.id, before) >= 0))
            continue;
        json_array_insert_new(array, at, fpd_job_json(&job->row, job));
        if (json_array_size(array) > limit)
            json_array_remove(array, limit);
    }
    pthread_mutex_unlock(&jobs->lock);
}

json_t *fpd_jobs_list(struct fpd_jobs *jobs, const char *device,
                      const char *before, size_t limit)
{
    struct fpd_store_job *rows;
    json_t *array = NULL;
    size_t count = 0;

    if (!limit)
        limit = LIST_DEFAULT;
    if (limit > LIST_MAX)
        limit = LIST_MAX;
    rows = calloc(limit, sizeof(*rows));
    if (!rows)
        return NULL;
    if (!fpd_store_job_list(jobs->cfg.store, device, before, rows, limit,
                            &count))
        array = list_rows(jobs, rows, count);
    if (array)
        add_unstored(jobs, array, device, before, limit);
    for (size_t i = 0; i < count; i++)
        fpd_store_job_deinit(&rows[i]);
    free(rows);
    return array;
}

json_t *fpd_jobs_log(struct fpd_jobs *jobs, const char *id, uint32_t after)
{
    struct fpd_store_log_line *lines = calloc(LOG_PAGE, sizeof(*lines));
    json_t *array = NULL;
    size_t count = 0;

    if (lines && !fpd_store_job_log_list(jobs->cfg.store, id, after, lines,
                                         LOG_PAGE, &count))
        array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        json_t *line =
            json_pack("{sI sI ss}", "seq", (json_int_t)lines[i].seq, "time",
                      (json_int_t)lines[i].at_ms, "text", lines[i].text);
        if (line)
            json_array_append_new(array, line);
    }
    free(lines);
    return array;
}

static int ended_or_unknown(struct fpd_jobs *jobs, const char *id)
{
    struct fpd_store_job row;
    int err;

    memset(&row, 0, sizeof(row));
    err = fpd_store_job_get(jobs->cfg.store, id, &row);
    if (!err)
        fpd_store_job_deinit(&row);
    return err ? err : FP_ERR_STALE;
}

int fpd_jobs_cancel(struct fpd_jobs *jobs, const char *id)
{
    struct fpd_job *job = fpd_jobs_find(jobs, id);
    bool queued, ended;

    if (!job)
        return ended_or_unknown(jobs, id);
    pthread_mutex_lock(&jobs->lock);
    ended = fpd_job_ended(job);
    queued = job->state == FPD_JOB_QUEUED && !job->held;
    job->cancel = true;
    if (queued) {
        job->held = true;
        fpd_job_set_state(job, FPD_JOB_CANCELLED);
        job->row.error = FP_ERR_CANCELED;
        job->row.ended_ms = unix_ms();
    } else if (!ended) {
        fpd_job_set_state(job, FPD_JOB_CANCELLING);
    }
    atomic_store(&job->interrupt, true);
    pthread_mutex_unlock(&jobs->lock);
    if (queued)
        put_away(jobs, job);
    else if (!ended)
        (void)fpd_job_keep(job);
    fpd_job_tell(job);
    fpd_job_unref(job);
    return ended ? FP_ERR_STALE : FP_OK;
}

int fpd_jobs_wait(struct fpd_jobs *jobs, const char *id, uint32_t ms)
{
    const struct fpd_job *job = NULL;
    struct timespec until;
    bool waited = true;
    int err;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&jobs->lock);
    while (waited && (job = find(jobs, id)) && !is_over(job))
        waited = pthread_cond_timedwait(&jobs->moved, &jobs->lock, &until) !=
                 ETIMEDOUT;
    err = !waited ? FP_ERR_TIMEDOUT : job ? FP_OK : FP_ERR_NOENT;
    pthread_mutex_unlock(&jobs->lock);
    if (err == FP_ERR_NOENT && ended_or_unknown(jobs, id) == FP_ERR_STALE)
        err = FP_OK;
    return err;
}

bool fpd_jobs_busy(struct fpd_jobs *jobs, const char *device)
{
    bool busy;

    pthread_mutex_lock(&jobs->lock);
    busy = device_held(jobs, device);
    pthread_mutex_unlock(&jobs->lock);
    return busy;
}
