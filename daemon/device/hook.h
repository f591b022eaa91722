/* SPDX-License-Identifier: MIT
 *
 * A hook: somebody to be told, from another thread, that something happened.
 *
 * The callback runs with the hook's own lock held and no other, so that
 * whoever cleared the hook knows that no call is under way any more. The lock
 * is recursive: a callback may clear or set its own hook.
 */
#ifndef FPD_DEVICE_HOOK_H
#define FPD_DEVICE_HOOK_H

#include <pthread.h>

struct fpd_hook {
    pthread_mutex_t lock;
    void (*fn)(void *ctx);
    void *ctx;
};

void fpd_hook_init(struct fpd_hook *hook);
void fpd_hook_deinit(struct fpd_hook *hook);
/* fn NULL: nobody. */
void fpd_hook_set(struct fpd_hook *hook, void (*fn)(void *ctx), void *ctx);
void fpd_hook_fire(struct fpd_hook *hook);
/* Fires and clears: the callback runs once, whoever comes first. */
void fpd_hook_fire_once(struct fpd_hook *hook);

#endif
