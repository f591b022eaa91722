/* SPDX-License-Identifier: MIT
 *
 * Finding things by the map: an index page by its object and span, a header by
 * its name or its object, and what a path leads to.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

uint8_t fp_spf_tag_index(const struct fp_spf *fs, uint32_t id, uint32_t span)
{
    (void)fs;
    return (uint8_t)(FP_SPF_IX | (id * 7 + span) % 32);
}

bool fp_spf_replaces(const struct fp_spf_head *a, const struct fp_spf_head *b,
                     uint32_t b_page)
{
    return a->link == (b_page & 0xffff) && a->link != FP_SPF_NO_LINK &&
           a->seq == (uint8_t)(b->seq + 1);
}

/* The next page from `from` on with this tag, sweeping's mark or not. */
static uint32_t next_tagged(const struct fp_spf *fs, uint32_t from, uint8_t tag)
{
    uint32_t plain = fp_spf_next(fs, from, tag), kept;

    if (tag & FP_SPF_HEAD)
        return plain;
    kept = fp_spf_next(fs, from, tag | FP_SPF_IX_KEPT);
    return fp_spf_min(plain, kept);
}

int fp_spf_find_index(struct fp_spf *fs, uint32_t id, uint32_t span,
                      bool newest, uint32_t *page)
{
    uint8_t tag = fp_spf_tag_index(fs, id, span);
    struct fp_spf_head head, best = { 0 };

    *page = FP_SPF_NONE;
    for (uint32_t p = next_tagged(fs, 0, tag); p != FP_SPF_NONE;
         p = next_tagged(fs, p + 1, tag)) {
        int err = fp_spf_peek(fs, p, &head);

        if (err)
            return err;
        if (!fp_spf_is_index(&head) || head.id != id || head.span != span)
            continue;
        if (*page != FP_SPF_NONE &&
            !(newest ? fp_spf_replaces(&head, &best, *page)
                     : fp_spf_replaces(&best, &head, p)))
            continue;
        best = head;
        *page = p;
    }
    return FP_OK;
}

int fp_spf_find_name(struct fp_spf *fs, const uint8_t *name, uint32_t size,
                     uint32_t *page)
{
    uint8_t tag = (uint8_t)(FP_SPF_HEAD | fp_spf_hash(name, size) % 128);
    struct fp_spf_head head;

    for (uint32_t p = next_tagged(fs, 0, tag); p != FP_SPF_NONE;
         p = next_tagged(fs, p + 1, tag)) {
        uint32_t its_size;
        int err = fp_spf_read_head(fs, p, fs->page, &head);
        const uint8_t *its = fp_spf_name_get(fs, fs->page, &its_size);

        *page = p;
        if (err || (its_size == size && memcmp(its, name, size) == 0))
            return err;
    }
    *page = FP_SPF_NONE;
    return FP_OK;
}

int fp_spf_find_id(struct fp_spf *fs, uint32_t id, uint32_t near,
                   uint32_t *page)
{
    struct fp_spf_head head;

    for (uint32_t i = 0; i < 2 * fs->pages; i++) {
        /* near, near + 1, near - 1, near + 2, ... */
        uint32_t p = i % 2 ? near + (i + 1) / 2 : near - i / 2;
        int err;

        if (p >= fs->pages || !(fs->map[p] & FP_SPF_HEAD))
            continue;
        err = fp_spf_peek(fs, p, &head);
        *page = p;
        if (err || head.id == id)
            return err;
    }
    *page = FP_SPF_NONE;
    return FP_OK;
}

/* Does a name, in the pages before `end`, start with name[0..size)? What is of
 * one directory was often written together, so the last is looked at first. */
int fp_spf_find_prefix(struct fp_spf *fs, const uint8_t *name, uint32_t size,
                       uint32_t end, bool *found)
{
    struct fp_spf_head head;

    *found = false;
    if (size > 0 && !fp_spf_may_be_dir(fs, fp_spf_hash(name, size - 1)))
        return FP_OK;
    while (end-- > 0 && !*found) {
        uint32_t its_size;
        const uint8_t *its;
        int err;

        if (!(fs->map[end] & FP_SPF_HEAD))
            continue;
        err = fp_spf_read_head(fs, end, fs->page, &head);
        if (err)
            return err;
        its = fp_spf_name_get(fs, fs->page, &its_size);
        *found = its_size >= size && memcmp(its, name, size) == 0;
    }
    return FP_OK;
}

/* FP_ERR_NOTDIR if a directory on the way to fs->name is only a file. */
static int check_way(struct fp_spf *fs)
{
    for (uint32_t i = fs->slash; i < fs->name_size; i++) {
        uint32_t page;
        bool dir;
        int err;

        if (fs->raw || fs->name[i] != '/')
            continue;
        err = fp_spf_find_name(fs, fs->name, i, &page);
        if (!err && page == FP_SPF_NONE)
            continue;
        if (!err)
            err = fp_spf_find_prefix(fs, fs->name, i + 1, fs->pages, &dir);
        if (err || !dir)
            return err ? err : FP_ERR_NOTDIR;
    }
    return FP_ERR_NOENT;
}

int fp_spf_lookup(struct fp_spf *fs, const char *path,
                  struct fp_spf_place *place)
{
    uint32_t size;
    bool marked;
    int err = fp_spf_decode(fs, path, &marked);

    *place = (struct fp_spf_place){ .page = FP_SPF_NONE };
    if (err)
        return err;
    if (path[1] == '\0') {
        place->dir = true;
        return FP_OK;
    }
    err = fp_spf_find_name(fs, fs->name, fs->name_size, &place->page);
    if (err)
        return err;
    if (!fs->raw) {
        /* The buffer has room: names have their NUL. */
        size = fs->name_size;
        fs->name[size] = '/';
        err =
            fp_spf_find_prefix(fs, fs->name, size + 1, fs->pages, &place->dir);
        if (err)
            return err;
    }
    if (marked && !place->dir)
        return FP_ERR_INVAL;
    if (marked)
        place->dir = false;
    else if (place->dir)
        place->page = FP_SPF_NONE;
    if (place->dir || place->page != FP_SPF_NONE)
        return FP_OK;
    return check_way(fs);
}

int fp_spf_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    struct fp_spf *fs = fp_spf_of(mnt);
    struct fp_spf_place place;
    struct fp_spf_head head;
    int err = fp_spf_lookup(fs, path, &place);

    if (err == FP_ERR_INVAL || err == FP_ERR_NAMETOOLONG)
        return FP_ERR_NOENT;
    if (err)
        return err;
    st->type = place.dir ? FP_TYPE_DIR : FP_TYPE_FILE;
    if (place.dir)
        return FP_OK;
    err = fp_spf_read_head(fs, place.page, fs->page, &head);
    st->size = fp_spf_size_get(fs, fs->page);
    return err;
}
