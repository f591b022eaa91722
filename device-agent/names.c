/* SPDX-License-Identifier: MIT
 *
 * From the names in a request to the volume or storage they mean.
 */
#include "device-agent/private.h"

#include <string.h>

static int take_path(struct fp_agent_task *task, char *dst,
                     const pb_bytes_array_t *field)
{
    size_t size = field->size;

    if (size == 0 || field->bytes[0] != '/')
        return fp_agent_because(task, FP_ERR_INVAL,
                                "a path begins with '/', as in /flash/a.txt");
    if (memchr(field->bytes, '\0', size) != NULL)
        return fp_agent_because(task, FP_ERR_INVAL, "a NUL byte in a path");
    if (size > FP_AGENT_PATH_MAX) {
        task->limit = FP_AGENT_PATH_MAX;
        return fp_agent_because(task, FP_ERR_NAMETOOLONG,
                                "the path is longer than this device takes");
    }
    memmove(dst, field->bytes, size);
    dst[size] = '\0';
    return FP_OK;
}

/* The volume whose mount that is; vm NULL: the one that `path` would lead to if
 * it were mounted. NULL: it is none of ours. */
static struct fp_agent_volume *volume_of(const struct fp_agent *agent,
                                         const struct fp_vfs_mount *vm,
                                         const char *path)
{
    struct fp_agent_volume *found = NULL;

    for (uint32_t i = 0; i < agent->cfg->volume_count; i++) {
        struct fp_agent_volume *volume = &agent->cfg->volumes[i];
        size_t size = strlen(volume->path);

        if (vm != NULL ? vm == &volume->vm
                       : strncmp(path, volume->path, size) == 0 &&
                             (path[size] == '\0' || path[size] == '/'))
            found = volume;
    }
    return found;
}

/* Why is nothing mounted there? What is being restored will be there again. */
static int blame_volume(struct fp_agent_task *task)
{
    struct fp_agent_volume *volume = task->volume;

    if (volume == NULL || fp_agent_volume_is_void(volume)) {
        task->volume = NULL;
        return fp_agent_because(task, FP_ERR_NOENT,
                                "no volume is mounted there");
    }
    if (volume->on != NULL && fp_agent_is_restoring(volume->on))
        return FP_ERR_BUSY;
    if (volume->on != NULL && !fp_agent_has_medium(volume->on))
        return FP_ERR_NODEV;
    return FP_ERR_NOENT;
}

int fp_agent_path(struct fp_agent *agent, struct fp_agent_task *task, char *dst,
                  const void *field)
{
    struct fp_vfs_mount *vm = NULL;
    const char *rest;
    int err = take_path(task, dst, field);

    if (err)
        return err;
    err = fp_vfs_resolve(agent->cfg->vfs, dst, &vm, &rest);
    if (err == FP_ERR_ISDIR)
        return FP_OK;
    if (err == FP_ERR_INVAL)
        return fp_agent_because(task, err,
                                "a path has no empty, \".\" or \"..\" "
                                "component");
    task->volume = volume_of(agent, vm, dst);
    if (err)
        return blame_volume(task);
    if (task->volume != NULL)
        task->storage = task->volume->on;
    return FP_OK;
}

int fp_agent_path_change(struct fp_agent *agent, struct fp_agent_task *task,
                         char *dst, const void *field)
{
    int err = fp_agent_path(agent, task, dst, field);

    return err ? err : fp_agent_may_change(agent, task, dst, true);
}

int fp_agent_path_new(struct fp_agent *agent, struct fp_agent_task *task,
                      char *dst, const void *field)
{
    int err = fp_agent_path(agent, task, dst, field);

    if (!err)
        err = fp_agent_may_change(agent, task, dst, false);
    if (err != FP_ERR_NOENT || task->volume != NULL ||
        strchr(dst + 1, '/') != NULL)
        return err;
    return fp_agent_because(task, FP_ERR_ROFS,
                            "the root holds only volumes and takes no writes");
}

int fp_agent_find_volume(struct fp_agent *agent, struct fp_agent_task *task,
                         const pb_byte_t *name, size_t size)
{
    for (uint32_t i = 0; i < agent->cfg->volume_count; i++) {
        struct fp_agent_volume *volume = &agent->cfg->volumes[i];

        if (strlen(volume->path) == size &&
            memcmp(volume->path, name, size) == 0 &&
            !fp_agent_volume_is_void(volume)) {
            task->volume = volume;
            task->storage = volume->on;
            return FP_OK;
        }
    }
    return fp_agent_because(task, FP_ERR_NOENT, "no volume has that path");
}

struct fp_agent_storage *fp_agent_storage(const struct fp_agent *agent,
                                          const void *name, size_t size)
{
    for (uint32_t i = 0; i < agent->cfg->storage_count; i++) {
        struct fp_agent_storage *storage = &agent->cfg->storages[i];

        if (strlen(storage->name) == size &&
            memcmp(storage->name, name, size) == 0)
            return storage;
    }
    return NULL;
}

int fp_agent_find_storage(struct fp_agent *agent, struct fp_agent_task *task,
                          const pb_byte_t *name, size_t size)
{
    task->storage = fp_agent_storage(agent, name, size);
    if (task->storage == NULL)
        return fp_agent_because(task, FP_ERR_NOENT, "no storage has that name");
    if (!fp_agent_has_medium(task->storage))
        return fp_agent_because(task, FP_ERR_NODEV,
                                "there is no medium in the storage");
    return FP_OK;
}

uint32_t fp_agent_gen(const struct fp_agent_storage *storage)
{
    if (storage == NULL || storage->gen == NULL)
        return 0;
    return fp_bdev_gen_now(storage->gen);
}

fp_addr fp_agent_storage_size(const struct fp_agent_storage *storage)
{
    return fp_bdev_size(storage->dev);
}

uint32_t fp_agent_chunk_size(const struct fp_agent_storage *storage)
{
    if (storage->chunk_size != 0)
        return storage->chunk_size;
    return fp_agent_storage_size(storage) > 256u * 1024 * 1024 ? 65536 : 4096;
}

uint32_t fp_agent_chunk_count(const struct fp_agent_storage *storage)
{
    fp_addr size = fp_agent_storage_size(storage);
    uint32_t chunk_size = fp_agent_chunk_size(storage);

    return (uint32_t)(size / chunk_size + (size % chunk_size != 0));
}

bool fp_agent_is_fixed(const struct fp_agent *agent, const char *path)
{
    struct fp_vfs_mount *vm;
    const char *rest;

    return fp_vfs_resolve(agent->cfg->vfs, path, &vm, &rest) == FP_OK &&
           vm->mnt.ops->rename == NULL;
}
