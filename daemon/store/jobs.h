/* SPDX-License-Identifier: MIT
 *
 * Jobs as they are remembered: what was asked, how far it came, how it ended.
 * Running them is daemon/jobs.
 *
 * A job is unfinished while ended_ms is 0, also after the daemon died: when the
 * store is opened such a job gets a line in its log that says it was
 * interrupted, and _unfinished() lists it, to be taken up again or failed. The
 * newest 10,000 ended jobs are kept, and the last 1,000 lines of log a job.
 *
 * Memory  strings in struct fpd_store_job are the caller's when it puts one,
 *         and its own on the heap when it got one: _deinit() frees them
 * Thread  from any
 */
#ifndef FPD_STORE_JOBS_H
#define FPD_STORE_JOBS_H

#include "daemon/store/store.h"
#include "daemon/store/uuid.h"

#define FPD_STORE_JOB_TEXT_MAX 65536 /* bytes of request or result */
#define FPD_STORE_LOG_LINE_MAX 512

struct fpd_store_job {
    char id[FPD_UUID_SIZE];
    char kind[17];  /* "backup", "restore", "prune" */
    char state[17]; /* "queued", "running", ...: as the API has them */
    char device[65];
    char phase[65];
    char unit[17]; /* of done and total: "bytes", "chunks" */
    uint64_t done, total;
    int64_t created_ms, started_ms, ended_ms; /* unix; 0: not yet */
    int error;                                /* enum fp_error; FP_OK */
    char detail[257];                         /* a sentence; "" */
    char *request;                            /* JSON, or NULL */
    char *result;                             /* JSON, or NULL */
};

/* Makes an id and created_ms where they are empty or 0. */
int fpd_store_job_add(struct fpd_store *store, struct fpd_store_job *job);
/* Everything but id, kind, device, request and created_ms. FP_ERR_NOENT. */
int fpd_store_job_update(struct fpd_store *store,
                         const struct fpd_store_job *job);
int fpd_store_job_get(struct fpd_store *store, const char *id,
                      struct fpd_store_job *out);
/* The newest first; device and before (an id) may be NULL. At most 1000. */
int fpd_store_job_list(struct fpd_store *store, const char *device,
                       const char *before, struct fpd_store_job *out,
                       size_t max, size_t *count);
/* Those without an end, the oldest first; `after` is an id or NULL. */
int fpd_store_job_unfinished(struct fpd_store *store, const char *after,
                             struct fpd_store_job *out, size_t max,
                             size_t *count);
void fpd_store_job_deinit(struct fpd_store_job *job);

struct fpd_store_log_line {
    uint32_t seq; /* from 1, without gaps until the oldest are dropped */
    int64_t at_ms;
    char text[FPD_STORE_LOG_LINE_MAX + 1];
};
/* A longer text is cut, at a character of UTF-8. */
int fpd_store_job_log(struct fpd_store *store, const char *id,
                      const char *text);
/* Lines with seq > after, the oldest first. */
int fpd_store_job_log_list(struct fpd_store *store, const char *id,
                           uint32_t after, struct fpd_store_log_line *out,
                           size_t max, size_t *count);

#endif
