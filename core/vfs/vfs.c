/* SPDX-License-Identifier: MIT
 *
 * A linked list of the caller's mounts, in order of mounting: a device has two
 * or three, so looking one up by walking is as fast as anything.
 */
#include "core/vfs/vfs.h"

#include "core/bdev/window.h"

#include <string.h>

void fp_vfs_init(struct fp_vfs *vfs, const struct fp_fs_ops *const *drivers)
{
    *vfs = (struct fp_vfs){ .drivers = drivers };
}

static struct fp_vfs_mount *find(const struct fp_vfs *vfs, const char *path,
                                 size_t size)
{
    for (struct fp_vfs_mount *vm = vfs->mounts; vm != NULL; vm = vm->next)
        if (strncmp(vm->path, path, size) == 0 && vm->path[size] == '\0')
            return vm;
    return NULL;
}

/* The pointer of the table that points to vm, or the one at its end. */
static struct fp_vfs_mount **link_to(struct fp_vfs *vfs,
                                     const struct fp_vfs_mount *vm)
{
    struct fp_vfs_mount **at = &vfs->mounts;

    while (*at != NULL && *at != vm)
        at = &(*at)->next;
    return at;
}

int fp_vfs_mount(struct fp_vfs *vfs, struct fp_vfs_mount *vm, const char *path,
                 const struct fp_fs_ops *ops, struct fp_bdev *dev,
                 const struct fp_fs_config *cfg, void *ws, size_t ws_size)
{
    struct fp_fs_config found;
    struct fp_bdev_window window;
    size_t size = path[0] == '/' ? fp_fs_name_size(path + 1) : 0;
    int err;

    if (size == 0 || path[1 + size] != '\0')
        return FP_ERR_INVAL;
    if (size > FP_MOUNT_POINT_MAX)
        return FP_ERR_NAMETOOLONG;
    if (find(vfs, path, size + 1) != NULL)
        return FP_ERR_EXIST;
    if (ops == NULL && !FP_FS_PROBE)
        return FP_ERR_NOTSUP;
    if (ops == NULL) {
        found = cfg != NULL ? *cfg : (struct fp_fs_config){ 0 };
        cfg = &found;
        err = fp_fs_probe(vfs->drivers,
                          fp_bdev_window_init(&window, dev, ws, ws_size), &ops,
                          &found);
        if (err)
            return err;
    }
    err = fp_fs_mount(&vm->mnt, ops, dev, cfg, ws, ws_size);
    if (err)
        return err;

    memcpy(vm->path, path, size + 2);
    vm->next = NULL;
    *link_to(vfs, NULL) = vm; /* published last, fully formed */
    return FP_OK;
}

void fp_vfs_abandon(struct fp_vfs *vfs, struct fp_vfs_mount *vm)
{
    struct fp_vfs_mount **at = link_to(vfs, vm);

    if (*at == NULL)
        return;
    fp_fs_abandon(&vm->mnt);
    *at = vm->next;
}

int fp_vfs_unmount(struct fp_vfs *vfs, struct fp_vfs_mount *vm)
{
    struct fp_vfs_mount **at = link_to(vfs, vm);
    int err;

    if (*at == NULL)
        return FP_ERR_NOENT;
    err = fp_fs_unmount(&vm->mnt);
    if (vm->mnt.mounted)
        return err;
    *at = vm->next;
    return err;
}

struct fp_vfs_mount *fp_vfs_first(struct fp_vfs *vfs)
{
    return vfs->mounts;
}

struct fp_vfs_mount *fp_vfs_next(struct fp_vfs_mount *vm)
{
    return vm->next;
}

struct fp_vfs_mount *fp_vfs_default(struct fp_vfs *vfs)
{
    struct fp_vfs_mount *vm = find(vfs, "/sd", 3);

    if (vm == NULL)
        vm = find(vfs, "/flash", 6);
    return vm != NULL ? vm : vfs->mounts;
}

int fp_vfs_resolve(struct fp_vfs *vfs, const char *path,
                   struct fp_vfs_mount **vm, const char **rest)
{
    size_t size;

