/* SPDX-License-Identifier: MIT
 *
 * A record that is being written: rows that nothing refers to yet, filled
 * through one row of memory, in any order and as often as it takes. It begins
 * in memory; rows are taken when the first of it has to leave that. How many
 * is known when the caller reserved them or at the end; else it starts in the
 * longest run of free rows, and moves when it cannot grow there any more.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_shadow_move(struct fp_bon *fs, struct fp_file *file, uint32_t count)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    uint32_t want = FP_BON_ROWS_MAX, to;

    if (f->expect >= file->size) {
        want = fp_bon_rows(FP_BON_HEAD + f->handle_size + f->expect);
        if (count < want)
            count = want;
        want = count;
    }
    to = fp_bon_alloc(fs, want, count, FP_BON_KEEP);
    for (uint32_t i = 0; i < f->shadow_done; i++)
        fp_bon_copy_row(fs, f->shadow + i, to + i);
    if (fs->err)
        return;
    f->shadow = to;
    f->shadow_rows = count;
}

/* It has at least `count` rows. Row 0, where it has none, is not free. */
static void grow(struct fp_bon *fs, struct fp_file *file, uint32_t count)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    while (f->shadow_rows < count && !fs->err) {
        uint32_t next = f->shadow + f->shadow_rows;

        (void)fp_bon_run(fs, 0, NULL);
        if (next < fp_bon_head(fs) && fs->free > FP_BON_KEEP &&
            !(fs->map[next] & FP_BON_USED)) {
            fp_bon_take(fs, next, 1);
            f->shadow_rows++;
            continue;
        }
        fp_bon_shadow_move(fs, file, count);
        if (next != 0)
            fs->err = fp_bon_end(fs);
    }
}

static void flush(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    if (!f->is_buf_dirty)
        return;
    grow(fs, file, f->cached + 1);
    fp_bon_put_row(fs, f->shadow + f->cached, f->buf);
    if (fs->err)
        return;
    f->is_buf_dirty = false;
    if (f->shadow_done <= f->cached)
        f->shadow_done = f->cached + 1;
}

/* The row comes to memory; one that was never written is zeros. */
static void cache(struct fp_bon *fs, struct fp_file *file, uint32_t index)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    if (f->cached == index)
        return;
    flush(fs, file);
    if (fs->err)
        return;
    memset(f->buf, 0, FP_BON_ROW);
    if (index < f->shadow_done)
        fp_bon_get(fs, (f->shadow + index) * FP_BON_ROW, f->buf, FP_BON_ROW);
    f->cached = fs->err ? FP_BON_NOTHING : index;
}

void fp_bon_shadow(struct fp_bon *fs, struct fp_file *file, uint32_t off,
                   uint32_t size, const uint8_t *from, uint8_t *to)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    off += FP_BON_HEAD + f->handle_size;
    while (size > 0) {
        uint32_t n = FP_BON_ROW - off % FP_BON_ROW;
        uint8_t *at = f->buf + off % FP_BON_ROW;

        cache(fs, file, off / FP_BON_ROW);
        if (fs->err)
            return;
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
}

/* The head as it will be, as far as that is known; what is right already is
 * not written again. */
static void put_head(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    const struct fp_bon_node n = { .handle_size = f->handle_size,
                                   .data_size = f->expect,
                                   .parent = f->parent };
    uint8_t head[FP_BON_HEAD];

    fp_bon_put_head(fs, head, &n);
    cache(fs, file, 0);
    if (fs->err || memcmp(f->buf, head, sizeof head) == 0)
        return;
    memcpy(f->buf, head, sizeof head);
    f->is_buf_dirty = true;
}

void fp_bon_shadow_finish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    f->expect = file->size;
    grow(fs, file, fp_bon_rows(FP_BON_HEAD + f->handle_size + f->expect));
    put_head(fs, file);
    flush(fs, file);
}

void fp_bon_shadow_drop(struct fp_bon_file *f)
{
    f->shadow = f->shadow_rows = f->shadow_done = 0;
    f->cached = FP_BON_NOTHING;
    f->is_dirty = f->is_buf_dirty = false;
}

void fp_bon_shadow_begin(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);

    fp_bon_shadow_drop(f);
    f->is_dirty = true;
    f->handle_size = fs->handle_size;
    fp_bon_shadow(fs, file, -(uint32_t)f->handle_size, f->handle_size,
                  fs->handle, NULL);
}

void fp_bon_shadow_trim(struct fp_bon *fs, struct fp_file *file)
{
    uint32_t end = FP_BON_HEAD + fp_bon_file_of(file)->handle_size + file->size;

    fp_bon_shadow(fs, file, file->size, -end % FP_BON_ROW, NULL, NULL);
}

/* Row by row: head and handle are there, too. Of a directory what follows its
 * data is not to be. */
void fp_bon_shadow_copy(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_file *f = fp_bon_file_of(file);
    struct fp_bon_node node;
    uint32_t size;

    fp_bon_load(fs, f->node, &node);
    fp_bon_shadow_drop(f);
    f->is_dirty = true;
    f->handle_size = node.handle_size;
    f->parent = node.parent;
    f->expect = file->size;
    size = FP_BON_HEAD + f->handle_size + f->expect;
    for (uint32_t at = 0; at < size && !fs->err; at += FP_BON_ROW) {
        cache(fs, file, at / FP_BON_ROW);
        fp_bon_read(fs, f->node * FP_BON_ROW + at, f->buf, FP_BON_ROW);
        f->is_buf_dirty = true;
    }
    fp_bon_shadow_trim(fs, file);
}
