/* SPDX-License-Identifier: MIT
 *
 * The map of the pages, made in one pass over the lookup tables.
 *
 * A data page is taken as its lookup entry says, an index page is looked at:
 * entries may be torn, so its own header decides. Of an object that has two
 * headers, or a name that two objects have, a cut left both; the one that says
 * it replaces another which is still there is the newer (see commit.c), and it
 * alone counts. Where none says so, the reference left them: the first one
 * counts whose lookup entry is whole, for the other was being deleted.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

void fp_spf_set(struct fp_spf *fs, uint32_t page, uint8_t state)
{
    fs->free += state == FP_SPF_FREE;
    fs->free -= fs->map[page] == FP_SPF_FREE;
    fs->gone += state == FP_SPF_GONE;
    fs->gone -= fs->map[page] == FP_SPF_GONE;
    fs->map[page] = state;
}

uint32_t fp_spf_next(const struct fp_spf *fs, uint32_t from, uint8_t state)
{
    const uint8_t *at;

    if (from >= fs->pages)
        return FP_SPF_NONE;
    at = memchr(fs->map + from, state, fs->pages - from);
    return at != NULL ? (uint32_t)(at - fs->map) : FP_SPF_NONE;
}

/* Is the header at `at` there still that this one replaced? */
static int check_replaced(struct fp_spf *fs, const struct fp_spf_head *head,
                          uint32_t at)
{
    struct fp_spf_head other;
    int err = fp_spf_peek(fs, at, &other);

    fs->linked |=
        !err && fp_spf_is_index(&other) && fp_spf_replaces(head, &other, at);
    return err;
}

/* May the header that this one replaced still be there? One of the same object
 * shows by its id, one of another has the same name, hence the same tag. Where
 * the scan has not been yet, the tag is put down for it to be met. */
static int look_for_replaced(struct fp_spf *fs, uint32_t page, uint8_t tag,
                             const struct fp_spf_head *head)
{
    int err = FP_OK;

    if (head->link == FP_SPF_NO_LINK)
        return FP_OK;
    for (uint32_t at = head->link; at < fs->pages && !err; at += 0x10000) {
        if (!fp_spf_is_page(fs, at))
            continue;
        if (at > page && fs->map[at] == FP_SPF_NOPAGE)
            fs->map[at] = tag;
        else if (at > page || fs->map[at] == tag)
            err = check_replaced(fs, head, at);
    }
    return err;
}

/* Did one that the scan met replace this header? */
static int look_for_replacing(struct fp_spf *fs, uint32_t page, uint8_t tag,
                              const struct fp_spf_head *head)
{
    struct fp_spf_head other;

    for (uint32_t p = fp_spf_next(fs, 0, tag); p < page;
         p = fp_spf_next(fs, p + 1, tag)) {
        int err = fp_spf_peek(fs, p, &other);

        if (err)
            return err;
        fs->linked |= fp_spf_replaces(&other, head, page);
    }
    return FP_OK;
}

static int scan_header(struct fp_spf *fs, uint32_t page,
                       const struct fp_spf_head *head)
{
    uint32_t size;
    const uint8_t *name = fp_spf_name_get(fs, fs->aux, &size);
    uint8_t tag = (uint8_t)(FP_SPF_HEAD | fp_spf_hash(name, size) % 128);
    int err = FP_OK;

    if (head->id <= fs->id_max) {
        fs->doubled |= fp_spf_bit(fs->heads, head->id);
        fp_spf_bit_set(fs->heads, head->id);
    } else {
        fs->linked = true; /* nobody knows */
    }
    fs->slash &= size > 0 && name[0] == '/';
    fp_spf_note_dirs(fs, name, size);
    if (fs->map[page] == tag)
        err = look_for_replacing(fs, page, tag, head);
    fs->map[page] = tag;
    return err ? err : look_for_replaced(fs, page, tag, head);
}

static int scan_index(struct fp_spf *fs, uint32_t page)
{
    struct fp_spf_head head;
    int err = fp_spf_read_head(fs, page, fs->aux, &head);

    if (err)
        return err;
    fp_spf_use_id(fs, head.id);
    if (!fp_spf_is_index(&head) ||
        (head.span == 0 && !(head.flags & FP_SPF_IXDELE))) {
        fs->map[page] = FP_SPF_JUNK;
        fs->hurt = true;
        return FP_OK;
    }
    if (head.span == 0)
        return scan_header(fs, page, &head);
    fs->map[page] = fp_spf_tag_index(fs, head.id, head.span);
    return FP_OK;
}

