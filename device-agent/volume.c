/* SPDX-License-Identifier: MIT
 *
 * Volumes: mounting, telling of them, formatting and checking.
 *
 * A volume that is not mounted stays in the list and says why. A damaged or
 * empty one is never formatted unless somebody asks for just that.
 */
#include "core/bytes.h"
#include "device-agent/private.h"

#include <string.h>

/* ---- mounting ---- */

static const struct fp_fs_ops *find_driver(const struct fp_agent *agent,
                                           const char *name)
{
    const struct fp_fs_ops *const *driver = agent->cfg->vfs->drivers;

    while (*driver != NULL && name != NULL &&
           strcmp((*driver)->name, name) != 0)
        driver++;
    return *driver;
}

static const struct fp_agent_region *find_region(
    const struct fp_agent_storage *storage, const char *name)
{
    for (uint32_t i = 0; i < storage->region_count; i++)
        if (strcmp(storage->regions[i].name, name) == 0)
            return &storage->regions[i];
    return NULL;
}

/* The device under a volume: the storage, or a slice of it. */
static int device_of(struct fp_agent *agent, struct fp_agent_volume *volume,
                     struct fp_bdev **dev)
{
    const struct fp_agent_region *region;

    volume->on = NULL;
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++)
        if (strcmp(agent->cfg->storages[i].name, volume->storage) == 0)
            volume->on = &agent->cfg->storages[i];
    if (volume->on == NULL)
        return FP_ERR_NODEV;
    *dev = volume->on->dev;
    if (volume->region == NULL)
        return FP_OK;
    region = find_region(volume->on, volume->region);
    if (region == NULL)
        return FP_ERR_NODEV;
    *dev = &volume->slice.bdev;
    return fp_bdev_slice_init(&volume->slice, volume->on->dev,
                              (fp_addr)region->off, (fp_addr)region->size);
}

static int do_mount(struct fp_agent *agent, struct fp_agent_volume *volume)
{
    const struct fp_fs_ops *ops = NULL;
    struct fp_bdev *dev;
    int err = device_of(agent, volume, &dev);

    if (err)
        return err;
    if (volume->on->restoring)
        return FP_ERR_BUSY;
    if (volume->fs != NULL) {
        ops = find_driver(agent, volume->fs);
        if (ops == NULL)
            return FP_ERR_NOTSUP;
    }
    /* What is written first lands elsewhere after each start: for wear. */
    volume->cfg.seed += fp_get_le32(agent->epoch);
    return fp_vfs_mount(agent->cfg->vfs, &volume->vm, volume->path, ops, dev,
                        &volume->cfg, volume->ws, volume->ws_size);
}

/* With a driver named, an empty storage looks to it like a damaged volume: ask
 * the probes whether there is anything at all. */
static int explain(struct fp_agent *agent, struct fp_agent_volume *volume,
                   int err)
{
    struct fp_fs_config found = volume->cfg;
    const struct fp_fs_ops *ops;
    struct fp_bdev *dev;

    if (err != FP_ERR_CORRUPT || device_of(agent, volume, &dev) != FP_OK)
        return err;
    if (fp_fs_probe(agent->cfg->vfs->drivers, dev, &ops, &found) ==
        FP_ERR_NOENT)
        return FP_ERR_NOENT;
    return err;
}

int fp_agent_volume_mount(struct fp_agent *agent,
                          struct fp_agent_volume *volume)
{
    int err;

    if (volume->mounted)
        return FP_ERR_EXIST;
    err = explain(agent, volume, do_mount(agent, volume));
    volume->mounted = err == FP_OK;
    volume->mount_err = err;
    agent->volumes_changed |= volume->mounted;
    return err;
}

bool fp_agent_volume_in_use(struct fp_agent *agent,
                            const struct fp_agent_volume *volume,
                            const struct fp_agent_task *but)
{
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].volume == volume &&
            (agent->uploads[i].stream != 0 || agent->uploads[i].committing))
            return true;
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        if (agent->tasks[i].id != 0 && &agent->tasks[i] != but &&
            agent->tasks[i].volume == volume && !agent->tasks[i].err)
            return true;
    return false;
}

