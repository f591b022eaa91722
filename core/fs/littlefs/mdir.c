/* SPDX-License-Identifier: MIT
 *
 * A metadata pair: which block is current, its log read into an index, and the
 * slots that indexes live in.
 *
 *      rev  tag data tag data ... CRC      tag data CRC      erased
 *     |---------- commit --------|-------- commit ------|---...
 *                                                       ^ off
 *
 * The index is built while the log is read, before it is known whether the
 * running commit has a good CRC: nearly always it has, or there is nothing
 * behind the last one. Only when an unfinished commit has changed the index is
 * the log read again up to the last good commit.
 *
 * Errors  FP_ERR_CORRUPT when neither block has a commit, or a committed tag
 *         contradicts those before it.
 * Source: the format page, sections 3.1 to 3.5.
 */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define CRC_INIT 0xffffffffu

uint32_t fp_lfs_hash(uint32_t hash, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x01000193u;
    return hash;
}

/* --- what a tag does --- */

static bool apply_create(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t id)
{
    if (id > m->count || m->count >= fs->ent_max)
        return false;
    memmove(m->ents + id + 1, m->ents + id,
            (m->count - id) * sizeof m->ents[0]);
    memset(m->ents + id, 0, sizeof m->ents[0]);
    m->count++;
    return true;
}

static bool apply_delete(struct fp_lfs_mdir *m, uint32_t id)
{
    if (id >= m->count)
        return false;
    memmove(m->ents + id, m->ents + id + 1,
            (m->count - id - 1u) * sizeof m->ents[0]);
    m->count--;
    return true;
}

/* A compacted commit lists its ids in any order, so a name may lie beyond the
 * count; the ids between get theirs later. */
static bool apply_name(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t tag,
                       uint32_t off, uint32_t hash)
{
    uint32_t id = fp_lfs_tag_id(tag), type = fp_lfs_tag_type(tag);
    uint32_t kind = type <= FP_LFS_NAME_DIR ? type /* FP_LFS_FILE, FP_LFS_DIR */
                    : type == FP_LFS_NAME_SUPER ? FP_LFS_SUPER
                                                : 0;

    if (id >= fs->ent_max)
        return false;
    while (m->count <= id)
        memset(m->ents + m->count++, 0, sizeof m->ents[0]);
    m->ents[id].name = fp_lfs_rec_make(off, fp_lfs_tag_size(tag), kind);
    m->ents[id].hash = fp_lfs_hash16(hash);
    return true;
}

/* Attributes are kept by place only while there is one: a second number makes
 * the entry SEVERAL, for good. */
static void apply_attr(struct fp_lfs_ent *ent, uint32_t tag, uint32_t off)
{
    uint8_t type = (uint8_t)fp_lfs_tag_type(tag);
    uint32_t kind = fp_lfs_rec_kind(ent->attr);

    if (kind == FP_LFS_SEVERAL)
        return;
    if (kind == FP_LFS_ONE && ent->attr_type != type) {
        if (fp_lfs_tag_len(tag) != FP_LFS_REMOVED)
            ent->attr = fp_lfs_rec_make(0, 0, FP_LFS_SEVERAL);
        return;
    }
    ent->attr_type = type;
    ent->attr = fp_lfs_tag_len(tag) == FP_LFS_REMOVED
                    ? 0
                    : fp_lfs_rec_make(off, fp_lfs_tag_size(tag), FP_LFS_ONE);
}

bool fp_lfs_apply(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t tag,
                  uint32_t off, uint32_t hash)
{
    uint32_t type = fp_lfs_tag_type(tag), id = fp_lfs_tag_id(tag);

    switch (type >> 8) {
    case 0:
        return apply_name(fs, m, tag, off, hash);
    case 2:
        if (id >= m->count)
            return false;
        /* An unknown kind leaves the entry without content. */
        m->ents[id].strct =
            fp_lfs_rec_make(off, fp_lfs_tag_size(tag),
                            type <= FP_LFS_STRUCT_CTZ ? (type & 3) + 1 : 0);
        return true;
    case 3:
        if (id >= m->count)
            return false;
        apply_attr(&m->ents[id], tag, off);
        return true;
    case 4:
        return type == FP_LFS_CREATE   ? apply_create(fs, m, id)
               : type == FP_LFS_DELETE ? apply_delete(m, id)
                                       : true;
    default:
        return true; /* unknown types are skipped */
    }
}

