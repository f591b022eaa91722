/* SPDX-License-Identifier: MIT
 *
 * Looking through a volume for everything that is wrong with it, in slices,
 * without changing anything on flash.
 *
 *     pairs    along the thread, an entry a slice: the log (check_log.c),
 *              names, their order, kinds, directories and their parents, every
 *              pointer of every file
 *     state    the block count, a pending move, the orphan flag
 *     owners   each block has one: a bitmap, window by window (the allocator's,
 *              which looks afresh afterwards)
 *
 * The volume may be written to between two slices; then the check starts over,
 * a few times, and ends with FP_ERR_BUSY when that does not stop.
 */
#include "core/fs/littlefs/check.h"

#include <stdarg.h>
#include <string.h>

#define RESTARTS  4u
#define CTZ_SLICE 16u
#define UNIT_MIN  16u /* a torn program is taken to reach that far */

enum {
    PAIRS,
    STATE,
    OWNERS,
    DONE
};

struct check {
    uint32_t phase;
    uint32_t changes, restarts;
    uint32_t at[2], hops;
    uint32_t id;
    uint32_t ctz_index, ctz_block; /* within a file's list; index 0: not */
    uint32_t window;
    uint16_t before_id; /* entry before, in the pair `before` */
    bool soft, begun, has_before, past_root;
    uint32_t before[2];
};

_Static_assert(sizeof(struct check) <= sizeof(((struct fp_step *)0)->state),
               "the state of a check does not fit a step");

/* --- words --- */

struct text {
    char buf[200];
    uint32_t len;
};

static void add_char(struct text *t, char c)
{
    if (t->len + 1 < sizeof t->buf)
        t->buf[t->len++] = c;
    t->buf[t->len] = 0;
}

static void add_number(struct text *t, uint32_t v, uint32_t base)
{
    char digits[10];
    uint32_t n = 0;

    do
        digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    while (n)
        add_char(t, digits[--n]);
}

void fp_lfs_say(struct fp_step *step, enum fp_finding_level level,
                uint32_t block, const char *format, ...)
{
    struct text t = { .len = 0 };
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            add_char(&t, *format);
        } else if (*++format == 'u') {
            add_number(&t, va_arg(args, uint32_t), 10);
        } else if (*format == 'x') {
            add_char(&t, '0');
            add_char(&t, 'x');
            add_number(&t, va_arg(args, uint32_t), 16);
        } else {
            for (const char *s = va_arg(args, const char *); *s; s++)
                add_char(&t, *s);
        }
    }
    va_end(args);
    step->errors += level == FP_FINDING_ERROR;
    step->warnings += level == FP_FINDING_WARNING;
    step->pending += level == FP_FINDING_PENDING;
    if (step->on_finding)
        step->on_finding(step->ctx, level, block, t.buf);
}

/* The entry's name with what cannot be shown replaced. */
struct shown {
    char text[48];
};

static const char *show(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t id, struct shown *shown)
{
    fp_lfs_rec rec = m->ents[id].name;
    uint32_t n = fp_lfs_min(fp_lfs_rec_len(rec), sizeof shown->text - 1);

    if (fp_lfs_read(fs, m->pair[0], fp_lfs_rec_off(rec), shown->text, n))
        n = 0;
    for (uint32_t i = 0; i < n; i++)
        if ((uint8_t)shown->text[i] < 0x20 || shown->text[i] == 0x7f)
            shown->text[i] = '?';
    shown->text[n] = 0;
    return shown->text;
}

/* --- one pair --- */

/* Where the first byte behind the last commit is that differs from the one
 * right behind it, as no erased flash does; the block's size: nowhere. */
static int first_dirty(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                       uint32_t *dirty)
{
    uint8_t bytes[32], first = 0;

    for (*dirty = m->off; *dirty < fs->block_size;) {
        uint32_t n = fp_lfs_min(fs->block_size - *dirty, sizeof bytes);
        int err = fp_lfs_read(fs, m->pair[0], *dirty, bytes, n);

        if (err)
            return err;
        if (*dirty == m->off)
            first = bytes[0];
        for (uint32_t i = 0; i < n; i++, ++*dirty)
            if (bytes[i] != first)
                return FP_OK;
    }
    return FP_OK;
}

