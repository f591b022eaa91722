/* SPDX-License-Identifier: MIT
 *
 * A loan is a time and a name in the worker. Whoever sets it wakes the worker,
 * which ends its session, closes the port and says so; whoever ends it sets the
 * time to the past and wakes the worker again. Between the two nothing is
 * accepted for the device, since its state does not serve.
 *
 * A loan lives in memory only: a daemon that starts again has its ports.
 */
#include "daemon/device/loan.h"

#include "daemon/device/op.h"
#include "daemon/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CLOSE_MS 10000 /* a link that opens may take 5 s */

/* devices->lock is held. `device` may be NULL; w->device is for the worker's own
 * thread alone to look at. */
static void end_loan(struct fpd_worker *w, struct fpd_device *device)
{
    w->loan.until_ms = 0;
    w->loan.closed = false;
    if (device && device->owner == w)
        device->info.released_until_ms = 0;
}

int64_t fpd_loan_until(struct fpd_worker *w)
{
    int64_t until;

    pthread_mutex_lock(&w->devices->lock);
    if (w->loan.until_ms != 0 && fpd_now_ms() >= w->loan.until_ms)
        end_loan(w, w->device);
    until = w->loan.until_ms;
    pthread_mutex_unlock(&w->devices->lock);
    return until;
}

void fpd_loan_closed(struct fpd_worker *w)
{
    pthread_mutex_lock(&w->devices->lock);
    w->loan.closed = true;
    pthread_cond_broadcast(&w->devices->lent);
    pthread_mutex_unlock(&w->devices->lock);
}

/* ---- may it be lent? ---- */

/* What is worth to be waited for. Questions are not: whoever asked is told to
 * ask again. */
static const char *work_name(enum fpd_op op)
{
    switch (op) {
    case FPD_OP_PING:
    case FPD_OP_LOOK:
    case FPD_OP_STAT:
    case FPD_OP_LIST:
    case FPD_OP_ATTR_GET:
    case FPD_OP_STATS:
        return NULL;
    case FPD_OP_READ:
        return "a download";
    case FPD_OP_PUT:
        return "an upload";
    case FPD_OP_DIGEST:
        return "the hashing of a file";
    case FPD_OP_MOUNT:
    case FPD_OP_UNMOUNT:
        return "a mount";
    case FPD_OP_FORMAT:
        return "a format";
    case FPD_OP_CHECK:
        return "a check";
    case FPD_OP_REBOOT:
        return "a restart";
    case FPD_OP_CHUNK_DIGESTS:
    case FPD_OP_CHUNK_CHANGED:
    case FPD_OP_CHUNK_READ:
    case FPD_OP_FREEZE:
    case FPD_OP_THAW:
        return "the reading of an image";
    case FPD_OP_CHUNK_WRITE:
    case FPD_OP_RESTORE_BEGIN:
    case FPD_OP_RESTORE_END:
        return "the writing of an image";
    default:
        return "a change of files";
    }
}

/* Both locks are held. NULL: nothing that matters. */
static const char *work_of(const struct fpd_device *device)
{
    const char *name = NULL;

    for (const struct fpd_op_state *op = device->ops; op && !name;
         op = op->next)
        name = op->finished ? NULL : work_name(op->req->op);
    for (const struct fpd_request *req = device->queue; req && !name;
         req = req->next)
        name = work_name(req->op);
    return name;
}

/* devices->lock is held, and device->work if there is a device. */
static int refusal(const struct fpd_worker *w, const struct fpd_device *device,
                   struct fpd_release *r)
{
    const char *work;

    if (!w || w->devices->stopping)
        return FP_ERR_NODEV;
    if (w->loan.until_ms > fpd_now_ms()) {
        if (strcmp(w->loan.id, r->id) == 0)
            return FP_OK;
        snprintf(r->why, sizeof r->why, "its port is lent already, for %lld s",
                 (long long)((w->loan.until_ms - fpd_now_ms() + 999) / 1000));
        return FP_ERR_BUSY;
    }
    work = device ? work_of(device) : NULL;
    if (!work || r->force)
        return FP_OK;
    snprintf(r->why, sizeof r->why, "%s is under way", work);
    return FP_ERR_BUSY;
}

/* ---- lending and taking back; devices->lock is held ---- */

static void begin_loan(struct fpd_worker *w, struct fpd_device *device,
                       struct fpd_release *r)
{
    w->loan.until_ms = fpd_now_ms() + r->ms;
    snprintf(w->loan.id, sizeof w->loan.id, "%s", r->id);
    r->until_ms = fpd_unix_ms() + r->ms;
    if (device)
        device->info.released_until_ms = r->until_ms;
    snprintf(r->port, sizeof r->port, "%.240s%s%s", w->link.address,
             w->link.port[0] ? ":" : "", w->link.port);
    fpd_link_cancel(&w->link);
}

