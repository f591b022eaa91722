/* SPDX-License-Identifier: MIT */
#include "daemon/http/peers.h"
#include "daemon/http/server.h"
#include "daemon/time.h"

#include <stdlib.h>
#include <sys/socket.h>

struct fpd_peer {
    int fd;
    _Atomic int64_t due_ms; /* of fpd_now_ms(); INT64_MAX: no hurry */
    struct fpd_peer *next, **prev;
};

static void peer_new(struct fpd_http *http, struct MHD_Connection *conn,
                     void **slot)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct fpd_peer *peer = info ? calloc(1, sizeof *peer) : NULL;

    *slot = peer;
    if (!peer)
        return;
    peer->fd = info->connect_fd;
    peer->due_ms = fpd_now_ms() + FPD_PEER_HEAD_MS;
    pthread_mutex_lock(&http->lock);
    peer->next = http->peers;
    peer->prev = &http->peers;
    if (peer->next)
        peer->next->prev = &peer->next;
    http->peers = peer;
    pthread_mutex_unlock(&http->lock);
}

/* Its socket is closed after this: nobody may know the number any more. */
static void peer_free(struct fpd_http *http, struct fpd_peer *peer)
{
    if (!peer)
        return;
    pthread_mutex_lock(&http->lock);
    *peer->prev = peer->next;
    if (peer->next)
        peer->next->prev = peer->prev;
    pthread_mutex_unlock(&http->lock);
    free(peer);
}

void fpd_peer_notify(void *cls, struct MHD_Connection *conn, void **slot,
                     enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        peer_new(cls, conn, slot);
    } else {
        peer_free(cls, *slot);
        *slot = NULL;
    }
}

static void set_due(struct MHD_Connection *conn, int64_t due_ms)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct fpd_peer *peer = info ? info->socket_context : NULL;

    if (peer)
        peer->due_ms = due_ms;
}

void fpd_peer_asks(struct MHD_Connection *conn)
{
    set_due(conn, fpd_now_ms() + FPD_PEER_HEAD_MS);
}

void fpd_peer_asked(struct MHD_Connection *conn)
{
    set_due(conn, INT64_MAX);
}

void fpd_peer_answered(struct MHD_Connection *conn)
{
    set_due(conn, fpd_now_ms() + FPD_PEER_IDLE_S * 1000 + FPD_PEER_HEAD_MS);
}

void fpd_peers_end_slow(struct fpd_http *http)
{
    int64_t now = fpd_now_ms();

    pthread_mutex_lock(&http->lock);
    for (struct fpd_peer *peer = http->peers; peer; peer = peer->next)
        if (peer->due_ms <= now)
            shutdown(peer->fd, SHUT_RDWR);
    pthread_mutex_unlock(&http->lock);
}
