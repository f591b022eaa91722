/* SPDX-License-Identifier: MIT
 *
 * Connections, and how long each may take to say what it wants.
 *
 * libmicrohttpd ends a connection that is silent for long, and takes any byte
 * for a sign of life: so a few hundred clients that send one every now and then
 * would keep everybody else out. Here the whole header has to come in time,
 * however it comes.
 *
 * Thread  the connection's own; fpd_peers_end_slow() on the watcher's
 */
#ifndef FPD_HTTP_PEERS_H
#define FPD_HTTP_PEERS_H

#include <microhttpd.h>

#define FPD_PEER_HEAD_MS 10000 /* of a header, after its first line too */
#define FPD_PEER_IDLE_S  60u   /* between two requests */

struct fpd_http;

/* For MHD_OPTION_NOTIFY_CONNECTION; cls is the struct fpd_http. */
void fpd_peer_notify(void *cls, struct MHD_Connection *conn, void **slot,
                     enum MHD_ConnectionNotificationCode code);
/* The first line of a request is there. */
void fpd_peer_asks(struct MHD_Connection *conn);
/* Its header is: from here on others look after it. */
void fpd_peer_asked(struct MHD_Connection *conn);
/* It is answered; the next one may take its time. */
void fpd_peer_answered(struct MHD_Connection *conn);
/* Ends the connections whose time is up. */
void fpd_peers_end_slow(struct fpd_http *http);

#endif