/* --- reading a log --- */

struct scan {
    uint32_t block, off, limit;
    uint32_t ptag;
    uint32_t crc, folded; /* of the running commit, up to there */
    uint32_t fcrc_size, fcrc;
    bool dirty;         /* entries since the last good commit */
    bool wrong;         /* one of them contradicts the index */
    bool full;          /* ... for it has no more room */
    bool contradiction; /* ... and the CRC says it was meant */
    bool at_erased;     /* stopped at an invalid tag right behind a commit */
};

static void reset(struct fp_lfs_mdir *m)
{
    m->count = 0;
    m->off = 0;
    m->hard = false;
    fp_lfs_pair_set(m->tail, FP_LFS_NULL, FP_LFS_NULL);
    m->delta = (struct fp_lfs_gstate){ 0 };
    m->erased = m->trailing = false;
    m->fcrc_size = 0;
}

static inline int window(struct fp_lfs *fs, const struct scan *s, uint32_t off,
                         const uint8_t **bytes, uint32_t *avail)
{
    const struct fp_lfs_cache *cache = &fs->rcache;
    uint32_t at = off - cache->off;

    if (cache->block != s->block || at >= cache->size)
        return fp_lfs_peek(fs, s->block, off, fs->block_size - off, bytes,
                           avail);
    *bytes = cache->buf + at;
    *avail = cache->size - at;
    return FP_OK;
}

/* Takes the log up to `to` into the CRC. */
static int fold(struct fp_lfs *fs, struct scan *s, uint32_t to)
{
    while (s->folded < to) {
        const uint8_t *p;
        uint32_t n;
        int err = window(fs, s, s->folded, &p, &n);

        if (err)
            return err;
        n = fp_lfs_min(n, to - s->folded);
        s->crc = fp_crc32(s->crc, p, n);
        s->folded += n;
    }
    return FP_OK;
}

/* Bytes of the log at `off`. The CRC is taken over a whole window of the cache
 * at a time, at the latest here, before the window moves on. */
static inline int view(struct fp_lfs *fs, struct scan *s, uint32_t off,
                       const uint8_t **bytes, uint32_t *avail)
{
    const struct fp_lfs_cache *cache = &fs->rcache;

    if (cache->block != s->block || off - cache->off >= cache->size) {
        int err = fold(fs, s, off);

        if (err)
            return err;
    }
    return window(fs, s, off, bytes, avail);
}

static int copy(struct fp_lfs *fs, struct scan *s, uint32_t off, uint8_t *to,
                uint32_t size)
{
    while (size > 0) {
        const uint8_t *p;
        uint32_t n;
        int err = view(fs, s, off, &p, &n);

        if (err)
            return err;
        n = fp_lfs_min(n, size);
        memcpy(to, p, n);
        to += n;
        off += n;
        size -= n;
    }
    return FP_OK;
}

/* Four bytes of the log: where they lie together, or copied to raw. */
static int word(struct fp_lfs *fs, struct scan *s, uint32_t off, uint8_t raw[4],
                const uint8_t **bytes)
{
    uint32_t n;
    int err = view(fs, s, off, bytes, &n);

    if (err || n >= 4)
        return err;
    *bytes = raw;
    return copy(fs, s, off, raw, 4);
}

static int hash_name(struct fp_lfs *fs, struct scan *s, uint32_t off,
                     uint32_t size, uint32_t *hash)
{
    while (size > 0) {
        const uint8_t *p;
        uint32_t n;
        int err = view(fs, s, off, &p, &n);

        if (err)
            return err;
        n = fp_lfs_min(n, size);
        *hash = fp_lfs_hash(*hash, p, n);
        off += n;
        size -= n;
    }
    return FP_OK;
}

