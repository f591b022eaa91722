/* SPDX-License-Identifier: MIT
 *
 * The front end of the filesystem drivers. What is the same for every format
 * is decided here, so that a driver is never asked for nonsense: paths are
 * well formed, modes fit, nothing writes to a read-only volume, and the cases
 * of rename that need no directory walk are answered.
 */
#include "core/fs/fs.h"

#include "core/bdev/window.h"

#include <string.h>

#define DEFAULT_MAX_FILES 4

static bool is_root(const char *path)
{
    return path[0] == '/' && path[1] == '\0';
}

size_t fp_fs_name_size(const char *name)
{
    size_t size = 0;

    while (name[size] != '\0' && name[size] != '/')
        size++;
    if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
        return 0;
    return size;
}

int fp_fs_check_path(const char *path)
{
    const char *at = path;
    int err = FP_OK;

    if (path == NULL || path[0] != '/')
        return FP_ERR_INVAL;
    while (*at == '/' && !is_root(path)) {
        size_t size = fp_fs_name_size(at + 1);

        if (size == 0)
            return FP_ERR_INVAL;
        at += 1 + size;
        if (size > FP_NAME_MAX || at - path > FP_PATH_MAX)
            err = FP_ERR_NAMETOOLONG;
    }
    return err;
}

static bool is_rdonly(const struct fp_mount *mnt)
{
    return mnt->cfg.flags & FP_MOUNT_RDONLY;
}

/* What holds for every call that looks a path up. What nobody writes may have
 * any name. */
static int check_look(const struct fp_mount *mnt, const char *path)
{
    if (!mnt->mounted)
        return FP_ERR_INVAL;
    if (mnt->cfg.flags & FP_MOUNT_STORED && is_rdonly(mnt))
        return path != NULL && path[0] == '/' ? FP_OK : FP_ERR_INVAL;
    return fp_fs_check_path(path);
}

/* What holds for every call that changes what a path names. */
static int check_change(const struct fp_mount *mnt, const char *path)
{
    int err = check_look(mnt, path);

    if (err)
        return err;
    return is_rdonly(mnt) ? FP_ERR_ROFS : FP_OK;
}

int fp_fs_probe(const struct fp_fs_ops *const *drivers, struct fp_bdev *dev,
                const struct fp_fs_ops **ops, struct fp_fs_config *cfg)
{
    struct fp_fs_config best = { 0 };
    int best_score = -1, first_err = FP_ERR_NOENT;

    for (; *drivers != NULL; drivers++) {
        struct fp_fs_config found = *cfg;
        int score = best_score < 0 ? 0 : best_score, err;

        if ((*drivers)->probe == NULL)
            continue;
        err = (*drivers)->probe(dev, &found, &score);
        if (err && first_err == FP_ERR_NOENT)
            first_err = err;
        if (err || score <= best_score)
            continue;
        best_score = score;
        best = found;
        *ops = *drivers;
    }
    if (best_score < 0)
        return first_err;
    *cfg = best;
    return FP_OK;
}

static int check_workspace(const struct fp_fs_ops *ops,
                           const struct fp_bdev *dev,
                           const struct fp_fs_config *cfg, size_t ws_size)
{
    size_t need = ops->workspace(dev, cfg);

    if (need == 0)
        return FP_ERR_NOTSUP;
    return ws_size < need ? FP_ERR_NOMEM : FP_OK;
}

typedef int (*format_fn)(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                         void *ws, size_t ws_size);

/* What a format does, or what asks whether there may be one. */
static int look_or_format(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                          const struct fp_fs_config *cfg, void *ws,
                          size_t ws_size, format_fn fn)
{
    struct fp_fs_config use = { 0 };
    int err;

    if (cfg != NULL)
        use = *cfg;
    if (use.max_files == 0)
        use.max_files = DEFAULT_MAX_FILES;
    if (ops->format == NULL)
        return FP_ERR_NOTSUP;
    err = check_workspace(ops, dev, &use, ws_size);
    return err ? err : fn(dev, &use, ws, ws_size);
}

static int is_erased(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                     void *ws, size_t ws_size)
{
    struct fp_fs_blank all = {
        .dev = dev, .buf = ws, .size = (uint32_t)ws_size, .also = 0xff
    };

    (void)cfg;
    return fp_fs_blank_to(&all, fp_bdev_size(dev), 0);
}

