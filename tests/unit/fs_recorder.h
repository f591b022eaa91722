/* SPDX-License-Identifier: MIT
 *
 * A filesystem driver without a filesystem: it writes down what it is asked, as
 * one line of text, and answers what it was told to. So a test sees what the
 * front ends pass on and what they answer themselves.
 */
#ifndef FP_TESTS_UNIT_FS_RECORDER_H
#define FP_TESTS_UNIT_FS_RECORDER_H

#include "core/fs/fs.h"

#include <stdio.h>

static char rec_asked[2600]; /* "op path", "" when nothing was asked */
static int rec_answer;
static uint8_t rec_type = FP_TYPE_FILE; /* what stat finds */

static int rec(const char *op, const char *path)
{
    snprintf(rec_asked, sizeof rec_asked, "%s%s%s", op, path ? " " : "",
             path ? path : "");
    return rec_answer;
}

static size_t rec_workspace(const struct fp_bdev *dev,
                            const struct fp_fs_config *cfg)
{
    (void)dev;
    return cfg->cache_size == 13 ? 0 : 100;
}

static int rec_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    (void)dev;
    cfg->block_size = 128;
    *score = 40;
    return rec_answer;
}

static int rec_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                      void *ws, size_t ws_size)
{
    (void)dev;
    (void)cfg;
    (void)ws;
    (void)ws_size;
    return rec("format", NULL);
}

static int rec_mount(struct fp_mount *mnt)
{
    (void)mnt;
    return rec("mount", NULL);
}

static int rec_unmount(struct fp_mount *mnt)
{
    (void)mnt;
    return rec("unmount", NULL);
}

static int rec_sync(struct fp_mount *mnt)
{
    (void)mnt;
    return rec("sync", NULL);
}

static int rec_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    (void)mnt;
    st->type = rec_type;
    return rec("stat", path);
}

static int rec_open(struct fp_mount *mnt, struct fp_file *file,
                    const char *path, uint32_t flags)
{
    (void)mnt;
    (void)file;
    (void)flags;
    return rec("open", path);
}

static int32_t rec_read(struct fp_file *file, void *buf, uint32_t size)
{
    (void)file;
    (void)buf;
    (void)size;
    return rec("read", NULL);
}

static int32_t rec_write(struct fp_file *file, const void *buf, uint32_t size)
{
    (void)file;
    (void)buf;
    (void)size;
    return rec("write", NULL);
}

static int64_t rec_seek(struct fp_file *file, int64_t off,
                        enum fp_whence whence)
{
    (void)file;
    (void)off;
    (void)whence;
    return rec("seek", NULL);
}

static int rec_truncate(struct fp_file *file, uint64_t size)
{
    (void)file;
    (void)size;
    return rec("truncate", NULL);
}

static int rec_fsync(struct fp_file *file)
{
    (void)file;
    return rec("fsync", NULL);
}

static int rec_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    (void)file;
    return rec(meta != NULL ? "commit" : "commit without meta", NULL);
}

static int rec_close(struct fp_file *file)
{
    (void)file;
    return rec("close", NULL);
}

static int rec_opendir(struct fp_mount *mnt, struct fp_dir *dir,
                       const char *path)
{
    (void)mnt;
    (void)dir;
    return rec("opendir", path);
}

static int rec_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    (void)dir;
    (void)entry;
    return rec("readdir", NULL);
}

static int rec_closedir(struct fp_dir *dir)
{
    (void)dir;
    return rec("closedir", NULL);
}

static int rec_mkdir(struct fp_mount *mnt, const char *path)
{
    (void)mnt;
    return rec("mkdir", path);
}

static int rec_remove(struct fp_mount *mnt, const char *path)
{
    (void)mnt;
    return rec("remove", path);
}

static int rec_rename(struct fp_mount *mnt, const char *from, const char *to,
                      uint32_t flags)
{
    char op[FP_PATH_MAX + 20];

    (void)mnt;
    (void)flags;
    snprintf(op, sizeof op, "rename %s", from);
    return rec(op, to);
}

static const struct fp_fs_ops rec_ops = {
    .name = "recorder",
    .workspace = rec_workspace,
    .probe = rec_probe,
    .format = rec_format,
    .mount = rec_mount,
    .unmount = rec_unmount,
    .sync = rec_sync,
    .stat = rec_stat,
    .open = rec_open,
    .read = rec_read,
    .write = rec_write,
    .seek = rec_seek,
    .truncate = rec_truncate,
    .fsync = rec_fsync,
    .commit = rec_commit,
    .close = rec_close,
    .opendir = rec_opendir,
    .readdir = rec_readdir,
    .closedir = rec_closedir,
    .mkdir = rec_mkdir,
    .remove = rec_remove,
    .rename = rec_rename,
};

/* What the driver was asked since the last look. */
static const char *rec_take(void)
{
    static char taken[sizeof rec_asked];

    snprintf(taken, sizeof taken, "%s", rec_asked);
    rec_asked[0] = '\0';
    return taken;
}

#endif
