/* SPDX-License-Identifier: MIT
 *
 * How the writes of a handle reach flash, and become the file in one step.
 *
 *     data pages            new ones; no table on flash names them yet
 *     index pages, span > 0 new ones beside the old
 *     index header          a new one, not final
 *  -> its bit FINAL is cleared: the new version is the file
 *     old data and index pages are deleted, the old header last
 *
 * A new index page says in its padding, which readers ignore (format page, 4),
 * which page it replaces: the low 16 bits of the page's number, and a count of
 * one more than that page's. So a mount can tell which of two versions is the
 * newer. While there is one header, of two index pages the older counts: there
 * was no commit. While there are two headers, one replacing the other, the
 * newer counts, and so does the newer of each index page. Hence the old header
 * goes last, after the old index pages.
 *
 * A file that replaces another of the same name does so alike: its header says
 * that it replaces the other's.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* Is the page that the table names for `span` part of the committed file? */
static int is_committed(struct fp_spf *fs, struct fp_spf_file *f, uint32_t span,
                        uint32_t page, bool *committed)
{
    uint32_t k = fp_spf_index_of(fs, span), table = f->head;
    uint8_t entry[4];
    int err = FP_OK;

    *committed = false;
    if (f->head == FP_SPF_NONE || span >= fp_spf_spans(fs, f->saved))
        return FP_OK;
    if (k > 0)
        err = fp_spf_find_index(fs, f->id, k, false, &table);
    if (!err && table != FP_SPF_NONE)
        err = fp_spf_read(fs, fp_spf_at(fs, table) + fp_spf_entry_off(fs, span),
                          entry, fs->w);
    *committed = !err && table != FP_SPF_NONE && fp_spf_word(fs, entry) == page;
    return err;
}

/* What a header has besides its table. */
static void fill_header(struct fp_spf *fs, struct fp_spf_file *f)
{
    uint8_t *at = f->table + fs->pad;

    if (f->head == FP_SPF_NONE) {
        at[4] = 1; /* a file */
        memcpy(at + 5, f->name, fs->name_len);
        if (f->tpage == FP_SPF_NONE)
            fp_put_le16(f->table + fs->hdr, FP_SPF_NO_LINK);
    }
    fp_put_le32(at, f->size ? f->size : FP_SPF_EMPTY);
}

/* Writes the table out, uncommitted. */
int fp_spf_spill(struct fp_spf *fs, struct fp_spf_file *f)
{
    uint32_t old = f->towned ? f->tpage : FP_SPF_NONE, page;
    int err = fp_spf_make_room(fs, 1);

    if (err)
        return err;
    if (f->tspan == 0)
        fill_header(fs, f);
    /* One written before has its link already. */
    if (!f->towned && f->tpage != FP_SPF_NONE)
        fp_spf_link(fs, f->table, f->tpage, f->table[fs->hdr + 2]);
    else if (f->tpage == FP_SPF_NONE)
        fp_put_le16(f->table + fs->hdr, FP_SPF_NO_LINK);
    err = fp_spf_put_index(fs, f->table, f->id, f->tspan, &page);
    if (err)
        return err;
    f->flushed = true;
    f->tpage = page;
    f->towned = true;
    f->tdirty = false;
    if (f->tspan == 0)
        f->spill0 = page;
    return old != FP_SPF_NONE ? fp_spf_delete(fs, old) : FP_OK;
}

int fp_spf_want_table(struct fp_spf *fs, struct fp_spf_file *f, uint32_t k)
{
    int err = FP_OK;

    if (f->tspan != k && f->tdirty)
        err = fp_spf_spill(fs, f);
    return err ? err : fp_spf_load_table(fs, f, k);
}