int fp_fs_format(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                 const struct fp_fs_config *cfg, void *ws, size_t ws_size)
{
    if (ops->format != NULL && dev->flags & FP_BDEV_RDONLY)
        return FP_ERR_ROFS;
    return look_or_format(ops, dev, cfg, ws, ws_size, ops->format);
}

int fp_fs_is_blank(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                   const struct fp_fs_config *cfg, void *ws, size_t ws_size)
{
    return look_or_format(ops, dev, cfg, ws, ws_size,
                          ops->is_blank != NULL ? ops->is_blank : is_erased);
}

/* Without a stated block size the volume is asked how it is laid out. */
static int find_block_size(struct fp_mount *mnt)
{
    struct fp_fs_config found = mnt->cfg;
    struct fp_bdev_window window;
    struct fp_bdev *dev;
    int score = 0, err;

    if (!FP_FS_PROBE || mnt->cfg.block_size != 0 || mnt->ops->probe == NULL)
        return FP_OK;
    dev = fp_bdev_window_init(&window, mnt->dev, mnt->ws, mnt->ws_size);
    err = mnt->ops->probe(dev, &found, &score);
    mnt->cfg.block_size = found.block_size;
    mnt->cfg.page_size = found.page_size;
    mnt->cfg.options = found.options;
    return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
}

int fp_fs_mount(struct fp_mount *mnt, const struct fp_fs_ops *ops,
                struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                size_t ws_size)
{
    int err;

    memset(mnt, 0, sizeof *mnt);
    mnt->ops = ops;
    mnt->dev = dev;
    mnt->ws = ws;
    mnt->ws_size = ws_size;
    mnt->file_max = (fp_addr)-1;
    if (cfg != NULL)
        mnt->cfg = *cfg;
    if (mnt->cfg.max_files == 0)
        mnt->cfg.max_files = DEFAULT_MAX_FILES;
    if (dev->flags & FP_BDEV_RDONLY || ops->write == NULL ||
        mnt->cfg.flags & FP_MOUNT_STORED)
        mnt->cfg.flags |= FP_MOUNT_RDONLY;
    if (fp_fs_option(mnt->cfg.options, "raw", 0))
        mnt->cfg.flags |= FP_MOUNT_STORED;
    if (ops->mount == NULL)
        return FP_ERR_NOTSUP;
    err = find_block_size(mnt);
    if (!err)
        err = check_workspace(ops, dev, &mnt->cfg, ws_size);
    if (err)
        return err;
    err = ops->mount(mnt);
    if (err)
        return err;
    mnt->mounted = true;
    return FP_OK;
}

int fp_fs_unmount(struct fp_mount *mnt)
{
    if (!mnt->mounted)
        return FP_ERR_INVAL;
    if (mnt->open_count > 0)
        return FP_ERR_BUSY;
    mnt->mounted = false;
    return mnt->ops->unmount == NULL ? FP_OK : mnt->ops->unmount(mnt);
}

void fp_fs_abandon(struct fp_mount *mnt)
{
    mnt->mounted = false;
}

bool fp_fs_is_free(const struct fp_mount *mnt)
{
    return !mnt->mounted && mnt->open_count == 0;
}

int fp_fs_sync(struct fp_mount *mnt)
{
    if (!mnt->mounted)
        return FP_ERR_INVAL;
    if (is_rdonly(mnt) || mnt->ops->sync == NULL)
        return FP_OK;
    return mnt->ops->sync(mnt);
}

int fp_fs_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    int err = check_look(mnt, path);

    if (err)
        return err;
    *st = (struct fp_stat){ .type = FP_TYPE_FILE };
    if (is_root(path) && mnt->ops->listattr == NULL) {
        st->type = FP_TYPE_DIR;
        return FP_OK;
    }
    if (mnt->ops->stat == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->stat(mnt, path, st);
}

int fp_fs_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    int err;

    if (!mnt->mounted)
        return FP_ERR_INVAL;
    if (mnt->ops->statfs == NULL)
        return FP_ERR_NOTSUP;
    *st = (struct fp_statfs){ 0 };
    st->caps = mnt->ops->caps;
    st->file_max = mnt->file_max;
    err = mnt->ops->statfs(mnt, st);
    st->size = (fp_addr)st->block_count * st->block_size;
    return err;
}

