/* SPDX-License-Identifier: MIT
 *
 * One ring under one lock. `lock` guards the ring, the end and the flags; the
 * two hooks have locks of their own and are fired without `lock`.
 */
#include "daemon/device/pipe.h"

#include "core/error.h"
#include "daemon/device/hook.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct fpd_pipe {
    _Atomic unsigned refs;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for read_wait */
    struct fpd_hook reader; /* wake_when_ready */
    struct fpd_hook writer; /* on_room */
    size_t size;
    size_t head; /* of the next byte to read */
    size_t used;
    bool finished;
    bool abandoned;
    int err; /* valid when finished */
    uint8_t ring[];
};

struct fpd_pipe *fpd_pipe_new(size_t size)
{
    struct fpd_pipe *pipe;

    if (size == 0)
        size = FPD_PIPE_SIZE;
    pipe = calloc(1, sizeof *pipe + size);
    if (!pipe)
        return NULL;
    atomic_init(&pipe->refs, 1);
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    fpd_hook_init(&pipe->reader);
    fpd_hook_init(&pipe->writer);
    pipe->size = size;
    return pipe;
}

struct fpd_pipe *fpd_pipe_ref(struct fpd_pipe *pipe)
{
    atomic_fetch_add(&pipe->refs, 1);
    return pipe;
}

void fpd_pipe_unref(struct fpd_pipe *pipe)
{
    if (!pipe || atomic_fetch_sub(&pipe->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&pipe->lock);
    pthread_cond_destroy(&pipe->changed);
    fpd_hook_deinit(&pipe->reader);
    fpd_hook_deinit(&pipe->writer);
    free(pipe);
}

/* Copies out of the ring, around its end. */
static size_t ring_get(struct fpd_pipe *pipe, uint8_t *buf, size_t size)
{
    size_t n = size < pipe->used ? size : pipe->used;
    size_t first = pipe->size - pipe->head;

    if (first > n)
        first = n;
    memcpy(buf, pipe->ring + pipe->head, first);
    memcpy(buf + first, pipe->ring, n - first);
    pipe->head = (pipe->head + n) % pipe->size;
    pipe->used -= n;
    return n;
}

static enum fpd_pipe_read read_locked(struct fpd_pipe *pipe, void *buf,
                                      size_t size, size_t *got)
{
    *got = 0;
    if (pipe->used > 0) {
        *got = ring_get(pipe, buf, size);
        return FPD_PIPE_DATA;
    }
    if (!pipe->finished)
        return FPD_PIPE_EMPTY;
    return pipe->err ? FPD_PIPE_FAIL : FPD_PIPE_END;
}

enum fpd_pipe_read fpd_pipe_read(struct fpd_pipe *pipe, void *buf, size_t size,
                                 size_t *got)
{
    enum fpd_pipe_read what;

    pthread_mutex_lock(&pipe->lock);
    what = read_locked(pipe, buf, size, got);
    pthread_mutex_unlock(&pipe->lock);
    if (what == FPD_PIPE_DATA)
        fpd_hook_fire(&pipe->writer);
    return what;
}

enum fpd_pipe_read fpd_pipe_read_wait(struct fpd_pipe *pipe, void *buf,
                                      size_t size, size_t *got)
{
    enum fpd_pipe_read what;

    pthread_mutex_lock(&pipe->lock);
    while ((what = read_locked(pipe, buf, size, got)) == FPD_PIPE_EMPTY)
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    pthread_mutex_unlock(&pipe->lock);
    if (what == FPD_PIPE_DATA)
        fpd_hook_fire(&pipe->writer);
    return what;
}

void fpd_pipe_wake_when_ready(struct fpd_pipe *pipe, void (*wake)(void *ctx),
                              void *ctx)
{
    bool ready;

    /* Set first, look second: a write in between fires it, and it fires only
     * once. */
    fpd_hook_set(&pipe->reader, wake, ctx);
    pthread_mutex_lock(&pipe->lock);
    ready = pipe->used > 0 || pipe->finished;
    pthread_mutex_unlock(&pipe->lock);
    if (ready)
        fpd_hook_fire_once(&pipe->reader);
}

void fpd_pipe_abandon(struct fpd_pipe *pipe)
{
    fpd_hook_set(&pipe->reader, NULL, NULL);
    pthread_mutex_lock(&pipe->lock);
    pipe->abandoned = true;
    pipe->used = 0;
    pthread_mutex_unlock(&pipe->lock);
    fpd_hook_fire(&pipe->writer);
}

int fpd_pipe_error(struct fpd_pipe *pipe)
{
    int err;

    pthread_mutex_lock(&pipe->lock);
    err = pipe->err;
    pthread_mutex_unlock(&pipe->lock);
    return err;
}

size_t fpd_pipe_room(struct fpd_pipe *pipe)
{
    size_t room;

    pthread_mutex_lock(&pipe->lock);
    room = pipe->abandoned ? SIZE_MAX : pipe->size - pipe->used;
    pthread_mutex_unlock(&pipe->lock);
    return room;
}

bool fpd_pipe_abandoned(struct fpd_pipe *pipe)
{
    bool abandoned;

    pthread_mutex_lock(&pipe->lock);
    abandoned = pipe->abandoned;
    pthread_mutex_unlock(&pipe->lock);
    return abandoned;
}

static void ring_put(struct fpd_pipe *pipe, const uint8_t *buf, size_t size)
{
    size_t tail = (pipe->head + pipe->used) % pipe->size;
    size_t first = pipe->size - tail;

    if (first > size)
        first = size;
    memcpy(pipe->ring + tail, buf, first);
    memcpy(pipe->ring, buf + first, size - first);
    pipe->used += size;
}

void fpd_pipe_write(struct fpd_pipe *pipe, const void *buf, size_t size)
{
    pthread_mutex_lock(&pipe->lock);
    if (!pipe->abandoned && !pipe->finished && size <= pipe->size - pipe->used)
        ring_put(pipe, buf, size);
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
    fpd_hook_fire_once(&pipe->reader);
}

void fpd_pipe_finish(struct fpd_pipe *pipe, int err)
{
    pthread_mutex_lock(&pipe->lock);
    if (!pipe->finished) {
        pipe->finished = true;
        pipe->err = err;
    }
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
    fpd_hook_fire_once(&pipe->reader);
}

void fpd_pipe_on_room(struct fpd_pipe *pipe, void (*room)(void *ctx), void *ctx)
{
    fpd_hook_set(&pipe->writer, room, ctx);
}
