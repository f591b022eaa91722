/* SPDX-License-Identifier: MIT
 *
 * Which layout a volume has. Nothing on flash says so, but much follows from
 * it: the magic in each block, the headers that lookup entries announce, and
 * where in an index header the number of a file's first page is. Layouts are
 * tried, and the one that most agrees with wins. An empty volume agrees with
 * several: then it is the one that fp_spf_layout() takes where none is stated.
 *
 * A medium may be large, slow, and made to agree with everything: samples are
 * taken of what there is much of, those that tell nothing more are passed over,
 * and whatever it holds there are so many reads and no more.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

#define READS_MAX   2000u
#define UNIT_MAX    128u
#define CELLS_MAX   64u /* blocks whose magic is looked at */
#define CHUNK       64u /* bytes of a lookup table read at once */
#define ENTRIES_MAX 32u
#define HEADERS_MAX 6u
#define KIND_MAX    4u                            /* layouts */
#define TABLES      (2u * HEADERS_MAX * KIND_MAX) /* reads that tables take */
#define STRIDE      16u /* from block to block on the way through */
#define SCORE_MAX   95
#define MAGIC       0x100000 /* more than anything agrees */

/* Both views: a caller's "raw=1" stays what it is. */
#define LAYOUT(options)            \
    {                              \
        options, "raw=1," options, \
    }

/* Those of a kind differ only in where an index header has its table: what
 * else there is to see is looked at once for all of them. */
static const char *const kinds[][KIND_MAX][2] = {
    {
        LAYOUT("meta_len=4"),
        LAYOUT("aligned=1"),
        LAYOUT("meta_len=0"),
        LAYOUT("aligned=1,meta_len=4"),
    },
    {
        LAYOUT("magic_length=0,meta_len=4"),
        LAYOUT("magic_length=0,aligned=1"),
        LAYOUT("magic_length=0"),
    },
    {
        LAYOUT("id_bytes=4"),
        LAYOUT("id_bytes=4,meta_len=4"),
    },
    {
        LAYOUT("magic=0,meta_len=4"),
        LAYOUT("magic=0,aligned=1"),
        LAYOUT("magic=0"),
    },
};

struct votes {
    uint32_t agree, differ;
};

struct found {
    int32_t fit;
    bool magic, sure;
    uint32_t block_size, page_size;
    const char *options;
};

struct trial {
    struct fp_bdev *dev;
    struct fp_fs_config *cfg; /* being tried */
    struct found best;
    struct fp_spf fs;
    uint8_t unit[UNIT_MAX];
    bool stated;    /* the caller knows the layout */
    uint32_t reads; /* left */
    int err;        /* of a read that failed: then nothing is known */

    /* What layouts of a kind have in common. */
    struct votes entries;
    uint32_t headers[HEADERS_MAX], ids[HEADERS_MAX];
    uint32_t header_count; /* of files that are not empty */
};

/* What the medium cannot correct fits nothing, nor does one read too many. */
static bool look(struct trial *t, fp_addr at, void *buf, uint32_t size)
{
    int err = FP_ERR_CORRUPT;

    if (t->reads > 0) {
        t->reads--;
        err = fp_spf_read(&t->fs, at, buf, size);
    }
    if (err && err != FP_ERR_CORRUPT) {
        t->err = err;
        t->reads = 0;
    }
    return err == FP_OK;
}

/* A volume with magic has it in all blocks but one, which may have lost power
 * in its erase; one without has nothing there, and an erase count. */
static bool fits_magic(struct trial *t)
{
    struct fp_spf *fs = &t->fs;
    uint32_t step = fs->block_count / CELLS_MAX + 1, bad = 0;

    for (uint32_t b = 0; b < fs->block_count && bad < 2; b += step) {
        uint32_t want = fs->magic ? fp_spf_magic(fs, b) : fs->none;
        uint8_t buf[8];

        if (!look(t, fp_spf_magic_at(fs, b), buf, 2u * fs->w))
            return false;
        bad += fp_spf_word(fs, buf) != want ||
               (!fs->magic && fp_spf_word(fs, buf + fs->w) & fp_spf_ix(fs));
    }
    return bad < 2;
}

