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
#define MEANT    1                       /* an answer of take_crc() */
#define NOTHING  fp_lfs_tag(0x700, 0, 0) /* a tag that says nothing */

uint32_t fp_lfs_hash(uint32_t hash, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x01000193u;
    return hash;
}

/* --- what a tag does --- */

/* Attributes are kept by place only while there is one: a second number makes
 * the entry SEVERAL, for good. With FP_LFS_SMALL none is. */
static void apply_attr(struct fp_lfs_mdir *m, struct fp_lfs_ent *ent,
                       uint32_t tag, fp_lfs_rec rec)
{
    m->attrs = true;
#if FP_LFS_SMALL
    (void)ent;
    (void)tag;
    (void)rec;
#else
    uint8_t type = (uint8_t)fp_lfs_tag_type(tag);
    uint32_t kind = fp_lfs_rec_kind(ent->attr);
    bool removed = fp_lfs_tag_len(tag) == FP_LFS_REMOVED;
    bool other = kind && ent->attr_type != type;

    if (kind == FP_LFS_SEVERAL || (other && removed))
        return;
    ent->attr_type = type;
    ent->attr = removed ? 0
                : other ? fp_lfs_rec_make(0, 0, FP_LFS_SEVERAL)
                        : rec | (uint32_t)FP_LFS_ONE << 30;
#endif
}

/* Entries with nothing in them, from `at` on. */
static bool add(const struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t at,
                uint32_t count)
{
    struct fp_lfs_ent *ent = m->ents + at;

    if (at > m->count || m->count + count > fs->ent_max)
        return false;
    memmove(ent + count, ent, (m->count - at) * sizeof *ent);
    memset(ent, 0, count * sizeof *ent);
    m->count = (uint16_t)(m->count + count);
    return true;
}

/* A compacted commit lists its ids in any order, so a name may lie beyond the
 * count; the ids between get theirs later. Unknown kinds leave an entry without
 * a name, or without content; unknown types are skipped. */
bool fp_lfs_apply(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t tag,
                  uint32_t off)
{
    uint32_t type = fp_lfs_tag_type(tag), id = fp_lfs_tag_id(tag);
    fp_lfs_rec rec = fp_lfs_rec_make(off, fp_lfs_tag_size(tag), 0);
    struct fp_lfs_ent *ent = m->ents + id;

    if (type == FP_LFS_CREATE)
        return add(fs, m, id, 1);
    if (type >> 8 == 1 || (type >> 8 > 3 && type != FP_LFS_DELETE))
        return true;
    if (id >= m->count &&
        (type >> 8 != 0 || !add(fs, m, m->count, id + 1 - m->count)))
        return false;
    if (type >> 8 == 0) {
        if (type <= FP_LFS_NAME_DIR || type == FP_LFS_NAME_SUPER)
            rec |= type << 30; /* FP_LFS_FILE, FP_LFS_DIR, FP_LFS_SUPER */
        ent->name = rec;
#if !FP_LFS_SMALL
        ent->hash = fp_lfs_hash16(fs->hash);
#endif
    } else if (type >> 8 == 2) {
        if (type <= FP_LFS_STRUCT_CTZ)
            rec |= (type + 1) << 30;
        ent->strct = rec;
    } else if (type >> 8 == 3) {
        apply_attr(m, ent, tag, rec);
    } else {
        m->count--;
        memmove(ent, ent + 1, (m->count - id) * sizeof *ent);
    }
    return true;
}

/* --- reading a log --- */

FP_LFS_APART void fp_lfs_scan_begin(struct fp_lfs *fs, uint32_t block,
                                    uint32_t start, uint32_t limit)
{
    struct fp_lfs_scan *s = &fs->scan;

    s->block = block;
    s->tag = NOTHING;
    s->off = start + 4;
    s->end = start;
    s->limit = limit;
    s->base = 0xffffffffu;
    s->crc = CRC_INIT;
    s->wrong = FP_OK;
    s->fcrc[0] = 0;
#if !FP_LFS_SMALL
    s->folded = start;
#endif
}