/* An FCRC says that one program unit behind the commit is erased, and the next
 * commits trust the rest of the block to be so too. */
static int check_rest(struct fp_lfs *fs, struct fp_step *step,
                      const struct fp_lfs_mdir *m)
{
    uint32_t dirty, unit = m->fcrc_size > UNIT_MIN ? m->fcrc_size : UNIT_MIN;
    int err = m->erased ? first_dirty(fs, m, &dirty) : FP_OK;

    if (err || !m->erased || dirty == fs->block_size)
        return err;
    if (dirty - m->off < unit)
        fp_lfs_say(step, FP_FINDING_PENDING, m->pair[0],
                   "a torn program follows the last commit, at byte %u", dirty);
    else
        fp_lfs_say(
            step, FP_FINDING_ERROR, m->pair[0],
            "byte %u behind the last commit is not erased: a later commit "
            "would be programmed over it",
            dirty);
    return FP_OK;
}

static void check_mdir(struct fp_step *step, const struct check *c,
                       const struct fp_lfs_mdir *m)
{
    uint32_t block = m->pair[0];

    if (m->fallback)
        fp_lfs_say(
            step, FP_FINDING_PENDING, m->pair[1],
            "the newer half of pair {%u,%u} holds no valid commit; block %u "
            "serves",
            m->pair[0], m->pair[1], block);
    if (m->trailing)
        fp_lfs_say(step, FP_FINDING_PENDING, block,
                   "an unfinished commit follows the last good one, at byte %u",
                   m->off);
    if (c->begun && !c->soft && !m->count)
        fp_lfs_say(step, FP_FINDING_WARNING, block,
                   "pair {%u,%u} continues a directory without having entries",
                   m->pair[0], m->pair[1]);
    if (m->count > 254)
        fp_lfs_say(step, FP_FINDING_WARNING, block,
                   "%u entries in one pair; other drivers stop at 254",
                   m->count);
}

/* A directory of the thread that no entry names. Only looked for when the
 * sums of mount say that there may be one. Where the thread has an old version
 * of a directory, the walk goes on with the one that its entry names. */
static int check_parent(struct fp_lfs *fs, struct fp_step *step,
                        const struct fp_lfs_mdir *m, uint32_t at[2])
{
    bool flagged = fs->gdisk.tag & FP_LFS_G_ORPHANS;
    uint32_t pair[2] = { m->pair[0], m->pair[1] };
    struct fp_lfs_place parent;
    int err;

    if (!flagged && !fs->doubted)
        return FP_OK;
    err = fp_lfs_find_parent(fs, pair, &parent);
    if (err == FP_ERR_NOENT) {
        fp_lfs_say(
            step, flagged ? FP_FINDING_PENDING : FP_FINDING_ERROR, pair[0],
            "pair {%u,%u} is in the thread, but no directory entry names it: "
            "an orphan%s",
            pair[0], pair[1],
            flagged ? "" : ", and no flag says that this is known");
        return FP_OK;
    }
    if (err || fp_lfs_pair_equal(parent.dir, pair) ||
        !fp_lfs_pair_ok(fs, parent.dir))
        return err;
    fp_lfs_say(
        step, flagged ? FP_FINDING_PENDING : FP_FINDING_ERROR, pair[0],
        "pair {%u,%u} of the thread is {%u,%u} for its directory entry: a "
        "half-orphan%s",
        pair[0], pair[1], parent.dir[0], parent.dir[1],
        flagged ? "" : ", and no flag says that this is known");
    if (flagged)
        fp_lfs_pair_set(at, parent.dir[0], parent.dir[1]);
    return FP_OK;
}

/* --- one entry --- */

