/* SPDX-License-Identifier: MIT
 *
 * A storage of a device: what it is, its image as it is now, and an image into
 * it.
 *
 * GET of an image reads in pieces, the next being fetched while one is sent. A
 * storage that is written meanwhile would give an image of no moment: where
 * the generation moved, or a chunk can't be read, the connection breaks off
 * before its end. A snapshot waits such things out and is what to take.
 */
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

#define PIECE        (64u * 1024u)
#define COUNTERS_MAX 256

/* The storage of the URL; false after having answered. */
static bool find_storage(struct fpd_call *call, struct fpd_storage_info *out)
{
    struct fpd_device_info *info = malloc(sizeof *info);
    bool found = false;

    if (!info) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return false;
    }
    fpd_device_describe(call->device, info);
    for (uint32_t i = 0; i < info->storage_count && !found; i++) {
        found = strcmp(info->storages[i].name, call->param[1]) == 0;
        if (found)
            *out = info->storages[i];
    }
    free(info);
    if (!found) {
        fpd_problem_hint(call, "GET of the device lists its storages.");
        fpd_problem(call, FP_ERR_NOENT, "%s has no storage \"%.40s\".",
                    call->param[0], call->param[1]);
    }
    return found;
}

/* ---- what it is ---- */

struct about {
    struct fpd_ask ask;
    struct fpd_storage_info storage;
    struct fpd_counter counters[COUNTERS_MAX];
};

static void about_gone(struct fpd_call *call)
{
    fpd_ask_cancel(call->device, &((struct about *)call->state)->ask);
}

static void after_stats(struct fpd_call *call)
{
    struct about *a = call->state;
    json_t *doc = fpd_json_storage(&a->storage), *use = json_object();
    size_t len = strlen(a->storage.name);

    for (uint32_t i = 0; !a->ask.req.err && i < a->ask.req.u.stats.count; i++) {
        char name[sizeof a->counters[i].name * 3 + 1];
        const char *raw = a->counters[i].name;

        if (strncmp(raw, a->storage.name, len) != 0 || raw[len] != '.')
            continue;
        fpd_utf8_lossy(raw + len + 1, strlen(raw + len + 1), name);
        json_object_set_new(use, name, fpd_json_u64(a->counters[i].value));
    }
    json_object_set_new(doc, "use", use);
    fpd_reply_json(call, 200, doc);
}

void fpd_route_storage(struct fpd_call *call)
{
    struct about *a = calloc(1, sizeof *a);

    if (!a) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = a;
    call->state_free = free;
    call->on_gone = about_gone;
    if (!find_storage(call, &a->storage))
        return;
    a->ask.req = (struct fpd_request){ .op = FPD_OP_STATS,
                                       .u.stats = { .counters = a->counters,
                                                    .max = COUNTERS_MAX } };
    fpd_call_ask(call, call->device, &a->ask, after_stats);
}

/* ---- an image out ---- */

struct piece {
    struct fpd_ask ask;
    uint64_t off; /* in the storage */
    uint32_t len;
    uint8_t *data, *status;
};

struct image {
    struct fpd_storage_info storage;
    struct piece piece[2]; /* one is sent while the other is fetched */
    int front;
    uint64_t at, end; /* what is still to be sent */
    uint64_t ahead;   /* fetched or being fetched up to here */
    uint32_t chunks;  /* a piece */
    uint32_t gen;
    bool has_gen, ranged;
    uint8_t epoch[8];
    uint64_t off, len;
};

static void image_free(void *state)
{
    struct image *im = state;

    for (int i = 0; i < 2; i++) {
        free(im->piece[i].data);
        free(im->piece[i].status);
    }
    free(im);
}

static void image_gone(struct fpd_call *call)
{
    struct image *im = call->state;

    fpd_ask_cancel(call->device, &im->piece[0].ask);
    fpd_ask_cancel(call->device, &im->piece[1].ask);
}

