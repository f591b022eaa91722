/* SPDX-License-Identifier: MIT
 *
 * The table of routes, and finding the row of a request. Adding one is a row
 * in routes.c and a route_<noun>.c with its handler.
 */
#ifndef FPD_HTTP_ROUTES_H
#define FPD_HTTP_ROUTES_H

#include "daemon/http/call.h"

enum fpd_kind {
    FPD_INLINE, /* memory or store only: answers at once, or on the pool */
    FPD_DEVICE, /* asks a device, which must be online */
    FPD_JOB,    /* answers 202 and the URL of a job */
};

struct fpd_route {
    const char *method; /* GET also serves HEAD */
    /* "/api/v1/devices/{device}/fs/{path...}": {device} is looked up, other
     * names become params, {path...} takes the rest, which may be empty. */
    const char *pattern;
    enum fpd_scope scope;
    enum fpd_kind kind;
    void (*handle)(struct fpd_call *call);
    /* A body that streams: begin sees the headers and may answer (a refusal)
     * but not wait; data takes each piece and may wait afterwards. Both NULL:
     * a body is JSON and small. */
    void (*begin)(struct fpd_call *call);
    void (*data)(struct fpd_call *call, const char *data, size_t size);
};

extern const struct fpd_route fpd_routes[];
extern const size_t fpd_routes_count;

/* The row for method and path, with params and rest set in the call; else
 * NULL, and allow[0..size) has the methods that the path does take, "" when
 * there is no such path. */
const struct fpd_route *fpd_routes_match(const struct fpd_route *table,
                                         size_t count, struct fpd_call *call,
                                         char *allow, size_t size);

#endif
