/* SPDX-License-Identifier: MIT
 *
 * Laying out the workspace and mounting: the superblocks are read and judged,
 * and the whole thread once, because the global state is the XOR over all
 * pairs.
 *
 *     struct fp_lfs | read cache | program cache | file caches and names |
 *     allocation bitmap | slots | entries of each slot
 *
 * Mount also tells whether directory entries and directories match one to one.
 * It needs no memory for that: both sides are summed as hashes of their pairs,
 * and equal sums mean equal sets, short of an accident of 1 in 2^64.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define CACHE_DEFAULT  256u
#define FILES_DEFAULT  4u
#define CYCLES_DEFAULT 500
#define FAR_DEFAULT    16u
#define ENTRIES_MIN    8u
#define ALIGN          16u

/* --- the workspace --- */

/* The number behind "name=" in options, or what it is without. */
static uint32_t option(const char *options, const char *name, uint32_t without)
{
    size_t len = strlen(name);

    while (options && *options) {
        size_t all = strcspn(options, ",");

        if (!strncmp(options, name, len) && options[len] == '=') {
            uint32_t value = 0;

            for (size_t i = len + 1; i < all && options[i] >= '0' &&
                                     options[i] <= '9' && value < 0x1000000;
                 i++)
                value = value * 10 + (uint32_t)(options[i] - '0');
            return value;
        }
        options += all + (options[all] == ',');
    }
    return without;
}

struct layout {
    uint32_t block_size, device_blocks;
    uint32_t cache_size, files, far, file_stride, look_size, slots, ents;
};

static uint32_t round_up(uint32_t v)
{
    return (v + ALIGN - 1) & ~(ALIGN - 1);
}

/* False: no littlefs can live there. */
static bool lay_out(const struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    struct layout *l)
{
    fp_addr size = fp_bdev_size(dev), blocks;

    l->block_size = cfg->block_size ? cfg->block_size : dev->block_size;
    if (l->block_size < FP_LFS_BLOCK_MIN || l->block_size > FP_LFS_BLOCK_MAX ||
        l->block_size % dev->prog_size)
        return false;
    blocks = size / l->block_size;
    l->device_blocks =
        blocks < FP_LFS_NULL ? (uint32_t)blocks : FP_LFS_NULL - 1;
    if (l->device_blocks < 2)
        return false;

    l->cache_size = cfg->cache_size ? cfg->cache_size : CACHE_DEFAULT;
    l->cache_size = fp_lfs_min(l->cache_size, l->block_size);
    l->cache_size = fp_lfs_align_up(l->cache_size, dev->prog_size);
    l->cache_size = fp_lfs_min(l->cache_size, l->block_size);
    l->files = cfg->max_files ? cfg->max_files : FILES_DEFAULT;
    if (l->files > FP_LFS_FILES_MAX)
        return false;
    l->far = option(cfg->options, "addresses", FAR_DEFAULT);
    l->far = l->far < 1 ? 1 : fp_lfs_min(l->far, 65536);
    l->file_stride =
        round_up(l->cache_size + FP_NAME_MAX + 1 + 4 * (FP_LFS_NEAR + l->far));
    l->look_size = option(cfg->options, "lookahead",
                          l->cache_size / 4 > 16 ? l->cache_size / 4 : 16);
    l->look_size = fp_lfs_min(l->look_size, (l->device_blocks + 7) / 8);
    if (l->look_size == 0)
        l->look_size = 1;
    l->slots = option(cfg->options, "mdirs", 2);
    l->slots = l->slots < 2 ? 2 : fp_lfs_min(l->slots, 64);
    /* An entry takes two tags and a byte of name. */
    l->ents = fp_lfs_min(l->block_size / 9, FP_LFS_ENTRIES_MAX);
    l->ents = fp_lfs_min(l->ents, option(cfg->options, "entries", l->ents));
    if (l->ents < ENTRIES_MIN)
        return false;
    return true;
}

size_t fp_lfs_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    struct layout l;

    if (!lay_out(dev, cfg, &l))
        return 0;
    return (size_t)round_up(sizeof(struct fp_lfs)) +
           2 * (size_t)round_up(l.cache_size) +
           (size_t)l.files * l.file_stride + round_up(l.look_size) +
           (size_t)l.slots * (round_up(sizeof(struct fp_lfs_mdir)) +
                              round_up(l.ents * sizeof(struct fp_lfs_ent)));
}

