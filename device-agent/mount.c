/* SPDX-License-Identifier: MIT
 *
 * Volumes: mounted, unmounted, abandoned, formatted; and why one is not there.
 *
 * A volume that is not mounted stays in the list and says why. A damaged or
 * empty one is never formatted unless somebody asks for just that. With
 * format_erased the firmware has asked, for flash on which nothing was ever
 * written but by a format that was cut: all of it is looked at first, so that
 * what is damaged stays as it is.
 *
 * What a host names in a Mount or Format, a filesystem and options, holds for
 * what is mounted there later too: after a restore, or of the next card. A
 * mount that fails changes none of it.
 */
#include "core/bdev/window.h"
#include "device-agent/private.h"

#include <string.h>

const struct fp_fs_ops *fp_agent_driver(const struct fp_agent *agent,
                                        const char *name)
{
    const struct fp_fs_ops *const *driver = agent->cfg->vfs->drivers;

    while (*driver != NULL && strcmp((*driver)->name, name) != 0)
        driver++;
    return *driver;
}

/* ---- where a volume lies ---- */

#if FP_AGENT_REGIONS

const struct fp_agent_region *fp_agent_region(
    const struct fp_agent_storage *storage, const char *name)
{
    for (uint32_t i = 0; i < storage->region_count; i++)
        if (strcmp(storage->regions[i].name, name) == 0)
            return &storage->regions[i];
    for (uint32_t i = 0; i < storage->part_count; i++)
        if (strcmp(storage->parts[i].region.name, name) == 0)
            return &storage->parts[i].region;
    return NULL;
}

const struct fp_agent_partition *fp_agent_volume_part(
    const struct fp_agent_volume *volume)
{
    const struct fp_agent_storage *storage = volume->on;

    if (volume->region != NULL || volume->partition == 0 || storage == NULL)
        return NULL;
    for (uint32_t i = 0; i < storage->part_count; i++)
        if (storage->parts[i].rank == volume->partition)
            return &storage->parts[i];
    return NULL;
}

bool fp_agent_volume_is_void(const struct fp_agent_volume *volume)
{
    return volume->region == NULL && volume->partition > 1 &&
           fp_agent_volume_part(volume) == NULL;
}

/* *region NULL: on the whole storage. */
static int place_of(const struct fp_agent_volume *volume,
                    const struct fp_agent_region **region)
{
    const struct fp_agent_partition *part = fp_agent_volume_part(volume);
    const struct fp_agent_storage *storage = volume->on;

    *region = NULL;
    if (volume->region != NULL)
        *region = fp_agent_region(storage, volume->region);
    else if (part != NULL)
        *region = &part->region;
    if (volume->region != NULL)
        return *region == NULL ? FP_ERR_NODEV : FP_OK;
    if (part != NULL)
        return part->why != NULL ? FP_ERR_NOTSUP : FP_OK;
    if (volume->partition == 0)
        return FP_OK;
    if (storage->parts_err)
        return storage->parts_err;
    /* Without a table the first is all there is. */
    return storage->part_count > 0 || volume->partition > 1 ? FP_ERR_NODEV
                                                            : FP_OK;
}

#else

static int place_of(const struct fp_agent_volume *volume,
                    const struct fp_agent_region **region)
{
    (void)volume;
    *region = NULL;
    return FP_OK;
}

#endif

/* Is what it lies on there? */
static int look_for(const struct fp_agent_volume *volume)
{
    return volume->on == NULL || !fp_agent_has_medium(volume->on) ? FP_ERR_NODEV
                                                                  : FP_OK;
}

/* The device under a volume that is not mounted: the storage or a slice of it,
 * perhaps through an adapter. */
static int device_of(struct fp_agent_volume *volume, struct fp_bdev **dev)
{
    const struct fp_agent_region *region = NULL;
    int err = look_for(volume);

    if (!err)
        err = place_of(volume, &region);
    if (err)
        return err;
    *dev = fp_agent_dev(volume->on);
#if FP_AGENT_REGIONS
    if (region != NULL) {
        err = fp_bdev_slice_init(&volume->slice, *dev, (fp_addr)region->off,
                                 (fp_addr)region->size);
        *dev = &volume->slice.bdev;
    }
#endif
    return err || volume->adapt == NULL ? err
                                        : volume->adapt(volume, *dev, dev);
}

