/* SPDX-License-Identifier: MIT
 *
 * Trays are numbered for ever, and lie in a ring:
 *
 *     taken <= begun <= given <= taken + count
 *
 * Waking a thread costs as much as the work on a small file. So it is done when
 * half of the trays wait, not for each; the last ones of all, which are fewer,
 * are left to those who are awake, the owner at least.
 */
#define _XOPEN_SOURCE 700
#include "cli/belt.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* More would queue up at the folder that they make files in. */
#define THREADS_MAX 2

struct fpc_belt {
    void (*work)(void *tray);
    size_t tray_size;
    unsigned count;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t waits; /* trays, for a thread */
    pthread_cond_t back;  /* the first tray is, and the owner waits for it */
    uint64_t taken, begun, given;
    bool owner_waits, ends;
    unsigned idle, thread_count;
    pthread_t threads[THREADS_MAX];
    uint8_t *trays;
    bool done[]; /* of each tray */
};

static void *tray_at(struct fpc_belt *belt, uint64_t number)
{
    return belt->trays + (size_t)(number % belt->count) * belt->tray_size;
}

static bool *done_at(struct fpc_belt *belt, uint64_t number)
{
    return &belt->done[number % belt->count];
}

/* On the next one, which there is. Locked, but for the work. */
static void work_on_next(struct fpc_belt *belt)
{
    const uint64_t number = belt->begun++;

    pthread_mutex_unlock(&belt->lock);
    belt->work(tray_at(belt, number));
    pthread_mutex_lock(&belt->lock);
    *done_at(belt, number) = true;
    if (belt->owner_waits && number == belt->taken)
        pthread_cond_signal(&belt->back);
}

static void *run(void *ctx)
{
    struct fpc_belt *belt = ctx;

    pthread_mutex_lock(&belt->lock);
    while (!belt->ends) {
        if (belt->begun < belt->given) {
            work_on_next(belt);
            continue;
        }
        belt->idle++;
        pthread_cond_wait(&belt->waits, &belt->lock);
        belt->idle--;
    }
    pthread_mutex_unlock(&belt->lock);
    return NULL;
}

/* Signals that end the process are for the thread that makes them wait. */
static bool start(struct fpc_belt *belt, pthread_t *thread)
{
#ifdef _WIN32
    return pthread_create(thread, NULL, run, belt) == 0;
#else
    sigset_t all, was;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    started = pthread_create(thread, NULL, run, belt) == 0;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return started;
#endif
}

static void get_help(struct fpc_belt *belt)
{
    if (belt->idle > 0)
        pthread_cond_signal(&belt->waits);
    else if (belt->thread_count < THREADS_MAX &&
             start(belt, &belt->threads[belt->thread_count]))
        belt->thread_count++;
}

struct fpc_belt *fpc_belt_new(void (*work)(void *tray), size_t tray_size,
                              unsigned count)
{
    const size_t unit = _Alignof(max_align_t);
    struct fpc_belt *belt =
        calloc(1, sizeof *belt + count * sizeof belt->done[0]);

    if (!belt)
        return NULL;
    belt->work = work;
    belt->tray_size = (tray_size + unit - 1) / unit * unit;
    belt->count = count;
    belt->trays = calloc(count, belt->tray_size);
    if (!belt->trays) {
        free(belt);
        return NULL;
    }
    pthread_mutex_init(&belt->lock, NULL);
    pthread_cond_init(&belt->waits, NULL);
    pthread_cond_init(&belt->back, NULL);
    return belt;
}

/* given and taken are changed by the owner alone. */
void *fpc_belt_empty(struct fpc_belt *belt)
{
    return belt->given - belt->taken < belt->count ? tray_at(belt, belt->given)
                                                   : NULL;
}

void fpc_belt_give(struct fpc_belt *belt)
{
    pthread_mutex_lock(&belt->lock);
    *done_at(belt, belt->given++) = false;
    if (belt->given - belt->begun > belt->count / 2)
        get_help(belt);
    pthread_mutex_unlock(&belt->lock);
}

void *fpc_belt_take(struct fpc_belt *belt)
{
    void *tray = NULL;

    pthread_mutex_lock(&belt->lock);
    while (belt->taken < belt->given && !*done_at(belt, belt->taken)) {
        if (belt->begun < belt->given) {
            work_on_next(belt);
            continue;
        }
        belt->owner_waits = true;
        pthread_cond_wait(&belt->back, &belt->lock);
        belt->owner_waits = false;
    }
    if (belt->taken < belt->given)
        tray = tray_at(belt, belt->taken++);
    pthread_mutex_unlock(&belt->lock);
    return tray;
}

void fpc_belt_stop(struct fpc_belt *belt)
{
    pthread_mutex_lock(&belt->lock);
    belt->given = belt->begun;
    pthread_mutex_unlock(&belt->lock);
}

void fpc_belt_free(struct fpc_belt *belt)
{
    if (!belt)
        return;
    pthread_mutex_lock(&belt->lock);
    belt->ends = true;
    pthread_cond_broadcast(&belt->waits);
    pthread_mutex_unlock(&belt->lock);
    for (unsigned i = 0; i < belt->thread_count; i++)
        pthread_join(belt->threads[i], NULL);
    pthread_cond_destroy(&belt->back);
    pthread_cond_destroy(&belt->waits);
    pthread_mutex_destroy(&belt->lock);
    free(belt->trays);
    free(belt);
}
