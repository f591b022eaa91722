/* SPDX-License-Identifier: MIT */
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 1000
#define LOOK_MS   2000

/* ---- list ---- */

struct listing {
    struct fpd_call *call;
    json_t *array;
};

static void add_live(void *ctx, struct fpd_device *device)
{
    struct listing *l = ctx;
    const char *id = fpd_device_id(device);
    json_t *doc = NULL;

    if (fpd_call_covers(l->call, id))
        doc = fpd_json_device(l->call->http, id, device);
    if (doc)
        json_array_append_new(l->array, doc);
}

/* Those that were seen once and are at no link now. */
static void add_known(struct listing *l)
{
    struct fpd_store_device *known = calloc(KNOWN_MAX, sizeof *known);
    struct fpd_device *live;
    size_t count = 0;
    json_t *doc;

    if (known)
        fpd_store_device_list(l->call->http->cfg.store, NULL, known, KNOWN_MAX,
                              &count);
    for (size_t i = 0; i < count; i++) {
        live = fpd_devices_find(l->call->http->cfg.devices, known[i].id);
        if (live) {
            fpd_device_unref(live);
            continue;
        }
        doc = fpd_call_covers(l->call, known[i].id)
                  ? fpd_json_device(l->call->http, known[i].id, NULL)
                  : NULL;
        if (doc)
            json_array_append_new(l->array, doc);
    }
    free(known);
}

static json_t *links(struct fpd_http *http)
{
    enum {
        MAX = 64
    };
    struct fpd_link_info *list = calloc(MAX, sizeof *list);
    json_t *array = json_array();
    size_t count = 0;

    if (list)
        count = fpd_devices_links(http->cfg.devices, list, MAX);
    for (size_t i = 0; i < count && i < MAX; i++) {
        const struct fpd_link_info *link = &list[i];
        json_t *o = json_object();

        json_object_set_new(o, "name",
                            fpd_json_bytes(link->name, strlen(link->name)));
        json_object_set_new(o, "kind",
                            json_string(link->kind ? link->kind : ""));
        json_object_set_new(o, "rate", fpd_json_u64(link->rate));
        json_object_set_new(o, "state",
                            json_string(fpd_device_state_name(link->state)));
        if (link->reason[0])
            json_object_set_new(
                o, "reason",
                fpd_json_bytes(link->reason, strlen(link->reason)));
        if (link->device[0])
            json_object_set_new(o, "device", json_string(link->device));
        json_array_append_new(array, o);
    }
    free(list);
    return array;
}

void fpd_route_devices(struct fpd_call *call)
{
    struct listing l = { .call = call, .array = json_array() };
    json_t *doc = json_object();

    fpd_devices_each(call->http->cfg.devices, add_live, &l);
    add_known(&l);
    json_object_set_new(doc, "devices", l.array);
    /* A link that found nobody says why here. */
    if (!call->devices)
        json_object_set_new(doc, "links", links(call->http));
    fpd_reply_json(call, 200, doc);
}

static void small_gone(struct fpd_call *call)
{
    fpd_ask_cancel(call->device, call->state);
}

static void reply_device(struct fpd_call *call)
{
    json_t *doc = fpd_json_device(call->http, call->param[0], call->device);

    if (doc)
        fpd_reply_json(call, 200, doc);
    else
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
}

/* Whoever has just written asks how much is free: what is known of the volumes
 * is brought up to date first, if that does not take long. */
void fpd_route_device(struct fpd_call *call)
{
    struct fpd_ask *ask = call->device ? calloc(1, sizeof *ask) : NULL;

    if (!ask) {
        reply_device(call);
        return;
    }
    call->state = ask;
    call->state_free = free;
    call->on_gone = small_gone;
    ask->req = (struct fpd_request){ .op = FPD_OP_LOOK,
                                     .deadline_ms = fpd_now_ms() + LOOK_MS };
    fpd_call_ask(call, call->device, ask, reply_device);
}

/* ---- labels and tags ---- */

static int set_label(struct fpd_call *call, json_t *label)
{
    const char *text = json_is_null(label) ? "" : json_string_value(label);
    int err;

    if (!text ||
        strlen(text) != (json_is_null(label) ? 0 : json_string_length(label))) {
        fpd_problem(call, FP_ERR_INVAL, "\"label\" is a string or null.");
        return FP_ERR_INVAL;
    }
    err = fpd_store_device_label(call->http->cfg.store, call->param[0], text);
    if (err == FP_ERR_INVAL)
        fpd_problem(call, err,
                    "A label is 1 to 64 bytes of text without control "
                    "characters and '/'.");
    else if (err == FP_ERR_EXIST)
        fpd_problem(call, err, "Another device is called so already.");
    else if (err)
        fpd_problem(call, err, NULL);
    return err;
}

static int set_tags(struct fpd_call *call, json_t *tags)
{
    char text[1024];
    int err = FP_ERR_INVAL;

    if (fpd_json_parse_tags(tags, text, sizeof text))
        err = fpd_store_device_tag(call->http->cfg.store, call->param[0], text);
    if (err == FP_ERR_INVAL)
        fpd_problem(call, err, FPD_JSON_TAGS_WANTED);
    else if (err)
        fpd_problem(call, err, NULL);
    return err;
}

