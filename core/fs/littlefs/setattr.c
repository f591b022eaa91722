/* SPDX-License-Identifier: MIT
 *
 * User attributes and times, writing.
 */
#include "core/fs/littlefs/lfs.h"

/* The length of an attribute, or FP_ERR_NODATA. */
static int32_t length(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      uint32_t id, uint8_t type)
{
    struct fp_lfs_attr attr;
    int err = m ? fp_lfs_attr_get(fs, m, id, type, &attr) : FP_ERR_NODATA;

    return err ? err : attr.len;
}

static void op_time(struct fp_lfs *fs, uint32_t id, uint8_t type, int32_t len,
                    int64_t time)
{
    struct fp_lfs_op *op =
        fp_lfs_op(fs, FP_LFS_ATTR | (uint32_t)type, id, NULL, (uint32_t)len);

    op->buf = op->words;
    fp_lfs_pair_set(op->words, (uint32_t)time, (uint32_t)(time >> 32));
    fp_lfs_le(op->words, 2);
}

/* An entry that has 't' gets it in its length; one that has attribute 1, or
 * neither, gets that. */
int fp_lfs_time_ops(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    int64_t mtime_ns)
{
    int32_t s = length(fs, m, id, 't'), ns = length(fs, m, id, 1);
    bool seconds = s == 8 || s == 4;

    if (s < 0 && s != FP_ERR_NODATA)
        return s;
    if (ns < 0 && ns != FP_ERR_NODATA)
        return ns;
    if (seconds)
        op_time(fs, id, 't', s, mtime_ns / 1000000000);
    if (ns == 8 || (ns < 0 && !seconds))
        op_time(fs, id, 1, 8, mtime_ns);
    else if (!seconds)
        return FP_ERR_NOTSUP;
    return FP_OK;
}

/* The entry at `path` into fs->to. */
static int find(struct fp_lfs *fs, const char *path, struct fp_lfs_mdir **m)
{
    int err = fp_lfs_begin(fs, path, false);

    return err ? err : fp_lfs_get(fs, fs->to->pair, m);
}

int fp_lfs_setattr(struct fp_mount *mnt, const char *path, uint8_t type,
                   const void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    int32_t err = find(fs, path, &m);

    if (!err && buf && size > fs->super.attr_max)
        err = FP_ERR_FBIG;
    if (!err && !buf) {
        err = length(fs, m, fs->to->id, type);
        size = FP_LFS_REMOVED;
    }
    if (err < 0)
        return err;
    (void)fp_lfs_op(fs, FP_LFS_ATTR | (uint32_t)type, fs->to->id, buf, size);
    return fp_lfs_finish(fs, fp_lfs_commit(fs, fs->to->pair));
}

int fp_lfs_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    int err = find(fs, path, &m);

    if (!err)
        err = fp_lfs_time_ops(fs, m, fs->to->id, mtime_ns);
    return err ? err : fp_lfs_finish(fs, fp_lfs_commit(fs, fs->to->pair));
}
