/* SPDX-License-Identifier: MIT
 *
 * GET /api/v1/events: what changes, as server-sent events.
 *
 *     event: device    data: the device as GET /devices/{id} gives it
 *     event: job       data: the job as GET /jobs/{id} gives it
 *     event: lost      data: {}: the client was too slow, or came back too
 *                      late for its Last-Event-ID: look at everything anew
 *
 * Memory  the last 256 names of what changed, in a ring that all clients
 *         share; the document is made when it is sent, so a client that is
 *         behind gets one newest state and not every step on the way
 * Thread  changed() from any
 */
#ifndef FPD_HTTP_EVENTS_H
#define FPD_HTTP_EVENTS_H

#include "daemon/http/call.h"

struct fpd_events;

struct fpd_events *fpd_events_new(void);
void fpd_events_free(struct fpd_events *events);
/* Keeps quiet connections alive; called a few times a second. */
void fpd_events_tick(struct fpd_events *events);
/* The route. */
void fpd_route_events(struct fpd_call *call);

#endif