static int check_name(struct fp_lfs *fs, struct fp_step *step, struct check *c,
                      const struct fp_lfs_mdir *m)
{
    fp_lfs_rec rec = m->ents[c->id].name;
    uint32_t len = fp_lfs_rec_len(rec), block = m->pair[0];
    struct shown shown;
    char name[FP_NAME_MAX + 1];
    int order, err;

    show(fs, m, c->id, &shown);
    if (!len || len > fs->super.name_max) {
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "entry %u has a name of %u bytes, at most %u are allowed",
                   c->id, len, fs->super.name_max);
        return FP_OK;
    }
    err = fp_lfs_read(fs, block, fp_lfs_rec_off(rec), name, len);
    if (err)
        return err;
    name[len] = 0;
    if (memchr(name, '/', len) || memchr(name, 0, len) || !strcmp(name, ".") ||
        !strcmp(name, ".."))
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "the name \"%s\" of entry %u cannot be used in a path",
                   shown.text, c->id);
    if (c->has_before) {
        struct fp_lfs_mdir *prev;

        /* Within a pair the order is the reference's search order; across
         * pairs it decides where a name is looked for. */
        err = fp_lfs_get(fs, c->before, &prev);
        if (!err && c->before_id < prev->count) {
            err = fp_lfs_name_cmp(fs, prev, c->before_id, name, len, &order);
            if (!err && order == 0)
                fp_lfs_say(step, FP_FINDING_ERROR, block,
                           "the name \"%s\" stands twice in one directory",
                           shown.text);
            else if (!err && order < 0)
                fp_lfs_say(
                    step, FP_FINDING_ERROR, block,
                    "\"%s\" is out of order: drivers that rely on it may not "
                    "find it",
                    shown.text);
        }
    }
    return err;
}

static int check_dir_entry(struct fp_lfs *fs, struct fp_step *step,
                           const struct check *c, const struct fp_lfs_mdir *m)
{
    uint32_t pair[2], block = m->pair[0], found[2];
    struct fp_lfs_place parent;
    struct shown shown;
    int err = fp_lfs_ent_pair(fs, m, c->id, pair);

    if (err)
        return err;
    show(fs, m, c->id, &shown);
    if (!fp_lfs_pair_ok(fs, pair)) {
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "directory \"%s\" leads to the impossible pair {%u,%u}",
                   shown.text, pair[0], pair[1]);
        return FP_OK;
    }
    /* While a relocation is half done the searches below see old versions. */
    if (!fs->doubted)
        return FP_OK;
    err = fp_lfs_find_in_thread(fs, pair, found);
    if (err == FP_ERR_NOENT) {
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "directory \"%s\" {%u,%u} is not in the thread", shown.text,
                   pair[0], pair[1]);
        return FP_OK;
    }
    if (err)
        return err;
    err = fp_lfs_find_parent(fs, pair, &parent);
    if (!err && (!fp_lfs_pair_shares(parent.pair, c->at) || parent.id != c->id))
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "directory \"%s\" {%u,%u} has another entry, in block %u",
                   shown.text, pair[0], pair[1], parent.pair[0]);
    return err;
}

/* --- a file's list --- */

static uint32_t pointer_count(uint32_t index)
{
    uint32_t n = 1;

    while (index % 2 == 0) {
        index /= 2;
        n++;
    }
    return n;
}

/* Block `index`: pointer k + 1 must be what pointer k of the block behind
 * pointer k says. Goes on to the block before. */
static int check_ctz_block(struct fp_lfs *fs, struct fp_step *step,
                           struct check *c, bool *sound)
{
    uint32_t count = pointer_count(c->ctz_index), expected = 0, next = 0;

    *sound = true;
    for (uint32_t k = 0; k < count; k++) {
        uint8_t raw[4];
        uint32_t to;
        int err = fp_lfs_read(fs, c->ctz_block, 4 * k, raw, 4);

        if (err)
            return err;
        to = fp_get_le32(raw);
        if (k == 0)
            next = expected = to;
        if (to >= fs->block_count || to != expected) {
            fp_lfs_say(
                step, FP_FINDING_ERROR, c->ctz_block,
                "pointer %u of a file's block number %u leads to block %u%s", k,
                c->ctz_index, to,
                to < fs->block_count ? ", not to the file's"
                                     : ", out of range");
            *sound = k > 0;
            if (k == 0)
                return FP_OK;
            break;
        }
        if (k + 1 < count) {
            err = fp_lfs_read(fs, to, 4 * k, raw, 4);
            if (err)
                return err;
            expected = fp_get_le32(raw);
        }
    }
    c->ctz_block = next;
    c->ctz_index--;
    return FP_OK;
}