static uint8_t *take(uint8_t **at, size_t size)
{
    uint8_t *p = *at;

    *at += (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    return p;
}

int fp_lfs_setup(struct fp_lfs **out, struct fp_bdev *dev,
                 struct fp_fs_config *cfg, void *ws, size_t ws_size)
{
    struct layout l;
    struct fp_lfs *fs;
    uint8_t *at = ws;
    int32_t cycles = cfg->block_cycles ? cfg->block_cycles : CYCLES_DEFAULT;

    if (!lay_out(dev, cfg, &l))
        return FP_ERR_INVAL;
    if (ws_size < fp_lfs_workspace(dev, cfg))
        return FP_ERR_NOMEM;
    fs = (struct fp_lfs *)(void *)take(&at, sizeof *fs);
    memset(fs, 0, sizeof *fs);
    fs->dev = dev;
    fs->block_size = l.block_size;
    fs->block_count = l.device_blocks;
    fs->cache_size = l.cache_size;
    fs->prog_size = dev->prog_size;
    fs->cycles = cycles < 0 ? 0 : ((uint32_t)cycles + 1) | 1;
    fs->scan.block = fs->rcache.block = FP_LFS_NULL;
    fs->rcache.buf = take(&at, l.cache_size);
    fs->pcache = take(&at, l.cache_size);
    fs->far = l.far;
    fs->file_stride = l.file_stride;
    fs->files = take(&at, (size_t)l.files * l.file_stride);
    fs->look_size = l.look_size;
    fs->look = take(&at, l.look_size);
    fs->slot_count = l.slots;
    fs->ent_max = l.ents;
    fs->slots = (struct fp_lfs_mdir *)(void *)at;
    memset(at, 0, l.slots * sizeof fs->slots[0]);
    (void)take(&at, l.slots * sizeof fs->slots[0]);
    for (uint32_t i = 0; i < l.slots; i++)
        fs->slots[i].ents = (struct fp_lfs_ent *)(void *)take(
            &at, l.ents * sizeof(struct fp_lfs_ent));
    fs->upgrade = option(cfg->options, "upgrade", 0) != 0;

    cfg->block_size = l.block_size;
    cfg->cache_size = l.cache_size;
    cfg->max_files = l.files;
    cfg->block_cycles = cycles;
    *out = fs;
    return FP_OK;
}

/* --- superblocks --- */

/* A limit of 0 means the default; one above ours is a volume whose names or
 * attributes we could not hold. */
static bool limit(uint32_t value, uint32_t most, uint32_t *to)
{
    *to = value ? value : most;
    return *to <= most;
}

static int judge(struct fp_lfs *fs, const uint8_t record[24])
{
    uint32_t version = fp_get_le32(record), count = fp_get_le32(record + 8);

    if (version >> 16 != 2 || (version & 0xffff) > 1)
        return FP_ERR_NOTSUP;
    if (fp_get_le32(record + 4) != fs->block_size)
        return FP_ERR_INVAL;
    if (count < 2)
        return FP_ERR_CORRUPT;
    fs->minor = version & 0xffff;
    fs->uneven = fs->uneven || (fs->stated && fs->stated != count);
    fs->stated = count;
    if (!limit(fp_get_le32(record + 12), FP_NAME_MAX, &fs->name_max) ||
        !limit(fp_get_le32(record + 16), 0x7fffffff, &fs->file_max) ||
        !limit(fp_get_le32(record + 20), 1022, &fs->attr_max))
        return FP_ERR_NOTSUP;
    return FP_OK;
}

/* How many blocks the volume has, once the last record has been read: that one
 * counts, the earlier ones may be from before it grew or shrank. Without
 * resize a count that differs from the caller's is refused; of a volume larger
 * than its medium the part that is there may be looked at. */
static int settle_count(struct fp_lfs *fs)
{
    struct fp_fs_config *cfg = &fs->mnt->cfg;
    uint32_t device = fs->block_count, want = fs->stated;

    if (option(cfg->options, "resize", 0)) {
        want = cfg->block_count ? cfg->block_count : device;
        if (want < 2 || want > device)
            return FP_ERR_INVAL;
    } else if (cfg->block_count && cfg->block_count != want) {
        return FP_ERR_INVAL;
    } else if (want > device) {
        cfg->flags |= FP_MOUNT_RDONLY;
    }
    fs->block_count = fp_lfs_min(fs->stated, device);
    fs->resize = want != fs->stated || fs->uneven ? want : 0;
    return FP_OK;
}

/* FP_ERR_NOENT: m holds no superblock entry. */
static int read_superblock(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    const struct fp_lfs_ent *ent = &m->ents[0];
    uint8_t raw[24];
    int err;

    if (!m->count || fp_lfs_rec_kind(ent->name) != FP_LFS_SUPER)
        return FP_ERR_NOENT;
    if (fp_lfs_rec_len(ent->name) != 8 ||
        fp_lfs_rec_kind(ent->strct) != FP_LFS_INLINE ||
        fp_lfs_rec_len(ent->strct) < 24)
        return FP_ERR_CORRUPT;
    err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(ent->name), raw, 8);
    if (!err && memcmp(raw, "littlefs", 8) != 0)
        err = FP_ERR_CORRUPT;
    if (!err)
        err = fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(ent->strct), raw, 24);
    return err ? err : judge(fs, raw);
}

