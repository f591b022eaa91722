/* SPDX-License-Identifier: MIT
 *
 * A record that is being written, through one row of memory: in rows that
 * nothing refers to yet, in any order and as often as it takes, or where an old
 * one is, from front to back, through the journal.
 *
 * That of a file begins in memory; rows are taken when it comes to the second of
 * them. How many is known when the caller reserved them or at the end; else it
 * starts in the longest run of free rows, and moves when it cannot grow there
 * any more.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_shadow_move(struct fp_bon *fs, struct fp_bon_file *f,
                        uint32_t count)
{
    uint32_t want = fp_bon_rows(FP_BON_HEAD + f->handle_size + f->expect), to;

    if (want < count)
        want = FP_BON_ROWS_MAX;
    else
        count = want;
    to = fp_bon_alloc(fs, want, count, FP_BON_KEEP);
    for (uint32_t i = 0; i < f->shadow_rows; i++)
        fp_bon_copy_row(fs, f->shadow + i, to + i);
    if (fs->err)
        return;
    f->shadow = to;
    f->shadow_rows = count;
}

void fp_bon_grow(struct fp_bon *fs, struct fp_bon_file *f, uint32_t count)
{
    while (f->shadow_rows < count && !fs->err) {
        /* Row 0, where it has none, is not free. */
        uint32_t next = f->shadow + f->shadow_rows;

        if (next < fp_bon_head(fs) && fs->free > FP_BON_KEEP &&
            !(fs->map[next] & FP_BON_USED)) {
            fp_bon_take(fs, next, 1);
            f->shadow_rows++;
            continue;
        }
        fp_bon_shadow_move(fs, f, count);
        if (next != 0)
            fs->err = fp_bon_end(fs);
    }
}

void fp_bon_flush(struct fp_bon *fs, struct fp_bon_file *f)
{
    uint32_t row = f->shadow + f->cached;

    if (f->cached == FP_BON_NOTHING)
        return;
    if (f->is_in_place)
        fp_bon_journal(fs, row);
    else if (!fp_bon_is_same(fs, row, f->buf))
        fp_bon_put_row(fs, row, f->buf);
    if (!fs->err)
        f->cached = FP_BON_NOTHING;
}

/* The row comes to memory. One that was never written holds anything: it is
 * filled up to its end. */
static void cache(struct fp_bon *fs, struct fp_bon_file *f, uint32_t index)
{
    if (f->cached == index)
        return;
    if (index > 0)
        fp_bon_grow(fs, f, index + 1);
    fp_bon_flush(fs, f);
    if (fs->err)
        return;
    fp_bon_get(fs, (f->shadow + index) * FP_BON_ROW, f->buf, FP_BON_ROW);
    if (!fs->err)
        f->cached = index;
}

void fp_bon_add(struct fp_bon *fs, struct fp_bon_file *f, const uint8_t *from,
                uint32_t size)
{
    while (size > 0) {
        uint32_t at = f->at % FP_BON_ROW, n = FP_BON_ROW - at;

        cache(fs, f, f->at / FP_BON_ROW);
        if (fs->err)
            return;
        if (n > size)
            n = size;
        if (from != NULL) {
            memcpy(f->buf + at, from, n);
            from += n;
        } else if (f->from != 0) {
            fp_bon_read(fs, f->from, f->buf + at, n);
            f->from += n;
        } else {
            memset(f->buf + at, 0, n);
        }
        f->at += n;
        size -= n;
    }
}

void fp_bon_pad(struct fp_bon *fs, struct fp_bon_file *f)
{
    f->from = 0;
    fp_bon_add(fs, f, NULL, -f->at % FP_BON_ROW);
}

void fp_bon_put_head(struct fp_bon *fs, struct fp_bon_file *f,
                     const struct fp_bon_node *n)
{
    uint8_t head[FP_BON_HEAD];

    head[0] = n->handle_size;
    fp_put_le16(head + 1, (uint16_t)n->data_size);
    fp_bon_put_addr(fs, head + 3, n->parent);
    head[7] = n->kids;
    f->at = 0;
    fp_bon_add(fs, f, head, sizeof head);
}

void fp_bon_shadow_finish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    const struct fp_bon_node n = { .handle_size = f->handle_size,
                                   .data_size = file->size,
                                   .parent = f->parent };

    f->expect = file->size;
    fp_bon_grow(fs, f, fp_bon_rows(fp_bon_size(&n)));
    fp_bon_put_head(fs, f, &n);
    fp_bon_flush(fs, f);
}

void fp_bon_shadow_drop(struct fp_bon_file *f)
{
    f->shadow = f->shadow_rows = 0;
    f->cached = FP_BON_NOTHING;
    f->is_dirty = false;
}

void fp_bon_shadow_begin(struct fp_bon *fs, struct fp_file *file,
                         const uint8_t *handle)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    f->is_dirty = true;
    f->at = FP_BON_HEAD;
    f->from = f->node * FP_BON_ROW + FP_BON_HEAD;
    fp_bon_add(fs, f, handle, f->handle_size + file->size);
    fp_bon_pad(fs, f);
}
