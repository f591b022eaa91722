/* SPDX-License-Identifier: MIT
 *
 * PUT of a file on a device.
 *
 * The request is given to the worker when the headers are there, so the first
 * bytes are on the wire while the last are still on their way from the client.
 * They pass through a spool, which is where the device reads again after a lost
 * link. Nothing is committed before fpd_spool_end(), and that comes after all
 * that the client promised has been checked; a client that leaves half-way
 * leaves the old file.
 */
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/fspath.h"
#include "daemon/http/hashes.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAGS_MAX 16 /* of an If-Match */

struct put {
    char path[FPD_PATH_MAX + 1];
    struct fpd_ask ask;  /* PUT */
    struct fpd_ask stat; /* for If-Match: * and If-Unmodified-Since */
    struct fpd_spool *spool;
    uint64_t room; /* of the volume */
    uint8_t promised[32], if_sha256[TAGS_MAX][32];
    bool has_promised, must_exist, has_since;
    int64_t since; /* seconds, of If-Unmodified-Since */
    bool done;     /* the spool has its end, or its failure */
    int refused;   /* by us, after the body came; 0: not */
    const char *why;
};

static void put_free(void *state)
{
    struct put *p = state;

    fpd_spool_unref(p->spool);
    free(p);
}

static void put_gone(struct fpd_call *call)
{
    struct put *p = call->state;

    /* After the end the upload goes on: the content is whole, and whether its
     * client hears of it is another matter. */
    if (!p->done && p->spool)
        fpd_spool_fail(p->spool, FP_ERR_CANCELED);
    fpd_ask_cancel(call->device, &p->stat);
    fpd_call_wake_gone(call);
}

/* ---- the headers ---- */

static bool take_mtime(struct fpd_call *call, struct put *p)
{
    const char *ours = fpd_call_header(call, "X-Flashport-Mtime");
    const char *date = fpd_call_header(call, "Last-Modified");
    int64_t seconds;

    if (ours) {
        if (!fpd_seconds_parse(ours, &p->ask.req.u.put.mtime_ns)) {
            fpd_problem(call, FP_ERR_INVAL,
                        "X-Flashport-Mtime is seconds since 1970, with or "
                        "without a fraction.");
            return false;
        }
        p->ask.req.u.put.has_mtime = true;
    } else if (date) {
        if (!fpd_date_parse(date, &seconds)) {
            fpd_problem(call, FP_ERR_INVAL,
                        "Last-Modified is no date of HTTP.");
            return false;
        }
        p->ask.req.u.put.mtime_ns = seconds * 1000000000;
        p->ask.req.u.put.has_mtime = true;
    }
    return true;
}

static bool take_digest(struct fpd_call *call, struct put *p)
{
    static const char *const names[] = { "Repr-Digest", "Content-Digest" };

    for (int i = 0; i < 2; i++) {
        int found =
            fpd_digest_parse(fpd_call_header(call, names[i]), p->promised);

        if (found < 0) {
            fpd_problem(call, FP_ERR_INVAL,
                        "%s is malformed; sha-256=:BASE64: is what it looks "
                        "like.",
                        names[i]);
            return false;
        }
        p->has_promised = found > 0;
        if (found > 0)
            break;
    }
    return true;
}

static bool take_conditions(struct fpd_call *call, struct put *p)
{
    const char *match = fpd_call_header(call, "If-Match");
    const char *none = fpd_call_header(call, "If-None-Match");
    const char *since = fpd_call_header(call, "If-Unmodified-Since");

    if (fpd_etags_kind(none) == FPD_ETAGS_ANY) {
        p->ask.req.u.put.if_absent = true;
    } else if (none) {
        fpd_problem(call, FP_ERR_NOTSUP,
                    "If-None-Match on a PUT can only be \"*\".");
        return false;
    }
    if (fpd_etags_kind(match) == FPD_ETAGS_ANY) {
        p->must_exist = true;
    } else if (match) {
        size_t count = fpd_etags_ours(match, p->if_sha256, TAGS_MAX);

        /* A tag that is none of ours can match no file. */
        if (count == 0 || count > TAGS_MAX) {
            fpd_problem_hint(call, "A tag, as a GET with ?etag gives it.");
            fpd_problem(call, FP_ERR_PRECOND,
                        count ? "If-Match names more ETags than are looked at."
                              : "If-Match names no ETag of this server.");
            return false;
        }
        p->ask.req.u.put.if_sha256 = p->if_sha256[0];
        p->ask.req.u.put.if_count = (uint32_t)count;
    } else if (since) {
        p->has_since = fpd_date_parse(since, &p->since);
    }
    return true;
}

static int submit(struct fpd_call *call, struct put *p)
{
    uint64_t size = call->content_size == FPD_SIZE_UNKNOWN ? FPD_SPOOL_UNKNOWN
                                                           : call->content_size;
    int err = fpd_spool_new(call->http->cfg.data, size, &p->spool);

    if (err)
        return err;
    fpd_spool_limit(p->spool, p->room);
    p->ask.req.op = FPD_OP_PUT;
    p->ask.req.klass = FPD_UPLOAD;
    p->ask.req.u.put.path = p->path;
    p->ask.req.u.put.spool = p->spool;
    p->ask.req.u.put.in_place = fpd_url_flag(&call->url, "in_place");
    fpd_ask_submit(call, call->device, &p->ask);
    return FP_OK;
}