static int check_ctz(struct fp_lfs *fs, struct fp_step *step, struct check *c)
{
    for (uint32_t i = 0; i < CTZ_SLICE && c->ctz_index; i++) {
        bool sound;
        int err = check_ctz_block(fs, step, c, &sound);

        if (err == FP_ERR_CORRUPT) {
            fp_lfs_say(step, FP_FINDING_ERROR, c->ctz_block,
                       "block %u of a file cannot be read", c->ctz_block);
            sound = false;
            err = FP_OK;
        }
        if (err)
            return err;
        if (!sound)
            c->ctz_index = 0;
    }
    return FP_OK;
}

static int check_file_entry(struct fp_lfs *fs, struct fp_step *step,
                            struct check *c, const struct fp_lfs_mdir *m)
{
    fp_lfs_rec rec = m->ents[c->id].strct;
    uint32_t block = m->pair[0], head, size, off;
    struct shown shown;
    uint8_t raw[8];
    int err;

    show(fs, m, c->id, &shown);
    if (fp_lfs_rec_kind(rec) == FP_LFS_INLINE) {
        if (fp_lfs_rec_len(rec) > fs->super.attr_max)
            fp_lfs_say(step, FP_FINDING_WARNING, block,
                       "\"%s\" has %u bytes inline, at most %u are usual",
                       shown.text, fp_lfs_rec_len(rec), fs->super.attr_max);
        return FP_OK;
    }
    err = fp_lfs_read(fs, block, fp_lfs_rec_off(rec), raw, 8);
    if (err)
        return err;
    head = fp_get_le32(raw);
    size = fp_get_le32(raw + 4);
    if (size == 0 || size > fs->super.file_max) {
        if (size)
            fp_lfs_say(step, FP_FINDING_ERROR, block,
                       "\"%s\" has %u bytes, at most %u are allowed",
                       shown.text, size, fs->super.file_max);
        else
            fp_lfs_say(step, FP_FINDING_WARNING, block,
                       "\"%s\" has blocks, and no bytes in them", shown.text);
        return FP_OK;
    }
    c->ctz_index = fp_lfs_ctz_index(fs->block_size, size - 1, &off);
    c->ctz_block = head;
    if (head >= fs->block_count || c->ctz_index >= fs->block_count) {
        fp_lfs_say(step, FP_FINDING_ERROR, block,
                   "\"%s\" of %u bytes begins at block %u: out of range",
                   shown.text, size, head);
        c->ctz_index = 0;
    }
    return FP_OK;
}

static int check_entry(struct fp_lfs *fs, struct fp_step *step, struct check *c,
                       const struct fp_lfs_mdir *m)
{
    const struct fp_lfs_ent *ent = &m->ents[c->id];
    uint32_t name = fp_lfs_rec_kind(ent->name);
    uint32_t strct = fp_lfs_rec_kind(ent->strct);
    struct fp_lfs_mdir *again;
    int err;

    if (name == FP_LFS_SUPER) {
        if (c->id)
            fp_lfs_say(step, FP_FINDING_ERROR, m->pair[0],
                       "a superblock entry stands as entry %u", c->id);
        else if (c->past_root && !fp_lfs_pair_equal(m->pair, fs->root))
            fp_lfs_say(
                step, FP_FINDING_ERROR, m->pair[0],
                "a superblock entry stands outside of the chain from {0,1} to "
                "the root");
        return FP_OK;
    }
    if (!name || !strct || (name == FP_LFS_DIR) != (strct == FP_LFS_DIRPAIR) ||
        (strct != FP_LFS_INLINE && fp_lfs_rec_len(ent->strct) < 8)) {
        fp_lfs_say(step, FP_FINDING_ERROR, m->pair[0],
                   "entry %u has no %s: it can be neither opened nor removed",
                   c->id, name ? "content that fits its name" : "name");
        return FP_OK;
    }
    err = check_name(fs, step, c, m);
    if (!err)
        err = fp_lfs_get(fs, c->at, &again);
    if (err)
        return err;
    fp_lfs_pair_set(c->before, again->pair[0], again->pair[1]);
    c->before_id = (uint16_t)c->id;
    c->has_before = true;
    if (!fp_lfs_ent_visible(fs, again, c->id))
        return FP_OK; /* the source of a pending move, or named already */
    return name == FP_LFS_DIR ? check_dir_entry(fs, step, c, again)
                              : check_file_entry(fs, step, c, again);
}