static bool has_enough_entries(const struct trial *t)
{
    return t->entries.agree + t->entries.differ >= ENTRIES_MAX;
}

/* Does a page start as its lookup entry says? Once enough are known, only
 * headers are of interest. */
static void try_page(struct trial *t, uint32_t page, uint32_t entry)
{
    struct fp_spf *fs = &t->fs;
    bool enough = has_enough_entries(t), fits;
    uint8_t buf[FP_SPF_HEAD_MAX + 4];
    struct fp_spf_head head;

    if (enough && (t->header_count == HEADERS_MAX || !(entry & fp_spf_ix(fs))))
        return;
    if (!look(t, fp_spf_at(fs, page), buf, fs->pad + 4))
        return;
    fp_spf_head_get(fs, buf, &head);
    fits = entry == fp_spf_word(fs, buf) && !(head.flags & FP_SPF_USED);
    t->entries.agree += fits && !enough;
    t->entries.differ += !fits && !enough;
    if (fits && fp_spf_is_index(&head) && head.span == 0 &&
        head.flags & FP_SPF_IXDELE && t->header_count < HEADERS_MAX &&
        fp_get_le32(buf + fs->pad) != FP_SPF_EMPTY) {
        t->headers[t->header_count] = page;
        t->ids[t->header_count++] = head.id;
    }
}

/* Up to the first entry that is free: so are the others. */
static void try_block(struct trial *t, uint32_t block)
{
    struct fp_spf *fs = &t->fs;
    uint32_t first = block * fs->ppb + fs->lookup, per_chunk = CHUNK / fs->w;
    uint8_t buf[CHUNK];

    for (uint32_t e = 0; e < fs->usable; e++) {
        uint32_t at = e % per_chunk * fs->w, entry;

        if (at == 0 && !look(t, fp_spf_lookup_at(fs, first + e), buf,
                             fp_spf_min(CHUNK, (fs->usable - e) * fs->w)))
            return;
        entry = fp_spf_word(fs, buf + at);
        if (entry == fs->none)
            return;
        if (entry != 0)
            try_page(t, first + e, entry);
    }
}

/* Blocks all over the volume: what is in use may be anywhere. Reads are left
 * for what is made of the headers. */
static void try_blocks(struct trial *t)
{
    for (uint32_t i = 0; i < STRIDE; i++)
        for (uint32_t b = i; b < t->fs.block_count; b += STRIDE) {
            if (t->reads <= TABLES ||
                (has_enough_entries(t) && t->header_count == HEADERS_MAX))
                return;
            try_block(t, b);
        }
}

/* A file's first page is where its header says. */
static void try_headers(struct trial *t, struct votes *votes)
{
    struct fp_spf *fs = &t->fs;

    for (uint32_t i = 0; i < t->header_count; i++) {
        uint8_t buf[FP_SPF_HEAD_MAX];
        struct fp_spf_head head;
        bool fits = false;
        uint32_t first;

        if (!look(t, fp_spf_at(fs, t->headers[i]) + fs->table0, buf, fs->w))
            continue;
        first = fp_spf_word(fs, buf);
        if (fp_spf_is_page(fs, first) &&
            look(t, fp_spf_at(fs, first), buf, fs->pad)) {
            fp_spf_head_get(fs, buf, &head);
            fits = head.id == t->ids[i] && head.span == 0 && !head.index;
        }
        votes->agree += fits ? 4 : 0;
        votes->differ += fits ? 0 : 4;
    }
}

/* Looks at what layouts of a kind have in common; false: none of them fits. */
static bool survey(struct trial *t)
{
    t->entries = (struct votes){ 0 };
    t->header_count = 0;
    if (!fits_magic(t))
        return false;
    try_blocks(t);
    return true;
}

