/* SPDX-License-Identifier: MIT
 *
 * Laying out the workspace and mounting: the superblocks are read and judged,
 * and the whole thread once, because the global state is the XOR over all
 * pairs.
 *
 *     struct fp_lfs | slots | struct fp_lfs_rooms | entries of each slot |
 *     read cache | program cache | allocation bitmap | file caches and names
 *
 * Mount also tells whether directory entries and directories match one to one.
 * It needs no memory for that: both sides are summed as hashes of their pairs,
 * and equal sums mean equal sets, short of an accident of 1 in 2^32.
 */
#include "core/fs/littlefs/lfs.h"

#include <stddef.h>
#include <string.h>

#define CACHE_DEFAULT  256u
#define FILES_DEFAULT  4u
#define CYCLES_DEFAULT 500
#define FAR_DEFAULT    16u
#define ENTRIES_MIN    8u
#define ALIGN          16u
#define ALONE          4u /* a revision, a pointer: of its own bytes alone */

_Static_assert(offsetof(struct fp_lfs, file_stride) -
                       offsetof(struct fp_lfs, layout) ==
                   offsetof(struct fp_lfs_layout, file_stride),
               "struct fp_lfs names its layout in another order");

/* --- the workspace --- */

static uint32_t round_up(uint32_t v)
{
    return (v + ALIGN - 1) & ~(ALIGN - 1);
}

static uint32_t clamp(uint32_t v, uint32_t least, uint32_t most)
{
    return v < least ? least : fp_lfs_min(v, most);
}

#define ROOMS (FP_READONLY ? 0 : round_up(sizeof(struct fp_lfs_rooms)))

/* The bytes that it takes; 0: no littlefs can live there. */
static size_t lay_out(const struct fp_bdev *dev, const struct fp_fs_config *cfg,
                      struct fp_lfs_layout *l)
{
    uint32_t files = cfg->max_files ? cfg->max_files : FILES_DEFAULT;
    uint32_t size = cfg->block_size ? cfg->block_size : dev->block_size;
    fp_addr blocks;

    if (size != clamp(size, FP_LFS_BLOCK_MIN, FP_LFS_BLOCK_MAX) ||
        size % dev->prog_size)
        return 0;
    l->block_size = size;
    blocks = fp_bdev_size(dev) / size;
    l->block_count = blocks < FP_LFS_NULL ? (uint32_t)blocks : FP_LFS_NULL - 1;
    l->ent_max = fp_fs_option(cfg->options, "entries", FP_LFS_ENTRIES_MAX);
    l->ent_max = fp_lfs_min(l->ent_max, fp_lfs_entries_most(size));
    if (l->block_count < 2 || l->ent_max < ENTRIES_MIN ||
        (!FP_READONLY && files > FP_LFS_FILES_MAX))
        return 0;
    size = fp_lfs_min(cfg->cache_size ? cfg->cache_size : CACHE_DEFAULT, size);
    size = fp_lfs_align_up(size, dev->prog_size);
    l->cache_size = size;
    l->look_size = 0;
    if (FP_LFS_LOOKS)
        l->look_size = clamp(fp_fs_option(cfg->options, "lookahead",
                                          clamp(size / 4, 16, FP_LFS_NULL)),
                             1, (l->block_count + 7) / 8);
    l->slot_count = FP_LFS_EXTRAS
                        ? clamp(fp_fs_option(cfg->options, "mdirs", 2), 2, 64)
                        : 2;
    l->file_stride = FP_READONLY ? 0 : size + FP_NAME_MAX + 1;
#if !FP_LFS_SMALL
    l->far =
        clamp(fp_fs_option(cfg->options, "addresses", FAR_DEFAULT), 1, 65536);
    l->file_stride += 4 * (FP_LFS_NEAR + l->far);
#endif
    l->file_stride = round_up(l->file_stride);
    return round_up(sizeof(struct fp_lfs)) + ROOMS +
           (size_t)l->slot_count * (round_up(sizeof(struct fp_lfs_mdir)) +
                                    l->ent_max * sizeof(struct fp_lfs_ent)) +
           (FP_READONLY ? 1 : 2) * (size_t)round_up(size) +
           (size_t)files * l->file_stride + round_up(l->look_size);
}

size_t fp_lfs_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    struct fp_lfs_layout l;

    return lay_out(dev, cfg, &l);
}

/* Puts the parts behind each other. */
static void place(struct fp_lfs *fs)
{
    uint8_t *at = (uint8_t *)fs + round_up(sizeof *fs);
    struct fp_lfs_rooms *rooms;

    fs->slots = (struct fp_lfs_mdir *)(void *)at;
    at += fs->slot_count * round_up(sizeof fs->slots[0]);
    rooms = (void *)at;
    at += ROOMS;
    for (uint32_t i = 0; i < fs->slot_count; i++) {
        fs->slots[i].ents = (struct fp_lfs_ent *)(void *)at;
        at += fs->ent_max * sizeof(struct fp_lfs_ent);
    }
    fs->rcache.buf = at;
    at += round_up(fs->cache_size);
    if (!FP_READONLY) {
        fs->pcache = at;
        at += round_up(fs->cache_size);
        fs->to = &rooms->to;
        fs->from = &rooms->from;
        fs->parent = &rooms->parent;
        fs->part = &rooms->part;
        fs->out = &rooms->out;
        fs->ops = rooms->ops;
    }
    if (FP_LFS_LOOKS)
        fs->look.map = at;
    if (!FP_READONLY)
        fs->files = at + round_up(fs->look_size);
}

