/* SPDX-License-Identifier: MIT
 *
 * Callbacks that can be taken back.
 */
#include "daemon/device/hook.h"

#include <stddef.h>

void fpd_hook_init(struct fpd_hook *hook)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&hook->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    hook->fn = NULL;
    hook->ctx = NULL;
}

void fpd_hook_deinit(struct fpd_hook *hook)
{
    pthread_mutex_destroy(&hook->lock);
}

void fpd_hook_set(struct fpd_hook *hook, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&hook->lock);
    hook->fn = fn;
    hook->ctx = ctx;
    pthread_mutex_unlock(&hook->lock);
}

void fpd_hook_fire(struct fpd_hook *hook)
{
    pthread_mutex_lock(&hook->lock);
    if (hook->fn)
        hook->fn(hook->ctx);
    pthread_mutex_unlock(&hook->lock);
}

void fpd_hook_fire_once(struct fpd_hook *hook)
{
    void (*fn)(void *ctx);

    pthread_mutex_lock(&hook->lock);
    fn = hook->fn;
    hook->fn = NULL;
    if (fn)
        fn(hook->ctx);
    pthread_mutex_unlock(&hook->lock);
}
