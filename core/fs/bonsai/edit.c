/* SPDX-License-Identifier: MIT
 *
 * Changing records and the tree they are. What is put is read at once: a step
 * is changes in a row, each of what those before it left.
 *
 * A record with children stays where it is, because each of them has its
 * address. When it grows out of its rows, what lies behind it moves away.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_copy(struct fp_bon *fs, uint32_t to, uint32_t from, uint32_t size)
{
    uint8_t buf[32];

    for (uint32_t done = 0, n; done < size; done += n) {
        uint32_t left = size - done, at;

        n = left < sizeof buf ? left : sizeof buf;
        at = to > from ? left - n : done;
        fp_bon_read(fs, from + at, buf, n);
        fp_bon_put(fs, to + at, buf, n);
    }
}

void fp_bon_put_addr(struct fp_bon *fs, uint32_t off, uint32_t row)
{
    uint8_t addr[4];

    fp_put_le32(addr, fp_bon_addr(fs, row));
    fp_bon_put(fs, off, addr, sizeof addr);
}

void fp_bon_put_node(struct fp_bon *fs, const struct fp_bon_node *node)
{
    uint32_t at = node->row * FP_BON_ROW, size = fp_bon_size(node);
    uint32_t addr = fp_bon_addr(fs, node->parent);
    uint8_t head[FP_BON_HEAD];

    fp_put_le32(head, node->handle_size | node->data_size << 8 | addr << 24);
    fp_put_le32(head + 4, addr >> 8 | (uint32_t)node->kids << 24);
    fp_bon_put(fs, at, head, sizeof head);
    fp_bon_put(fs, at + size, NULL, -size % FP_BON_ROW);
}

void fp_bon_put_record(struct fp_bon *fs, const struct fp_bon_node *node,
                       const struct fp_bon_node *old)
{
    fp_bon_copy(fs, fp_bon_data_at(node), fp_bon_data_at(old),
                node->data_size + 4u * node->kids);
    fp_bon_put(fs, fp_bon_handle_at(node), fs->handle, node->handle_size);
    fp_bon_put_node(fs, node);
}

void fp_bon_put_data(struct fp_bon *fs, const struct fp_bon_node *dir,
                     uint32_t from, uint32_t size)
{
    struct fp_bon_node node = *dir;

    node.data_size = size;
    fp_bon_copy(fs, fp_bon_kids_at(&node), fp_bon_kids_at(dir), 4u * dir->kids);
    fp_bon_copy(fs, fp_bon_data_at(dir), from, size);
    fp_bon_put_node(fs, &node);
}

/* Listings skip nothing for the index'th child, which goes. */
static void step_back(struct fp_bon *fs, uint32_t dir, uint32_t index)
{
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == dir && d->index > index)
            d->index--;
}

void fp_bon_relink(struct fp_bon *fs, uint32_t dir, uint32_t out, uint32_t also,
                   uint32_t put)
{
    struct fp_bon_node node, kid;
    uint32_t count = 0;

    fp_bon_load(fs, dir, &node);
    for (uint32_t i = 0; i <= node.kids; i++) {
        uint32_t row = fp_bon_kid_at(fs, &node, i, &kid);

        if (i == node.kids || row == out || row == also) {
            kid.row = put;
            put = 0;
        }
        if (kid.row == 0)
            step_back(fs, dir, count);
        else
            fp_bon_put_addr(fs, fp_bon_kids_at(&node) + 4 * count++, kid.row);
    }
    if (count > FP_BON_KIDS_MAX)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    node.kids = (uint8_t)count;
    fp_bon_put_node(fs, &node);
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
        if (f->node != from || (only_written && f->shadow == 0))
            continue;
        f->node = to;
        has_told = true;
    }
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == from)
            d->node = to;
    return has_told;
}

void fp_bon_get_handle(struct fp_bon *fs, const struct fp_bon_node *node)
{
    fp_bon_read(fs, fp_bon_handle_at(node), fs->handle, node->handle_size);
}

void fp_bon_move_node(struct fp_bon *fs, const struct fp_bon_node *node,
                      const struct fp_bon_node *old, uint32_t replaced)
{
    uint32_t from = old->row, to = node->row, index = 0;
    struct fp_bon_node kid;

    while (to != from && fp_bon_kid(fs, old, &index, &kid))
        fp_bon_put_addr(fs, kid.row * FP_BON_ROW + 3, to);
    fp_bon_put_record(fs, node, old);
    fp_bon_relink(fs, node->parent, from, replaced, to);
    if (old->parent != node->parent)
        fp_bon_relink(fs, old->parent, from, replaced, 0);
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
        struct fp_bon_node old, node;

        fp_bon_load(fs, row, &old);
        fp_bon_get_handle(fs, &old);
        node = old;
        node.row = fp_bon_alloc_node(fs, &node);
        fp_bon_move_node(fs, &node, &old, 0);
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
    fp_bon_take(fs, row, end - row, FP_BON_USED); /* nobody else is to */
    if (blocked == end)
        return false;
    evict(fs, blocked);
    fs->err = fp_bon_end(fs);
    return true;
}
