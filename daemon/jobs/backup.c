/* SPDX-License-Identifier: MIT
 *
 * A backup: an image of flash that other code may be writing to meanwhile, of
 * which only the chunks cross the link that the store has from nobody.
 *
 *   digests of all chunks ──► the store says which it lacks ──► fetch these
 *        │
 *        ▼ gen: the storage's write generation from before the first digest
 *   what changed since gen? ── nothing ──► commit, "generation"
 *        │ these
 *        ▼
 *   digests, fetch; gen is that of the answer; at most ROUNDS times
 *        │
 *        ▼
 *   freeze for FREEZE_MS, and once more: what changed, digests, fetch, and
 *   nothing changed since ──► commit, "frozen"
 *
 * What is committed was the flash at the moment of the last answer: a chunk
 * was either copied after it changed last, or it is in that answer. That holds
 * whether the freeze lasted or not, because it is the answer that decides.
 *
 * Where the generation can't be trusted (a firmware that writes past the block
 * device), all digests are asked twice until both times are equal:
 * "double-read". That is weaker, and the snapshot says so.
 *
 * A chunk whose content does not have the digest that was told a moment ago
 * either changed, and the rounds will see it, or reads differently each time,
 * which is what worn-out flash does: it is asked again, then recorded as
 * unreadable.
 */
#include "daemon/jobs/flash.h"

#include "core/error.h"
#include "daemon/store/builder.h"
#include "daemon/store/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 256,     /* digests a request */
    ROUNDS = 5,      /* of copying what changed, before freezing */
    FREEZES = 5,     /* tries */
    FREEZE_MS = 500, /* the most an application has to bear */
    READINGS = 5,    /* of untrusted flash */
    REREADS = 2,     /* of a chunk that is not what was told */
    RESTARTS = 10,   /* of a device that restarts */
    SAVE_MS = 5000,  /* between writing what came to disk */
};

struct backup {
    struct fpd_job *job;
    struct fpd_flash flash;
    struct fpd_store_builder *builder;
    bool *dirty;      /* a chunk each: changed since it was copied */
    uint8_t *told;    /* untrusted flash: the digests of the reading before */
    uint64_t fetched; /* chunks */
    int64_t saved_ms; /* when chunks went to disk last */
    bool sweeps;      /* through all chunks, which is what progress counts */
    enum fpd_consistency consistency;
    uint32_t gen;
    uint8_t digests[BATCH * FPD_DIGEST_SIZE];
    uint8_t status[BATCH];
    bool wanted[BATCH];
    uint8_t data[FPD_FLASH_SLICE];
};

static int store_failed(struct backup *b, int err)
{
    return fpd_job_fail(b->job, err,
                        err == FP_ERR_NOSPC
                            ? "The disk of the store is full: %s."
                            : "The store did not take the image: %s.",
                        fp_strerror(err));
}

/* ---- settling chunks ---- */

static bool same_digest(const struct backup *b, uint32_t i, uint32_t k)
{
    return memcmp(b->digests + (size_t)i * FPD_DIGEST_SIZE,
                  b->digests + (size_t)k * FPD_DIGEST_SIZE,
                  FPD_DIGEST_SIZE) == 0;
}

static enum fpd_chunk_kind kind_of(uint8_t status)
{
    switch (status) {
    case FPD_CHUNK_OK:
        return FPD_KIND_CHUNK;
    case FPD_CHUNK_FILL:
        return FPD_KIND_FILL;
    default:
        return FPD_KIND_UNREADABLE;
    }
}

/* Asks the digests of up to BATCH chunks and tells the builder. Returns how
 * many it wants, marked in wanted[]. */
static int offer(struct backup *b, uint32_t first, uint32_t count,
                 uint8_t *digests, uint8_t *status, bool *wanted)
{
    uint8_t kinds[BATCH];
    int err = fpd_flash_digests(&b->flash, first, count, digests, status, NULL);

    if (err)
        return err;
    for (uint32_t i = 0; i < count; i++)
        kinds[i] = (uint8_t)kind_of(status[i]);
    err = fpd_store_builder_offer(b->builder, first, count, digests, kinds,
                                  wanted);
    return err < 0 ? store_failed(b, err) : err;
}

static int unreadable(struct backup *b, uint32_t index)
{
    int err = fpd_store_builder_unreadable(b->builder, index);

    return err ? store_failed(b, err) : FP_OK;
}

