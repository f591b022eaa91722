/* SPDX-License-Identifier: MIT
 *
 * Composing records. Every change of the tree is a record of which some bytes
 * are replaced: a handle, data, an address in the list of its children. It is
 * written to fresh rows, or where it is, through the journal, of which only
 * those rows take part that differ.
 *
 * A record with children stays where it is, because each of them has its
 * address. When it grows out of its rows, what lies behind it moves away.
 */
#include "core/fs/bonsai/bon.h"

void fp_bon_put_addr(const struct fp_bon *fs, uint8_t *at, uint32_t row)
{
    fp_put_le32(at, fp_bon_addr(fs, row));
}

void fp_bon_put_head(const struct fp_bon *fs, uint8_t head[FP_BON_HEAD],
                     const struct fp_bon_node *n)
{
    head[0] = n->handle_size;
    fp_put_le16(head + 1, (uint16_t)n->data_size);
    fp_bon_put_addr(fs, head + 3, n->parent);
    head[7] = n->kids;
}

/* The next bytes of a record: buf, or what lies at `off`. To fs->row come those
 * that belong to the row of it that is composed. */
static void add(struct fp_bon *fs, const uint8_t *buf, uint32_t off,
                uint32_t size)
{
    uint32_t skip = fs->at < fs->from ? fs->from - fs->at : 0;
    uint32_t to = fs->at + skip - fs->from;

    fs->at += size;
    if (skip >= size || to >= FP_BON_ROW)
        return;
    size -= skip;
    if (size > FP_BON_ROW - to)
        size = FP_BON_ROW - to;
    if (buf == NULL)
        fp_bon_read(fs, off + skip, fs->row + to, size);
    else
        memcpy(fs->row + to, buf + skip, size);
}

/* The index'th row of the record, in fs->row. */
static void compose(struct fp_bon *fs, const struct fp_bon_edit *e,
                    uint32_t index)
{
    uint32_t old = e->node.row * FP_BON_ROW;

    memset(fs->row, 0, FP_BON_ROW);
    if (index == 0)
        fp_bon_put_head(fs, fs->row, &e->node);
    fs->from = index * FP_BON_ROW;
    fs->at = FP_BON_HEAD;
    add(fs, NULL, old + FP_BON_HEAD, e->at - FP_BON_HEAD);
    add(fs, e->put, e->put_at, e->size);
    add(fs, NULL, old + e->at + e->cut, fp_bon_size(&e->node) - fs->at);
}

/* A record that grows is written from its end, one that shrinks from its
 * start: so no row is replaced before what it had is needed no more. */
void fp_bon_edit(struct fp_bon *fs, const struct fp_bon_edit *e, uint32_t to)
{
    uint32_t count = fp_bon_rows(fp_bon_size(&e->node));
    bool is_here = to == e->node.row && fs->map[to] & FP_BON_BEGUN;

    for (uint32_t i = 0; i < count && !fs->err; i++) {
        uint32_t index = e->size > e->cut ? count - 1 - i : i;

        compose(fs, e, index);
        if (!is_here)
            fp_bon_put_row(fs, to + index, fs->row);
        else if (!fp_bon_is_same(fs, fp_bon_place(fs, to + index), fs->row))
            fp_bon_journal(fs, to + index);
    }
}

void fp_bon_put_data(struct fp_bon *fs, const struct fp_bon_node *dir,
                     uint32_t off, uint32_t size)
{
    struct fp_bon_edit e = { .node = *dir,
                             .at = FP_BON_HEAD + dir->handle_size,
                             .cut = dir->data_size,
                             .size = size,
                             .put_at = off };

    e.node.data_size = size;
    fp_bon_edit(fs, &e, dir->row);
}

/* The index'th address in the list goes, and e->put, if e->size, comes there.
 * Listings skip nothing for that. */
static void splice(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t index)
{
    e->at = fp_bon_size(&e->node) - 4 * (e->node.kids - index);
    e->cut = index < e->node.kids ? 4 : 0;
    e->node.kids = (uint8_t)(e->node.kids + e->size / 4 - e->cut / 4);
    fp_bon_edit(fs, e, e->node.row);
    for (struct fp_bon_dir *d = fs->dirs; d != NULL && e->size == 0;
         d = d->next)
        if (d->node == e->node.row && d->index > index)
            d->index--;
}

/* What is in the list and no child goes, too: it could become one. */
void fp_bon_relink(struct fp_bon *fs, uint32_t dir, uint32_t drop, uint32_t put)
{
    uint8_t addr[4];
    struct fp_bon_edit e = { .put = addr };
    struct fp_bon_node kid;

    fp_bon_put_addr(fs, addr, put);
    fp_bon_load(fs, dir, &e.node);
    for (uint32_t i = 0; i < e.node.kids && !fs->err;) {
        uint32_t next = i;
        bool is_kid = fp_bon_kid(fs, &e.node, &next, &kid) && next == i + 1;

        if (is_kid && kid.row != drop && kid.row != put) {
            i++;
            continue;
        }
        e.size = is_kid && kid.row == drop && put != 0 ? 4 : 0;
        splice(fs, &e, i);
        if (e.size > 0) {
            put = 0;
            i++;
        }
    }
    if (put == 0)
        return;
    if (e.node.kids == FP_BON_KIDS_MAX)
        fp_bon_fail(fs, FP_ERR_NOSPC);
    e.size = 4;
    splice(fs, &e, e.node.kids);
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

void fp_bon_move_node(struct fp_bon *fs, const struct fp_bon_edit *e,
                      uint32_t to, uint32_t left, uint32_t old)
{
    uint32_t from = e->node.row, right = e->node.parent, index = 0;
    bool is_one = left == right;
    struct fp_bon_node kid;

    fp_bon_edit(fs, e, to);
    fp_bon_relink(fs, right, is_one ? from : old, to);
    fp_bon_relink(fs, left, is_one ? old : from, 0);
    while (to != from && fp_bon_kid(fs, &e->node, &index, &kid)) {
        fp_bon_read(fs, kid.row * FP_BON_ROW, fs->row, FP_BON_ROW);
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
        struct fp_bon_edit e = { .at = FP_BON_HEAD };

        fp_bon_load(fs, row, &e.node);
        fp_bon_move_node(fs, &e, fp_bon_alloc_node(fs, &e.node), e.node.parent,
                         0);
        return;
    }
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_file *file = fs->files[i];

        if (file != NULL && fp_bon_file_of(file)->shadow == row) {
            fp_bon_shadow_move(fs, file, fp_bon_file_of(file)->shadow_rows);
            return;
        }
    }
    /* A removed file that is still read, or records that overlap. */
    fp_bon_fail(fs, FP_ERR_BUSY);
}

bool fp_bon_room(struct fp_bon *fs, const struct fp_bon_node *node,
                 uint32_t more)
{
    uint32_t size = fp_bon_size(node), blocked = 0;
    uint32_t row = node->row + fp_bon_rows(size);
    uint32_t end = node->row + fp_bon_rows(size + more);

    if (end > fp_bon_head(fs))
        fp_bon_fail(fs, FP_ERR_NOSPC);
    /* Nobody takes what it grows into. */
    for (; row < end && !fs->err; row++) {
        if (fs->map[row] & FP_BON_USED && blocked == 0)
            blocked = row;
        fs->map[row] |= FP_BON_USED;
    }
    if (fs->err || blocked == 0)
        return false;
    evict(fs, blocked);
    fs->err = fp_bon_end(fs);
    return !fs->err;
}