void fp_lfs_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size)
{
    struct fp_lfs *fs = ws;

    memset(ws, 0, ws_size);
    (void)lay_out(dev, cfg, &fs->layout);
    place(fs);
    fs->dev = dev;
    if (!FP_LFS_SMALL)
        fs->alone_size =
            fp_lfs_min(fp_lfs_align_up(ALONE, dev->read_size), fs->cache_size);
    fs->rcache.block = FP_LFS_NULL;
    if (!FP_LFS_SMALL)
        fs->scan.block = FP_LFS_NULL;
    if (!FP_READONLY) {
        fs->via = &fs->rcache;
        fs->prog_size = dev->prog_size;
        if (FP_LFS_EXTRAS)
            fs->upgrade = fp_fs_option(cfg->options, "upgrade", 0) != 0;
    }
}

/* --- superblocks --- */

/* A limit of 0 means the default, the most there can be. */
static bool settle_limit(uint32_t *limit, uint32_t most)
{
    if (!*limit)
        *limit = most;
    return *limit <= most;
}

int fp_lfs_judge(struct fp_lfs *fs)
{
    struct fp_lfs_super *super = &fs->super;

    fs->minor = super->version - 0x20000;
    if (fs->minor > 1)
        return FP_ERR_NOTSUP;
    if (super->block_size != fs->block_size)
        return FP_ERR_INVAL;
    if (super->block_count < 2)
        return FP_ERR_CORRUPT;
    /* One above ours is a volume whose names or attributes we could not
     * hold. */
    if (!settle_limit(&super->name_max, FP_NAME_MAX) ||
        !settle_limit(&super->file_max, 0x7fffffff) ||
        !settle_limit(&super->attr_max, 1022))
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
    uint32_t device = fs->block_count, want = fs->super.block_count;

    fs->block_count = fp_lfs_min(want, device);
    if (!FP_READONLY && FP_LFS_EXTRAS &&
        fp_fs_option(cfg->options, "resize", 0)) {
        want = cfg->block_count ? cfg->block_count : device;
        if (want < 2 || want > device)
            return FP_ERR_INVAL;
    } else if (cfg->block_count && cfg->block_count != want) {
        return FP_ERR_INVAL;
    } else if (want > device) {
        cfg->flags |= FP_MOUNT_RDONLY;
    }
    if (!FP_READONLY && FP_LFS_EXTRAS &&
        (want != fs->super.block_count || fs->uneven))
        fs->resize = want;
    return FP_OK;
}

static int read_superblock(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    const struct fp_lfs_ent *ent = &m->ents[0];
    uint32_t before = fs->super.block_count;
    int order, err = fp_lfs_name_cmp(fs, m, 0, "littlefs", 8, &order);

    if (!err && (order || fp_lfs_rec_kind(ent->strct) != FP_LFS_INLINE))
        err = FP_ERR_CORRUPT;
    if (!err)
        err = fp_lfs_rec_words(fs, m, ent->strct, &fs->super.version,
                               FP_LFS_SUPER_WORDS);
    if (!err)
        err = fp_lfs_judge(fs);
    if (!FP_READONLY && FP_LFS_EXTRAS && before)
        fs->uneven = fs->uneven || before != fs->super.block_count;
    return err;
}

/* The thread begins with pairs that have a superblock, linked by hard tails.
 * The last of them is the root. *more: m is not yet behind that. */
static int take_superblock(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                           bool *more)
{
    bool super = m->count && fp_lfs_rec_kind(m->ents[0].name) == FP_LFS_SUPER;
    int err = FP_OK;

    *more = super && m->hard;
    if (super) {
        fp_lfs_pair_set(fs->root, m->pair[0], m->pair[1]);
        err = read_superblock(fs, m);
    } else if (!fs->super.block_count) {
        err = FP_ERR_CORRUPT;
    }
    return err || *more ? err : settle_count(fs);
}

/* --- the thread --- */

/* A hash of a pair, whichever of its blocks comes first. It is not linear, so
 * that sums of it do not match where the sums of the blocks do. */
static uint32_t mix(const uint32_t pair[2])
{
    uint32_t v = (pair[0] + pair[1]) * 0x9e3779b1u ^ pair[0] * pair[1];

    return v * (2 * v + 1);
}