/* A used entry behind free ones: those were torn, and must not be used. */
static void fill_gap(struct fp_spf *fs, uint32_t first, uint32_t page)
{
    for (; page-- > first && fs->map[page] == FP_SPF_FREE;)
        fp_spf_set(fs, page, FP_SPF_JUNK);
    fs->hurt = true;
}

static int scan_entry(struct fp_spf *fs, uint32_t first, uint32_t page,
                      uint32_t entry)
{
    if (entry == fs->none) {
        fp_spf_set(fs, page, FP_SPF_FREE);
        return FP_OK;
    }
    if (page > first && fs->map[page - 1] == FP_SPF_FREE)
        fill_gap(fs, first, page);
    if (entry & fp_spf_ix(fs))
        return scan_index(fs, page);
    fp_spf_set(fs, page, entry ? FP_SPF_DATA : FP_SPF_GONE);
    fp_spf_use_id(fs, entry); /* of a deleted page that is 0, which none has */
    return FP_OK;
}

/* The block's magic and erase count, in cells[0..2 * w). */
static int scan_cells(struct fp_spf *fs, uint32_t block, const uint8_t *cells)
{
    uint32_t count = fp_spf_word(fs, cells + fs->w);

    if (fs->magic && fp_spf_word(fs, cells) != fp_spf_magic(fs, block)) {
        /* One block may have been caught between erase and magic. */
        if (fs->bad_block != FP_SPF_NONE)
            return FP_ERR_CORRUPT;
        fs->bad_block = block;
        fs->hurt = true;
    } else if (!(count & fp_spf_ix(fs)) && count >= fs->erase_max) {
        fs->erase_max = count;
        fs->cursor = (block + 1) % fs->block_count * fs->ppb;
    }
    return FP_OK;
}

/* Lookup page i of a block is in fs->page. */
static int scan_lookup(struct fp_spf *fs, uint32_t block, uint32_t i)
{
    uint32_t per_page = fs->page_size / fs->w, first = block * fs->ppb;
    uint32_t from = i * per_page, n;
    int err = FP_OK;

    first += fs->lookup;
    n = from < fs->usable ? fp_spf_min(fs->usable - from, per_page) : 0;
    for (uint32_t e = 0; e < n && !err; e++)
        err = scan_entry(fs, first, first + from + e,
                         fp_spf_word(fs, fs->page + e * fs->w));
    return err;
}

/* The cells come first: they say whether the entries mean anything. One lookup
 * page, the usual case, has both. */
static int scan_block(struct fp_spf *fs, uint32_t block)
{
    uint8_t *cells = fs->page + fs->page_size - 2 * fs->w;
    int err = FP_OK;

    if (fs->lookup > 1) {
        err = fp_spf_read(fs, fp_spf_magic_at(fs, block), cells, 2u * fs->w);
        if (!err)
            err = scan_cells(fs, block, cells);
    }
    for (uint32_t i = 0; i < fs->lookup && !err; i++) {
        if (fs->bad_block == block)
            break;
        err = fp_spf_read(fs, fp_spf_at(fs, block * fs->ppb + i), fs->page,
                          fs->page_size);
        if (!err && fs->lookup == 1)
            err = scan_cells(fs, block, cells);
        if (!err && fs->bad_block != block)
            err = scan_lookup(fs, block, i);
    }
    if (fs->bad_block == block) /* what others had put down for it */
        memset(fs->map + block * fs->ppb, FP_SPF_NOPAGE, fs->ppb);
    return err;
}

/* Does the header in fs->aux replace one that is there? `other` gets it. */
static int replaced_by(struct fp_spf *fs, const struct fp_spf_head *head,
                       uint32_t *other)
{
    uint32_t size, its_size, entry;
    const uint8_t *name = fp_spf_name_get(fs, fs->aux, &size), *its;
    struct fp_spf_head old;

    *other = FP_SPF_NONE;
    for (uint32_t at = head->link; at < fs->pages; at += 0x10000) {
        int err = FP_OK;

        if (head->link == FP_SPF_NO_LINK || !(fs->map[at] & FP_SPF_HEAD))
            continue;
        err = fp_spf_read_head(fs, at, fs->page, &old);
        if (!err)
            err = fp_spf_read_entry(fs, at, &entry);
        if (err)
            return err;
        its = fp_spf_name_get(fs, fs->page, &its_size);
        if (fp_spf_replaces(head, &old, at) &&
            (old.id == head->id ||
             (size == its_size && memcmp(name, its, size) == 0)))
            *other = at;
    }
    return FP_OK;
}

