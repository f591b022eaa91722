/* SPDX-License-Identifier: MIT
 *
 * What belongs to no noun: health, metrics, the description of the API, and
 * the page. */
#include "core/error.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/http/webfile.h"
#include "daemon/store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fpd_route_root(struct fpd_call *call)
{
    fpd_reply_json(
        call, 200,
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "name", "flashport",
                  "version", FPD_VERSION, "devices", "/api/v1/devices",
                  "snapshots", "/api/v1/snapshots", "jobs", "/api/v1/jobs",
                  "tokens", "/api/v1/tokens", "events", "/api/v1/events",
                  "openapi", "/api/v1/openapi.json"));
}

void fpd_route_healthz(struct fpd_call *call)
{
    fpd_reply_static(call, 200, "text/plain; charset=utf-8", "ok\n", 3);
    fpd_reply_header(call, "Cache-Control", "no-store");
}

void fpd_route_openapi(struct fpd_call *call)
{
    const struct fpd_web_file *file = fpd_web_find("/openapi.json");

    if (!file) {
        fpd_problem(call, FP_ERR_NOENT, NULL);
        return;
    }
    fpd_reply_static(call, 200, "application/json", file->data, file->size);
}

/* ---- metrics. Source: the Prometheus text format, 0.0.4 ---- */

struct text {
    char *data;
    size_t len, size;
};

static void put(struct text *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->data + t->len, t->size - t->len, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n < t->size - t->len)
        t->len += (size_t)n;
    else
        t->data[t->len] = 0; /* a line that does not fit is left out */
}

static void put_head(struct text *t, const char *name, const char *type,
                     const char *help)
{
    put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: what a device or a configuration chose. */
static void quote(const char *in, char *out, size_t size)
{
    size_t n = 0;

    for (; *in && n + 3 < size; in++) {
        unsigned char c = (unsigned char)*in;

        if (c == '"' || c == '\\')
            out[n++] = '\\';
        out[n++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    out[n] = 0;
}

/* Those that the caller may see, moved to the front. */
static size_t visible_links(struct fpd_call *call, struct fpd_link_info *links,
                            size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (fpd_call_covers(call, links[i].device))
            links[n++] = links[i];
    return n;
}

static void put_links(struct text *t, const struct fpd_link_info *links,
                      size_t count)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        { "flashport_link_up", "gauge", "1 when a device is online there." },
        { "flashport_link_tx_bytes_total", "counter", "Bytes sent." },
        { "flashport_link_rx_bytes_total", "counter", "Bytes received." },
        { "flashport_link_rx_damaged_total", "counter",
          "Frames that came damaged." },
        { "flashport_link_retransmitted_total", "counter",
          "Frames sent again." },
        { "flashport_link_connects_total", "counter", "Handshakes completed." },
    };
    char link[520], device[130];

    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        put_head(t, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < count; i++) {
            const struct fpd_link_info *l = &links[i];
            const uint64_t values[] = { fpd_device_state_serves(l->state),
                                        l->tx_bytes,
                                        l->rx_bytes,
                                        l->rx_damaged,
                                        l->retransmitted,
                                        l->connects };

            quote(l->name, link, sizeof link);
            quote(l->device, device, sizeof device);
            put(t, "%s{link=\"%s\",device=\"%s\"} %llu\n", rows[r].name, link,
                device, (unsigned long long)values[r]);
        }
    }
}

static void put_store(struct text *t, struct fpd_store *store)
{
    struct fpd_store_stats s;

    if (fpd_store_stats(store, &s) != FP_OK)
        return;
    put_head(t, "flashport_store_snapshots", "gauge", "Snapshots kept.");
    put(t, "flashport_store_snapshots %llu\n", (unsigned long long)s.snapshots);
    put_head(t, "flashport_store_chunks", "gauge", "Chunks kept.");
    put(t, "flashport_store_chunks %llu\n", (unsigned long long)s.chunks);
    put_head(t, "flashport_store_content_bytes", "gauge",
             "Bytes of the chunks' content, each once.");
    put(t, "flashport_store_content_bytes %llu\n",
        (unsigned long long)s.content_bytes);
    put_head(t, "flashport_store_disk_bytes", "gauge",
             "Bytes of the databases on disk.");
    put(t, "flashport_store_disk_bytes %llu\n",
        (unsigned long long)s.disk_bytes);
}

void fpd_route_metrics(struct fpd_call *call)
{
    enum {
        LINKS = 256,
        SIZE = 1024 * 1024
    };
    struct fpd_http *http = call->http;
    struct fpd_link_info *links = calloc(LINKS, sizeof *links);
    struct text t = { .data = malloc(SIZE), .size = SIZE };
    struct MHD_Response *response;
    size_t count;

    if (!links || !t.data) {
        free(links);
        free(t.data);
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    t.data[0] = 0;
    put_head(&t, "flashport_info", "gauge", "The daemon.");
    put(&t, "flashport_info{version=\"%s\"} 1\n", FPD_VERSION);
    put_head(&t, "flashport_http_requests_total", "counter",
             "Requests by class of status.");
    for (int i = 1; i < 6; i++)
        put(&t, "flashport_http_requests_total{status=\"%dxx\"} %llu\n", i,
            (unsigned long long)http->requests[i]);
    put_head(&t, "flashport_http_body_bytes_total", "counter",
             "Bytes of request bodies.");
    put(&t, "flashport_http_body_bytes_total %llu\n",
        (unsigned long long)http->body_in);
    count = fpd_devices_links(http->cfg.devices, links, LINKS);
    count = visible_links(call, links, count < LINKS ? count : LINKS);
    put_links(&t, links, count);
    put_store(&t, http->cfg.store);
    free(links);
    response =
        MHD_create_response_from_buffer(t.len, t.data, MHD_RESPMEM_MUST_FREE);
    fpd_reply_give(call, 200, response);
    fpd_reply_header(call, "Content-Type",
                     "text/plain; version=0.0.4; charset=utf-8");
}

/* ---- the page ---- */

void fpd_route_web(struct fpd_call *call)
{
    const char *path = call->url.count == 0 ? "/index.html" : call->url.raw;
    const struct fpd_web_file *file = fpd_web_find(path);
    const char *none = fpd_call_header(call, "If-None-Match");

    if (!file || strcmp(path, "/openapi.json") == 0) {
        fpd_problem_hint(call, "The API is under /api/v1/.");
        fpd_problem(call, FP_ERR_NOENT, "There is no page %.300s.",
                    call->url.raw);
        return;
    }
    if (none && strstr(none, file->etag))
        fpd_reply_empty(call, 304);
    else
        fpd_reply_static(call, 200, file->type, file->data, file->size);
    fpd_reply_header(call, "ETag", file->etag);
    /* A name with the version in it never changes its content. */
    fpd_reply_header(call, "Cache-Control",
                     fpd_url_has(&call->url, "v")
                         ? "public, max-age=31536000, immutable"
                         : "no-cache");
}
