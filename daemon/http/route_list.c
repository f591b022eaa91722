/* SPDX-License-Identifier: MIT
 *
 * A directory of a device as JSON, a page at a time. The cursor is a count of
 * entries, so a page after a change may repeat or miss one; fs_gen tells.
 */
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/fspath.h"
#include "daemon/http/hashes.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     4096

struct list {
    char path[FPD_PATH_MAX + 1];
    struct fpd_ask ask;
};

static void list_free(void *state)
{
    struct list *l = state;

    free(l->ask.req.u.list.entries);
    free(l);
}

static void list_gone(struct fpd_call *call)
{
    fpd_ask_cancel(call->device, &((struct list *)call->state)->ask);
}

/* Free space and writability of the volume that `path` is on. */
static void add_volume(struct fpd_call *call, json_t *doc, const char *path)
{
    struct fpd_device_info *info = malloc(sizeof *info);
    size_t len;

    if (!info)
        return;
    fpd_device_describe(call->device, info);
    for (uint32_t i = 0; i < info->volume_count; i++) {
        len = strlen(info->volumes[i].path);
        if (strncmp(info->volumes[i].path, path, len) != 0 ||
            (path[len] != '/' && path[len] != 0))
            continue;
        json_object_set_new(doc, "free", fpd_json_u64(info->volumes[i].free));
        json_object_set_new(doc, "writable",
                            json_boolean(info->volumes[i].writable));
    }
    free(info);
}

static void add_etag(struct fpd_call *call, json_t *entry, const char *dir,
                     const struct fpd_entry *e, const struct fpd_request *req)
{
    char path[FPD_PATH_MAX + 1], etag[FPD_ETAG_SIZE];
    uint8_t sha256[32];

    if (e->st.type != FPD_TYPE_FILE ||
        (size_t)snprintf(path, sizeof path, "%s/%s", dir, e->name) >=
            sizeof path ||
        !fpd_hashes_get(call->http->hashes, fpd_device_id(call->device),
                        req->epoch, path, req->u.list.fs_gen, sha256))
        return;
    fpd_etag(sha256, etag);
    json_object_set_new(entry, "etag", json_string(etag));
}

static json_t *entries(struct fpd_call *call, const struct list *l)
{
    const struct fpd_request *req = &l->ask.req;
    json_t *array = json_array(), *entry;
    char prefix[128], *href;

    snprintf(prefix, sizeof prefix, "/api/v1/devices/%s/fs",
             fpd_device_id(call->device));
    href = fpd_fs_href(prefix, l->path);
    for (uint32_t i = 0; href && i < req->u.list.count; i++) {
        const struct fpd_entry *e = &req->u.list.entries[i];

        entry = fpd_json_entry(href, e->name, e->name_len,
                               e->st.type == FPD_TYPE_DIR, e->st.size,
                               e->st.has_mtime, e->st.mtime_ns);
        add_etag(call, entry, l->path, e, req);
        json_array_append_new(array, entry);
    }
    free(href);
    return array;
}

static void after_list(struct fpd_call *call)
{
    struct list *l = call->state;
    struct fpd_request *req = &l->ask.req;
    char next[16];
    json_t *doc;

    if (req->err) {
        fpd_fs_fail(call, l->path, &l->ask);
        return;
    }
    doc = json_object();
    json_object_set_new(doc, "path", fpd_json_bytes(l->path, strlen(l->path)));
    json_object_set_new(doc, "entries", entries(call, l));
    if (req->u.list.next) {
        snprintf(next, sizeof next, "%u", (unsigned)req->u.list.next);
        json_object_set_new(doc, "next", json_string(next));
    }
    add_volume(call, doc, l->path);
    json_object_set_new(doc, "fs_gen", fpd_json_u64(req->u.list.fs_gen));
    fpd_reply_json(call, 200, doc);
}

static bool number(struct fpd_call *call, const char *name, uint64_t max,
                   uint32_t *out)
{
    char text[24];
    uint64_t value;

    if (!fpd_url_query(&call->url, name, text, sizeof text) || !text[0])
        return true;
    if (!fpd_u64_parse(text, max, &value)) {
        fpd_problem(call, FP_ERR_INVAL, "?%s is a number up to %llu.", name,
                    (unsigned long long)max);
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

void fpd_route_fs_list(struct fpd_call *call)
{
    struct list *l = calloc(1, sizeof *l);
    struct fpd_request *req;

    if (!l) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = l;
    call->state_free = list_free;
    call->on_gone = list_gone;
    req = &l->ask.req;
    req->op = FPD_OP_LIST;
    req->u.list.path = l->path;
    req->u.list.max = LIMIT_DEFAULT;
    if (!fpd_fs_path(call, l->path) ||
        !number(call, "cursor", UINT32_MAX, &req->u.list.cursor) ||
        !number(call, "limit", LIMIT_MAX, &req->u.list.max))
        return;
    fpd_call_ask(call, call->device, &l->ask, after_list);
}
