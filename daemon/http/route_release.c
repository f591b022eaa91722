/* SPDX-License-Identifier: MIT
 *
 * Lending a port to another program, a flasher, and taking it back: that of a
 * device, or of a link where no agent is yet. The answer comes once the port is closed: what is started next finds
 * it free.
 */
#include "core/error.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_DEFAULT 60
#define SECONDS_MAX     (FPD_RELEASE_MAX_MS / 1000)

struct release {
    struct fpd_release release;
    char link[256]; /* "": the device's */
    char id[FPD_UUID_SIZE];
    int err;
};

/* ---- the body ---- */

static bool take_seconds(struct release *r, const json_t *value)
{
    json_int_t seconds = json_integer_value(value);

    if (!json_is_integer(value) || seconds < 1 || seconds > SECONDS_MAX)
        return false;
    r->release.ms = seconds * 1000;
    return true;
}

static bool take_id(struct release *r, const json_t *value)
{
    const char *id = json_string_value(value);

    if (!id || !fpd_uuid_valid(id))
        return false;
    strcpy(r->id, id);
    return true;
}

static bool take_link(struct release *r, const json_t *value)
{
    const char *link = json_string_value(value);

    if (!link || strlen(link) >= sizeof r->link)
        return false;
    strcpy(r->link, link);
    return true;
}

/* Answers what is wrong: false. */
static bool take_body(struct fpd_call *call, json_t *body, struct release *r)
{
    const char *key;
    json_t *value;

    json_object_foreach(body, key, value)
    {
        bool good = true;

        if (strcmp(key, "seconds") == 0)
            good = take_seconds(r, value);
        else if (strcmp(key, "id") == 0)
            good = take_id(r, value);
        else if (strcmp(key, "link") == 0 && !call->param[0])
            good = take_link(r, value);
        else if (strcmp(key, "force") == 0 && json_is_boolean(value))
            r->release.force = json_is_true(value);
        else
            good = false;
        if (good)
            continue;
        fpd_problem(call, FP_ERR_INVAL,
                    "\"%.40s\" is not right: \"seconds\" is a number from 1 to "
                    "%d, \"force\" is true or false, \"id\" is that of the "
                    "answer to be renewed.",
                    key, SECONDS_MAX);
        return false;
    }
    return true;
}

/* ---- POST ---- */

/* On the pool: it waits for the worker to close the port. */
static void release(struct fpd_call *call)
{
    struct release *r = call->state;

    r->err = call->device ? fpd_device_release(call->device, &r->release)
                          : fpd_devices_release(call->http->cfg.devices,
                                                r->link, &r->release);
}

static void refuse_release(struct fpd_call *call, const struct release *r,
                           const char *whose)
{
    if (call->device)
        fpd_problem_member(call, "device", json_string(whose));
    if (r->err == FP_ERR_NOENT) {
        fpd_problem_hint(call, "GET /api/v1/devices lists the links, too.");
        fpd_problem(call, r->err, "There is no link %s.", whose);
    } else if (r->err == FP_ERR_BUSY) {
        fpd_problem_hint(call, "Wait for it, or cut it short with "
                               "{\"force\": true}.");
        fpd_problem(call, r->err, "The port of %s is not lent: %s.", whose,
                    r->release.why);
    } else {
        fpd_problem(call, r->err, "The port of %s could not be lent.", whose);
    }
}

static void after_release(struct fpd_call *call)
{
    struct release *r = call->state;
    json_t *doc;

    if (r->err) {
        refuse_release(call, r, call->device ? call->param[0] : r->link);
        return;
    }
    doc = json_object();
    json_object_set_new(doc, "id", json_string(r->id));
    if (call->device)
        json_object_set_new(doc, "device", json_string(call->param[0]));
    json_object_set_new(
        doc, "port", fpd_json_bytes(r->release.port, strlen(r->release.port)));
    json_object_set_new(doc, "until", fpd_json_time(r->release.until_ms));
    fpd_reply_json(call, 200, doc);
}