static int sum_children(struct fp_lfs *fs, const struct fp_lfs_mdir *m)
{
    for (uint32_t id = 0; id < m->count; id++) {
        uint32_t pair[2];
        int err;

        if (fp_lfs_rec_kind(m->ents[id].strct) != FP_LFS_DIRPAIR ||
            !fp_lfs_ent_visible(fs, m, id))
            continue;
        err = fp_lfs_ent_pair(fs, m, id, pair);
        if (err)
            return err;
        fs->doubted += mix(pair);
    }
    return FP_OK;
}

static int walk_thread(struct fp_lfs *fs)
{
    struct fp_lfs_chain thread;
    bool in_supers = true, hard = true;
    int err;

    fp_lfs_chain_begin(&thread, 0, 1);
    while (!(err = fp_lfs_chain_next(fs, &thread))) {
        const struct fp_lfs_mdir *m = thread.m;

        if (in_supers)
            err = take_superblock(fs, m, &in_supers);
        if (FP_LFS_EXTRAS && !hard)
            fs->doubted -= mix(m->pair);
        hard = m->hard;
        fp_lfs_gstate_xor(&fs->gdisk, &m->delta);
        if (!FP_READONLY)
            fs->look.random ^= m->crc;
        if (FP_LFS_EXTRAS && !err)
            err = sum_children(fs, m);
        if (err)
            return err;
    }
    if (!FP_READONLY)
        fs->gwant = fs->gdisk;
    if (FP_FS_CHECK)
        fs->mdir_count = thread.hops;
    return err == FP_ERR_NOENT ? FP_OK : err;
}

static bool gstate_legal(const struct fp_lfs_gstate *g)
{
    uint32_t tag = g->tag & ~FP_LFS_G_ORPHANS;

    if (!tag)
        return !(g->pair[0] | g->pair[1]);
    return fp_lfs_tag_type(tag) == FP_LFS_DELETE && !fp_lfs_tag_len(tag);
}

static int mount_found(struct fp_lfs *fs)
{
    struct fp_fs_config *cfg = &fs->mnt->cfg;
    int err = walk_thread(fs);

    if (!err && !gstate_legal(&fs->gdisk))
        err = FP_ERR_CORRUPT;
    if (err)
        return err;
    /* While a relocation is half done the two differ, and the thread has an old
     * version of some directory: nothing to judge entries by. */
    if (FP_LFS_EXTRAS && fs->gdisk.tag & FP_LFS_G_ORPHANS)
        fs->doubted = 0;
    if (!FP_READONLY) {
        if (!cfg->block_cycles)
            cfg->block_cycles = CYCLES_DEFAULT;
        if (cfg->block_cycles >= 0)
            fs->cycles = ((uint32_t)cfg->block_cycles + 1) | 1;
        fs->inline_max = fp_lfs_min(fs->cache_size, fs->block_size / 8);
        fs->inline_max = fp_lfs_min(fs->inline_max, fs->super.attr_max);
        fs->look.random ^= cfg->seed;
        fs->look.start = fs->look.random; /* a block by its remainder */
        if (FP_LFS_EXTRAS)
            fs->upgrade = fs->upgrade && fs->minor == 0;
    }
    cfg->block_size = fs->block_size;
    cfg->block_count = fs->block_count;
    cfg->cache_size = fs->cache_size;
    cfg->name_max = fs->super.name_max;
    cfg->version = fs->super.version;
    return FP_OK;
}

int fp_lfs_mount(struct fp_mount *mnt)
{
    struct fp_lfs *fs = mnt->ws;
    int err;

    fp_lfs_setup(mnt->dev, &mnt->cfg, mnt->ws, mnt->ws_size);
    fs->mnt = mnt;
    /* An erase must not reach into a neighbour. */
    if (!FP_READONLY && !(mnt->cfg.flags & FP_MOUNT_RDONLY) &&
        fs->block_size % mnt->dev->block_size)
        return FP_ERR_INVAL;
    if (!FP_LFS_SMALL)
        fs->mounting = true;
    err = mount_found(fs);
    if (!FP_LFS_SMALL)
        fs->mounting = false;
    mnt->file_max = fs->super.file_max;
    /* These indexes are without hashes, and the first was read before the
     * version was known, which tells what is erased. */
    if (!FP_READONLY)
        fp_lfs_drop_slots(fs, NULL);
    return err;
}

int fp_lfs_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_lfs *fs = fp_lfs_of(mnt);
    uint32_t used = fs->block_count, left;

    if (FP_LFS_EXTRAS || !FP_READONLY) {
        int err = fp_lfs_count_used(fs, &used);

        if (err)
            return err;
    }
    st->block_size = fs->block_size;
    st->block_count = fs->block_count;
    st->blocks_used = used;
    /* A file's blocks hold two pointers on average, and its entry may need a
     * pair of its own. */
    left = fs->block_count - used;
    if (left > 2)
        st->free = (uint64_t)(left - 2) * (fs->block_size - 8);
    st->name_max = mnt->cfg.name_max;
    memcpy(st->version, "2.0", 4);
    st->version[2] = (char)('0' + fs->minor);
    st->needs_repair = fs->gdisk.tag != 0;
    return FP_OK;
}
