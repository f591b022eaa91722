/* SPDX-License-Identifier: MIT
 *
 * What a runner tells of its job, and how that reaches the store: states and
 * phases at once, progress every two seconds, since each write is a
 * transaction on disk.
 */
#include "daemon/jobs/engine.h"

#include "core/error.h"
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TELL_MS = 250,  /* between two calls of the callback for progress */
    KEEP_MS = 2000, /* between two writes of progress to the store */
    RATE_MS = 500,  /* over which a rate is measured, at least */
    SLEEP_MS = 50,
};

static const char *const kind_names[] = {
    [FPD_JOB_BACKUP] = "backup",
    [FPD_JOB_RESTORE] = "restore",
    [FPD_JOB_VERIFY] = "verify",
    [FPD_JOB_PRUNE] = "prune",
};

static const char *const state_names[] = {
    [FPD_JOB_QUEUED] = "queued",       [FPD_JOB_RUNNING] = "running",
    [FPD_JOB_WAITING] = "waiting",     [FPD_JOB_CANCELLING] = "cancelling",
    [FPD_JOB_DONE] = "done",           [FPD_JOB_FAILED] = "failed",
    [FPD_JOB_CANCELLED] = "cancelled",
};

void fpd_job_set_state(struct fpd_job *job, enum fpd_job_state state)
{
    job->state = state;
    snprintf(job->row.state, sizeof(job->row.state), "%s", state_names[state]);
}

bool fpd_job_ended(const struct fpd_job *job)
{
    return job->state >= FPD_JOB_DONE;
}

const char *fpd_job_kind_name(enum fpd_job_kind kind)
{
    return kind_names[kind];
}

int fpd_job_kind_parse(const char *name)
{
    for (int i = 0; i <= FPD_JOB_PRUNE; i++)
        if (strcmp(kind_names[i], name) == 0)
            return i;
    return -1;
}

struct fpd_job *fpd_job_new(struct fpd_jobs *jobs, enum fpd_job_kind kind,
                            const char *device, json_t *params)
{
    struct fpd_job *job = params ? calloc(1, sizeof(*job)) : NULL;

    if (!job) {
        json_decref(params);
        return NULL;
    }
    job->jobs = jobs;
    job->kind = kind;
    job->params = params;
    job->row.request = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(job->row.kind, sizeof(job->row.kind), "%s",
             fpd_job_kind_name(kind));
    snprintf(job->row.device, sizeof(job->row.device), "%s", device);
    job->device = job->row.device;
    pthread_mutex_init(&job->keep, NULL);
    fpd_job_set_state(job, FPD_JOB_QUEUED);
    if (!job->row.request) {
        fpd_job_free(job);
        return NULL;
    }
    return job;
}

void fpd_job_free(struct fpd_job *job)
{
    if (!job)
        return;
    json_decref(job->params);
    fpd_spool_unref(job->spool);
    fpd_store_job_deinit(&job->row);
    pthread_mutex_destroy(&job->keep);
    free(job);
}

void fpd_job_tell(struct fpd_job *job)
{
    const struct fpd_jobs_config *cfg = &job->jobs->cfg;

    if (cfg->changed)
        cfg->changed(cfg->ctx, job->row.id);
}

int fpd_job_keep(struct fpd_job *job)
{
    struct fpd_store_job row;
    int err;

    /* One writer of a row at a time, so that the newest is written last. */
    pthread_mutex_lock(&job->keep);
    pthread_mutex_lock(&job->jobs->lock);
    row = job->row;
    job->kept_ms = fpd_now_ms();
    pthread_mutex_unlock(&job->jobs->lock);
    err = fpd_store_job_update(job->jobs->cfg.store, &row);
    if (err == FP_ERR_NOENT) /* a prune that began without (start.c) */
        err = fpd_store_job_add(job->jobs->cfg.store, &row);
    pthread_mutex_unlock(&job->keep);
    if (err)
        fpd_log(FPD_LOG_WARN, "jobs", "the state was not stored: job=%s err=%s",
                row.id, fp_strerror(err));
    return err;
}

int fpd_job_check(struct fpd_job *job)
{
    return atomic_load(&job->interrupt) ? FP_ERR_CANCELED : FP_OK;
}

int fpd_job_sleep(struct fpd_job *job, uint32_t ms)
{
    for (uint32_t slept = 0; slept < ms; slept += SLEEP_MS) {
        struct timespec ts = { 0, SLEEP_MS * 1000000L };

        if (fpd_job_check(job))
            return FP_ERR_CANCELED;
        nanosleep(&ts, NULL);
    }
    return fpd_job_check(job);
}

