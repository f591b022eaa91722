/* SPDX-License-Identifier: MIT
 *
 * Programs and erases: pages with their lookup entries, deletion, blocks.
 *
 * The lookup entry goes first, then the page, so that an entry that is still
 * free has a blank page. (The reference moves pages the other way round; a page
 * that we did not see being erased is therefore read before its first use.)
 * Source: format page, 6
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

/* A byte of 0xff leaves what is there as it is. */
static int prog_piece(struct fp_spf *fs, fp_addr at, const uint8_t *buf,
                      uint32_t size)
{
    uint32_t unit = fs->dev->prog_size, off = (uint32_t)(at % unit);

    memset(fs->unit, 0xff, unit);
    memcpy(fs->unit + off, buf, size);
    return fp_bdev_prog(fs->dev, at - off, fs->unit, unit);
}

int fp_spf_prog(struct fp_spf *fs, fp_addr at, const void *buf, uint32_t size)
{
    uint32_t unit = fs->dev->prog_size, n;
    const uint8_t *from = buf;

    fs->unit_at = (fp_addr)-1;
    fs->held = FP_SPF_NONE;
    for (int err; size > 0; from += n, at += n, size -= n) {
        uint32_t off = (uint32_t)(at % unit);

        if (off || size < unit) {
            n = fp_spf_min(size, unit - off);
            err = prog_piece(fs, at, from, n);
        } else {
            n = size - size % unit;
            err = fp_bdev_prog(fs->dev, at, from, n);
        }
        if (err)
            return fp_spf_failed(fs, err);
    }
    return FP_OK;
}

static int prog_word(struct fp_spf *fs, fp_addr at, uint32_t value)
{
    uint8_t buf[4];

    fp_spf_put(fs, buf, value);
    return fp_spf_prog(fs, at, buf, fs->w);
}

int fp_spf_clear_flags(struct fp_spf *fs, uint32_t page, uint8_t mask)
{
    uint8_t flags = (uint8_t)~mask;

    return fp_spf_prog(fs, fp_spf_at(fs, page) + 2u * fs->w, &flags, 1);
}

int fp_spf_delete(struct fp_spf *fs, uint32_t page)
{
    int err = prog_word(fs, fp_spf_lookup_at(fs, page), 0);

    if (!err)
        err = fp_spf_clear_flags(fs, page, FP_SPF_DELET | FP_SPF_USED);
    if (!err)
        fp_spf_set(fs, page, FP_SPF_GONE);
    return err;
}

/* A half-erased block must not keep its magic, which could be in the half that
 * is left: it is spoilt first. Without a magic, the erase count is, and no block
 * gets a count of 0 otherwise. */
int fp_spf_spoil(struct fp_spf *fs, uint32_t block)
{
    fp_addr cells = fp_spf_magic_at(fs, block);

    return prog_word(fs, fs->magic ? cells : cells + fs->w, 0);
}

int fp_spf_clear(struct fp_spf *fs, uint32_t block)
{
    uint32_t per_dev = fs->block_size / fs->dev->block_size;
    int err = fp_bdev_erase(fs->dev, block * per_dev, per_dev);

    fs->unit_at = (fp_addr)-1;
    fs->held = FP_SPF_NONE;
    return err ? fp_spf_failed(fs, err) : FP_OK;
}

int fp_spf_stamp(struct fp_spf *fs, uint32_t block)
{
    fp_addr cells = fp_spf_magic_at(fs, block);
    uint32_t first = block * fs->ppb + fs->lookup;
    int err;

    fs->erase_max = (fs->erase_max + 1) % fp_spf_ix(fs);
    fs->erase_max += fs->erase_max == 0;
    /* The top bit first, by itself: half a count would have it set. */
    err = prog_word(fs, cells + fs->w, fp_spf_ix(fs) - 1);
    if (!err)
        err = prog_word(fs, cells + fs->w, fs->erase_max);
    if (!err && fs->magic)
        err = prog_word(fs, cells, fp_spf_magic(fs, block));
    for (uint32_t i = 0; i < fs->usable && !err; i++)
        fp_spf_set(fs, first + i, FP_SPF_FREE);
    fp_bdev_yield(fs->dev);
    return err;
}

int fp_spf_erase(struct fp_spf *fs, uint32_t block)
{
    int err = block != fs->bad_block ? fp_spf_spoil(fs, block) : FP_OK;

    if (!err)
        err = fp_spf_clear(fs, block);
    return err ? err : fp_spf_stamp(fs, block);
}

int fp_spf_check_blank(struct fp_spf *fs, uint32_t page, bool *blank)
{
    int err = fp_spf_read(fs, fp_spf_at(fs, page), fs->page, fs->page_size);

    fs->held = FP_SPF_NONE;
    *blank = true;
    for (uint32_t i = 0; i < fs->page_size; i++)
        *blank &= fs->page[i] == 0xff;
    return err;
}