int fp_fs_claim(struct fp_file **files, uint32_t count, struct fp_file *file)
{
    for (uint32_t i = 0; i < count; i++)
        if (files[i] == NULL) {
            files[i] = file;
            return (int)i;
        }
    return FP_ERR_NFILE;
}

int fp_fs_release(struct fp_file **files, const struct fp_file *file)
{
    while (*files != file)
        files++;
    *files = NULL;
    return FP_OK;
}

static bool flags_fit(uint32_t flags)
{
    const uint32_t all = FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_EXCL |
                         FP_O_TRUNC | FP_O_APPEND | FP_O_STAGE;
    const uint32_t staged = FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;

    if (flags & ~all || !(flags & (FP_O_READ | FP_O_WRITE)))
        return false;
    if (!(flags & FP_O_WRITE) && flags != FP_O_READ)
        return false;
    if (flags & FP_O_EXCL && !(flags & FP_O_CREATE))
        return false;
    return !(flags & FP_O_STAGE) || (flags & staged) == staged;
}

int fp_fs_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
               uint32_t flags)
{
    int err;

    file->mnt = NULL;
    if (!flags_fit(flags))
        return FP_ERR_INVAL;
    err = flags & FP_O_WRITE ? check_change(mnt, path) : check_look(mnt, path);
    if (err)
        return err;
    if (is_root(path))
        return FP_ERR_ISDIR;
    if (mnt->ops->open == NULL ||
        (flags & FP_O_STAGE && mnt->ops->commit == NULL))
        return FP_ERR_NOTSUP;

    *file = (struct fp_file){ .mnt = mnt, .flags = flags };
    err = mnt->ops->open(mnt, file, path, flags);
    if (err) {
        file->mnt = NULL;
        return err;
    }
    mnt->open_count++;
    return FP_OK;
}

/* What holds for every call with an open file. */
static int check_file(const struct fp_file *file, uint32_t flag)
{
    if (file->mnt == NULL || (file->flags & flag) != flag)
        return FP_ERR_INVAL;
    return file->mnt->mounted ? FP_OK : FP_ERR_STALE;
}

/* Are its position and size the front end's? */
static bool is_counted(const struct fp_file *file)
{
    return file->mnt->ops->seek == NULL;
}

static int check_size(const struct fp_file *file, uint64_t size)
{
    return size > file->mnt->file_max ? FP_ERR_FBIG : FP_OK;
}

/* The driver has moved `size` bytes, or answers err. */
static int32_t move_on(struct fp_file *file, int32_t err, uint32_t size)
{
    if (err || !is_counted(file))
        return err;
    file->pos += size;
    return (int32_t)size;
}

int32_t fp_fs_read(struct fp_file *file, void *buf, uint32_t size)
{
    int err = check_file(file, FP_O_READ);

    if (err || size > INT32_MAX)
        return err ? err : FP_ERR_INVAL;
    if (file->mnt->ops->read == NULL)
        return FP_ERR_NOTSUP;
    if (is_counted(file)) {
        uint32_t left = file->pos < file->size ? file->size - file->pos : 0;

        if (size > left)
            size = left;
    }
    return move_on(file, file->mnt->ops->read(file, buf, size), size);
}

int32_t fp_fs_write(struct fp_file *file, const void *buf, uint32_t size)
{
    int err = check_file(file, FP_O_WRITE);
    fp_addr max;

    if (err || size > INT32_MAX)
        return err ? err : FP_ERR_INVAL;
    if (size == 0)
        return 0;
    if (file->flags & FP_O_APPEND)
        file->pos = file->size;
    max = file->mnt->file_max;
    if (file->pos > max || size > max - file->pos)
        return FP_ERR_FBIG;
    err = move_on(file, file->mnt->ops->write(file, buf, size), size);
    if (err > 0 && file->size < file->pos)
        file->size = file->pos;
    return err;
}