/* Tags about the pair as a whole. */
static int take_global(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct scan *s,
                       uint32_t tag)
{
    uint32_t type = fp_lfs_tag_type(tag), len = fp_lfs_tag_size(tag);
    uint8_t raw[12] = { 0 };
    int err;

    if (type != FP_LFS_SOFTTAIL && type != FP_LFS_HARDTAIL &&
        type != FP_LFS_MOVESTATE && type != FP_LFS_FCRC)
        return FP_OK;
    if (len < (type == FP_LFS_MOVESTATE ? 12u : 8u)) {
        s->wrong = true;
        return FP_OK;
    }
    err = copy(fs, s, s->off + 4, raw, type == FP_LFS_MOVESTATE ? 12 : 8);
    if (err)
        return err;
    if (type == FP_LFS_MOVESTATE) {
        m->delta.tag = fp_get_le32(raw);
        fp_lfs_pair_set(m->delta.pair, fp_get_le32(raw + 4),
                        fp_get_le32(raw + 8));
    } else if (type == FP_LFS_FCRC) {
        s->fcrc_size = fp_get_le32(raw);
        s->fcrc = fp_get_le32(raw + 4);
    } else {
        fp_lfs_pair_set(m->tail, fp_get_le32(raw), fp_get_le32(raw + 4));
        m->hard = type == FP_LFS_HARDTAIL;
        if (fp_lfs_pair_is_null(m->tail)) {
            fp_lfs_pair_set(m->tail, FP_LFS_NULL, FP_LFS_NULL);
            m->hard = false;
        }
    }
    return FP_OK;
}

/* The CRC tag. *good: the commit holds, and the scan stands behind it. */
static int take_crc(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct scan *s,
                    uint32_t tag, bool *good)
{
    const uint8_t *p;
    uint8_t raw[4];
    uint32_t crc;
    int err;

    *good = false;
    if (fp_lfs_tag_size(tag) < 4)
        return FP_OK;
    err = fold(fs, s, s->off + 4);
    crc = s->crc; /* reading on may take the checksum itself into it */
    if (!err)
        err = word(fs, s, s->off + 4, raw, &p);
    if (err)
        return err;
    if (fp_get_le32(p) != crc)
        return FP_OK;
    if (s->wrong) {
        s->contradiction = true;
        return s->full ? FP_ERR_NOMEM : FP_ERR_CORRUPT;
    }

    *good = true;
    m->crc = crc;
    s->off += 4 + fp_lfs_tag_size(tag);
    s->ptag = tag ^ (fp_lfs_tag_type(tag) & 1) << 31;
    s->crc = CRC_INIT;
    s->folded = s->off;
    m->off = s->off;
    m->etag = s->ptag;
    m->fcrc_size = s->fcrc_size;
    m->fcrc = s->fcrc;
    s->fcrc_size = 0;
    s->dirty = false;
    return FP_OK;
}

/* With fewer entries than the format allows, more of them are no damage. */
static void note_wrong(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                       struct scan *s, uint32_t tag)
{
    s->wrong = true;
    s->full = s->full || (fs->ent_max < FP_LFS_ENTRIES_MAX &&
                          (m->count >= fs->ent_max ||
                           (fp_lfs_tag_id(tag) >= fs->ent_max &&
                            fp_lfs_tag_id(tag) < FP_LFS_ENTRIES_MAX)));
}

static int take_entry(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct scan *s,
                      uint32_t tag)
{
    uint32_t type = fp_lfs_tag_type(tag), size = fp_lfs_tag_size(tag);
    uint32_t hash = 0;
    int err = FP_OK;

    if (type >> 8 == 0 && !fs->mounting)
        err = hash_name(fs, s, s->off + 4, size, &hash);
    if (err)
        return err;
    if (type >> 8 >= 5)
        err = take_global(fs, m, s, tag);
    else if (!fp_lfs_apply(fs, m, tag, s->off + 4, hash))
        note_wrong(fs, m, s, tag);
    s->ptag = tag;
    s->off += 4 + size;
    s->dirty = true;
    return err;
}

