/* SPDX-License-Identifier: MIT
 *
 * Open files, reading. Each has a cache in the workspace; an inline file that
 * fits lies in it as a whole from open on, so nothing that happens to its
 * directory changes what the handle sees.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

_Static_assert(sizeof(struct fp_lfs_file) <= FP_FILE_STATE,
               "FP_FILE_STATE is too small for littlefs");

#if FP_READONLY

/* Nothing changes, so that a place in a log stays good, and the common cache
 * serves for all: a file has nothing of its own in the workspace. */
int fp_lfs_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    struct fp_lfs_mdir *m;
    uint32_t id;
    fp_lfs_rec rec;
    int err = fp_lfs_find(fs, path, &m, &id);

    (void)flags; /* to read: the volume is read-only */
    if (err)
        return err;
    rec = m->ents[id].strct;
    if (fp_lfs_rec_kind(m->ents[id].name) != FP_LFS_FILE)
        return FP_ERR_ISDIR;
    f->body.kind = fp_lfs_rec_kind(rec);
    if (f->body.kind == FP_LFS_CTZ) {
        err = fp_lfs_rec_words(fs, m, rec, &f->body.head, 2);
    } else {
        f->wblock = m->pair[0];
        f->body.head = fp_lfs_rec_off(rec);
        f->body.size = fp_lfs_rec_len(rec);
    }
    file->size = f->body.size;
    return err;
}

int32_t fp_lfs_read_ro(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(file->mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);

    for (uint32_t done = 0, n; done < size; done += n) {
        const uint32_t pos = (uint32_t)file->pos + done;
        uint32_t block = f->wblock, off = f->body.head + pos;
        int err = FP_OK;

        n = size - done;
        if (f->body.kind == FP_LFS_CTZ) {
            uint32_t index = fp_lfs_ctz_index(fs->block_size, pos, &off);

            n = fp_lfs_min(n, fs->block_size - off);
            err = fp_lfs_ctz_find(fs, f, index, &block);
        }
        if (!err)
            err = fp_lfs_read(fs, block, off, (uint8_t *)buf + done, n);
        if (err)
            return err;
    }
    return FP_OK;
}

#else

int fp_lfs_file_claim(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    uint32_t i = 0;

    while (i < fs->mnt->cfg.max_files && fs->files_used >> i & 1)
        i++;
    if (i == fs->mnt->cfg.max_files)
        return FP_ERR_NFILE;
    fs->files_used |= 1u << i;
    f->node.slot = (uint8_t)i;
    f->buf = fs->files + (size_t)i * fs->file_stride;
    fp_lfs_ctz_begin(fs, f);
    f->node.what = FP_LFS_NODE_FILE;
    f->body.kind = FP_LFS_INLINE;
    f->cache_block = f->wblock = FP_LFS_NULL;
    /* Both halves: then it shares no block with any pair. */
    fp_lfs_pair_set(f->node.pair, FP_LFS_NULL, FP_LFS_NULL);
    fp_lfs_pair_set(f->node.dir, FP_LFS_NULL, FP_LFS_NULL);
    fp_lfs_node_add(fs, &f->node);
    return FP_OK;
}

void fp_lfs_file_release(struct fp_lfs *fs, struct fp_lfs_file *f)
{
    fp_lfs_node_del(fs, &f->node);
    fs->files_used &= ~(1u << f->node.slot);
}

