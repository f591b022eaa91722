/* SPDX-License-Identifier: MIT
 *
 * User attributes, reading. The index keeps the place of an entry's one
 * attribute. An entry with several, or with one and FP_LFS_SMALL, has them looked up in the log: a pass that
 * follows the entry from its NAME, whose place identifies it, through the
 * CREATEs and DELETEs that move its id.
 *
 * Two attributes are modification times: 1, eight bytes, nanoseconds
 * (MicroPython); and 't', four or eight bytes, seconds (esp_littlefs).
 */
#include "core/fs/littlefs/lfs.h"

#define NS_PER_S 1000000000u

struct follow {
    uint32_t name_off;
    uint32_t id; /* FP_LFS_NO_ID until the NAME was passed */
};

/* Is this tag an attribute of the followed entry? */
static bool follow_tag(struct follow *at, uint32_t tag, uint32_t off)
{
    uint32_t type = fp_lfs_tag_type(tag), id = fp_lfs_tag_id(tag);

    if (type >> 8 == 0) {
        if (off == at->name_off)
            at->id = id;
    } else if (at->id == FP_LFS_NO_ID) {
        return false;
    } else if (type == FP_LFS_CREATE) {
        at->id += id <= at->id;
    } else if (type == FP_LFS_DELETE) {
        at->id -= id < at->id;
    } else {
        return type >> 8 == 3 && id == at->id;
    }
    return false;
}

/* Attribute `type`, as the log's end has it; off 0: it is not there. *next:
 * the lowest number above it that the log mentions. */
static int scan_for(struct fp_lfs *fs, uint32_t name_off, uint32_t type,
                    struct fp_lfs_attr *attr, uint32_t *next)
{
    const struct fp_lfs_scan *s = &fs->scan;
    struct follow at = { name_off, FP_LFS_NO_ID };
    int err;

    attr->off = 0;
    *next = 256;
    while (!(err = fp_lfs_scan_next(fs))) {
        uint32_t number = fp_lfs_tag_type(s->tag) & 0xff;

        if (!follow_tag(&at, s->tag, s->off))
            continue;
        if (number > type && number < *next)
            *next = number;
        if (number != type)
            continue;
        attr->type = (uint8_t)type;
        attr->len = (uint16_t)fp_lfs_tag_size(s->tag);
        attr->block = s->block;
        attr->off = fp_lfs_tag_len(s->tag) == FP_LFS_REMOVED ? 0 : s->off;
    }
    fp_lfs_scan_end(fs);
    return err == FP_ERR_NODATA ? FP_OK : err;
}

/* A pass for each number that the log mentions, until one is there: one pass
 * and rarely two for whoever asks for a number, at most 256. */
int fp_lfs_attr_scan(struct fp_lfs *fs, const struct fp_lfs_at *name,
                     uint32_t from, struct fp_lfs_attr *attr)
{
    int err = FP_OK;

    attr->off = 0;
    while (!err && !attr->off) {
        if (from >= 256)
            return FP_ERR_NODATA;
        fp_lfs_scan_begin(fs, name->block, 4, name->end);
        err = scan_for(fs, name->off, from, attr, &from);
    }
    return err;
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
        attr->block = m->pair[0];
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
    err = fp_lfs_words(fs, attr.block, attr.off, words, attr.len / 4u);
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
        err = fp_lfs_read(fs, attr.block, attr.off, buf,
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
