/* SPDX-License-Identifier: MIT
 *
 * From libmicrohttpd's callbacks to routes and back.
 *
 * libmicrohttpd calls the handler when the headers are there, for each piece
 * of the body, at the end of the body, and again after each resume. An answer
 * may be queued at the first of these (the body is then not read and the
 * connection ends) or at the end; one that is known in between has to wait
 * until the body has been dropped.
 */
#include "daemon/http/http.h"
#include "core/error.h"
#include "daemon/http/auth.h"
#include "daemon/http/cond.h"
#include "daemon/http/events.h"
#include "daemon/http/hashes.h"
#include "daemon/http/peers.h"
#include "daemon/http/reply.h"
#include "daemon/http/routes.h"
#include "daemon/http/server.h"
#include "daemon/log.h"
#include "daemon/time.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define OF_ONE_HOST     256 /* of these: nobody alone keeps all others out */
#define THREADS         4
/* Of a refused body so much is read and dropped: a client that sends without
 * asking (browsers do) sees an answer only when it has sent all. */
#define DROP_MAX (64u << 20)
/* Who is refused sends the rest of the body at this rate, or is cut off. */
#define DROP_RATE 4096 /* bytes a second */
#define WATCH_MS  250
#define GRACE_S   3
#define LOG_SIZE  400

/* ---- one call ---- */

static void *call_new(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct fpd_http *http = cls;
    struct fpd_call *call = calloc(1, sizeof *call);
    const char *why = NULL;
    int err;

    fpd_peer_asks(conn);
    if (!call)
        return NULL;
    call->http = http;
    call->conn = conn;
    call->refs = 1;
    call->fd = -1;
    call->started_ms = fpd_now_ms();
    pthread_mutex_lock(&http->lock);
    http->calls_live++;
    pthread_mutex_unlock(&http->lock);
    err = fpd_url_parse(&call->url, uri, &why);
    if (err == FP_ERR_NAMETOOLONG)
        fpd_refuse(call, 414, "target-too-long", "Request target too long",
                   "%s", why);
    else if (err)
        fpd_refuse(call, 400, "bad-path", "Bad path", "%s", why);
    return call;
}

static void receiving_begins(struct fpd_call *call)
{
    struct fpd_http *http = call->http;

    call->heard_ms = fpd_now_ms();
    pthread_mutex_lock(&http->lock);
    call->next_receiving = http->receiving;
    call->prev_receiving = &http->receiving;
    if (http->receiving)
        http->receiving->prev_receiving = &call->next_receiving;
    http->receiving = call;
    pthread_mutex_unlock(&http->lock);
}

static void receiving_ends(struct fpd_call *call)
{
    pthread_mutex_lock(&call->http->lock);
    if (call->prev_receiving) {
        *call->prev_receiving = call->next_receiving;
        if (call->next_receiving)
            call->next_receiving->prev_receiving = call->prev_receiving;
    }
    call->prev_receiving = NULL;
    pthread_mutex_unlock(&call->http->lock);
}

static void call_completed(void *cls, struct MHD_Connection *conn, void **slot,
                           enum MHD_RequestTerminationCode code)
{
    struct fpd_call *call = *slot;

    (void)cls;
    (void)code;
    fpd_peer_answered(conn);
    if (!call)
        return;
    *slot = NULL;
    if (call->status >= 100 && call->status < 600)
        call->http->requests[call->status / 100]++;
    fpd_log(FPD_LOG_DEBUG, "http", "%s %.200s: status=%u ms=%lld who=%s",
            call->method, call->url.raw, call->status,
            (long long)(fpd_now_ms() - call->started_ms), call->who);
    if (call->response)
        MHD_destroy_response(call->response);
    call->response = NULL;
    receiving_ends(call);
    /* Whoever works for this call sees that nobody waits any more. */
    pthread_mutex_lock(&call->http->lock);
    call->gone = true;
    pthread_mutex_unlock(&call->http->lock);
    if (call->on_gone)
        call->on_gone(call);
    fpd_call_unref(call);
}

