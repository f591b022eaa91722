/* SPDX-License-Identifier: MIT
 *
 * Every request goes through ask(), which knows what a lost link means: what
 * only reads is asked again when the device is back, as long as it is the same
 * boot of it (its epoch); what writes belongs to an exclusive use that ended
 * with the link, so the restore has to look again at what is there.
 */
#include "daemon/jobs/flash.h"

#include "core/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRIES = 3, /* of a request that timed out or came garbled */
    RETRY_MS = 100,
    BUSY_MS = 30000, /* for a queue that is full */
    POLL_MS = 100,   /* for a device that is away */
    CLEANUP_MS = 10000,
    ASK_SPENT_MS = 2000,
    COUNTERS_MAX = 64, /* more are not looked at */
};

/* What is asked, apart from struct fpd_request, which is used up by a try. */
struct ask {
    enum fpd_op op;
    enum fpd_class klass;
    uint32_t first, count;
    uint8_t *digests, *data, *status;
    uint32_t since;
    struct fpd_chunk_run *runs;
    uint32_t freeze_ms;
    /* results */
    uint32_t runs_count, gen_first, gen;
    bool too_old;
    bool told; /* the error is the device's own word */
    uint8_t nonce[8];
    char detail[97];
};

static void ask_fill(const struct fpd_flash *flash, const struct ask *ask,
                     struct fpd_request *req)
{
    memset(req, 0, sizeof(*req));
    req->op = ask->op;
    req->klass = ask->klass;
    req->u.chunk.storage = flash->storage;
    req->u.chunk.storage_size = flash->info.size;
    req->u.chunk.chunk_size = flash->chunk_size;
    req->u.chunk.first = flash->first + ask->first;
    req->u.chunk.count = ask->count;
    req->u.chunk.digests = ask->digests;
    req->u.chunk.data = ask->data;
    req->u.chunk.status = ask->status;
    req->u.chunk.since = ask->since;
    req->u.chunk.runs = ask->runs;
    req->u.chunk.runs_max = FPD_FLASH_RUNS_MAX;
    req->u.chunk.freeze_ms = ask->freeze_ms;
    memcpy(req->u.chunk.nonce, flash->nonce, sizeof(flash->nonce));
}

static int ask_once(struct fpd_flash *flash, struct ask *ask)
{
    /* What puts the device right again is said by a cancelled job too. */
    bool cleanup = ask->op == FPD_OP_THAW || ask->op == FPD_OP_RESTORE_END;
    struct fpd_request req;
    int err;

    ask_fill(flash, ask, &req);
    if (cleanup)
        req.deadline_ms = fpd_now_ms() + CLEANUP_MS;
    err = fpd_device_run(flash->device, &req,
                         cleanup ? NULL : &flash->job->interrupt);
    snprintf(ask->detail, sizeof(ask->detail), "%s", req.failure.detail);
    ask->told = req.failure.told;
    if (err)
        return err;
    ask->runs_count = req.u.chunk.runs_count;
    ask->too_old = req.u.chunk.too_old;
    ask->gen_first = req.u.chunk.gen_first;
    ask->gen = req.u.chunk.gen;
    memcpy(ask->nonce, req.u.chunk.nonce, sizeof(ask->nonce));
    /* An answer of another boot is about flash that nobody vouches for. */
    return memcmp(req.epoch, flash->epoch, sizeof(flash->epoch)) == 0
               ? FP_OK
               : FP_ERR_STALE;
}

/* The device is there and serves: a copy of what is known of it. */
static bool is_online(struct fpd_flash *flash, struct fpd_device_info *info)
{
    if (!flash->device)
        flash->device =
            fpd_devices_find(fpd_job_devices(flash->job), flash->job->device);
    if (!flash->device)
        return false;
    fpd_device_describe(flash->device, info);
    return fpd_device_state_serves(info->state);
}