static bool is_there(const struct fpd_devices *devices,
                     const struct fpd_worker *w)
{
    const struct fpd_worker *at = devices->workers;

    while (at && at != w)
        at = at->next;
    return at != NULL;
}

/* Waits until the port is closed. */
static int wait_closed(struct fpd_devices *devices, struct fpd_worker *w,
                       struct fpd_device *device)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CLOSE_MS / 1000;
    while (is_there(devices, w) && w->loan.until_ms != 0 && !w->loan.closed)
        if (pthread_cond_timedwait(&devices->lent, &devices->lock, &until))
            break;
    if (!is_there(devices, w))
        return FP_ERR_NODEV;
    if (w->loan.closed)
        return FP_OK;
    end_loan(w, device);
    return FP_ERR_TIMEDOUT;
}

static int take_back(struct fpd_worker *w, struct fpd_device *device,
                     const char *id)
{
    if (!w || w->loan.until_ms == 0)
        return FP_ERR_NOENT;
    if (id && strcmp(w->loan.id, id) != 0)
        return FP_ERR_BUSY;
    end_loan(w, device);
    fpd_link_cancel(&w->link);
    return FP_OK;
}

/* ---- of a device ---- */

int fpd_device_release(struct fpd_device *device, struct fpd_release *r)
{
    struct fpd_devices *devices = device->devices;
    struct fpd_worker *w;
    int err;

    r->why[0] = '\0';
    pthread_mutex_lock(&device->work);
    pthread_mutex_lock(&devices->lock);
    w = device->owner;
    err = refusal(w, device, r);
    if (!err)
        begin_loan(w, device, r);
    pthread_mutex_unlock(&device->work);
    if (!err)
        err = wait_closed(devices, w, device);
    pthread_mutex_unlock(&devices->lock);
    if (!err)
        fpd_device_changed(device);
    return err;
}

int fpd_device_reclaim(struct fpd_device *device, const char *id)
{
    int err;

    pthread_mutex_lock(&device->devices->lock);
    err = take_back(device->owner, device, id);
    pthread_mutex_unlock(&device->devices->lock);
    return err;
}

/* ---- of a link ---- */

/* devices->lock is held. */
static struct fpd_worker *find_link(struct fpd_devices *devices,
                                    const char *link)
{
    struct fpd_worker *w = devices->workers;

    while (w && strcmp(w->link.spec, link) != 0 &&
           strcmp(w->link.address, link) != 0)
        w = w->next;
    return w;
}

/* The device that the link serves or served last, as a reference, or NULL.
 * *there: is there such a link? */
static struct fpd_device *device_at(struct fpd_devices *devices,
                                    const char *link, bool *there)
{
    char id[FPD_ID_MAX + 1] = "";
    struct fpd_device *device;
    struct fpd_worker *w;
    bool owns;

    pthread_mutex_lock(&devices->lock);
    w = find_link(devices, link);
    *there = w != NULL;
    if (w)
        strcpy(id, w->info.device);
    pthread_mutex_unlock(&devices->lock);
    device = id[0] ? fpd_devices_find(devices, id) : NULL;
    if (!device)
        return NULL;
    pthread_mutex_lock(&devices->lock);
    owns = device->owner && device->owner == find_link(devices, link);
    pthread_mutex_unlock(&devices->lock);
    if (owns)
        return device;
    fpd_device_unref(device);
    return NULL;
}

int fpd_devices_release(struct fpd_devices *devices, const char *link,
                        struct fpd_release *r)
{
    bool there;
    struct fpd_device *device = device_at(devices, link, &there);
    struct fpd_worker *w;
    int err;

    r->why[0] = '\0';
    if (device) {
        err = fpd_device_release(device, r);
        fpd_device_unref(device);
        return err;
    }
    if (!there)
        return FP_ERR_NOENT;
    pthread_mutex_lock(&devices->lock);
    w = find_link(devices, link);
    err = refusal(w, NULL, r);
    if (!err)
        begin_loan(w, NULL, r);
    if (!err)
        err = wait_closed(devices, w, NULL);
    pthread_mutex_unlock(&devices->lock);
    return err;
}

int fpd_devices_reclaim(struct fpd_devices *devices, const char *link,
                        const char *id)
{
    bool there;
    struct fpd_device *device = device_at(devices, link, &there);
    int err;

    if (device) {
        err = fpd_device_reclaim(device, id);
        fpd_device_unref(device);
        return err;
    }
    pthread_mutex_lock(&devices->lock);
    err = take_back(find_link(devices, link), NULL, id);
    pthread_mutex_unlock(&devices->lock);
    return err;
}
