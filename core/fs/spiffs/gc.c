/* SPDX-License-Identifier: MIT
 *
 * Room for what is written: blocks that hold deleted pages are emptied and
 * erased.
 *
 * A block is emptied index page by index page: all data pages in it that one
 * index page names are copied, a new index page names the copies, then the old
 * ones are deleted. So each data page is always named by an index page that
 * counts, and a cut leaves one copy too many, which sweeping finds.
 *
 * Pages of files with uncommitted writes stay where they are: the table that
 * names them is in memory, or on flash twice. A block with such pages is left
 * alone until the file is synced.
 *
 * Two blocks' worth of pages are never given to files (format page, 6): a block
 * takes at most two pages for each that lives in it, its copy and an index
 * page.
 */
#include "core/fs/spiffs/spf.h"

#define TURNS_TO_LEVEL 16u

bool fp_spf_is_dirty(const struct fp_spf *fs, uint32_t id)
{
    for (const struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->dirty && f->id == id)
            return true;
    return false;
}

/* The pages that emptying a block may take; none: it must not be. */
static int demand(struct fp_spf *fs, uint32_t block, uint32_t live,
                  uint32_t *need)
{
    fp_addr at = (fp_addr)block * fs->block_size;
    uint32_t last = 0;
    uint8_t buf[4];

    *need = live;
    for (uint32_t i = 0; i < fs->usable; i++) {
        uint32_t page = block * fs->ppb + fs->lookup + i, id;
        int err;

        if (fs->map[page] <= FP_SPF_GONE)
            continue;
        err = fp_spf_read(fs, at + i * fs->w, buf, fs->w);
        if (err)
            return err;
        id = fp_spf_word(fs, buf) & ~fp_spf_ix(fs);
        if (fp_spf_is_dirty(fs, id)) {
            *need = FP_SPF_NONE;
            return FP_OK;
        }
        /* A run of one object's data is mostly one index page's. */
        if (fs->map[page] == FP_SPF_DATA && id != last) {
            *need += 2;
            last = id;
        }
    }
    return FP_OK;
}

struct tally {
    uint32_t free, gone, live;
};

static struct tally tally_of(const struct fp_spf *fs, uint32_t block)
{
    const uint8_t *at = fs->map + block * fs->ppb + fs->lookup;
    struct tally t = { 0 };

    for (uint32_t i = 0; i < fs->usable; i++) {
        t.free += at[i] == FP_SPF_FREE;
        t.gone += at[i] == FP_SPF_GONE;
    }
    t.live = fs->usable - t.free - t.gone;
    return t;
}

bool fp_spf_has_garbage(const struct fp_spf *fs)
{
    for (uint32_t b = 0; b < fs->block_count; b++)
        if (tally_of(fs, b).gone * 2 > fs->usable)
            return true;
    return false;
}

/* Every so often the next block in turn, so that what never changes moves as
 * well; else the one that gives most. */
static int32_t score_of(const struct fp_spf *fs, uint32_t block,
                        const struct tally *t)
{
    bool in_turn = fs->turn % TURNS_TO_LEVEL == TURNS_TO_LEVEL - 1 &&
                   block == fs->turn / TURNS_TO_LEVEL % fs->block_count;

    if (in_turn && t->free == 0)
        return INT32_MAX;
    return t->gone > 0 ? (int32_t)(5 * t->gone) - (int32_t)t->live : INT32_MIN;
}

static int choose(struct fp_spf *fs, uint32_t *victim)
{
    int32_t best = INT32_MIN;

    *victim = FP_SPF_NONE;
    for (uint32_t b = 0; b < fs->block_count; b++) {
        struct tally t = tally_of(fs, b);
        int32_t score = score_of(fs, b, &t);
        uint32_t need = 0;
        int err;

        if (score <= best)
            continue;
        err = t.live ? demand(fs, b, t.live, &need) : FP_OK;
        if (err)
            return err;
        if (need > fs->free - t.free)
            continue;
        best = score;
        *victim = b;
    }
    fs->turn++;
    return *victim == FP_SPF_NONE ? FP_ERR_NOSPC : FP_OK;
}

/* Open files follow what was moved. */
static void follow(struct fp_spf *fs, uint32_t id, uint32_t from, uint32_t to)
{
    for (struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->id == id) {
            if (f->head == from)
                f->head = to;
            fp_spf_forget(f);
        }
}

static bool in_victim(const struct fp_spf *fs, uint32_t page)
{
    return fp_spf_is_page(fs, page) && page / fs->ppb == fs->victim &&
           fs->map[page] == FP_SPF_DATA;
}