static int wait_online(struct fpd_flash *flash, struct fpd_device_info *info)
{
    struct fpd_job *job = flash->job;
    int64_t until = fpd_now_ms() + fpd_job_wait_ms(job);
    bool waited = false;
    int err = FP_OK;

    while (!is_online(flash, info)) {
        if (!waited)
            fpd_job_log(job, "Waiting for the device");
        waited = true;
        fpd_job_waiting(job, true);
        if (fpd_now_ms() > until) {
            err =
                fpd_job_fail(job, FP_ERR_NODEV,
                             "The device stayed away for %" PRIu32 " seconds.",
                             fpd_job_wait_ms(job) / 1000);
            break;
        }
        err = fpd_job_sleep(job, POLL_MS);
        if (err)
            break;
    }
    if (waited && !err)
        fpd_job_log(job, "The device is back");
    fpd_job_waiting(job, false);
    return err;
}

static int came_back(struct fpd_flash *flash)
{
    struct fpd_device_info *info;
    int err;

    info = malloc(sizeof(*info));
    if (!info)
        return fpd_job_fail(flash->job, FP_ERR_NOMEM, "Out of memory.");
    err = wait_online(flash, info);
    if (!err && memcmp(info->epoch, flash->epoch, sizeof(flash->epoch)) != 0)
        err = FP_ERR_STALE;
    free(info);
    return err;
}

static const char *ask_name(enum fpd_op op)
{
    switch (op) {
    case FPD_OP_CHUNK_DIGESTS:
        return "digests of chunks";
    case FPD_OP_CHUNK_CHANGED:
        return "what changed";
    case FPD_OP_CHUNK_READ:
        return "reading chunks";
    case FPD_OP_CHUNK_WRITE:
        return "programming chunks";
    case FPD_OP_FREEZE:
        return "a freeze";
    case FPD_OP_RESTORE_BEGIN:
        return "exclusive use";
    case FPD_OP_RESTORE_END:
        return "the end of exclusive use";
    default:
        return "a request";
    }
}

/* A small firmware is built without some of it, and without its words too. */
static const char *lacks(enum fpd_op op)
{
    return op == FPD_OP_RESTORE_BEGIN
               ? "cannot restore it: it was built without that, or has no "
                 "memory for an erase block"
               : "cannot read it as an image: it was built without snapshots";
}

static int ask_failed(struct fpd_flash *flash, const struct ask *ask, int err)
{
    if (err == FP_ERR_CANCELED || err == FP_ERR_STALE)
        return err;
    if (err == FP_ERR_NOTSUP && !ask->detail[0])
        return fpd_job_fail(flash->job, err,
                            "%s stays as it is: the device's firmware %s.",
                            flash->storage, lacks(ask->op));
    return fpd_job_fail(flash->job, err,
                        "Asked for %s of %s, the device "
                        "answered: %s%s%s.",
                        ask_name(ask->op), flash->storage, fp_strerror(err),
                        ask->detail[0] ? ": " : "", ask->detail);
}

/* What only looks may be asked as often as it takes. */
static int ask(struct fpd_flash *flash, struct ask *ask)
{
    int64_t busy_until = fpd_now_ms() + BUSY_MS;
    int tries = 0;

    for (;;) {
        int err = fpd_job_check(flash->job);

        if (!err)
            err = ask_once(flash, ask);
        if (err == FP_ERR_NODEV && flash->exclusive)
            return FP_ERR_STALE;
        if (err == FP_ERR_NODEV && ask->told)
            return ask_failed(flash, ask, err); /* its card was pulled */
        if (err == FP_ERR_NODEV) {
            err = came_back(flash);
            if (err)
                return err;
            continue;
        }
        if (err == FP_ERR_NFILE && fpd_now_ms() < busy_until)
            err = fpd_job_sleep(flash->job, RETRY_MS);
        else if ((err == FP_ERR_TIMEDOUT || err == FP_ERR_PROTO) &&
                 ++tries < RETRIES)
            err = fpd_job_sleep(flash->job, RETRY_MS);
        else
            return err ? ask_failed(flash, ask, err) : FP_OK;
        if (err)
            return err;
    }
}

