/* SPDX-License-Identifier: MIT */
#include "daemon/http/routes.h"

#include <stdio.h>
#include <string.h>

/* Does the path fit the pattern? Sets params and rest on the way. */
static bool match_path(const char *pattern, struct fpd_call *call)
{
    const struct fpd_url *url = &call->url;
    size_t i = 0, params = 0;

    memset(call->param, 0, sizeof call->param);
    call->rest = url->count;
    while (*pattern == '/') {
        size_t len = strcspn(++pattern, "/");

        if (len >= 4 && strncmp(pattern + len - 4, "...}", 4) == 0) {
            call->rest = i;
            return i < url->count || url->slash;
        }
        if (len == 0)
            break;
        if (i == url->count)
            return false;
        if (pattern[0] == '{')
            call->param[params++] = url->segment[i];
        else if (strlen(url->segment[i]) != len ||
                 memcmp(url->segment[i], pattern, len) != 0)
            return false;
        pattern += len;
        i++;
    }
    return i == url->count;
}

static bool match_method(const char *method, const struct fpd_call *call)
{
    return strcmp(method, call->method) == 0 ||
           (call->head && strcmp(method, "GET") == 0);
}

static void allow_one(const char *method, char *allow, size_t size)
{
    size_t n = strlen(allow);

    if (strstr(allow, method))
        return;
    snprintf(allow + n, size - n, "%s%s%s", n ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct fpd_route *fpd_routes_match(const struct fpd_route *table,
                                         size_t count, struct fpd_call *call,
                                         char *allow, size_t size)
{
    allow[0] = 0;
    for (size_t i = 0; i < count; i++) {
        if (!match_path(table[i].pattern, call))
            continue;
        if (match_method(table[i].method, call))
            return &table[i];
        allow_one(table[i].method, allow, size);
    }
    if (allow[0])
        allow_one("OPTIONS", allow, size);
    return NULL;
}