void fp_lfs_scan_end(struct fp_lfs *fs)
{
    if (!FP_LFS_SMALL)
        fs->scan.block = FP_LFS_NULL;
}

#if FP_LFS_SMALL

/* From the last tag on into the CRC, but for the checksum itself. */
static int fold_tag(struct fp_lfs *fs, bool is_crc)
{
    const struct fp_lfs_scan *s = &fs->scan;

    uint32_t from = s->off - 4;

    return fp_lfs_read(fs, s->block, from, NULL,
                       (is_crc ? s->off : s->end) - from);
}

int fp_lfs_crc_at(struct fp_lfs *fs, uint32_t block, uint32_t off,
                  uint32_t size)
{
    fp_lfs_scan_begin(fs, block, off, off + size);
    return fp_lfs_read(fs, block, off, NULL, size);
}

#else

/* What is read is folded by the window. */
static int fold_tag(struct fp_lfs *fs, bool is_crc)
{
    (void)fs;
    (void)is_crc;
    return FP_OK;
}

int fp_lfs_crc_at(struct fp_lfs *fs, uint32_t block, uint32_t off,
                  uint32_t size)
{
    uint8_t last;
    int err;

    /* On the way to the last byte all before it are folded. */
    fp_lfs_scan_begin(fs, block, off, off + size);
    err = fp_lfs_read(fs, block, off + size - 1, &last, 1);
    fp_lfs_fold(fs, off + size);
    fp_lfs_scan_end(fs);
    return err;
}

#endif

/* The base of the tag behind a CRC tag has bit 31 as that says. */
static uint32_t base_behind(uint32_t tag)
{
    return fp_lfs_tag_is_crc(tag) ? tag ^ (fp_lfs_tag_type(tag) & 1) << 31
                                  : tag;
}

/* Nearly always it is at hand: this is where a mount spends its time. */
static int next_word(struct fp_lfs *fs, uint32_t *word)
{
    const struct fp_lfs_scan *s = &fs->scan;
    const struct fp_lfs_cache *cache = &fs->rcache;
    const uint8_t *raw = (const uint8_t *)word;
    uint32_t at = s->end - cache->off;
    int err = FP_OK;

    if (!FP_LFS_SMALL && cache->block == s->block && at < cache->size &&
        cache->size - at >= 4)
        raw = cache->buf + at;
    else
        err = fp_lfs_read(fs, s->block, s->end, word, 4);
    *word = fp_get_be32(raw);
    return err;
}

int fp_lfs_scan_next(struct fp_lfs *fs)
{
    struct fp_lfs_scan *s = &fs->scan;
    int err;

    if (s->end + 4 > s->limit)
        return FP_ERR_NODATA;
    err = next_word(fs, &s->tag);
    if (err)
        return err;
    s->tag ^= s->base;
    if (s->tag & FP_LFS_TAG_INVALID)
        return FP_ERR_NODATA;
    s->base = base_behind(s->tag);
    s->off = s->end + 4;
    s->end = s->off + fp_lfs_tag_size(s->tag);
    return s->end <= s->limit ? FP_OK : FP_ERR_NODATA;
}

static void reset(struct fp_lfs_mdir *m)
{
    m->count = 0;
    m->off = 0;
    m->hard = m->attrs = false;
    if (!FP_READONLY)
        m->erased = false;
    if (FP_FS_CHECK)
        m->trailing = false;
    m->tail[0] = FP_LFS_NULL;
    m->delta = (struct fp_lfs_gstate){ 0 };
    m->fcrc_size = 0;
}