static void close_own(struct fp_agent *agent,
                      const struct fp_agent_volume *volume)
{
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++) {
        struct fp_agent_task *task = &agent->tasks[i];
        bool holds = task->id != 0 && task->job != NULL &&
                     task->volume == volume && task->job->end != NULL;

        if (holds)
            fp_agent_task_fail(agent, task, FP_ERR_STALE,
                               "its volume was unmounted meanwhile");
    }
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].volume == volume)
            fp_agent_upload_free(&agent->uploads[i]);
}

int fp_agent_volume_unmount(struct fp_agent *agent,
                            struct fp_agent_volume *volume)
{
    int err;

    if (!volume->mounted)
        return FP_OK;
    close_own(agent, volume);
    err = fp_vfs_unmount(agent->cfg->vfs, &volume->vm);
    if (volume->vm.mnt.mounted)
        return err;
    volume->mounted = false;
    volume->mount_err = FP_OK;
    agent->volumes_changed = true;
    return err;
}

static const char *why_unmounted(const struct fp_agent_volume *volume)
{
    switch (volume->mount_err) {
    case FP_OK:
        return "unmounted on request";
    case FP_ERR_NODEV:
        return "there is no such storage or region: ";
    case FP_ERR_NOMEM:
        return "it needs more memory than this device gives it";
    case FP_ERR_CORRUPT:
        return "the filesystem is damaged, check or format it: ";
    case FP_ERR_NOTSUP:
        return "no driver here can mount it: ";
    default:
        return fp_strerror(volume->mount_err);
    }
}

void fp_agent_volume_reason(const struct fp_agent_volume *volume, char *dst,
                            size_t size)
{
    const char *why;

    dst[0] = '\0';
    if (volume->mounted) {
        if (volume->on->dev->flags & FP_BDEV_RDONLY)
            fp_agent_append(dst, size, "its storage is write-protected");
        else if (fp_agent_is_rdonly(volume))
            fp_agent_append(dst, size, "mounted read-only");
        return;
    }
    if (volume->on != NULL && volume->on->restoring) {
        fp_agent_append(dst, size, "its storage ");
        fp_agent_append(dst, size, volume->storage);
        fp_agent_append(dst, size, " is being restored");
        return;
    }
    if (volume->mount_err == FP_ERR_NOENT) {
        fp_agent_append(dst, size, "no filesystem found on ");
        fp_agent_append(dst, size,
                        volume->region ? volume->region : volume->storage);
        fp_agent_append(dst, size, ": format it to use it");
        return;
    }
    why = why_unmounted(volume);
    fp_agent_append(dst, size, why);
    if (why[strlen(why) - 1] == ' ')
        fp_agent_append(dst, size,
                        volume->region ? volume->region : volume->storage);
}

/* ---- Volumes: one message each ---- */

static int volumes_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    (void)agent;
    (void)task;
    (void)in;
    return FP_OK;
}

static void tell_mounted(struct fp_agent_volume *volume, fp_VolumeReply *reply)
{
    const struct fp_fs_ops *ops = volume->vm.mnt.ops;
    struct fp_statfs st = { 0 };
    int err = fp_fs_statfs(&volume->vm.mnt, &st);

    FP_AGENT_TEXT(reply->fs, ops->name);
    reply->promise = (uint32_t)ops->promise;
    if (err) {
        FP_AGENT_TEXT(reply->reason, fp_strerror(err));
        return;
    }
    FP_AGENT_TEXT(reply->version, st.version);
    reply->caps = st.caps;
    reply->writable = !fp_agent_is_rdonly(volume) && st.caps & FP_CAP_WRITE;
    if (!reply->writable && reply->reason.size == 0)
        FP_AGENT_TEXT(reply->reason, "its driver here only reads");
    reply->size = st.size;
    reply->free = st.free;
    reply->block_size = st.block_size;
    reply->name_max = st.name_max;
    reply->file_max = st.file_max;
}

