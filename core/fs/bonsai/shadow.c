/* SPDX-License-Identifier: MIT
 *
 * A file's record that is being written: in rows that nothing refers to yet, in
 * any order and as often as it takes. How many it needs is known when the
 * caller reserved them or at the end; else it goes on into the rows behind it,
 * and where it cannot, moves to the longest run of free ones.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_shadow_move(struct fp_bon *fs, struct fp_bon_file *f,
                        uint32_t count)
{
    uint32_t want = f->expect, to;

    if (want < count)
        want = FP_BON_ROWS_MAX;
    else
        count = want;
    to = fp_bon_alloc(fs, want, count, FP_BON_KEEP);
    fp_bon_copy(fs, to * FP_BON_ROW, f->shadow * FP_BON_ROW,
                f->shadow_rows * FP_BON_ROW);
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
            fp_bon_take(fs, next, 1, FP_BON_USED);
            f->shadow_rows++;
            continue;
        }
        fp_bon_shadow_move(fs, f, count);
        if (next != 0)
            fs->err = fp_bon_end(fs);
    }
}

void fp_bon_shadow_begin(struct fp_bon *fs, struct fp_bon_file *f,
                         struct fp_bon_node *node,
                         const struct fp_bon_node *old)
{
    node->kids = 0;
    f->expect = fp_bon_rows(fp_bon_size(node));
    fp_bon_grow(fs, f, f->expect);
    node->row = f->shadow;
    fp_bon_put_record(fs, node, old);
}

void fp_bon_shadow_finish(struct fp_bon *fs, struct fp_file *file)
{
    struct fp_bon_node node;

    fp_bon_load(fs, fp_bon_file_of(file)->shadow, &node);
    node.data_size = file->size;
    fp_bon_put_node(fs, &node);
    fp_bon_flush(fs);
}

void fp_bon_shadow_drop(struct fp_bon_file *f)
{
    f->shadow = f->shadow_rows = 0;
}
