/* SPDX-License-Identifier: MIT
 *
 * User attributes, reading. The index keeps the place of an entry's one
 * attribute. An entry with several has them looked up in the log: a pass that
 * follows the entry from its NAME, whose place identifies it, through the
 * CREATEs and DELETEs that move its id.
 *
 * Two attributes are modification times: 1, eight bytes, nanoseconds
 * (MicroPython); and 't', four or eight bytes, seconds (esp_littlefs).
 */
#include "core/fs/littlefs/lfs.h"

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

/* Number `from` to 255: which is the lowest that is set, and where. One pass
 * remembers the best so far; a later removal of it makes the pass start over
 * with the next number, which happens at most 256 times. */
static int scan_one(struct fp_lfs *fs, uint32_t block, uint32_t end,
                    uint32_t name_off, uint32_t from, uint32_t type,
                    struct fp_lfs_attr *attr, uint32_t *lowest)
{
    struct follow at = { name_off, FP_LFS_NO_ID };
    uint32_t off = 4, ptag = 0xffffffffu;

    *lowest = 256;
    attr->off = 0;
    while (off + 4 <= end) {
        uint8_t raw[4];
        uint32_t tag, number;
        int err = fp_lfs_read(fs, block, off, raw, 4, end - off);

        if (err)
            return err;
        tag = fp_get_be32(raw) ^ ptag;
        number = fp_lfs_tag_type(tag) & 0xff;
        ptag = tag;
        if (fp_lfs_tag_is_crc(tag)) {
            ptag ^= (fp_lfs_tag_type(tag) & 1) << 31;
        } else if (follow_tag(&at, tag, off + 4)) {
            if (number >= from && number < *lowest)
                *lowest = number;
            if (number == type) {
                bool removed = fp_lfs_tag_len(tag) == FP_LFS_REMOVED;

                attr->type = (uint8_t)type;
                attr->len = (uint16_t)fp_lfs_tag_size(tag);
                attr->block = block;
                attr->off = removed ? 0 : off + 4;
            }
        }
        off += 4 + fp_lfs_tag_size(tag);
    }
    return FP_OK;
}

int fp_lfs_attr_scan(struct fp_lfs *fs, uint32_t block, uint32_t end,
                     uint32_t name_off, uint32_t from, struct fp_lfs_attr *attr)
{
    uint32_t type = from;

    while (type < 256) {
        uint32_t lowest;
        int err = scan_one(fs, block, end, name_off, type, type, attr, &lowest);

        if (err)
            return err;
        if (attr->off)
            return FP_OK;
        type = lowest > type ? lowest : type + 1;
    }
    return FP_ERR_NODATA;
}

int fp_lfs_attr_next(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t id, uint32_t from, struct fp_lfs_attr *attr)
{
    const struct fp_lfs_ent *ent = &m->ents[id];

    switch (fp_lfs_rec_kind(ent->attr)) {
    case FP_LFS_ONE:
        if (ent->attr_type < from)
            return FP_ERR_NODATA;
        attr->type = ent->attr_type;
        attr->len = (uint16_t)fp_lfs_rec_len(ent->attr);
        attr->block = m->pair[0];
        attr->off = fp_lfs_rec_off(ent->attr);
        return FP_OK;
    case FP_LFS_SEVERAL:
        return fp_lfs_attr_scan(fs, m->pair[0], m->off,
                                fp_lfs_rec_off(ent->name), from, attr);
    default:
        return FP_ERR_NODATA;
    }
}

static int attr_get(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint8_t type, struct fp_lfs_attr *attr)
{
    int err = fp_lfs_attr_next(fs, m, id, type, attr);

    return !err && attr->type != type ? FP_ERR_NODATA : err;
}

int fp_lfs_mtime(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                 struct fp_stat *st)
{
    struct fp_lfs_attr attr;
    uint8_t raw[8] = { 0 };
    int err = attr_get(fs, m, id, 1, &attr);

    st->has_mtime = false;
    if (!err && attr.len == 8) {
        err = fp_lfs_read(fs, attr.block, attr.off, raw, 8, 8);
        st->mtime_ns = (int64_t)fp_get_le64(raw);
        st->has_mtime = !err;
        return err;
    }
    if (!err || err == FP_ERR_NODATA)
        err = attr_get(fs, m, id, 't', &attr);
    if (!err && (attr.len == 8 || attr.len == 4)) {
        uint64_t s;

        err = fp_lfs_read(fs, attr.block, attr.off, raw, attr.len, 8);
        s = fp_get_le64(raw);
        /* More seconds than nanoseconds can hold are a nonce, not a time. */
        st->has_mtime = !err && s <= INT64_MAX / 1000000000;
        st->mtime_ns = st->has_mtime ? (int64_t)s * 1000000000 : 0;
    }
    return err == FP_ERR_NODATA ? FP_OK : err;
}

static int find(struct fp_lfs *fs, const char *path, struct fp_lfs_mdir **m,
                uint32_t *id)
{
    struct fp_lfs_place place;
    int err = fp_lfs_lookup(fs, path, false, &place);

    if (err)
        return err;
    *id = place.id;
    return fp_lfs_get(fs, place.pair, m);
}

int32_t fp_lfs_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    struct fp_lfs_attr attr;
    uint32_t id;
    int err = find(fs, path, &m, &id);

    if (!err)
        err = attr_get(fs, m, id, type, &attr);
    if (!err)
        err = fp_lfs_read(fs, attr.block, attr.off, buf,
                          fp_lfs_min(attr.len, size), attr.len);
    return err ? err : attr.len;
}

int fp_lfs_listattr(struct fp_mount *mnt, const char *path, uint8_t *types,
                    uint32_t size)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    struct fp_lfs_mdir *m;
    struct fp_lfs_attr attr;
    uint32_t id = 0, from = 0, count = 0;
    int err = find(fs, path, &m, &id);

    while (!err && from < 256) {
        err = fp_lfs_attr_next(fs, m, id, from, &attr);
        if (err)
            break;
        if (count < size)
            types[count] = attr.type;
        count++;
        from = attr.type + 1u;
    }
    return err && err != FP_ERR_NODATA ? err : (int)count;
}
