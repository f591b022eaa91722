/* SPDX-License-Identifier: MIT
 *
 * GET and HEAD of a file on a device.
 *
 *     plain GET                     READ
 *     HEAD, Range, If-*, ?etag      STAT, DIGEST where a tag is asked for and
 *                                   not remembered, then READ
 *
 * The bytes go through a pipe of fixed size: a client that does not read parks
 * its own transfer. What a whole GET carried is hashed on the way, so that the
 * next one has an ETag.
 */
#include "core/error.h"
#include "daemon/hash.h"
#include "daemon/http/cond.h"
#include "daemon/http/fspath.h"
#include "daemon/http/hashes.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct get {
    char path[FPD_PATH_MAX + 1];
    struct fpd_ask ask;  /* STAT and DIGEST */
    struct fpd_ask read; /* READ, which may outlive the answer's headers */
    struct fpd_pipe *pipe;
    struct fpd_hash hash; /* not begun: not the whole file */
    _Atomic bool opened;
    bool looked, wants_tag, has_tag, ranged, has_mtime;
    int tries;
    char etag[FPD_ETAG_SIZE];
    uint8_t sha256[32];
    uint64_t size, off, len, sent;
    uint32_t fs_gen;
    int64_t mtime_ns;
    uint8_t epoch[8];
};

static void get_free(void *state)
{
    struct get *g = state;

    fpd_pipe_unref(g->pipe);
    fpd_hash_drop(&g->hash);
    free(g);
}

/* The client left: the worker's writes go nowhere, and the request ends. */
static void get_gone(struct fpd_call *call)
{
    struct get *g = call->state;

    if (g->pipe)
        fpd_pipe_abandon(g->pipe);
    fpd_ask_cancel(call->device, &g->ask);
    fpd_ask_cancel(call->device, &g->read);
    if (g->opened)
        fpd_call_wake_gone(call);
}

static void pipe_ready(void *ctx)
{
    struct fpd_call *call = ctx;

    fpd_call_wake(call, ((struct get *)call->state)->pipe);
}

static void hash_all(struct fpd_call *call, struct get *g)
{
    if (g->sent != g->size || !g->hash.ctx)
        return;
    fpd_hash_end(&g->hash, g->sha256);
    fpd_hashes_put(call->http->hashes, fpd_device_id(call->device), g->epoch,
                   g->path, g->fs_gen, g->sha256);
}