static void tell_volume(struct fp_agent_volume *volume, fp_VolumeReply *reply)
{
    char reason[97];

    reply->present = true;
    reply->mounted = volume->mounted;
    FP_AGENT_TEXT(reply->path, volume->path);
    FP_AGENT_TEXT(reply->storage, volume->storage);
    reply->fs_gen = fp_agent_gen(volume->on);
    fp_agent_volume_reason(volume, reason, sizeof reason);
    FP_AGENT_TEXT(reply->reason, reason);
    if (volume->mounted)
        tell_mounted(volume, reply);
}

static int volumes_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_volume_reply_tag);
    fp_VolumeReply *reply = &out->body.volume_reply;
    int err;

    if (task->index < agent->cfg->volume_count)
        tell_volume(&agent->cfg->volumes[task->index], reply);
    reply->last = ++task->index >= agent->cfg->volume_count;
    err = fp_agent_send(agent);
    if (err)
        return err;
    return reply->last ? FP_AGENT_DONE : FP_AGENT_MORE;
}

const struct fp_agent_job fp_agent_job_volumes = {
    .start = volumes_start,
    .step = volumes_step,
};

/* ---- Mount, Unmount ---- */

static int mount_start(struct fp_agent *agent, struct fp_agent_task *task,
                       const fp_Envelope *in)
{
    const fp_MountRequest *mount = &in->body.mount;

    return fp_agent_find_volume(agent, task, mount->volume.bytes,
                                mount->volume.size);
}

static int mount_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    int err;

    if (task->volume->mounted)
        return fp_agent_done(agent, task); /* as wanted */
    if (task->storage != NULL && task->storage->restoring)
        return FP_ERR_BUSY;
    err = fp_agent_volume_mount(agent, task->volume);
    return err ? err : fp_agent_done(agent, task);
}

const struct fp_agent_job fp_agent_job_mount = {
    .start = mount_start,
    .step = mount_step,
    .writes = true,
};

static int unmount_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    const fp_UnmountRequest *unmount = &in->body.unmount;

    return fp_agent_find_volume(agent, task, unmount->volume.bytes,
                                unmount->volume.size);
}

static int unmount_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    int err;

    if (fp_agent_volume_in_use(agent, task->volume, task))
        return fp_agent_because(task, FP_ERR_BUSY,
                                "a transfer is under way on the volume");
    err = fp_agent_volume_unmount(agent, task->volume);
    if (err == FP_ERR_BUSY)
        return fp_agent_because(task, FP_ERR_BUSY,
                                "the application has files open on it");
    return err ? err : fp_agent_done(agent, task);
}

const struct fp_agent_job fp_agent_job_unmount = {
    .start = unmount_start,
    .step = unmount_step,
    .writes = true,
};

/* ---- Format ---- */

int fp_agent_format(struct fp_agent *agent, struct fp_agent_volume *volume,
                    const char *fs)
{
    const struct fp_fs_ops *ops =
        find_driver(agent, fs != NULL ? fs : volume->fs);
    struct fp_bdev *dev;
    int err;

    if (ops == NULL)
        return FP_ERR_NOTSUP;
    err = device_of(agent, volume, &dev);
    if (err)
        return err;
    if (volume->on->restoring)
        return FP_ERR_BUSY;
    if (volume->cfg.flags & FP_MOUNT_RDONLY)
        return FP_ERR_ROFS;
    err = fp_agent_volume_unmount(agent, volume);
    if (volume->mounted)
        return err;
    err = fp_fs_format(ops, dev, &volume->cfg, volume->ws, volume->ws_size);
    if (err)
        return err;
    return fp_agent_volume_mount(agent, volume);
}

static int format_start(struct fp_agent *agent, struct fp_agent_task *task,
                        const fp_Envelope *in)
{
    const fp_FormatRequest *format = &in->body.format;
    int err = fp_agent_find_volume(agent, task, format->volume.bytes,
                                   format->volume.size);

    if (err)
        return err;
    if (!fp_agent_nonce_is(agent, format->nonce.bytes, format->nonce.size))
        return fp_agent_because(task, FP_ERR_PRECOND,
                                "formatting needs a nonce of this session");
    agent->has_nonce = false; /* good for once */
    memcpy(task->u.format.fs, format->fs.bytes, format->fs.size);
    if (task->u.format.fs[0] != '\0' &&
        find_driver(agent, task->u.format.fs) == NULL)
        return fp_agent_because(task, FP_ERR_NOTSUP,
                                "this device has no driver of that name");
    return FP_OK;
}