/* One chunk that was not what was told. */
static int reread(struct backup *b, uint32_t index)
{
    uint8_t digest[FPD_DIGEST_SIZE], status, *data;
    bool wanted;
    int err = FP_OK;

    data = malloc(b->flash.chunk_size);
    if (!data)
        return fpd_job_fail(b->job, FP_ERR_NOMEM, "Out of memory.");
    for (int i = 0; i < REREADS; i++) {
        err = offer(b, index, 1, digest, &status, &wanted);
        if (err <= 0)
            goto out;
        err = fpd_flash_read(&b->flash, index, 1, data, &status);
        if (err)
            goto out;
        if (status == FPD_CHUNK_UNREADABLE)
            break;
        err = fpd_store_builder_put(b->builder, index, data,
                                    fpd_flash_chunk_len(&b->flash, index));
        if (err && err != FP_ERR_DIGEST)
            err = store_failed(b, err);
        if (err != FP_ERR_DIGEST)
            goto out;
    }
    fpd_job_log(b->job,
                "Chunk %" PRIu32 " reads differently each time, or not at all",
                index);
    err = unreadable(b, index);
out:
    free(data);
    return err;
}

/* Chunk first + i of the batch has come. */
static int put(struct backup *b, uint32_t first, uint32_t i,
               const uint8_t *data, uint8_t status)
{
    uint32_t len = fpd_flash_chunk_len(&b->flash, first + i);
    int err;

    b->wanted[i] = false;
    if (status == FPD_CHUNK_UNREADABLE)
        return unreadable(b, first + i);
    err = fpd_store_builder_put(b->builder, first + i, data, len);
    if (err == FP_ERR_DIGEST)
        return reread(b, first + i);
    b->fetched += !err;
    /* Others of the batch that have the same content need not travel. */
    for (uint32_t k = i + 1; !err && k < BATCH; k++) {
        if (!b->wanted[k] || !same_digest(b, i, k) ||
            fpd_flash_chunk_len(&b->flash, first + k) != len)
            continue;
        err = fpd_store_builder_put(b->builder, first + k, data, len);
        b->wanted[k] = false;
    }
    return err ? store_failed(b, err) : FP_OK;
}

static void tell_swept(struct backup *b, uint32_t chunks)
{
    uint64_t done = (uint64_t)chunks * b->flash.chunk_size;

    fpd_job_progress(b->job, done < b->flash.size ? done : b->flash.size);
}

/* One slice of the link: chunks i to i + count of the batch. */
static int fetch(struct backup *b, uint32_t first, uint32_t i, uint32_t count)
{
    uint8_t status[FPD_FLASH_SLICE / 4096];
    int err = fpd_flash_read(&b->flash, first + i, count, b->data, status);

    for (uint32_t k = 0; !err && k < count; k++)
        if (b->wanted[i + k])
            err = put(b, first, i + k,
                      b->data + (size_t)k * b->flash.chunk_size, status[k]);
    fpd_flash_tell_limit(&b->flash);
    if (!err && b->sweeps)
        tell_swept(b, first + i + count);
    return err;
}

/* Will the content of chunk i come with an earlier one of the batch? */
static bool repeats(const struct backup *b, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (b->wanted[k] && same_digest(b, i, k))
            return true;
    return false;
}

/* Runs of wanted chunks, a slice each. A run may leave repeats behind whose
 * first one changed meanwhile: the next turn finds them to be first ones. */
static int fetch_wanted(struct backup *b, uint32_t first, uint32_t count)
{
    uint32_t slice = fpd_flash_slice(&b->flash), n, left;
    int err = FP_OK;

    do {
        left = 0;
        for (uint32_t i = 0; !err && i < count; i += n ? n : 1) {
            for (n = 0; i + n < count && n < slice && b->wanted[i + n] &&
                        !repeats(b, i + n);)
                n++;
            if (n)
                err = fetch(b, first, i, n);
            else
                left += b->wanted[i];
        }
    } while (!err && left);
    return err;
}

static bool keeps_telling(const struct backup *b)
{
    return b->told != NULL;
}

/* What took seconds to fetch should not be lost with the daemon. */
static int save(struct backup *b)
{
    int64_t now = fpd_now_ms();
    int err;

    if (now - b->saved_ms < SAVE_MS)
        return FP_OK;
    b->saved_ms = now;
    err = fpd_store_builder_flush(b->builder);
    return err ? store_failed(b, err) : FP_OK;
}

/* Settles [first, first + count), at most BATCH. *moved, if given: some digest
 * is another than at the reading before. */
static int settle(struct backup *b, uint32_t first, uint32_t count, bool *moved)
{
    size_t size = (size_t)count * FPD_DIGEST_SIZE;
    uint8_t *told =
        keeps_telling(b) ? b->told + (size_t)first * FPD_DIGEST_SIZE : NULL;
    int want;

    memset(b->wanted, 0, sizeof(b->wanted));
    fpd_job_limit(b->job, "hash");
    want = offer(b, first, count, b->digests, b->status, b->wanted);
    if (want < 0)
        return want;
    if (moved && told && memcmp(told, b->digests, size) != 0)
        *moved = true;
    if (told)
        memcpy(told, b->digests, size);
    if (!want)
        return FP_OK;
    want = fetch_wanted(b, first, count);
    return want ? want : save(b);
}

