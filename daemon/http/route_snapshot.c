/* SPDX-License-Identifier: MIT */
#include "core/error.h"
#include "daemon/http/cond.h"
#include "daemon/http/json.h"
#include "daemon/http/reply.h"
#include "daemon/http/route.h"
#include "daemon/http/server.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/devices.h"
#include "daemon/store/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

/* The snapshot of the URL, of a device that the caller may see; false after
 * having answered. */
static bool find(struct fpd_call *call, struct fpd_snapshot *out)
{
    int err =
        fpd_store_snapshot_get(call->http->cfg.store, call->param[0], out);

    if (!err && fpd_call_covers(call, out->device))
        return true;
    if (err && err != FP_ERR_NOENT && err != FP_ERR_INVAL)
        fpd_problem(call, err, NULL);
    else
        fpd_problem(call, FP_ERR_NOENT, "There is no snapshot \"%.64s\".",
                    call->param[0]);
    return false;
}

void fpd_route_snapshot(struct fpd_call *call)
{
    struct fpd_snapshot s;

    if (find(call, &s))
        fpd_reply_json(call, 200, fpd_json_snapshot(&s));
}

/* ---- list ---- */

static const char *query(struct fpd_call *call, const char *name, char *buf,
                         size_t size)
{
    return fpd_url_query(&call->url, name, buf, size) && buf[0] ? buf : NULL;
}

/* A label to its id; what is no label stays. May have answered. */
static const char *resolve(struct fpd_call *call, const char *name, char id[65])
{
    return name && fpd_call_resolve(call, name, id) == FP_OK ? id : name;
}

static void reply_list(struct fpd_call *call, const struct fpd_snapshot *list,
                       size_t count, uint64_t limit)
{
    json_t *array = json_array(), *doc = json_object();

    for (size_t i = 0; i < count; i++)
        if (fpd_call_covers(call, list[i].device))
            json_array_append_new(array, fpd_json_snapshot(&list[i]));
    json_object_set_new(doc, "snapshots", array);
    if (count == limit)
        json_object_set_new(doc, "next", json_string(list[count - 1].id));
    fpd_reply_json(call, 200, doc);
}

void fpd_route_snapshots(struct fpd_call *call)
{
    char device[65], id[65], storage[32], cursor[64], text[16];
    struct fpd_snapshot_filter filter = {
        .device = query(call, "device", device, sizeof device),
        .storage = query(call, "storage", storage, sizeof storage),
        .before = query(call, "cursor", cursor, sizeof cursor),
    };
    uint64_t limit = LIMIT_DEFAULT;
    struct fpd_snapshot *list;
    size_t count = 0;
    int err = FP_ERR_NOMEM;

    if (query(call, "limit", text, sizeof text) &&
        (!fpd_u64_parse(text, LIMIT_MAX, &limit) || limit == 0)) {
        fpd_problem(call, FP_ERR_INVAL, "?limit is 1 to %d.", LIMIT_MAX);
        return;
    }
    filter.device = resolve(call, filter.device, id);
    if (call->response)
        return;
    list = calloc(limit, sizeof *list);
    if (list)
        err = fpd_store_snapshot_list(call->http->cfg.store, &filter, list,
                                      limit, &count);
    if (!err)
        reply_list(call, list, count, limit);
    else if (err == FP_ERR_INVAL)
        fpd_problem(call, err, "?cursor is \"next\" of an answer before.");
    else
        fpd_problem(call, err, NULL);
    free(list);
}

/* ---- take ---- */

static const char *text_of(json_t *body, const char *key)
{
    return json_string_value(json_object_get(body, key));
}

static bool has_device(struct fpd_call *call, const char *device,
                       const char *storage)
{
    if (device && storage && fpd_call_covers(call, device))
        return true;
    if (!device || !storage)
        fpd_problem(call, FP_ERR_INVAL, "%s missing, or no string: %s.",
                    device    ? "\"storage\" is"
                    : storage ? "\"device\" is"
                              : "\"device\" and \"storage\" are",
                    device    ? "the storage's name, such as \"flash0\""
                    : storage ? "the device's id or label"
                              : "the device's id or label, and its storage's "
                                "name");
    else
        fpd_refuse(call, 404, "unknown-device", "Unknown device",
                   "No device has the id or label \"%.64s\".", device);
    return false;
}

static void start_backup(struct fpd_call *call, json_t *body)
{
    char device[65], tags[1024] = "", id[FPD_JOB_ID_SIZE], why[300] = "";
    json_t *given = json_object_get(body, "tags");
    struct fpd_backup_params params = {
        .device = resolve(call, text_of(body, "device"), device),
        .storage = text_of(body, "storage"),
        .region = text_of(body, "region"),
        .pinned = json_is_true(json_object_get(body, "pinned")),
        .tags = tags,
    };
    int err;

    if (call->response || !has_device(call, params.device, params.storage))
        return;
    if (given && !fpd_json_parse_tags(given, tags, sizeof tags)) {
        fpd_problem(call, FP_ERR_INVAL, FPD_JSON_TAGS_WANTED);
        return;
    }
    err = fpd_jobs_backup(call->http->cfg.jobs, &params, id, why, sizeof why);
    if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}

