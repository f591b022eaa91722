/* SPDX-License-Identifier: MIT
 *
 * The server as a whole: what it is made of, its start and its end.
 */
#include "daemon/http/http.h"
#include "core/error.h"
#include "daemon/http/auth.h"
#include "daemon/http/events.h"
#include "daemon/http/hashes.h"
#include "daemon/http/peers.h"
#include "daemon/http/server.h"
#include "daemon/log.h"
#include "daemon/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define OF_ONE_HOST     256 /* of these: nobody alone keeps all others out */
#define THREADS         4
#define GRACE_S         3
#define LOG_SIZE        400

static void log_mhd(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void log_mhd(void *cls, const char *fmt, va_list ap)
{
    char text[LOG_SIZE];

    (void)cls;
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = 0;
    fpd_log(FPD_LOG_DEBUG, "http", "%s", text);
}

/* Paths are decoded by us, once; libmicrohttpd would cut them at a %00. */
static size_t keep_encoded(void *cls, struct MHD_Connection *conn, char *text)
{
    (void)cls;
    (void)conn;
    return strlen(text);
}

static struct MHD_Daemon *start_mhd(struct fpd_http *http, int fd,
                                    unsigned threads)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, fpd_request_handle, http, MHD_OPTION_EXTERNAL_LOGGER,
        log_mhd, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)OF_ONE_HOST, MHD_OPTION_CONNECTION_TIMEOUT, FPD_PEER_IDLE_S,
        MHD_OPTION_NOTIFY_CONNECTION, fpd_peer_notify, http,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(96 * 1024),
        MHD_OPTION_NOTIFY_COMPLETED, fpd_request_completed, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, fpd_request_new, http,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_END);
}

static int start_listening(struct fpd_http *http, char *why, size_t size)
{
    int fd = fpd_listen_tcp(http, why, size);

    if (fd < 0)
        return FP_ERR_INVAL;
    /* Made before the first request can come. */
    if (fpd_auth_new(http, &http->auth, why, size) != FP_OK) {
        close(fd);
        return FP_ERR_IO;
    }
    http->tcp = start_mhd(http, fd, THREADS);
    if (!http->tcp) {
        close(fd);
        snprintf(why, size, "libmicrohttpd does not start");
        return FP_ERR_NOMEM;
    }
    if (!http->cfg.socket)
        return FP_OK;
    fd = fpd_listen_unix(http, why, size);
    if (fd < 0)
        return FP_ERR_INVAL;
    http->unix_ = start_mhd(http, fd, 2);
    if (!http->unix_) {
        close(fd);
        snprintf(why, size, "libmicrohttpd does not start");
        return FP_ERR_NOMEM;
    }
    return FP_OK;
}

int fpd_http_new(const struct fpd_http_config *cfg, struct fpd_http **out,
                 char *why, size_t size)
{
    struct fpd_http *http = calloc(1, sizeof *http);
    int err = FP_ERR_NOMEM;

    snprintf(why, size, "out of memory");
    if (!http)
        return FP_ERR_NOMEM;
    http->cfg = *cfg;
    http->started_ms = fpd_now_ms();
    http->work_tail = &http->work_head;
    pthread_mutex_init(&http->lock, NULL);
    pthread_cond_init(&http->idle, NULL);
    pthread_cond_init(&http->work, NULL);
    http->events = fpd_events_new();
    http->hashes = fpd_hashes_new();
    if (http->events && http->hashes)
        err = fpd_threads_start(http);
    if (!err)
        err = start_listening(http, why, size);
    if (err) {
        fpd_http_free(http);
        return err;
    }
    *out = http;
    return FP_OK;
}

const char *fpd_http_url(const struct fpd_http *http)
{
    return http->url;
}

/* The listening sockets stay: MHD_quiesce_daemon() of libmicrohttpd 0.9.75 and
 * its own threads may both take one out of epoll, and the second aborts. */
void fpd_http_quiesce(struct fpd_http *http)
{
    bool first;

    pthread_mutex_lock(&http->lock);
    first = !http->stopping;
    http->stopping = true;
    pthread_mutex_unlock(&http->lock);
    if (first && http->unix_)
        unlink(http->cfg.socket);
}

/* Every wait ends; connections get a moment to send what they have. */
static void let_go(struct fpd_http *http)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GRACE_S;
    pthread_mutex_lock(&http->lock);
    while (http->waiting) {
        struct fpd_call *call = http->waiting;

        http->waiting = call->next_waiting;
        if (http->waiting)
            http->waiting->prev_waiting = &http->waiting;
        call->waiting = NULL;
        MHD_resume_connection(call->conn);
    }
    while (http->calls_live > 0)
        if (pthread_cond_timedwait(&http->idle, &http->lock, &until) != 0)
            break;
    pthread_mutex_unlock(&http->lock);
}

void fpd_http_free(struct fpd_http *http)
{
    if (!http)
        return;
    fpd_http_quiesce(http);
    fpd_threads_join(http);
    let_go(http);
    if (http->tcp)
        MHD_stop_daemon(http->tcp);
    if (http->unix_)
        MHD_stop_daemon(http->unix_);
    fpd_auth_free(http->auth);
    fpd_events_free(http->events);
    fpd_hashes_free(http->hashes);
    pthread_cond_destroy(&http->work);
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

bool fpd_http_login_url(const struct fpd_http *http, char *out, size_t size)
{
    const char *token = fpd_auth_admin_token(http->auth);

    if (!token[0])
        return false;
    snprintf(out, size, "%s/?token=%s", http->url, token);
    return true;
}