/* What says where a request ends and whom it is for. */
struct framing {
    int lengths, encodings, hosts;
    bool unknown;
};

/* Is it this header? libmicrohttpd 0.9.75 adds the second line of a folded one
 * to its name: "Content-Length:", " 5" is "Content-Length5" without a value. */
static bool is_framing(struct framing *f, const char *name, const char *what)
{
    size_t len = strlen(what);

    if (strncasecmp(name, what, len) != 0)
        return false;
    f->unknown |= name[len] != 0;
    return true;
}

static enum MHD_Result count_framing(void *cls, enum MHD_ValueKind kind,
                                     const char *name, const char *value)
{
    struct framing *f = cls;

    (void)kind;
    f->unknown |= name[strcspn(name, " \t")] != 0;
    f->hosts += strcasecmp(name, "Host") == 0;
    f->lengths += is_framing(f, name, "Content-Length");
    if (is_framing(f, name, "Transfer-Encoding")) {
        f->encodings++;
        f->unknown |= !value || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

/* What two programs on the way may read in two ways: where this request ends
 * is then not known, so nothing behind it is heard.
 * Source: RFC 9112, 3.2, 5.1, 5.2, 6.1 and 6.3. */
static void refuse_ambiguous(struct fpd_call *call)
{
    struct framing f = { 0 };

    MHD_get_connection_values(call->conn, MHD_HEADER_KIND, count_framing, &f);
    if (f.lengths + f.encodings <= 1 && f.hosts <= 1 && !f.unknown)
        return;
    call->closes = true;
    fpd_refuse(
        call, 400, "ambiguous-request", "Ambiguous request",
        "A request has at most one Host, and one Content-Length or "
        "\"Transfer-Encoding: chunked\", and no header that is folded or "
        "has a space in its name.");
}

static void read_headers(struct fpd_call *call, const char *method)
{
    const union MHD_ConnectionInfo *info;
    socklen_t domain_size = sizeof(int);
    const char *length;
    int domain = 0;

    snprintf(call->method, sizeof call->method, "%s", method);
    call->head = strcmp(method, "HEAD") == 0;
    info =
        MHD_get_connection_info(call->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info)
        call->fd = info->connect_fd;
    length = fpd_call_header(call, "Content-Length");
    call->content_size = 0;
    if (length && !fpd_u64_parse(length, INT64_MAX, &call->content_size))
        fpd_refuse(call, 400, "bad-length", "Bad Content-Length",
                   "Content-Length is not a number of bytes.");
    if (fpd_call_header(call, "Transfer-Encoding"))
        call->content_size = FPD_SIZE_UNKNOWN;
    call->has_body = call->content_size != 0;
    call->unix_socket = getsockopt(call->fd, SOL_SOCKET, SO_DOMAIN, &domain,
                                   &domain_size) == 0 &&
                        domain == AF_UNIX;
    refuse_ambiguous(call);
}

static void refuse_offline(struct fpd_call *call, const char *state,
                           const char *reason)
{
    fpd_problem_member(call, "device", json_string(call->param[0]));
    fpd_problem(call, FP_ERR_NODEV,
                "The device %s is not online: it is %s%s%s.", call->param[0],
                state, reason[0] ? ": " : "", reason);
}

/* It is well; its port is another program's. */
static void refuse_released(struct fpd_call *call,
                            const struct fpd_device_info *info)
{
    int64_t left_ms = info->released_until_ms - fpd_time_unix_ms();
    char until[32];

    fpd_time_format(info->released_until_ms, until);
    fpd_problem_member(call, "device", json_string(info->id));
    fpd_problem_member(call, "released_until", json_string(until));
    fpd_problem_member(call, "title", json_string("Lent to another program"));
    fpd_problem_type(call, "device-released");
    fpd_problem_hint(call, "DELETE /api/v1/devices/%s/release takes it back.",
                     info->id);
    fpd_problem_retry(call, left_ms > 0 ? (int)((left_ms + 999) / 1000) : 1);
    fpd_problem(call, FP_ERR_NODEV,
                "The port of %s is lent to another program until %s.", info->id,
                until);
}

/* {device} is an id or a label; a device that is known and not here is found
 * too, without its struct fpd_device. */
static void find_device(struct fpd_call *call)
{
    struct fpd_device_info *info;
    int err;

    if (!strstr(call->route->pattern, "{device}"))
        return;
    err = fpd_call_resolve(call, call->param[0], call->device_id);
    if (err == FP_ERR_NOENT) {
        fpd_problem_hint(call, "GET /api/v1/devices lists those that are.");
        fpd_refuse(call, 404, "unknown-device", "Unknown device",
                   "No device has the id or label \"%.64s\".", call->param[0]);
    }
    if (err)
        return;
    call->param[0] = call->device_id;
    call->device = fpd_devices_find(call->http->cfg.devices, call->param[0]);
    if (call->route->kind != FPD_DEVICE)
        return;
    info = call->device ? malloc(sizeof *info) : NULL;
    if (!info) {
        refuse_offline(call, "absent", "");
        return;
    }
    fpd_device_describe(call->device, info);
    if (info->released_until_ms)
        refuse_released(call, info);
    else if (!fpd_device_state_serves(info->state))
        refuse_offline(call, fpd_device_state_name(info->state), info->reason);
    free(info);
}

static void refuse_unrouted(struct fpd_call *call, const char *allow)
{
    if (!allow[0]) {
        fpd_problem_hint(call, "GET /api/v1/openapi.json tells all routes.");
        fpd_problem(call, FP_ERR_NOENT, "There is no route %.300s.",
                    call->url.raw);
        return;
    }
    if (strcmp(call->method, "OPTIONS") == 0)
        fpd_reply_empty(call, 204);
    else
        fpd_refuse(call, 405, "method", "Method not allowed",
                   "%s can't be done here; %s can.", call->method, allow);
    fpd_reply_header(call, "Allow", allow);
}

/* A yes or no that is neither is never taken for a yes. */
static bool check_flags(struct fpd_call *call)
{
    static const char *const flags[] = { "recursive", "in_place", "mkdir",
                                         "etag", "download" };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (!fpd_url_flag_is_bad(&call->url, flags[i]))
            continue;
        fpd_problem(call, FP_ERR_INVAL,
                    "?%s is 1, 0, true or false; alone it counts as 1.",
                    flags[i]);
        return false;
    }
    return true;
}

/* A part would be taken for the whole. Source: RFC 9110, 14.5. */
static bool check_whole(struct fpd_call *call)
{
    if (strcmp(call->method, "PUT") != 0 ||
        !fpd_call_header(call, "Content-Range"))
        return true;
    fpd_problem_hint(call, "Send all of it, without Content-Range (curl: "
                           "without -C); what was there stays until then.");
    fpd_refuse(call, 400, "part", "A part of a file",
               "A PUT gives the whole content; what has a Content-Range is a "
               "part of one.");
    return false;
}

/* The headers are there: all that can be refused without the body is. */
static void call_start(struct fpd_call *call, const char *method)
{
    char allow[160];

    read_headers(call, method);
    if (call->response || !fpd_auth_host(call))
        return;
    if (call->http->stopping) {
        fpd_reply_stopping(call);
        return;
    }
    if (fpd_auth_login(call) || !fpd_auth_identify(call))
        return;
    call->route = fpd_routes_match(fpd_routes, fpd_routes_count, call, allow,
                                   sizeof allow);
    /* What exists is nobody's business without a token. */
    if (!fpd_auth_allow(call,
                        call->route ? call->route->scope : FPD_SCOPE_READ))
        return;
    if (!call->route) {
        refuse_unrouted(call, allow);
        return;
    }
    find_device(call);
    if (call->response || !check_flags(call) || !check_whole(call))
        return;
    if (call->route->begin)
        call->route->begin(call);
    else if (call->content_size != FPD_SIZE_UNKNOWN &&
             call->content_size > FPD_CALL_BODY_MAX)
        fpd_refuse(call, 413, "body-too-large", "Body too large",
                   "A body of this route may have %u bytes.",
                   FPD_CALL_BODY_MAX);
}

static void collect(struct fpd_call *call, const char *data, size_t size)
{
    if (!call->body)
        call->body = malloc(FPD_CALL_BODY_MAX);
    if (!call->body) {
        fpd_problem(call, FP_ERR_NOMEM, NULL);
        return;
    }
    if (size > FPD_CALL_BODY_MAX - call->body_size) {
        fpd_refuse(call, 413, "body-too-large", "Body too large",
                   "A body of this route may have %u bytes.",
                   FPD_CALL_BODY_MAX);
        return;
    }
    memcpy(call->body + call->body_size, data, size);
    call->body_size += size;
}

/* False: enough was dropped, the connection ends. */
static bool call_data(struct fpd_call *call, const char *data, size_t size)
{
    call->http->body_in += size;
    if (call->response) {
        if (!call->refused_ms)
            call->refused_ms = fpd_now_ms();
        call->dropped += size;
        return call->dropped <= DROP_MAX;
    }
    if (call->route->data)
        call->route->data(call, data, size);
    else
        collect(call, data, size);
    return true;
}

static void call_turn(struct fpd_call *call)
{
    void (*next)(struct fpd_call *) = call->next;

    if (call->response)
        return;
    if (!call->ended) {
        call->ended = true;
        call->route->handle(call);
    } else if (next) {
        call->next = NULL;
        next(call);
    }
    if (!call->response && !call->suspended)
        fpd_problem(call, FP_OK, "A handler forgot to answer.");
}

static enum MHD_Result queue(struct fpd_call *call)
{
    enum MHD_Result result;

    if (call->closes ||
        (strcmp(call->method, "HEAD") != 0 && call->has_body && !call->ended))
        fpd_reply_header(call, "Connection", "close");
    call->queued = true;
    result = MHD_queue_response(call->conn, call->status, call->response);
    MHD_destroy_response(call->response);
    call->response = NULL;
    return result;
}

/* Must the answer go out before the body is read? */
static bool refuse_now(struct fpd_call *call)
{
    return call->response &&
           (call->closes ||
            (call->has_body && ((call->content_size != FPD_SIZE_UNKNOWN &&
                                 call->content_size > DROP_MAX) ||
                                fpd_call_header(call, "Expect"))));
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *conn,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *size, void **slot)
{
    struct fpd_call *call = *slot;

    (void)cls;
    (void)url;
    (void)version;
    if (!call)
        return MHD_NO;
    /* Where several chunks of a body have come at once, libmicrohttpd 0.9.75
     * may bring the next one to a connection that the last one suspended. What
     * is not taken comes again. */
    if (fpd_call_waits(call))
        return MHD_YES;
    call->suspended = false;
    if (!call->started) {
        call->started = true;
        fpd_peer_asked(conn);
        call_start(call, method);
        if (call->response)
            call->refused_ms = fpd_now_ms();
        if (call->has_body)
            receiving_begins(call);
        return refuse_now(call) ? queue(call) : MHD_YES;
    }
    if (*size) {
        call->heard_ms = fpd_now_ms();
        if (!call_data(call, data, *size))
            return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    if (call->queued)
        return MHD_YES;
    receiving_ends(call);
    call_turn(call);
    return call->response ? queue(call) : MHD_YES;
}

/* ---- the pool, and clients that leave ---- */

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

static int start_threads(struct fpd_http *http)
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

static void join_threads(struct fpd_http *http)
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

/* ---- listening ---- */

/* "127.0.0.1:80" or "[::1]:80" into host and port. */
static bool split_listen(const char *listen, char *host, size_t size,
                         uint64_t *port)
{
    const char *colon = strrchr(listen, ':');
    size_t n = colon ? (size_t)(colon - listen) : 0;
    bool brackets = listen[0] == '[';

    if (!colon || !fpd_u64_parse(colon + 1, 65535, port))
        return false;
    if (brackets && (n < 3 || listen[n - 1] != ']'))
        return false;
    listen += brackets;
    n -= brackets ? 2 : 0;
    if (n == 0 || n >= size || (!brackets && memchr(listen, ':', n)))
        return false;
    memcpy(host, listen, n);
    host[n] = 0;
    return true;
}

int fpd_http_check_listen(const char *listen, char *why, size_t size)
{
    char host[200];
    uint64_t port;

    if (split_listen(listen, host, sizeof host, &port))
        return FP_OK;
    snprintf(why, size,
             "--listen %s: want ADDR:PORT, such as 127.0.0.1:8484 or "
             "[::1]:8484",
             listen);
    return FP_ERR_INVAL;
}

static int bind_to(const struct addrinfo *ai)
{
    int one = 1, fd;

    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 128) == 0)
        return fd;
    one = errno;
    close(fd);
    errno = one;
    return -1;
}

