/* SPDX-License-Identifier: MIT
 *
 * A spool: the body of one upload in an unlinked temporary file. HTTP appends
 * at one end while the worker sends from the other, and a worker that lost its
 * device reads again from wherever the device wants to go on.
 *
 * Memory  a file descriptor and some counters; shared by reference: _new
 *         gives the caller one, fpd_device_submit() takes another
 * Flow    fpd_spool_writable() is false while the writer leads the device by
 *         more than FPD_SPOOL_LEAD, so that a fast client does not fill the
 *         disk ahead of a slow device. Where the worker needs the whole body
 *         first (its digest decides whether anything is sent) it lifts that.
 * Errors  a full disk: FP_ERR_NOSPC from write; fpd_spool_limit() is to make
 *         that rare
 * Thread  one writer, one reader (the worker); wake callbacks run with no lock
 *         held
 */
#ifndef FPD_DEVICE_SPOOL_H
#define FPD_DEVICE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_SPOOL_LEAD    (256u * 1024u)
#define FPD_SPOOL_UNKNOWN UINT64_MAX

struct fpd_spool;

/* A spool in directory `dir` (the data directory), for `size` bytes, or
 * FPD_SPOOL_UNKNOWN when the length comes with the end. */
int fpd_spool_new(const char *dir, uint64_t size, struct fpd_spool **out);
struct fpd_spool *fpd_spool_ref(struct fpd_spool *spool);
void fpd_spool_unref(struct fpd_spool *spool);

/* Writer: so much it takes at most, where no size was said. */
void fpd_spool_limit(struct fpd_spool *spool, uint64_t max);
/* Writer: appends all of it, whatever the lead. FP_ERR_FBIG: more than `size`,
 * or than the limit; nothing of it was taken.
 * FP_ERR_CANCELED: the reader is gone and wants no more. */
int fpd_spool_write(struct fpd_spool *spool, const void *buf, size_t size);
/* Writer: may it go on, or should it wait for the device? */
bool fpd_spool_writable(struct fpd_spool *spool);
/* Writer: calls wake(ctx) once, as soon as writable or the reader is gone; at
 * once, on this thread, if that is so now. Suspend the connection before. */
void fpd_spool_wake_when_writable(struct fpd_spool *spool,
                                  void (*wake)(void *ctx), void *ctx);
/* Writer: takes back what wake_when_writable asked for. When it has returned
 * no callback runs any more. */
void fpd_spool_no_wake(struct fpd_spool *spool);
/* Writer: has all that was written this digest? No more may be written. */
bool fpd_spool_is(struct fpd_spool *spool, const uint8_t sha256[32]);
/* Writer: the body is whole. FP_ERR_INVAL: fewer bytes than `size` came; the
 * upload then fails with that. */
int fpd_spool_end(struct fpd_spool *spool);
/* Writer: there will be no more (the client left); the upload is abandoned
 * with this error. After an end it does nothing. */
void fpd_spool_fail(struct fpd_spool *spool, int err);

/* Reader (the worker). */
struct fpd_spool_state {
    uint64_t size; /* FPD_SPOOL_UNKNOWN until known */
    uint64_t have; /* bytes written so far */
    bool ended;    /* whole; sha256 is valid */
    int err;       /* the writer failed */
    uint8_t sha256[32];
};
void fpd_spool_state(struct fpd_spool *spool, struct fpd_spool_state *st);
/* Up to `size` bytes from `off`: a count, or FP_ERR_IO. Never blocks for the
 * writer. */
int32_t fpd_spool_read(struct fpd_spool *spool, uint64_t off, void *buf,
                       uint32_t size);
/* Everything below `off` has reached the device: the lead counts from here.
 * UINT64_MAX lifts the limit. */
void fpd_spool_consumed(struct fpd_spool *spool, uint64_t off);
/* The reader wants no more: writes answer FP_ERR_CANCELED, a waiting writer is
 * woken. */
void fpd_spool_abandon(struct fpd_spool *spool);
/* Calls data(ctx) on the writer's thread when there is more, or the end. NULL:
 * nobody to tell; when that call has returned no callback runs any more. */
void fpd_spool_on_data(struct fpd_spool *spool, void (*data)(void *ctx),
                       void *ctx);

#endif
