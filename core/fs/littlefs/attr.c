/* SPDX-License-Identifier: MIT
 *
 * User attributes, reading. The index keeps the place of an entry's one
 * attribute. An entry with several, or with FP_LFS_SMALL any, has them looked up
 * in the log: a pass that follows the entry from its NAME, whose place
 * identifies it, through the CREATEs and DELETEs that move its id.
 *
 * Two attributes are modification times: 1, eight bytes, nanoseconds
 * (MicroPython); and 't', four or eight bytes, seconds (esp_littlefs).
 */
#include "core/fs/littlefs/lfs.h"

#define NS_PER_S 1000000000u

/* The id of the followed entry behind the tag just read; FP_LFS_NO_ID until its
 * NAME was passed. */
static uint32_t follow(const struct fp_lfs_scan *s, uint32_t name_off,
                       uint32_t at)
{
    uint32_t type = fp_lfs_tag_type(s->tag), id = fp_lfs_tag_id(s->tag);

    if (type >> 8 == 0)
        return s->off == name_off ? id : at;
    if (at == FP_LFS_NO_ID)
        return at;
    if (type == FP_LFS_CREATE)
        return at + (id <= at);
    return at - (type == FP_LFS_DELETE && id < at);
}

/* A pass finds the lowest number that the log mentions, as the log's end has
 * it; when it was removed another pass looks for the next. */
int fp_lfs_attr_scan(struct fp_lfs *fs, const struct fp_lfs_at *name,
                     uint32_t from, struct fp_lfs_attr *attr)
{
    const struct fp_lfs_scan *s = &fs->scan;
    uint32_t best;
    int err;

    do {
        uint32_t at = FP_LFS_NO_ID;

        best = 256;
        fp_lfs_scan_begin(fs, name->block, 4, name->end);
        while (!(err = fp_lfs_scan_next(fs))) {
            uint32_t type = fp_lfs_tag_type(s->tag), number = type & 0xff;

            at = follow(s, name->off, at);
            if (type >> 8 != 3 || fp_lfs_tag_id(s->tag) != at ||
                number < from || number > best)
                continue;
            best = number;
            attr->type = (uint8_t)number;
            attr->len = (uint16_t)fp_lfs_tag_len(s->tag);
            attr->off = s->off;
        }
        fp_lfs_scan_end(fs);
        from = best + 1;
    } while (err == FP_ERR_NODATA && best < 256 && attr->len == FP_LFS_REMOVED);
    return err == FP_ERR_NODATA && best < 256 ? FP_OK : err;
}

int fp_lfs_attr_next(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t id, uint32_t from, struct fp_lfs_attr *attr)
{
    const struct fp_lfs_ent *ent = &m->ents[id];
    struct fp_lfs_at name = { m->pair[0], fp_lfs_rec_off(ent->name), m->off };

    if (fp_lfs_ent_searched(m, ent))
        return fp_lfs_attr_scan(fs, &name, from, attr);
#if !FP_LFS_SMALL
    if (fp_lfs_rec_kind(ent->attr) == FP_LFS_ONE && ent->attr_type >= from) {
        attr->type = ent->attr_type;
        attr->len = (uint16_t)fp_lfs_rec_len(ent->attr);
        attr->off = fp_lfs_rec_off(ent->attr);
        return FP_OK;
    }
#endif
    return FP_ERR_NODATA;
}

int fp_lfs_attr_get(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint8_t type, struct fp_lfs_attr *attr)
{
    int err = fp_lfs_attr_next(fs, m, id, type, attr);

    return !err && attr->type != type ? FP_ERR_NODATA : err;
}

/* The time in attribute `type`, if that is there and has its length. */
static int read_time(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t id, uint8_t type, struct fp_stat *st)
{
    struct fp_lfs_attr attr;
    uint32_t words[2] = { 0 };
    uint64_t time;
    int err = fp_lfs_attr_get(fs, m, id, type, &attr);

    if (err)
        return err == FP_ERR_NODATA ? FP_OK : err;
    if (attr.len != 8 && (type == 1 || attr.len != 4))
        return FP_OK;
    err = fp_lfs_words(fs, m->pair[0], attr.off, words, attr.len / 4u);
    time = words[0] | (uint64_t)words[1] << 32;
    /* More seconds than nanoseconds can hold are a nonce, not a time. */
    st->has_mtime = !err && (type == 1 || time <= INT64_MAX / NS_PER_S);
    if (st->has_mtime)
        st->mtime_ns = (int64_t)(type == 1 ? time : time * NS_PER_S);
    return err;
}

int fp_lfs_mtime(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                 struct fp_stat *st)
{
    int err = read_time(fs, m, id, 1, st);

    return err || st->has_mtime ? err : read_time(fs, m, id, 't', st);
}

int32_t fp_lfs_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    struct fp_lfs_attr attr;
    uint32_t id;
    int err = fp_lfs_find(fs, path, &m, &id);

    if (!err)
        err = fp_lfs_attr_get(fs, m, id, type, &attr);
    if (!err)
        err = fp_lfs_read(fs, m->pair[0], attr.off, buf,
                          fp_lfs_min(attr.len, size));
    return err ? err : attr.len;
}

int fp_lfs_listattr(struct fp_mount *mnt, const char *path, uint8_t *types,
                    uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    struct fp_lfs_attr attr;
    uint32_t id, from = 0, count = 0;
    int err = fp_lfs_find(fs, path, &m, &id);

    while (!err && !(err = fp_lfs_attr_next(fs, m, id, from, &attr))) {
        if (count < size)
            types[count] = attr.type;
        count++;
        from = attr.type + 1u;
    }
    return err == FP_ERR_NODATA ? (int)count : err;
}
