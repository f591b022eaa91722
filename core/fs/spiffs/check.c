/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a volume: each page beside its lookup entry, a block a
 * slice; then, in one slice, each file's tables, and what no file has.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

struct check {
    struct fp_spf *fs;
    struct fp_step *step;
};

static uint32_t put_number(char *to, uint32_t value)
{
    char digits[10];
    uint32_t n = 0, size = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n > 0)
        to[size++] = digits[--n];
    return size;
}

/* "page 12: ...", or about the whole block when page is NONE. */
static void say(const struct check *c, enum fp_finding_level level,
                uint32_t block, uint32_t page, const char *what)
{
    uint32_t *const counts[] = { &c->step->errors, &c->step->warnings,
                                 &c->step->pending };
    char text[120] = "page ";
    uint32_t n = 0, size = (uint32_t)strlen(what);

    ++*counts[level];
    if (c->step->on_finding == NULL)
        return;
    if (page != FP_SPF_NONE) {
        n = 5 + put_number(text + 5, page);
        text[n++] = ':';
        text[n++] = ' ';
    }
    size = fp_spf_min(size, (uint32_t)sizeof text - n - 1);
    memcpy(text + n, what, size);
    text[n + size] = '\0';
    c->step->on_finding(c->step->ctx, level, block, text);
}

static void say_page(const struct check *c, enum fp_finding_level level,
                     uint32_t page, const char *what)
{
    say(c, level, page / c->fs->ppb, page, what);
}

static bool is_blank(const uint8_t *buf, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        if (buf[i] != 0xff)
            return false;
    return true;
}

/* Was an entry for `id` on its way to zero? */
static bool is_half_deleted(const struct fp_spf *fs, uint32_t entry,
                            uint32_t id)
{
    return (entry & id) == entry && entry != id && id != fs->none;
}

static void check_used(const struct check *c, uint32_t page, uint32_t entry,
                       const uint8_t *buf)
{
    const struct fp_spf *fs = c->fs;
    uint32_t id = fp_spf_word(fs, buf);
    uint8_t flags = buf[2 * fs->w];
    bool index = entry & fp_spf_ix(fs);

    if (is_blank(buf, fs->hdr) || flags & FP_SPF_USED)
        say_page(c, FP_FINDING_PENDING, page, "was taken, but not written");
    else if (is_half_deleted(fs, entry, id))
        say_page(c, FP_FINDING_PENDING, page, "its deletion was cut short");
    else if (!(flags & FP_SPF_DELET))
        say_page(c, FP_FINDING_ERROR, page,
                 "is deleted, its lookup entry is not");
    else if (entry != id)
        say_page(c, FP_FINDING_ERROR, page,
                 "its lookup entry names another object");
    else if (index == ((flags & FP_SPF_INDEX) != 0))
        say_page(c, FP_FINDING_PENDING, page,
                 "its flags and its lookup entry differ in its kind");
    else if (flags & FP_SPF_FINAL)
        say_page(c, FP_FINDING_PENDING, page, "was never finished");
}

/* A torn entry, or an erase cut short of which no magic tells. */
static bool is_excused(const struct fp_spf *fs, uint32_t page)
{
    return fs->map[page] == FP_SPF_JUNK || !(fs->magic || fs->swept);
}

static int check_page(const struct check *c, uint32_t page)
{
    struct fp_spf *fs = c->fs;
    uint32_t entry;
    int err = fp_spf_read_entry(fs, page, &entry);

    fs->held = FP_SPF_NONE;
    if (!err)
        err = fp_spf_read(fs, fp_spf_at(fs, page), fs->page, fs->page_size);
    if (err)
        return err;
    if (entry == fs->none) {
        if (!is_blank(fs->page, fs->page_size))
            say_page(
                c, is_excused(fs, page) ? FP_FINDING_PENDING : FP_FINDING_ERROR,
                page, "is free, but not erased");
    } else if (entry == 0) {
        if (fs->page[2 * fs->w] & FP_SPF_DELET)
            say_page(c, FP_FINDING_PENDING, page, "does not say it is deleted");
    } else {
        check_used(c, page, entry, fs->page);
    }
    return FP_OK;
}

static int check_block(const struct check *c, uint32_t block)
{
    struct fp_spf *fs = c->fs;
    uint32_t first = block * fs->ppb + fs->lookup;
    uint32_t count;
    int err = fp_spf_read_count(fs, block, &count);

    if (block == fs->bad_block) {
        say(c, FP_FINDING_PENDING, block, FP_SPF_NONE,
            "the erase of this block was cut short");
        return err;
    }
    if (!err && count == fs->none)
        say(c, fs->magic ? FP_FINDING_WARNING : FP_FINDING_PENDING, block,
            FP_SPF_NONE, "this block has no erase count");
    for (uint32_t i = 0; i < fs->usable && !err; i++)
        err = check_page(c, first + i);
    return err;
}

/* --- files --- */