static int scan_log(struct fp_lfs *fs, struct fp_lfs_mdir *m, struct scan *s)
{
    while (s->off + 4 <= s->limit) {
        const uint8_t *p;
        uint8_t raw[4];
        uint32_t tag;
        int err = word(fs, s, s->off, raw, &p);

        if (err)
            return err;
        tag = fp_get_be32(p) ^ s->ptag;
        if (tag & FP_LFS_TAG_INVALID) {
            s->at_erased = !s->dirty;
            return FP_OK;
        }
        if (s->off + 4 + fp_lfs_tag_size(tag) > s->limit) {
            s->dirty = true; /* something is there, though not a commit */
            return FP_OK;
        }
        if (fp_lfs_tag_is_crc(tag)) {
            bool good;

            err = take_crc(fs, m, s, tag, &good);
            if (err)
                return err;
            if (!good) {
                s->dirty = true;
                return FP_OK;
            }
        } else {
            err = take_entry(fs, m, s, tag);
            if (err)
                return err;
        }
    }
    return FP_OK;
}

/* May the area behind the last commit be programmed? */
static int judge_erased(struct fp_lfs *fs, struct fp_lfs_mdir *m,
                        const struct scan *s)
{
    uint32_t left = fs->block_size - m->off;
    struct scan area = { .block = s->block, .crc = CRC_INIT, .folded = m->off };
    int err;

    m->erased = false;
    if (!s->at_erased || m->off % fs->prog_size || !left)
        return FP_OK;
    if (!m->fcrc_size) {
        /* Version 2.1 writes no commit without it, except where it ends less
         * than a unit before the block's end. */
        m->erased = fs->minor == 0;
        return FP_OK;
    }
    if (m->fcrc_size > left)
        return FP_OK;
    err = fold(fs, &area, m->off + m->fcrc_size);
    if (err == FP_ERR_CORRUPT)
        return FP_OK;
    m->erased = !err && area.crc == m->fcrc;
    return err;
}

static int scan_from(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t start,
                     uint32_t limit, struct scan *s)
{
    *s = (struct scan){ .block = m->pair[0],
                        .off = start,
                        .limit = limit,
                        .ptag = 0xffffffffu,
                        .crc = CRC_INIT,
                        .folded = start };
    if (start == 0) {
        uint8_t raw[4];
        int err = fp_lfs_read(fs, s->block, 0, raw, 4, fs->block_size);

        if (err)
            return err;
        reset(m);
        m->rev = fp_get_le32(raw);
        s->off = 4;
    } else {
        s->ptag = m->etag;
    }
    return scan_log(fs, m, s);
}

/* Reads on from `start`, and again from 0 up to the last good commit when
 * something unfinished has touched the index. A spot that cannot be read ends
 * the log as a wrong CRC does. FP_ERR_NODATA: no commit at all. */
static int read_log(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t start)
{
    struct scan s;
    int err = scan_from(fs, m, start, fs->block_size, &s);
    uint32_t end = m->off;

    if (s.contradiction)
        return err;
    if (err && err != FP_ERR_CORRUPT)
        return err;
    if (end == 0)
        return FP_ERR_NODATA;
    if (!err && !s.dirty)
        return judge_erased(fs, m, &s);

    err = scan_from(fs, m, 0, end, &s);
    if (err)
        return err;
    if (m->off != end)
        return FP_ERR_IO; /* it read differently a moment ago */
    m->trailing = true;
    return FP_OK;
}

int fp_lfs_parse(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t block)
{
    m->pair[0] = block;
    return read_log(fs, m, 0);
}

int fp_lfs_advance(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    return read_log(fs, m, m->off);
}

/* --- choosing the block --- */

static int read_rev(struct fp_lfs *fs, uint32_t block, uint32_t *rev,
                    bool *readable)
{
    uint8_t raw[4] = { 0 };
    int err = fp_lfs_read(fs, block, 0, raw, 4, 4);

    *rev = fp_get_le32(raw);
    *readable = err == FP_OK;
    return err == FP_ERR_CORRUPT ? FP_OK : err;
}

int fp_lfs_fetch(struct fp_lfs *fs, const uint32_t given[2],
                 struct fp_lfs_mdir *m)
{
    uint32_t pair[2] = { given[0], given[1] }, rev[2];
    bool readable[2];
    int err, first;