static ssize_t read_body(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct fpd_call *call = cls;
    struct get *g = call->state;
    size_t got = 0;

    (void)pos;
    if (!g->pipe || fpd_call_over(call))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    switch (fpd_pipe_read(g->pipe, buf, max, &got)) {
    case FPD_PIPE_DATA:
        g->sent += got;
        if (g->hash.ctx)
            fpd_hash_add(&g->hash, buf, got);
        hash_all(call, g);
        return (ssize_t)got;
    case FPD_PIPE_EMPTY:
        if (!fpd_call_wait(call, g->pipe))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        fpd_pipe_wake_when_ready(g->pipe, pipe_ready, call);
        return 0;
    case FPD_PIPE_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    default: /* it broke off; the connection does, so that nobody takes what
                came for the whole */
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
}

/* ---- the answer ---- */

static void tag_headers(struct fpd_call *call, struct get *g)
{
    char digest[64];

    if (!g->has_tag)
        return;
    fpd_reply_header(call, "ETag", g->etag);
    if (fpd_call_header(call, "Want-Repr-Digest")) {
        fpd_digest_format(g->sha256, digest);
        fpd_reply_header(call, "Repr-Digest", digest);
    }
}

static void file_headers(struct fpd_call *call, struct get *g)
{
    tag_headers(call, g);
    fpd_reply_header(call, "Accept-Ranges", "bytes");
    fpd_reply_header(call, "Cache-Control", "private, no-cache");
    fpd_fs_mtime_header(call, g->has_mtime, g->mtime_ns);
    fpd_fs_disposition(call, g->path);
    if (g->ranged)
        fpd_reply_content_range(call, g->off, g->len, g->size);
}

static void remember(struct fpd_call *call, struct get *g,
                     const uint8_t epoch[8])
{
    if (g->has_tag)
        return;
    g->has_tag = fpd_hashes_get(call->http->hashes, fpd_device_id(call->device),
                                epoch, g->path, g->fs_gen, g->sha256);
    if (g->has_tag)
        fpd_etag(g->sha256, g->etag);
}

/* Of a READ that goes on: a request tells its epoch at its end. */
static void current_epoch(struct fpd_call *call, uint8_t epoch[8])
{
    struct fpd_device_info *info = malloc(sizeof *info);

    memset(epoch, 0, 8);
    if (!info)
        return;
    fpd_device_describe(call->device, info);
    memcpy(epoch, info->epoch, 8);
    free(info);
}

static void start_read(struct fpd_call *call);
static void look(struct fpd_call *call);

static void after_open(struct fpd_call *call)
{
    struct get *g = call->state;
    struct fpd_request *req = &g->read.req;

    if (!g->opened) {
        fpd_fs_fail(call, g->path, &g->read);
        return;
    }
    /* Changed between the look and the read: look again, once. The range was
     * cut to the size that the look told. */
    if (g->looked &&
        (req->u.read.fs_gen != g->fs_gen || req->u.read.size != g->size)) {
        if (g->tries++ < 2 && g->has_tag) {
            fpd_pipe_abandon(g->pipe);
            fpd_ask_cancel(call->device, &g->read);
            g->has_tag = g->ranged = false;
            g->opened = false;
            fpd_ask_wait(call, &g->read, look);
            return;
        }
        if (req->u.read.size != g->size) {
            fpd_problem(call, FP_ERR_STALE, NULL);
            return;
        }
    }
    g->size = req->u.read.size;
    g->fs_gen = req->u.read.fs_gen;
    g->has_mtime = req->u.read.has_mtime;
    g->mtime_ns = req->u.read.mtime_ns;
    g->len = req->u.read.send;
    current_epoch(call, g->epoch);
    remember(call, g, g->epoch);
    /* Without the memory for it nothing is remembered. */
    if (!g->ranged && !g->has_tag)
        (void)fpd_hash_begin(&g->hash);
    fpd_reply_stream(call, g->ranged ? 206 : 200, fpd_fs_type(g->path), g->len,
                     read_body);
    file_headers(call, g);
}

static void read_opened(struct fpd_request *req)
{
    struct fpd_ask *ask = req->ctx;
    struct get *g = ask->call->state;

    g->opened = true;
    fpd_call_wake(ask->call, ask);
}

static void start_read(struct fpd_call *call)
{
    struct get *g = call->state;

    fpd_pipe_unref(g->pipe);
    g->pipe = fpd_pipe_new(0);
    if (!g->pipe) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    g->read.req = (struct fpd_request){
        .op = FPD_OP_READ,
        .u.read = { .path = g->path,
                    .off = g->ranged ? g->off : 0,
                    .len = g->ranged ? g->len : 0,
                    .pipe = g->pipe,
                    .opened = read_opened },
    };
    fpd_call_ask(call, call->device, &g->read, after_open);
}

static void reply_head(struct fpd_call *call, struct get *g)
{
    /* The length that a GET would have; libmicrohttpd sends no body to HEAD
     * and takes the length of the response's. */
    fpd_reply_stream(call, g->ranged ? 206 : 200, fpd_fs_type(g->path),
                     g->ranged ? g->len : g->size, read_body);
    file_headers(call, g);
}

/* ---- preconditions, in the order of RFC 9110 13.2.2 ---- */

static bool not_modified(struct fpd_call *call, struct get *g)
{
    const char *none = fpd_call_header(call, "If-None-Match");
    const char *since = fpd_call_header(call, "If-Modified-Since");
    int64_t when;

    if (none)
        return fpd_etags_kind(none) == FPD_ETAGS_ANY ||
               (g->has_tag && fpd_etags_have(none, g->etag, true));
    return since && g->has_mtime && fpd_date_parse(since, &when) &&
           g->mtime_ns / 1000000000 <= when;
}

static bool refuses(struct fpd_call *call, struct get *g)
{
    const char *match = fpd_call_header(call, "If-Match");
    const char *since = fpd_call_header(call, "If-Unmodified-Since");
    int64_t when;

    if (match)
        return fpd_etags_kind(match) == FPD_ETAGS_LIST &&
               !fpd_etags_have(match, g->etag, false);
    return since && g->has_mtime && fpd_date_parse(since, &when) &&
           g->mtime_ns / 1000000000 > when;
}

/* Does If-Range hold, so that the range may be sent? */
static bool range_holds(struct fpd_call *call, struct get *g)
{
    const char *header = fpd_call_header(call, "If-Range");
    int64_t when;

    if (!header)
        return true;
    if (header[0] == '"')
        return g->has_tag && strcmp(header, g->etag) == 0;
    return g->has_mtime && fpd_date_parse(header, &when) &&
           g->mtime_ns / 1000000000 == when;
}

static void decide(struct fpd_call *call)
{
    struct get *g = call->state;

    if (refuses(call, g)) {
        fpd_problem(call, FP_ERR_PRECOND,
                    "The file is not the one that the request names.");
        tag_headers(call, g);
        return;
    }
    if (not_modified(call, g)) {
        fpd_reply_empty(call, 304);
        tag_headers(call, g);
        fpd_fs_mtime_header(call, g->has_mtime, g->mtime_ns);
        return;
    }
    if (range_holds(call, g))
        switch (fpd_range_parse(fpd_call_header(call, "Range"), g->size,
                                &g->off, &g->len)) {
        case FPD_RANGE_NEVER:
            fpd_reply_range_never(call, "The file", g->size);
            return;
        case FPD_RANGE_OK:
            g->ranged = true;
            break;
        default:
            break;
        }
    if (call->head)
        reply_head(call, g);
    else
        start_read(call);
}

static void after_digest(struct fpd_call *call)
{
    struct get *g = call->state;
    struct fpd_request *req = &g->ask.req;

    if (req->err) {
        fpd_fs_fail(call, g->path, &g->ask);
        return;
    }
    if (req->u.digest.fs_gen != g->fs_gen && g->tries++ < 2) {
        look(call);
        return;
    }
    memcpy(g->sha256, req->u.digest.sha256, sizeof g->sha256);
    g->size = req->u.digest.size;
    g->fs_gen = req->u.digest.fs_gen;
    g->has_tag = true;
    fpd_etag(g->sha256, g->etag);
    fpd_hashes_put(call->http->hashes, fpd_device_id(call->device), req->epoch,
                   g->path, g->fs_gen, g->sha256);
    decide(call);
}

static void after_stat(struct fpd_call *call)
{
    struct get *g = call->state;
    struct fpd_request *req = &g->ask.req;
    bool is_dir = !req->err && req->u.stat.st.type == FPD_TYPE_DIR;

    if (is_dir)
        req->err = FP_ERR_ISDIR;
    if (req->err) {
        fpd_fs_fail(call, g->path, &g->ask);
        return;
    }
    g->looked = true;
    g->size = req->u.stat.st.size;
    g->has_mtime = req->u.stat.st.has_mtime;
    g->mtime_ns = req->u.stat.st.mtime_ns;
    g->fs_gen = req->u.stat.fs_gen;
    remember(call, g, req->epoch);
    if (!g->wants_tag || g->has_tag) {
        decide(call);
        return;
    }
    g->ask.req = (struct fpd_request){ .op = FPD_OP_DIGEST,
                                       .u.digest = { .path = g->path } };
    fpd_call_ask(call, call->device, &g->ask, after_digest);
}

static void look(struct fpd_call *call)
{
    struct get *g = call->state;

    g->ask.req = (struct fpd_request){ .op = FPD_OP_STAT,
                                       .u.stat = { .path = g->path } };
    fpd_call_ask(call, call->device, &g->ask, after_stat);
}

static bool has_header(struct fpd_call *call, const char *const *names)
{
    for (; *names; names++)
        if (fpd_call_header(call, *names))
            return true;
    return false;
}

static bool wants_tag(struct fpd_call *call)
{
    static const char *const always[] = { "If-None-Match", "Want-Repr-Digest",
                                          NULL };
    const char *match = fpd_call_header(call, "If-Match");
    const char *range = fpd_call_header(call, "If-Range");

    return has_header(call, always) || fpd_url_flag(&call->url, "etag") ||
           fpd_etags_kind(match) == FPD_ETAGS_LIST ||
           (range && range[0] == '"');
}

void fpd_route_fs_get(struct fpd_call *call)
{
    static const char *const look_first[] = { "Range", "If-Match",
                                              "If-Modified-Since",
                                              "If-Unmodified-Since", NULL };
    struct get *g;

    if (call->url.slash || call->rest == call->url.count) {
        fpd_route_fs_list(call);
        return;
    }
    g = calloc(1, sizeof *g);
    if (!g) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = g;
    call->state_free = get_free;
    call->on_gone = get_gone;
    if (!fpd_fs_path(call, g->path))
        return;
    g->wants_tag = wants_tag(call);
    if (call->head || g->wants_tag || has_header(call, look_first))
        look(call);
    else
        start_read(call);
}
