/* SPDX-License-Identifier: MIT
 *
 * The tree of volumes: mount points at the top level ("/flash", "/sd"), paths
 * through them, and files and directories on whichever volume a path leads to.
 *
 * "/" holds only mount points and takes no writes (FP_ERR_ROFS). A path is as
 * in core/fs/fs.h, with the mount point as its first component.
 *
 * Memory  mounts are the caller's, linked into the table while mounted
 * Errors  as core/fs/fs.h; a rename across volumes is FP_ERR_NOTSUP
 */
#ifndef FP_CORE_VFS_VFS_H
#define FP_CORE_VFS_VFS_H

#include "core/fs/fs.h"

#define FP_MOUNT_POINT_MAX 15

struct fp_vfs_mount {
    struct fp_mount mnt;
    char path[FP_MOUNT_POINT_MAX + 2]; /* "/flash" */
    /* private */
    struct fp_vfs_mount *next;
};

struct fp_vfs {
    const struct fp_fs_ops *const *drivers; /* NULL-ended */
    /* private */
    struct fp_vfs_mount *mounts;
};

struct fp_vfs_dir {
    struct fp_dir dir; /* open on a volume; "/" has what follows instead */
    /* private */
    struct fp_vfs *vfs; /* of "/", else NULL */
    uint32_t index;     /* of the next mount point to tell */
};

void fp_vfs_init(struct fp_vfs *vfs, const struct fp_fs_ops *const *drivers);

/* Mounts `ops` on dev at `path` ("/flash": one component). ops NULL: the
 * driver that probing finds, of equally good ones the first of vfs->drivers;
 * FP_ERR_NOENT when none does. FP_ERR_EXIST: the mount point is taken. */
int fp_vfs_mount(struct fp_vfs *vfs, struct fp_vfs_mount *vm, const char *path,
                 const struct fp_fs_ops *ops, struct fp_bdev *dev,
                 const struct fp_fs_config *cfg, void *ws, size_t ws_size);
int fp_vfs_unmount(struct fp_vfs *vfs, struct fp_vfs_mount *vm);
/* As fp_fs_abandon(): the medium has left, the mount point goes at once. vm
 * may be mounted again once fp_fs_is_free(&vm->mnt). */
void fp_vfs_abandon(struct fp_vfs *vfs, struct fp_vfs_mount *vm);

/* The first mount, then each next; NULL at the end. In order of mounting. */
struct fp_vfs_mount *fp_vfs_first(struct fp_vfs *vfs);
struct fp_vfs_mount *fp_vfs_next(struct fp_vfs_mount *vm);

/* "/sd" when mounted, else "/flash", else the first; NULL without any. */
struct fp_vfs_mount *fp_vfs_default(struct fp_vfs *vfs);

/* Resolves `path`: its volume and, in *rest, the path within it ("/" for the
 * mount point itself), which points into `path` or to a constant.
 * FP_ERR_ISDIR: `path` is "/" itself. FP_ERR_NOENT: no such volume; *rest is
 * told even so.
 * FP_ERR_INVAL: empty, relative, "." or "..", doubled or trailing '/'. */
int fp_vfs_resolve(struct fp_vfs *vfs, const char *path,
                   struct fp_vfs_mount **vm, const char **rest);

int fp_vfs_stat(struct fp_vfs *vfs, const char *path, struct fp_stat *st);
int fp_vfs_open(struct fp_vfs *vfs, struct fp_file *file, const char *path,
                uint32_t flags);
int fp_vfs_opendir(struct fp_vfs *vfs, struct fp_vfs_dir *dir,
                   const char *path);
int fp_vfs_readdir(struct fp_vfs_dir *dir, struct fp_dirent *entry);
int fp_vfs_closedir(struct fp_vfs_dir *dir);
int fp_vfs_mkdir(struct fp_vfs *vfs, const char *path);
int fp_vfs_remove(struct fp_vfs *vfs, const char *path);
int fp_vfs_rename(struct fp_vfs *vfs, const char *from, const char *to,
                  uint32_t flags);

#endif