    m->valid = false;
    fp_lfs_pair_set(m->dir, FP_LFS_NULL, FP_LFS_NULL);
    if (!fp_lfs_pair_ok(fs, pair))
        return FP_ERR_CORRUPT;
    for (int i = 0; i < 2; i++) {
        err = read_rev(fs, pair[i], &rev[i], &readable[i]);
        if (err)
            return err;
    }
    first = !readable[0] || (readable[1] && (int32_t)(rev[1] - rev[0]) > 0);
    for (int i = 0; i < 2; i++) {
        int half = first ^ i;

        if (!readable[half])
            continue;
        err = fp_lfs_parse(fs, m, pair[half]);
        /* A revision that now reads differently decided wrongly. */
        if (err == FP_ERR_NODATA || (!err && m->rev != rev[half]))
            continue;
        if (err)
            return err;
        m->pair[1] = pair[half ^ 1];
        m->fallback = i > 0;
        m->valid = true;
        return FP_OK;
    }
    return FP_ERR_CORRUPT;
}

/* --- slots --- */

void fp_lfs_resolve(const struct fp_lfs *fs, uint32_t pair[2])
{
    for (uint32_t i = 0; i < fs->moved_count; i++)
        if (fp_lfs_pair_equal(pair, fs->moved[i].old))
            fp_lfs_pair_set(pair, fs->moved[i].now[0], fs->moved[i].now[1]);
}

int fp_lfs_get(struct fp_lfs *fs, const uint32_t given[2],
               struct fp_lfs_mdir **m)
{
    struct fp_lfs_mdir *victim = NULL;
    uint32_t pair[2] = { given[0], given[1] };
    int err;

    fp_lfs_resolve(fs, pair);
    for (uint32_t i = 0; i < fs->slot_count; i++) {
        struct fp_lfs_mdir *slot = &fs->slots[i];

        if (slot->valid && fp_lfs_pair_equal(slot->pair, pair)) {
            slot->stamp = ++fs->clock;
            *m = slot;
            return FP_OK;
        }
        if (!slot->pins &&
            (!victim || !slot->valid ||
             (victim->valid && (int32_t)(slot->stamp - victim->stamp) < 0)))
            victim = slot;
    }
    FP_ASSERT(victim);
    err = fp_lfs_fetch(fs, pair, victim);
    if (err)
        return err;
    victim->stamp = ++fs->clock;
    *m = victim;
    return FP_OK;
}

void fp_lfs_drop_slots(struct fp_lfs *fs, const uint32_t pair[2],
                       const struct fp_lfs_mdir *but)
{
    for (uint32_t i = 0; i < fs->slot_count; i++)
        if (&fs->slots[i] != but && fp_lfs_pair_shares(fs->slots[i].pair, pair))
            fs->slots[i].valid = false;
}

/* While its removal is under way (gwant) it does not: a pair that has been
 * relocated is there without it, and the id is its neighbour's, before the
 * commit that brings the global state up to date. */
bool fp_lfs_ent_moved(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      uint32_t id)
{
    return fp_lfs_has_move(&fs->gdisk) && fp_lfs_has_move(&fs->gwant) &&
           fp_lfs_tag_id(fs->gdisk.tag) == id &&
           fp_lfs_pair_shares(fs->gdisk.pair, m->pair);
}

/* --- entries --- */

bool fp_lfs_ent_visible(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t id)
{
    const struct fp_lfs_ent *ent = &m->ents[id];
    uint32_t name = fp_lfs_rec_kind(ent->name);
    uint32_t strct = fp_lfs_rec_kind(ent->strct);

    if (name != FP_LFS_FILE && name != FP_LFS_DIR)
        return false;
    if (!strct || (name == FP_LFS_DIR) != (strct == FP_LFS_DIRPAIR))
        return false;
    if (strct != FP_LFS_INLINE && fp_lfs_rec_len(ent->strct) < 8)
        return false;
    if (!fp_lfs_rec_len(ent->name) || fp_lfs_rec_len(ent->name) > fs->name_max)
        return false;
    return !fp_lfs_ent_moved(fs, m, id);
}

int fp_lfs_ent_pair(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint32_t pair[2])
{
    fp_lfs_rec rec = m->ents[id].strct;
    uint8_t raw[8];
    int err;

    if (fp_lfs_rec_kind(rec) < FP_LFS_DIRPAIR || fp_lfs_rec_len(rec) < 8)
        return FP_ERR_CORRUPT;
    err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(rec), raw, 8, 8);
    if (err)
        return err;
    fp_lfs_pair_set(pair, fp_get_le32(raw), fp_get_le32(raw + 4));
    return FP_OK;
}
