/* SPDX-License-Identifier: MIT
 *
 * Who sends next. Small requests always go first: each is one frame. Then the
 * transfers take turns, a slice or a frame each, the more urgent class first;
 * but whenever backups have had less than a tenth of what was carried lately,
 * they come before the others.
 */
#include "daemon/device/op.h"

#include <string.h>

#define SERVED_WINDOW (4u * 1024u * 1024u)

/* ---- in and out ---- */

static void pick_up(struct fpd_device *device)
{
    struct fpd_request *list;
    struct fpd_op_state **tail = &device->ops;

    pthread_mutex_lock(&device->devices->lock);
    list = device->queue;
    device->queue = NULL;
    device->queue_tail = &device->queue;
    pthread_mutex_unlock(&device->devices->lock);
    while (*tail)
        tail = &(*tail)->next;
    while (list) {
        struct fpd_request *next = list->next;

        *tail = list->state;
        tail = &list->state->next;
        list = next;
    }
}

/* The op is over and out of the list. */
static void complete(struct fpd_session *s, struct fpd_op_state *op)
{
    struct fpd_request *req = op->req;
    struct fpd_device *device = op->device;

    memcpy(req->epoch, op->epoch, sizeof req->epoch);
    if (s)
        fpd_session_forget(s, op);
    req->state = NULL;
    fpd_op_free(s, op);
    pthread_mutex_lock(&device->devices->lock);
    device->accepted--;
    pthread_mutex_unlock(&device->devices->lock);
    req->done(req); /* the request may be gone after this */
}

static void reap(struct fpd_session *s, struct fpd_device *device)
{
    struct fpd_op_state **at = &device->ops;

    while (*at) {
        struct fpd_op_state *op = *at;

        if (!op->finished) {
            at = &op->next;
            continue;
        }
        *at = op->next;
        complete(s, op);
    }
}

/* ---- time ---- */

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When the op must be looked at again: INT64_MAX for never. */
static int64_t check(struct fpd_op_state *op, int64_t now)
{
    const struct fpd_request *req = op->req;
    int64_t when = INT64_MAX;

    if (op->finished)
        return now;
    if (atomic_load(&req->cancel) && !(op->ops->owes && op->ops->owes(op))) {
        fpd_op_finish(op, FP_ERR_CANCELED);
        return now;
    }
    if (req->deadline_ms) {
        if (now >= req->deadline_ms)
            fpd_op_fail(op, FP_ERR_TIMEDOUT, "the deadline has passed");
        when = sooner(when, req->deadline_ms);
    }
    if (op->offline_ms) {
        int64_t until = op->offline_ms + op->device->devices->cfg.reconnect_ms;

        if (now >= until)
            fpd_op_fail(op, FP_ERR_NODEV, "the device did not come back");
        when = sooner(when, until);
    } else if (op->calls > 0 || op->blocked) {
        int64_t until = op->progress_ms + op->stall_ms;

        if (now >= until)
            fpd_op_fail(op, FP_ERR_TIMEDOUT, "the device makes no progress");
        when = sooner(when, until);
    } else {
        op->progress_ms = now; /* it waits for its turn, or its reader */
    }
    return when;
}

static int check_all(struct fpd_device *device)
{
    int64_t now = fpd_now_ms();
    int64_t when = INT64_MAX;

    for (struct fpd_op_state *op = device->ops; op; op = op->next)
        when = sooner(when, check(op, now));
    if (when == INT64_MAX)
        return -1;
    return when <= now ? 0 : when - now > 60000 ? 60000 : (int)(when - now);
}

/* ---- turns ---- */

static bool step(struct fpd_session *s, struct fpd_op_state *op,
                 uint32_t *bytes)
{
    bool sent = op->ops->step(s, op, bytes);

    if (sent) {
        op->progress_ms = fpd_now_ms();
        op->blocked = false;
        op->begun = true;
        memcpy(op->epoch, s->info.epoch, sizeof op->epoch);
    }
    return sent;
}