/* ---- where the range lies ---- */

static int sane(const struct fpd_storage_info *st, char *why, size_t size)
{
    if ((st->chunk_size != 4096 && st->chunk_size != 65536) ||
        st->block_size == 0 || st->block_count == 0 ||
        st->size != (uint64_t)st->block_size * st->block_count) {
        snprintf(why, size,
                 "The device tells a geometry of %s that cannot be: %" PRIu32
                 " blocks of %" PRIu32 " bytes, chunks of %" PRIu32 ".",
                 st->name, st->block_count, st->block_size, st->chunk_size);
        return FP_ERR_PROTO;
    }
    if (st->size / st->chunk_size >= FPD_FLASH_CHUNKS_MAX) {
        snprintf(why, size,
                 "%s has %" PRIu64 " bytes; images are taken of up to %" PRIu64
                 ".",
                 st->name, st->size,
                 (uint64_t)FPD_FLASH_CHUNKS_MAX * st->chunk_size);
        return FP_ERR_FBIG;
    }
    return FP_OK;
}

static int locate_region(struct fpd_flash *flash, char *why, size_t size)
{
    const struct fpd_storage_info *st = &flash->info;
    uint64_t end;

    for (uint32_t i = 0; i < st->region_count; i++) {
        const struct fpd_region_info *region = &st->regions[i];

        if (strcmp(region->name, flash->region) != 0 ||
            region->flags & FPD_REGION_HIDDEN)
            continue;
        end = region->off + region->size;
        if (region->size == 0 || end < region->off || end > st->size) {
            snprintf(why, size,
                     "The device tells a region %s beyond the end "
                     "of %s.",
                     region->name, st->name);
            return FP_ERR_PROTO;
        }
        if (region->off % st->chunk_size ||
            (end % st->chunk_size && end != st->size)) {
            snprintf(why, size,
                     "Region %s is at %" PRIu64 "+%" PRIu64
                     ", not on the grid of %" PRIu32 "-byte chunks; take "
                     "the whole of %s instead.",
                     region->name, region->off, region->size, st->chunk_size,
                     st->name);
            return FP_ERR_NOTSUP;
        }
        flash->off = region->off;
        flash->size = region->size;
        return FP_OK;
    }
    snprintf(why, size, "%s has no region %s.", st->name, flash->region);
    return FP_ERR_NOENT;
}

static const struct fpd_storage_info *find_storage(
    const struct fpd_device_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->storage_count; i++)
        if (strcmp(info->storages[i].name, name) == 0)
            return &info->storages[i];
    return NULL;
}

/* Is the volume all of the range? Agents that do not tell the region of one are
 * believed by its size. */
static bool is_range(const struct fpd_flash *flash,
                     const struct fpd_volume_info *vol)
{
    if (vol->region[0] || !flash->info.region_count)
        return strcmp(vol->region, flash->region) == 0;
    return vol->size == flash->size;
}

static void find_volume(struct fpd_flash *flash,
                        const struct fpd_device_info *info)
{
    flash->fs[0] = '\0';
    flash->fs_block_size = 0;
    for (uint32_t i = 0; i < info->volume_count; i++) {
        const struct fpd_volume_info *vol = &info->volumes[i];

        if (strcmp(vol->storage, flash->storage) != 0 || !vol->mounted)
            continue;
        if (!is_range(flash, vol))
            continue;
        snprintf(flash->fs, sizeof(flash->fs), "%s", vol->fs);
        flash->fs_block_size = vol->block_size;
        return;
    }
}

