/* SPDX-License-Identifier: MIT */
#include "daemon/http/presence.h"
#include "core/error.h"
#include "daemon/device/device.h"
#include "daemon/log.h"
#include "daemon/store/devices.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A device that stays online changes often (its volumes do); once a minute is
 * enough for "last seen". */
#define AGAIN_MS 60000
#define QUEUE    256

struct known {
    char id[FPD_ID_MAX + 1];
    char link[256];
    int64_t told_ms;
};

struct fpd_presence {
    struct fpd_store *store;
    struct fpd_devices *devices;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    char queue[QUEUE][FPD_ID_MAX + 1];
    size_t count;
    bool ending;
    /* the thread's own */
    struct known known[QUEUE];
    size_t known_count;
};

/* Is this news for the store? */
static bool is_news(struct fpd_presence *p, const struct fpd_device_info *info)
{
    int64_t now = fpd_now_ms();
    struct known *k = NULL, *oldest = &p->known[0];

    for (size_t i = 0; i < p->known_count; i++) {
        if (strcmp(p->known[i].id, info->id) == 0)
            k = &p->known[i];
        if (p->known[i].told_ms < oldest->told_ms)
            oldest = &p->known[i];
    }
    if (k && now - k->told_ms < AGAIN_MS &&
        strcmp(k->link, info->link.name) == 0)
        return false;
    if (!k)
        k = p->known_count < QUEUE ? &p->known[p->known_count++] : oldest;
    memcpy(k->id, info->id, sizeof k->id);
    memcpy(k->link, info->link.name, sizeof k->link);
    k->told_ms = now;
    return true;
}

static void tell(struct fpd_presence *p, const char *id)
{
    struct fpd_device *device = fpd_devices_find(p->devices, id);
    struct fpd_device_info *info = malloc(sizeof *info);
    int err = FP_OK;

    if (device && info) {
        fpd_device_describe(device, info);
        if (fpd_device_state_serves(info->state) && is_news(p, info))
            err = fpd_store_device_seen(p->store, id, info->model,
                                        info->firmware, info->link.name);
        if (err)
            fpd_log(FPD_LOG_WARN, "presence",
                    "the store can't be told of a device: id=%s err=%s", id,
                    fp_strerror(err));
    }
    free(info);
    if (device)
        fpd_device_unref(device);
}

static void *presence_main(void *arg)
{
    struct fpd_presence *p = arg;
    char id[FPD_ID_MAX + 1];

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while ((p->count == 0 || !p->devices) && !p->ending)
            pthread_cond_wait(&p->more, &p->lock);
        if (p->ending)
            break;
        memcpy(id, p->queue[--p->count], sizeof id);
        pthread_mutex_unlock(&p->lock);
        tell(p, id);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int fpd_presence_new(struct fpd_store *store, struct fpd_presence **out)
{
    struct fpd_presence *p = calloc(1, sizeof *p);

    if (!p)
        return FP_ERR_NOMEM;
    p->store = store;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    if (pthread_create(&p->thread, NULL, presence_main, p) != 0) {
        free(p);
        return FP_ERR_NOMEM;
    }
    *out = p;
    return FP_OK;
}

void fpd_presence_watch(struct fpd_presence *p, struct fpd_devices *devices)
{
    pthread_mutex_lock(&p->lock);
    p->devices = devices;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

void fpd_presence_changed(struct fpd_presence *p, const char *id)
{
    bool queued = false;

    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->count; i++)
        queued |= strcmp(p->queue[i], id) == 0;
    /* Beyond the queue's length the next change tells. */
    if (!queued && p->count < QUEUE)
        strncpy(p->queue[p->count++], id, FPD_ID_MAX);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

void fpd_presence_free(struct fpd_presence *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
