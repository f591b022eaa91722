/* SPDX-License-Identifier: MIT
 *
 * What a host asks of volumes: telling of them, mounting, formatting and
 * checking.
 */
#include "device-agent/private.h"

#include <string.h>

/* ---- Volumes: one message each ---- */

static void tell_mounted(struct fp_agent_volume *volume, fp_VolumeReply *reply)
{
    const struct fp_fs_ops *ops = volume->vm.mnt.ops;
    struct fp_statfs st;
    int err = fp_fs_statfs(&volume->vm.mnt, &st);

    FP_AGENT_TEXT(reply->fs, ops->name);
    reply->promise = (uint32_t)ops->promise;
    if (err) {
        if (FP_AGENT_TEXTS)
            FP_AGENT_TEXT(reply->reason, fp_strerror(err));
        return;
    }
    FP_AGENT_TEXT(reply->version, st.version);
    reply->caps = FP_AGENT_ATTRS ? st.caps : st.caps & ~(uint32_t)FP_CAP_ATTRS;
    reply->writable = !fp_agent_is_rdonly(volume) && st.caps & FP_CAP_WRITE;
    if (FP_AGENT_TEXTS && !reply->writable && reply->reason.size == 0)
        FP_AGENT_TEXT(reply->reason, "its driver here only reads");
    reply->size = st.size;
    reply->free = st.free;
    reply->block_size = st.block_size;
    reply->name_max = st.name_max;
    reply->file_max = st.file_max;
    reply->files_max = st.files_max;
    reply->needs_repair = st.needs_repair;
}

/* The region that it lies on; NULL: the whole storage. */
static const char *region_of(const struct fp_agent_volume *volume)
{
    const struct fp_agent_partition *part = fp_agent_volume_part(volume);

    return part != NULL ? part->region.name : volume->region;
}

static void tell_reason(const struct fp_agent_volume *volume,
                        fp_VolumeReply *reply)
{
    char reason[97];

    fp_agent_volume_reason(volume, reason, sizeof reason);
    FP_AGENT_TEXT(reply->reason, reason);
}

static void tell_volume(struct fp_agent_volume *volume, fp_VolumeReply *reply)
{
    reply->present = true;
    reply->mounted = volume->mounted;
    FP_AGENT_TEXT(reply->path, volume->path);
    FP_AGENT_TEXT(reply->storage, volume->storage);
    if (FP_AGENT_REGIONS && region_of(volume) != NULL)
        FP_AGENT_TEXT(reply->region, region_of(volume));
    reply->fs_gen = fp_agent_gen(volume->on);
    if (FP_AGENT_TEXTS)
        tell_reason(volume, reply);
    if (volume->mounted)
        tell_mounted(volume, reply);
}

/* The first volume from `index` on that is told of. */
static uint32_t next_volume(const struct fp_agent *agent, uint32_t index)
{
    while (index < agent->cfg->volume_count &&
           fp_agent_volume_is_void(&agent->cfg->volumes[index]))
        index++;
    return index;
}

int fp_agent_volumes_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    fp_Envelope *out =
        fp_agent_out(agent, task->id, fp_Envelope_volume_reply_tag);
    fp_VolumeReply *reply = &out->body.volume_reply;
    uint32_t index = next_volume(agent, task->u.index);

    if (index < agent->cfg->volume_count)
        tell_volume(&agent->cfg->volumes[index], reply);
    task->u.index = next_volume(agent, index + 1);
    reply->last = task->u.index >= agent->cfg->volume_count;
    return fp_agent_send_part(agent, reply->last);
}

/* ---- Mount, Unmount ---- */

/* The text of a bytes field, which holds no NUL. */
static int take_text(struct fp_agent_task *task, char *dst, size_t size,
                     const pb_byte_t *bytes, size_t n)
{
    if (n >= size || memchr(bytes, '\0', n) != NULL)
        return fp_agent_because(task, FP_ERR_INVAL,
                                "no filesystem's name, or no options");
    memcpy(dst, bytes, n);
    dst[n] = '\0';
    return FP_OK;
}

#define TAKE_TEXT(task, dst, field) \
    take_text((task), (dst), sizeof(dst), (field).bytes, (field).size)

static int check_driver(struct fp_agent *agent, struct fp_agent_task *task,
                        const char *fs)
{
    if (fs[0] == '\0' || fp_agent_driver(agent, fs) != NULL)
        return FP_OK;
    return fp_agent_because(task, FP_ERR_NOTSUP,
                            "this device has no driver of that name");
}

int fp_agent_mount_start(struct fp_agent *agent, struct fp_agent_task *task,
                         const fp_Envelope *in)
{
    const fp_MountRequest *mount = &in->body.mount;
    struct fp_agent_mount_args *args = &task->u.mount;
    int err = fp_agent_find_volume(agent, task, mount->volume.bytes,
                                   mount->volume.size);

    if (!err)
        err = TAKE_TEXT(task, args->fs, mount->fs);
    if (!err)
        err = TAKE_TEXT(task, args->options, mount->options);
    if (!err && strcmp(args->fs, "auto") != 0)
        err = check_driver(agent, task, args->fs);
    /* Another driver would show what is protected under another name. */
    if (!err && (args->fs[0] != '\0' || args->options[0] != '\0') &&
        fp_agent_volume_is_protected(agent, task->volume))
        err = fp_agent_because(task, FP_ERR_ACCES,
                               "the firmware protects a path on it");
    return err;
}