/* Where on its storage does it lie? */
static void range_of(const struct fp_agent_volume *volume, uint64_t *off,
                     uint64_t *end)
{
    const struct fp_agent_region *region = NULL;

    (void)place_of(volume, &region);
    *off = region != NULL ? region->off : 0;
    *end = region != NULL ? region->off + region->size
                          : fp_agent_storage_size(volume->on);
}

static bool is_guarded(const struct fp_agent_volume *volume)
{
    uint64_t off, end;

    if (!FP_AGENT_REGIONS)
        return false;
    range_of(volume, &off, &end);
    return fp_agent_is_guarded(volume->on, off, end - off,
                               FP_AGENT_REGION_RDONLY | FP_AGENT_REGION_HIDDEN);
}

/* A volume of raw regions, whose files stay: each is refused or not. */
static bool is_raw(const struct fp_agent *agent,
                   const struct fp_agent_volume *volume)
{
    const struct fp_fs_ops *ops =
        volume->fs != NULL ? fp_agent_driver(agent, volume->fs) : NULL;

    return ops != NULL && ops->remove == NULL;
}

/* ---- how it is mounted ---- */

#if FP_AGENT_OPTIONS

/* Options that are the same for every driver are fields; the driver looks for
 * its own in cfg->options. */
static void take_options(const struct fp_agent_volume *volume,
                         struct fp_fs_config *cfg)
{
    const char *options = volume->told.options;

    if (options[0] == '\0')
        options = cfg->options;
    cfg->options = options;
    if (fp_fs_option(options, "ro", 0) != 0)
        cfg->flags |= FP_MOUNT_RDONLY;
    cfg->block_size = fp_fs_option(options, "block_size", cfg->block_size);
    cfg->block_count = fp_fs_option(options, "block_count", cfg->block_count);
    cfg->page_size = fp_fs_option(options, "page_size", cfg->page_size);
    cfg->name_max = fp_fs_option(options, "name_max", cfg->name_max);
}

static const char *fs_of(const struct fp_agent_volume *volume)
{
    return volume->told.fs[0] != '\0' ? volume->told.fs : volume->fs;
}

#else
#define take_options(volume, cfg) ((void)0)
#define fs_of(volume)             ((volume)->fs)
#endif

static void configure(const struct fp_agent *agent,
                      const struct fp_agent_volume *volume,
                      struct fp_fs_config *cfg)
{
    uint32_t start;

    *cfg = volume->cfg;
    /* What is written first lands elsewhere after each start: for wear. */
    memcpy(&start, agent->seed.epoch, sizeof start);
    cfg->seed += start;
    cfg->zone_min = agent->zone_min;
    take_options(volume, cfg);
    if (is_guarded(volume) && !is_raw(agent, volume))
        cfg->flags |= FP_MOUNT_RDONLY;
}

/* *ops NULL: whatever is found there. FP_ERR_NOTSUP: no such driver. */
static int driver_of(const struct fp_agent *agent,
                     const struct fp_agent_volume *volume,
                     const struct fp_fs_ops **ops)
{
    const char *fs = fs_of(volume);

    *ops = NULL;
    if (FP_FS_PROBE && (fs == NULL || strcmp(fs, "auto") == 0))
        return FP_OK;
    *ops =
        fs != NULL ? fp_agent_driver(agent, fs) : agent->cfg->vfs->drivers[0];
    return *ops == NULL ? FP_ERR_NOTSUP : FP_OK;
}

/* What a mount or a format takes. */
struct plan {
    const struct fp_fs_ops *ops;
    struct fp_bdev *dev; /* NULL: there is none */
    struct fp_fs_config cfg;
};