/* The header at `winner`, in fs->aux, is the only one of its object and of its
 * name. */
static int keep_only(struct fp_spf *fs, uint32_t winner,
                     const struct fp_spf_head *head)
{
    uint32_t size, its_size;
    const uint8_t *name = fp_spf_name_get(fs, fs->aux, &size), *its;
    struct fp_spf_head other;

    for (uint32_t p = 0; p < fs->pages; p++) {
        int err;

        if (p == winner || !(fs->map[p] & FP_SPF_HEAD))
            continue;
        err = fp_spf_read_head(fs, p, fs->page, &other);
        if (err)
            return err;
        its = fp_spf_name_get(fs, fs->page, &its_size);
        if (other.id == head->id)
            fs->newest = head->id;
        else if (size != its_size || memcmp(name, its, size) != 0)
            continue;
        fs->map[p] = FP_SPF_JUNK;
    }
    return FP_OK;
}

/* Finds the header that replaced another just before the cut: one operation
 * runs at a time, so there is one at most. */
static int settle_replaced(struct fp_spf *fs)
{
    struct fp_spf_head head;
    uint32_t other;

    for (uint32_t p = 0; p < fs->pages; p++) {
        int err;

        if (!(fs->map[p] & FP_SPF_HEAD))
            continue;
        err = fp_spf_read_head(fs, p, fs->aux, &head);
        if (!err)
            err = replaced_by(fs, &head, &other);
        if (err)
            return err;
        if (other != FP_SPF_NONE) {
            fs->hurt = true;
            fs->replaced = other;
            return keep_only(fs, p, &head);
        }
    }
    return FP_OK;
}

/* One header for each object: those with a whole lookup entry come first. */
static int settle_doubled(struct fp_spf *fs, bool whole)
{
    struct fp_spf_head head;
    uint32_t entry;

    for (uint32_t p = 0; p < fs->pages; p++) {
        int err;

        if (!(fs->map[p] & FP_SPF_HEAD))
            continue;
        err = fp_spf_peek(fs, p, &head);
        if (!err)
            err = fp_spf_read_entry(fs, p, &entry);
        if (err)
            return err;
        if ((entry == (head.id | fp_spf_ix(fs))) != whole ||
            head.id > fs->id_max)
            continue;
        if (fp_spf_bit(fs->heads, head.id)) {
            fs->map[p] = FP_SPF_JUNK;
            fs->hurt = true;
        }
        fp_spf_bit_set(fs->heads, head.id);
    }
    return FP_OK;
}

static int settle(struct fp_spf *fs)
{
    int err;

    fs->held = FP_SPF_NONE; /* lookup tables were read into fs->page */
    err = fs->linked || fs->doubled ? settle_replaced(fs) : FP_OK;
    if (err || !fs->doubled)
        return err;
    memset(fs->heads, 0, fs->id_max / 8 + 1);
    err = settle_doubled(fs, true);
    return err ? err : settle_doubled(fs, false);
}

int fp_spf_scan(struct fp_spf *fs)
{
    memset(fs->map, FP_SPF_NOPAGE, fs->pages);
    memset(fs->ids, 0, fs->id_max / 8 + 1);
    memset(fs->heads, 0, fs->id_max / 8 + 1);
    memset(fs->dirs, 0, sizeof fs->dirs);
    fs->free = fs->gone = fs->erase_max = fs->cursor = 0;
    fs->bad_block = fs->newest = fs->fresh = fs->victim = FP_SPF_NONE;
    fs->held = fs->replaced = FP_SPF_NONE;
    fs->slash = true;
    fs->linked = fs->doubled = fs->hurt = fs->astray = false;
    fs->swept = fs->tidied = false;
    for (uint32_t b = 0; b < fs->block_count; b++) {
        int err = scan_block(fs, b);

        if (err)
            return err;
        fp_bdev_yield(fs->dev);
    }
    return settle(fs);
}