/* Tags about the pair as a whole. */
static int take_global(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct fp_lfs_scan *s = &fs->scan;
    uint32_t type = fp_lfs_tag_type(s->tag), size = 8, *to = m->tail;
    int err;

    if (type == FP_LFS_MOVESTATE) {
        to = &m->delta.tag;
        size = 12;
    } else if (!FP_READONLY && type == FP_LFS_FCRC) {
        to = s->fcrc;
    } else if (type >> 1 != FP_LFS_SOFTTAIL >> 1) {
        return FP_OK;
    }
    if (s->end - s->off < size) {
        s->wrong = FP_ERR_CORRUPT;
        return FP_OK;
    }
    err = fp_lfs_words(fs, s->block, s->off, to, size / 4);
    if (m->tail[1] == FP_LFS_NULL)
        m->tail[0] = FP_LFS_NULL;
    if (to == m->tail)
        m->hard = type & 1 && !fp_lfs_pair_is_null(to); /* HARDTAIL */
    return err;
}

/* The CRC tag. FP_ERR_NODATA: the commit does not hold. MEANT: it does, with
 * what contradicts the index. */
static int take_crc(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct fp_lfs_scan *s = &fs->scan;
    uint32_t expected;
    int err;

    fp_lfs_fold(fs, s->off);
    m->crc = s->crc; /* reading on may take the checksum itself into it */
    if (s->end - s->off < 4)
        return FP_ERR_NODATA;
    err = fp_lfs_word(fs, s->block, s->off, &expected);
    if (err)
        return err;
    if (expected != m->crc)
        return FP_ERR_NODATA;
    if (s->wrong)
        return MEANT;
    m->off = s->end;
#if !FP_LFS_SMALL
    s->folded = s->end;
#endif
    m->etag = s->base;
    if (!FP_READONLY) {
        m->fcrc_size = s->fcrc[0];
        m->fcrc = s->fcrc[1];
        s->fcrc[0] = 0;
    }
    s->crc = CRC_INIT;
    return FP_OK;
}

#if FP_LFS_SMALL
static int hash_name(struct fp_lfs *fs)
{
    (void)fs;
    return FP_OK;
}
#else
static int hash_name(struct fp_lfs *fs)
{
    const struct fp_lfs_scan *s = &fs->scan;
    uint8_t part[8];

    fs->hash = 0;
    for (uint32_t off = s->off, n; off < s->end; off += n) {
        int err;

        n = fp_lfs_min(s->end - off, sizeof part);
        err = fp_lfs_read(fs, s->block, off, part, n);
        if (err)
            return err;
        fs->hash = fp_lfs_hash(fs->hash, part, n);
    }
    return FP_OK;
}
#endif

/* More entries than the workspace was laid out for are no damage, as long as
 * a block can hold them. */
static int contradiction(const struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    uint32_t id = fp_lfs_tag_id(fs->scan.tag);
    uint32_t need = id > m->count ? id : m->count;

    return need >= fs->ent_max && need < FP_LFS_ENTRIES_MAX &&
                   FP_LFS_ENTRY_TAKES * (need + 1) <= fs->block_size
               ? FP_ERR_NOMEM
               : FP_ERR_CORRUPT;
}

static FP_LFS_APART int take_entry(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    struct fp_lfs_scan *s = &fs->scan;
    uint32_t kind = fp_lfs_tag_type(s->tag) >> 8;
    int err = FP_OK;

    if (kind >= 5)
        return take_global(fs, m);
    if (kind == 0 && !fs->mounting)
        err = hash_name(fs);
    if (!fp_lfs_apply(fs, m, s->tag, s->off) && !s->wrong)
        s->wrong = contradiction(fs, m);
    return err;
}

/* Takes what lies between start and limit into the index. A spot that cannot
 * be read ends a log as a wrong CRC does. */