int fp_agent_mount_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    const struct fp_agent_mount_args *args = &task->u.mount;
    int err;

    if (task->volume->mounted && args->fs[0] == '\0' &&
        args->options[0] == '\0')
        return fp_agent_done(agent, task); /* as wanted */
    if (task->volume->mounted)
        return fp_agent_because(task, FP_ERR_BUSY,
                                "it is mounted: unmount it first");
    if (task->storage != NULL && fp_agent_is_restoring(task->storage))
        return FP_ERR_BUSY;
    err =
        fp_agent_volume_mount_as(agent, task->volume, args->fs, args->options);
    return err ? err : fp_agent_done(agent, task);
}

int fp_agent_unmount_start(struct fp_agent *agent, struct fp_agent_task *task,
                           const fp_Envelope *in)
{
    const fp_UnmountRequest *unmount = &in->body.unmount;

    return fp_agent_find_volume(agent, task, unmount->volume.bytes,
                                unmount->volume.size);
}

int fp_agent_unmount_step(struct fp_agent *agent, struct fp_agent_task *task)
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

/* ---- Format ---- */

int fp_agent_format_start(struct fp_agent *agent, struct fp_agent_task *task,
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
    if (fp_agent_volume_is_protected(agent, task->volume))
        return fp_agent_because(task, FP_ERR_ACCES,
                                "the firmware protects a path on it");
    err = TAKE_TEXT(task, task->u.mount.fs, format->fs);
    if (!err)
        err = TAKE_TEXT(task, task->u.mount.options, format->options);
    return err ? err : check_driver(agent, task, task->u.mount.fs);
}

#if FP_FS_FORMAT

int fp_agent_format_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct fp_agent_mount_args *args = &task->u.mount;
    int err;

    if (fp_agent_volume_in_use(agent, task->volume, task))
        return fp_agent_because(task, FP_ERR_BUSY,
                                "a transfer is under way on the volume");
    if (!args->told) {
        /* Erasing a whole storage takes its time: announced, so that the host
         * does not take silence for a lost link. */
        fp_link_send_busy(&agent->link, 30000);
        args->told = true;
        return FP_AGENT_MORE;
    }
    err = fp_agent_volume_format(agent, task->volume, args->fs, args->options);
    if (err == FP_ERR_BUSY)
        return fp_agent_because(task, FP_ERR_BUSY,
                                "the application has files open on it");
    if (err == FP_ERR_ACCES)
        return fp_agent_because(task, err,
                                "the firmware protects it, or another volume "
                                "is mounted on a part of it");
    if (err == FP_ERR_NOTSUP)
        return fp_agent_because(task, err, "that filesystem cannot live there");
    return err ? err : fp_agent_done(agent, task);
}

#endif

/* ---- Check, Repair ---- */

#if FP_AGENT_CHECK

struct teller {
    struct fp_agent *agent;
    struct fp_agent_task *task;
};

/* Sends a finding; false if there is no room for it. */
static bool tell(struct fp_agent *agent, const struct fp_agent_task *task,
                 enum fp_finding_level level, uint32_t block, const char *text)
{
    fp_Event *event =
        fp_agent_event(agent, task->id, fp_EventKind_EVENT_FINDING);

    if (event == NULL)
        return false;
    event->level = (uint32_t)level;
    event->block = block;
    FP_AGENT_TEXT(event->subject, task->volume->path);
    FP_AGENT_TEXT(event->text, text);
    return fp_agent_send(agent) == FP_OK;
}

static void on_finding(void *ctx, enum fp_finding_level level, uint32_t block,
                       const char *text)
{
    const struct teller *teller = ctx;

    if (!tell(teller->agent, teller->task, level, block, text))
        teller->task->u.check.lost++;
}

int fp_agent_check_start(struct fp_agent *agent, struct fp_agent_task *task,
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
    fp_Envelope *out;

    if (check->lost != 0) {
        if (!tell(agent, task, FP_FINDING_WARNING, UINT32_MAX,
                  "there were more findings than the line took"))
            return FP_AGENT_MORE;
        task->u.check.lost = 0;
        if (!fp_agent_has_room(agent, FP_AGENT_ANY))
            return FP_AGENT_MORE;
    }
    out = fp_agent_out(agent, task->id, fp_Envelope_check_reply_tag);
    out->body.check_reply.errors = check->step.errors;
    out->body.check_reply.warnings = check->step.warnings;
    out->body.check_reply.pending = check->step.pending;
    return fp_agent_send(agent);
}

int fp_agent_check_step(struct fp_agent *agent, struct fp_agent_task *task)
{
    struct teller teller = { .agent = agent, .task = task };
    struct fp_step *step = &task->u.check.step;
    uint32_t gen = fp_agent_gen(task->storage);
    int err;

    if (step->done)
        return check_end_reply(agent, task);
    step->ctx = &teller;
    err = fp_fs_step(&task->volume->vm.mnt, step);
    step->ctx = NULL;
    if (step->kind == FP_STEP_REPAIR &&
        (task->storage->gen == NULL || fp_agent_gen(task->storage) != gen))
        task->u.check.wrote = true;
    if (err)
        return err;
    return FP_AGENT_MORE;
}

/* A step holds nothing open; an end makes unmount see it, too. */
void fp_agent_check_end(struct fp_agent *agent, struct fp_agent_task *task)
{
    if (task->u.check.wrote)
        fp_agent_tell_changed(agent, task->volume->path);
}

#endif
