/* SPDX-License-Identifier: MIT
 *
 * An op: one request at work. Each kind is a small state machine in a file of
 * its own, driven by the scheduler:
 *
 *   step     sends the next thing, if there is one and the link takes it
 *   reply    a message for one of its calls came
 *   bulk     bytes for one of its streams came
 *   failed   a call was answered by Failure; NULL: the op fails with that
 *   owes     it has begun what the device waits for the rest of: a cancelled
 *            op ends when that is done
 *   restart  the link is back: every call is forgotten, start again from what
 *            is known to be done
 *   end      releases what the op holds besides its own memory
 *
 * Thread  all but fpd_op_new() and fpd_op_free(): the worker, under
 *         device->work
 */
#ifndef FPD_DEVICE_OP_H
#define FPD_DEVICE_OP_H

#include "daemon/device/registry.h"
#include "daemon/device/session.h"

#define FPD_STALL_MS      30000  /* without progress: TIMEDOUT */
#define FPD_STALL_LONG_MS 600000 /* for hashing, checking, formatting */

struct fpd_op_ops {
    size_t state_size; /* of the struct that begins with fpd_op_state */
    bool transfer;     /* moves bulk: scheduled by class, in slices */
    int64_t stall_ms;
    /* Optional; takes the references the op needs. The request is valid. */
    int (*init)(struct fpd_op_state *op);
    /* True when it sent something; a transfer sends one slice or one frame a
     * call and adds its bytes to *bytes. */
    bool (*step)(struct fpd_session *s, struct fpd_op_state *op,
                 uint32_t *bytes);
    void (*reply)(struct fpd_session *s, struct fpd_op_state *op,
                  struct fpd_call *call, const fp_Envelope *env);
    void (*bulk)(struct fpd_session *s, struct fpd_op_state *op,
                 struct fpd_call *call, const uint8_t *data, size_t size);
    void (*failed)(struct fpd_session *s, struct fpd_op_state *op,
                   struct fpd_call *call, const fp_Failure *failure);
    bool (*owes)(const struct fpd_op_state *op);
    void (*restart)(struct fpd_op_state *op, bool same_epoch);
    void (*end)(struct fpd_session *s, struct fpd_op_state *op);
};

struct fpd_op_state {
    const struct fpd_op_ops *ops;
    struct fpd_op_state *next;
    struct fpd_request *req;
    struct fpd_device *device;
    int step;       /* of the state machine */
    unsigned calls; /* outstanding in this session */
    bool sent;      /* something that changes the device went out */
    bool begun;     /* something went out: a lost link means a restart */
    bool blocked;   /* it waits though nothing is asked: for the link to take
                       bytes, or for what the device is to tell of itself */
    bool finished;
    int64_t stall_ms; /* from ops; an op may change it as it gets on */
    uint8_t op_id[8];
    uint8_t epoch[8];    /* of the device it talked to last, if begun */
    int64_t progress_ms; /* when something last moved */
    int64_t offline_ms;  /* since when the link is gone; 0: it is there */
};

/* The state for a request, whose op is valid. NULL on *err. */
struct fpd_op_state *fpd_op_new(struct fpd_request *req, int *err);
/* `s` is NULL when there is no session (a refused submit, a shutdown). */
void fpd_op_free(struct fpd_session *s, struct fpd_op_state *op);

/* The op is over; the scheduler reaps it. The first call counts. */
void fpd_op_finish(struct fpd_op_state *op, int err);
/* The same, with a sentence of ours. */
void fpd_op_fail(struct fpd_op_state *op, int err, const char *detail);
/* The same, with what the device said. */
void fpd_op_fail_with(struct fpd_op_state *op, const fp_Failure *failure);
/* An answer that no agent may give: FP_ERR_PROTO. */
void fpd_op_broken(struct fpd_op_state *op, const char *what);

/* The kinds. */
extern const struct fpd_op_ops fpd_op_simple;
extern const struct fpd_op_ops fpd_op_slow; /* simple ones that take longer */
extern const struct fpd_op_ops fpd_op_list;
extern const struct fpd_op_ops fpd_op_read;
extern const struct fpd_op_ops fpd_op_put;
extern const struct fpd_op_ops fpd_op_stats;
extern const struct fpd_op_ops fpd_op_chunk_digests;
extern const struct fpd_op_ops fpd_op_chunk_changed;
extern const struct fpd_op_ops fpd_op_chunk_read;
extern const struct fpd_op_ops fpd_op_chunk_write;

/* ---- the scheduler (sched.c), under device->work ---- */

/* One turn with the link up: picks up what was submitted, cancels and times
 * out, lets ops send, reaps. Returns the milliseconds until it wants another
 * turn if nothing happens; -1: never. */
int fpd_sched_run(struct fpd_session *s, struct fpd_device *device);
/* One turn without a link. */
int fpd_sched_wait(struct fpd_device *device);
/* The session ended: every call is gone. broken: because of what the device
 * sent, so what waits for an answer fails instead of being asked again. */
void fpd_sched_lost(struct fpd_device *device, bool broken);
/* A new session serves. */
void fpd_sched_online(struct fpd_device *device, const uint8_t epoch[8]);
/* Fails everything, with a sentence. */
void fpd_sched_fail_all(struct fpd_device *device, int err, const char *detail);

#endif
