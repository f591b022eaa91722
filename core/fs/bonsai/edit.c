/* SPDX-License-Identifier: MIT
 *
 * Composing records. Every change of the tree is a record written anew from an
 * old one, with another handle, data from elsewhere, a child less or more:
 * either to fresh rows, or where it is, through the journal, of which only
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

/* A row of a record being composed. */
struct row {
    uint8_t *buf;
    uint32_t from; /* of the record's bytes, the first in buf */
    uint32_t at;   /* where the next bytes belong */
};

/* The next bytes: buf, or what lies at `off`; those in the row get there. */
static int add(struct fp_bon *fs, struct row *r, const uint8_t *buf,
               uint32_t off, uint32_t size)
{
    uint32_t skip = r->at < r->from ? r->from - r->at : 0;
    uint32_t to = r->at + skip - r->from;

    r->at += size;
    if (skip >= size || to >= FP_BON_ROW)
        return FP_OK;
    size -= skip;
    if (size > FP_BON_ROW - to)
        size = FP_BON_ROW - to;
    if (buf == NULL)
        return fp_bon_read(fs, off + skip, r->buf + to, size);
    memcpy(r->buf + to, buf + skip, size);
    return FP_OK;
}

static int add_kid(struct fp_bon *fs, struct row *r, uint32_t row)
{
    uint8_t addr[4];

    fp_bon_put_addr(fs, addr, row);
    return add(fs, r, addr, 0, sizeof addr);
}

/* The children that there will be; those that are no records are left out.
 * How many, or an error. */
static int add_kids(struct fp_bon *fs, struct fp_bon_edit *e, struct row *r)
{
    uint32_t index = 0, left = e->put;
    struct fp_bon_node kid, old;
    int got = 0, count = 0;

    if (e->node.row != 0)
        got = fp_bon_load(fs, e->node.row, &old);
    old.kids = e->node.row != 0 ? old.kids : 0;
    while (!got && (got = fp_bon_kid(fs, &old, &index, &kid)) > 0) {
        got = 0;
        if (kid.row == e->drop_too)
            continue;
        if (kid.row == e->drop) {
            kid.row = left;
            left = 0;
        }
        if (kid.row == 0)
            continue;
        got = add_kid(fs, r, kid.row);
        count++;
    }
    if (!got && left != 0) {
        got = add_kid(fs, r, left);
        count++;
    }
    return got ? got : count;
}

/* Row `index` of the record. */
static int compose(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t index,
                   uint8_t *buf)
{
    struct row r = { buf, index * FP_BON_ROW, 0 };
    const struct fp_bon_node *n = &e->node;
    uint8_t head[FP_BON_HEAD];
    int err;

    fp_bon_put_head(fs, head, n);
    memset(buf, 0, FP_BON_ROW);
    err = add(fs, &r, head, 0, sizeof head);
    if (!err)
        err = add(fs, &r, e->handle, e->handle_at, n->handle_size);
    if (!err)
        err = add(fs, &r, NULL, e->data, n->data_size);
    if (!err)
        err = add_kids(fs, e, &r);
    return err < 0 ? err : FP_OK;
}

int fp_bon_edit_of(struct fp_bon *fs, uint32_t row, struct fp_bon_edit *e)
{
    int err = fp_bon_load(fs, row, &e->node);

    e->handle = NULL;
    e->handle_at = fp_bon_handle_at(&e->node);
    e->data = fp_bon_data_at(&e->node);
    e->drop = e->put = e->drop_too = 0;
    return err;
}

/* How many rows it will have, or an error. */
static int count_rows(struct fp_bon *fs, struct fp_bon_edit *e)
{
    uint8_t none;
    struct row r = { &none, UINT32_MAX, 0 };
    int kids = add_kids(fs, e, &r);

    if (kids < 0)
        return kids;
    if ((uint32_t)kids > FP_BON_KIDS_MAX)
        return FP_ERR_NOSPC;
    e->node.kids = (uint8_t)kids;
    return (int)fp_bon_rows(fp_bon_size(&e->node));
}

int fp_bon_edit_to(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t row)
{
    int count = count_rows(fs, e), err = count < 0 ? count : FP_OK;

    for (uint32_t i = 0; (int)i < count && !err; i++) {
        err = compose(fs, e, i, fs->row);
        if (!err)
            err = fp_bon_put_row(fs, row + i, fs->row);
    }
    return err;
}

