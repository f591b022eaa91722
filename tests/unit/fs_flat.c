/* SPDX-License-Identifier: MIT */
#include "tests/unit/fs_flat.h"

#include "core/fs/littlefs/littlefs.h"

#include <string.h>

#define NAME_LIMIT  12
#define FILE_LIMIT  1000
#define FILES_LIMIT 24

#define under (&fp_fs_littlefs)

static int check_name(const char *path)
{
    if (strchr(path + 1, '/') != NULL)
        return FP_ERR_NOTDIR;
    return strlen(path + 1) > NAME_LIMIT ? FP_ERR_NAMETOOLONG : FP_OK;
}

static size_t flat_workspace(const struct fp_bdev *dev,
                             const struct fp_fs_config *cfg)
{
    return under->workspace(dev, cfg);
}

static int flat_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    return under->probe(dev, cfg, score);
}

static int flat_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                       void *ws, size_t ws_size)
{
    return under->format(dev, cfg, ws, ws_size);
}

static int flat_mount(struct fp_mount *mnt)
{
    return under->mount(mnt);
}

static int flat_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    int err = check_name(path);

    return err ? err : under->stat(mnt, path, st);
}

static int flat_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    int err = under->statfs(mnt, st);

    st->caps = FP_CAP_STAGE | FP_CAP_ATOMIC_REPLACE | FP_CAP_WRITE;
    st->name_max = NAME_LIMIT;
    st->file_max = FILE_LIMIT;
    st->files_max = FILES_LIMIT;
    return err;
}

/* FP_ERR_NOSPC where one file more would be one too many. */
static int check_count(struct fp_mount *mnt, const char *path)
{
    struct fp_dir dir = { .mnt = mnt };
    struct fp_dirent entry = { .name_len = 0 };
    struct fp_stat st = { 0 };
    int files = 0, got;

    if (under->stat(mnt, path, &st) == FP_OK)
        return FP_OK;
    got = under->opendir(mnt, &dir, "/");
    if (got)
        return got;
    while ((got = under->readdir(&dir, &entry)) > 0)
        files++;
    under->closedir(&dir);
    return got ? got : files >= FILES_LIMIT ? FP_ERR_NOSPC : FP_OK;
}

static int flat_open(struct fp_mount *mnt, struct fp_file *file,
                     const char *path, uint32_t flags)
{
    int err = check_name(path);

    if (!err && flags & FP_O_APPEND)
        err = FP_ERR_NOTSUP;
    if (!err && flags & FP_O_CREATE)
        err = check_count(mnt, path);
    return err ? err : under->open(mnt, file, path, flags);
}

static int32_t flat_write(struct fp_file *file, const void *buf, uint32_t size)
{
    if (file->pos + size > FILE_LIMIT)
        return FP_ERR_FBIG;
    return under->write(file, buf, size);
}

static int32_t flat_read(struct fp_file *file, void *buf, uint32_t size)
{
    return under->read(file, buf, size);
}

static int flat_fsync(struct fp_file *file)
{
    return under->fsync(file);
}

static int flat_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)meta;
    return under->commit(file, &(struct fp_commit_meta){ .has_mtime = false });
}

static int flat_close(struct fp_file *file)
{
    return under->close(file);
}

static int flat_opendir(struct fp_mount *mnt, struct fp_dir *dir,
                        const char *path)
{
    return under->opendir(mnt, dir, path);
}

static int flat_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    return under->readdir(dir, entry);
}

static int flat_closedir(struct fp_dir *dir)
{
    return under->closedir(dir);
}

static int flat_remove(struct fp_mount *mnt, const char *path)
{
    int err = check_name(path);

    return err ? err : under->remove(mnt, path);
}

static int flat_rename(struct fp_mount *mnt, const char *from, const char *to,
                       uint32_t flags)
{
    int err = check_name(from);

    if (!err)
        err = check_name(to);
    return err ? err : under->rename(mnt, from, to, flags);
}

const struct fp_fs_ops fs_flat = {
    .name = "flat",
    .promise = FP_PROMISE_OLD_OR_NEW,
    .workspace = flat_workspace,
    .probe = flat_probe,
    .format = flat_format,
    .mount = flat_mount,
    .stat = flat_stat,
    .statfs = flat_statfs,
    .open = flat_open,
    .read = flat_read,
    .write = flat_write,
    .fsync = flat_fsync,
    .commit = flat_commit,
    .close = flat_close,
    .opendir = flat_opendir,
    .readdir = flat_readdir,
    .closedir = flat_closedir,
    .remove = flat_remove,
    .rename = flat_rename,
};