void fpd_job_phase(struct fpd_job *job, const char *phase, const char *unit,
                   uint64_t total)
{
    struct fpd_jobs *jobs = job->jobs;

    pthread_mutex_lock(&jobs->lock);
    snprintf(job->row.phase, sizeof(job->row.phase), "%s", phase);
    snprintf(job->row.unit, sizeof(job->row.unit), "%s", unit);
    job->row.done = 0;
    job->row.total = total;
    job->limit = NULL;
    job->rate = 0;
    job->mark_done = 0;
    job->mark_ms = fpd_now_ms();
    pthread_mutex_unlock(&jobs->lock);
    (void)fpd_job_keep(job);
    fpd_job_tell(job);
}

/* The lock is held. A mean that forgets, half of it every measurement. */
static void measure(struct fpd_job *job, int64_t now)
{
    int64_t ms = now - job->mark_ms;
    double rate;

    if (ms < RATE_MS || job->row.done < job->mark_done)
        return;
    rate = (double)(job->row.done - job->mark_done) * 1000.0 / (double)ms;
    job->rate = job->rate > 0 ? (job->rate + rate) / 2 : rate;
    job->mark_ms = now;
    job->mark_done = job->row.done;
}

void fpd_job_progress(struct fpd_job *job, uint64_t done)
{
    int64_t now = fpd_now_ms();
    bool tell, keep;

    pthread_mutex_lock(&job->jobs->lock);
    job->row.done = done;
    measure(job, now);
    tell = now - job->told_ms >= TELL_MS;
    keep = now - job->kept_ms >= KEEP_MS;
    if (tell)
        job->told_ms = now;
    pthread_mutex_unlock(&job->jobs->lock);
    if (keep)
        (void)fpd_job_keep(job);
    if (tell)
        fpd_job_tell(job);
}

void fpd_job_total(struct fpd_job *job, uint64_t total)
{
    pthread_mutex_lock(&job->jobs->lock);
    job->row.total = total;
    pthread_mutex_unlock(&job->jobs->lock);
}

void fpd_job_limit(struct fpd_job *job, const char *limit)
{
    pthread_mutex_lock(&job->jobs->lock);
    job->limit = limit;
    pthread_mutex_unlock(&job->jobs->lock);
}

double fpd_job_rate(struct fpd_job *job)
{
    double rate;

    pthread_mutex_lock(&job->jobs->lock);
    rate = job->rate;
    pthread_mutex_unlock(&job->jobs->lock);
    return rate;
}

void fpd_job_waiting(struct fpd_job *job, bool waiting)
{
    enum fpd_job_state from = waiting ? FPD_JOB_RUNNING : FPD_JOB_WAITING;
    bool moved;

    pthread_mutex_lock(&job->jobs->lock);
    moved = job->state == from;
    if (moved)
        fpd_job_set_state(job, waiting ? FPD_JOB_WAITING : FPD_JOB_RUNNING);
    pthread_mutex_unlock(&job->jobs->lock);
    if (!moved)
        return;
    (void)fpd_job_keep(job);
    fpd_job_tell(job);
}

void fpd_job_log(struct fpd_job *job, const char *fmt, ...)
{
    char text[FPD_STORE_LOG_LINE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fpd_log(FPD_LOG_DEBUG, "jobs", "%s: job=%s", text, job->row.id);
    (void)fpd_store_job_log(job->jobs->cfg.store, job->row.id, text);
}

int fpd_job_fail(struct fpd_job *job, int err, const char *fmt, ...)
{
    char text[sizeof(job->row.detail)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&job->jobs->lock);
    if (!job->row.detail[0])
        memcpy(job->row.detail, text, sizeof(text));
    pthread_mutex_unlock(&job->jobs->lock);
    return err;
}

void fpd_job_append(struct fpd_job *job, const char *sentence)
{
    char *detail = job->row.detail;
    size_t max = sizeof(job->row.detail), n;

    pthread_mutex_lock(&job->jobs->lock);
    n = strlen(detail);
    snprintf(detail + n, max - n, "%s%s", n ? " " : "", sentence);
    pthread_mutex_unlock(&job->jobs->lock);
}

void fpd_job_result(struct fpd_job *job, json_t *result)
{
    char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;

    json_decref(result);
    pthread_mutex_lock(&job->jobs->lock);
    free(job->row.result);
    job->row.result = text;
    pthread_mutex_unlock(&job->jobs->lock);
}

uint32_t fpd_job_wait_ms(const struct fpd_job *job)
{
    return job->jobs->cfg.wait_ms;
}

struct fpd_store *fpd_job_store(const struct fpd_job *job)
{
    return job->jobs->cfg.store;
}

struct fpd_devices *fpd_job_devices(const struct fpd_job *job)
{
    return job->jobs->cfg.devices;
}
