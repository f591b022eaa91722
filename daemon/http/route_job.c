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
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

void fpd_reply_job(struct fpd_call *call, const char *id)
{
    json_t *doc = fpd_jobs_get(call->http->cfg.jobs, id);
    char location[80];

    snprintf(location, sizeof location, "/api/v1/jobs/%s", id);
    fpd_reply_json(call, 202, doc ? doc : json_pack("{s:s}", "id", id));
    fpd_reply_header(call, "Location", location);
}

bool fpd_route_job_visible(const struct fpd_call *call, json_t *job)
{
    const char *device = json_string_value(json_object_get(job, "device"));
    json_t *params = json_object_get(job, "params");
    const char *id = json_string_value(json_object_get(params, "snapshot"));
    struct fpd_snapshot s;

    if (!call->devices)
        return true;
    if (device)
        return fpd_call_covers(call, device);
    /* A job of the store is nobody's, unless it is about one snapshot. */
    return id &&
           fpd_store_snapshot_get(call->http->cfg.store, id, &s) == FP_OK &&
           fpd_call_covers(call, s.device);
}

/* The job of the URL, if the caller may see it; NULL after having answered. */
static json_t *find_job(struct fpd_call *call)
{
    json_t *doc = fpd_jobs_get(call->http->cfg.jobs, call->param[0]);

    if (doc && fpd_route_job_visible(call, doc))
        return doc;
    json_decref(doc);
    fpd_problem(call, FP_ERR_NOENT, "There is no job \"%.64s\".",
                call->param[0]);
    return NULL;
}

void fpd_route_job(struct fpd_call *call)
{
    json_t *doc = find_job(call);

    if (doc)
        fpd_reply_json(call, 200, doc);
}

static void drop_invisible(struct fpd_call *call, json_t *jobs)
{
    for (size_t i = json_array_size(jobs); i > 0; i--)
        if (!fpd_route_job_visible(call, json_array_get(jobs, i - 1)))
            json_array_remove(jobs, i - 1);
}

void fpd_route_jobs(struct fpd_call *call)
{
    char device[65], id[65], cursor[40], text[16];
    const char *of = NULL;
    uint64_t limit = LIMIT_DEFAULT;
    json_t *jobs, *doc;
    bool more;

    if (fpd_url_query(&call->url, "limit", text, sizeof text) &&
        (!fpd_u64_parse(text, LIMIT_MAX, &limit) || limit == 0)) {
        fpd_problem(call, FP_ERR_INVAL, "?limit is 1 to %d.", LIMIT_MAX);
        return;
    }
    if (fpd_url_query(&call->url, "device", device, sizeof device))
        of = fpd_call_resolve(call, device, id) == FP_OK ? id : device;
    if (call->response)
        return;
    more =
        fpd_url_query(&call->url, "cursor", cursor, sizeof cursor) && cursor[0];
    jobs = fpd_jobs_list(call->http->cfg.jobs, of, more ? cursor : NULL, limit);
    if (!jobs) {
        fpd_problem(call, FP_OK, "The store does not list its jobs.");
        return;
    }
    doc = json_object();
    if (json_array_size(jobs) == limit)
        json_object_set(doc, "next",
                        json_object_get(json_array_get(jobs, limit - 1), "id"));
    drop_invisible(call, jobs);
    json_object_set_new(doc, "jobs", jobs);
    fpd_reply_json(call, 200, doc);
}

void fpd_route_job_log(struct fpd_call *call)
{
    json_t *job = find_job(call), *log;
    uint64_t after = 0;
    char text[16];

    if (!job)
        return;
    json_decref(job);
    if (fpd_url_query(&call->url, "after", text, sizeof text) &&
        !fpd_u64_parse(text, UINT32_MAX, &after)) {
        fpd_problem(call, FP_ERR_INVAL, "?after is a number of an entry.");
        return;
    }
    log = fpd_jobs_log(call->http->cfg.jobs, call->param[0], (uint32_t)after);
    fpd_reply_json(call, 200,
                   json_pack("{s:o}", "log", log ? log : json_array()));
}

void fpd_route_job_cancel(struct fpd_call *call)
{
    json_t *job = find_job(call);
    int err;

    if (!job)
        return;
    json_decref(job);
    err = fpd_jobs_cancel(call->http->cfg.jobs, call->param[0]);
    if (err == FP_ERR_STALE)
        fpd_problem(call, err, "The job has ended already.");
    else if (err)
        fpd_problem(call, err, NULL);
    else
        fpd_reply_job(call, call->param[0]);
}

void fpd_route_store_verify(struct fpd_call *call)
{
    char id[FPD_JOB_ID_SIZE], why[300] = "";
    int err = fpd_jobs_verify(call->http->cfg.jobs, NULL, id, why, sizeof why);

    if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}

void fpd_route_store_prune(struct fpd_call *call)
{
    char id[FPD_JOB_ID_SIZE], why[300] = "";
    int err =
        fpd_jobs_prune(call->http->cfg.jobs, NULL, 0, id, why, sizeof why);

    if (err)
        fpd_problem(call, err, why[0] ? "%s" : NULL, why);
    else
        fpd_reply_job(call, id);
}
