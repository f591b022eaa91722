/* SPDX-License-Identifier: MIT
 *
 * The jobs that need no device: verify and prune.
 */
#include "daemon/jobs/job.h"

#include "core/error.h"
#include "daemon/store/store.h"

#include <inttypes.h>

static int progress(void *ctx, uint64_t done, uint64_t total)
{
    struct fpd_job *job = ctx;

    fpd_job_total(job, total);
    fpd_job_progress(job, done);
    return fpd_job_check(job);
}

int fpd_job_run_verify(struct fpd_job *job)
{
    const char *id =
        json_string_value(json_object_get(job->params, "snapshot"));
    struct fpd_store_verify out = { .chunks = 0 };
    uint64_t bad;
    int err;

    fpd_job_phase(job, "reading and hashing", "chunks", 0);
    fpd_job_limit(job, "hash");
    err = fpd_store_verify(fpd_job_store(job), id, progress, job, &out);
    if (err == FP_ERR_NOENT)
        return fpd_job_fail(job, err, "The snapshot was deleted meanwhile.");
    if (err)
        return fpd_job_fail(job, err, "The store could not be read: %s.",
                            fp_strerror(err));
    bad = out.bad + out.missing + out.nodes_bad;
    fpd_job_result(
        job, json_pack("{sI sI sI sI sI}", "chunks", (json_int_t)out.chunks,
                       "bytes", (json_int_t)out.bytes, "bad",
                       (json_int_t)out.bad, "missing", (json_int_t)out.missing,
                       "nodes_bad", (json_int_t)out.nodes_bad));
    if (bad)
        return fpd_job_fail(job, FP_ERR_CORRUPT,
                            "%" PRIu64 " pieces of the store are damaged or "
                            "missing; the next backup of a device that still "
                            "has them fetches them anew.",
                            bad);
    return FP_OK;
}

int fpd_job_sweep(struct fpd_job *job, struct fpd_store_sweep *out)
{
    fpd_job_phase(job, "freeing what nothing names", "chunks", 0);
    return fpd_store_sweep(fpd_job_store(job), progress, job, out);
}

int fpd_job_run_prune(struct fpd_job *job)
{
    json_int_t deleted =
        json_integer_value(json_object_get(job->params, "deleted"));
    struct fpd_store_sweep out = { .chunks = 0 };
    int err = fpd_job_sweep(job, &out);

    if (err == FP_ERR_CORRUPT)
        return fpd_job_fail(job, err,
                            "A part of the store is damaged, so that it can't "
                            "be known what is still needed: nothing was freed. "
                            "Verify the store.");
    if (err)
        return fpd_job_fail(job, err, "The store could not be swept: %s.",
                            fp_strerror(err));
    fpd_job_result(job, json_pack("{sI sI sI}", "deleted", deleted,
                                  "freed_bytes", (json_int_t)out.bytes,
                                  "freed_chunks", (json_int_t)out.chunks));
    return FP_OK;
}
