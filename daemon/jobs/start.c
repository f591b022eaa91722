/* SPDX-License-Identifier: MIT
 *
 * How a job begins: what was asked is checked as far as that can be done
 * without asking the device, and put into the store; or, after a restart of
 * the daemon, is found there.
 */
#include "daemon/jobs/engine.h"

#include "core/error.h"
#include "daemon/jobs/flash.h"
#include "daemon/log.h"
#include "daemon/store/devices.h"
#include "daemon/store/snapshot.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PRUNE_MAX  1000u /* snapshots of one request */
#define QUEUE_MAX  1000u /* jobs that have not ended */
#define VERIFY_MAX 100u /* of these: who may only read leaves room for others */
#define UPLOAD_MAX 4u   /* of one device: each keeps its image on the disk */

/* Has the queue no room for one more like this? */
static bool is_full(struct fpd_jobs *jobs, const struct fpd_job *more)
{
    uint32_t all = 0, verifies = 0, uploads = 0;

    pthread_mutex_lock(&jobs->lock);
    for (const struct fpd_job *job = jobs->first; job; job = job->next) {
        all++;
        verifies += job->kind == FPD_JOB_VERIFY;
        uploads += job->spool && strcmp(job->device, more->device) == 0;
    }
    pthread_mutex_unlock(&jobs->lock);
    return all >= QUEUE_MAX ||
           (more->kind == FPD_JOB_VERIFY && verifies >= VERIFY_MAX) ||
           (more->spool && uploads >= UPLOAD_MAX);
}