int fp_bon_edit_new(struct fp_bon *fs, struct fp_bon_edit *e, uint32_t *row)
{
    int count = count_rows(fs, e);
    int err = count < 0 ? count : fp_bon_alloc(fs, (uint32_t)count, row);

    return err ? err : fp_bon_edit_to(fs, e, *row);
}

int fp_bon_edit_here(struct fp_bon *fs, struct fp_bon_edit *e)
{
    int count = count_rows(fs, e), err = count < 0 ? count : FP_OK;

    for (uint32_t i = 0; (int)i < count && !err; i++) {
        err = compose(fs, e, i, fs->row);
        if (!err)
            err = fp_bon_is_same(fs, (e->node.row + i) * FP_BON_ROW, fs->row,
                                 FP_BON_ROW);
        if (err)
            err = err < 0 ? err : FP_OK;
        else
            err = fp_bon_journal(fs, e->node.row + i, fs->row);
    }
    return err;
}

/* Every child of the node gets it as its parent at `row`. */
static int adopt(struct fp_bon *fs, const struct fp_bon_node *node,
                 uint32_t row)
{
    struct fp_bon_node kid;
    uint32_t index = 0;
    int got;

    while ((got = fp_bon_kid(fs, node, &index, &kid)) > 0) {
        got = fp_bon_read(fs, kid.row * FP_BON_ROW, fs->row, FP_BON_ROW);
        fp_bon_put_addr(fs, fs->row + 3, row);
        if (!got)
            got = fp_bon_journal(fs, kid.row, fs->row);
        if (got)
            return got;
    }
    return got;
}

void fp_bon_tell_moved(struct fp_bon *fs, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < fs->max_files; i++)
        if (fs->files[i] != NULL && fs->files[i]->node == from)
            fs->files[i]->node = to;
    for (struct fp_bon_dir *d = fs->dirs; d != NULL; d = d->next)
        if (d->node == from)
            d->node = to;
}

/* Moves the node at `row` elsewhere: a change of its own. */
static int move_node(struct fp_bon *fs, uint32_t row)
{
    struct fp_bon_edit e, parent;
    uint32_t to = 0;
    int err = fp_bon_edit_of(fs, row, &e);

    if (!err)
        err = fp_bon_edit_of(fs, e.node.parent, &parent);
    if (!err)
        err = fp_bon_edit_new(fs, &e, &to);
    parent.drop = row;
    parent.put = to;
    if (!err)
        err = fp_bon_edit_here(fs, &parent);
    if (!err)
        err = adopt(fs, &e.node, to);
    if (!err)
        err = fp_bon_commit(fs);
    if (!err)
        fp_bon_tell_moved(fs, row, to);
    return fp_bon_settle(fs, err);
}

/* Whoever has the row gives it up. */
static int evict(struct fp_bon *fs, uint32_t row)
{
    if (fp_bon_bit(fs->heads, row))
        return move_node(fs, row);
    for (uint32_t i = 0; i < fs->max_files; i++) {
        struct fp_bon_file *f = fs->files[i];

        if (f != NULL && f->shadow == row)
            return fp_bon_settle(fs, fp_bon_shadow_move(fs, f, f->shadow_rows));
    }
    /* A removed file that is still read, or records that overlap. */
    return FP_ERR_BUSY;
}

int fp_bon_edit_room(struct fp_bon *fs, struct fp_bon_edit *e)
{
    struct fp_bon_node old;
    int count = count_rows(fs, e), err;
    uint32_t first, end, blocked = 0;

    if (count < 0)
        return count;
    err = fp_bon_load(fs, e->node.row, &old);
    first = e->node.row + fp_bon_rows(fp_bon_size(&old));
    end = e->node.row + (uint32_t)count;
    if (err || end > fp_bon_head(fs))
        return err ? err : FP_ERR_NOSPC;
    /* Nobody takes what it grows into. */
    for (uint32_t row = first; row < end; row++) {
        if (fp_bon_bit(fs->used, row) && blocked == 0)
            blocked = row;
        fp_bon_set(fs->used, row);
    }
    if (blocked == 0)
        return 0;
    err = evict(fs, blocked);
    return err ? err : 1;
}
