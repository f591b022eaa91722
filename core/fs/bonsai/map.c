/* SPDX-License-Identifier: MIT
 *
 * Which rows are in use: nothing on flash says so but the tree itself. The walk
 * notes in the map of rows where records were found that it has not looked at,
 * so that it needs no stack; that it looks at none twice makes it end.
 */
#include "core/fs/bonsai/bon.h"

uint32_t fp_bon_take(struct fp_bon *fs, uint32_t row, uint32_t count,
                     uint32_t as)
{
    for (; count > 0; count--, row++) {
        if (!(fs->map[row] & FP_BON_USED))
            fs->free--;
        fs->map[row] |= (uint8_t)as;
    }
    return row;
}

/* Takes the node's rows, if there is one. The row behind them. */
static uint32_t take_node(struct fp_bon *fs, uint32_t row,
                          struct fp_bon_node *node, uint32_t as)
{
    if (!fp_bon_load(fs, row, node))
        return 0;
    return fp_bon_take(fs, row, fp_bon_rows(fp_bon_size(node)), as);
}

/* Takes the node's rows, and remembers its children. A row that is listed is
 * not free even if nothing is there: what is written there would be a child at
 * once. Nothing is found twice, as what counts as a child names its parent.
 * Where to look on. */
static uint32_t visit(struct fp_bon *fs, uint32_t row)
{
    struct fp_bon_node node, kid;
    uint32_t end = take_node(fs, row, &node, FP_BON_USED | FP_BON_TREE),
             next = row;

    fs->map[row] ^= FP_BON_FOUND;
    if (end == 0)
        return row;
    fs->map[row] |= FP_BON_BEGUN;
    if (end > fs->last)
        fs->last = end;
    for (uint32_t i = 0; i < node.kids; i++) {
        fp_bon_take(fs, fp_bon_kid_at(fs, &node, i, &kid), 1, FP_BON_USED);
        if (kid.row == 0)
            continue;
        fs->map[kid.row] |= FP_BON_FOUND;
        if (kid.row < next)
            next = kid.row;
    }
    return next;
}

/* The rows of the System File and the root are theirs, whatever they hold. */
static void walk(struct fp_bon *fs)
{
    uint32_t row;

    for (row = 0; row < fs->rows; row++)
        fs->map[row] = fs->map[row] & FP_BON_USED ? FP_BON_WAS : 0;
    fs->free = fp_bon_head(fs);
    fs->last = fp_bon_take(fs, 0, FP_BON_ROOT + 1, FP_BON_USED | FP_BON_TREE);
    fs->map[FP_BON_ROOT] |= FP_BON_FOUND;
    for (row = FP_BON_ROOT; row < fs->rows;)
        row = fs->map[row] & FP_BON_FOUND ? visit(fs, row) : row + 1;
}

/* What is open stays where it is, also when it is in the tree no more. What is
 * not being written is as long as flash says. */
static void take_files(struct fp_bon *fs)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_bon_file *f;
        struct fp_bon_node node;

        if (fs->files[i] == NULL)
            continue;
        f = fp_bon_file_of(fs->files[i]);
        fp_bon_take(fs, f->shadow, f->shadow_rows, FP_BON_USED);
        if (f->node != 0 && !fs->err && !(fs->map[f->node] & FP_BON_BEGUN))
            f->is_gone = true;
        if (take_node(fs, f->node, &node, FP_BON_USED) != 0 && f->shadow == 0)
            fs->files[i]->size = node.data_size;
    }
}

void fp_bon_map(struct fp_bon *fs)
{
    if (fs->is_mapped)
        return;
    walk(fs);
    take_files(fs);
    fs->is_mapped = !fs->err;
}

/* Some rows stay free for the journal of the next change. */
int fp_bon_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_bon *fs = fp_bon_of(mnt);

    fp_bon_map(fs);
    st->block_size = FP_BON_ROW;
    st->block_count = fs->rows;
    st->blocks_used = fs->rows - 1 - fs->free;
    if (fs->free > FP_BON_KEEP)
        st->free = (fs->free - FP_BON_KEEP) * FP_BON_ROW;
    st->name_max = FP_BON_NAME_MAX;
    memcpy(st->version, "0.1", 4);
    st->needs_repair = fp_bon_is_committed(fs);
    return fp_bon_result(fs);
}