static int listen_tcp(struct fpd_http *http, char *why, size_t size)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE };
    struct addrinfo *found = NULL;
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    char host[200], service[8] = "";
    uint64_t port;
    int fd, err;

    err = fpd_http_check_listen(http->cfg.listen, why, size);
    if (err)
        return -1;
    split_listen(http->cfg.listen, host, sizeof host, &port);
    snprintf(service, sizeof service, "%u", (unsigned)port);
    err = getaddrinfo(host, service, &hints, &found);
    if (err) {
        snprintf(why, size, "--listen %s: %s", http->cfg.listen,
                 gai_strerror(err));
        return -1;
    }
    fd = bind_to(found);
    freeaddrinfo(found);
    if (fd < 0) {
        snprintf(why, size, "--listen %s: %s", http->cfg.listen,
                 errno == EADDRINUSE
                     ? "another program has this port; name another, or 0 "
                       "for a free one"
                     : strerror(errno));
        return -1;
    }
    if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) == 0 &&
        getnameinfo((struct sockaddr *)&sa, sa_len, NULL, 0, service,
                    sizeof service, NI_NUMERICSERV) == 0)
        http->port = (uint16_t)strtoul(service, NULL, 10);
    snprintf(http->host, sizeof http->host, strchr(host, ':') ? "[%s]" : "%s",
             host);
    snprintf(http->url, sizeof http->url, "http://%s:%u", http->host,
             http->port);
    return fd;
}

