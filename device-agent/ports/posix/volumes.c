/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/volumes.h"

#include "core/bdev/window.h"
#include "core/host/drivers.h"
#include "core/host/volume.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a Mount or Format with other options may want is not known before. */
#define WORKSPACE_MIN 262144

static uint32_t index_of(const struct fp_port_volumes *v, const char *storage)
{
    for (uint32_t i = 0; i < v->options->storage_count; i++)
        if (strcmp(v->options->storages[i].name, storage) == 0)
            return i;
    fp_port_usage("--mount: no --storage or --region is called '%s'", storage);
}

static struct fp_agent_storage *storage_of(const struct fp_port_volumes *v,
                                           const struct fp_agent_volume *volume)
{
    return &v->storages[index_of(v, volume->storage)];
}

static const struct fp_agent_region *find_region(
    const struct fp_agent_storage *storage, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < storage->region_count; i++)
        if (strcmp(storage->regions[i].name, name) == 0)
            return &storage->regions[i];
    return NULL;
}

/* ---- workspaces ---- */

/* For whatever may be found or made there: a filesystem with blocks as the
 * probe says, or one of ours. */
static size_t workspace_on(struct fp_bdev *dev,
                           const struct fp_agent_volume *volume)
{
    static uint8_t unit[65536];
    struct fp_bdev_window window;
    struct fp_bdev *by_byte =
        fp_bdev_window_init(&window, dev, unit, sizeof unit);
    const struct fp_fs_ops *named[] = { NULL, NULL }, *ops;
    struct fp_fs_config found = volume->cfg;
    size_t size = WORKSPACE_MIN, n;

    for (uint32_t i = 0; fp_host_drivers[i] != NULL; i++) {
        n = fp_host_drivers[i]->workspace(dev, &volume->cfg);
        size = n > size ? n : size;
    }
    if (volume->fs != NULL)
        named[0] = fp_host_volume_driver(fp_host_drivers, volume->fs);
    if (fp_fs_probe(volume->fs != NULL ? named : fp_host_drivers, by_byte, &ops,
                    &found) == FP_OK) {
        n = ops->workspace(dev, &found);
        size = n > size ? n : size;
    }
    return size;
}

/* The largest of what any partition wants, for any may become the first. */
static size_t workspace_of_parts(struct fp_bdev *dev,
                                 const struct fp_agent_volume *volume)
{
    struct fp_agent_partition parts[FP_AGENT_PARTITIONS];
    uint8_t sector[4096];
    struct fp_bdev_slice slice;
    const char *why;
    size_t size = 0;
    int count =
        fp_agent_partitions_mbr(dev, sector, sizeof sector, parts, &why);

    for (int i = 0; i < count; i++) {
        size_t n = 0;

        if (fp_bdev_slice_init(&slice, dev, parts[i].region.off,
                               parts[i].region.size) == FP_OK)
            n = workspace_on(&slice.bdev, volume);
        size = n > size ? n : size;
    }
    return size;
}

static size_t workspace_of(const struct fp_port_volumes *v,
                           struct fp_agent_volume *volume)
{
    const struct fp_agent_storage *storage = storage_of(v, volume);
    const struct fp_agent_region *region = find_region(storage, volume->region);
    struct fp_bdev *dev = storage->dev;
    struct fp_bdev_slice slice;
    size_t size, parts = 0;

    if (volume->partition != 0)
        parts = workspace_of_parts(dev, volume);
    if (region != NULL &&
        fp_bdev_slice_init(&slice, dev, region->off, region->size) == FP_OK)
        dev = &slice.bdev;
    if (volume->adapt != NULL && volume->adapt(volume, dev, &dev) != FP_OK)
        fp_port_usage("--mount %s: the reserve is too small, or its blocks "
                      "hold no sectors",
                      volume->path);
    size = workspace_on(dev, volume);
    return parts > size ? parts : size;
}

static void fit(const struct fp_port_volumes *v, struct fp_agent_volume *volume)
{
    free(volume->ws);
    volume->ws_size = workspace_of(v, volume);
    volume->ws = calloc(1, volume->ws_size);
    if (volume->ws == NULL)
        fp_port_usage("not enough memory");
}

void fp_port_volumes_fit(struct fp_port_volumes *v, const char *storage)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (strcmp(v->volumes[i].storage, storage) == 0)
            fit(v, &v->volumes[i]);
}

/* ---- where a volume lies ---- */

static struct fp_agent_volume *new_volume(struct fp_port_volumes *v,
                                          const char *path)
{
    for (uint32_t i = 0; i < v->count; i++)
        if (strcmp(v->volumes[i].path, path) == 0)
            fp_port_usage("--mount: '%s' is given twice", path);
    if (v->count == FP_PORT_VOLUMES)
        fp_port_usage("--mount: at most %d volumes", FP_PORT_VOLUMES);
    return &v->volumes[v->count++];
}

static void place(const struct fp_port_volumes *v,
                  struct fp_agent_volume *volume, const char *on)
{
    volume->storage = on;
    for (uint32_t i = 0; i < v->options->region_count; i++) {
        if (strcmp(v->options->regions[i].name, on) == 0) {
            volume->storage = v->options->regions[i].storage;
            volume->region = on;
        }
    }
    if (v->options->storages[index_of(v, volume->storage)].is_card &&
        volume->region == NULL)
        volume->partition = 1;
}

/* ---- what it is mounted with ---- */