/* The next free page in turn, not in the block that is being emptied. */
static int next_free(struct fp_spf *fs, uint32_t *page)
{
    uint32_t from = fs->cursor;

    for (int turn = 0; turn < 2; from = 0, turn++)
        while ((*page = fp_spf_next(fs, from, FP_SPF_FREE)) != FP_SPF_NONE) {
            uint32_t block = *page / fs->ppb;

            if (block != fs->victim)
                return FP_OK;
            from = (block + 1) * fs->ppb;
        }
    return FP_ERR_NOSPC;
}

/* A page with its lookup entry written; of no use to anyone yet. Spoils
 * fs->page. */
static int take(struct fp_spf *fs, uint32_t entry, uint32_t *page)
{
    for (;;) {
        bool blank = true;
        int err = next_free(fs, page);

        /* Without a magic nothing tells that a block was erased whole. */
        if (!err && (*page != fs->fresh || !fs->magic))
            err = fp_spf_check_blank(fs, *page, &blank);
        if (err)
            return err;
        /* A page of this number could not be said to be replaced. */
        blank &= (*page & 0xffff) != FP_SPF_NO_LINK;
        fs->cursor = fs->fresh = *page + 1;
        err = blank ? prog_word(fs, fp_spf_lookup_at(fs, *page), entry)
                    : fp_spf_delete(fs, *page);
        if (err)
            return err;
        if (blank) {
            fp_spf_set(fs, *page, FP_SPF_JUNK);
            return FP_OK;
        }
    }
}

static int put_page(struct fp_spf *fs, uint8_t *image, uint32_t id,
                    uint32_t span, uint8_t flags, uint32_t *page)
{
    int err = take(fs, id, page);

    if (err)
        return err;
    fp_spf_put(fs, image, id);
    fp_spf_put(fs, image + fs->w, span);
    image[2 * fs->w] = flags;
    return fp_spf_prog(fs, fp_spf_at(fs, *page), image, fs->page_size);
}

/* Final from the start: nobody looks at it before an index page does. */
int fp_spf_put_data(struct fp_spf *fs, uint8_t *image, uint32_t id,
                    uint32_t span, uint32_t *page)
{
    int err = put_page(fs, image, id, span,
                       (uint8_t) ~(FP_SPF_USED | FP_SPF_FINAL), page);

    if (!err)
        fp_spf_set(fs, *page, FP_SPF_DATA);
    return err;
}

/* Copies a data page of that object and span. */
int fp_spf_copy(struct fp_spf *fs, uint32_t from, uint32_t id, uint32_t *page)
{
    const uint8_t flags = (uint8_t) ~(FP_SPF_USED | FP_SPF_FINAL);
    int err = take(fs, id, page);

    fs->held = FP_SPF_NONE;
    if (!err)
        err = fp_spf_read(fs, fp_spf_at(fs, from), fs->page, fs->page_size);
    if (!err) {
        fs->page[2 * fs->w] = flags;
        err = fp_spf_prog(fs, fp_spf_at(fs, *page), fs->page, fs->page_size);
    }
    if (!err)
        fp_spf_set(fs, *page, FP_SPF_DATA);
    return err;
}

/* Final only once it is whole: a torn page could not say what it replaces. For
 * a header that is fp_spf_finish_head(). */
int fp_spf_put_index(struct fp_spf *fs, uint8_t *image, uint32_t id,
                     uint32_t span, uint32_t *page)
{
    int err = put_page(fs, image, id | fp_spf_ix(fs), span,
                       (uint8_t) ~(FP_SPF_USED | FP_SPF_INDEX), page);

    if (err || span == 0)
        return err;
    err = fp_spf_clear_flags(fs, *page, FP_SPF_FINAL);
    if (!err)
        fp_spf_set(fs, *page, fp_spf_tag_index(fs, id, span));
    return err;
}

int fp_spf_finish_head(struct fp_spf *fs, uint32_t page, const uint8_t *image)
{
    uint32_t size;
    const uint8_t *name = fp_spf_name_get(fs, image, &size);
    int err = fp_spf_clear_flags(fs, page, FP_SPF_FINAL);

    if (err)
        return err;
    fp_spf_note_dirs(fs, name, size);
    fp_spf_set(fs, page,
               (uint8_t)(FP_SPF_HEAD | fp_spf_hash(name, size) % 128));
    return FP_OK;
}

void fp_spf_link(const struct fp_spf *fs, uint8_t *image, uint32_t page,
                 uint8_t seq)
{
    fp_put_le16(image + fs->hdr, (uint16_t)page);
    image[fs->hdr + 2] = (uint8_t)(seq + 1);
}
