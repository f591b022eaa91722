/* SPDX-License-Identifier: MIT
 *
 * Open files, reading. Each has two pages in the workspace: an index page, so
 * that reading on needs no look at it, and a data page.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

_Static_assert(sizeof(struct fp_spf_file) <= FP_FILE_STATE,
               "FP_FILE_STATE is too small for spiffs");

void fp_spf_forget(struct fp_spf_file *f)
{
    f->tspan = f->dspan = FP_SPF_NONE;
    f->tdirty = f->ddirty = false;
}

int fp_spf_claim(struct fp_spf *fs, struct fp_spf_file *f)
{
    uint32_t i = 0;

    while (i < fs->mnt->cfg.max_files && fs->slots_used >> i & 1)
        i++;
    if (i == fs->mnt->cfg.max_files)
        return FP_ERR_NFILE;
    fs->slots_used |= 1u << i;
    f->slot = (uint8_t)i;
    f->table = fs->files + (size_t)i * fs->file_stride;
    f->data = f->table + fs->page_size;
    f->name = f->data + fs->page_size;
    f->head = f->spill0 = FP_SPF_NONE;
    fp_spf_forget(f);
    f->next = fs->open;
    fs->open = f;
    return FP_OK;
}

void fp_spf_release(struct fp_spf *fs, struct fp_spf_file *f)
{
    struct fp_spf_file **at = &fs->open;

    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    fs->slots_used &= ~(1u << f->slot);
}

int fp_spf_adopt(struct fp_spf *fs, struct fp_spf_file *f, uint32_t page)
{
    struct fp_spf_head head;
    int err = fp_spf_read_head(fs, page, fs->page, &head);

    fp_spf_forget(f);
    f->id = head.id;
    f->head = page;
    f->size = f->saved = fp_spf_size_get(fs, fs->page);
    f->spill0 = FP_SPF_NONE;
    f->dirty = false;
    if (!err && fp_spf_spans(fs, f->size) > fs->pages)
        return FP_ERR_CORRUPT;
    return err;
}

/* Where index page k is, as this handle sees the file. */
static int find_table(struct fp_spf *fs, struct fp_spf_file *f, uint32_t k)
{
    uint32_t committed;
    int err;

    f->towned = f->dirty;
    if (k == 0) {
        f->tpage = f->spill0 != FP_SPF_NONE ? f->spill0 : f->head;
        f->towned = f->spill0 != FP_SPF_NONE;
        return FP_OK;
    }
    err = fp_spf_find_index(fs, f->id, k, f->dirty || f->id == fs->newest,
                            &f->tpage);
    /* Committed is what the header's size reaches, the older of two. */
    if (err || !f->dirty || f->head == FP_SPF_NONE ||
        fp_spf_first_of(fs, k) >= fp_spf_spans(fs, f->saved))
        return err;
    err = fp_spf_find_index(fs, f->id, k, false, &committed);
    f->towned = committed != f->tpage;
    return err;
}

int fp_spf_load_table(struct fp_spf *fs, struct fp_spf_file *f, uint32_t k)
{
    struct fp_spf_head head;
    uint32_t spans;
    int err;

    if (f->tspan == k)
        return FP_OK;
    f->tspan = FP_SPF_NONE;
    err = find_table(fs, f, k);
    if (err)
        return err;
    memset(f->table, 0xff, fs->page_size);
    if (f->tpage == FP_SPF_NONE && !f->dirty)
        return FP_ERR_CORRUPT;
    if (f->tpage != FP_SPF_NONE) {
        err = fp_spf_read(fs, fp_spf_at(fs, f->tpage), f->table, fs->page_size);
        fp_spf_head_get(fs, f->table, &head);
        if (!err && (head.id != f->id || head.span != k))
            err = FP_ERR_CORRUPT;
        if (err)
            return err;
    }
    /* A file that was cut has nothing behind its end, whatever its old table
     * says. */
    spans = fp_spf_spans(fs, f->size);
    if (f->dirty)
        for (uint32_t i = 0; i < fp_spf_slots(fs, k); i++) {
            uint32_t span = fp_spf_first_of(fs, k) + i;

            if (span >= spans)
                fp_spf_put(fs, f->table + fp_spf_entry_off(fs, span), fs->none);
        }
    f->tspan = k;
    return FP_OK;
}

int fp_spf_load_data(struct fp_spf *fs, struct fp_spf_file *f, uint32_t span)
{
    const uint8_t look = FP_SPF_USED | FP_SPF_FINAL | FP_SPF_DELET;
    struct fp_spf_head head;
    uint32_t page;
    int err;

    if (f->dspan == span)
        return FP_OK;
    f->dspan = FP_SPF_NONE;
    err = fp_spf_load_table(fs, f, fp_spf_index_of(fs, span));
    if (err)
        return err;
    page = fp_spf_word(fs, f->table + fp_spf_entry_off(fs, span));
    if (!fp_spf_is_page(fs, page))
        return FP_ERR_CORRUPT;
    err = fp_spf_read(fs, fp_spf_at(fs, page), f->data, fs->page_size);
    if (err)
        return err;
    /* The page's own header counts, not its lookup entry. */
    fp_spf_head_get(fs, f->data, &head);
    if (head.index || head.id != f->id || head.span != span ||
        (head.flags & look) != FP_SPF_DELET || !(head.flags & FP_SPF_INDEX))
        return FP_ERR_CORRUPT;
    f->dspan = span;
    return FP_OK;
}

int fp_spf_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    struct fp_spf_place place;
    int err = fp_spf_lookup(fs, path, &place);

    (void)flags; /* to read: the volume is read-only */
    if (err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG)
        return FP_ERR_NOENT;
    if (!err && place.dir)
        err = FP_ERR_ISDIR;
    if (!err)
        err = fp_spf_claim(fs, f);
    if (err)
        return err;
    err = fp_spf_adopt(fs, f, place.page);
    if (err)
        fp_spf_release(fs, f);
    return err;
}

int32_t fp_spf_read_ro(struct fp_file *file, void *buf, uint32_t size)
{
    struct fp_spf *fs = fp_spf_of(file->mnt);
    struct fp_spf_file *f = fp_spf_file_of(file);
    uint8_t *to = buf;

    if (f->pos >= f->size)
        return 0;
    size = fp_spf_min(size, f->size - f->pos);
    for (uint32_t done = 0, n; done < size; done += n) {
        uint32_t off = f->pos % fs->payload;
        int err = fp_spf_load_data(fs, f, f->pos / fs->payload);

        if (err)
            return err;
        n = fp_spf_min(size - done, fs->payload - off);
        memcpy(to + done, f->data + fs->hdr + off, n);
        f->pos += n;
    }
    return (int32_t)size;
}

int64_t fp_spf_seek(struct fp_file *file, int64_t off, enum fp_whence whence)
{
    struct fp_spf_file *f = fp_spf_file_of(file);
    uint32_t base = whence == FP_SEEK_SET   ? 0
                    : whence == FP_SEEK_CUR ? f->pos
                                            : f->size;
    uint64_t pos = base + (uint64_t)off;

    if (pos >= FP_SPF_EMPTY) /* so is one below 0 */
        return FP_ERR_INVAL;
    f->pos = (uint32_t)pos;
    return f->pos;
}

int fp_spf_close_ro(struct fp_file *file)
{
    fp_spf_release(fp_spf_of(file->mnt), fp_spf_file_of(file));
    return FP_OK;
}