    /* The volume's front end looks again, for what is too long, too; but a
     * path that leads nowhere is to be told from one that is malformed. */
    if (fp_fs_check_path(path) == FP_ERR_INVAL)
        return FP_ERR_INVAL;
    size = 1 + fp_fs_name_size(path + 1);
    *rest = path[size] == '\0' ? "/" : path + size;
    *vm = find(vfs, path, size);
    if (*vm != NULL)
        return FP_OK;
    return size == 1 ? FP_ERR_ISDIR : FP_ERR_NOENT;
}

int fp_vfs_stat(struct fp_vfs *vfs, const char *path, struct fp_stat *st)
{
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = fp_vfs_resolve(vfs, path, &vm, &rest);

    if (err == FP_ERR_ISDIR) {
        *st = (struct fp_stat){ .type = FP_TYPE_DIR };
        return FP_OK;
    }
    return err ? err : fp_fs_stat(&vm->mnt, rest, st);
}

/* Resolves a path that is to be changed: "/" and its entries, the mount
 * points, are nobody's to change, and nothing can be made beside them. */
static int resolve_change(struct fp_vfs *vfs, const char *path,
                          struct fp_vfs_mount **vm, const char **rest)
{
    int err = fp_vfs_resolve(vfs, path, vm, rest);

    if (err && err != FP_ERR_INVAL && (*rest)[1] == '\0')
        return FP_ERR_ROFS;
    return err;
}

int fp_vfs_open(struct fp_vfs *vfs, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = flags & FP_O_CREATE ? resolve_change(vfs, path, &vm, &rest)
                                  : fp_vfs_resolve(vfs, path, &vm, &rest);

    file->mnt = NULL;
    return err ? err : fp_fs_open(&vm->mnt, file, rest, flags);
}

int fp_vfs_opendir(struct fp_vfs *vfs, struct fp_vfs_dir *dir, const char *path)
{
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = fp_vfs_resolve(vfs, path, &vm, &rest);

    memset(dir, 0, sizeof *dir);
    if (err == FP_ERR_ISDIR) {
        dir->vfs = vfs;
        return FP_OK;
    }
    return err ? err : fp_fs_opendir(&vm->mnt, &dir->dir, rest);
}

/* The next mount point as an entry of "/". Counted, not pointed at: a volume
 * may be unmounted while a listing is under way. */
static int read_root(struct fp_vfs_dir *dir, struct fp_dirent *entry)
{
    const struct fp_vfs_mount *vm = dir->vfs->mounts;
    size_t size;

    for (uint32_t i = dir->index; i > 0 && vm != NULL; i--)
        vm = vm->next;
    if (vm == NULL)
        return 0;
    size = strlen(vm->path + 1);
    entry->st = (struct fp_stat){ .type = FP_TYPE_DIR };
    entry->name_len = (uint16_t)size;
    memcpy(entry->name, vm->path + 1, size + 1);
    dir->index++;
    return 1;
}

int fp_vfs_readdir(struct fp_vfs_dir *dir, struct fp_dirent *entry)
{
    return dir->vfs != NULL ? read_root(dir, entry)
                            : fp_fs_readdir(&dir->dir, entry);
}

int fp_vfs_closedir(struct fp_vfs_dir *dir)
{
    if (dir->vfs == NULL)
        return fp_fs_closedir(&dir->dir);
    dir->vfs = NULL;
    return FP_OK;
}

int fp_vfs_mkdir(struct fp_vfs *vfs, const char *path)
{
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = resolve_change(vfs, path, &vm, &rest);

    return err ? err : fp_fs_mkdir(&vm->mnt, rest);
}

int fp_vfs_remove(struct fp_vfs *vfs, const char *path)
{
    struct fp_vfs_mount *vm;
    const char *rest;
    int err = fp_vfs_resolve(vfs, path, &vm, &rest);

    if (err == FP_ERR_ISDIR)
        return FP_ERR_ROFS;
    return err ? err : fp_fs_remove(&vm->mnt, rest);
}

int fp_vfs_rename(struct fp_vfs *vfs, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_vfs_mount *vm, *to_vm;
    const char *rest, *to_rest;
    int err = fp_vfs_resolve(vfs, from, &vm, &rest);

    if (err == FP_ERR_ISDIR)
        return FP_ERR_ROFS;
    if (!err)
        err = resolve_change(vfs, to, &to_vm, &to_rest);
    if (err)
        return err;
    if (vm != to_vm)
        return FP_ERR_NOTSUP;
    return fp_fs_rename(&vm->mnt, rest, to_rest, flags);
}
