/* SPDX-License-Identifier: MIT
 *
 * The lists of links and devices.
 */
#include "daemon/device/registry.h"

#include "daemon/device/op.h"
#include "daemon/device/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t fpd_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t fpd_unix_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const char *fpd_device_state_name(enum fpd_device_state state)
{
    static const char *const names[] = {
        [FPD_ABSENT] = "absent",
        [FPD_OPENING] = "opening",
        [FPD_SYNCING] = "syncing",
        [FPD_HELLO] = "hello",
        [FPD_ONLINE] = "online",
        [FPD_BUSY] = "busy",
        [FPD_LOST] = "lost",
        [FPD_BACKOFF] = "backoff",
        [FPD_RELEASED] = "released",
        [FPD_CONFLICT] = "conflict",
        [FPD_INCOMPATIBLE] = "incompatible",
        [FPD_REFUSED] = "refused",
    };

    return names[state];
}

bool fpd_device_state_serves(enum fpd_device_state state)
{
    return state == FPD_ONLINE || state == FPD_BUSY;
}

/* Waits on it end by the clock that nobody sets. */
static void init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

int fpd_devices_new(const struct fpd_devices_config *cfg,
                    struct fpd_devices **out)
{
    struct fpd_devices *devices = calloc(1, sizeof *devices);

    *out = devices;
    if (!devices)
        return FP_ERR_NOMEM;
    atomic_init(&devices->refs, 1);
    pthread_mutex_init(&devices->lock, NULL);
    init_cond(&devices->lent);
    if (cfg)
        devices->cfg = *cfg;
    if (devices->cfg.queue_max == 0)
        devices->cfg.queue_max = 64;
    if (devices->cfg.reconnect_ms == 0)
        devices->cfg.reconnect_ms = 10000;
    return FP_OK;
}

static void devices_unref(struct fpd_devices *devices)
{
    if (atomic_fetch_sub(&devices->refs, 1) != 1)
        return;
    pthread_cond_destroy(&devices->lent);
    pthread_mutex_destroy(&devices->lock);
    free(devices);
}

/* ---- links ---- */

static struct fpd_worker **find_worker(struct fpd_devices *devices,
                                       const char *spec)
{
    struct fpd_worker **at = &devices->workers;

    while (*at && strcmp((*at)->link.spec, spec) != 0)
        at = &(*at)->next;
    return at;
}

static int insert_worker(struct fpd_devices *devices, struct fpd_worker *w,
                         char *why, size_t size)
{
    int err = FP_OK;

    pthread_mutex_lock(&devices->lock);
    if (devices->stopping) {
        snprintf(why, size, "the daemon is stopping");
        err = FP_ERR_CANCELED;
    } else if (*find_worker(devices, w->link.spec)) {
        snprintf(why, size, "there is such a link already");
        err = FP_ERR_EXIST;
    } else {
        /* Started under the lock: once it is in the list, it can be joined. */
        err = fpd_worker_start(w);
        if (err)
            snprintf(why, size, "no thread could be started for it");
    }
    if (!err) {
        w->next = devices->workers;
        devices->workers = w;
    }
    pthread_mutex_unlock(&devices->lock);
    return err;
}

int fpd_devices_add_link(struct fpd_devices *devices, const char *spec,
                         char *why, size_t size)
{
    struct fpd_worker *w = calloc(1, sizeof *w);
    int err;

    if (size > 0)
        why[0] = '\0';
    if (!w)
        return FP_ERR_NOMEM;
    err = fpd_link_init(&w->link, spec);
    if (err) {
        snprintf(why, size, "%s", w->link.reason);
        goto out_free;
    }
    w->devices = devices;
    pthread_mutex_init(&w->early.lock, NULL);
    w->info.kind = w->link.ops->kind;
    w->info.rate = w->link.rate;
    w->info.state = FPD_OPENING;
    strcpy(w->info.name, w->link.spec);
    err = insert_worker(devices, w, why, size);
    if (!err)
        return FP_OK;
    fpd_link_deinit(&w->link);

out_free:
    free(w);
    return err;
}

static void free_worker(struct fpd_worker *w)
{
    fpd_worker_join(w);
    fpd_link_deinit(&w->link);
    free(w);
}

int fpd_devices_remove_link(struct fpd_devices *devices, const char *spec)
{
    struct fpd_worker **at;
    struct fpd_worker *w;

    pthread_mutex_lock(&devices->lock);
    at = find_worker(devices, spec);
    w = *at;
    if (w)
        *at = w->next;
    pthread_mutex_unlock(&devices->lock);
    if (!w)
        return FP_ERR_NOENT;
    free_worker(w);
    return FP_OK;
}

int fpd_devices_check_link(const char *spec, char *why, size_t size)
{
    struct fpd_link link;
    int err = fpd_link_init(&link, spec);

    snprintf(why, size, "%s", link.reason);
    if (!err)
        fpd_link_deinit(&link);
    return err;
}

size_t fpd_devices_links(struct fpd_devices *devices, struct fpd_link_info *out,
                         size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&devices->lock);
    for (struct fpd_worker *w = devices->workers; w; w = w->next) {
        if (count < max)
            out[count] = w->info;
        count++;
    }
    pthread_mutex_unlock(&devices->lock);
    return count;
}