void fpd_route_snapshot_take(struct fpd_call *call)
{
    json_t *body = fpd_call_json(call, false);

    if (body)
        start_backup(call, body);
    json_decref(body);
}

/* ---- mark, delete ---- */

/* FP_OK, or an error that has been answered. */
static int set_one(struct fpd_call *call, const char *key, json_t *value)
{
    struct fpd_store *store = call->http->cfg.store;
    const char *id = call->param[0];
    char tags[1024];
    int err = FP_ERR_INVAL;

    if (strcmp(key, "pinned") == 0) {
        if (json_is_boolean(value))
            err = fpd_store_snapshot_pin(store, id, json_is_true(value));
        else
            fpd_problem(call, err, "\"pinned\" is true or false.");
    } else if (strcmp(key, "tags") == 0) {
        if (fpd_json_parse_tags(value, tags, sizeof tags))
            err = fpd_store_snapshot_tag(store, id, tags);
        else
            fpd_problem(call, err, FPD_JSON_TAGS_WANTED);
    } else {
        fpd_problem(call, err,
                    "\"%.40s\" can't be set; \"pinned\" and \"tags\" can.",
                    key);
    }
    if (err && !call->response)
        fpd_problem(call, err, NULL);
    return err;
}

void fpd_route_snapshot_patch(struct fpd_call *call)
{
    json_t *body, *value;
    struct fpd_snapshot s;
    const char *key;
    int err = FP_OK;

    if (!find(call, &s))
        return;
    body = fpd_call_json(call, false);
    json_object_foreach(body, key, value)
    {
        err = set_one(call, key, value);
        if (err)
            break;
    }
    if (body && !err)
        fpd_route_snapshot(call);
    json_decref(body);
}

void fpd_route_snapshot_delete(struct fpd_call *call)
{
    const char *ids[1] = { call->param[0] };
    char id[FPD_JOB_ID_SIZE], why[300] = "";
    struct fpd_snapshot s;
    int err;

    if (!find(call, &s))
        return;
    if (s.pinned) {
        fpd_problem_type(call, "snapshot-pinned");
        fpd_problem_hint(call, "PATCH it with {\"pinned\":false} first.");
        fpd_problem(call, FP_ERR_ACCES, "The snapshot is pinned.");
        return;
    }
    /* It is gone when this returns; the job gives the space back. */
    err = fpd_jobs_prune(call->http->cfg.jobs, ids, 1, id, why, sizeof why);
    if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_empty(call, 204);
}

void fpd_route_snapshot_verify(struct fpd_call *call)
{
    char id[FPD_JOB_ID_SIZE], why[300] = "";
    struct fpd_snapshot s;
    int err;

    if (!find(call, &s))
        return;
    err = fpd_jobs_verify(call->http->cfg.jobs, s.id, id, why, sizeof why);
    if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}

/* ---- restore ---- */

#define REGIONS_MAX 16

/* A name that is left out in silence would be flash that stays as it is. */
static bool take_regions(json_t *list, const char *out[REGIONS_MAX],
                         size_t *count)
{
    json_t *region;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > REGIONS_MAX)
        return false;
    json_array_foreach(list, i, region)
    {
        if (!json_is_string(region))
            return false;
        out[(*count)++] = json_string_value(region);
    }
    return true;
}

static void start_restore(struct fpd_call *call, json_t *body,
                          const struct fpd_snapshot *s)
{
    char device[65], id[FPD_JOB_ID_SIZE], why[300] = "";
    const char *regions[REGIONS_MAX];
    json_t *list = json_object_get(body, "regions");
    struct fpd_restore_params params = {
        .device = resolve(call, text_of(body, "device"), device),
        .storage = text_of(body, "storage"),
        .region = text_of(body, "region"),
        .snapshot = s->id,
        .incomplete = json_is_true(json_object_get(body, "incomplete")),
        .smaller = json_is_true(json_object_get(body, "smaller")),
        .regions = regions,
    };
    int err;

    if (!params.device)
        params.device = s->device;
    if (!params.storage)
        params.storage = s->storage;
    if (call->response || !has_device(call, params.device, params.storage))
        return;
    if (list && !take_regions(list, regions, &params.region_count)) {
        fpd_problem(call, FP_ERR_INVAL,
                    "\"regions\" is an array of up to %d names.", REGIONS_MAX);
        return;
    }
    err = fpd_jobs_restore(call->http->cfg.jobs, &params, id, why, sizeof why);
    if (err == FP_ERR_PRECOND && (s->complete || params.incomplete)) {
        fpd_problem_hint(call, "\"smaller\": true writes it at the start, and "
                               "leaves what lies behind it as it is.");
        fpd_refuse(call, 409, "size-differs", "Another size", "%s", why);
    } else if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}