static void check_fs(const struct fp_port_volume_option *o)
{
    if (o->fs == NULL || strcmp(o->fs, "auto") == 0)
        return;
    if (fp_host_volume_driver(fp_host_drivers, o->fs) == NULL)
        fp_port_usage("--mount %s: no driver is called '%s'", o->path, o->fs);
}

/* Does `name`, a region or all of the storage, have blocks of it? */
static bool is_over(const struct fp_agent_storage *storage, const char *name,
                    const struct fp_agent_region *region)
{
    const struct fp_agent_region *other = find_region(storage, name);

    if (name == NULL || other == NULL)
        return name != NULL && strcmp(name, storage->name) == 0;
    return other->off < region->off + region->size &&
           region->off < other->off + other->size;
}

/* Does a volume lie on some of the region, or keep its reserve there? */
static bool is_taken(const struct fp_port_volumes *v,
                     const struct fp_agent_storage *storage,
                     const struct fp_agent_region *region)
{
    for (uint32_t i = 0; i < v->options->volume_count; i++) {
        const struct fp_port_volume_option *o = &v->options->volumes[i];
        bool is_raw = o->fs != NULL && strcmp(o->fs, "raw") == 0;

        if ((!is_raw && is_over(storage, o->on, region)) ||
            is_over(storage, o->reserve, region))
            return true;
    }
    return false;
}

/* Regions that hold no filesystem are the files of a raw volume. What a volume
 * lies on is no file: it would be written under its feet; what is hidden is
 * none either. */
static const struct fp_raw_region *raw_table(struct fp_port_volumes *v,
                                             const char *storage)
{
    uint32_t at = index_of(v, storage), count = 0;

    for (uint32_t i = 0; i < v->storages[at].region_count; i++) {
        const struct fp_agent_region *region = &v->storages[at].regions[i];

        if (!is_taken(v, &v->storages[at], region) &&
            !(region->flags & FP_AGENT_REGION_HIDDEN))
            v->raw[at][count++] = (struct fp_raw_region){
                .name = region->name,
                .off = region->off,
                .size = region->size,
                .flags =
                    region->flags & FP_AGENT_REGION_RDONLY ? FP_RAW_RDONLY : 0,
            };
    }
    return v->raw[at];
}

static int adapt(struct fp_agent_volume *volume, struct fp_bdev *dev,
                 struct fp_bdev **out)
{
    struct fp_port_adapter *a = volume->adapt_ctx;
    const struct fp_bdev_sector_config cfg = { .buf = a->buf };
    int err = fp_bdev_slice_init(&a->reserve, a->storage->dev, a->region->off,
                                 a->region->size);

    if (!err)
        err = fp_bdev_sector_init(&a->sector, dev, &a->reserve.bdev, &cfg);
    *out = &a->sector.bdev;
    return err;
}

static void add_adapter(struct fp_port_volumes *v,
                        struct fp_agent_volume *volume, const char *reserve)
{
    struct fp_port_adapter *a = &v->adapters[volume - v->volumes];

    a->storage = storage_of(v, volume);
    a->region = find_region(a->storage, reserve);
    if (a->region == NULL)
        fp_port_usage("--mount %s: no --region of %s is called '%s'",
                      volume->path, volume->storage, reserve);
    volume->adapt = adapt;
    volume->adapt_ctx = a;
}

static struct fp_agent_volume *add(struct fp_port_volumes *v,
                                   const struct fp_port_volume_option *o)
{
    struct fp_agent_volume *volume = new_volume(v, o->path);

    *volume = (struct fp_agent_volume){ .path = o->path, .fs = o->fs };
    check_fs(o);
    place(v, volume, o->on);
    volume->cfg.options = o->options;
    if (o->fs != NULL && strcmp(o->fs, "raw") == 0 && volume->region != NULL)
        fp_port_usage("--mount %s: raw shows the regions of a storage as "
                      "files: give it %s, not a region of it",
                      o->path, volume->storage);
    if (o->fs != NULL && strcmp(o->fs, "raw") == 0 && o->options == NULL)
        volume->cfg.table = raw_table(v, volume->storage);
    if (o->reserve != NULL)
        add_adapter(v, volume, o->reserve);
    volume->cfg.max_files = FP_AGENT_REQUESTS + FP_AGENT_UPLOADS + 2;
    if (v->options->read_only)
        volume->cfg.flags = FP_MOUNT_RDONLY;
    fit(v, volume);
    return volume;
}

/* The second partition of a card, unless that place is asked for. */
static void add_second(struct fp_port_volumes *v,
                       const struct fp_port_volume_option *first)
{
    struct fp_port_volume_option second = *first;
    char path[32];

    snprintf(path, sizeof path, "%s2", first->path);
    for (uint32_t i = 0; i < v->options->volume_count; i++)
        if (strcmp(v->options->volumes[i].path, path) == 0)
            return;
    if (v->count == FP_PORT_VOLUMES || strlen(path) > 16)
        return;
    second.path = strdup(path);
    if (second.path == NULL)
        fp_port_usage("not enough memory");
    add(v, &second)->partition = 2;
}

void fp_port_volumes_init(struct fp_port_volumes *v,
                          const struct fp_port_options *options,
                          struct fp_agent_storage *storages)
{
    v->options = options;
    v->storages = storages;
    for (uint32_t i = 0; i < options->volume_count; i++)
        if (add(v, &options->volumes[i])->partition == 1)
            add_second(v, &options->volumes[i]);
}