int fpd_flash_locate(struct fpd_flash *flash, const char *device,
                     const struct fpd_device_info *info, char *why, size_t size)
{
    const struct fpd_storage_info *st = find_storage(info, flash->storage);
    int err;

    if (!st) {
        snprintf(why, size, "%s has no storage %s.", device, flash->storage);
        return FP_ERR_NOENT;
    }
    if (st->no_medium) {
        snprintf(why, size, "There is no medium in %s of %s.", st->name,
                 device);
        return FP_ERR_NODEV;
    }
    err = sane(st, why, size);
    if (err)
        return err;
    flash->info = *st;
    flash->off = 0;
    flash->size = st->size;
    if (flash->region[0]) {
        err = locate_region(flash, why, size);
        if (err)
            return err;
    }
    flash->chunk_size = st->chunk_size;
    flash->first = (uint32_t)(flash->off / st->chunk_size);
    flash->count =
        (uint32_t)((flash->size + st->chunk_size - 1) / st->chunk_size);
    find_volume(flash, info);
    snprintf(flash->firmware, sizeof(flash->firmware), "%s", info->firmware);
    flash->baud = strcmp(info->link.kind ? info->link.kind : "", "serial") == 0
                      ? info->link.rate
                      : 0;
    memcpy(flash->epoch, info->epoch, sizeof(flash->epoch));
    return FP_OK;
}

static int look(struct fpd_flash *flash)
{
    struct fpd_device_info *info;
    char why[200] = "";
    int err;

    info = malloc(sizeof(*info));
    if (!info)
        return fpd_job_fail(flash->job, FP_ERR_NOMEM, "Out of memory.");
    err = wait_online(flash, info);
    if (!err) {
        err =
            fpd_flash_locate(flash, flash->job->device, info, why, sizeof(why));
        if (err)
            fpd_job_fail(flash->job, err, "%s", why);
    }
    free(info);
    return err;
}

int fpd_flash_open(struct fpd_flash *flash, struct fpd_job *job,
                   const char *storage, const char *region)
{
    memset(flash, 0, sizeof(*flash));
    flash->job = job;
    /* A name that is cut short is one that no device has: the wire carries 16
     * bytes at most. */
    snprintf(flash->storage, sizeof(flash->storage), "%s", storage);
    snprintf(flash->region, sizeof(flash->region), "%s", region ? region : "");
    return look(flash);
}

int fpd_flash_reopen(struct fpd_flash *flash)
{
    uint64_t off = flash->off, size = flash->size;
    uint32_t chunk_size = flash->chunk_size;
    int err;

    flash->exclusive = false;
    err = look(flash);
    if (err)
        return err;
    if (flash->off != off || flash->size != size ||
        flash->chunk_size != chunk_size)
        return fpd_job_fail(flash->job, FP_ERR_INVAL,
                            "The device came back with another geometry of "
                            "%s.",
                            flash->storage);
    return FP_OK;
}

void fpd_flash_close(struct fpd_flash *flash)
{
    if (flash->device)
        fpd_device_unref(flash->device);
    flash->device = NULL;
}

int fpd_flash_fits(const struct fpd_flash *flash, uint64_t image, bool smaller,
                   char *why, size_t size)
{
    if (image == flash->size || (image < flash->size && smaller))
        return FP_OK;
    snprintf(why, size,
             "The image has %" PRIu64 " bytes, %s%s%s has %" PRIu64 ".", image,
             flash->storage, flash->region[0] ? "/" : "", flash->region,
             flash->size);
    return image > flash->size ? FP_ERR_FBIG : FP_ERR_PRECOND;
}

uint32_t fpd_flash_chunk_len(const struct fpd_flash *flash, uint32_t index)
{
    uint64_t off = (uint64_t)index * flash->chunk_size;
    uint64_t left = flash->size - off;

    return left < flash->chunk_size ? (uint32_t)left : flash->chunk_size;
}

uint32_t fpd_flash_slice(const struct fpd_flash *flash)
{
    /* Long enough that the pause between two does not count, short enough
     * that a slow line shows progress each second. */
    return (flash->baud ? FPD_FLASH_SLICE / 4 : FPD_FLASH_SLICE) /
           flash->chunk_size;
}

/* ---- reading ---- */

