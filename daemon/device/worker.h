/* SPDX-License-Identifier: MIT
 *
 * A worker: the thread of one link. It opens the link, runs a session on it,
 * and comes back when either breaks:
 *
 *   opening -> syncing -> hello -> online -> lost -> backoff -> opening
 *
 * While its port is lent to another program it is closed (released).
 *
 * Memory  made by fpd_worker_start(), freed by fpd_worker_stop()
 * Thread  the thread's own, but for `info` (devices->lock), `stop` and
 *         fpd_link_cancel()
 */
#ifndef FPD_DEVICE_WORKER_H
#define FPD_DEVICE_WORKER_H

#include "daemon/device/registry.h"
#include "daemon/device/session.h"

struct fpd_worker {
    struct fpd_devices *devices;
    struct fpd_link link;
    pthread_t thread;
    _Atomic bool stop;
    /* under devices->lock */
    struct fpd_worker *next;
    struct fpd_link_info info;
    struct {
        int64_t until_ms; /* of fpd_now_ms(); 0: not lent */
        char id[FPD_RELEASE_ID_SIZE];
        bool closed; /* and the port is free */
    } loan;
    /* the thread's */
    struct fpd_device *device; /* whom it serves or served last; a reference */
    struct fpd_device *rival;  /* whose other link is in our way, or NULL */
    struct fp_link_stats past; /* of the sessions before this one */
    int64_t stats_ms;
    uint32_t rate_cap; /* rates above did not carry since the port opened */
    struct fpd_console early; /* printed before it was known by whom, as a
                                 board does that starts */
    int backoff_ms;
    int64_t online_ms; /* fpd_now_ms() when it last came online */
    unsigned brief;    /* how often in a row it left at once */
    bool is_open;
    char told[160];   /* the refusal last logged */
    int64_t lines_ms; /* when the first of the lines was logged, */
    int lines;        /* that a minute may have so many of */
    struct fpd_session session;
};

/* Takes over an initialised link and starts the thread. The caller puts it
 * into the list first, or takes care that nobody needs to find it. */
int fpd_worker_start(struct fpd_worker *worker);
/* What the thread does until `stop`; for who has a thread of his own. */
void fpd_worker_run(struct fpd_worker *worker);
/* Asks it to end and waits until it has. Called without a lock. */
void fpd_worker_join(struct fpd_worker *worker);

/* From the session: Hello has told who it is. Non-zero: another link serves
 * that device, and the session is over. */
int fpd_worker_hello(struct fpd_worker *worker);
/* From the session: the line has another rate. */
void fpd_worker_rate(struct fpd_worker *worker, uint32_t baud);
/* From the session: its info has grown. With everything known it is online.
 * device->work is held. */
void fpd_worker_publish(struct fpd_worker *worker);

#endif