static int refuse(char *why, size_t size, int err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static int refuse(char *why, size_t size, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return err;
}

int fpd_jobs_submit(struct fpd_jobs *jobs, struct fpd_job *job,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size)
{
    bool stopping;
    int err = FP_OK;

    if (!job)
        return refuse(why, size, FP_ERR_NOMEM, "Out of memory.");
    if (is_full(jobs, job)) {
        fpd_job_free(job);
        return refuse(why, size, FP_ERR_NFILE,
                      "Too many jobs wait already; try again when some have "
                      "ended.");
    }
    if (job->kind == FPD_JOB_BACKUP)
        err = fpd_store_room(jobs->cfg.store);
    if (!err)
        err = fpd_store_job_add(jobs->cfg.store, &job->row);
    if (err == FP_ERR_NOSPC && job->kind == FPD_JOB_PRUNE)
        err = FP_OK; /* it makes the room to be stored in */
    if (err) {
        fpd_job_free(job);
        return refuse(why, size, err,
                      err == FP_ERR_NOSPC ? "The disk of the store is full: %s."
                                          : "The job can't be stored: %s.",
                      fp_strerror(err));
    }
    memcpy(id, job->row.id, FPD_JOB_ID_SIZE);
    pthread_mutex_lock(&jobs->lock);
    stopping = jobs->stopping;
    if (!stopping)
        fpd_jobs_append(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    if (stopping) /* It is in the store: the next daemon does it. */
        fpd_job_free(job);
    else if (jobs->cfg.changed)
        jobs->cfg.changed(jobs->cfg.ctx, id);
    return FP_OK;
}

/* ---- where ---- */

struct place {
    const char *needs; /* the part of a firmware that does it; the caller's */
    bool known;        /* the device told its storages since this daemon runs */
    struct fpd_flash flash;
};

static int find_place(struct fpd_jobs *jobs, struct place *place,
                      const char *device, const char *storage,
                      const char *region, char *why, size_t size)
{
    struct fpd_store_device row;
    struct fpd_device_info *info;
    struct fpd_device *dev;
    int err = FP_OK;

    if (strlen(device) > FPD_ID_MAX || strlen(storage) > 16 ||
        strlen(region) > 16)
        return refuse(why, size, FP_ERR_NOENT, "No device has that name.");
    dev = fpd_devices_find(jobs->cfg.devices, device);
    if (!dev && fpd_store_device_get(jobs->cfg.store, device, &row) == FP_OK)
        return FP_OK;
    if (!dev)
        return refuse(why, size, FP_ERR_NOENT, "There is no device %s.",
                      device);
    info = malloc(sizeof(*info));
    if (!info)
        err = refuse(why, size, FP_ERR_NOMEM, "Out of memory.");
    if (info)
        fpd_device_describe(dev, info);
    /* One that has never been online has not told what it has. */
    if (info && (info->storage_count || fpd_device_state_serves(info->state))) {
        place->known = true;
        snprintf(place->flash.storage, sizeof(place->flash.storage), "%s",
                 storage);
        snprintf(place->flash.region, sizeof(place->flash.region), "%s",
                 region);
        err = fpd_flash_locate(&place->flash, device, info, why, size);
        if (!err && fpd_device_lacks(info, place->needs))
            err = refuse(why, size, FP_ERR_NOTSUP,
                         "The firmware of %s was built without %s.", device,
                         place->needs);
    }
    free(info);
    fpd_device_unref(dev);
    return err;
}

/* ---- backup ---- */

int fpd_jobs_backup(struct fpd_jobs *jobs, const struct fpd_backup_params *p,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size)
{
    const char *region = p->region ? p->region : "";
    struct place place = { .needs = "snapshots" };
    json_t *params;
    int err =
        find_place(jobs, &place, p->device, p->storage, region, why, size);

    if (err)
        return err;
    if (p->tags && strlen(p->tags) >= sizeof(((struct fpd_snapshot *)0)->tags))
        return refuse(why, size, FP_ERR_INVAL,
                      "Tags have at most %zu bytes as JSON.",
                      sizeof(((struct fpd_snapshot *)0)->tags) - 1);
    params = json_pack("{ss}", "storage", p->storage);
    if (params && region[0])
        json_object_set_new(params, "region", json_string(region));
    if (params && p->tags)
        json_object_set_new(params, "tags", json_string(p->tags));
    if (params && p->pinned)
        json_object_set_new(params, "pinned", json_true());
    return fpd_jobs_submit(jobs,
                           fpd_job_new(jobs, FPD_JOB_BACKUP, p->device, params),
                           id, why, size);
}

/* ---- restore ---- */

static int check_snapshot(struct fpd_jobs *jobs,
                          const struct fpd_restore_params *p,
                          struct fpd_snapshot *snap, char *why, size_t size)
{
    int err = fpd_store_snapshot_get(jobs->cfg.store, p->snapshot, snap);

    if (err == FP_ERR_NOENT || err == FP_ERR_INVAL)
        return refuse(why, size, FP_ERR_NOENT, "There is no snapshot %.36s.",
                      p->snapshot);
    if (err)
        return refuse(why, size, err, "The snapshot can't be read: %s.",
                      fp_strerror(err));
    if (!snap->complete && !p->incomplete)
        return refuse(why, size, FP_ERR_PRECOND,
                      "%u chunks of snapshot %s could not be read when it was "
                      "taken; it is restored only if \"incomplete\" is asked.",
                      (unsigned)snap->unreadable, snap->id);
    return FP_OK;
}

static int check_regions(const struct place *place,
                         const struct fpd_restore_params *p, char *why,
                         size_t size)
{
    for (size_t i = 0; place->known && i < p->region_count; i++) {
        bool there = false;

        for (uint32_t r = 0; r < place->flash.info.region_count; r++) {
            const struct fpd_region_info *region =
                &place->flash.info.regions[r];

            there |= !(region->flags & FPD_REGION_HIDDEN) &&
                     strcmp(region->name, p->regions[i]) == 0;
        }
        if (!there)
            return refuse(why, size, FP_ERR_NOENT, "%s has no region %.16s.",
                          p->storage, p->regions[i]);
    }
    return FP_OK;
}

static json_t *restore_params(const struct fpd_restore_params *p,
                              const char *region)
{
    json_t *params = json_pack("{ss}", "storage", p->storage);
    json_t *names = p->region_count ? json_array() : NULL;

    if (!params)
        return NULL;
    if (region[0])
        json_object_set_new(params, "region", json_string(region));
    if (p->region && p->region[0])
        json_object_set_new(params, "named", json_true());
    if (p->snapshot)
        json_object_set_new(params, "snapshot", json_string(p->snapshot));
    else
        json_object_set_new(params, "upload", json_true());
    if (p->incomplete)
        json_object_set_new(params, "incomplete", json_true());
    if (p->smaller)
        json_object_set_new(params, "smaller", json_true());
    for (size_t i = 0; names && i < p->region_count; i++)
        json_array_append_new(names, json_string(p->regions[i]));
    if (names)
        json_object_set_new(params, "regions", names);
    return params;
}

int fpd_jobs_restore(struct fpd_jobs *jobs, const struct fpd_restore_params *p,
                     char id[FPD_JOB_ID_SIZE], char *why, size_t size)
{
    const char *region = p->region ? p->region : "";
    struct fpd_spool_state spool = { .size = 0 };
    struct fpd_snapshot snap = { .size = 0 };
    struct place place = { .needs = "restore" };
    struct fpd_job *job;
    int err;

    if (!p->snapshot == !p->spool)
        return refuse(why, size, FP_ERR_INVAL,
                      "A restore takes a snapshot or an image, one of both.");
    if (p->snapshot) {
        err = check_snapshot(jobs, p, &snap, why, size);
        if (err)
            return err;
        if (!p->region)
            region = snap.region;
    } else {
        fpd_spool_state(p->spool, &spool);
        if (spool.size != FPD_SPOOL_UNKNOWN)
            snap.size = spool.size;
    }
    err = find_place(jobs, &place, p->device, p->storage, region, why, size);
    if (!err && place.known && snap.size)
        err = fpd_flash_fits(&place.flash, snap.size, p->smaller, why, size);
    if (!err)
        err = check_regions(&place, p, why, size);
    if (err)
        return err;
    job = fpd_job_new(jobs, FPD_JOB_RESTORE, p->device,
                      restore_params(p, region));
    if (job && p->spool)
        job->spool = fpd_spool_ref(p->spool);
    return fpd_jobs_submit(jobs, job, id, why, size);
}

/* ---- jobs of the store ---- */

/* The id of one that has not begun, and so will see what another would. */
static bool waits_to_verify(struct fpd_jobs *jobs, const char *snapshot,
                            char id[FPD_JOB_ID_SIZE])
{
    bool found = false;

    pthread_mutex_lock(&jobs->lock);
    for (const struct fpd_job *job = jobs->first; job && !found;
         job = job->next) {
        const char *of =
            json_string_value(json_object_get(job->params, "snapshot"));

        found = job->kind == FPD_JOB_VERIFY && job->state == FPD_JOB_QUEUED &&
                strcmp(of ? of : "", snapshot ? snapshot : "") == 0;
        if (found)
            memcpy(id, job->row.id, FPD_JOB_ID_SIZE);
    }
    pthread_mutex_unlock(&jobs->lock);
    return found;
}

int fpd_jobs_verify(struct fpd_jobs *jobs, const char *snapshot,
                    char id[FPD_JOB_ID_SIZE], char *why, size_t size)
{
    struct fpd_snapshot snap;
    json_t *params;

    if (waits_to_verify(jobs, snapshot, id))
        return FP_OK;
    params = json_object();
    if (snapshot) {
        int err = fpd_store_snapshot_get(jobs->cfg.store, snapshot, &snap);

        if (err) {
            json_decref(params);
            return refuse(why, size, err == FP_ERR_INVAL ? FP_ERR_NOENT : err,
                          "There is no snapshot %.36s.", snapshot);
        }
        json_object_set_new(params, "snapshot", json_string(snapshot));
    }
    return fpd_jobs_submit(jobs, fpd_job_new(jobs, FPD_JOB_VERIFY, "", params),
                           id, why, size);
}

static int check_prune(struct fpd_jobs *jobs, const char *const *snapshots,
                       size_t count, char *why, size_t size)
{
    struct fpd_snapshot snap;

    if (count > PRUNE_MAX)
        return refuse(why, size, FP_ERR_INVAL,
                      "At most %u snapshots are deleted at once.", PRUNE_MAX);
    for (size_t i = 0; i < count; i++) {
        int err = fpd_store_snapshot_get(jobs->cfg.store, snapshots[i], &snap);

        if (err == FP_ERR_NOENT || err == FP_ERR_INVAL)
            return refuse(why, size, FP_ERR_NOENT,
                          "There is no snapshot %.36s.", snapshots[i]);
        if (err)
            return refuse(why, size, err, "The store can't be read: %s.",
                          fp_strerror(err));
        if (snap.pinned)
            return refuse(why, size, FP_ERR_ACCES,
                          "Snapshot %s is pinned; unpin it first.", snap.id);
    }
    return FP_OK;
}

int fpd_jobs_prune(struct fpd_jobs *jobs, const char *const *snapshots,
                   size_t count, char id[FPD_JOB_ID_SIZE], char *why,
                   size_t size)
{
    size_t deleted = 0;
    json_t *params;
    int err = check_prune(jobs, snapshots, count, why, size);

    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        err = fpd_store_snapshot_delete(jobs->cfg.store, snapshots[i]);
        /* Named twice, or somebody else was faster: it is gone. */
        if (err && err != FP_ERR_NOENT)
            return refuse(why, size, err, "Snapshot %.36s stays: %s.",
                          snapshots[i], fp_strerror(err));
        deleted += !err;
    }
    params = json_pack("{sI}", "deleted", (json_int_t)deleted);
    return fpd_jobs_submit(jobs, fpd_job_new(jobs, FPD_JOB_PRUNE, "", params),
                           id, why, size);
}

/* ---- after a restart ---- */

static void give_up(struct fpd_jobs *jobs, struct fpd_store_job *row,
                    const char *detail)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    snprintf(row->state, sizeof(row->state), "failed");
    snprintf(row->detail, sizeof(row->detail), "%s", detail);
    row->error = FP_ERR_CANCELED;
    row->ended_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
    (void)fpd_store_job_log(jobs->cfg.store, row->id, detail);
    (void)fpd_store_job_update(jobs->cfg.store, row);
}