/* In unsigned numbers all that is out of range is too large. */
int64_t fp_fs_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    int err = check_file(file, 0);
    uint64_t pos = (uint64_t)off;

    if (err || (uint32_t)whence > FP_SEEK_END)
        return err ? err : FP_ERR_INVAL;
    if (!is_counted(file))
        return file->mnt->ops->seek(file, off, whence);
    if (whence != FP_SEEK_SET)
        pos += whence == FP_SEEK_CUR ? file->pos : file->size;
    if (pos > UINT32_MAX)
        return FP_ERR_INVAL;
    file->pos = (uint32_t)pos;
    return file->pos;
}

int fp_fs_truncate(struct fp_file *file, uint64_t size)
{
    int err = check_file(file, FP_O_WRITE);

    if (err)
        return err;
    if (file->mnt->ops->truncate == NULL)
        return FP_ERR_NOTSUP;
    err = check_size(file, size);
    if (!err)
        err = file->mnt->ops->truncate(file, size);
    if (!err)
        file->size = (uint32_t)size;
    return err;
}

int fp_fs_fsync(struct fp_file *file)
{
    int err = check_file(file, 0);

    if (err)
        return err;
    if (!(file->flags & FP_O_WRITE) || file->mnt->ops->fsync == NULL)
        return FP_OK;
    return file->mnt->ops->fsync(file);
}

int fp_fs_reserve(struct fp_file *file, uint64_t size)
{
    int err = check_file(file, FP_O_WRITE);

    if (err)
        return err;
    if (file->mnt->ops->reserve == NULL)
        return FP_ERR_NOTSUP;
    err = check_size(file, size);
    return err ? err : file->mnt->ops->reserve(file, size);
}

int fp_fs_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    static const struct fp_commit_meta none = { 0 };
    int err = check_file(file, FP_O_STAGE);
    uint32_t flags = file->flags;

    if (err)
        return err;
    file->flags &= FP_O_READ;
    err = file->mnt->ops->commit(file, meta != NULL ? meta : &none);
    if (err)
        file->flags = flags;
    return err;
}

/* What a file that is closed has to do first. Was it removed, then so is its
 * content. */
static int settle(struct fp_file *file)
{
    int err = FP_OK;

    if (is_counted(file) && !(file->flags & FP_O_STAGE))
        err = fp_fs_fsync(file);
    return err == FP_ERR_NOENT ? FP_OK : err;
}

int fp_fs_close(struct fp_file *file)
{
    struct fp_mount *mnt = file->mnt;
    int err = FP_OK, closed = FP_OK;

    if (mnt == NULL)
        return FP_ERR_INVAL;
    if (mnt->mounted) {
        err = settle(file);
        if (mnt->ops->close != NULL)
            closed = mnt->ops->close(file);
    }
    file->mnt = NULL;
    mnt->open_count--;
    return err ? err : closed;
}

/* Where there are no directories but "/". */
static int open_root(struct fp_mount *mnt, const char *path)
{
    struct fp_stat st;
    int err = fp_fs_stat(mnt, path, &st);

    return !err && st.type != FP_TYPE_DIR ? FP_ERR_NOTDIR : err;
}

int fp_fs_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    int err = check_look(mnt, path);

    dir->mnt = NULL;
    if (err)
        return err;
    if (mnt->ops->readdir == NULL)
        return FP_ERR_NOTSUP;

    *dir = (struct fp_dir){ .mnt = mnt };
    err = mnt->ops->opendir == NULL ? open_root(mnt, path)
                                    : mnt->ops->opendir(mnt, dir, path);
    if (err) {
        dir->mnt = NULL;
        return err;
    }
    mnt->open_count++;
    return FP_OK;
}

/* A name that no path can hold is one that nobody can open: left out. */
static bool is_told(const struct fp_mount *mnt, const struct fp_dirent *entry)
{
    size_t size = entry->name_len;

    if (!(mnt->cfg.flags & FP_MOUNT_STORED) &&
        fp_fs_name_size(entry->name) != size)
        return false;
    return size > 0;
}

int fp_fs_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    int got;

    if (dir->mnt == NULL)
        return FP_ERR_INVAL;
    if (!dir->mnt->mounted)
        return FP_ERR_STALE;
    do {
        entry->st = (struct fp_stat){ .type = FP_TYPE_FILE };
        got = dir->mnt->ops->readdir(dir, entry);
    } while (got > 0 && !is_told(dir->mnt, entry));
    return got;
}

