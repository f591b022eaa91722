/* SPDX-License-Identifier: MIT
 *
 * Waiting and waking. One lock guards who waits; libmicrohttpd's suspend and
 * resume happen under it, so that a wake from a worker meets either a call that
 * waits or one that will look for itself.
 *
 * A wake names what it ends, because two things may want to wake one call (a
 * spool that has room again, and the request that ended meanwhile): the later
 * of them must not end a wait that began since.
 */
#include "daemon/http/call.h"
#include "core/error.h"
#include "daemon/http/reply.h"
#include "daemon/http/server.h"
#include "daemon/store/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void unlink_waiting(struct fpd_call *call)
{
    *call->prev_waiting = call->next_waiting;
    if (call->next_waiting)
        call->next_waiting->prev_waiting = call->prev_waiting;
    call->waiting = NULL;
}

bool fpd_call_wait(struct fpd_call *call, const void *token)
{
    struct fpd_http *http = call->http;
    bool may;

    pthread_mutex_lock(&http->lock);
    may = !http->stopping && !call->gone;
    if (may) {
        call->waiting = token;
        call->waiting_ms = fpd_now_ms();
        call->suspended = true;
        call->next_waiting = http->waiting;
        call->prev_waiting = &http->waiting;
        if (http->waiting)
            http->waiting->prev_waiting = &call->next_waiting;
        http->waiting = call;
        MHD_suspend_connection(call->conn);
    }
    pthread_mutex_unlock(&http->lock);
    return may;
}

bool fpd_call_waits(struct fpd_call *call)
{
    bool waits;

    pthread_mutex_lock(&call->http->lock);
    waits = call->waiting != NULL;
    pthread_mutex_unlock(&call->http->lock);
    return waits;
}

/* The lock is held. */
static void end_wait(struct fpd_call *call)
{
    if (call->held) {
        call->woken = true;
        return;
    }
    unlink_waiting(call);
    MHD_resume_connection(call->conn);
}

void fpd_call_wake(struct fpd_call *call, const void *token)
{
    struct fpd_http *http = call->http;

    pthread_mutex_lock(&http->lock);
    if (call->waiting && call->waiting == token)
        end_wait(call);
    pthread_mutex_unlock(&http->lock);
}

void fpd_call_wake_gone(struct fpd_call *call)
{
    struct fpd_http *http = call->http;

    pthread_mutex_lock(&http->lock);
    if (call->waiting)
        end_wait(call);
    pthread_mutex_unlock(&http->lock);
}

void fpd_call_release(struct fpd_call *call)
{
    struct fpd_http *http = call->http;

    pthread_mutex_lock(&http->lock);
    call->held = false;
    if (call->woken)
        end_wait(call);
    call->woken = false;
    pthread_mutex_unlock(&http->lock);
    fpd_call_unref(call);
}

struct fpd_call *fpd_call_ref(struct fpd_call *call)
{
    pthread_mutex_lock(&call->http->lock);
    call->refs++;
    pthread_mutex_unlock(&call->http->lock);
    return call;
}

void fpd_call_unref(struct fpd_call *call)
{
    struct fpd_http *http = call->http;
    bool last;

    pthread_mutex_lock(&http->lock);
    last = --call->refs == 0;
    pthread_mutex_unlock(&http->lock);
    if (!last)
        return;
    if (call->state_free)
        call->state_free(call->state);
    fpd_device_unref(call->device);
    json_decref(call->extra);
    free(call->body);
    free(call->devices);
    fpd_url_free(&call->url);
    pthread_mutex_lock(&http->lock);
    if (--http->calls_live == 0)
        pthread_cond_broadcast(&http->idle);
    pthread_mutex_unlock(&http->lock);
    free(call);
}

bool fpd_call_over(struct fpd_call *call)
{
    bool over;

    pthread_mutex_lock(&call->http->lock);
    over = call->gone || call->http->stopping;
    pthread_mutex_unlock(&call->http->lock);
    return over;
}

void fpd_call_offload(struct fpd_call *call,
                      void (*work)(struct fpd_call *call),
                      void (*next)(struct fpd_call *call))
{
    struct fpd_http *http = call->http;

    call->work = work;
    call->next = next;
    if (!fpd_call_wait(call, &call->work)) {
        fpd_reply_stopping(call);
        return;
    }
    pthread_mutex_lock(&http->lock);
    call->refs++;
    call->next_work = NULL;
    *http->work_tail = call;
    http->work_tail = &call->next_work;
    pthread_cond_signal(&http->work);
    pthread_mutex_unlock(&http->lock);
}

/* ---- asking a device ---- */

