/* SPDX-License-Identifier: MIT
 *
 * A pipe: the bytes of one READ on their way from a device's worker to whoever
 * asked, usually an HTTP connection.
 *
 * Memory  one ring of fixed size; shared by reference: _new gives the caller
 *         one, fpd_device_submit() takes another for the worker
 * Flow    the worker asks the device only for what the ring has room for, so a
 *         slow reader parks its own transfer and nobody else's
 * Thread  one reader, one writer, each on any thread; the wake callback runs
 *         on the writer's thread (or inside fpd_pipe_wake_when_ready()) with
 *         no lock held
 */
#ifndef FPD_DEVICE_PIPE_H
#define FPD_DEVICE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_PIPE_SIZE (256u * 1024u)

struct fpd_pipe;

/* size 0: FPD_PIPE_SIZE. NULL: out of memory. */
struct fpd_pipe *fpd_pipe_new(size_t size);
struct fpd_pipe *fpd_pipe_ref(struct fpd_pipe *pipe);
/* NULL is accepted. */
void fpd_pipe_unref(struct fpd_pipe *pipe);

enum fpd_pipe_read {
    FPD_PIPE_DATA,  /* *got bytes were copied, at least 1 */
    FPD_PIPE_EMPTY, /* nothing now: wake_when_ready */
    FPD_PIPE_END,   /* all was read, the transfer was complete */
    FPD_PIPE_FAIL,  /* the transfer broke off: fpd_pipe_error() */
};

/* Reader. Never blocks. What was written before a failure is read first. */
enum fpd_pipe_read fpd_pipe_read(struct fpd_pipe *pipe, void *buf, size_t size,
                                 size_t *got);
/* Reader: blocks until something other than EMPTY; for job threads. */
enum fpd_pipe_read fpd_pipe_read_wait(struct fpd_pipe *pipe, void *buf,
                                      size_t size, size_t *got);
/* Reader: calls wake(ctx) once, as soon as a read would not be EMPTY; at once,
 * on this thread, if that is so now. Suspend the connection before. */
void fpd_pipe_wake_when_ready(struct fpd_pipe *pipe, void (*wake)(void *ctx),
                              void *ctx);
/* Reader: gives up; the transfer ends with FP_ERR_CANCELED. No wake callback
 * runs once this has returned. */
void fpd_pipe_abandon(struct fpd_pipe *pipe);
/* After FPD_PIPE_FAIL: the enum fp_error. */
int fpd_pipe_error(struct fpd_pipe *pipe);

/* Writer (the worker). room: bytes that a write takes whole; SIZE_MAX once
 * the reader gave up, whose bytes are dropped. */
size_t fpd_pipe_room(struct fpd_pipe *pipe);
bool fpd_pipe_abandoned(struct fpd_pipe *pipe);
void fpd_pipe_write(struct fpd_pipe *pipe, const void *buf, size_t size);
/* The end: FP_OK or why there is no more. The first call counts. */
void fpd_pipe_finish(struct fpd_pipe *pipe, int err);
/* Writer: calls room(ctx), on the reader's thread, when the reader has made
 * room or given up. NULL: nobody to tell; when that call has returned no
 * callback runs any more. */
void fpd_pipe_on_room(struct fpd_pipe *pipe, void (*room)(void *ctx),
                      void *ctx);

#endif