static int place(const struct fp_agent *agent, struct fp_agent_volume *volume,
                 struct plan *plan)
{
    int err;

    plan->dev = NULL;
    err = device_of(volume, &plan->dev);
    if (err)
        plan->dev = NULL;
    else
        configure(agent, volume, &plan->cfg);
    return err;
}

static int do_mount(struct fp_agent *agent, struct fp_agent_volume *volume,
                    struct plan *plan)
{
    int err = place(agent, volume, plan);

    if (!err)
        err = driver_of(agent, volume, &plan->ops);
    if (err)
        return err;
    /* Of a card that was pulled the application may still hold a file. */
    if (fp_agent_is_restoring(volume->on) || !fp_fs_is_free(&volume->vm.mnt))
        return FP_ERR_BUSY;
    return fp_vfs_mount(agent->cfg->vfs, &volume->vm, volume->path, plan->ops,
                        plan->dev, &plan->cfg, volume->ws, volume->ws_size);
}

#if FP_FS_FORMAT

/* The first bytes; without a probe that would see what is further behind, all
 * of them. */
static bool begins_erased(struct fp_agent *agent, struct fp_bdev *dev)
{
    struct fp_fs_blank blank = {
        .dev = dev,
        .buf = agent->scratch,
        .size = agent->scratch_size,
        .also = 0xff,
    };
    fp_addr size = fp_bdev_size(dev);

    if (FP_FS_PROBE && size > agent->scratch_size)
        size = agent->scratch_size;
    return size > 0 && fp_fs_blank_to(&blank, size, 0) == 1;
}

#else
#define begins_erased(agent, dev) ((void)(agent), false)
#endif

#if FP_FS_PROBE && FP_AGENT_TEXTS

/* Another filesystem than the one that was named; NULL: none is known. */
static const struct fp_fs_ops *other_found(const struct fp_agent_volume *volume)
{
    return volume->found;
}

static void note_found(const struct fp_agent *agent,
                       struct fp_agent_volume *volume,
                       const struct fp_fs_ops *found)
{
    const struct fp_fs_ops *named;

    volume->found = NULL;
    if (found != NULL && driver_of(agent, volume, &named) == FP_OK &&
        named != NULL && named != found)
        volume->found = found;
}

#else
#define other_found(volume)              ((const struct fp_fs_ops *)NULL)
#define note_found(agent, volume, found) ((void)0)
#endif

/* With a driver named, an empty storage looks to it like a damaged volume, and
 * so does another filesystem: ask the probes what there is. */
static int explain(struct fp_agent *agent, struct fp_agent_volume *volume,
                   struct plan *plan, int err)
{
    const struct fp_fs_ops *ops = NULL;
    struct fp_bdev_window window;
    struct fp_bdev *by_byte;

    volume->erased = false;
    note_found(agent, volume, NULL);
    if ((err != FP_ERR_CORRUPT && err != FP_ERR_NOENT) || plan->dev == NULL)
        return err;
    if (FP_FS_PROBE && err == FP_ERR_CORRUPT) {
        by_byte = fp_bdev_window_init(&window, plan->dev, agent->scratch,
                                      agent->scratch_size);
        err = fp_fs_probe(agent->cfg->vfs->drivers, by_byte, &ops, &plan->cfg);
        if (err == FP_OK)
            note_found(agent, volume, ops);
        if (err != FP_ERR_NOENT)
            return FP_ERR_CORRUPT;
    }
    volume->erased = begins_erased(agent, plan->dev);
    return volume->erased ? FP_ERR_NOENT : err;
}

int fp_agent_volume_mount(struct fp_agent *agent,
                          struct fp_agent_volume *volume)
{
    struct plan plan;
    int err;

    if (volume->mounted)
        return FP_ERR_EXIST;
    err = explain(agent, volume, &plan, do_mount(agent, volume, &plan));
    volume->mount_err = err;
    if (!err) {
        volume->mounted = agent->volumes_changed = true;
        fp_agent_tell_changed(agent, volume->path);
    }
    /* Nothing is damaged: another filesystem was asked for. */
    return err == FP_ERR_CORRUPT && other_found(volume) ? FP_ERR_INVAL : err;
}

