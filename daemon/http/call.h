/* SPDX-License-Identifier: MIT
 *
 * A call: one HTTP request and its answer, from the headers to the last byte.
 *
 * A handler either answers (daemon/http/reply.h) or suspends the connection
 * with fpd_call_wait(), names in `next` what goes on afterwards, and only then
 * gives the call to whom it waits for: a device's worker or the pool. They end
 * the wait with fpd_call_wake(). So no thread of HTTP ever waits.
 *
 * Memory  counted references: HTTP has one until the exchange is over, whoever
 *         works for it has another. `state` is the route's and freed with the
 *         last of them by state_free.
 * Thread  handlers, `next` and readers of streams run on the connection's own
 *         thread; only wake, ref and unref may be called from others
 */
#ifndef FPD_HTTP_CALL_H
#define FPD_HTTP_CALL_H

#include "daemon/device/device.h"
#include "daemon/http/url.h"
#include "daemon/store/tokens.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_CALL_PARAMS   3
#define FPD_CALL_BODY_MAX (64u * 1024u) /* of a JSON body */
#define FPD_SIZE_UNKNOWN  UINT64_MAX

struct fpd_http;
struct fpd_route;

/* Nobody in particular: /healthz, the page itself. */
#define FPD_SCOPE_NONE ((enum fpd_scope)0)

struct fpd_call {
    struct fpd_http *http;
    struct MHD_Connection *conn;
    const struct fpd_route *route;
    struct fpd_url url;
    char method[16];
    bool head;                          /* HEAD: as GET, without a body */
    struct fpd_device *device;          /* of {device}, a reference */
    char device_id[FPD_ID_MAX + 1];     /* what a label stands for */
    const char *param[FPD_CALL_PARAMS]; /* {name} of the pattern, in order */
    size_t rest;                        /* the first segment of {path...} */
    uint64_t content_size; /* of the body; FPD_SIZE_UNKNOWN: chunked */
    bool has_body;

    /* Who asks. */
    enum fpd_scope scope;
    bool by_cookie;
    char who[FPD_UUID_SIZE]; /* the token's id, "socket", "" */
    char *devices;           /* ids the token is good for, "a,b"; NULL: all */

    /* A JSON body, collected. */
    char *body;
    size_t body_size;

    /* The route's. */
    void *state;
    void (*state_free)(void *state);
    void (*next)(struct fpd_call *call);
    /* The client left, or the call is over: end what works for it, so that the
     * wait ends too. On another thread, but never beside a handler or reader of
     * this call; may come twice. NULL: the wait ends soon by itself. */
    void (*on_gone)(struct fpd_call *call);

    /* The answer. */
    unsigned status;
    struct MHD_Response *response;
    json_t *extra; /* members of a problem document */
    char hint[200];
    const char *also;  /* fpd_problem_also(), until then */
    int retry_after_s; /* of it; 0: as the table has it */

    /* private to call.c, request.c and threads.c */
    int refs;
    bool unix_socket;
    bool started, ended, queued;
    bool closes;    /* the connection, with its answer, which is at once */
    bool suspended; /* in this turn of the handler */
    bool gone;
    bool live; /* counted among the calls in flight */
    int fd;
    const void *waiting; /* what it waits for; NULL: it runs */
    int64_t waiting_ms;  /* since when */
    bool held;           /* on_gone runs: a wake comes into force after it */
    bool woken;          /* there was one */
    _Atomic int64_t refused_ms; /* since when its body is dropped; 0: not */
    _Atomic uint64_t dropped;
    struct fpd_call *next_waiting, **prev_waiting;
    _Atomic int64_t heard_ms; /* when a piece of the body last came */
    struct fpd_call *next_receiving, **prev_receiving; /* NULL: it is not */
    struct fpd_call *next_work;
    void (*work)(struct fpd_call *call);
    int64_t started_ms;
};

/* ---- waiting ---- */

/* Suspends the connection until fpd_call_wake() with the same token. If HTTP
 * is being shut down it does not wait: false, and the handler answers at once
 * (fpd_reply_stopping()) or ends its stream. */
bool fpd_call_wait(struct fpd_call *call, const void *token);
bool fpd_call_waits(struct fpd_call *call);
/* Ends that wait. Nothing happens if the call waits for something else. */
void fpd_call_wake(struct fpd_call *call, const void *token);
/* For on_gone: ends whatever wait there is. */
void fpd_call_wake_gone(struct fpd_call *call);
struct fpd_call *fpd_call_ref(struct fpd_call *call);
void fpd_call_unref(struct fpd_call *call);
/* The client left, or the daemon is going down. */
bool fpd_call_over(struct fpd_call *call);

/* Suspends, runs work(call) on the pool, then next(call). */
void fpd_call_offload(struct fpd_call *call,
                      void (*work)(struct fpd_call *call),
                      void (*next)(struct fpd_call *call));

/* ---- asking a device ---- */

/* A request of a call to a device, kept in the route's state. */
struct fpd_ask {
    struct fpd_request req; /* done and ctx are taken */
    struct fpd_call *call;
    _Atomic bool submitted, done;
};

/* Suspends, submits, and goes on with next(call) when it is done, also when it
 * could not even be queued: ask->req.err. */
void fpd_call_ask(struct fpd_call *call, struct fpd_device *device,
                  struct fpd_ask *ask, void (*next)(struct fpd_call *call));
/* Submits without waiting; an error is in ask->req.err, and done is true. */
void fpd_ask_submit(struct fpd_call *call, struct fpd_device *device,
                    struct fpd_ask *ask);
/* Waits for an ask that was submitted before. */
void fpd_ask_wait(struct fpd_call *call, struct fpd_ask *ask,
                  void (*next)(struct fpd_call *call));
/* Has it ended, one way or another? */
bool fpd_ask_done(struct fpd_ask *ask);
/* Cancels it if it runs. */
void fpd_ask_cancel(struct fpd_device *device, struct fpd_ask *ask);

/* ---- what came ---- */

/* May whoever asks see and touch this device? */
bool fpd_call_covers(const struct fpd_call *call, const char *device);
/* The id of the device that has the id or label `name`, of those that whoever
 * asks may see. FP_ERR_NOENT: there is none. FP_ERR_EXIST, and answered: it is
 * the id of one and the label of another; a device chooses its id itself. */
int fpd_call_resolve(struct fpd_call *call, const char *name,
                     char id[FPD_ID_MAX + 1]);
/* A header's value, or NULL. */
const char *fpd_call_header(struct fpd_call *call, const char *name);
/* The body as a JSON object, a new reference; NULL after having answered 400
 * or 415. An empty body gives {} if `optional`. */
json_t *fpd_call_json(struct fpd_call *call, bool optional);

#endif
