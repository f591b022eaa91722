/* SPDX-License-Identifier: MIT
 *
 * User attributes and times, writing.
 */
#include "core/fs/littlefs/lfs.h"

static int has_attr(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint8_t type, struct fp_lfs_attr *attr)
{
    int err = fp_lfs_attr_next(fs, m, id, type, attr);

    return !err && attr->type != type ? FP_ERR_NODATA : err;
}

/* An entry that has 't' gets it in its length; one that has attribute 1, or
 * neither, gets that. */
int fp_lfs_time_ops(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    int64_t mtime_ns)
{
    struct fp_lfs_attr attr = { .len = 0 };
    int err = m ? has_attr(fs, m, id, 't', &attr) : FP_ERR_NODATA;
    struct fp_lfs_op *op;
    bool seconds;

    if (err && err != FP_ERR_NODATA)
        return err;
    seconds = !err && (attr.len == 8 || attr.len == 4);
    if (seconds) {
        op = fp_lfs_op(fs, FP_LFS_ATTR | 't', id, NULL, attr.len);
        fp_put_le64(op->raw, (uint64_t)(mtime_ns / 1000000000));
        op->buf = op->raw;
    }
    err = m ? has_attr(fs, m, id, 1, &attr) : FP_ERR_NODATA;
    if (err && err != FP_ERR_NODATA)
        return err;
    if (!err && attr.len != 8)
        return seconds ? FP_OK : FP_ERR_NOTSUP;
    if (err && seconds)
        return FP_OK;
    op = fp_lfs_op(fs, FP_LFS_ATTR | 1, id, NULL, 8);
    fp_put_le64(op->raw, (uint64_t)mtime_ns);
    op->buf = op->raw;
    return FP_OK;
}

static int find(struct fp_lfs *fs, const char *path, struct fp_lfs_place *place,
                struct fp_lfs_mdir **m)
{
    int err = fp_lfs_prepare(fs);

    if (!err)
        err = fp_lfs_lookup(fs, path, false, place);
    return err ? err : fp_lfs_get(fs, place->pair, m);
}

int fp_lfs_setattr(struct fp_mount *mnt, const char *path, uint8_t type,
                   const void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_place place;
    struct fp_lfs_attr attr;
    struct fp_lfs_mdir *m;
    int err = find(fs, path, &place, &m);

    if (err)
        return err;
    if (buf && size > fs->attr_max)
        return FP_ERR_FBIG;
    if (!buf)
        err = has_attr(fs, m, place.id, type, &attr);
    if (err)
        return err;
    (void)fp_lfs_op(fs, FP_LFS_ATTR | type, place.id, buf,
                    buf ? size : FP_LFS_REMOVED);
    return fp_lfs_finish(fs, fp_lfs_commit(fs, place.pair));
}

int fp_lfs_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_place place;
    struct fp_lfs_mdir *m;
    int err = find(fs, path, &place, &m);

    if (!err)
        err = fp_lfs_time_ops(fs, m, place.id, mtime_ns);
    return err ? err : fp_lfs_finish(fs, fp_lfs_commit(fs, place.pair));
}