/* --- superblocks --- */

/* Some tools know the format by the magic in the place that every driver puts
 * it in. */
static int check_magic(struct fp_lfs *fs, struct fp_step *step, uint32_t block)
{
    uint8_t magic[8];
    int err = fp_lfs_read(fs, block, 8, magic, 8);

    if (!err && memcmp(magic, "littlefs", 8) != 0)
        fp_lfs_say(step, FP_FINDING_WARNING, block,
                   "\"littlefs\" is not at byte 8, where other tools look for "
                   "it");
    return err;
}

/* One pair of the chain from {0,1} to the root. */
static int check_super(struct fp_lfs *fs, struct fp_step *step,
                       const struct fp_lfs_mdir *m)
{
    if (fp_lfs_rec_len(m->ents[0].strct) != 24)
        fp_lfs_say(step, FP_FINDING_ERROR, m->pair[0],
                   "the superblock's record has %u bytes instead of 24",
                   fp_lfs_rec_len(m->ents[0].strct));
    if (!fp_lfs_pair_equal(m->pair, fs->root) && m->count > 1)
        fp_lfs_say(step, FP_FINDING_ERROR, m->pair[0],
                   "the superblock {%u,%u} is not the root and has %u entries",
                   m->pair[0], m->pair[1], m->count - 1u);
    return m->pair[0] < 2 && m->pair[1] < 2 ? check_magic(fs, step, m->pair[0])
                                            : FP_OK;
}

/* --- the walk --- */

static int enter_pair(struct fp_lfs *fs, struct fp_step *step, struct check *c,
                      struct fp_lfs_mdir **m)
{
    int err;

    if (c->soft || !c->begun)
        c->has_before = false;
    if (c->soft) {
        err = check_parent(fs, step, *m, c->at);
        if (!err)
            err = fp_lfs_get(fs, c->at, m);
        if (err)
            return err;
    }
    check_mdir(step, c, *m);
    err = check_rest(fs, step, *m);
    if (!err)
        err = fp_lfs_check_log(fs, step, *m);
    if (!err && !c->past_root)
        err = check_super(fs, step, *m);
    c->past_root = c->past_root || fp_lfs_pair_equal((*m)->pair, fs->root);
    c->begun = true;
    return err;
}

static int next_pair(struct fp_lfs *fs, struct fp_step *step, struct check *c,
                     const struct fp_lfs_mdir *m)
{
    c->id = 0;
    c->hops++;
    step->progress = c->hops;
    if (fp_lfs_pair_is_null(m->tail)) {
        c->phase = STATE;
        return FP_OK;
    }
    if (c->hops > fs->block_count / 2 || !fp_lfs_pair_ok(fs, m->tail)) {
        fp_lfs_say(
            step, FP_FINDING_ERROR, m->pair[0],
            "the thread leads from {%u,%u} to {%u,%u}, where it cannot go",
            m->pair[0], m->pair[1], m->tail[0], m->tail[1]);
        c->phase = STATE;
        return FP_OK;
    }
    c->soft = !m->hard;
    fp_lfs_pair_set(c->at, m->tail[0], m->tail[1]);
    return FP_OK;
}

