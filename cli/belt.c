/* SPDX-License-Identifier: MIT
 *
 * Trays are numbered for ever, and lie in a ring:
 *
 *     taken <= begun <= given <= taken + count
 *
 * Waking a thread costs as much as the work on a small file. So it is done when
 * half of the trays wait, not for each; the last ones of all, which are fewer,
 * are left to those who are awake, the owner at least. Who is woken finds the
 * lock free: else it would only wait again.
 */
#define _XOPEN_SOURCE 700
#include "cli/belt.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* More would queue up at the folder that they make files in. One processor is
 * the owner's, whom a thread would only take turns with; but one thread there
 * is always, for while the owner waits for a disk. */
#define THREADS_MAX 2

/* The owner's hand is the first, those of the threads are behind it. */
#define HANDS (1 + THREADS_MAX)

struct worker {
    struct fpc_belt *belt;
    void *hand;
    pthread_t thread;
};

struct fpc_belt {
    struct fpc_belt_kind kind; /* its sizes rounded up */
    pthread_mutex_t lock;      /* all below */
    pthread_cond_t waits;      /* trays, for a thread */
    pthread_cond_t back; /* the first tray is, and the owner waits for it */
    uint64_t taken, begun, given;
    bool owner_waits, ends;
    unsigned idle, thread_count, threads_max;
    struct worker workers[HANDS];
    uint8_t *trays;
    bool done[]; /* of each tray */
};

static void *tray_at(struct fpc_belt *belt, uint64_t number)
{
    return belt->trays +
           (size_t)(number % belt->kind.count) * belt->kind.tray_size;
}

static bool *done_at(struct fpc_belt *belt, uint64_t number)
{
    return &belt->done[number % belt->kind.count];
}

/* On the next one, which there is. Locked, but for the work. */
static void work_on_next(struct worker *worker)
{
    struct fpc_belt *belt = worker->belt;
    const uint64_t number = belt->begun++;

    pthread_mutex_unlock(&belt->lock);
    belt->kind.work(tray_at(belt, number), worker->hand);
    pthread_mutex_lock(&belt->lock);
    *done_at(belt, number) = true;
    if (belt->owner_waits && number == belt->taken) {
        pthread_mutex_unlock(&belt->lock);
        pthread_cond_signal(&belt->back);
        pthread_mutex_lock(&belt->lock);
    }
}

static void *run(void *ctx)
{
    struct worker *worker = ctx;
    struct fpc_belt *belt = worker->belt;

    pthread_mutex_lock(&belt->lock);
    while (!belt->ends) {
        if (belt->begun < belt->given) {
            work_on_next(worker);
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
static bool start(struct worker *worker)
{
#ifdef _WIN32
    return pthread_create(&worker->thread, NULL, run, worker) == 0;
#else
    sigset_t all, was;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return started;
#endif
}

/* Locked. True: a thread is to be woken. */
static bool needs_help(struct fpc_belt *belt)
{
    if (belt->given - belt->begun <= belt->kind.count / 2)
        return false;
    if (belt->idle > 0)
        return true;
    if (belt->thread_count < belt->threads_max &&
        start(&belt->workers[1 + belt->thread_count]))
        belt->thread_count++;
    return false;
}

static unsigned threads_max(void)
{
#ifdef _WIN32
    const long processors = pthread_num_processors_np();
#else
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
#endif

    return processors > THREADS_MAX ? THREADS_MAX : 1;
}

static size_t round_up(size_t size)
{
    const size_t unit = _Alignof(max_align_t);

    return (size + unit - 1) / unit * unit;
}

struct fpc_belt *fpc_belt_new(const struct fpc_belt_kind *kind)
{
    struct fpc_belt *belt =
        calloc(1, sizeof *belt + kind->count * sizeof belt->done[0]);
    uint8_t *hands;

    if (!belt)
        return NULL;
    belt->kind = *kind;
    belt->threads_max = threads_max();
    belt->kind.tray_size = round_up(kind->tray_size);
    belt->kind.hand_size = round_up(kind->hand_size);
    belt->trays = calloc(1, kind->count * belt->kind.tray_size +
                                HANDS * belt->kind.hand_size);
    if (!belt->trays) {
        free(belt);
        return NULL;
    }
    hands = belt->trays + kind->count * belt->kind.tray_size;
    for (unsigned i = 0; i < HANDS; i++)
        belt->workers[i] = (struct worker){
            .belt = belt,
            .hand = hands + i * belt->kind.hand_size,
        };
    pthread_mutex_init(&belt->lock, NULL);
    pthread_cond_init(&belt->waits, NULL);
    pthread_cond_init(&belt->back, NULL);
    return belt;
}

/* given and taken are changed by the owner alone. */
void *fpc_belt_empty(struct fpc_belt *belt)
{
    return belt->given - belt->taken < belt->kind.count
               ? tray_at(belt, belt->given)
               : NULL;
}

void fpc_belt_give(struct fpc_belt *belt)
{
    bool wakes;

    pthread_mutex_lock(&belt->lock);
    *done_at(belt, belt->given++) = false;
    wakes = needs_help(belt);
    pthread_mutex_unlock(&belt->lock);
    if (wakes)
        pthread_cond_signal(&belt->waits);
}

void *fpc_belt_take(struct fpc_belt *belt)
{
    void *tray = NULL;

    pthread_mutex_lock(&belt->lock);
    while (belt->taken < belt->given && !*done_at(belt, belt->taken)) {
        if (belt->begun < belt->given) {
            work_on_next(&belt->workers[0]);
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
        pthread_join(belt->workers[1 + i].thread, NULL);
    for (unsigned i = 0; i < HANDS && belt->kind.leave; i++)
        belt->kind.leave(belt->workers[i].hand);
    pthread_cond_destroy(&belt->back);
    pthread_cond_destroy(&belt->waits);
    pthread_mutex_destroy(&belt->lock);
    free(belt->trays);
    free(belt);
}