static void step_small(struct fpd_session *s, struct fpd_device *device)
{
    uint32_t bytes = 0;

    for (struct fpd_op_state *op = device->ops; op; op = op->next)
        while (!op->ops->transfer && !op->finished && step(s, op, &bytes))
            continue;
}

/* Has a backup been pushed aside too long? */
static bool floor_due(const struct fpd_device *device)
{
    uint64_t all = device->served[0] + device->served[1] + device->served[2];

    return device->served[FPD_BACKUP] * 10 < all;
}

static void account(struct fpd_device *device, enum fpd_class klass,
                    uint32_t bytes)
{
    device->served[klass] += bytes;
    if (device->served[0] + device->served[1] + device->served[2] >
        SERVED_WINDOW)
        for (int i = 0; i < 3; i++)
            device->served[i] /= 2;
}

/* Its turn is over: behind the others. */
static void to_tail(struct fpd_device *device, struct fpd_op_state *op)
{
    struct fpd_op_state **at = &device->ops;

    while (*at != op)
        at = &(*at)->next;
    *at = op->next;
    while (*at)
        at = &(*at)->next;
    *at = op;
    op->next = NULL;
}

static bool step_class(struct fpd_session *s, struct fpd_device *device,
                       enum fpd_class klass)
{
    for (struct fpd_op_state *op = device->ops; op; op = op->next) {
        uint32_t bytes = 0;

        if (!op->ops->transfer || op->finished || op->req->klass != klass)
            continue;
        if (step(s, op, &bytes)) {
            account(device, klass, bytes);
            to_tail(device, op);
            return true;
        }
    }
    return false;
}

static bool step_transfers(struct fpd_session *s, struct fpd_device *device)
{
    if (floor_due(device) && step_class(s, device, FPD_BACKUP))
        return true;
    for (int klass = FPD_INTERACTIVE; klass <= FPD_BACKUP; klass++)
        if (step_class(s, device, (enum fpd_class)klass))
            return true;
    return false;
}

int fpd_sched_run(struct fpd_session *s, struct fpd_device *device)
{
    int timeout_ms;

    pick_up(device);
    check_all(device);
    step_small(s, device);
    while (!s->err && step_transfers(s, device))
        continue;
    reap(s, device);
    timeout_ms = check_all(device);
    return timeout_ms;
}

int fpd_sched_wait(struct fpd_device *device)
{
    int64_t now = fpd_now_ms();

    pick_up(device);
    for (struct fpd_op_state *op = device->ops; op; op = op->next)
        if (!op->offline_ms)
            op->offline_ms = now;
    check_all(device);
    reap(NULL, device);
    return check_all(device);
}

void fpd_sched_lost(struct fpd_device *device, bool broken)
{
    for (struct fpd_op_state *op = device->ops; op; op = op->next) {
        /* What was being answered would be answered like that again. */
        if (broken && op->calls > 0)
            fpd_op_broken(op, "the device answered what no agent may");
        op->calls = 0;
        op->blocked = false;
        if (!op->offline_ms)
            op->offline_ms = fpd_now_ms();
    }
    reap(NULL, device);
}

void fpd_sched_online(struct fpd_device *device, const uint8_t epoch[8])
{
    for (struct fpd_op_state *op = device->ops; op; op = op->next) {
        op->offline_ms = 0;
        op->progress_ms = fpd_now_ms();
        if (!op->finished && op->begun)
            op->ops->restart(op,
                             memcmp(op->epoch, epoch, sizeof op->epoch) == 0);
    }
}

void fpd_sched_fail_all(struct fpd_device *device, int err, const char *detail)
{
    pick_up(device);
    for (struct fpd_op_state *op = device->ops; op; op = op->next)
        fpd_op_fail(op, err, detail);
    reap(NULL, device);
}