static void resume_one(struct fpd_jobs *jobs, struct fpd_store_job *row)
{
    int kind = fpd_job_kind_parse(row->kind);
    json_t *params = row->request ? json_loads(row->request, 0, NULL) : NULL;
    struct fpd_job *job = NULL;
    char detail[257];

    if (strcmp(row->state, "cancelling") == 0) {
        snprintf(detail, sizeof(detail),
                 "Cancelled; the daemon ended meanwhile. %s",
                 kind == FPD_JOB_RESTORE ? fpd_restore_left(row->phase) : "");
        json_decref(params);
        give_up(jobs, row, detail);
        return;
    }
    if (json_is_true(json_object_get(params, "upload"))) {
        snprintf(detail, sizeof(detail),
                 "The daemon ended, and the uploaded image with it. %s",
                 fpd_restore_left(row->phase));
        json_decref(params);
        give_up(jobs, row, detail);
        return;
    }
    if (kind >= 0 && params)
        job = fpd_job_new(jobs, (enum fpd_job_kind)kind, row->device, params);
    else
        json_decref(params);
    if (!job) {
        give_up(jobs, row,
                "The daemon ended; this job can't be taken up "
                "again.");
        return;
    }
    memcpy(job->row.id, row->id, sizeof(row->id));
    job->row.created_ms = row->created_ms;
    job->row.started_ms = row->started_ms;
    memcpy(job->row.phase, row->phase, sizeof(row->phase));
    fpd_job_log(job, "Taken up again");
    pthread_mutex_lock(&jobs->lock);
    fpd_jobs_append(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    (void)fpd_job_keep(job);
}

int fpd_jobs_resume(struct fpd_jobs *jobs)
{
    enum {
        PAGE = 64
    };
    struct fpd_store_job *rows = calloc(PAGE, sizeof(*rows));
    char after[FPD_JOB_ID_SIZE] = "";
    size_t count = PAGE;
    int err = FP_OK;

    if (!rows)
        return FP_ERR_NOMEM;
    while (!err && count == PAGE) {
        err = fpd_store_job_unfinished(jobs->cfg.store, after[0] ? after : NULL,
                                       rows, PAGE, &count);
        for (size_t i = 0; !err && i < count; i++) {
            memcpy(after, rows[i].id, sizeof(after));
            resume_one(jobs, &rows[i]);
            fpd_store_job_deinit(&rows[i]);
        }
    }
    free(rows);
    return err;
}
