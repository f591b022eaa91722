/* SPDX-License-Identifier: MIT
 *
 * The inside of struct fpd_http, for the files of this folder.
 */
#ifndef FPD_HTTP_SERVER_H
#define FPD_HTTP_SERVER_H

#include "daemon/http/call.h"
#include "daemon/http/http.h"

#include <pthread.h>
#include <stdatomic.h>

#define FPD_HTTP_POOL 3

struct fpd_events;
struct fpd_auth;
struct fpd_hashes;
struct fpd_peer;

struct fpd_http {
    struct fpd_http_config cfg;
    struct MHD_Daemon *tcp;
    struct MHD_Daemon *unix_;
    char url[300];
    uint16_t port;
    struct fpd_auth *auth;
    struct fpd_events *events;
    struct fpd_hashes *hashes;
    char host[256]; /* of the listen address, as a Host header has it */

    /* Guards all below and the private part of calls. */
    pthread_mutex_t lock;
    pthread_cond_t idle;   /* calls_live became 0 */
    pthread_cond_t work;   /* a job for the pool, or the end */
    _Atomic bool stopping; /* nobody waits any more */
    bool ending;           /* pool and watcher go */
    int calls_live;
    struct fpd_call *waiting;
    struct fpd_call *receiving; /* whose body is not all here */
    struct fpd_peer *peers;     /* all connections (peers.c) */
    struct fpd_call *work_head, **work_tail;
    pthread_t pool[FPD_HTTP_POOL];
    int pool_count;
    pthread_t watcher;
    bool watching;

    /* for /metrics */
    _Atomic uint64_t requests[6]; /* by the first digit of the status */
    _Atomic uint64_t body_in;
    int64_t started_ms;
};

/* --- call.c --- */

/* Ends a hold, and gives back the reference that came with it. */
void fpd_call_release(struct fpd_call *call);

/* --- request.c: what libmicrohttpd calls --- */

/* The request line is there: its struct fpd_call, NULL without memory. */
void *fpd_request_new(void *http, const char *uri, struct MHD_Connection *conn);
/* More of it has come, or it was resumed. */
enum MHD_Result fpd_request_handle(void *http, struct MHD_Connection *conn,
                                   const char *url, const char *method,
                                   const char *version, const char *data,
                                   size_t *size, void **slot);
/* It was answered, or its connection has ended. */
void fpd_request_completed(void *http, struct MHD_Connection *conn, void **slot,
                           enum MHD_RequestTerminationCode code);

/* --- threads.c --- */

/* FP_ERR_NOMEM: not all of them run; join those that do. */
int fpd_threads_start(struct fpd_http *http);
void fpd_threads_join(struct fpd_http *http);

/* --- listen.c --- */

/* Sockets that listen, by http->cfg; of TCP the address is left in http->host,
 * port and url. -1, and why. */
int fpd_listen_tcp(struct fpd_http *http, char *why, size_t size);
int fpd_listen_unix(struct fpd_http *http, char *why, size_t size);

#endif