void fpd_route_fs_put_begin(struct fpd_call *call)
{
    struct put *p;
    int err;

    if (call->url.slash || call->rest == call->url.count)
        return; /* a directory: its end makes it */
    p = calloc(1, sizeof *p);
    if (!p) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = p;
    call->state_free = put_free;
    if (!fpd_fs_path(call, p->path) || !take_mtime(call, p) ||
        !take_digest(call, p) || !take_conditions(call, p) ||
        !fpd_fs_fits(call, p->path, call->content_size, &p->room))
        return;
    err = submit(call, p);
    if (err)
        fpd_problem(call, err,
                    err == FP_ERR_NOSPC ? NULL
                                        : "The upload can't be buffered.");
    else
        call->on_gone = put_gone;
}

/* ---- the body ---- */

static void spool_writable(void *ctx)
{
    struct fpd_call *call = ctx;

    fpd_call_wake(call, ((struct put *)call->state)->spool);
}

void fpd_route_fs_put_data(struct fpd_call *call, const char *data, size_t size)
{
    struct put *p = call->state;
    int err;

    if (!p || p->done)
        return;
    err = fpd_spool_write(p->spool, data, size);
    if (err) {
        /* The worker has said why, or the disk is full; the rest is read and
         * dropped, so that the client sees the answer. */
        p->done = true;
        if (err != FP_ERR_CANCELED)
            fpd_spool_fail(p->spool, err);
        if (err == FP_ERR_FBIG &&
            fpd_fs_fits(call, p->path, p->room + 1, &p->room))
            fpd_problem(call, err, NULL);
        return;
    }
    if (fpd_spool_writable(p->spool))
        return;
    if (fpd_call_wait(call, p->spool))
        fpd_spool_wake_when_writable(p->spool, spool_writable, call);
}

/* ---- the end ---- */

static void after_put(struct fpd_call *call)
{
    struct put *p = call->state;
    struct fpd_request *req = &p->ask.req;
    struct fpd_spool_state body;
    char etag[FPD_ETAG_SIZE];

    if (!fpd_ask_done(&p->ask)) {
        /* The client left; the upload goes on, and its request is not ours to
         * read before it is over. */
        fpd_problem(call, FP_ERR_CANCELED, NULL);
        return;
    }
    if (p->refused) {
        fpd_problem(call, p->refused, p->why ? "%s" : NULL, p->why);
        return;
    }
    if (req->err) {
        if (req->u.put.gave_up)
            fpd_problem_also(call, "What the file held is given up: it may be "
                                   "empty, or hold a part of what was sent.");
        if (req->err == FP_ERR_EXIST && req->u.put.if_absent)
            req->err = FP_ERR_PRECOND;
        if (req->err == FP_ERR_PRECOND && !req->failure.detail[0])
            snprintf(req->failure.detail, sizeof req->failure.detail, "%s",
                     req->u.put.if_absent
                         ? "There is a file of this name already."
                         : "The file is not the one that If-Match names.");
        fpd_fs_fail_new(call, p->path, &p->ask);
        return;
    }
    fpd_spool_state(p->spool, &body);
    fpd_hashes_put(call->http->hashes, fpd_device_id(call->device), req->epoch,
                   p->path, req->u.put.fs_gen, body.sha256);
    fpd_etag(body.sha256, etag);
    fpd_reply_empty(call, req->u.put.created ? 201 : 204);
    fpd_reply_header(call, "ETag", etag);
    if (req->u.put.created)
        fpd_reply_header(call, "Location", call->url.raw);
}

static void fail_spool(struct fpd_call *call, struct put *p, int err,
                       const char *why)
{
    if (!p->done) {
        p->refused = err;
        p->why = why;
        fpd_spool_fail(p->spool, err);
    }
    p->done = true;
    fpd_ask_wait(call, &p->ask, after_put);
}

static void finish(struct fpd_call *call)
{
    struct put *p = call->state;

    if (p->has_promised && !p->done && !fpd_spool_is(p->spool, p->promised)) {
        fail_spool(call, p, FP_ERR_DIGEST,
                   "The body does not have the digest that its header gives; "
                   "the old file is untouched.");
        return;
    }
    if (!p->done)
        fpd_spool_end(p->spool);
    p->done = true;
    fpd_ask_wait(call, &p->ask, after_put);
}

static void after_stat(struct fpd_call *call)
{
    struct put *p = call->state;
    const struct fpd_stat *st = &p->stat.req.u.stat.st;
    int err = fpd_ask_done(&p->stat) ? p->stat.req.err : FP_ERR_CANCELED;

    if (err == FP_ERR_NOENT && p->must_exist)
        fail_spool(call, p, FP_ERR_PRECOND,
                   "There is no file of this name to replace.");
    else if (err && err != FP_ERR_NOENT)
        fail_spool(call, p, err, NULL);
    /* What has no time can't have changed since one. */
    else if (!err && p->has_since && st->has_mtime &&
             st->mtime_ns / 1000000000 > p->since)
        fail_spool(call, p, FP_ERR_PRECOND,
                   "The file was changed after If-Unmodified-Since.");
    else
        finish(call);
}

void fpd_route_fs_put(struct fpd_call *call)
{
    struct put *p = call->state;

    if (!p) {
        fpd_route_fs_mkdir(call);
        return;
    }
    if (!p->must_exist && !p->has_since) {
        finish(call);
        return;
    }
    p->stat.req = (struct fpd_request){ .op = FPD_OP_STAT,
                                        .u.stat = { .path = p->path } };
    fpd_call_ask(call, call->device, &p->stat, after_stat);
}