static int slice_pairs(struct fp_lfs *fs, struct fp_step *step, struct check *c)
{
    struct fp_lfs_mdir *m;
    int err;

    if (c->ctz_index)
        return check_ctz(fs, step, c);
    err = fp_lfs_get(fs, c->at, &m);
    if (err == FP_ERR_CORRUPT) {
        fp_lfs_say(step, FP_FINDING_ERROR, c->at[0],
                   "neither block of pair {%u,%u} holds a valid commit",
                   c->at[0], c->at[1]);
        c->phase = STATE;
        return FP_OK;
    }
    if (!err && c->id == 0)
        err = enter_pair(fs, step, c, &m);
    if (err)
        return err;
    if (c->id >= m->count)
        return next_pair(fs, step, c, m);
    err = check_entry(fs, step, c, m);
    c->id++;
    if (err || c->ctz_index)
        return err;
    err = fp_lfs_get(fs, c->at, &m); /* other pairs may have taken its slot */
    return err || c->id < m->count ? err : next_pair(fs, step, c, m);
}

static void check_count(const struct fp_lfs *fs, struct fp_step *step)
{
    if (fs->super.block_count > fs->block_count)
        fp_lfs_say(step, FP_FINDING_ERROR, UINT32_MAX,
                   "the superblock states %u blocks, the device has %u",
                   fs->super.block_count, fs->block_count);
    if (fs->uneven)
        fp_lfs_say(
            step, FP_FINDING_PENDING, UINT32_MAX,
            "superblocks state different numbers of blocks; the last, %u, "
            "counts",
            fs->super.block_count);
}

/* --- the state --- */

/* Where the content of an entry is written down. */
struct place {
    uint32_t block, off, len;
    uint32_t name, strct; /* kinds */
};

static struct place place_of(const struct fp_lfs_mdir *m, uint32_t id)
{
    const struct fp_lfs_ent *ent = &m->ents[id];

    return (struct place){ m->pair[0], fp_lfs_rec_off(ent->strct),
                           fp_lfs_rec_len(ent->strct),
                           fp_lfs_rec_kind(ent->name),
                           fp_lfs_rec_kind(ent->strct) };
}

static int is_same(struct fp_lfs *fs, const struct place *a,
                   const struct place *b, bool *same)
{
    uint8_t part[2][16];

    *same = a->name == b->name && a->strct == b->strct && a->len == b->len;
    for (uint32_t done = 0; done < a->len && *same; done += sizeof part[0]) {
        uint32_t n = fp_lfs_min(a->len - done, sizeof part[0]);
        int err = fp_lfs_read(fs, a->block, a->off + done, part[0], n);

        if (!err)
            err = fp_lfs_read(fs, b->block, b->off + done, part[1], n);
        if (err)
            return err;
        *same = !memcmp(part[0], part[1], n);
    }
    return FP_OK;
}

/* Is the content of that entry in another one too, along the thread? */
static int has_copy(struct fp_lfs *fs, const struct place *source, bool *found)
{
    uint32_t at[2] = { 0, 1 };

    for (uint32_t hops = 0; hops <= fs->block_count; hops++) {
        struct fp_lfs_mdir *m;
        int err = fp_lfs_get(fs, at, &m);

        for (uint32_t id = 0; !err && id < m->count; id++) {
            struct place other = place_of(m, id);

            if (other.block == source->block && other.off == source->off)
                continue;
            err = is_same(fs, source, &other, found);
            if (*found)
                return err;
        }
        if (err || fp_lfs_pair_is_null(m->tail))
            return err;
        fp_lfs_pair_set(at, m->tail[0], m->tail[1]);
    }
    return FP_ERR_CORRUPT;
}

/* Its source goes with the next write, so it had better be elsewhere too. */
static int check_move(struct fp_lfs *fs, struct fp_step *step)
{
    const struct fp_lfs_gstate *g = &fs->gdisk;
    uint32_t id = fp_lfs_tag_id(g->tag), found[2];
    struct fp_lfs_mdir *m = NULL;
    struct place source;
    bool copied = false;
    int err = fp_lfs_find_in_thread(fs, g->pair, found);

    if (!err)
        err = fp_lfs_get(fs, found, &m);
    if (err && err != FP_ERR_NOENT)
        return err;
    if (err || id >= m->count ||
        fp_lfs_rec_kind(m->ents[id].name) == FP_LFS_SUPER) {
        fp_lfs_say(step, FP_FINDING_ERROR, UINT32_MAX,
                   "a move is pending of entry %u of pair {%u,%u}, which does "
                   "not exist",
                   id, g->pair[0], g->pair[1]);
        return FP_OK;
    }
    source = place_of(m, id);
    err = has_copy(fs, &source, &copied);
    if (err)
        return err;
    /* The new place of it may be where only the repair looks. */
    if (copied || g->tag & FP_LFS_G_ORPHANS)
        fp_lfs_say(step, FP_FINDING_PENDING, source.block,
                   "a move is pending: entry %u of pair {%u,%u} goes", id,
                   found[0], found[1]);
    else
        fp_lfs_say(step, FP_FINDING_ERROR, source.block,
                   "a move is pending that was done before: the next write "
                   "removes entry %u of pair {%u,%u}, which is nowhere else",
                   id, found[0], found[1]);
    return FP_OK;
}