static int scan_log(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t start,
                    uint32_t limit)
{
    struct fp_lfs_scan *s = &fs->scan;
    int err = FP_OK;

    fp_lfs_scan_begin(fs, m->pair[0], start, limit);
    if (start) {
        s->base = m->etag;
    } else {
        reset(m);
        s->end = 4;
        err = fp_lfs_word(fs, s->block, 0, &m->rev);
    }
    while (!err) {
        bool is_crc = fp_lfs_tag_is_crc(s->tag);

        err = fold_tag(fs, is_crc);
        if (!err)
            err = is_crc ? take_crc(fs, m) : take_entry(fs, m);
        if (!err)
            err = fp_lfs_scan_next(fs);
    }
    fp_lfs_scan_end(fs);
    if (err == MEANT)
        return s->wrong;
    if (err == FP_ERR_CORRUPT)
        s->end = FP_LFS_NULL;
    return err == FP_ERR_CORRUPT || err == FP_ERR_NODATA ? FP_OK : err;
}

/* May the area behind the last commit be programmed? */
static int judge_erased(struct fp_lfs *fs, struct fp_lfs_mdir *m)
{
    uint32_t left = fs->block_size - m->off;
    int err;

    if (FP_READONLY || (!FP_LFS_SMALL && fs->mounting) ||
        m->off % fs->prog_size || left < 4)
        return FP_OK;
    if (!m->fcrc_size) {
        /* Version 2.1 writes no commit without it, except where it ends less
         * than a unit before the block's end. */
        m->erased = fs->minor == 0;
        return FP_OK;
    }
    if (m->fcrc_size > left)
        return FP_OK;
    err = fp_lfs_crc_at(fs, m->pair[0], m->off, m->fcrc_size);
    m->erased = !err && fs->scan.crc == m->fcrc;
    return err == FP_ERR_CORRUPT ? FP_OK : err;
}

/* Reads on from `start`, and again from 0 up to the last good commit when
 * something unfinished has touched the index. FP_ERR_NODATA: no commit at
 * all. */
