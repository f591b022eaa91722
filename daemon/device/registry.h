/* SPDX-License-Identifier: MIT
 *
 * Inside the registry: what the folder's files share.
 *
 * Locks, outermost first; none is held while waiting for a link:
 *   device->work      the worker that owns the device, while it touches the
 *                     device's ops; another worker that takes the device over
 *   a hook's lock     while a pipe or spool tells somebody (hook.h)
 *   devices->lock     everything that others see: the lists, states, infos,
 *                     queues, owners. Held for copies, never in a callback
 *   console->lock     the ring
 * The session, its proto state and its link belong to the worker's thread
 * alone, fpd_link_cancel() aside.
 */
#ifndef FPD_DEVICE_REGISTRY_H
#define FPD_DEVICE_REGISTRY_H

#include "daemon/device/device.h"

#include <pthread.h>

#define FPD_CONSOLE_SIZE (64u * 1024u)
/* In the list, absent ones included; those in use always have their place. */
#define FPD_DEVICES_MAX 1000u

struct fpd_worker;
struct fpd_op_state;

struct fpd_console {
    pthread_mutex_t lock;
    uint64_t written; /* of all time */
    char ring[FPD_CONSOLE_SIZE];
};

struct fpd_devices {
    _Atomic unsigned refs; /* the owner's, and one a device */
    pthread_mutex_t lock;
    struct fpd_devices_config cfg;
    /* under `lock` */
    bool stopping;
    struct fpd_worker *workers;
    pthread_cond_t lent;     /* a worker has closed its port for a loan */
    struct fpd_device *list; /* by id; the list holds a reference to each */
};

struct fpd_device {
    _Atomic unsigned refs;
    struct fpd_devices *devices;
    char id[FPD_ID_MAX + 1];
    struct fpd_console console;
    /* under devices->lock */
    struct fpd_device *next;
    struct fpd_worker *owner; /* who serves it, or served it last; or NULL */
    struct fpd_request *queue, **queue_tail; /* submitted, not yet picked up */
    uint32_t accepted;                       /* submitted and not done */
    struct fpd_device_info info;
    /* under `work` */
    pthread_mutex_t work;
    struct fpd_op_state *ops;
    uint64_t served[3]; /* bytes of transfers by class, lately */
};

/* The device of this id, made if there is none, as a reference. NULL: out of
 * memory. */
struct fpd_device *fpd_devices_get(struct fpd_devices *devices, const char *id);
/* Wakes the worker that serves it. Takes devices->lock. */
void fpd_device_wake(struct fpd_device *device);
/* Tells cfg.changed; no lock may be held but `work`. */
void fpd_device_changed(struct fpd_device *device);
void fpd_console_write(struct fpd_console *console, const uint8_t *buf,
                       size_t size);
/* All of one to the end of another, and it is empty then. Only the caller knows
 * `from`. */
void fpd_console_move(struct fpd_console *from, struct fpd_console *to);
int64_t fpd_unix_ms(void);

#endif