void fpd_route_snapshot_restore(struct fpd_call *call)
{
    struct fpd_snapshot s;
    json_t *body;

    if (!find(call, &s))
        return;
    body = fpd_call_json(call, true);
    if (body)
        start_restore(call, body, &s);
    json_decref(body);
}

/* ---- the image ---- */

struct image {
    struct fpd_snapshot_reader *reader;
    uint64_t off, len;
    bool ranged, zeros;
};

static void image_free(void *state)
{
    struct image *im = state;

    fpd_store_snapshot_close(im->reader);
    free(im);
}

/* A chunk that the device could not read, as zeros: only if it was asked for
 * (?unreadable=zeros). */
static int read_gap(struct image *im, uint64_t off, char *buf, size_t *size,
                    uint32_t bad)
{
    uint32_t chunk = fpd_store_snapshot_info(im->reader)->chunk_size;
    struct fpd_snapshot_entry entry;
    uint64_t start = (uint64_t)bad * chunk, end = start + chunk;
    int err = fpd_store_snapshot_entries(im->reader, bad, 1, &entry);

    if (err || entry.kind != FPD_KIND_UNREADABLE || !im->zeros)
        return FP_ERR_CORRUPT;
    if (start > off) { /* what comes before it first */
        *size = (size_t)(start - off);
        return fpd_store_snapshot_read(im->reader, off, buf, *size, NULL);
    }
    if (end - off < *size)
        *size = (size_t)(end - off);
    memset(buf, 0, *size);
    return FP_OK;
}

static ssize_t read_image(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct fpd_call *call = cls;
    struct image *im = call->state;
    uint64_t off = im->off + pos;
    uint32_t bad = 0;
    int err;

    if (pos >= im->len)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (max > im->len - pos)
        max = (size_t)(im->len - pos);
    err = fpd_store_snapshot_read(im->reader, off, buf, max, &bad);
    if (err == FP_ERR_CORRUPT)
        err = read_gap(im, off, buf, &max, bad);
    return err ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)max;
}

static bool image_range(struct fpd_call *call, struct image *im,
                        const char *etag)
{
    const struct fpd_snapshot *s = fpd_store_snapshot_info(im->reader);
    const char *if_range = fpd_call_header(call, "If-Range");

    im->len = s->size;
    if (if_range && strcmp(if_range, etag) != 0)
        return true;
    switch (fpd_range_parse(fpd_call_header(call, "Range"), s->size, &im->off,
                            &im->len)) {
    case FPD_RANGE_NEVER:
        fpd_reply_range_never(call, "The image", s->size);
        return false;
    case FPD_RANGE_OK:
        im->ranged = true;
        return true;
    default:
        return true;
    }
}

static void reply_image(struct fpd_call *call, struct image *im,
                        const char *etag)
{
    const struct fpd_snapshot *s = fpd_store_snapshot_info(im->reader);
    char text[200];

    fpd_reply_stream(call, im->ranged ? 206 : 200, "application/octet-stream",
                     im->len, read_image);
    fpd_reply_header(call, "ETag", etag);
    fpd_reply_header(call, "Accept-Ranges", "bytes");
    fpd_reply_header(call, "Cache-Control", "private, no-cache");
    snprintf(text, sizeof text, "attachment; filename=\"%s-%s-%.8s.img\"",
             s->device, s->storage, s->id + 28);
    fpd_reply_header(call, "Content-Disposition", text);
    if (im->ranged)
        fpd_reply_content_range(call, im->off, im->len, s->size);
}

void fpd_route_snapshot_image(struct fpd_call *call)
{
    const char *none = fpd_call_header(call, "If-None-Match");
    struct image *im;
    struct fpd_snapshot s;
    char etag[48], how[16] = "";
    int err;

    if (!find(call, &s))
        return;
    snprintf(etag, sizeof etag, "\"%s\"", s.id);
    if (none && fpd_etags_have(none, etag, true)) {
        fpd_reply_empty(call, 304);
        fpd_reply_header(call, "ETag", etag);
        return;
    }
    fpd_url_query(&call->url, "unreadable", how, sizeof how);
    if (!s.complete && strcmp(how, "zeros") != 0) {
        fpd_problem_hint(call, "?unreadable=zeros gives zeros for these.");
        fpd_refuse(call, 409, "incomplete", "Incomplete snapshot",
                   "The device could not read %u chunks of it.", s.unreadable);
        return;
    }
    im = calloc(1, sizeof *im);
    if (!im) {
        fpd_problem(call, FP_ERR_NOMEM, "The daemon is out of memory.");
        return;
    }
    call->state = im;
    call->state_free = image_free;
    im->zeros = !s.complete;
    err = fpd_store_snapshot_open(call->http->cfg.store, s.id, &im->reader);
    if (err)
        fpd_problem(call, err, NULL);
    else if (image_range(call, im, etag))
        reply_image(call, im, etag);
}