void fpd_devices_stop(struct fpd_devices *devices)
{
    struct fpd_worker *list;

    pthread_mutex_lock(&devices->lock);
    devices->stopping = true;
    list = devices->workers;
    devices->workers = NULL;
    for (struct fpd_worker *w = list; w; w = w->next) {
        atomic_store(&w->stop, true);
        fpd_link_cancel(&w->link);
    }
    pthread_mutex_unlock(&devices->lock);
    while (list) {
        struct fpd_worker *next = list->next;

        free_worker(list);
        list = next;
    }
}

void fpd_devices_free(struct fpd_devices *devices)
{
    struct fpd_device *list;

    if (!devices)
        return;
    fpd_devices_stop(devices);
    pthread_mutex_lock(&devices->lock);
    list = devices->list;
    devices->list = NULL;
    pthread_mutex_unlock(&devices->lock);
    while (list) {
        struct fpd_device *next = list->next;

        fpd_device_unref(list);
        list = next;
    }
    devices_unref(devices);
}

/* ---- devices ---- */

/* Where the device of this id is, or would be. */
static struct fpd_device **find_device(struct fpd_devices *devices,
                                       const char *id)
{
    struct fpd_device **at = &devices->list;

    while (*at && strcmp((*at)->id, id) < 0)
        at = &(*at)->next;
    return at;
}

struct fpd_device *fpd_devices_find(struct fpd_devices *devices, const char *id)
{
    struct fpd_device *device;

    pthread_mutex_lock(&devices->lock);
    device = *find_device(devices, id);
    if (device && strcmp(device->id, id) == 0)
        fpd_device_ref(device);
    else
        device = NULL;
    pthread_mutex_unlock(&devices->lock);
    return device;
}

static struct fpd_device *device_new(struct fpd_devices *devices,
                                     const char *id)
{
    struct fpd_device *device = calloc(1, sizeof *device);

    if (!device)
        return NULL;
    atomic_init(&device->refs, 1);
    atomic_fetch_add(&devices->refs, 1);
    device->devices = devices;
    device->queue_tail = &device->queue;
    snprintf(device->id, sizeof device->id, "%s", id);
    snprintf(device->info.id, sizeof device->info.id, "%s", id);
    pthread_mutex_init(&device->work, NULL);
    pthread_mutex_init(&device->console.lock, NULL);
    return device;
}

/* The lock is held. A device that names itself anew at each reconnect makes as
 * many as it likes: at the limit the one that has been away longest leaves the
 * list. The store remembers it. Gives that one, with the list's reference, or
 * NULL where there is room or all are in use. */
static struct fpd_device *make_room(struct fpd_devices *devices)
{
    struct fpd_device **oldest = NULL, *gone = NULL;
    uint32_t count = 0;

    for (struct fpd_device **at = &devices->list; *at; at = &(*at)->next) {
        const struct fpd_device *device = *at;

        count++;
        /* One reference is the list's own; without the lock nobody gets
         * another. */
        if (atomic_load(&device->refs) == 1 &&
            (!oldest ||
             device->info.last_seen_ms < (*oldest)->info.last_seen_ms))
            oldest = at;
    }
    if (count < FPD_DEVICES_MAX || !oldest)
        return NULL;
    gone = *oldest;
    *oldest = gone->next;
    return gone;
}

struct fpd_device *fpd_devices_get(struct fpd_devices *devices, const char *id)
{
    struct fpd_device **at;
    struct fpd_device *device, *gone = NULL;

    pthread_mutex_lock(&devices->lock);
    at = find_device(devices, id);
    device = *at;
    if (!device || strcmp(device->id, id) != 0) {
        gone = make_room(devices);
        at = find_device(devices, id); /* what it pointed into may be gone */
        device = device_new(devices, id);
        if (device) {
            device->next = *at;
            *at = device;
        }
    }
    if (device)
        fpd_device_ref(device);
    pthread_mutex_unlock(&devices->lock);
    fpd_device_unref(gone);
    return device;
}

void fpd_devices_each(struct fpd_devices *devices,
                      void (*fn)(void *ctx, struct fpd_device *device),
                      void *ctx)
{
    char last[FPD_ID_MAX + 1] = "";

    /* By id, one at a time: the list may change while fn runs. */
    for (;;) {
        struct fpd_device *device;

        pthread_mutex_lock(&devices->lock);
        device = *find_device(devices, last);
        if (device && strcmp(device->id, last) == 0)
            device = device->next;
        if (device)
            fpd_device_ref(device);
        pthread_mutex_unlock(&devices->lock);
        if (!device)
            return;
        strcpy(last, device->id);
        fn(ctx, device);
        fpd_device_unref(device);
    }
}

int fpd_devices_forget(struct fpd_devices *devices, const char *id)
{
    struct fpd_device **at;
    struct fpd_device *device;
    int err = FP_OK;

    pthread_mutex_lock(&devices->lock);
    at = find_device(devices, id);
    device = *at;
    if (!device || strcmp(device->id, id) != 0)
        err = FP_ERR_NOENT;
    else if (fpd_device_state_serves(device->info.state) || device->accepted)
        err = FP_ERR_BUSY;
    else
        *at = device->next;
    pthread_mutex_unlock(&devices->lock);
    if (!err)
        fpd_device_unref(device);
    return err;
}

struct fpd_device *fpd_device_ref(struct fpd_device *device)
{
    atomic_fetch_add(&device->refs, 1);
    return device;
}

void fpd_device_unref(struct fpd_device *device)
{
    struct fpd_devices *devices;

    if (!device || atomic_fetch_sub(&device->refs, 1) != 1)
        return;
    devices = device->devices;
    pthread_mutex_destroy(&device->work);
    pthread_mutex_destroy(&device->console.lock);
    free(device);
    devices_unref(devices);
}
