/* SPDX-License-Identifier: MIT
 *
 * A job as the API shows it. Source: interfaces.md, section 6.
 */
#include "daemon/jobs/engine.h"

#include "core/error.h"
#include "daemon/time.h"

#include <string.h>

static json_t *progress(const struct fpd_store_job *row,
                        const struct fpd_job *live)
{
    json_t *obj = json_pack("{sI sI ss}", "done", (json_int_t)row->done,
                            "total", (json_int_t)row->total, "unit", row->unit);

    if (!obj || !live)
        return obj;
    if (live->rate > 0) {
        json_object_set_new(obj, "rate", json_integer((json_int_t)live->rate));
        if (row->total >= row->done)
            json_object_set_new(
                obj, "eta_s",
                json_integer((json_int_t)((double)(row->total - row->done) /
                                          live->rate)));
    }
    if (live->limit)
        json_object_set_new(obj, "limit", json_string(live->limit));
    return obj;
}

/* Tags go through a job as the text that the store takes; who asks gets what
 * was sent: an array. */
static void show_tags(json_t *params)
{
    const char *text = json_string_value(json_object_get(params, "tags"));
    json_t *tags = text && *text ? json_loads(text, 0, NULL) : NULL;

    if (text)
        json_object_set_new(params, "tags", tags ? tags : json_array());
}

/* What stands in the store is ours; a text that does not parse is left out. */
static void set_text(json_t *obj, const char *key, const char *text)
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;

    if (value)
        json_object_set_new(obj, key, value);
}

static void set_time(json_t *obj, const char *key, int64_t ms)
{
    char text[32];

    fpd_time_format(ms, text);
    if (ms)
        json_object_set_new(obj, key, json_string(text));
}

/* A device's words may be no UTF-8, which JSON cannot carry. */
static json_t *sentence(const char *text)
{
    json_t *s = json_string(text);
    char clean[sizeof(((struct fpd_store_job *)0)->detail)];
    size_t n;

    if (s)
        return s;
    n = strlen(text);
    for (size_t i = 0; i <= n; i++)
        clean[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
    return json_string(clean);
}

json_t *fpd_job_json(const struct fpd_store_job *row,
                     const struct fpd_job *live)
{
    const bool ended = row->ended_ms != 0;
    /* One that has ended is in no phase any more, and has no rate. */
    json_t *obj =
        json_pack("{ss ss ss ss so}", "id", row->id, "kind", row->kind, "state",
                  row->state, "phase", ended ? row->state : row->phase,
                  "progress", progress(row, ended ? NULL : live));

    if (!obj)
        return NULL;
    if (row->device[0])
        json_object_set_new(obj, "device", json_string(row->device));
    set_text(obj, "params", row->request);
    show_tags(json_object_get(obj, "params"));
    set_text(obj, "result", row->result);
    if (row->error && row->ended_ms)
        json_object_set_new(
            obj, "error",
            json_pack("{ss si so}", "code", fp_error_name(row->error), "err",
                      row->error, "detail",
                      sentence(row->detail[0] ? row->detail
                                              : fp_strerror(row->error))));
    set_time(obj, "created", row->created_ms);
    set_time(obj, "started", row->started_ms);
    set_time(obj, "ended", row->ended_ms);
    return obj;
}
