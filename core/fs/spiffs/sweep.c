/* SPDX-License-Identifier: MIT
 *
 * What a cut, or a handle that gave up, left behind: pages that no file has.
 *
 * Every table of every file is read once and the pages it names are marked in
 * the map; what is not marked is deleted. Headers that do not count go last,
 * for while they are there they tell which version does (commit.c). So a cut in
 * here changes nothing either.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

int fp_spf_failed(struct fp_spf *fs, int err)
{
    fs->astray |= err < 0 && err != FP_ERR_NOSPC && err != FP_ERR_BUSY;
    return err;
}

static void mark_table(struct fp_spf *fs, uint32_t k, uint32_t spans)
{
    uint32_t first = fp_spf_first_of(fs, k);

    for (uint32_t i = 0; i < fp_spf_slots(fs, k) && first + i < spans; i++) {
        uint32_t page =
            fp_spf_word(fs, fs->aux + fp_spf_entry_off(fs, first + i));

        if (!fp_spf_is_page(fs, page))
            continue;
        if (fs->map[page] == FP_SPF_KEPT)
            fs->crossed = true;
        if (fs->map[page] == FP_SPF_DATA)
            fs->map[page] = FP_SPF_KEPT;
    }
}

/* Marks what the file with this header has. */
static int mark_file(struct fp_spf *fs, uint32_t page)
{
    struct fp_spf_head head;
    uint32_t spans, table = page;
    int err = fp_spf_read(fs, fp_spf_at(fs, page), fs->aux, fs->page_size);

    fp_spf_head_get(fs, fs->aux, &head);
    if (err)
        return err;
    fp_spf_use_id(fs, head.id);
    spans =
        fp_spf_min(fp_spf_spans(fs, fp_spf_size_get(fs, fs->aux)), fs->pages);
    mark_table(fs, 0, spans);
    for (uint32_t k = 1; fp_spf_first_of(fs, k) < spans; k++) {
        err = fp_spf_find_index(fs, head.id, k, head.id == fs->newest, &table);
        if (err || table == FP_SPF_NONE)
            return err;
        fs->map[table] |= FP_SPF_IX_KEPT;
        err = fp_spf_read(fs, fp_spf_at(fs, table), fs->aux, fs->page_size);
        if (err)
            return err;
        mark_table(fs, k, spans);
    }
    return FP_OK;
}

static bool is_index(uint8_t state)
{
    return !(state & FP_SPF_HEAD) && state & FP_SPF_IX;
}

static bool is_unmarked(uint8_t state)
{
    return state == FP_SPF_DATA ||
           (is_index(state) && !(state & FP_SPF_IX_KEPT));
}