/* ---- rounds ---- */

static int copy_all(struct backup *b, const char *phase, bool *moved)
{
    uint32_t count = b->flash.count;
    int err = FP_OK;

    fpd_job_phase(b->job, phase, "bytes", b->flash.size);
    b->flash.progress_unit = 1;
    b->sweeps = true;
    for (uint32_t i = 0; !err && i < count; i += BATCH) {
        uint32_t n = count - i < BATCH ? count - i : BATCH;

        err = settle(b, i, n, moved);
        tell_swept(b, i + n);
    }
    b->sweeps = false;
    return err;
}

static int copy_dirty(struct backup *b)
{
    uint32_t count = b->flash.count, done = 0, n;
    int err = FP_OK;

    for (uint32_t i = 0; !err && i < count; i += n ? n : 1) {
        for (n = 0; n < BATCH && i + n < count && b->dirty[i + n];)
            n++;
        if (!n)
            continue;
        err = settle(b, i, n, NULL);
        if (!err)
            memset(b->dirty + i, 0, n * sizeof(*b->dirty));
        done += n;
        fpd_job_progress(b->job, done);
    }
    return err;
}

/* The generation before anything is looked at: the question alone, as a device
 * tells exactly only what changed since it was asked last. */
static int first_gen(struct backup *b)
{
    uint32_t n;
    int err = fpd_flash_changed(&b->flash, UINT32_MAX, b->dirty, &n, &b->gen);

    memset(b->dirty, 0, b->flash.count * sizeof(*b->dirty));
    return err;
}

/* *n chunks changed since b->gen, which moves to the answer's. */
static int ask_changed(struct backup *b, uint32_t *n)
{
    return fpd_flash_changed(&b->flash, b->gen, b->dirty, n, &b->gen);
}

static int frozen_round(struct backup *b, uint32_t *n)
{
    int err = fpd_flash_freeze(&b->flash, FREEZE_MS);

    if (err == FP_ERR_NODEV || err == FP_ERR_TIMEDOUT || err == FP_ERR_BUSY ||
        err == FP_ERR_NFILE) {
        /* A busy or lost device is asked again by the next try. */
        *n = 1;
        return fpd_job_sleep(b->job, 100);
    }
    if (err == FP_ERR_NOTSUP)
        return fpd_job_fail(b->job, FP_ERR_BUSY,
                            "The application keeps writing to %s, and the "
                            "device can't hold its writes.",
                            b->flash.storage);
    if (err)
        return err == FP_ERR_STALE || err == FP_ERR_CANCELED
                   ? err
                   : fpd_job_fail(b->job, err,
                                  "The device did not hold its writes: %s.",
                                  fp_strerror(err));
    err = ask_changed(b, n);
    if (!err)
        err = copy_dirty(b);
    if (!err)
        err = ask_changed(b, n);
    fpd_flash_thaw(&b->flash);
    return err;
}

static int copy_trusted(struct backup *b)
{
    uint32_t n = 0;
    int err = first_gen(b);

    if (!err)
        err = copy_all(b, "comparing and copying", NULL);
    b->consistency = FPD_CONSISTENCY_GENERATION;
    for (int round = 0; !err && round <= ROUNDS; round++) {
        err = ask_changed(b, &n);
        if (err || n == 0)
            return err;
        if (round == ROUNDS)
            break;
        fpd_job_log(b->job, "%" PRIu32 " chunks changed meanwhile", n);
        fpd_job_phase(b->job, "copying what changed", "chunks", n);
        err = copy_dirty(b);
    }
    b->consistency = FPD_CONSISTENCY_FROZEN;
    for (int i = 0; !err && i < FREEZES; i++) {
        fpd_job_phase(b->job, "copying under a freeze", "chunks", n);
        err = copy_dirty(b); /* All but the last moment's, unfrozen. */
        if (!err)
            err = frozen_round(b, &n);
        if (err || n == 0)
            return err;
    }
    return err ? err
               : fpd_job_fail(b->job, FP_ERR_BUSY,
                              "The application changes %s faster than it can "
                              "be copied, even while its writes are held for "
                              "%d ms; no snapshot was made.",
                              b->flash.storage, FREEZE_MS);
}

static int copy_untrusted(struct backup *b)
{
    int err = copy_all(b, "comparing and copying", NULL);

    b->consistency = FPD_CONSISTENCY_DOUBLE_READ;
    for (int i = 0; !err && i < READINGS; i++) {
        bool moved = false;

        err = copy_all(b, "reading again", &moved);
        if (err || !moved)
            return err;
    }
    return err ? err
               : fpd_job_fail(b->job, FP_ERR_BUSY,
                              "%s was different at each of %d readings; no "
                              "snapshot was made.",
                              b->flash.storage, READINGS + 1);
}

