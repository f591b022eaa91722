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

/* Bytes of the record; buf NULL: zeros. */
static int put(struct fp_bon *fs, struct fp_bon_file *f, uint32_t off,
               const uint8_t *buf, uint32_t size)
{
    while (size > 0) {
        uint32_t at = off % FP_BON_ROW, n = FP_BON_ROW - at;
        int err = cache(fs, f, off / FP_BON_ROW);

        if (err)
            return err;
        if (n > size)
            n = size;
        if (buf != NULL) {
            memcpy(f->buf + at, buf, n);
            buf += n;
        } else {
            memset(f->buf + at, 0, n);
        }
        f->is_buf_dirty = true;
        off += n;
        size -= n;
    }
    return FP_OK;
}

static int get(struct fp_bon *fs, const struct fp_bon_file *f, uint32_t off,
               uint8_t *buf, uint32_t size)
{
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t at = off % FP_BON_ROW, n = FP_BON_ROW - at;

        if (n > size)
            n = size;
        if (off / FP_BON_ROW == f->cached)
            memcpy(buf, f->buf + at, n);
        else
            err = fp_bdev_read(fs->dev, (fp_addr)f->shadow * FP_BON_ROW + off,
                               buf, n);
        buf += n;
        off += n;
        size -= n;
    }
    return err;
}

/* The head as it will be, as far as that is known. */
static int put_head(struct fp_bon *fs, struct fp_bon_file *f)
{
    const struct fp_bon_node n = { .handle_size = f->handle_size,
                                   .data_size = f->expect,
                                   .parent = f->parent };
    uint8_t head[FP_BON_HEAD], is[FP_BON_HEAD] = { 0 };
    int err = FP_OK;

    fp_bon_put_head(fs, head, &n);
    if (f->cached != FP_BON_NOTHING)
        err = get(fs, f, 0, is, sizeof is);
    if (err || memcmp(is, head, sizeof head) == 0)
        return err;
    return put(fs, f, 0, head, sizeof head);
}

int fp_bon_shadow_begin(struct fp_bon *fs, struct fp_bon_file *f,
                        const struct fp_bon_node *node)
{
    int err = FP_OK;

    fp_bon_shadow_drop(f);
    f->is_dirty = true;
    f->handle_size = f->is_own_data ? 0
                     : node != NULL ? node->handle_size
                                    : fs->handle_size;
    if (node != NULL && !f->is_own_data)
        err =
            fp_bon_read(fs, fp_bon_handle_at(node), fs->handle, f->handle_size);
    if (!err)
        err = put_head(fs, f);
    return err ? err : put(fs, f, FP_BON_HEAD, fs->handle, f->handle_size);
}

int fp_bon_shadow_write(struct fp_bon *fs, struct fp_bon_file *f, uint32_t pos,
                        const uint8_t *buf, uint32_t size)
{
    return put(fs, f, FP_BON_HEAD + f->handle_size + pos, buf, size);
}

int fp_bon_shadow_read(struct fp_bon *fs, struct fp_bon_file *f, uint32_t pos,
                       uint8_t *buf, uint32_t size)
{
    return get(fs, f, FP_BON_HEAD + f->handle_size + pos, buf, size);
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