/* Takes over the content of the entry at `place`. */
int fp_lfs_file_load(struct fp_lfs *fs, struct fp_lfs_file *f,
                     const struct fp_lfs_place *place)
{
    struct fp_lfs_mdir *m;
    fp_lfs_rec rec;
    uint32_t list[2], off;
    int err = fp_lfs_get(fs, place->pair, &m);

    if (err)
        return err;
    rec = m->ents[place->id].strct;
    fp_lfs_pair_set(f->node.pair, m->pair[0], m->pair[1]);
    f->node.id = place->id;
    if (fp_lfs_rec_kind(rec) == FP_LFS_INLINE) {
        f->body.size = fp_lfs_rec_len(rec);
        f->foreign = f->body.size > fs->cache_size;
        if (!f->foreign)
            err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(rec), f->buf,
                              f->body.size);
    } else {
        err = fp_lfs_ent_pair(fs, m, place->id, list);
        f->body.head = list[0];
        f->body.size = list[1];
        f->body.kind = f->body.size ? FP_LFS_CTZ : FP_LFS_INLINE;
        if (!err && f->body.size &&
            (f->body.head >= fs->block_count ||
             fp_lfs_ctz_index(fs->block_size, f->body.size - 1, &off) >=
                 fs->block_count))
            err = FP_ERR_CORRUPT;
    }
    if (!FP_READONLY)
        f->saved = f->body;
    return err;
}

/* Where on flash the byte at `pos` is, and for how many, at most *n. */
static int locate(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                  uint32_t *block, uint32_t *off, uint32_t *n)
{
    struct fp_lfs_mdir *m;
    uint32_t index;
    int err;

    if (f->body.kind == FP_LFS_CTZ) {
        index = fp_lfs_ctz_index(fs->block_size, pos, off);
        *n = fp_lfs_min(*n, fs->block_size - *off);
        return fp_lfs_ctz_find(fs, f, index, block);
    }
    if (!FP_READONLY && (f->node.stale || fp_lfs_pair_is_null(f->node.pair)))
        return FP_ERR_STALE;
    err = fp_lfs_get(fs, f->node.pair, &m);
    if (err)
        return err;
    *block = m->pair[0];
    *off = fp_lfs_rec_off(m->ents[f->node.id].strct) + pos;
    return FP_OK;
}

/* The caller keeps pos + size within the body. The common cache serves while
 * the file's own holds what is being written, and for what may be rewritten;
 * whole windows of either go straight to the caller, but with FP_LFS_SMALL. */
int fp_lfs_file_read_at(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                        uint8_t *buf, uint32_t size)
{
    struct fp_lfs_cache *cache =
        (!FP_READONLY && f->writing) || f->foreign ? &fs->rcache : &f->cache;

    if (f->body.kind == FP_LFS_INLINE && !f->foreign) {
        memcpy(buf, f->buf + pos, size);
        return FP_OK;
    }
    while (size > 0) {
        uint32_t block, off, part, n = size;
        int err = locate(fs, f, pos, &block, &off, &n);

        if (err)
            return err;
        part = FP_LFS_SMALL ? 0 : off % fs->cache_size;
        if (FP_LFS_SMALL || part || n < fs->cache_size) {
            if (!FP_LFS_SMALL)
                n = fp_lfs_min(n, fs->cache_size - part);
            fs->via = cache;
            err = fp_lfs_read(fs, block, off, buf, n);
            fs->via = &fs->rcache;
        } else {
            n -= n % fs->cache_size;
            err = fp_lfs_read_raw(fs, block, off, buf, n);
        }
        if (err)
            return err;
        pos += n;
        buf += n;
        size -= n;
    }
    return FP_OK;
}

int fp_lfs_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_file *f = fp_lfs_file_of(file);
    struct fp_lfs_place place;
    int err = fp_lfs_lookup(fs, path, false, &place);

    (void)flags; /* to read: the volume is read-only */
    if (err)
        return err;
    if (place.kind != FP_LFS_FILE)
        return FP_ERR_ISDIR;
    err = fp_lfs_file_claim(fs, f);
    if (err)
        return err;
    err = fp_lfs_file_load(fs, f, &place);
    file->size = f->body.size;
    if (err)
        fp_lfs_file_release(fs, f);
    return err;
}

int32_t fp_lfs_read_ro(struct fp_file *file, void *buf, uint32_t size)
{
    return fp_lfs_file_read_at(fp_lfs_of(file->mnt), fp_lfs_file_of(file),
                               file->pos, buf, size);
}

int fp_lfs_close_ro(struct fp_file *file)
{
    fp_lfs_file_release(fp_lfs_of(file->mnt), fp_lfs_file_of(file));
    return FP_OK;
}
#endif
