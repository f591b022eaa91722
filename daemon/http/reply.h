/* SPDX-License-Identifier: MIT
 *
 * Answers: JSON, nothing, and problem documents (RFC 9457). The one table that
 * turns an enum fp_error into HTTP is in reply.c.
 *
 * Each function gives the call its answer; a second answer replaces the first.
 */
#ifndef FPD_HTTP_REPLY_H
#define FPD_HTTP_REPLY_H

#include "daemon/http/call.h"

/* Takes the reference to `json`. */
void fpd_reply_json(struct fpd_call *call, unsigned status, json_t *json);
/* 204 and the like. */
void fpd_reply_empty(struct fpd_call *call, unsigned status);
/* Text that lives as long as the program. */
void fpd_reply_static(struct fpd_call *call, unsigned status, const char *type,
                      const void *data, size_t size);
/* Any response, which it takes; NULL leaves the call as it is. */
void fpd_reply_give(struct fpd_call *call, unsigned status,
                    struct MHD_Response *response);
/* A header of the answer that was given. */
void fpd_reply_header(struct fpd_call *call, const char *name,
                      const char *value);
/* A body of `size` bytes (FPD_SIZE_UNKNOWN: chunked) by `read`, which may
 * suspend (fpd_call_wait) and return 0. The call lives as long. */
void fpd_reply_stream(struct fpd_call *call, unsigned status, const char *type,
                      uint64_t size, MHD_ContentReaderCallback read);

/* Content-Range of a 206 that has `len` bytes from `off` on, of `size`. */
void fpd_reply_content_range(struct fpd_call *call, uint64_t off, uint64_t len,
                             uint64_t size);
/* 416: `what` ("The file") has `size` bytes, and the range starts behind. */
void fpd_reply_range_never(struct fpd_call *call, const char *what,
                           uint64_t size);

/* A member of the problem document to come; takes the reference. */
void fpd_problem_member(struct fpd_call *call, const char *key, json_t *value);
/* Its hint: what to do about it. */
void fpd_problem_hint(struct fpd_call *call, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A sentence behind its detail; text that lives as long as the program. */
void fpd_problem_also(struct fpd_call *call, const char *sentence);

/* When to ask again, instead of the table's time. */
void fpd_problem_retry(struct fpd_call *call, int seconds);

/* A closer type than the table's for its number, which stays the code:
 * "no-parent" for "/errors/no-parent". */
void fpd_problem_type(struct fpd_call *call, const char *type);

/* A failure with a number: status, type and title of the table, and the
 * detail, a sentence. fmt NULL: the table's own. FP_ERR_NOSPC and FP_ERR_NOMEM
 * are the daemon's here, its disk and its memory. */
void fpd_problem(struct fpd_call *call, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What only HTTP knows. `type` is the last part of "/errors/unauthorized". */
void fpd_refuse(struct fpd_call *call, unsigned status, const char *type,
                const char *title, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* What a device answered, with its own words, needed, free and limit. What it
 * has not `told` the daemon has found, as that its disk is full. */
void fpd_problem_failure(struct fpd_call *call, const char *device,
                         const char *path, int err,
                         const struct fpd_failure *failure);
/* Has the device more to say than the error's own phrase? */
bool fpd_failure_speaks(const struct fpd_failure *failure, int err);
void fpd_reply_stopping(struct fpd_call *call);

/* 202, the job and its URL. (route_job.c) */
void fpd_reply_job(struct fpd_call *call, const char *id);

/* A string for JSON out of bytes: bad UTF-8 becomes U+FFFD. */
json_t *fpd_json_bytes(const char *text, size_t len);
/* Status by the table, for tests and metrics; 500 for what it doesn't have. */
unsigned fpd_problem_status(int err);

#endif