int fp_fs_closedir(struct fp_dir *dir)
{
    struct fp_mount *mnt = dir->mnt;
    int err = FP_OK;

    if (mnt == NULL)
        return FP_ERR_INVAL;
    if (mnt->mounted && mnt->ops->closedir != NULL)
        err = mnt->ops->closedir(dir);
    dir->mnt = NULL;
    mnt->open_count--;
    return err;
}

int fp_fs_mkdir(struct fp_mount *mnt, const char *path)
{
    int err = check_change(mnt, path);

    if (err)
        return err;
    if (mnt->ops->mkdir == NULL)
        return FP_ERR_NOTSUP;
    return is_root(path) ? FP_ERR_EXIST : mnt->ops->mkdir(mnt, path);
}

int fp_fs_remove(struct fp_mount *mnt, const char *path)
{
    int err = check_change(mnt, path);

    if (err)
        return err;
    if (mnt->ops->remove == NULL)
        return FP_ERR_NOTSUP;
    return is_root(path) ? FP_ERR_BUSY : mnt->ops->remove(mnt, path);
}

/* `to` is `from` or lies below it: true, and *err is the answer that rename
 * gives without moving anything. */
static bool renames_into_itself(struct fp_mount *mnt, const char *from,
                                const char *to, uint32_t flags, int *err)
{
    size_t size = strlen(from);
    struct fp_stat st;

    if (strncmp(from, to, size) != 0 || (to[size] != '\0' && to[size] != '/'))
        return false;
    *err = fp_fs_stat(mnt, from, &st);
    if (*err)
        return true;
    if (to[size] == '\0')
        *err = flags & FP_RENAME_NOREPLACE ? FP_ERR_EXIST : FP_OK;
    else
        *err = st.type == FP_TYPE_DIR ? FP_ERR_INVAL : FP_ERR_NOTDIR;
    return true;
}

int fp_fs_rename(struct fp_mount *mnt, const char *from, const char *to,
                 uint32_t flags)
{
    int err = check_change(mnt, from);

    if (!err)
        err = fp_fs_check_path(to);
    if (err)
        return err;
    if (flags & ~(uint32_t)FP_RENAME_NOREPLACE)
        return FP_ERR_INVAL;
    if (mnt->ops->rename == NULL)
        return FP_ERR_NOTSUP;
    if (is_root(from) || is_root(to))
        return FP_ERR_BUSY;
    if (renames_into_itself(mnt, from, to, flags, &err))
        return err;
    return mnt->ops->rename(mnt, from, to, flags);
}

int32_t fp_fs_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                      void *buf, uint32_t size)
{
    int err = check_look(mnt, path);

    if (err)
        return err;
    if (mnt->ops->getattr == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->getattr(mnt, path, type, buf, size);
}

int fp_fs_setattr(struct fp_mount *mnt, const char *path, uint8_t type,
                  const void *buf, uint32_t size)
{
    int err = check_change(mnt, path);

    if (err)
        return err;
    if (mnt->ops->setattr == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->setattr(mnt, path, type, buf, buf != NULL ? size : 0);
}

int fp_fs_listattr(struct fp_mount *mnt, const char *path, uint8_t *types,
                   uint32_t size)
{
    int err = check_look(mnt, path);

    if (err)
        return err;
    if (mnt->ops->listattr == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->listattr(mnt, path, types, size);
}

int fp_fs_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns)
{
    int err = check_change(mnt, path);

    if (err)
        return err;
    if (mnt->ops->settime == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->settime(mnt, path, mtime_ns);
}

int fp_fs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    if (!mnt->mounted)
        return FP_ERR_INVAL;
    if (mnt->ops->blocks == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->blocks(mnt, fn, ctx);
}

int fp_fs_step(struct fp_mount *mnt, struct fp_step *step)
{
    if (!mnt->mounted || (uint32_t)step->kind >= FP_STEP_KINDS)
        return FP_ERR_INVAL;
    if (step->done)
        return FP_OK;
    if (step->kind != FP_STEP_CHECK && is_rdonly(mnt))
        return FP_ERR_ROFS;
    if (mnt->ops->step == NULL)
        return FP_ERR_NOTSUP;
    return mnt->ops->step(mnt, step);
}