static int format_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const char *fs = task->u.format.fs;
    int err;

    if (fp_agent_volume_in_use(agent, task->volume, task))
        return fp_agent_because(task, FP_ERR_BUSY,
                                "a transfer is under way on the volume");
    if (!task->u.format.told) {
        /* Erasing a whole storage takes its time: announced, so that the host
         * does not take silence for a lost link. */
        fp_link_send_busy(&agent->link, 30000);
        task->u.format.told = true;
        return FP_AGENT_MORE;
    }
    err = fp_agent_format(agent, task->volume, fs[0] != '\0' ? fs : NULL);
    if (err == FP_ERR_BUSY)
        return fp_agent_because(task, FP_ERR_BUSY,
                                "the application has files open on it");
    return err ? err : fp_agent_done(agent, task);
}

const struct fp_agent_job fp_agent_job_format = {
    .start = format_start,
    .step = format_step,
    .writes = true,
};

/* ---- Check, Repair ---- */

struct teller {
    struct fp_agent *agent;
    struct fp_agent_task *task;
};

static void on_finding(void *ctx, enum fp_finding_level level, uint32_t block,
                       const char *text)
{
    const struct teller *teller = ctx;
    fp_Event event = {
        .kind = fp_EventKind_EVENT_FINDING,
        .level = (uint32_t)level,
        .block = block,
    };

    FP_AGENT_TEXT(event.subject, teller->task->volume->path);
    FP_AGENT_TEXT(event.text, text);
    if (!fp_agent_send_event(teller->agent, teller->task->id, &event))
        teller->task->u.check.lost++;
}

static int check_start(struct fp_agent *agent, struct fp_agent_task *task,
                       const fp_Envelope *in)
{
    const fp_CheckRequest *check = &in->body.check;
    int err = fp_agent_find_volume(agent, task, check->volume.bytes,
                                   check->volume.size);

    if (err)
        return err;
    if (!task->volume->mounted)
        return FP_ERR_NODEV;
    task->u.check.step.kind = check->repair ? FP_STEP_REPAIR : FP_STEP_CHECK;
    task->u.check.step.on_finding = on_finding;
    return FP_OK;
}

static int check_end_reply(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_check *check = &task->u.check;
    fp_Event event = {
        .kind = fp_EventKind_EVENT_FINDING,
        .level = FP_FINDING_WARNING,
        .block = UINT32_MAX,
    };
    fp_Envelope *out;

    if (check->lost != 0) {
        FP_AGENT_TEXT(event.subject, task->volume->path);
        FP_AGENT_TEXT(event.text,
                      "there were more findings than the line took");
        if (!fp_agent_send_event(agent, task->id, &event))
            return FP_AGENT_MORE;
        task->u.check.lost = 0;
        if (!fp_agent_has_room(agent))
            return FP_AGENT_MORE;
    }
    out = fp_agent_out(agent, task->id, fp_Envelope_check_reply_tag);
    out->body.check_reply.errors = check->step.errors;
    out->body.check_reply.warnings = check->step.warnings;
    out->body.check_reply.pending = check->step.pending;
    return fp_agent_send(agent);
}

static int check_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct teller teller = { .agent = agent, .task = task };
    struct fp_step *step = &task->u.check.step;
    int err;

    if (step->done)
        return check_end_reply(agent, task);
    step->ctx = &teller;
    err = fp_fs_step(&task->volume->vm.mnt, step);
    step->ctx = NULL;
    if (err)
        return err;
    return FP_AGENT_MORE;
}

static void check_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    (void)agent;
    (void)task; /* a step holds nothing open; an end makes unmount see it */
}

const struct fp_agent_job fp_agent_job_check = {
    .start = check_start,
    .step = check_step,
    .end = check_end,
    .writes = true, /* a repair does; a check is slow enough to share a turn */
};
