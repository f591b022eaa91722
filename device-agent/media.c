/* SPDX-License-Identifier: MIT
 *
 * Media that come and go.
 *
 * A card that is pulled takes its volumes with it at once: nothing more is
 * written, tasks end with FP_ERR_NODEV, uploads are gone, and what the
 * application has open answers FP_ERR_STALE until it closes it. Only then is
 * the next card mounted at that place, so that no old handle can reach it.
 *
 *     number of the medium   seen    medium   volumes
 *     none -> n              n       n        mounted, MEDIA_IN
 *     n -> none              none    none     abandoned, MEDIA_OUT
 *     n -> m                 m       m        abandoned, then mounted
 *
 * People pull cards without asking. Half a second after the last write a volume
 * is synced, so that a card that is at rest is one that was put away in order
 * (a FAT is marked clean).
 *
 * The generation of the storage moves with each medium: what was known of the
 * one before says nothing of this one.
 */
#include "device-agent/private.h"

#include <string.h>

#define LOOK_MS   500
#define SETTLE_MS 500

static void take_partitions(const struct fp_agent *agent,
                            struct fp_agent_storage *storage)
{
#if FP_AGENT_REGIONS
    int n = 0;

    storage->part_count = 0;
    storage->parts_err = FP_OK;
    if (storage->partitions != NULL && fp_agent_has_medium(storage))
        n = storage->partitions(storage->dev, agent->scratch,
                                agent->scratch_size, storage->parts,
                                &storage->parts_why);
    if (n < 0)
        storage->parts_err = n;
    else
        storage->part_count = (uint32_t)n;
#else
    (void)agent;
    (void)storage;
#endif
}

void fp_agent_media_mount(struct fp_agent *agent,
                          struct fp_agent_storage *storage)
{
    take_partitions(agent, storage);
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++)
        if (agent->cfg->volumes[i].on == storage)
            (void)fp_agent_volume_mount(agent, &agent->cfg->volumes[i]);
    agent->volumes_changed = true;
}

#if !FP_AGENT_MEDIA

void fp_agent_media_init(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++)
        take_partitions(agent, &agent->cfg->storages[i]);
}

#else

bool fp_agent_has_medium(const struct fp_agent_storage *storage)
{
    return storage->medium != 0;
}

/* Which medium is in, by its number; 0: none. */
static uint32_t look(struct fp_agent *agent, struct fp_agent_storage *storage)
{
    const struct fp_agent_config *cfg = agent->cfg;

    if (!(storage->dev->flags & FP_BDEV_REMOVABLE))
        return 1;
    if (cfg->medium != NULL)
        return cfg->medium(cfg->ctx, storage->name);
    storage->looked_ms = agent->now_ms;
    return fp_bdev_read(storage->dev, 0, agent->scratch,
                        storage->dev->read_size) == FP_ERR_NODEV
               ? 0
               : 1;
}

void fp_agent_media_init(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &agent->cfg->storages[i];

        storage->seen = storage->medium = look(agent, storage);
        take_partitions(agent, storage);
    }
}

static void taken_out(struct fp_agent *agent, struct fp_agent_storage *storage)
{
    struct fp_agent_task *task = NULL;

    storage->medium = 0;
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++)
        if (agent->cfg->volumes[i].on == storage)
            fp_agent_volume_abandon(agent, &agent->cfg->volumes[i]);
    while ((task = fp_agent_task_next(agent, task)) != NULL)
        if (task->storage == storage)
            fp_agent_task_fail(agent, task, FP_ERR_NODEV,
                               FP_AGENT_SAY("the medium was taken out"));
    if (fp_agent_is_restoring(storage))
        fp_agent_restore_release(agent, storage);
    if (storage->gen != NULL)
        fp_bdev_gen_thaw(storage->gen);
    take_partitions(agent, storage);
}

static void put_in(struct fp_agent *agent, struct fp_agent_storage *storage)
{
    if (agent->cfg->inserted != NULL)
        agent->cfg->inserted(agent->cfg->ctx, storage->name);
    if (storage->gen != NULL)
        fp_bdev_gen_forget(storage->gen);
    if (!fp_agent_storage_is_sane(agent->cfg, storage))
        return; /* sectors that this device cannot read: as if it were out */
    storage->medium = storage->seen;
    fp_agent_media_mount(agent, storage);
}

/* Volumes that could not be mounted while old handles were open. */
static void mount_late(struct fp_agent *agent,
                       const struct fp_agent_storage *storage)
{
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++) {
        struct fp_agent_volume *volume = &agent->cfg->volumes[i];

        if (volume->on == storage && volume->mount_err == FP_ERR_BUSY &&
            !fp_agent_is_restoring(storage) && fp_fs_is_free(&volume->vm.mnt))
            (void)fp_agent_volume_mount(agent, volume);
    }
}

static void watch(struct fp_agent *agent, struct fp_agent_storage *storage)
{
    uint32_t number = look(agent, storage);

    if (number == storage->seen) {
        mount_late(agent, storage);
        return;
    }
    if (fp_agent_has_medium(storage))
        taken_out(agent, storage);
    storage->seen = number;
    if (number != 0)
        put_in(agent, storage);
    storage->media_due = true;
}

static void sync_volumes(struct fp_agent *agent,
                         struct fp_agent_storage *storage)
{
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++) {
        struct fp_agent_volume *volume = &agent->cfg->volumes[i];

        if (volume->on == storage && volume->mounted)
            (void)fp_fs_sync(&volume->vm.mnt); /* said by the next write */
    }
    storage->gen_seen = storage->gen_synced = fp_agent_gen(storage);
}

static void settle(struct fp_agent *agent, struct fp_agent_storage *storage)
{
    uint32_t gen = fp_agent_gen(storage);

    if (gen != storage->gen_seen) {
        storage->gen_seen = gen;
        storage->gen_ms = agent->now_ms;
    }
    if (gen != storage->gen_synced && !fp_agent_is_restoring(storage) &&
        agent->now_ms - storage->gen_ms >= SETTLE_MS &&
        fp_agent_may_write(agent, storage))
        sync_volumes(agent, storage);
}

void fp_agent_media_watch(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &agent->cfg->storages[i];
        bool due = agent->cfg->medium != NULL ||
                   agent->now_ms - storage->looked_ms >= LOOK_MS;

        if (!(storage->dev->flags & FP_BDEV_REMOVABLE))
            continue;
        if (due)
            watch(agent, storage);
        if (fp_agent_has_medium(storage))
            settle(agent, storage);
    }
}

void fp_agent_media_tell(struct fp_agent *agent)
{
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &agent->cfg->storages[i];
        fp_Event *event;

        if (!storage->media_due)
            continue;
        event = fp_agent_event(agent, 0,
                               fp_agent_has_medium(storage)
                                   ? fp_EventKind_EVENT_MEDIA_IN
                                   : fp_EventKind_EVENT_MEDIA_OUT);
        if (event == NULL)
            return;
        FP_AGENT_TEXT(event->subject, storage->name);
        storage->media_due = fp_agent_send(agent) != FP_OK;
    }
}

#endif
