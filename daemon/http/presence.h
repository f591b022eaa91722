/* SPDX-License-Identifier: MIT
 *
 * Tells the store which devices are here: the store's writes wait for the
 * disk, which a device's worker must not, so a thread of its own does it.
 *
 * Thread  changed() from any, and never waits
 */
#ifndef FPD_HTTP_PRESENCE_H
#define FPD_HTTP_PRESENCE_H

struct fpd_presence;
struct fpd_devices;
struct fpd_store;

int fpd_presence_new(struct fpd_store *store, struct fpd_presence **out);
/* Where the devices are; before it nothing is told. */
void fpd_presence_watch(struct fpd_presence *presence,
                        struct fpd_devices *devices);
void fpd_presence_changed(struct fpd_presence *presence, const char *id);
void fpd_presence_free(struct fpd_presence *presence);

#endif
