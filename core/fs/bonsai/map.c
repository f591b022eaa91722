/* SPDX-License-Identifier: MIT
 *
 * Which rows are in use: nothing on flash says so but the tree itself. The walk
 * keeps the rows of nodes that it has yet to look at in a bitmap, so that it
 * needs no stack; that every record has one place at most (node.c) makes it
 * end.
 */
#include "core/fs/bonsai/bon.h"

bool fp_bon_bit(const uint8_t *bits, uint32_t row)
{
    return bits[row / 8] >> row % 8 & 1;
}

void fp_bon_set(uint8_t *bits, uint32_t row)
{
    bits[row / 8] = (uint8_t)(bits[row / 8] | 1 << row % 8);
}

/* The row behind those taken. */
static uint32_t take(struct fp_bon *fs, uint32_t row, uint32_t size)
{
    uint32_t end = row + fp_bon_rows(size);

    for (; row < end; row++)
        fp_bon_set(fs->used, row);
    return end;
}

/* Takes the node's rows, and remembers its children. */
static int visit(struct fp_bon *fs, uint32_t row, uint32_t *next)
{
    struct fp_bon_node node, kid;
    uint32_t index = 0, end;
    int err = fp_bon_load(fs, row, &node);

    if (err)
        return err == FP_ERR_NOENT ? FP_OK : err;
    fp_bon_set(fs->heads, row);
    end = take(fs, row, fp_bon_size(&node));
    if (end > fs->last)
        fs->last = end;
    while ((err = fp_bon_kid(fs, &node, &index, &kid)) > 0) {
        fp_bon_set(fs->todo, kid.row);
        if (kid.row < *next)
            *next = kid.row;
    }
    return err;
}

/* The rows of the System File and the root are theirs, whatever they hold. */
static int walk(struct fp_bon *fs)
{
    uint32_t size = fs->rows / 8 + 1, next;
    int err = FP_OK;

    memset(fs->used, 0, size);
    memset(fs->heads, 0, size);
    memset(fs->todo, 0, size);
    fs->last = take(fs, 0, (FP_BON_ROOT + 1) * FP_BON_ROW);
    fp_bon_set(fs->todo, FP_BON_ROOT);
    for (uint32_t row = FP_BON_ROOT; row < fs->rows && !err; row = next) {
        next = row + 1;
        if (fp_bon_bit(fs->todo, row)) {
            fs->todo[row / 8] ^= (uint8_t)(1 << row % 8);
            err = visit(fs, row, &next);
        }
    }
    return err;
}

/* What is open stays where it is, also when it is in the tree no more. */
static void take_files(struct fp_bon *fs)
{
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_bon_file *f = fs->files[i];
        struct fp_bon_node node;

        if (f == NULL)
            continue;
        take(fs, f->shadow, f->shadow_rows * FP_BON_ROW);
        if (f->node != 0 && !fp_bon_bit(fs->heads, f->node))
            f->is_gone = true;
        if (f->is_gone && fp_bon_load(fs, f->node, &node) == FP_OK)
            take(fs, f->node, fp_bon_size(&node));
    }
}

int fp_bon_map(struct fp_bon *fs)
{
    int err;

    if (fs->is_mapped)
        return FP_OK;
    err = walk(fs);
    if (err)
        return err;
    fs->free = 0;
    take_files(fs);
    for (uint32_t row = 0; row < fp_bon_head(fs); row++)
        fs->free += !fp_bon_bit(fs->used, row);
    fs->is_mapped = true;
    return FP_OK;
}

int fp_bon_is_blank(struct fp_bon *fs, uint32_t row)
{
    uint8_t buf[32];

    for (uint32_t at = 0; at < FP_BON_ROW; at += sizeof buf) {
        int err = fp_bdev_read(fs->dev, (fp_addr)row * FP_BON_ROW + at, buf,
                               sizeof buf);

        if (err)
            return err;
        for (uint32_t i = 0; i < sizeof buf; i++)
            if (buf[i] != 0xff)
                return 0;
    }
    return 1;
}

/* Some rows stay free for the journal of the next change. */
int fp_bon_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    int err = fp_bon_map(fs);

    if (err)
        return err;
    st->block_size = FP_BON_ROW;
    st->block_count = fs->rows;
    st->blocks_used = fs->rows - 1 - fs->free;
    st->size = fs->rows * FP_BON_ROW;
    if (fs->free > FP_BON_KEEP)
        st->free = (fs->free - FP_BON_KEEP) * FP_BON_ROW;
    st->name_max = FP_BON_NAME_MAX;
    st->file_max = FP_BON_DATA_MAX;
    memcpy(st->version, "0.1", 4);
    st->needs_repair = fs->pending > 0;
    return FP_OK;
}

int fp_bon_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    struct fp_bon *fs = fp_bon_of(mnt);
    int err = fp_bon_map(fs);

    for (uint32_t row = 0; row < fp_bon_head(fs) && !err; row++)
        if (fp_bon_bit(fs->used, row))
            err = fn(ctx, row,
                     row > FP_BON_ROOT ? FP_BLOCK_DATA : FP_BLOCK_METADATA);
    return err;
}