/* ---- the whole ---- */

static const char *param(const struct fpd_job *job, const char *name)
{
    return json_string_value(json_object_get(job->params, name));
}

static int prepare(struct backup *b)
{
    const struct fpd_store_builder_config cfg = {
        .device = b->job->device,
        .storage = b->flash.storage,
        .region = b->flash.region[0] ? b->flash.region : NULL,
        .off = b->flash.off,
        .size = b->flash.size,
        .chunk_size = b->flash.chunk_size,
    };
    int err;

    free(b->dirty);
    free(b->told);
    fpd_store_builder_free(b->builder);
    b->builder = NULL;
    b->told = NULL;
    b->dirty = calloc(b->flash.count, sizeof(*b->dirty));
    if (!b->flash.info.gen_trusted)
        b->told = calloc(b->flash.count, FPD_DIGEST_SIZE);
    if (!b->dirty || (!b->told && !b->flash.info.gen_trusted))
        return fpd_job_fail(b->job, FP_ERR_NOMEM, "Out of memory.");
    err = fpd_store_builder_new(fpd_job_store(b->job), &cfg, &b->builder);
    return err ? store_failed(b, err) : FP_OK;
}

static int copy(struct backup *b)
{
    int err;

    for (int i = 0; i < RESTARTS; i++) {
        err = prepare(b);
        if (!err)
            err = keeps_telling(b) ? copy_untrusted(b) : copy_trusted(b);
        if (err != FP_ERR_STALE)
            return err;
        fpd_job_log(b->job, "The device started anew: from the digests again");
        err = fpd_flash_reopen(&b->flash);
        if (err)
            return err;
    }
    return fpd_job_fail(b->job, FP_ERR_NODEV,
                        "The device restarted %d times during the backup; no "
                        "snapshot was made.",
                        RESTARTS);
}

static int commit(struct backup *b)
{
    struct fpd_store_builder_end end = {
        .consistency = b->consistency,
        .gen = b->gen,
        .fs = b->flash.fs[0] ? b->flash.fs : NULL,
        .firmware = b->flash.firmware[0] ? b->flash.firmware : NULL,
        .tags = param(b->job, "tags"),
        .pinned = json_is_true(json_object_get(b->job->params, "pinned")),
    };
    struct fpd_snapshot snap;
    int err = fpd_job_check(b->job);

    if (err)
        return err;
    memcpy(end.epoch, b->flash.epoch, sizeof(end.epoch));
    fpd_job_phase(b->job, "storing", "chunks", b->flash.count);
    err = fpd_store_builder_commit(b->builder, &end, &snap);
    if (err)
        return store_failed(b, err);
    fpd_job_result(b->job, json_pack("{ss sI sb sI ss sI}", "snapshot", snap.id,
                                     "new_bytes", (json_int_t)snap.new_bytes,
                                     "complete", snap.complete, "unreadable",
                                     (json_int_t)snap.unreadable, "consistency",
                                     fpd_consistency_name(snap.consistency),
                                     "fetched", (json_int_t)b->fetched));
    if (!snap.complete)
        fpd_job_log(b->job,
                    "%" PRIu32 " chunks could not be read; the snapshot is "
                    "incomplete",
                    snap.unreadable);
    return FP_OK;
}

/* What was copied to a disk that is full would only keep it full; after any
 * other failure it spares the next backup the way over the link. */
static void give_back(struct fpd_job *job)
{
    struct fpd_store_sweep out;
    int err;

    do
        err = fpd_job_sweep(job, &out);
    while (err == FP_ERR_BUSY && fpd_job_sleep(job, 1000) == FP_OK);
    if (err)
        fpd_job_log(job, "What was copied was not freed: %s", fp_strerror(err));
}

int fpd_job_run_backup(struct fpd_job *job)
{
    struct backup *b = calloc(1, sizeof(*b));
    const char *storage = param(job, "storage");
    int err;

    if (!b || !storage) {
        free(b);
        return fpd_job_fail(job, FP_ERR_INVAL, "The job names no storage.");
    }
    b->job = job;
    fpd_job_phase(job, "finding the device", "bytes", 0);
    err = fpd_flash_open(&b->flash, job, storage, param(job, "region"));
    if (!err)
        err = copy(b);
    if (!err)
        err = commit(b);
    else if (b->builder && err != FP_ERR_NOSPC)
        (void)fpd_store_builder_flush(b->builder);
    fpd_store_builder_free(b->builder);
    if (err == FP_ERR_NOSPC)
        give_back(job);
    fpd_flash_close(&b->flash);
    free(b->dirty);
    free(b->told);
    free(b);
    return err;
}