int fpd_flash_digests(struct fpd_flash *flash, uint32_t first, uint32_t count,
                      uint8_t *digests, uint8_t *status, uint32_t *gen)
{
    struct ask a = { .op = FPD_OP_CHUNK_DIGESTS,
                     .klass = FPD_BACKUP,
                     .first = first,
                     .count = count,
                     .digests = digests,
                     .status = status };
    int err = ask(flash, &a);

    if (err)
        return err;
    for (uint32_t i = 0; i < count; i++)
        if (status[i] > FPD_CHUNK_UNREADABLE)
            return fpd_job_fail(flash->job, FP_ERR_PROTO,
                                "The device tells a state of a chunk that is "
                                "none: %u.",
                                status[i]);
    if (gen)
        *gen = a.gen;
    return FP_OK;
}

/* Marks the part of a run that lies in the range. */
static uint32_t mark_run(const struct fpd_flash *flash,
                         const struct fpd_chunk_run *run, bool *dirty)
{
    uint64_t from = run->first, to = (uint64_t)run->first + run->count;
    uint64_t base = flash->first, end = base + flash->count;
    uint32_t n = 0;

    if (from < base)
        from = base;
    if (to > end)
        to = end;
    for (uint64_t i = from; i < to; i++) {
        n += !dirty[i - base];
        dirty[i - base] = true;
    }
    return n;
}

int fpd_flash_changed(struct fpd_flash *flash, uint32_t since, bool *dirty,
                      uint32_t *n, uint32_t *gen)
{
    struct fpd_chunk_run runs[FPD_FLASH_RUNS_MAX];
    struct ask a = { .op = FPD_OP_CHUNK_CHANGED,
                     .klass = FPD_BACKUP,
                     .since = since,
                     .runs = runs };
    struct fpd_chunk_run all = { flash->first, flash->count };
    int err = ask(flash, &a);

    if (err)
        return err;
    *n = 0;
    *gen = a.gen;
    /* Not even a device that keeps no map has to be read again when nothing
     * was programmed at all. */
    if (a.too_old && a.gen != since) {
        *n = mark_run(flash, &all, dirty);
        return FP_OK;
    }
    if (a.runs_count > FPD_FLASH_RUNS_MAX)
        return fpd_job_fail(flash->job, FP_ERR_PROTO,
                            "The device tells more changes than were asked.");
    for (uint32_t i = 0; !a.too_old && i < a.runs_count; i++)
        *n += mark_run(flash, &runs[i], dirty);
    return FP_OK;
}

int fpd_flash_read(struct fpd_flash *flash, uint32_t first, uint32_t count,
                   uint8_t *data, uint8_t *status)
{
    struct ask a = { .op = FPD_OP_CHUNK_READ,
                     .klass = FPD_BACKUP,
                     .first = first,
                     .count = count,
                     .data = data,
                     .status = status };

    return ask(flash, &a);
}

int fpd_flash_freeze(struct fpd_flash *flash, uint32_t ms)
{
    struct ask a = { .op = FPD_OP_FREEZE,
                     .klass = FPD_BACKUP,
                     .freeze_ms = ms };
    int err = fpd_job_check(flash->job);

    return err ? err : ask_once(flash, &a);
}

void fpd_flash_thaw(struct fpd_flash *flash)
{
    struct ask a = { .op = FPD_OP_THAW, .klass = FPD_BACKUP };

    /* A device that does not hear this thaws by itself. */
    (void)ask_once(flash, &a);
}

/* ---- writing ---- */

int fpd_flash_begin(struct fpd_flash *flash)
{
    struct ask a = { .op = FPD_OP_RESTORE_BEGIN, .klass = FPD_UPLOAD };
    int err = ask(flash, &a);

    if (err)
        return err;
    memcpy(flash->nonce, a.nonce, sizeof(flash->nonce));
    flash->exclusive = true;
    return FP_OK;
}

/* Exclusive use may have ended without the link being seen to be lost, as the
 * device's worker reconnects by itself: then the nonce is void. */
static bool use_ended(int err)
{
    return err == FP_ERR_NODEV || err == FP_ERR_STALE ||
           err == FP_ERR_PRECOND || err == FP_ERR_OUTCOME ||
           err == FP_ERR_ACCES || err == FP_ERR_BUSY;
}