/* A job goes on when the device is back, but who lends the port shall know. */
static bool job_forbids(struct fpd_call *call, const struct release *r)
{
    json_t *jobs = fpd_jobs_list(call->http->cfg.jobs, call->param[0], NULL, 0);
    const char *state, *kind, *id;
    bool forbids = false;
    json_t *job;
    size_t i;

    json_array_foreach(jobs, i, job)
    {
        if (r->release.force || forbids ||
            json_unpack(job, "{s:s,s:s,s:s}", "state", &state, "kind", &kind,
                        "id", &id) ||
            (strcmp(state, "running") != 0 && strcmp(state, "cancelling") != 0))
            continue;
        forbids = true;
        fpd_problem_hint(call, "Wait for the job or cancel it; with "
                               "{\"force\": true} it waits for the device.");
        fpd_problem(call, FP_ERR_BUSY, "The %s job %s works with %s.", kind, id,
                    call->param[0]);
    }
    json_decref(jobs);
    return forbids;
}

/* Whose port it is comes with the body, or with the route. NULL: answered. */
static struct release *begin(struct fpd_call *call)
{
    struct release *r = calloc(1, sizeof *r);
    json_t *body = fpd_call_json(call, true);
    bool good;

    call->state = r;
    call->state_free = free;
    if (!body)
        return NULL;
    if (!r || fpd_uuid_new(r->id)) {
        json_decref(body);
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return NULL;
    }
    r->release.ms = SECONDS_DEFAULT * 1000;
    r->release.id = r->id;
    good = take_body(call, body, r);
    json_decref(body);
    return good ? r : NULL;
}

void fpd_route_device_release(struct fpd_call *call)
{
    struct release *r = begin(call);

    if (!r || job_forbids(call, r))
        return;
    if (!call->device)
        fpd_problem(call, FP_ERR_NODEV,
                    "No link leads to %s now, so there is no port to lend.",
                    call->param[0]);
    else
        fpd_call_offload(call, release, after_release);
}

/* A token for some devices has no business with links. */
static bool is_limited(struct fpd_call *call)
{
    if (call->devices)
        fpd_problem(call, FP_ERR_ACCES,
                    "This token is for some devices; a link may be another's.");
    return call->devices;
}

void fpd_route_link_release(struct fpd_call *call)
{
    if (!is_limited(call) && begin(call))
        fpd_call_offload(call, release, after_release);
}

/* ---- DELETE ---- */

static void reply_reclaim(struct fpd_call *call, int err, const char *whose)
{
    if (err == FP_ERR_NOENT)
        fpd_problem(call, err, "The port of %s is not lent.", whose);
    else if (err)
        fpd_problem(call, err,
                    "The port of %s is lent under another id by now; without "
                    "?id it is taken back whosever loan it is.",
                    whose);
    else
        fpd_reply_empty(call, 204);
}

/* ?id=; what is there and no id becomes "", which is nobody's. */
static const char *named_id(struct fpd_call *call, char id[FPD_UUID_SIZE])
{
    bool named = strncmp(call->url.query, "id", 2) == 0 ||
                 strstr(call->url.query, "&id");

    id[0] = '\0';
    if (named)
        fpd_url_query(&call->url, "id", id, FPD_UUID_SIZE);
    return named ? id : NULL;
}

void fpd_route_device_reclaim(struct fpd_call *call)
{
    char id[FPD_UUID_SIZE];
    int err = FP_ERR_NOENT;

    if (call->device)
        err = fpd_device_reclaim(call->device, named_id(call, id));
    reply_reclaim(call, err, call->param[0]);
}

void fpd_route_link_reclaim(struct fpd_call *call)
{
    char id[FPD_UUID_SIZE], link[256] = "";

    if (is_limited(call))
        return;
    fpd_url_query(&call->url, "link", link, sizeof link);
    reply_reclaim(
        call,
        fpd_devices_reclaim(call->http->cfg.devices, link, named_id(call, id)),
        link);
}
