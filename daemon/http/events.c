/* SPDX-License-Identifier: MIT */
#include "daemon/http/events.h"
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/jobs/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING         256
#define CLIENTS_MAX  64
#define KEEPALIVE_MS 15000

enum kind {
    KIND_DEVICE,
    KIND_JOB
};

struct change {
    enum kind kind;
    char id[FPD_ID_MAX + 1];
};

struct client {
    struct fpd_call *call;
    struct fpd_events *events;
    uint64_t at;       /* the next change to tell */
    int64_t spoken_ms; /* when something was sent */
    char *text;        /* being sent */
    size_t len, sent;
    bool hello;
    struct client *next;
};

struct fpd_events {
    pthread_mutex_t lock;
    struct change ring[RING];
    uint64_t head; /* changes so far */
    struct client *clients;
    size_t count;
};

struct fpd_events *fpd_events_new(void)
{
    struct fpd_events *events = calloc(1, sizeof *events);

    if (!events)
        return NULL;
    /* Ids of a daemon before this one are behind, so that a browser that
     * comes back after a restart is told to look anew. */
    events->head = (uint64_t)fpd_now_ms() << 20;
    pthread_mutex_init(&events->lock, NULL);
    return events;
}

void fpd_events_free(struct fpd_events *events)
{
    if (!events)
        return;
    pthread_mutex_destroy(&events->lock);
    free(events);
}

/* The lock of events is held while calls are woken; nobody takes it while
 * holding the lock of waits. */
static void wake_all(struct fpd_events *events)
{
    for (struct client *c = events->clients; c; c = c->next)
        fpd_call_wake(c->call, c);
}

static void changed(struct fpd_http *http, enum kind kind, const char *id)
{
    struct fpd_events *events = http ? http->events : NULL;
    struct change *slot;

    if (!events)
        return;
    pthread_mutex_lock(&events->lock);
    slot = &events->ring[events->head++ % RING];
    slot->kind = kind;
    snprintf(slot->id, sizeof slot->id, "%s", id);
    wake_all(events);
    pthread_mutex_unlock(&events->lock);
}

void fpd_http_device_changed(struct fpd_http *http, const char *id)
{
    changed(http, KIND_DEVICE, id);
}

void fpd_http_job_changed(struct fpd_http *http, const char *id)
{
    changed(http, KIND_JOB, id);
}

void fpd_events_tick(struct fpd_events *events)
{
    int64_t now = fpd_now_ms();

    pthread_mutex_lock(&events->lock);
    for (struct client *c = events->clients; c; c = c->next)
        if (now - c->spoken_ms > KEEPALIVE_MS)
            fpd_call_wake(c->call, c);
    pthread_mutex_unlock(&events->lock);
}

/* ---- a client ---- */

static bool is_visible(struct client *c, const struct change *change,
                       json_t *doc)
{
    return change->kind == KIND_DEVICE ? fpd_call_covers(c->call, change->id)
                                       : fpd_route_job_visible(c->call, doc);
}

static void say(struct client *c, const char *event, uint64_t id, json_t *doc)
{
    char *data = json_dumps(doc, JSON_COMPACT | JSON_ENSURE_ASCII);
    int n = -1;

    if (data)
        n = asprintf(&c->text, "id: %llu\nevent: %s\ndata: %s\n\n",
                     (unsigned long long)id, event, data);
    free(data);
    if (n < 0)
        c->text = NULL;
    c->len = n < 0 ? 0 : (size_t)n;
    c->sent = 0;
}

static void say_change(struct client *c, const struct change *change,
                       uint64_t id)
{
    struct fpd_http *http = c->call->http;
    json_t *doc = change->kind == KIND_JOB
                      ? fpd_jobs_get(http->cfg.jobs, change->id)
                      : fpd_json_device_by_id(http, change->id);

    if (!doc && change->kind == KIND_DEVICE) /* forgotten */
        doc = json_pack("{s:s,s:s}", "id", change->id, "state", "forgotten");
    if (doc && is_visible(c, change, doc))
        say(c, change->kind == KIND_JOB ? "job" : "device", id, doc);
    json_decref(doc);
}