#if FP_AGENT_OPTIONS

static void copy(char *dst, size_t size, const char *src)
{
    dst[0] = '\0';
    fp_agent_append(dst, size, src);
}

/* What a request gives takes the place of what one gave before: options always,
 * a filesystem if it names one. */
static int tell(struct fp_agent *agent, struct fp_agent_volume *volume,
                const char *fs, const char *options)
{
    (void)agent;
    if (fs[0] == '\0' && options[0] == '\0')
        return FP_OK;
    if (fs[0] != '\0')
        copy(volume->told.fs, sizeof volume->told.fs, fs);
    copy(volume->told.options, sizeof volume->told.options, options);
    return FP_OK;
}

/* What a host tells holds for `work` and from then on, if that succeeds. */
static int as_told(struct fp_agent *agent, struct fp_agent_volume *volume,
                   const char *fs, const char *options,
                   int (*work)(struct fp_agent *, struct fp_agent_volume *))
{
    struct fp_agent_told old = volume->told;
    int err;

    (void)tell(agent, volume, fs, options);
    err = work(agent, volume);
    if (err)
        volume->told = old;
    return err;
}

#else

/* Nothing but what is there anyway can be asked for. */
static int tell(struct fp_agent *agent, struct fp_agent_volume *volume,
                const char *fs, const char *options)
{
    const struct fp_fs_ops *ops;
    int err;

    if (fs[0] == '\0' && options[0] == '\0')
        return FP_OK;
    err = driver_of(agent, volume, &ops);
    if (err || options[0] != '\0' || ops == NULL || strcmp(fs, ops->name) != 0)
        return FP_ERR_NOTSUP;
    return FP_OK;
}

static int as_told(struct fp_agent *agent, struct fp_agent_volume *volume,
                   const char *fs, const char *options,
                   int (*work)(struct fp_agent *, struct fp_agent_volume *))
{
    int err = tell(agent, volume, fs, options);

    return err ? err : work(agent, volume);
}

#endif

int fp_agent_volume_mount_as(struct fp_agent *agent,
                             struct fp_agent_volume *volume, const char *fs,
                             const char *options)
{
    int err;

    if (volume->mounted)
        return FP_ERR_EXIST;
    err = as_told(agent, volume, fs, options, fp_agent_volume_mount);
    if (err == FP_ERR_NOTSUP)
        volume->mount_err =
            err; /* what was told may not even have been tried */
    return err;
}

bool fp_agent_volume_in_use(struct fp_agent *agent,
                            const struct fp_agent_volume *volume,
                            const struct fp_agent_task *but)
{
    struct fp_agent_task *task = NULL;

    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].volume == volume &&
            (agent->uploads[i].stream != 0 || agent->uploads[i].committing))
            return true;
    while ((task = fp_agent_task_next(agent, task)) != NULL)
        if (task != but && task->volume == volume && !task->err)
            return true;
    return false;
}