static void ask_done(struct fpd_request *req)
{
    struct fpd_ask *ask = req->ctx;
    struct fpd_call *call = ask->call;

    ask->done = true;
    fpd_call_wake(call, ask);
    fpd_call_unref(call);
}

void fpd_ask_submit(struct fpd_call *call, struct fpd_device *device,
                    struct fpd_ask *ask)
{
    int err;

    ask->call = fpd_call_ref(call);
    ask->req.done = ask_done;
    ask->req.ctx = ask;
    ask->done = false;
    ask->submitted = true;
    err = fpd_device_submit(device, &ask->req);
    if (!err)
        return;
    ask->req.err = err;
    ask_done(&ask->req);
}

void fpd_ask_wait(struct fpd_call *call, struct fpd_ask *ask,
                  void (*next)(struct fpd_call *call))
{
    call->next = next;
    if (!fpd_call_wait(call, ask)) {
        fpd_reply_stopping(call);
        return;
    }
    if (ask->done)
        fpd_call_wake(call, ask);
}

void fpd_call_ask(struct fpd_call *call, struct fpd_device *device,
                  struct fpd_ask *ask, void (*next)(struct fpd_call *call))
{
    ask->done = false;
    call->next = next;
    if (!fpd_call_wait(call, ask)) {
        fpd_reply_stopping(call);
        return;
    }
    fpd_ask_submit(call, device, ask);
}

bool fpd_ask_done(struct fpd_ask *ask)
{
    return ask->done;
}

void fpd_ask_cancel(struct fpd_device *device, struct fpd_ask *ask)
{
    if (ask->submitted && !ask->done)
        fpd_device_cancel(device, &ask->req);
}

/* ---- what came ---- */

bool fpd_call_covers(const struct fpd_call *call, const char *device)
{
    size_t len = strlen(device);

    for (const char *p = call->devices; p && *p;) {
        size_t n = strcspn(p, ",");

        if (n == len && memcmp(p, device, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return !call->devices;
}

static bool is_id(struct fpd_call *call, const char *name)
{
    struct fpd_device *device = fpd_devices_find(call->http->cfg.devices, name);
    struct fpd_store_device row;

    fpd_device_unref(device);
    return device ||
           fpd_store_device_get(call->http->cfg.store, name, &row) == FP_OK;
}

static void refuse_ambiguous(struct fpd_call *call, const char *name,
                             const char *called)
{
    fpd_problem_member(call, "devices", json_pack("[ss]", name, called));
    fpd_problem_hint(call, "Ask for %s by its id, and give it another label.",
                     called);
    fpd_refuse(call, 409, "ambiguous-device", "Two devices of this name",
               "\"%s\" is the id of one device and the label of %s.", name,
               called);
}

int fpd_call_resolve(struct fpd_call *call, const char *name,
                     char id[FPD_ID_MAX + 1])
{
    char called[FPD_ID_MAX + 1];
    bool by_id = fpd_call_covers(call, name) && is_id(call, name);
    bool by_label =
        fpd_store_device_called(call->http->cfg.store, name, called) == FP_OK &&
        fpd_call_covers(call, called);

    if (by_id && by_label && strcmp(name, called) != 0) {
        refuse_ambiguous(call, name, called);
        return FP_ERR_EXIST;
    }
    if (!by_id && !by_label)
        return FP_ERR_NOENT;
    snprintf(id, FPD_ID_MAX + 1, "%s", by_id ? name : called);
    return FP_OK;
}

const char *fpd_call_header(struct fpd_call *call, const char *name)
{
    return MHD_lookup_connection_value(call->conn, MHD_HEADER_KIND, name);
}

static bool is_json(const char *type)
{
    size_t n;

    if (!type)
        return false;
    n = strcspn(type, "; \t");
    return n == 16 && strncasecmp(type, "application/json", 16) == 0;
}

json_t *fpd_call_json(struct fpd_call *call, bool optional)
{
    json_error_t error;
    json_t *json;

    if (call->body_size == 0 && optional)
        return json_object();
    /* A form of another site can't send this type without asking first. */
    if (!is_json(fpd_call_header(call, "Content-Type"))) {
        fpd_refuse(call, 415, "json-wanted", "JSON wanted",
                   "The body must be JSON, and the Content-Type "
                   "application/json.");
        return NULL;
    }
    json = json_loadb(call->body ? call->body : "", call->body_size,
                      JSON_REJECT_DUPLICATES, &error);
    if (!json) {
        fpd_refuse(call, 400, "bad-json", "Not JSON",
                   "The body is not JSON: line %d, column %d: %s", error.line,
                   error.column, error.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        fpd_refuse(call, 400, "bad-json", "Not an object",
                   "The body must be a JSON object.");
        return NULL;
    }
    return json;
}