/* How well a layout fits, by its votes: below 0 not at all. */
static int32_t weigh(const struct trial *t, const struct votes *votes)
{
    bool magic = t->fs.magic;
    uint32_t agree = votes->agree, differ = votes->differ;

    /* Without a magic it takes a file to believe it, or the caller. */
    if (!magic && (agree < 6 || differ * 4 > agree) &&
        !(t->stated && agree + differ == 0))
        return -1;
    if (differ > agree)
        return magic ? 0 : -1;
    return (magic ? MAGIC : 1) + (int32_t)(agree - differ);
}

/* One layout, maybe the first of its kind. False: the kind does not fit. */
static bool try_layout(struct trial *t, bool first)
{
    struct found *best = &t->best;
    struct votes votes;
    int32_t fit;

    if (fp_spf_layout(&t->fs, t->dev, t->cfg))
        return false;
    t->fs.dev = t->dev;
    t->fs.unit = t->unit;
    t->fs.unit_at = (fp_addr)-1;
    if (first && !survey(t))
        return false;
    votes = t->entries;
    try_headers(t, &votes);
    fit = weigh(t, &votes);
    if (fit <= best->fit)
        return true;
    best->fit = fit;
    best->magic = t->fs.magic;
    best->sure = votes.agree >= 5;
    best->block_size = t->cfg->block_size;
    best->page_size = t->cfg->page_size;
    best->options = t->cfg->options;
    return true;
}

/* The layouts, or the one that the caller states, in blocks and pages of this
 * size. */
static void try_all(struct trial *t)
{
    const char *options = t->cfg->options;
    bool raw = fp_fs_option(options, "raw", 0);

    if (t->stated) {
        (void)try_layout(t, true);
        return;
    }
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)
        for (size_t i = 0; i < KIND_MAX; i++) {
            /* What is taken for an empty volume is tried first. */
            size_t k = i < 2 && t->cfg->block_size == 8192 ? 1 - i : i;

            t->cfg->options = kinds[kind][k][raw];
            if (t->cfg->options == NULL || !try_layout(t, i == 0))
                break;
        }
    t->cfg->options = options;
}

static void try_pages(struct trial *t)
{
    static const uint16_t pages[] = { 256, 512, 128, 1024 };

    if (t->cfg->page_size != 0) {
        try_all(t);
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        t->cfg->page_size = pages[i];
        try_all(t);
    }
    t->cfg->page_size = 0;
}

static void try_sizes(struct trial *t)
{
    if (t->cfg->block_size != 0) {
        try_pages(t);
        return;
    }
    for (uint32_t size = 1024; size <= 65536; size *= 2) {
        t->cfg->block_size = size;
        if (size % t->dev->block_size == 0)
            try_pages(t);
    }
    t->cfg->block_size = 0;
}

/* The reference counts bytes in 32 bits. */
static bool is_too_large(const struct fp_bdev *dev,
                         const struct fp_fs_config *cfg)
{
    return cfg->block_count == 0 &&
           dev->block_count > UINT32_MAX / dev->block_size;
}

int fp_spf_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    const struct found *best;
    struct trial t;

    if (*score >= SCORE_MAX)
        return FP_ERR_NOENT; /* nothing here would be better */
    *score = 0;
    if (dev->read_size > UNIT_MAX || is_too_large(dev, cfg))
        return FP_ERR_NOENT;
    t.dev = dev;
    t.cfg = cfg;
    t.best.fit = -1;
    t.stated = fp_spf_is_stated(cfg);
    t.reads = READS_MAX;
    t.err = FP_OK;
    try_sizes(&t);
    best = &t.best;
    if (t.err)
        return t.err;
    if (best->fit < 0)
        return FP_ERR_NOENT;
    cfg->block_size = best->block_size;
    cfg->page_size = best->page_size;
    cfg->options = best->options;
    *score = best->sure ? best->magic ? SCORE_MAX : 70 : best->magic ? 60 : 30;
    return FP_OK;
}