/* Copies the data page that entry `span` of the table in fs->aux names. */
static int copy_data(struct fp_spf *fs, uint32_t id, uint32_t span)
{
    uint8_t *entry = fs->aux + fp_spf_entry_off(fs, span);
    uint32_t old = fp_spf_word(fs, entry), page;
    struct fp_spf_head head;
    int err;

    if (!in_victim(fs, old))
        return FP_OK;
    err = fp_spf_peek(fs, old, &head);
    if (err || head.id != id || head.span != span || head.index)
        return err;
    err = fp_spf_copy(fs, old, id, &page);
    if (!err)
        fp_spf_put(fs, entry, page);
    return err;
}

/* Deletes what copy_data() made copies of: the old table still says. */
static int delete_data(struct fp_spf *fs, uint32_t old, uint32_t k)
{
    int err = fp_spf_read(fs, fp_spf_at(fs, old), fs->page, fs->page_size);

    fs->held = FP_SPF_NONE;
    for (uint32_t i = 0; i < fp_spf_slots(fs, k) && !err; i++) {
        uint32_t off = fp_spf_entry_off(fs, fp_spf_first_of(fs, k) + i);
        uint32_t page = fp_spf_word(fs, fs->page + off);

        if (page != fp_spf_word(fs, fs->aux + off) && in_victim(fs, page))
            err = fp_spf_delete(fs, page);
    }
    return err;
}

/* Moves an index page, with the data pages it names in the victim. */
static int renew(struct fp_spf *fs, uint32_t old)
{
    struct fp_spf_head head;
    uint32_t page;
    int err = fp_spf_read(fs, fp_spf_at(fs, old), fs->aux, fs->page_size);

    fp_spf_head_get(fs, fs->aux, &head);
    for (uint32_t i = 0; i < fp_spf_slots(fs, head.span) && !err; i++)
        err = copy_data(fs, head.id, fp_spf_first_of(fs, head.span) + i);
    if (err)
        return err;
    fp_spf_link(fs, fs->aux, old, head.seq);
    err = fp_spf_put_index(fs, fs->aux, head.id, head.span, &page);
    if (!err && head.span == 0)
        err = fp_spf_finish_head(fs, page, fs->aux);
    if (err)
        return err;
    follow(fs, head.id, old, page);
    err = fp_spf_delete(fs, old);
    return err ? err : delete_data(fs, old, head.span);
}

/* Moves a data page, or deletes it if no table names it. */
static int move_data(struct fp_spf *fs, uint32_t page)
{
    struct fp_spf_head head;
    uint32_t owner, k;
    uint8_t entry[4];
    int err = fp_spf_peek(fs, page, &head);

    if (err)
        return err;
    if (head.span > fs->pages)
        return fp_spf_delete(fs, page);
    k = fp_spf_index_of(fs, head.span);
    err = k == 0 ? fp_spf_find_id(fs, head.id, page, &owner)
                 : fp_spf_find_index(fs, head.id, k, false, &owner);
    if (!err && owner != FP_SPF_NONE)
        err = fp_spf_read(
            fs, fp_spf_at(fs, owner) + fp_spf_entry_off(fs, head.span), entry,
            fs->w);
    if (err)
        return err;
    if (owner == FP_SPF_NONE || fp_spf_word(fs, entry) != page)
        return fp_spf_delete(fs, page);
    return renew(fs, owner);
}

static int empty_victim(struct fp_spf *fs)
{
    uint32_t first = fs->victim * fs->ppb;
    int err = FP_OK;

    for (uint32_t p = first; p < first + fs->ppb && !err; p++) {
        uint8_t state = fs->map[p];

        if (state & (FP_SPF_HEAD | FP_SPF_IX))
            err = renew(fs, p);
        else if (state == FP_SPF_DATA)
            err = move_data(fs, p);
        else if (state == FP_SPF_JUNK)
            err = fp_spf_delete(fs, p);
    }
    return err;
}

int fp_spf_collect(struct fp_spf *fs)
{
    int err = choose(fs, &fs->victim);

    if (!err)
        err = empty_victim(fs);
    if (!err)
        err = fp_spf_erase(fs, fs->victim);
    fs->victim = FP_SPF_NONE;
    return err;
}

int fp_spf_make_room(struct fp_spf *fs, uint32_t count)
{
    uint32_t room = (fs->block_count - 2) * fs->usable + 1;
    uint32_t live = fs->block_count * fs->usable - fs->free - fs->gone;

    if (live + count > room)
        return FP_ERR_NOSPC;
    for (uint32_t i = 0;
         fs->free < count + 2 * fs->usable && fs->gone && i < fs->block_count;
         i++) {
        int err = fp_spf_collect(fs);

        if (err == FP_ERR_NOSPC)
            break;
        if (err)
            return fp_spf_failed(fs, err);
    }
    return fs->free < count + fs->usable ? FP_ERR_NOSPC : FP_OK;
}