void fpd_route_device_patch(struct fpd_call *call)
{
    json_t *body = fpd_call_json(call, false), *value;
    const char *key;
    int err = FP_OK;

    if (!body)
        return;
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "label") == 0) {
            err = set_label(call, value);
        } else if (strcmp(key, "tags") == 0) {
            err = set_tags(call, value);
        } else {
            err = FP_ERR_INVAL;
            fpd_problem(call, err,
                        "\"%.40s\" can't be set; \"label\" and \"tags\" can.",
                        key);
        }
        if (err)
            break;
    }
    json_decref(body);
    if (err)
        return;
    fpd_http_device_changed(call->http, call->param[0]);
    fpd_route_device(call);
}

void fpd_route_device_forget(struct fpd_call *call)
{
    const struct fpd_http_config *cfg = &call->http->cfg;
    const char *id = call->param[0];
    int err = fpd_devices_forget(cfg->devices, id);

    if (err == FP_ERR_BUSY) {
        fpd_problem(call, err, "%s is online; unplug it before forgetting it.",
                    id);
        return;
    }
    err = fpd_store_device_forget(cfg->store, id);
    if (err && err != FP_ERR_NOENT) {
        fpd_problem(call, err, NULL);
        return;
    }
    fpd_reply_empty(call, 204);
    fpd_http_device_changed(call->http, id);
}

/* ---- counters, console, reboot ---- */

#define COUNTERS_MAX 256

struct stats {
    struct fpd_ask ask;
    struct fpd_counter counters[COUNTERS_MAX];
};

static void after_stats(struct fpd_call *call)
{
    struct stats *s = call->state;
    json_t *doc, *counters;

    if (s->ask.req.err) {
        fpd_problem_failure(call, call->param[0], NULL, s->ask.req.err,
                            &s->ask.req.failure);
        return;
    }
    counters = json_object();
    for (uint32_t i = 0; i < s->ask.req.u.stats.count && i < COUNTERS_MAX;
         i++) {
        char name[sizeof s->counters[i].name * 3 + 1];
        size_t len = strnlen(s->counters[i].name, sizeof s->counters[i].name);

        fpd_utf8_lossy(s->counters[i].name, len, name);
        json_object_set_new(counters, name, fpd_json_u64(s->counters[i].value));
    }
    doc = json_object();
    json_object_set_new(doc, "device", json_string(call->param[0]));
    json_object_set_new(doc, "counters", counters);
    fpd_reply_json(call, 200, doc);
}

void fpd_route_device_stats(struct fpd_call *call)
{
    struct stats *s = calloc(1, sizeof *s);

    if (!s) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = s;
    call->state_free = free;
    call->on_gone = small_gone;
    s->ask.req = (struct fpd_request){ .op = FPD_OP_STATS,
                                       .u.stats = { .counters = s->counters,
                                                    .max = COUNTERS_MAX } };
    fpd_call_ask(call, call->device, &s->ask, after_stats);
}

/* Of one that was not here since the daemon started nothing is known. */
void fpd_route_device_console(struct fpd_call *call)
{
    enum {
        SIZE = 64 * 1024
    };
    char text[24], *buf = malloc(SIZE);
    uint64_t pos = 0;
    size_t got = 0;
    json_t *doc;

    if (!buf || (fpd_url_query(&call->url, "since", text, sizeof text) &&
                 !fpd_u64_parse(text, INT64_MAX, &pos))) {
        fpd_problem(call, buf ? FP_ERR_INVAL : FP_ERR_NOMEM,
                    buf ? "?since is a position, as \"next\" of an answer "
                          "gives."
                        : NULL);
        free(buf);
        return;
    }
    if (call->device)
        got = fpd_device_console(call->device, &pos, buf, SIZE);
    else
        pos = 0;
    doc = json_object();
    json_object_set_new(doc, "text", fpd_json_bytes(buf, got));
    json_object_set_new(doc, "from", fpd_json_u64(pos));
    json_object_set_new(doc, "next", fpd_json_u64(pos + got));
    free(buf);
    fpd_reply_json(call, 200, doc);
}

static void after_reboot(struct fpd_call *call)
{
    struct fpd_ask *ask = call->state;

    if (ask->req.err)
        fpd_problem_failure(call, call->param[0], NULL, ask->req.err,
                            &ask->req.failure);
    else
        fpd_reply_empty(call, 204);
}

void fpd_route_device_reboot(struct fpd_call *call)
{
    struct fpd_ask *ask = calloc(1, sizeof *ask);

    if (!ask || fpd_jobs_busy(call->http->cfg.jobs, call->param[0])) {
        fpd_problem(call, ask ? FP_ERR_BUSY : FP_ERR_NOMEM,
                    ask ? "A job works with this device; cancel it first."
                        : NULL);
        free(ask);
        return;
    }
    call->state = ask;
    call->state_free = free;
    call->on_gone = small_gone;
    ask->req.op = FPD_OP_REBOOT;
    fpd_call_ask(call, call->device, ask, after_reboot);
}