static int slice_state(struct fp_lfs *fs, struct fp_step *step, struct check *c)
{
    c->phase = OWNERS;
    check_count(fs, step);
    if (fs->gdisk.tag & FP_LFS_G_ORPHANS)
        fp_lfs_say(
            step, FP_FINDING_PENDING, UINT32_MAX,
            "the orphan flag is set: links of a directory may be unfinished; "
            "whether blocks have two owners can be told after the repair");
    return fp_lfs_has_move(&fs->gdisk) ? check_move(fs, step) : FP_OK;
}

struct owners {
    struct fp_lfs *fs;
    struct fp_step *step;
    uint32_t start;
};

static int own(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct owners *o = ctx;
    struct fp_lfs *fs = o->fs;
    uint32_t i = block - o->start;

    (void)use;
    if (i >= fs->look_size * 8)
        return FP_OK;
    if (fs->look.map[i / 8] >> i % 8 & 1)
        fp_lfs_say(o->step, FP_FINDING_ERROR, block, "block %u has two owners",
                   block);
    fs->look.map[i / 8] |= (uint8_t)(1u << i % 8);
    return FP_OK;
}

/* While directories are in the middle of a relocation their blocks are
 * reported more than once, rightly. */
static int slice_owners(struct fp_lfs *fs, struct fp_step *step,
                        struct check *c)
{
    struct owners o = { fs, step, c->window };
    struct fp_lfs_walk w = { .fs = fs, .fn = own, .ctx = &o };
    int err;

    if (step->errors || fs->gdisk.tag & FP_LFS_G_ORPHANS ||
        c->window >= fs->block_count) {
        c->phase = DONE;
        return FP_OK;
    }
    fs->look.bits = 0;
    memset(fs->look.map, 0, fs->look_size);
    err = fp_lfs_traverse(&w);
    if (err == FP_ERR_CORRUPT) {
        fp_lfs_say(step, FP_FINDING_ERROR, UINT32_MAX,
                   "lists of blocks run into each other");
        c->phase = DONE;
        return FP_OK;
    }
    c->window += fs->look_size * 8;
    return err;
}

int fp_lfs_check_step(struct fp_lfs *fs, struct fp_step *step)
{
    struct check *c = (struct check *)(void *)step->state;
    int err = FP_OK;

    step->total = fs->mdir_count;
    if (!c->begun && c->phase == PAIRS && !c->hops) {
        fp_lfs_pair_set(c->at, 0, 1);
        c->changes = fs->changes;
    }
    if (c->changes != fs->changes) {
        uint32_t restarts = c->restarts + 1;

        if (restarts > RESTARTS)
            return FP_ERR_BUSY;
        memset(c, 0, sizeof *c);
        c->restarts = restarts;
        step->errors = step->warnings = step->pending = 0;
        return FP_OK;
    }
    if (c->phase == PAIRS)
        err = slice_pairs(fs, step, c);
    else if (c->phase == STATE)
        err = slice_state(fs, step, c);
    else if (c->phase == OWNERS)
        err = slice_owners(fs, step, c);
    step->done = c->phase == DONE;
    return err;
}

int fp_lfs_step_ro(struct fp_mount *mnt, struct fp_step *step)
{
    if (step->kind != FP_STEP_CHECK)
        return FP_ERR_ROFS;
    return fp_lfs_check_step(fp_lfs_of(mnt), step);
}
