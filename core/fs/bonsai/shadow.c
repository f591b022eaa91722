/* SPDX-License-Identifier: MIT
 *
 * A record that is being written: rows that nothing refers to yet, filled
 * through one row of memory, in any order and as often as it takes. It begins
 * in memory; rows are taken when the first of it has to leave that. How many
 * is known when the caller reserved them or at the end; else it starts in the
 * longest run of free rows, and moves when it cannot grow there any more.
 */
#include "core/fs/bonsai/bon.h"

int fp_bon_shadow_move(struct fp_bon *fs, struct fp_bon_file *f, uint32_t count)
{
    uint32_t to = 0;
    int err = FP_OK;

    if (fp_bon_longest(fs, &to) < count)
        return FP_ERR_NOSPC;
    err = fp_bon_take(fs, to, count);
    for (uint32_t i = 0; i < f->shadow_done && !err; i++) {
        err = fp_bon_read_row(fs, f->shadow + i);
        if (!err)
            err = fp_bon_put_row(fs, to + i, fs->row);
    }
    if (err)
        return err;
    f->shadow = to;
    f->shadow_rows = count;
    return FP_OK;
}

/* It has at least `count` rows. */
static int grow(struct fp_bon *fs, struct fp_bon_file *f, uint32_t count)
{
    int err;

    if (count <= f->shadow_rows)
        return FP_OK;
    if (f->shadow == 0 && f->expect >= f->size) {
        uint32_t want = fp_bon_rows(FP_BON_HEAD + f->handle_size + f->expect);

        if (want > count)
            count = want;
        err = fp_bon_alloc(fs, count, &f->shadow);
        f->shadow_rows = err ? 0 : count;
        f->shadow = err ? 0 : f->shadow;
        return err;
    }
    err = FP_ERR_NOSPC;
    if (f->shadow != 0)
        err =
            fp_bon_take(fs, f->shadow + f->shadow_rows, count - f->shadow_rows);
    if (!err)
        f->shadow_rows = count;
    else
        err = fp_bon_settle(fs, fp_bon_shadow_move(fs, f, count));
    return err;
}

static int flush(struct fp_bon *fs, struct fp_bon_file *f)
{
    int err = FP_OK;

    if (!f->is_buf_dirty)
        return FP_OK;
    err = grow(fs, f, f->cached + 1);
    if (!err)
        err = fp_bon_put_row(fs, f->shadow + f->cached, f->buf);
    if (err)
        return err;
    f->is_buf_dirty = false;
    if (f->shadow_done <= f->cached)
        f->shadow_done = f->cached + 1;
    return FP_OK;
}

/* The row comes to memory; one that was never written is zeros. */
static int cache(struct fp_bon *fs, struct fp_bon_file *f, uint32_t index)
{
    int err;

    if (f->cached == index)
        return FP_OK;
    err = flush(fs, f);
    if (err)
        return err;
    f->cached = FP_BON_NOTHING;
    memset(f->buf, 0, FP_BON_ROW);
    if (index < f->shadow_done)
        err = fp_bdev_read(fs->dev, (fp_addr)(f->shadow + index) * FP_BON_ROW,
                           f->buf, FP_BON_ROW);
    if (!err)
        f->cached = index;
    return err;
}

/* Bytes of the record, row by row: to `to`, or from `from`, or zeros. */
static int walk(struct fp_bon *fs, struct fp_bon_file *f, uint32_t off,
                uint32_t size, const uint8_t *from, uint8_t *to)
{
    while (size > 0) {
        uint32_t n = FP_BON_ROW - off % FP_BON_ROW;
        uint8_t *at = f->buf + off % FP_BON_ROW;
        int err = cache(fs, f, off / FP_BON_ROW);

        if (err)
            return err;
        if (n > size)
            n = size;
        off += n;
        size -= n;
        if (to != NULL) {
            memcpy(to, at, n);
            to += n;
            continue;
        }
        f->is_buf_dirty = true;
        if (from != NULL) {
            memcpy(at, from, n);
            from += n;
        } else {
            memset(at, 0, n);
        }
    }
    return FP_OK;
}

/* The head as it will be, as far as that is known; what is right already is
 * not written again. */
static int put_head(struct fp_bon *fs, struct fp_bon_file *f)
{
    const struct fp_bon_node n = { .handle_size = f->handle_size,
                                   .data_size = f->expect,
                                   .parent = f->parent };
    uint8_t head[FP_BON_HEAD];
    int err = cache(fs, f, 0);

    fp_bon_put_head(fs, head, &n);
    if (err || memcmp(f->buf, head, sizeof head) == 0)
        return err;
    memcpy(f->buf, head, sizeof head);
    f->is_buf_dirty = true;
    return FP_OK;
}

int fp_bon_shadow_begin(struct fp_bon *fs, struct fp_bon_file *f,
                        const struct fp_bon_node *node)
{
    int err = FP_OK;
    uint32_t size = node != NULL ? node->handle_size : fs->handle_size;

    fp_bon_shadow_drop(f);
    f->is_dirty = true;
    if (f->is_own_data)
        size = 0;
    else if (node != NULL)
        err = fp_bon_read(fs, fp_bon_handle_at(node), fs->handle, size);
    f->handle_size = (uint8_t)size;
    if (!err)
        err = put_head(fs, f);
    return err ? err : walk(fs, f, FP_BON_HEAD, size, fs->handle, NULL);
}

int fp_bon_shadow_write(struct fp_bon *fs, struct fp_bon_file *f, uint32_t pos,
                        const uint8_t *buf, uint32_t size)
{
    return walk(fs, f, FP_BON_HEAD + f->handle_size + pos, size, buf, NULL);
}

int fp_bon_shadow_read(struct fp_bon *fs, struct fp_bon_file *f, uint32_t pos,
                       uint8_t *buf, uint32_t size)
{
    return walk(fs, f, FP_BON_HEAD + f->handle_size + pos, size, NULL, buf);
}

int fp_bon_shadow_place(struct fp_bon *fs, struct fp_bon_file *f)
{
    f->expect = f->size;
    return grow(fs, f, fp_bon_rows(FP_BON_HEAD + f->handle_size + f->size));
}

int fp_bon_shadow_finish(struct fp_bon *fs, struct fp_bon_file *f,
                         uint32_t parent)
{
    int err;

    f->expect = f->size;
    f->parent = parent;
    err = put_head(fs, f);
    return err ? err : flush(fs, f);
}

void fp_bon_shadow_drop(struct fp_bon_file *f)
{
    f->shadow = f->shadow_rows = f->shadow_done = 0;
    f->cached = FP_BON_NOTHING;
    f->is_dirty = f->is_buf_dirty = false;
}