int fpd_flash_write(struct fpd_flash *flash, uint32_t first, uint32_t count,
                    const uint8_t *data)
{
    /* The request does not write through it. */
    struct ask a = { .op = FPD_OP_CHUNK_WRITE,
                     .klass = FPD_UPLOAD,
                     .first = first,
                     .count = count,
                     .data = (uint8_t *)(uintptr_t)data };
    int err = fpd_job_check(flash->job);

    if (err)
        return err;
    err = ask_once(flash, &a);
    if (!err)
        return FP_OK;
    if (use_ended(err)) {
        fpd_job_log(flash->job, "Exclusive use of %s ended: %s", flash->storage,
                    fp_strerror(err));
        return FP_ERR_STALE;
    }
    return ask_failed(flash, &a, err);
}

int fpd_flash_end(struct fpd_flash *flash)
{
    struct ask a = { .op = FPD_OP_RESTORE_END, .klass = FPD_UPLOAD };
    int err;

    if (!flash->exclusive)
        return FP_OK;
    err = ask_once(flash, &a);
    flash->exclusive = false;
    if (use_ended(err))
        return FP_ERR_STALE;
    return err ? ask_failed(flash, &a, err) : FP_OK;
}

/* ---- what holds it back ---- */

/* Ten bits a byte on the line; frames and others take their share. What a link
 * without a rate could carry nobody knows. */
static const char *guess_limit(const struct fpd_flash *flash)
{
    double rate = fpd_job_rate(flash->job);

    if (!flash->baud || rate <= 0)
        return NULL;
    return rate * flash->progress_unit > 0.07 * flash->baud ? "link" : "flash";
}

static void add_counter(const struct fpd_flash *flash,
                        const struct fpd_counter *counter,
                        struct fpd_flash_spent *spent)
{
    const char *name = counter->name;
    size_t size = strlen(name), prefix = strlen(flash->storage);

    if (strcmp(name, "agent.hash_us") == 0)
        spent->hash = counter->value;
    else if (strcmp(name, "agent.wait_us") == 0)
        spent->line = counter->value;
    else if (size > 3 && strcmp(name + size - 3, "_us") == 0 &&
             strncmp(name, flash->storage, prefix) == 0 && name[prefix] == '.')
        spent->flash += counter->value;
}

static bool ask_spent(struct fpd_flash *flash, struct fpd_flash_spent *spent)
{
    struct fpd_counter counters[COUNTERS_MAX];
    struct fpd_request req = { .op = FPD_OP_STATS,
                               .u.stats = { .counters = counters,
                                            .max = COUNTERS_MAX } };

    *spent = (struct fpd_flash_spent){ 0 };
    if (fpd_device_run(flash->device, &req, &flash->job->interrupt))
        return false;
    for (uint32_t i = 0; i < req.u.stats.count; i++)
        add_counter(flash, &counters[i], spent);
    return true;
}

void fpd_flash_tell_limit(struct fpd_flash *flash)
{
    struct fpd_flash_spent now, was = flash->spent;
    int64_t ms = fpd_now_ms();
    bool is_first = flash->asked_ms == 0;

    if (!is_first && ms - flash->asked_ms < ASK_SPENT_MS)
        return;
    flash->asked_ms = ms;
    if (!ask_spent(flash, &now))
        return;
    flash->spent = now;
    /* The first answer says nothing of this job; nor does one of a device that
     * was started since. */
    if (is_first || now.flash < was.flash || now.hash < was.hash ||
        now.line < was.line)
        now = was;
    now.flash -= was.flash;
    now.hash -= was.hash;
    now.line -= was.line;
    if (now.flash == 0 && now.hash == 0 && now.line == 0)
        fpd_job_limit(flash->job, guess_limit(flash));
    else if (now.line >= now.flash && now.line >= now.hash)
        fpd_job_limit(flash->job, "link");
    else
        fpd_job_limit(flash->job, now.flash >= now.hash ? "flash" : "hash");
}