/* Writes the data page in the buffer. */
int fp_spf_flush(struct fp_spf *fs, struct fp_spf_file *f)
{
    uint32_t page, old;
    uint8_t *entry;
    bool committed = true;
    int err;

    if (!f->ddirty)
        return FP_OK;
    err = fp_spf_want_table(fs, f, fp_spf_index_of(fs, f->dspan));
    if (!err)
        err = fp_spf_make_room(fs, 1);
    if (!err)
        err = fp_spf_put_data(fs, f->data, f->id, f->dspan, &page);
    if (err)
        return err;
    f->flushed = true;
    f->ddirty = false;
    entry = f->table + fp_spf_entry_off(fs, f->dspan);
    old = fp_spf_word(fs, entry);
    fp_spf_put(fs, entry, page);
    f->tdirty = true;
    if (old == fs->none)
        return FP_OK;
    err = is_committed(fs, f, f->dspan, old, &committed);
    return err || committed ? err : fp_spf_delete(fs, old);
}

void fp_spf_lose(struct fp_spf *fs, uint32_t id)
{
    for (struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->id == id) {
            f->lost = true;
            f->dirty = false;
            if (f->flushed)
                fs->swept = false;
        }
}

/* Other handles see the new version. */
static void tell_others(struct fp_spf *fs, const struct fp_spf_file *by)
{
    for (struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f != by && f->id == by->id) {
            f->head = by->head;
            f->size = f->saved = by->size;
            fp_spf_forget(f);
        }
}

/* The header of what this new file replaces, to which it is linked. */
static int find_replaced(struct fp_spf *fs, struct fp_spf_file *f,
                         uint32_t *page)
{
    struct fp_spf_head head;
    int err = fp_spf_find_name(fs, f->name,
                               (uint32_t)strlen((const char *)f->name), page);

    if (err || *page == FP_SPF_NONE)
        return err;
    fp_spf_head_get(fs, fs->page, &head);
    fp_spf_link(fs, f->table, *page, head.seq);
    return FP_OK;
}

/* The header is written and made final; *replaced is what goes then. */
static int put_header(struct fp_spf *fs, struct fp_spf_file *f,
                      uint32_t *replaced, uint32_t *page)
{
    int err = FP_OK;

    *replaced = f->head;
    fill_header(fs, f);
    if (f->head == FP_SPF_NONE)
        err = find_replaced(fs, f, replaced);
    else if (!f->towned)
        fp_spf_link(fs, f->table, f->head, f->table[fs->hdr + 2]);
    if (!err)
        err = fp_spf_put_index(fs, f->table, f->id, 0, page);
    return err ? err : fp_spf_finish_head(fs, *page, f->table);
}

/* The new version counts: the old one goes. */
static int retire(struct fp_spf *fs, struct fp_spf_file *f, uint32_t replaced,
                  bool same)
{
    const struct fp_spf_old old = { f->id, replaced, f->saved };
    uint32_t spill0 = f->spill0;
    int err = FP_OK;

    f->spill0 = FP_SPF_NONE;
    f->saved = f->size;
    /* Should this fail half-way, readers know which index pages count. */
    fs->newest = f->id;
    if (spill0 != FP_SPF_NONE)
        err = fp_spf_delete(fs, spill0);
    if (err || replaced == FP_SPF_NONE)
        return err;
    return same ? fp_spf_drop(fs, &old, f->table)
                : fp_spf_remove_object(fs, replaced);
}

int fp_spf_commit(struct fp_spf *fs, struct fp_spf_file *f)
{
    uint32_t page, replaced;
    bool same = f->head != FP_SPF_NONE;
    int err = fp_spf_flush(fs, f);

    if (!err)
        err = fp_spf_want_table(fs, f, 0);
    if (!err)
        err = fp_spf_make_room(fs, 1);
    if (!err)
        err = put_header(fs, f, &replaced, &page);
    if (err)
        return err;
    if (replaced != FP_SPF_NONE)
        fp_spf_set(fs, replaced, FP_SPF_JUNK);
    f->head = f->tpage = page;
    f->towned = f->tdirty = f->dirty = f->flushed = false;
    tell_others(fs, f);
    err = retire(fs, f, replaced, same);
    if (!err)
        fs->newest = FP_SPF_NONE;
    return fp_spf_failed(fs, err);
}
