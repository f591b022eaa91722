/* SPDX-License-Identifier: MIT
 *
 * Open files, writing: opening, syncing, staging. The content is extend.c's.
 *
 * A file that is new, or staged, stands at no entry: it remembers its name and
 * the head of its directory, and finds or makes its entry when it is synced,
 * content and name in one commit.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

static char *name_of(const struct fp_lfs *fs, const struct fp_lfs_file *f)
{
    return (char *)f->buf + fs->cache_size;
}

static struct fp_lfs_file *file_at(struct fp_lfs_node *n)
{
    return n->what == FP_LFS_NODE_FILE ? (struct fp_lfs_file *)(void *)n : NULL;
}

/* It was removed, or the directory that it was to be made in. */
static bool is_gone(const struct fp_lfs_file *f)
{
    return fp_lfs_pair_is_null(f->node.pair) &&
           fp_lfs_pair_is_null(f->node.dir);
}

/* May it be written to? When a write of it failed, what was staged is gone: to
 * commit the rest of it, or nothing, in place of the old file is not what
 * anyone asked for. */
static FP_LFS_APART int prepare(struct fp_lfs *fs, const struct fp_lfs_file *f)
{
    return f->staged && !f->dirty ? FP_ERR_STALE : fp_lfs_prepare(fs);
}

/* Is the name at fs->to taken by an open file that will make its entry later?
 */
static bool is_awaited(struct fp_lfs *fs)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next) {
        struct fp_lfs_file *f = file_at(n);

        if (f && !f->staged && fp_lfs_pair_is_null(n->pair) &&
            fp_lfs_pair_shares(n->dir, fs->to->dir) &&
            f->name_len == fs->to->name_len &&
            !memcmp(name_of(fs, f), fs->to->name, f->name_len))
            return true;
    }
    return false;
}

/* --- opening --- */

/* Takes over what is at fs->to, or its name. */
static FP_LFS_APART int attach(struct fp_lfs *fs, struct fp_lfs_file *f,
                               uint32_t flags)
{
    const struct fp_lfs_place *to = fs->to;
    int err = FP_OK;

    if (!to->kind || flags & FP_O_STAGE) {
        fp_lfs_pair_set(f->node.dir, to->dir[0], to->dir[1]);
        memcpy(name_of(fs, f), to->name, to->name_len);
        f->name_len = to->name_len;
        f->staged = flags & FP_O_STAGE;
        f->dirty = true;
        return FP_OK;
    }
    err = fp_lfs_file_load(fs, f, to);
    if (flags & FP_O_TRUNC && (!err || err == FP_ERR_CORRUPT)) {
        f->body = (struct fp_lfs_body){ FP_LFS_INLINE, 0, 0 };
        fp_lfs_body_forget(fs, f);
        f->dirty = true;
        err = FP_OK;
    }
    return err;
}

int fp_lfs_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err = flags & FP_O_WRITE ? fp_lfs_prepare(fs) : FP_OK;

    if (!err)
        err = fp_lfs_lookup(fs, path, flags & FP_O_CREATE, fs->to);
    if (err)
        return err;
    if (fs->to->kind == FP_LFS_DIR)
        return FP_ERR_ISDIR;
    if (flags & FP_O_EXCL && (fs->to->kind || is_awaited(fs)))
        return FP_ERR_EXIST;
    err = fp_lfs_file_claim(fs, f);
    if (err)
        return err;
    err = attach(fs, f, flags);
    file->size = f->body.size;
    if (err)
        fp_lfs_file_release(fs, f);
    return err;
}

/* --- syncing --- */

/* Passes err on; if it is one, the content is what it was at the last sync. The
 * cache has held other things since, but the log has that. */
static int settle(struct fp_file *file, int err)
{
    struct fp_lfs_file *f = fp_lfs_file_of(file);

    if (!err)
        return FP_OK;
    f->body = f->saved;
    f->dirty = false;
    fp_lfs_body_forget(fp_lfs_of(file->mnt), f);
    f->foreign = f->body.kind == FP_LFS_INLINE && f->body.size > 0;
    file->size = f->body.size;
    return fp_lfs_shown(err);
}

/* Handles on the same entry that read their content from the log can't any
 * more. */
static void make_stale(struct fp_lfs *fs, const struct fp_lfs_node *at)
{
    for (struct fp_lfs_node *n = fs->nodes; n; n = n->next)
        if (n->id == at->id && fp_lfs_pair_shares(n->pair, at->pair))
            n->stale = true;
}

/* Where the entry of a file is to be found, or made: fs->to. */
static int find_entry(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    struct fp_lfs_place *to = fs->to;
    struct fp_lfs_node *n = &f->node;
    int err;

    if (fp_lfs_pair_is_null(n->pair)) {
        to->name = name_of(fs, f);
        to->name_len = f->name_len;
        fp_lfs_pair_set(to->dir, n->dir[0], n->dir[1]);
        err = fp_lfs_find_in(fs, to, true);
        if (err)
            return err;
        if (to->kind == FP_LFS_DIR)
            return FP_ERR_ISDIR;
        if (!to->kind)
            return FP_OK;
        fp_lfs_pair_set(n->pair, to->pair[0], to->pair[1]);
        n->id = to->id;
    }
    fp_lfs_pair_set(to->pair, n->pair[0], n->pair[1]);
    to->id = n->id;
    to->kind = FP_LFS_FILE;
    return FP_OK;
}

