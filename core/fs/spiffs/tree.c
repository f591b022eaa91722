/* SPDX-License-Identifier: MIT
 *
 * Removing and renaming, and what they share with a commit: an old version's
 * pages are deleted.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* Is it this object's page, or has a damaged table taken another's? */
static int is_own(struct fp_spf *fs, uint32_t page, uint32_t id, bool *own)
{
    struct fp_spf_head head;
    int err = FP_OK;

    *own = true;
    if (fs->crossed) {
        err = fp_spf_peek(fs, page, &head);
        *own = !err && head.id == id;
    }
    return err;
}

/* Deletes the data pages that the index page `k` at `table` names and the one
 * in `image` does not. */
static int drop_table(struct fp_spf *fs, const struct fp_spf_old *old,
                      uint32_t k, uint32_t table, const uint8_t *image)
{
    uint32_t first = fp_spf_first_of(fs, k);
    uint32_t spans = fp_spf_spans(fs, old->size);
    int err = fp_spf_read(fs, fp_spf_at(fs, table), fs->page, fs->page_size);

    fs->held = FP_SPF_NONE;
    for (uint32_t i = 0; i < fp_spf_slots(fs, k) && !err; i++) {
        uint32_t off = fp_spf_entry_off(fs, first + i), page;
        bool own;

        page = fp_spf_word(fs, fs->page + off);
        if (first + i >= spans)
            break;
        if (!fp_spf_is_page(fs, page) || fs->map[page] != FP_SPF_DATA ||
            (image != NULL && fp_spf_word(fs, image + off) == page))
            continue;
        err = is_own(fs, page, old->id, &own);
        if (!err && own)
            err = fp_spf_delete(fs, page);
    }
    return err;
}

/* The same for an index page of span k > 0, and the page itself. */
static int drop_index(struct fp_spf *fs, const struct fp_spf_old *old,
                      uint32_t k, bool kept)
{
    uint32_t table, now = FP_SPF_NONE;
    int err = fp_spf_find_index(fs, old->id, k, false, &table);

    if (!err && kept)
        err = fp_spf_find_index(fs, old->id, k, true, &now);
    if (err || table == FP_SPF_NONE || table == now)
        return err;
    if (now != FP_SPF_NONE)
        err = fp_spf_read(fs, fp_spf_at(fs, now), fs->aux, fs->page_size);
    if (!err)
        err =
            drop_table(fs, old, k, table, now != FP_SPF_NONE ? fs->aux : NULL);
    return err ? err : fp_spf_delete(fs, table);
}

int fp_spf_drop(struct fp_spf *fs, const struct fp_spf_old *old,
                const uint8_t *image)
{
    uint32_t spans = fp_spf_min(fp_spf_spans(fs, old->size), fs->pages);
    uint32_t kept =
        image != NULL ? fp_spf_spans(fs, fp_spf_size_get(fs, image)) : 0;
    uint32_t count = spans ? fp_spf_index_of(fs, spans - 1) : 0;
    int err = FP_OK;

    for (uint32_t k = 1; k <= count && !err; k++)
        err = drop_index(fs, old, k, fp_spf_first_of(fs, k) < kept);
    if (!err)
        err = drop_table(fs, old, 0, old->page, image);
    return err ? err : fp_spf_delete(fs, old->page);
}

int fp_spf_remove_object(struct fp_spf *fs, uint32_t page)
{
    struct fp_spf_head head;
    struct fp_spf_old old = { .page = page };
    int err = fp_spf_read_head(fs, page, fs->page, &head);

    if (err)
        return err;
    old.id = head.id;
    old.size = fp_spf_size_get(fs, fs->page);
    /* One bit, and it is no file any more. */
    err = fp_spf_clear_flags(fs, page, FP_SPF_IXDELE);
    if (err)
        return err;
    fp_spf_set(fs, page, FP_SPF_JUNK);
    fp_spf_lose(fs, old.id);
    err = fp_spf_drop(fs, &old, NULL);
    if (!err && old.id <= fs->id_max)
        fs->ids[old.id / 8] &= (uint8_t) ~(1u << old.id % 8);
    return err;
}

int fp_spf_sync(struct fp_mount *mnt)
{
    return fp_bdev_sync(mnt->dev);
}

int fp_spf_remove(struct fp_mount *mnt, const char *path)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_place place;
    int err = fp_spf_begin(fs);

    if (!err)
        err = fp_spf_lookup(fs, path, &place);
    if (err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG)
        return FP_ERR_NOENT;
    if (err)
        return err;
    if (place.dir)
        return FP_ERR_NOTEMPTY; /* it is there because something is in it */
    err = fp_spf_failed(fs, fp_spf_remove_object(fs, place.page));
    return err ? err : fp_spf_sync(mnt);
}

/* Both ends of a rename; fs->name has the new name. */
static int find_both(struct fp_spf *fs, const char *from, const char *to,
                     uint32_t flags, struct fp_spf_place ends[2])
{
    int err = fp_spf_lookup(fs, from, &ends[0]);

    if (err)
        return err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG ? FP_ERR_NOENT
                                                                : err;
    err = fp_spf_lookup(fs, to, &ends[1]);
    if (err && err != FP_ERR_NOENT)
        return err;
    if (!err && flags & FP_RENAME_NOREPLACE)
        return FP_ERR_EXIST;
    if (ends[0].dir)
        return FP_ERR_NOTSUP; /* a change of many names */
    return ends[1].dir ? FP_ERR_ISDIR : FP_OK;
}

static void follow(struct fp_spf *fs, uint32_t id, uint32_t page)
{
    for (struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->id == id && f->head != FP_SPF_NONE) {
            f->head = page;
            fp_spf_forget(f);
        }
}

/* Gives the file at `from` the name in fs->name, in place of that at `to`. */
static int move(struct fp_spf *fs, uint32_t from, uint32_t to)
{
    struct fp_spf_head head;
    uint8_t *name = fs->aux + fs->pad + 5;
    uint32_t page;
    int err = fp_spf_read(fs, fp_spf_at(fs, from), fs->aux, fs->page_size);

    fp_spf_head_get(fs, fs->aux, &head);
    if (!err && fp_spf_is_dirty(fs, head.id))
        err = FP_ERR_BUSY;
    if (err)
        return err;
    memset(name, 0, fs->name_len);
    memcpy(name, fs->name, fs->name_size);
    fp_spf_link(fs, fs->aux, from, head.seq);
    err = fp_spf_put_index(fs, fs->aux, head.id, 0, &page);
    if (!err)
        err = fp_spf_finish_head(fs, page, fs->aux);
    if (err)
        return err;
    fp_spf_set(fs, from, FP_SPF_JUNK);
    if (to != FP_SPF_NONE)
        fp_spf_set(fs, to, FP_SPF_JUNK);
    follow(fs, head.id, page);
    /* As long as the old header is there, it is told that the new one is the
     * newer, of the two with the name too: so that goes after the other. */
    if (to != FP_SPF_NONE)
        err = fp_spf_remove_object(fs, to);
    return err ? err : fp_spf_delete(fs, from);
}

int fp_spf_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_place ends[2];
    int err = fp_spf_begin(fs);

    if (!err)
        err = fp_spf_make_room(fs, 1);
    if (!err)
        err = find_both(fs, from, to, flags, ends);
    if (err)
        return err;
    err = fp_spf_failed(fs, move(fs, ends[0].page, ends[1].page));
    return err ? err : fp_spf_sync(mnt);
}