/* A socket file whose daemon is gone is in the way; a live one is not ours. */
static bool socket_is_dead(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool dead = fd >= 0 &&
                connect(fd, (const struct sockaddr *)sa, sizeof *sa) != 0 &&
                errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return dead;
}

static int listen_unix(struct fpd_http *http, char *why, size_t size)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    const char *path = http->cfg.socket;
    int fd, err;

    if (strlen(path) >= sizeof sa.sun_path) {
        snprintf(why, size, "--socket %s: longer than %zu bytes", path,
                 sizeof sa.sun_path - 1);
        return -1;
    }
    strcpy(sa.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        goto fail;
    /* Nobody can knock before listen(), and from then on only its owner and
     * root, who needs a token like anyone. */
    err = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    if (err && errno == EADDRINUSE && socket_is_dead(&sa)) {
        unlink(path);
        err = bind(fd, (struct sockaddr *)&sa, sizeof sa);
    }
    if (!err && chmod(path, 0600) == 0 && listen(fd, 128) == 0)
        return fd;
fail:
    snprintf(why, size, "--socket %s: %s", path,
             errno == EADDRINUSE ? "another daemon serves it"
                                 : strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

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
        0, NULL, NULL, handle, http, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, threads,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)OF_ONE_HOST,
        MHD_OPTION_CONNECTION_TIMEOUT, FPD_PEER_IDLE_S,
        MHD_OPTION_NOTIFY_CONNECTION, fpd_peer_notify, http,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(96 * 1024),
        MHD_OPTION_NOTIFY_COMPLETED, call_completed, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, call_new, http,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL, MHD_OPTION_END);
}

static int start_listening(struct fpd_http *http, char *why, size_t size)
{
    int fd = listen_tcp(http, why, size);

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
    fd = listen_unix(http, why, size);
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
        err = start_threads(http);
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
    join_threads(http);
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