/* The operations that give the entry at fs->to what the handle has. */
static int build_ops(struct fp_lfs *fs, struct fp_lfs_file *f,
                     const struct fp_commit_meta *meta)
{
    const uint32_t id = fs->to->id, ref[2] = { f->body.head, f->body.size };
    const bool make = !fs->to->kind;
    struct fp_lfs_mdir *m = NULL;
    int err = FP_OK;

    if (FP_LFS_EXTRAS && !make)
        err = fp_lfs_get(fs, fs->to->pair, &m);

    f->node.parked = make;
    if (make)
        fp_lfs_op_create(fs, FP_LFS_NAME_FILE);
    if (f->body.kind == FP_LFS_INLINE)
        (void)fp_lfs_op(fs, FP_LFS_STRUCT_INLINE, id, f->buf, f->body.size);
    else
        fp_lfs_op_pair(fs, FP_LFS_STRUCT_CTZ, id, ref);
    if (FP_LFS_EXTRAS && !err && meta)
        err = fp_lfs_time_ops(fs, m, id, meta->mtime_ns);
    /* Attribute 1 holds something else: content goes without a time. */
    return err == FP_ERR_NOTSUP ? FP_OK : err;
}

/* Makes it ready to be saved or cut. By itself, since repairs go deep. */
static int get_ready(struct fp_file *file)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err = prepare(fs, f);

    return settle(file, err ? err : fp_lfs_body_flush(fs, f));
}

/* Its content takes its name. */
static int save(struct fp_lfs *fs, struct fp_lfs_file *f,
                const struct fp_commit_meta *meta)
{
    int err;

    if (is_gone(f))
        return FP_ERR_NOENT;
    err = find_entry(fs, f);
    if (!err)
        err = build_ops(fs, f, meta);
    if (!err)
        err = fp_lfs_commit(fs, fs->to->pair);
    err = fp_lfs_finish(fs, err);
    if (err)
        return err;
    make_stale(fs, &f->node);
    f->saved = f->body;
    f->dirty = f->staged = f->node.stale = false;
    fp_lfs_pair_set(f->node.dir, FP_LFS_NULL, FP_LFS_NULL);
    return FP_OK;
}

/* A staged file's content goes to flash, and what is cached of it is dropped:
 * the next read is of flash. Inline content has no place there before its
 * commit and stays in memory. */
static int settle_stage(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    f->cache_block = fs->rcache.block = FP_LFS_NULL;
    fp_lfs_ctz_forget(fs, f);
    return fp_bdev_sync(fs->dev);
}

int fp_lfs_fsync(struct fp_file *file)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err;

    if (!f->staged && !f->dirty)
        return FP_OK;
    err = get_ready(file);
    if (err)
        return err;
    return f->staged ? settle_stage(fs, f) : save(fs, f, NULL);
}

int fp_lfs_file_commit(struct fp_file *file, const struct fp_commit_meta *meta)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err = f->staged ? get_ready(file) : FP_ERR_INVAL;

    return err ? err : save(fs, f, meta->has_mtime ? meta : NULL);
}

int fp_lfs_close(struct fp_file *file)
{
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err = FP_OK;

    if (f->dirty && !f->staged && !is_gone(f))
        err = fp_lfs_fsync(file);
    fp_lfs_file_release(fp_lfs_of(file->mnt), f);
    return err;
}

int fp_lfs_sync(struct fp_mount *mnt)
{
    return fp_bdev_sync(fp_lfs_of(mnt)->dev);
}

/* --- reading and writing --- */

int32_t fp_lfs_read_rw(struct fp_file *file, void *buf, uint32_t size)
{
    int err = fp_lfs_body_flush(fp_lfs_of(file->mnt), fp_lfs_file_of(file));

    return err ? settle(file, err) : fp_lfs_read_ro(file, buf, size);
}

int32_t fp_lfs_write(struct fp_file *file, const void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    int err = prepare(fs, f);

    if (!err)
        err = fp_lfs_body_write(fs, f, file->pos, buf, size);
    return settle(file, err);
}

int fp_lfs_truncate(struct fp_file *file, uint64_t size)
{
    int err = get_ready(file);

    if (!err)
        err = fp_lfs_body_truncate(fp_lfs_of(file->mnt), fp_lfs_file_of(file),
                                   (uint32_t)size);
    return settle(file, err);
}

int fp_lfs_reserve(struct fp_file *file, uint64_t size)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    int err = fp_lfs_prepare(fs);

    return err ? err : fp_lfs_alloc_has(fs, (uint32_t)size);
}