static int mark_all(struct fp_spf *fs)
{
    int err = FP_OK;

    memset(fs->ids, 0, fs->id_max / 8 + 1);
    for (const struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        fp_spf_use_id(fs, f->id);
    for (uint32_t p = 0; p < fs->pages && !err; p++)
        if (fs->map[p] & FP_SPF_HEAD)
            err = mark_file(fs, p);
    return err;
}

static void unmark_all(struct fp_spf *fs)
{
    for (uint32_t p = 0; p < fs->pages; p++)
        if (fs->map[p] == FP_SPF_KEPT)
            fs->map[p] = FP_SPF_DATA;
        else if (is_index(fs->map[p]))
            fs->map[p] &= (uint8_t)~FP_SPF_IX_KEPT;
}

/* Deletes a page, but what an open file has not committed. */
static int delete_left(struct fp_spf *fs, uint32_t page)
{
    struct fp_spf_head head;
    int err;

    for (const struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        if (f->dirty) {
            err = fp_spf_peek(fs, page, &head);
            if (err)
                return err;
            if (fp_spf_is_dirty(fs, head.id))
                return FP_OK;
            break;
        }
    return fp_spf_delete(fs, page);
}

static int delete_all_left(struct fp_spf *fs)
{
    int err = FP_OK;

    for (uint32_t p = 0; p < fs->pages && !err; p++)
        if (is_unmarked(fs->map[p]))
            err = delete_left(fs, p);
    for (uint32_t p = 0; p < fs->pages && !err; p++)
        if (fs->map[p] == FP_SPF_JUNK && p != fs->replaced)
            err = delete_left(fs, p);
    /* The last to tell which header is the newer. */
    if (!err && fs->replaced != FP_SPF_NONE &&
        fs->map[fs->replaced] == FP_SPF_JUNK)
        err = delete_left(fs, fs->replaced);
    return err;
}

/* A page is deleted in two steps. Nobody would miss the second, yet a strict
 * reader of the format may. */
static int tidy(struct fp_spf *fs)
{
    uint32_t p = fp_spf_next(fs, 0, FP_SPF_GONE);
    int err = FP_OK;

    for (; p != FP_SPF_NONE && !err; p = fp_spf_next(fs, p + 1, FP_SPF_GONE)) {
        uint8_t flags;

        err = fp_spf_read(fs, fp_spf_at(fs, p) + 2u * fs->w, &flags, 1);
        if (!err && flags & FP_SPF_DELET)
            err = fp_spf_clear_flags(fs, p, FP_SPF_DELET | FP_SPF_USED);
    }
    fs->tidied = !err;
    return err;
}

/* Does nothing live in the block, and is it not as blank as it says? */
static int is_half_erased(struct fp_spf *fs, uint32_t block, bool *half)
{
    uint32_t first = block * fs->ppb + fs->lookup, count;
    int err;

    *half = false;
    for (uint32_t p = first; p < first + fs->usable; p++)
        if (fs->map[p] > FP_SPF_GONE && fs->map[p] != FP_SPF_JUNK)
            return FP_OK;
    err = fp_spf_read_count(fs, block, &count);
    if (err || (count != 0 && count != fs->none))
        return err;
    *half = count == fs->none;
    for (uint32_t p = first; p < first + fs->usable && !err && !*half; p++)
        if (fs->map[p] == FP_SPF_FREE) {
            err = fp_spf_check_blank(fs, p, half);
            *half = !*half;
        }
    return err;
}

/* Without a magic nothing tells of an erase that was cut short but its traces:
 * no erase count, or one of 0 and pages that are not blank. */
static int finish_erase(struct fp_spf *fs)
{
    int err = FP_OK;

    for (uint32_t b = 0; b < fs->block_count && !fs->magic && !err; b++) {
        bool half;

        err = is_half_erased(fs, b, &half);
        if (!err && half)
            err = fp_spf_erase(fs, b);
    }
    return err;
}

int fp_spf_sweep(struct fp_spf *fs)
{
    int err = FP_OK;

    if (fs->bad_block != FP_SPF_NONE) {
        err = fp_spf_erase(fs, fs->bad_block);
        if (!err)
            fs->bad_block = FP_SPF_NONE;
    }
    if (!err && !fs->tidied)
        err = finish_erase(fs);
    if (!err)
        err = mark_all(fs);
    if (!err)
        err = delete_all_left(fs);
    unmark_all(fs);
    if (!err && !fs->tidied)
        err = tidy(fs);
    if (err)
        return fp_spf_failed(fs, err);
    fs->newest = fs->replaced = FP_SPF_NONE;
    fs->swept = true;
    fs->hurt = false;
    return FP_OK;
}

/* After a failure flash is read again, and open files find themselves there. */
static int find_again(struct fp_spf *fs)
{
    bool slash = fs->slash;
    int err = fp_spf_scan(fs);

    fs->slash = slash;
    for (struct fp_spf_file *f = fs->open; f != NULL && !err; f = f->next) {
        uint32_t page;

        if (f->head == FP_SPF_NONE || f->lost)
            continue;
        err = fp_spf_find_id(fs, f->id, f->head, &page);
        if (!err && page == FP_SPF_NONE)
            f->lost = true;
        else if (!err && f->dirty)
            f->head = page;
        else if (!err)
            err = fp_spf_adopt(fs, f, page);
    }
    fs->astray |= err != FP_OK;
    return err;
}

int fp_spf_begin(struct fp_spf *fs)
{
    int err = fs->astray ? find_again(fs) : FP_OK;

    if (err || fs->swept)
        return err;
    return fp_spf_sweep(fs);
}
