/* SPDX-License-Identifier: MIT
 *
 * An application with flashport's agent beside it: they share one VFS.
 *
 *     platform ── flash, wire, clock, lock ──► device_start()
 *     wire task or loop ─────────────────────► device_serve()
 *     application ───────────────────────────► device_log(), device_interval()
 *
 * Whoever uses the VFS holds the lock: device_serve() takes it for one piece of
 * work at most, an erase say, and the functions of the application take it for
 * one call.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <flashport.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the platform gives. */
struct device_platform {
    const char *id;        /* of the chip: no other device has it */
    struct fp_bdev *flash; /* where the files lie */
    /* Puts what fits on its way and returns how many bytes that was. */
    size_t (*send)(void *ctx, const uint8_t *buf, size_t size);
    uint32_t (*clock_ms)(void *ctx);
    /* NULL where one loop does everything. */
    void (*lock)(void);
    void (*unlock)(void);
};

/* 0, or an enum fp_error. The platform must stay where it is. */
int device_start(const struct device_platform *platform);

/* Takes what came over the wire and does what can be done now. Returns the
 * milliseconds until it wants to be called again if nothing comes. */
uint32_t device_serve(const uint8_t *buf, size_t size);

/* Puts a line behind /flash/log.txt. */
int device_log(const char *line);

/* What /flash/interval.txt says, in milliseconds; 1000 without it. A host that
 * puts another file there changes it at once. */
uint32_t device_interval(void);

#ifdef __cplusplus
}
#endif

#endif
