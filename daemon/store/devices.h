/* SPDX-License-Identifier: MIT
 *
 * The devices that were ever seen, what people call them, when they were last
 * backed up. What is true this moment is daemon/device's.
 *
 * Thread  from any
 */
#ifndef FPD_STORE_DEVICES_H
#define FPD_STORE_DEVICES_H

#include "daemon/store/store.h"

/* Devices that are kept without a label, tags or a snapshot. */
#define FPD_STORE_STRANGERS_MAX 1000

struct fpd_store_device {
    char id[65];
    char label[65]; /* "" without one */
    char model[33];
    char firmware[33];
    char link[257];        /* where it was seen last */
    char tags[1024];       /* the caller's, JSON by custom; "" */
    int64_t first_seen_ms; /* unix */
    int64_t last_seen_ms;
    int64_t last_backup_ms; /* taken_ms of its newest snapshot; 0: none */
};

/* It is here now: adds or updates model, firmware, link and last_seen_ms. What
 * names itself anew each time makes as many as it likes: beyond
 * FPD_STORE_STRANGERS_MAX one is forgotten, of those seen but once the one that
 * was seen longest ago, or else of all. */
int fpd_store_device_seen(struct fpd_store *store, const char *id,
                          const char *model, const char *firmware,
                          const char *link);
int fpd_store_device_get(struct fpd_store *store, const char *id,
                         struct fpd_store_device *out);
/* By id; *count gets how many stand in out, at most max (1000 at once).
 * `after` is the last id of the page before, or NULL. */
int fpd_store_device_list(struct fpd_store *store, const char *after,
                          struct fpd_store_device *out, size_t max,
                          size_t *count);
/* Its snapshots stay. */
int fpd_store_device_forget(struct fpd_store *store, const char *id);
/* "" removes it. A label is 1 to 64 bytes of UTF-8 without control characters
 * or '/' (FP_ERR_INVAL); FP_ERR_EXIST: another device has it, or has it as its
 * id. */
int fpd_store_device_label(struct fpd_store *store, const char *id,
                           const char *label);
/* The id of the device that is called so. FP_ERR_NOENT. A device may turn up
 * later whose id is what another is called. */
int fpd_store_device_called(struct fpd_store *store, const char *label,
                            char id[65]);
int fpd_store_device_tag(struct fpd_store *store, const char *id,
                         const char *tags);

#endif
