/* SPDX-License-Identifier: MIT
 *
 * Composing records. Every change of the tree is a record with another handle,
 * other data, or another list of children. It is written to fresh rows, or
 * where it is, through the journal, of which only those rows take part that
 * differ. No step changes a record twice, so what is read of it is the old one
 * until the step is committed.
 *
 * A record with children stays where it is, because each of them has its
 * address. When it grows out of its rows, what lies behind it moves away.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_put_addr(const struct fp_bon *fs, uint8_t *at, uint32_t row)
{
    fp_put_le32(at, fp_bon_addr(fs, row));
}

void fp_bon_edit_begin(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t row)
{
    memset(e, 0, sizeof *e);
    fp_bon_load(fs, row, &e->old);
    e->node = e->old;
    e->data_at = fp_bon_data_at(&e->old);
}

/* Listings skip nothing for the index'th child, which goes. */
static void step_back(struct fp_bon *fs, uint32_t dir, uint32_t index)
{
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == dir && d->index > index)
            d->index--;
}

/* The addresses of the children as they will be: added to the record, or only
 * counted. One of no child goes: it could become one. */
static void list_kids(struct fp_bon *fs, struct fp_bon_edit *e, bool adds)
{
    uint32_t count = 0, put = e->put;

    for (uint32_t i = 0; i <= e->old.kids; i++) {
        struct fp_bon_node kid;
        uint32_t row = fp_bon_kid_at(fs, &e->old, i, &kid);
        uint8_t addr[4];

        if (i == e->old.kids || row == e->out || row == e->also) {
            kid.row = put;
            put = 0;
        }
        if (kid.row == 0) {
            if (!adds)
                step_back(fs, e->old.row, count);
            continue;
        }
        count++;
        fp_bon_put_addr(fs, addr, kid.row);
        if (adds)
            fp_bon_add(fs, &fs->record, addr, sizeof addr);
    }
    if (count > FP_BON_KIDS_MAX)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    e->node.kids = (uint8_t)count;
}

void fp_bon_edit(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t to)
{
    struct fp_bon_file *f = &fs->record;

    f->buf = fs->row;
    f->shadow = to;
    f->shadow_rows = FP_BON_ROWS_MAX;
    f->cached = FP_BON_NOTHING;
    f->is_in_place = to == e->old.row;
    list_kids(fs, e, false);
    fp_bon_put_head(fs, f, &e->node);
    f->from = fp_bon_handle_at(&e->old);
    fp_bon_add(fs, f, e->handle, e->node.handle_size);
    f->from = e->data_at;
    fp_bon_add(fs, f, NULL, e->node.data_size);
    list_kids(fs, e, true);
    fp_bon_pad(fs, f);
    fp_bon_flush(fs, f);
}

bool fp_bon_tell_moved(struct fp_bon *fs, uint32_t from, uint32_t to,
                       bool only_written)
{
    bool has_told = false;

    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_bon_file *f;

        if (fs->files[i] == NULL)
            continue;
        f = fp_bon_file_of(fs->files[i]);
        if (f->node != from || (only_written && !f->is_dirty))
            continue;
        f->node = to;
        has_told = true;
    }
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == from)
            d->node = to;
    return has_told;
}

/* The directory of e->old, or that it comes to, gets a new list. */
static void relink(struct fp_bon *fs, const struct fp_bon_edit *moved,
                   uint32_t dir, uint32_t old, uint32_t put)
{
    struct fp_bon_edit e;

    fp_bon_edit_begin(fs, &e, dir);
    e.out = moved->old.row;
    e.also = old;
    e.put = put;
    fp_bon_edit(fs, &e, dir);
}

void fp_bon_move_node(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t to,
                      uint32_t old)
{
    uint32_t from = e->old.row, index = 0;
    struct fp_bon_node kid;

    fp_bon_edit(fs, e, to);
    relink(fs, e, e->node.parent, old, to);
    if (e->old.parent != e->node.parent)
        relink(fs, e, e->old.parent, old, 0);
    while (to != from && fp_bon_kid(fs, &e->old, &index, &kid)) {
        fp_bon_get_row(fs, kid.row);
        fp_bon_put_addr(fs, fs->row + 3, to);
        fp_bon_journal(fs, kid.row);
    }
    fp_bon_commit(fs);
    if (!fs->err)
        (void)fp_bon_tell_moved(fs, from, to, false);
}

uint32_t fp_bon_alloc_node(struct fp_bon *fs, const struct fp_bon_node *node)
{
    uint32_t count = fp_bon_rows(fp_bon_size(node));

    return fp_bon_alloc(fs, count, count, FP_BON_KEEP);
}

/* Whoever has the row gives it up. */
static void evict(struct fp_bon *fs, uint32_t row)
{
    if (fs->map[row] & FP_BON_BEGUN) {
        struct fp_bon_edit e;

        fp_bon_edit_begin(fs, &e, row);
        fp_bon_move_node(fs, &e, fp_bon_alloc_node(fs, &e.node), 0);
        return;
    }
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_file *file = fs->files[i];

        if (file != NULL && fp_bon_file_of(file)->shadow == row) {
            fp_bon_shadow_move(fs, fp_bon_file_of(file),
                               fp_bon_file_of(file)->shadow_rows);
            return;
        }
    }
    /* A removed file that is still read, or records that overlap. */
    fp_bon_fail(fs, FP_ERR_BUSY);
}

bool fp_bon_room(struct fp_bon *fs, const struct fp_bon_node *node,
                 uint32_t more)
{
    uint32_t size = fp_bon_size(node);
    uint32_t row = node->row + fp_bon_rows(size), blocked = row;
    uint32_t end = node->row + fp_bon_rows(size + more);

    if (end > fp_bon_head(fs))
        fp_bon_fail(fs, FP_ERR_NOSPC);
    if (fs->err || row >= end)
        return false;
    while (blocked < end && !(fs->map[blocked] & FP_BON_USED))
        blocked++;
    fp_bon_take(fs, row, end - row); /* nobody else is to */
    if (blocked == end)
        return false;
    evict(fs, blocked);
    fs->err = fp_bon_end(fs);
    return true;
}