/* Ends what the agent itself has open there. */
static void close_own(struct fp_agent *agent,
                      const struct fp_agent_volume *volume)
{
    struct fp_agent_task *task = NULL;

    while ((task = fp_agent_task_next(agent, task)) != NULL)
        if (task->volume == volume && task->job != NULL &&
            task->job->end != NULL)
            fp_agent_task_fail(
                agent, task, FP_ERR_STALE,
                FP_AGENT_SAY("its volume was unmounted meanwhile"));
    for (uint32_t i = 0; i < FP_AGENT_UPLOADS; i++)
        if (agent->uploads[i].file.mnt != NULL &&
            agent->uploads[i].volume == volume)
            fp_agent_upload_free(agent, &agent->uploads[i]);
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

void fp_agent_volume_abandon(struct fp_agent *agent,
                             struct fp_agent_volume *volume)
{
    if (volume->mounted)
        fp_vfs_abandon(agent->cfg->vfs, &volume->vm);
    close_own(agent, volume);
    volume->mounted = false;
    volume->mount_err = FP_ERR_NODEV;
    agent->volumes_changed = true;
}

/* ---- formatting ---- */

#if FP_FS_FORMAT

static bool is_overlap(const struct fp_agent_volume *a,
                       const struct fp_agent_volume *b)
{
    uint64_t off, end, other_off, other_end;

    if (a->on != b->on || !FP_AGENT_REGIONS)
        return a->on == b->on;
    range_of(a, &off, &end);
    range_of(b, &other_off, &other_end);
    return other_off < end && off < other_end;
}

/* Is another filesystem mounted on some of the same blocks? What cannot be
 * formatted, raw regions, may lie over everything. */
static bool is_shared(const struct fp_agent *agent,
                      const struct fp_agent_volume *volume)
{
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++) {
        const struct fp_agent_volume *other = &agent->cfg->volumes[i];

        if (other != volume && other->mounted && is_overlap(other, volume) &&
            other->vm.mnt.ops->remove != NULL)
            return true;
    }
    return false;
}

/* By which driver it is made. */
static int maker_of(const struct fp_agent *agent,
                    const struct fp_agent_volume *volume,
                    const struct fp_fs_ops **ops)
{
    int err = driver_of(agent, volume, ops);

    if (FP_FS_PROBE && !err && *ops == NULL) {
        *ops = agent->cfg->vfs->drivers[0];
        err = *ops == NULL ? FP_ERR_NOTSUP : FP_OK;
    }
    return err;
}

/* fp_fs_format() or fp_fs_is_blank() of a volume that is not mounted. */
static int by_maker(struct fp_agent *agent, struct fp_agent_volume *volume,
                    int (*work)(const struct fp_fs_ops *, struct fp_bdev *,
                                const struct fp_fs_config *, void *, size_t))
{
    struct plan plan;
    int err = maker_of(agent, volume, &plan.ops);

    if (!err)
        err = place(agent, volume, &plan);
    return err ? err
               : work(plan.ops, plan.dev, &plan.cfg, volume->ws,
                      volume->ws_size);
}

/* FP_ERR_BUSY while it is being restored. */
static int make(struct fp_agent *agent, struct fp_agent_volume *volume)
{
    const struct fp_fs_ops *ops;
    int err = maker_of(agent, volume, &ops);

    if (!err)
        err = look_for(volume);
    if (err)
        return err;
    if (fp_agent_is_restoring(volume->on))
        return FP_ERR_BUSY;
    if (volume->cfg.flags & FP_MOUNT_RDONLY)
        return FP_ERR_ROFS;
    if (is_guarded(volume) || is_shared(agent, volume))
        return FP_ERR_ACCES;
    err = fp_agent_volume_unmount(agent, volume);
    if (volume->mounted)
        return err;
    if (!fp_fs_is_free(&volume->vm.mnt))
        return FP_ERR_BUSY;
    return by_maker(agent, volume, fp_fs_format);
}

int fp_agent_volume_format(struct fp_agent *agent,
                           struct fp_agent_volume *volume, const char *fs,
                           const char *options)
{
    int err;

    /* A volume of raw regions stays one: what is behind it is more. */
    if (is_raw(agent, volume))
        return FP_ERR_NOTSUP;
    err = as_told(agent, volume, fs, options, make);
    return err ? err : fp_agent_volume_mount(agent, volume);
}

void fp_agent_volume_begin(struct fp_agent *agent,
                           struct fp_agent_volume *volume)
{
    int err = volume->mount_err;

    if (!volume->format_erased ||
        (err != FP_ERR_NOENT && err != FP_ERR_CORRUPT))
        return;
    err = by_maker(agent, volume, fp_fs_is_blank);
    if (err == 0)
        return;
    if (err > 0)
        err = make(agent, volume);
    if (!err)
        err = fp_agent_volume_mount(agent, volume);
    volume->mount_err = err;
}

