/* SPDX-License-Identifier: MIT
 *
 * The threads beside libmicrohttpd's: a pool for work that blocks, and one that
 * sees which clients have left, or keep their place for nothing.
 */
#include "core/error.h"
#include "daemon/http/events.h"
#include "daemon/http/peers.h"
#include "daemon/http/server.h"
#include "daemon/time.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who is refused sends the rest of the body at this rate, or is cut off. */
#define DROP_RATE 4096 /* bytes a second */
#define WATCH_MS  250

static void *pool_main(void *arg)
{
    struct fpd_http *http = arg;
    struct fpd_call *call;

    pthread_mutex_lock(&http->lock);
    for (;;) {
        while (!http->work_head && !http->ending)
            pthread_cond_wait(&http->work, &http->lock);
        call = http->work_head;
        if (!call)
            break;
        http->work_head = call->next_work;
        if (!http->work_head)
            http->work_tail = &http->work_head;
        pthread_mutex_unlock(&http->lock);
        call->work(call);
        fpd_call_wake(call, &call->work);
        fpd_call_unref(call);
        pthread_mutex_lock(&http->lock);
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

/* Up to `max` calls that wait and whose client has left, each with a reference
 * and held. A suspended connection is not looked at by libmicrohttpd, so this
 * does. */
static size_t find_gone(struct fpd_http *http, struct fpd_call **out,
                        size_t max)
{
    int64_t now = fpd_now_ms();
    struct fpd_call *call;
    size_t count = 0;

    pthread_mutex_lock(&http->lock);
    for (call = http->waiting; call && count < max; call = call->next_waiting) {
        struct pollfd fd = { .fd = call->fd, .events = POLLRDHUP };

        if (call->gone || now - call->waiting_ms < WATCH_MS || call->fd < 0 ||
            poll(&fd, 1, 0) <= 0)
            continue;
        call->gone = true;
        call->held = true;
        call->refs++;
        out[count++] = call;
    }
    pthread_mutex_unlock(&http->lock);
    return count;
}

/* What on_gone calls takes locks of its own that workers hold when they wake a
 * call, so it runs without ours; the hold keeps the handler away meanwhile. */
static void watch(struct fpd_http *http)
{
    struct fpd_call *gone[32];
    size_t count = find_gone(http, gone, sizeof gone / sizeof gone[0]);

    for (size_t i = 0; i < count; i++) {
        if (gone[i]->on_gone)
            gone[i]->on_gone(gone[i]);
        fpd_call_release(gone[i]);
    }
}

/* Is it refused, and keeps its place with a byte now and then? */
static bool is_dawdling(const struct fpd_call *call, int64_t now)
{
    int64_t refused_ms = call->refused_ms;

    return refused_ms && now > refused_ms + FPD_PEER_HEAD_MS +
                                   (int64_t)(call->dropped * 1000 / DROP_RATE);
}

/* libmicrohttpd 0.9.75 with epoll does not always see an end that came together
 * with the last bytes before it, and would keep a broken upload, and its place
 * at the device, until the connection times out. */
static void end_broken_uploads(struct fpd_http *http)
{
    int64_t now = fpd_now_ms();
    struct fpd_call *call;

    pthread_mutex_lock(&http->lock);
    for (call = http->receiving; call; call = call->next_receiving) {
        struct pollfd fd = { .fd = call->fd, .events = POLLRDHUP };

        if (call->waiting || call->fd < 0)
            continue;
        if (is_dawdling(call, now) ||
            (now - call->heard_ms >= 2 * WATCH_MS && poll(&fd, 1, 0) > 0))
            shutdown(call->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&http->lock);
}

static void *watcher_main(void *arg)
{
    struct fpd_http *http = arg;
    bool ending = false;

    while (!ending) {
        usleep(WATCH_MS * 1000);
        watch(http);
        end_broken_uploads(http);
        fpd_peers_end_slow(http);
        fpd_events_tick(http->events);
        pthread_mutex_lock(&http->lock);
        ending = http->ending;
        pthread_mutex_unlock(&http->lock);
    }
    return NULL;
}

int fpd_threads_start(struct fpd_http *http)
{
    for (int i = 0; i < FPD_HTTP_POOL; i++) {
        if (pthread_create(&http->pool[i], NULL, pool_main, http) != 0)
            return FP_ERR_NOMEM;
        http->pool_count++;
    }
    http->watching =
        pthread_create(&http->watcher, NULL, watcher_main, http) == 0;
    return http->watching ? FP_OK : FP_ERR_NOMEM;
}

void fpd_threads_join(struct fpd_http *http)
{
    pthread_mutex_lock(&http->lock);
    http->ending = true;
    pthread_cond_broadcast(&http->work);
    pthread_mutex_unlock(&http->lock);
    while (http->pool_count > 0)
        pthread_join(http->pool[--http->pool_count], NULL);
    if (http->watching)
        pthread_join(http->watcher, NULL);
    http->watching = false;
}