/* --- the thread --- */

static uint64_t mix(const uint32_t pair[2])
{
    uint64_t v = pair[0] < pair[1] ? (uint64_t)pair[0] << 32 | pair[1]
                                   : (uint64_t)pair[1] << 32 | pair[0];

    v = (v ^ v >> 31) * 0x9e3779b97f4a7c15u;
    v = (v ^ v >> 29) * 0xbf58476d1ce4e5b9u;
    return v ^ v >> 32;
}

static int sum_children(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint64_t *sum)
{
    for (uint32_t id = 0; id < m->count; id++) {
        uint32_t pair[2];
        int err;

        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR ||
            fp_lfs_rec_kind(m->ents[id].name) != FP_LFS_DIR ||
            fp_lfs_rec_len(m->ents[id].strct) < 8)
            continue;
        err = fp_lfs_ent_pair(fs, m, id, pair);
        if (err)
            return err;
        *sum += mix(pair);
    }
    return FP_OK;
}

struct walk {
    uint32_t at[2];
    uint32_t crc;
    uint64_t heads, children;
    bool soft;      /* the last tail was */
    bool in_supers; /* still in the chain of superblocks */
};

static int take_superblock(struct fp_lfs *fs, struct walk *w,
                           const struct fp_lfs_mdir *m)
{
    int err = read_superblock(fs, m);

    if (err == FP_ERR_NOENT && fs->mdir_count > 0)
        w->in_supers = false;
    else if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    else
        fp_lfs_pair_set(fs->root, m->pair[0], m->pair[1]);
    w->in_supers = w->in_supers && m->hard;
    return w->in_supers ? FP_OK : settle_count(fs);
}

static int take_mdir(struct fp_lfs *fs, struct walk *w,
                     const struct fp_lfs_mdir *m)
{
    int err = w->in_supers ? take_superblock(fs, w, m) : FP_OK;

    if (err)
        return err;
    if (w->soft)
        w->heads += mix(m->pair);
    fp_lfs_gstate_xor(&fs->gdisk, &m->delta);
    w->crc ^= m->crc;
    fs->mdir_count++;
    return sum_children(fs, m, &w->children);
}

static int walk_thread(struct fp_lfs *fs, struct walk *w)
{
    for (;;) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, w->at, &m);

        if (!err)
            err = take_mdir(fs, w, m);
        if (err)
            return err;
        if (fp_lfs_pair_is_null(m->tail))
            return FP_OK;
        /* Each pair has two blocks, so a thread longer than half of them
         * goes round. */
        if (fs->mdir_count > fs->block_count / 2)
            return FP_ERR_CORRUPT;
        w->soft = !m->hard;
        fp_lfs_pair_set(w->at, m->tail[0], m->tail[1]);
    }
}

/* The source of a pending move was summed before the global state was known;
 * it does not count. */
static int match_children(struct fp_lfs *fs, struct walk *w)
{
    uint32_t id = fp_lfs_tag_id(fs->gdisk.tag), pair[2];
    struct fp_lfs_mdir *m;
    int err = FP_ERR_NOENT;

    if (fp_lfs_has_move(&fs->gdisk))
        err = fp_lfs_find_in_thread(fs, fs->gdisk.pair, pair);
    if (!err)
        err = fp_lfs_get(fs, pair, &m);
    if (!err && id < m->count &&
        fp_lfs_rec_kind(m->ents[id].name) == FP_LFS_DIR &&
        fp_lfs_ent_pair(fs, m, id, pair) == FP_OK)
        w->children -= mix(pair);
    /* While a relocation is half done the two differ, and the thread has an old
     * version of some directory: nothing to judge entries by. */
    fs->doubted =
        w->children != w->heads && !(fs->gdisk.tag & FP_LFS_G_ORPHANS);
    return err == FP_ERR_NOENT ? FP_OK : err;
}