int fp_agent_format(struct fp_agent *agent, struct fp_agent_volume *volume,
                    const char *fs)
{
    return fp_agent_volume_format(agent, volume, fs != NULL ? fs : "", "");
}

#endif

/* ---- why it is not there ---- */

#if FP_FS_FORMAT
#define TO_USE     ": format it to use it"
#define OR_MAKE_IT ", check or format it"
#else
#define TO_USE     ""
#define OR_MAKE_IT ""
#endif

/* A phrase around the name of the place; the place is left out where there is
 * nothing behind it. */
struct why {
    const char *before, *after;
};

static struct why why_unmounted(const struct fp_agent_volume *volume)
{
    const struct fp_agent_partition *part = fp_agent_volume_part(volume);
    const struct fp_agent_storage *on = volume->on;

    if (on != NULL && fp_agent_is_restoring(on))
        return (struct why){ "its storage ", " is being restored" };
    if (on != NULL && !fp_agent_has_medium(on))
        return (struct why){ "there is no medium in ", "" };
#if FP_AGENT_REGIONS
    if (on != NULL && volume->partition != 0 && on->parts_err)
        return (struct why){ on->parts_why, NULL };
#endif
    if (part != NULL && part->why != NULL)
        return (struct why){ part->why, NULL };
    switch (volume->mount_err) {
    case FP_OK:
        return (struct why){ "unmounted on request", NULL };
    case FP_ERR_NODEV:
        return (struct why){ "there is no such storage or region: ", "" };
    case FP_ERR_NOENT:
        if (volume->erased)
            return (struct why){ "no filesystem on ", ", it is erased" TO_USE };
        return (struct why){ "no filesystem found on ", TO_USE };
    case FP_ERR_ROFS:
        return (struct why){ "no filesystem on ",
                             ", which is write-protected" };
    case FP_ERR_BUSY:
        return (struct why){ "the application has files of the medium before "
                             "open still",
                             NULL };
    case FP_ERR_NOMEM:
        return (struct why){ "it needs more memory than this device gives it",
                             NULL };
    case FP_ERR_INVAL:
        return (struct why){ "its options do not fit what is on ", "" };
    case FP_ERR_CORRUPT:
        if (other_found(volume) != NULL)
            return (struct why){ "no such filesystem on ", ", which holds " };
        return (struct why){ "the filesystem is damaged" OR_MAKE_IT ": ", "" };
    case FP_ERR_NOTSUP:
        return (struct why){ "no driver here can mount it: ", "" };
    default:
        return (struct why){ fp_strerror(volume->mount_err), NULL };
    }
}

/* What is to blame: a region, or all of the storage. */
static const char *place_name(const struct fp_agent_volume *volume)
{
    const struct fp_agent_storage *on = volume->on;

    if (on != NULL && (fp_agent_is_restoring(on) || !fp_agent_has_medium(on)))
        return volume->storage;
    if (fp_agent_volume_part(volume) != NULL)
        return fp_agent_volume_part(volume)->region.name;
    return volume->region != NULL ? volume->region : volume->storage;
}

void fp_agent_volume_reason(const struct fp_agent_volume *volume, char *dst,
                            size_t size)
{
    struct why why;

    dst[0] = '\0';
    if (!FP_AGENT_TEXTS)
        return;
    if (volume->mounted) {
        if (volume->on->dev->flags & FP_BDEV_RDONLY)
            fp_agent_append(dst, size, "its storage is write-protected");
        else if (fp_agent_is_rdonly(volume) && is_guarded(volume))
            fp_agent_append(dst, size, "the firmware makes it read-only");
        else if (fp_agent_is_rdonly(volume))
            fp_agent_append(dst, size, "mounted read-only");
        return;
    }
    why = why_unmounted(volume);
    fp_agent_append(dst, size, why.before);
    if (why.after == NULL)
        return;
    fp_agent_append(dst, size, place_name(volume));
    fp_agent_append(dst, size, why.after);
    if (volume->mount_err == FP_ERR_CORRUPT && other_found(volume) != NULL)
        fp_agent_append(dst, size, other_found(volume)->name);
}
