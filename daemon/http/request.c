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
#include "core/error.h"
#include "daemon/http/auth.h"
#include "daemon/http/cond.h"
#include "daemon/http/peers.h"
#include "daemon/http/reply.h"
#include "daemon/http/routes.h"
#include "daemon/http/server.h"
#include "daemon/log.h"
#include "daemon/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Of a refused body so much is read and dropped: a client that sends without
 * asking (browsers do) sees an answer only when it has sent all. */
#define DROP_MAX (64u << 20)

void *fpd_request_new(void *cls, const char *uri, struct MHD_Connection *conn)
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

void fpd_request_completed(void *cls, struct MHD_Connection *conn, void **slot,
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

enum MHD_Result fpd_request_handle(void *cls, struct MHD_Connection *conn,
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