/* Fetches what comes after `ahead` into `p`. */
static void fetch(struct fpd_call *call, struct image *im, struct piece *p)
{
    uint32_t chunk = im->storage.chunk_size;
    uint64_t first = im->ahead / chunk, left;
    uint32_t count = im->chunks;

    p->len = 0;
    if (im->ahead >= im->end)
        return;
    p->off = first * chunk;
    left = im->storage.size - p->off;
    if ((uint64_t)count * chunk > left)
        count = (uint32_t)((left + chunk - 1) / chunk);
    p->len = (uint64_t)count * chunk > left ? (uint32_t)left : count * chunk;
    p->ask.req = (struct fpd_request){
        .op = FPD_OP_CHUNK_READ,
        .klass = FPD_BACKUP,
        .u.chunk = { .storage = im->storage.name,
                     .storage_size = im->storage.size,
                     .chunk_size = chunk,
                     .first = (uint32_t)first,
                     .count = count,
                     .data = p->data,
                     .status = p->status },
    };
    im->ahead = p->off + p->len;
    fpd_ask_submit(call, call->device, &p->ask);
}

/* Is what came all there, and of the moment that the image is of? */
static int judge(struct image *im, const struct piece *p)
{
    const struct fpd_request *req = &p->ask.req;

    if (req->err)
        return req->err;
    for (uint32_t i = 0; i < req->u.chunk.count; i++)
        if (p->status[i] == FPD_CHUNK_UNREADABLE)
            return FP_ERR_CORRUPT;
    if (!im->has_gen) {
        im->has_gen = true;
        im->gen = req->u.chunk.gen_first;
        memcpy(im->epoch, req->epoch, sizeof im->epoch);
    }
    return im->gen == req->u.chunk.gen_first && im->gen == req->u.chunk.gen &&
                   memcmp(im->epoch, req->epoch, sizeof im->epoch) == 0
               ? FP_OK
               : FP_ERR_STALE;
}

static ssize_t read_image(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct fpd_call *call = cls;
    struct image *im = call->state;
    struct piece *p = &im->piece[im->front];
    uint64_t n;

    (void)pos;
    if (im->at == im->end)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (fpd_call_over(call) || !p->len)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (!fpd_ask_done(&p->ask)) {
        if (!fpd_call_wait(call, &p->ask))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (fpd_ask_done(&p->ask))
            fpd_call_wake(call, &p->ask);
        return 0;
    }
    if (judge(im, p) != FP_OK)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = p->off + p->len - im->at;
    if (n > im->end - im->at)
        n = im->end - im->at;
    if (n > max)
        n = max;
    memcpy(buf, p->data + (im->at - p->off), n);
    im->at += n;
    if (im->at == p->off + p->len) {
        im->front ^= 1;
        fetch(call, im, p);
    }
    return (ssize_t)n;
}

static void after_first(struct fpd_call *call)
{
    struct image *im = call->state;
    struct piece *p = &im->piece[0];
    char text[80];
    int err = judge(im, p);

    if (err == FP_ERR_CORRUPT)
        fpd_problem(call, err,
                    "The device can't read a part of this range of its "
                    "flash; a snapshot records which.");
    else if (err == FP_ERR_STALE)
        fpd_problem(call, err,
                    "The storage is being written; a snapshot waits for a "
                    "quiet moment.");
    else if (err)
        fpd_problem_failure(call, call->param[0], NULL, err,
                            &p->ask.req.failure);
    if (err)
        return;
    fetch(call, im, &im->piece[1]);
    fpd_reply_stream(call, im->ranged ? 206 : 200, "application/octet-stream",
                     im->len, read_image);
    fpd_reply_header(call, "Accept-Ranges", "bytes");
    fpd_reply_header(call, "Cache-Control", "private, no-cache");
    for (int i = 0; i < 8; i++)
        sprintf(text + 1 + 2 * i, "%02x", im->epoch[i]);
    text[0] = '"';
    sprintf(text + 17, "-%u\"", (unsigned)im->gen);
    fpd_reply_header(call, "ETag", text);
    if (im->ranged)
        fpd_reply_content_range(call, im->off, im->len, im->storage.size);
}

static bool image_alloc(struct image *im)
{
    uint32_t chunk = im->storage.chunk_size;

    im->chunks = chunk < PIECE ? PIECE / chunk : 1;
    for (int i = 0; i < 2; i++) {
        im->piece[i].data = malloc((size_t)im->chunks * chunk);
        im->piece[i].status = malloc(im->chunks);
        if (!im->piece[i].data || !im->piece[i].status)
            return false;
    }
    return true;
}