/* One entry of the table in fs->aux; `last` bytes of the data page count. */
static int check_data(const struct check *c, uint32_t id, uint32_t span,
                      uint32_t table, uint32_t last)
{
    struct fp_spf *fs = c->fs;
    uint32_t page = fp_spf_word(fs, fs->aux + fp_spf_entry_off(fs, span));
    struct fp_spf_head head;
    int err;

    if (!fp_spf_is_page(fs, page)) {
        say_page(c, FP_FINDING_ERROR, table, "names a page that is none");
        return FP_OK;
    }
    fs->held = FP_SPF_NONE;
    err = fp_spf_read(fs, fp_spf_at(fs, page), fs->page, fs->page_size);
    if (err)
        return err;
    fp_spf_head_get(fs, fs->page, &head);
    if (head.id != id || head.index || head.span != span ||
        !(head.flags & FP_SPF_DELET) ||
        head.flags & (FP_SPF_USED | FP_SPF_FINAL))
        say_page(c, FP_FINDING_ERROR, page, "is not the data its file needs");
    else if (!is_blank(fs->page + fs->hdr + last, fs->payload - last))
        say_page(c, FP_FINDING_ERROR, page, "is not erased behind the end");
    if (fs->map[page] == FP_SPF_KEPT)
        say_page(c, FP_FINDING_ERROR, page, "is in two tables");
    if (fs->map[page] == FP_SPF_DATA)
        fs->map[page] = FP_SPF_KEPT;
    return FP_OK;
}

/* The table in fs->aux. */
static int check_table(const struct check *c, uint32_t id, uint32_t k,
                       uint32_t table, uint32_t size)
{
    const struct fp_spf *fs = c->fs;
    uint32_t spans = fp_spf_spans(fs, size), first = fp_spf_first_of(fs, k);
    int err = FP_OK;

    for (uint32_t i = 0; i < fp_spf_slots(fs, k) && !err; i++) {
        uint32_t span = first + i, last = fs->payload;

        if (span + 1 == spans && size % fs->payload)
            last = size % fs->payload;
        if (span < spans)
            err = check_data(c, id, span, table, last);
        else if (fp_spf_word(fs, fs->aux + fp_spf_entry_off(fs, span)) !=
                 fs->none)
            say_page(c, FP_FINDING_ERROR, table,
                     "names a page behind the end of its file");
    }
    return err;
}

static int check_name(const struct check *c, uint32_t page)
{
    struct fp_spf *fs = c->fs;
    const uint8_t *name = fs->aux + fs->pad + 5;
    uint32_t size, other;
    int err;

    if (memchr(name, 0, fs->name_len) == NULL)
        say_page(c, FP_FINDING_ERROR, page, "its name does not end");
    (void)fp_spf_name_get(fs, fs->aux, &size);
    if (size == 0)
        say_page(c, FP_FINDING_ERROR, page, "its name is empty");
    err = fp_spf_find_name(fs, name, size, &other);
    if (!err && other != page)
        say_page(c, FP_FINDING_ERROR, page, "another file has its name");
    return err;
}

static int check_file(const struct check *c, uint32_t page)
{
    struct fp_spf *fs = c->fs;
    struct fp_spf_head head;
    uint32_t size, table;
    int err = fp_spf_read(fs, fp_spf_at(fs, page), fs->aux, fs->page_size);

    if (!err)
        err = check_name(c, page);
    if (err)
        return err;
    fp_spf_head_get(fs, fs->aux, &head);
    size = fp_spf_size_get(fs, fs->aux);
    if (fp_get_le32(fs->aux + fs->pad) == 0)
        say_page(c, FP_FINDING_ERROR, page, "has a size of 0");
    if (fp_spf_spans(fs, size) > fs->pages) {
        say_page(c, FP_FINDING_ERROR, page, "has more than the volume");
        return FP_OK;
    }
    err = check_table(c, head.id, 0, page, size);
    for (uint32_t k = 1;
         !err && fp_spf_first_of(fs, k) < fp_spf_spans(fs, size); k++) {
        err = fp_spf_find_index(fs, head.id, k, head.id == fs->newest, &table);
        if (!err && table == FP_SPF_NONE) {
            say_page(c, FP_FINDING_ERROR, page, "an index page is missing");
            return FP_OK;
        }
        if (!err)
            err = fp_spf_read(fs, fp_spf_at(fs, table), fs->aux, fs->page_size);
        if (err)
            return err;
        fs->map[table] |= FP_SPF_IX_KEPT;
        err = check_table(c, head.id, k, table, size);
    }
    return err;
}

/* What no file has, unless it is of an open one; and the marks go. */
static void check_left(const struct check *c)
{
    struct fp_spf *fs = c->fs;
    bool writing = false;

    for (const struct fp_spf_file *f = fs->open; f != NULL; f = f->next)
        writing |= f->dirty;
    for (uint32_t p = 0; p < fs->pages; p++) {
        uint8_t state = fs->map[p];
        bool index = !(state & FP_SPF_HEAD) && state & FP_SPF_IX;

        if ((state == FP_SPF_DATA || (index && !(state & FP_SPF_IX_KEPT))) &&
            !writing)
            say_page(c, FP_FINDING_PENDING, p, "is of no file");
        if (state == FP_SPF_JUNK && !writing)
            say_page(c, FP_FINDING_PENDING, p, "is what a cut left");
        if (state == FP_SPF_KEPT)
            fs->map[p] = FP_SPF_DATA;
        if (index)
            fs->map[p] &= (uint8_t)~FP_SPF_IX_KEPT;
    }
}

static int check_files(const struct check *c)
{
    int err = FP_OK;

    for (uint32_t p = 0; p < c->fs->pages && !err; p++)
        if (c->fs->map[p] & FP_SPF_HEAD)
            err = check_file(c, p);
    check_left(c);
    c->fs->held = FP_SPF_NONE;
    return err;
}

int fp_spf_check(struct fp_mount *mnt, struct fp_step *step)
{
    const struct check c = { fp_spf_of(mnt), step };

    if (step->kind != FP_STEP_CHECK)
        return FP_ERR_NOTSUP;
    step->total = c.fs->block_count + 1;
    step->done = step->progress + 1 == step->total;
    if (step->progress++ < c.fs->block_count)
        return check_block(&c, step->progress - 1);
    return check_files(&c);
}
