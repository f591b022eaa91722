/* SPDX-License-Identifier: MIT
 *
 * Which layout a volume has. Nothing on flash says so, but much follows from
 * it: the magic in each block, the headers that lookup entries announce, and
 * where in an index header the number of a file's first page is. Layouts are
 * tried, and the one that most agrees with wins. An empty volume agrees with
 * several: then it is the one that fp_spf_layout() takes where none is stated.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

#define UNIT_MAX 128u
#define TRIED    0x20000u /* bytes in blocks that have something in them */
#define MAGIC    0x100000 /* more than any number of pages */

/* Both views: a caller's "raw=1" stays what it is. */
#define LAYOUT(options)            \
    {                              \
        options, "raw=1," options, \
    }

static const char *const layouts[][2] = {
    LAYOUT("meta_len=4"),
    LAYOUT("aligned=1"),
    LAYOUT("meta_len=0"),
    LAYOUT("aligned=1,meta_len=4"),
    LAYOUT("magic_length=0,meta_len=4"),
    LAYOUT("magic_length=0,aligned=1"),
    LAYOUT("magic_length=0"),
    LAYOUT("id_bytes=4"),
    LAYOUT("id_bytes=4,meta_len=4"),
    LAYOUT("magic=0,meta_len=4"),
    LAYOUT("magic=0,aligned=1"),
    LAYOUT("magic=0"),
};

struct trial {
    struct fp_spf fs;
    uint8_t unit[UNIT_MAX];
    uint32_t agree, differ;
    int err; /* of a read that failed: then nothing is known */
};

/* Did a read work? What the medium cannot correct fits nothing. */
static bool took(struct trial *t, int err)
{
    if (err && err != FP_ERR_CORRUPT)
        t->err = err;
    return err == FP_OK;
}

/* A volume with magic has it in all blocks but one, which may have lost power
 * in its erase; one without has nothing there, and an erase count. */
static bool fits_magic(struct trial *t)
{
    struct fp_spf *fs = &t->fs;
    uint32_t bad = 0;

    for (uint32_t b = 0; b < fs->block_count && bad < 2; b++) {
        uint32_t want = fs->magic ? fp_spf_magic(fs, b) : fs->none;
        uint8_t buf[8];

        if (!took(t, fp_spf_read(fs, fp_spf_magic_at(fs, b), buf, 2u * fs->w)))
            return false;
        bad += fp_spf_word(fs, buf) != want ||
               (!fs->magic && fp_spf_word(fs, buf + fs->w) & fp_spf_ix(fs));
    }
    return bad < 2;
}

/* A file's first page is where its header says. */
static void try_header(struct trial *t, uint32_t page, uint32_t id)
{
    struct fp_spf *fs = &t->fs;
    struct fp_spf_head head;
    uint8_t buf[4];
    uint32_t first;

    if (!took(t, fp_spf_read(fs, fp_spf_at(fs, page) + fs->pad, buf, 4)) ||
        fp_get_le32(buf) == FP_SPF_EMPTY ||
        !took(t, fp_spf_read(fs, fp_spf_at(fs, page) + fs->table0, buf, fs->w)))
        return;
    first = fp_spf_word(fs, buf);
    if (fp_spf_is_page(fs, first) && took(t, fp_spf_peek(fs, first, &head)) &&
        head.id == id && head.span == 0 && !head.index)
        t->agree += 4;
    else
        t->differ += 4;
}