/* The range asked for; false after having answered. With If-Range all is sent:
 * whether the flash is still what the client has a part of is known only when
 * its first chunk is there. HEAD tells of the whole. */
static bool image_range(struct fpd_call *call, struct image *im)
{
    bool all = call->head || fpd_call_header(call, "If-Range");

    im->off = 0;
    im->len = im->storage.size;
    switch (fpd_range_parse(all ? NULL : fpd_call_header(call, "Range"),
                            im->storage.size, &im->off, &im->len)) {
    case FPD_RANGE_NEVER:
        fpd_reply_range_never(call, "The storage", im->storage.size);
        return false;
    case FPD_RANGE_OK:
        im->ranged = true;
        break;
    default:
        break;
    }
    im->at = im->ahead = im->off;
    im->end = im->off + im->len;
    return true;
}

void fpd_route_image_get(struct fpd_call *call)
{
    struct image *im = calloc(1, sizeof *im);
    struct piece *p;

    if (!im) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = im;
    call->state_free = image_free;
    call->on_gone = image_gone;
    if (!find_storage(call, &im->storage) || !image_range(call, im))
        return;
    if (im->storage.chunk_size == 0 || im->storage.chunk_size > PIECE ||
        im->storage.size == 0 || !image_alloc(im)) {
        fpd_problem(call, FP_ERR_NOTSUP,
                    "The device tells no chunks of this storage.");
        return;
    }
    if (call->head) {
        fpd_reply_stream(call, 200, "application/octet-stream", im->len,
                         read_image);
        fpd_reply_header(call, "Accept-Ranges", "bytes");
        return;
    }
    p = &im->piece[0];
    call->next = after_first;
    if (!fpd_call_wait(call, &p->ask)) {
        fpd_reply_stopping(call);
        return;
    }
    fetch(call, im, p);
}

/* ---- an image in ---- */

struct upload {
    struct fpd_storage_info storage;
    struct fpd_spool *spool;
    int err;
};

static void upload_free(void *state)
{
    struct upload *up = state;

    fpd_spool_unref(up->spool);
    free(up);
}

static void upload_gone(struct fpd_call *call)
{
    struct upload *up = call->state;

    fpd_spool_fail(up->spool, FP_ERR_CANCELED);
}

void fpd_route_image_put_begin(struct fpd_call *call)
{
    struct upload *up = calloc(1, sizeof *up);
    int err;

    if (!up) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = up;
    call->state_free = upload_free;
    if (!find_storage(call, &up->storage))
        return;
    if (call->content_size == FPD_SIZE_UNKNOWN || call->content_size == 0) {
        fpd_refuse(call, 411, "length-wanted", "Content-Length wanted",
                   "An image is sent with its length.");
        return;
    }
    if (call->content_size != up->storage.size) {
        fpd_problem(call,
                    call->content_size > up->storage.size ? FP_ERR_FBIG
                                                          : FP_ERR_INVAL,
                    "The image has %llu bytes and the storage %llu.",
                    (unsigned long long)call->content_size,
                    (unsigned long long)up->storage.size);
        return;
    }
    err = fpd_spool_new(call->http->cfg.data, call->content_size, &up->spool);
    if (err) {
        fpd_problem(call, err, "The upload can't be buffered.");
        return;
    }
    /* The restore begins when all is here: nothing waits for a reader. */
    fpd_spool_consumed(up->spool, UINT64_MAX);
    call->on_gone = upload_gone;
}

void fpd_route_image_put_data(struct fpd_call *call, const char *data,
                              size_t size)
{
    struct upload *up = call->state;

    if (!up->err)
        up->err = fpd_spool_write(up->spool, data, size);
}

void fpd_route_image_put(struct fpd_call *call)
{
    struct upload *up = call->state;
    struct fpd_restore_params params = { .device = call->param[0],
                                         .storage = call->param[1],
                                         .spool = up->spool };
    char id[FPD_JOB_ID_SIZE], why[300] = "";

    if (!up->err)
        up->err = fpd_spool_end(up->spool);
    if (!up->err)
        up->err = fpd_jobs_restore(call->http->cfg.jobs, &params, id, why,
                                   sizeof why);
    if (up->err)
        fpd_problem(call, up->err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}