static void drop_all(struct fp_lfs *fs)
{
    for (uint32_t i = 0; i < fs->slot_count; i++)
        fs->slots[i].valid = false;
}

static bool gstate_legal(const struct fp_lfs_gstate *g)
{
    if (g->tag & 0x3ff)
        return false;
    return fp_lfs_has_move(g) ||
           !((g->tag & ~FP_LFS_G_ORPHANS) | g->pair[0] | g->pair[1]);
}

static int mount_found(struct fp_lfs *fs)
{
    struct walk w = { .at = { 0, 1 }, .in_supers = true };
    uint32_t inline_max;
    struct fp_lfs_mdir *m;
    int err;

    fs->minor = 1;
    err = fp_lfs_get(fs, w.at, &m);
    if (!err)
        err = read_superblock(fs, m);
    if (err)
        return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
    if (fs->minor == 0)
        drop_all(fs); /* what is erased was judged as in 2.1 */
    err = walk_thread(fs, &w);
    if (!err && !gstate_legal(&fs->gdisk))
        err = FP_ERR_CORRUPT;
    if (!err)
        err = match_children(fs, &w);
    if (err)
        return err;

    fs->gwant = fs->gdisk;
    inline_max = fp_lfs_min(fs->cache_size, fs->block_size / 8);
    fs->inline_max = fp_lfs_min(inline_max, fs->attr_max);
    fs->look_start = (w.crc ^ fs->mnt->cfg.seed) % fs->block_count;
    fs->mnt->cfg.block_count = fs->block_count;
    fs->mnt->cfg.name_max = fs->name_max;
    fs->mnt->cfg.version = 0x20000 | fs->minor;
    if (fs->minor == 1)
        fs->upgrade = false;
    return FP_OK;
}

/* Without a stated block size the volume is asked. */
static int find_block_size(struct fp_mount *mnt)
{
    struct fp_fs_config found = mnt->cfg;
    int score, err;

    if (mnt->cfg.block_size)
        return FP_OK;
    err = fp_lfs_probe(mnt->dev, &found, &score);
    mnt->cfg.block_size = found.block_size;
    return err == FP_ERR_NOENT ? FP_ERR_CORRUPT : err;
}

int fp_lfs_mount(struct fp_mount *mnt)
{
    struct fp_lfs *fs;
    int err = find_block_size(mnt);

    if (!err)
        err = fp_lfs_setup(&fs, mnt->dev, &mnt->cfg, mnt->ws, mnt->ws_size);
    if (err)
        return err;
    fs->mnt = mnt;
    /* An erase must not reach into a neighbour. */
    if (!(mnt->cfg.flags & FP_MOUNT_RDONLY) &&
        fs->block_size % mnt->dev->block_size)
        return FP_ERR_INVAL;
    fs->mounting = true;
    err = mount_found(fs);
    fs->mounting = false;
    drop_all(fs); /* the indexes are without hashes */
    return err;
}

int fp_lfs_unmount(struct fp_mount *mnt)
{
    (void)mnt;
    return FP_OK;
}

int fp_lfs_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    uint32_t used = 0, data;
    int err = fp_lfs_count_used(fs, &used);

    if (err)
        return err;
    memset(st, 0, sizeof *st);
    st->block_size = fs->block_size;
    st->block_count = fs->block_count;
    st->blocks_used = used;
    st->size = (uint64_t)fs->block_count * fs->block_size;
    /* A file's blocks hold two pointers on average, and its entry may need a
     * pair of its own. */
    data = used + 2 < fs->block_count ? fs->block_count - used - 2 : 0;
    st->free = (uint64_t)data * (fs->block_size - 8);
    st->caps = FP_CAP_DIRS | FP_CAP_MTIME | FP_CAP_ATTRS;
    st->name_max = fs->name_max;
    st->file_max = fs->file_max;
    st->version[0] = '2';
    st->version[1] = '.';
    st->version[2] = (char)('0' + fs->minor);
    st->needs_repair = !fp_lfs_gstate_is_zero(&fs->gdisk);
    return FP_OK;
}