/* False: nothing is in the block. */
static bool try_block(struct trial *t, uint32_t block)
{
    struct fp_spf *fs = &t->fs;
    uint32_t first = block * fs->ppb + fs->lookup, e = 0;

    for (; e < fs->usable; e++) {
        struct fp_spf_head head;
        uint32_t entry;

        if (!took(t, fp_spf_read_entry(fs, first + e, &entry)) ||
            entry == fs->none)
            break;
        if (!took(t, fp_spf_peek(fs, first + e, &head)))
            continue;
        if (entry == 0) {
            t->differ += head.id == 0; /* it keeps its id */
            continue;
        }
        if (entry != (head.id | (head.index ? fp_spf_ix(fs) : 0)) ||
            head.flags & FP_SPF_USED) {
            t->differ++;
            continue;
        }
        t->agree++;
        if (fp_spf_is_index(&head) && head.span == 0 &&
            head.flags & FP_SPF_IXDELE)
            try_header(t, first + e, head.id);
    }
    return e > 0;
}

/* How well a layout fits: below 0 not at all. */
static int32_t try_layout(struct trial *t, struct fp_bdev *dev,
                          const struct fp_fs_config *cfg, bool stated)
{
    uint32_t tried = 0;

    if (fp_spf_layout(&t->fs, dev, cfg))
        return -1;
    t->fs.dev = dev;
    t->fs.unit = t->unit;
    t->fs.unit_at = (fp_addr)-1;
    t->agree = t->differ = 0;
    if (!fits_magic(t))
        return -1;
    for (uint32_t b = 0; b < t->fs.block_count && tried < TRIED; b++)
        tried += try_block(t, b) ? t->fs.block_size : 0;
    /* Without a magic it takes a file to believe it, or the caller. */
    if (!t->fs.magic && (t->agree < 6 || t->differ * 4 > t->agree) &&
        !(stated && t->agree + t->differ == 0))
        return -1;
    if (t->differ > t->agree)
        return t->fs.magic ? 0 : -1;
    return (t->fs.magic ? MAGIC : 1) + (int32_t)(t->agree - t->differ);
}

struct found {
    int32_t fit;
    bool magic, sure;
    struct fp_fs_config cfg;
};

/* The layouts, or the one that the caller states, in blocks of this size. */
static void try_all(struct trial *t, struct fp_bdev *dev,
                    const struct fp_fs_config *cfg, struct found *best)
{
    bool raw = fp_fs_option(cfg->options, "raw", 0);
    struct fp_fs_config use = *cfg;
    bool stated = fp_spf_is_stated(cfg);

    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        /* What is taken for an empty volume is tried first. */
        size_t k = i < 2 && use.block_size == 8192 ? 1 - i : i;
        int32_t fit;

        if (!stated)
            use.options = layouts[k][raw];
        fit = try_layout(t, dev, &use, stated);
        if (fit > best->fit) {
            best->fit = fit;
            best->magic = t->fs.magic;
            best->sure = t->agree >= 5;
            best->cfg = use;
        }
        if (stated)
            return;
    }
}

static void try_pages(struct trial *t, struct fp_bdev *dev,
                      struct fp_fs_config *cfg, struct found *best)
{
    static const uint16_t pages[] = { 256, 512, 128, 1024 };

    if (cfg->page_size != 0) {
        try_all(t, dev, cfg, best);
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        cfg->page_size = pages[i];
        try_all(t, dev, cfg, best);
    }
    cfg->page_size = 0;
}

int fp_spf_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    struct found best = { .fit = -1 };
    struct fp_fs_config use = *cfg;
    struct trial t;

    if (*score >= 95)
        return FP_ERR_NOENT;
    t.err = FP_OK;
    if (dev->read_size > UNIT_MAX)
        return FP_ERR_NOENT;
    if (cfg->block_size != 0) {
        try_pages(&t, dev, &use, &best);
    } else {
        for (use.block_size = 1024; use.block_size <= 65536;
             use.block_size *= 2)
            if (use.block_size % dev->block_size == 0)
                try_pages(&t, dev, &use, &best);
    }
    if (t.err)
        return t.err;
    if (best.fit < 0)
        return FP_ERR_NOENT;
    *cfg = best.cfg;
    *score = best.sure ? best.magic ? 95 : 70 : best.magic ? 60 : 30;
    return FP_OK;
}