/* The next change for this client that no later one makes stale. */
static bool take(struct client *c, struct change *out, bool *lost)
{
    struct fpd_events *events = c->events;
    bool have = false;

    pthread_mutex_lock(&events->lock);
    *lost = c->at > events->head || events->head - c->at > RING;
    if (*lost)
        c->at = events->head;
    while (!have && c->at < events->head) {
        const struct change *change = &events->ring[c->at++ % RING];

        have = true;
        for (uint64_t i = c->at; have && i < events->head; i++) {
            const struct change *later = &events->ring[i % RING];

            if (later->kind == change->kind &&
                strcmp(later->id, change->id) == 0)
                have = false;
        }
        *out = *change;
    }
    pthread_mutex_unlock(&events->lock);
    return have;
}

static void next_text(struct client *c)
{
    struct change change;
    json_t *nothing;
    bool lost;

    while (!c->text && take(c, &change, &lost))
        say_change(c, &change, c->at);
    if (!c->text && lost) {
        nothing = json_object();
        say(c, "lost", c->at, nothing);
        json_decref(nothing);
    }
    if (!c->text && (c->hello || fpd_now_ms() - c->spoken_ms > KEEPALIVE_MS)) {
        c->text = strdup(": flashport\n\n");
        c->len = c->text ? strlen(c->text) : 0;
        c->sent = 0;
    }
    c->hello = false;
}

static bool has_news(struct client *c)
{
    bool news;

    pthread_mutex_lock(&c->events->lock);
    news = c->at != c->events->head;
    pthread_mutex_unlock(&c->events->lock);
    return news;
}

static ssize_t read_events(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct fpd_call *call = cls;
    struct client *c = call->state;
    size_t n;

    (void)pos;
    if (fpd_call_over(call))
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!c->text)
        next_text(c);
    if (!c->text) {
        if (!fpd_call_wait(call, c))
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (has_news(c))
            fpd_call_wake(call, c);
        return 0;
    }
    n = c->len - c->sent < max ? c->len - c->sent : max;
    memcpy(buf, c->text + c->sent, n);
    c->sent += n;
    if (c->sent == c->len) {
        free(c->text);
        c->text = NULL;
        /* Read by tick. */
        pthread_mutex_lock(&c->events->lock);
        c->spoken_ms = fpd_now_ms();
        pthread_mutex_unlock(&c->events->lock);
    }
    return (ssize_t)n;
}

static void client_free(void *state)
{
    struct client *c = state, **at;

    pthread_mutex_lock(&c->events->lock);
    for (at = &c->events->clients; *at && *at != c; at = &(*at)->next)
        ;
    if (*at) {
        *at = c->next;
        c->events->count--;
    }
    pthread_mutex_unlock(&c->events->lock);
    free(c->text);
    free(c);
}

void fpd_route_events(struct fpd_call *call)
{
    struct fpd_events *events = call->http->events;
    struct client *c = calloc(1, sizeof *c);
    const char *last = fpd_call_header(call, "Last-Event-ID");
    bool full;

    if (!c) {
        fpd_problem(call, FP_ERR_NOMEM, NULL);
        return;
    }
    c->call = call;
    c->events = events;
    c->hello = true;
    c->spoken_ms = fpd_now_ms();
    call->state = c;
    call->state_free = client_free;
    call->on_gone = fpd_call_wake_gone;
    pthread_mutex_lock(&events->lock);
    full = events->count == CLIENTS_MAX;
    if (!last || !fpd_u64_parse(last, UINT64_MAX, &c->at))
        c->at = events->head;
    if (!full) {
        c->next = events->clients;
        events->clients = c;
        events->count++;
    }
    pthread_mutex_unlock(&events->lock);
    if (full) {
        fpd_problem(call, FP_ERR_NFILE, "%d clients listen to events already.",
                    CLIENTS_MAX);
        return;
    }
    fpd_reply_stream(call, 200, "text/event-stream", FPD_SIZE_UNKNOWN,
                     read_events);
    fpd_reply_header(call, "Cache-Control", "no-store");
    fpd_reply_header(call, "X-Accel-Buffering", "no");
}