static int read_log(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t start)
{
    int err = scan_log(fs, m, start, fs->block_size);
    uint32_t end = m->off;

    if (!FP_READONLY)
        m->erased = false;
    if (err)
        return err;
    if (end == 0)
        return FP_ERR_NODATA;
    if (fs->scan.end == end) /* nothing follows the last good commit */
        return judge_erased(fs, m);
    err = scan_log(fs, m, 0, end);
    if (FP_FS_CHECK)
        m->trailing = true;
    /* It may have read differently a moment ago. */
    return !err && m->off != end ? FP_ERR_IO : err;
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

int fp_lfs_revision(struct fp_lfs *fs, uint32_t block, uint32_t *rev)
{
    int err = fp_lfs_word(fs, block, 0, rev);

    if (err != FP_ERR_CORRUPT)
        return err;
    *rev = 0;
    return FP_OK;
}

/* Reads into m the pair, by the newer of its blocks that has a commit. */
static FP_LFS_APART int fetch(struct fp_lfs *fs, const uint32_t pair[2],
                              struct fp_lfs_mdir *m)
{
    uint32_t rev[2], at;
    int err;

    m->dir[0] = FP_LFS_NULL;
    if (!fp_lfs_pair_ok(fs, pair))
        return FP_ERR_CORRUPT;
    err = fp_lfs_revision(fs, pair[0], &rev[0]);
    if (!err)
        err = fp_lfs_revision(fs, pair[1], &rev[1]);
    if (err)
        return err;
    at = (int32_t)(rev[1] - rev[0]) > 0;
    for (int i = 0; i < 2; i++, at ^= 1) {
        if (FP_FS_CHECK)
            m->fallback = i > 0;
        err = fp_lfs_parse(fs, m, pair[at]);
        m->pair[1] = pair[at ^ 1];
        /* A revision that now reads differently decided wrongly. */
        if (err != FP_ERR_NODATA && (err || m->rev == rev[at])) {
            m->valid = !err;
            return err;
        }
    }
    return FP_ERR_CORRUPT;
}

/* --- slots --- */

void fp_lfs_resolve(const struct fp_lfs *fs, uint32_t pair[2])
{
    for (uint32_t i = 0; !FP_READONLY && i < fs->moved_count; i++)
        if (fp_lfs_pair_equal(pair, fs->moved[i].old))
            fp_lfs_pair_set(pair, fs->moved[i].now[0], fs->moved[i].now[1]);
}

/* The slot that has the pair, or one given up for it: that holds nothing, or is
 * the one least used. */
static struct fp_lfs_mdir *slot_for(struct fp_lfs *fs, const uint32_t pair[2])
{
    struct fp_lfs_mdir *slot = fs->slots, *victim = NULL;
    uint32_t oldest = 0;

    for (uint32_t i = 0; i < fs->slot_count; i++, slot++) {
        uint32_t age = fs->clock - slot->stamp;

        if (!slot->valid)
            age = FP_LFS_NULL;
        else if (fp_lfs_pair_equal(slot->pair, pair))
            return slot;
        if ((FP_READONLY || !slot->pins) && age > oldest) {
            oldest = age;
            victim = slot;
        }
    }
    FP_ASSERT(victim);
    victim->valid = false;
    return victim;
}

int fp_lfs_get(struct fp_lfs *fs, const uint32_t given[2],
               struct fp_lfs_mdir **m)
{
    uint32_t pair[2] = { given[0], given[1] };

    fp_lfs_resolve(fs, pair);
    fs->clock++;
    *m = slot_for(fs, pair);
    (*m)->stamp = fs->clock;
    return (*m)->valid ? FP_OK : fetch(fs, pair, *m);
}

void fp_lfs_drop_slots(struct fp_lfs *fs, const uint32_t *pair)
{
    for (uint32_t i = 0; i < fs->slot_count; i++)
        if (!pair || fp_lfs_pair_shares(fs->slots[i].pair, pair))
            fs->slots[i].valid = false;
}

/* While its removal is under way (gwant) it does not: a pair that has been
 * relocated is there without it, and the id is its neighbour's, before the
 * commit that brings the global state up to date. */
bool fp_lfs_ent_moved(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      uint32_t id)
{
    if ((fs->gdisk.tag & ~FP_LFS_G_ORPHANS) !=
            fp_lfs_tag(FP_LFS_DELETE, id, 0) ||
        (!FP_READONLY && !fp_lfs_has_move(&fs->gwant)))
        return false;
    return fp_lfs_pair_shares(fs->gdisk.pair, m->pair);
}

/* --- entries --- */

bool fp_lfs_ent_visible(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t id)
{
    /* Kinds of a name and of what it may stand for, a bit each pair of them. */
    const uint32_t sound = 1u << (4 * FP_LFS_FILE + FP_LFS_INLINE) |
                           1u << (4 * FP_LFS_FILE + FP_LFS_CTZ) |
                           1u << (4 * FP_LFS_DIR + FP_LFS_DIRPAIR);
    fp_lfs_rec name = m->ents[id].name, strct = m->ents[id].strct;
    uint32_t kinds = 4 * fp_lfs_rec_kind(name) + fp_lfs_rec_kind(strct);

    return sound >> kinds & 1 &&
           (fp_lfs_rec_kind(strct) == FP_LFS_INLINE ||
            fp_lfs_rec_len(strct) >= 8) &&
           fp_lfs_rec_len(name) - 1 < fs->super.name_max &&
           !fp_lfs_ent_moved(fs, m, id);
}

int fp_lfs_rec_words(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     fp_lfs_rec rec, uint32_t *words, uint32_t count)
{
    if (fp_lfs_rec_len(rec) < 4 * count)
        return FP_ERR_CORRUPT;
    return fp_lfs_words(fs, m->pair[0], fp_lfs_rec_off(rec), words, count);
}

int fp_lfs_ent_pair(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint32_t pair[2])
{
    return fp_lfs_rec_words(fs, m, m->ents[id].strct, pair, 2);
}
