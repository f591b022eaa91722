/* SPDX-License-Identifier: MIT
 *
 * Reading records. A child counts only if it names the node as its parent:
 * then every record has one place at most, whatever an image says, and the
 * records reached from the root are a tree.
 */
#include "core/fs/bonsai/bon.h"

#include "core/digest/crc32.h"

/* Where a row's content lies: a committed journal has some elsewhere. */
static uint32_t source_of(const struct fp_bon *fs, uint32_t row)
{
    for (uint32_t i = 0; i < fs->pending; i++)
        if (fs->move[i].target == row)
            return fs->move[i].source;
    return row;
}

int fp_bon_read(struct fp_bon *fs, uint32_t off, void *buf, uint32_t size)
{
    uint8_t *dst = buf;
    int err = FP_OK;

    while (size > 0 && !err) {
        uint32_t at = off % FP_BON_ROW, n = FP_BON_ROW - at;
        uint32_t row = source_of(fs, off / FP_BON_ROW);

        if (n > size)
            n = size;
        err = fp_bdev_read(fs->dev, (fp_addr)row * FP_BON_ROW + at, dst, n);
        dst += n;
        off += n;
        size -= n;
    }
    return err;
}

/* An address of a node: its row, or 0. */
static uint32_t row_of(const struct fp_bon *fs, uint32_t addr)
{
    uint32_t off = addr - fs->start, row = off / FP_BON_ROW;

    return off % FP_BON_ROW == 0 && row >= FP_BON_ROOT && row < fs->rows ? row
                                                                         : 0;
}

uint32_t fp_bon_size(const struct fp_bon_node *n)
{
    return FP_BON_HEAD + n->handle_size + n->data_size + 4u * n->kids;
}

bool fp_bon_is_dir(const struct fp_bon_node *n)
{
    return n->row == FP_BON_ROOT || n->kids > 0;
}

int fp_bon_load(struct fp_bon *fs, uint32_t row, struct fp_bon_node *node)
{
    uint8_t head[FP_BON_HEAD];
    int err = fp_bon_read(fs, row * FP_BON_ROW, head, sizeof head);

    if (err)
        return err;
    node->row = row;
    node->handle_size = head[0];
    node->data_size = fp_get_le16(head + 1);
    node->parent = row_of(fs, fp_get_le32(head + 3));
    node->kids = head[7];
    if (node->handle_size == FP_BON_NO_FILE ||
        fp_bon_size(node) > (fs->rows - row) * FP_BON_ROW)
        return FP_ERR_NOENT;
    return FP_OK;
}

int fp_bon_kid(struct fp_bon *fs, const struct fp_bon_node *node,
               uint32_t *index, struct fp_bon_node *kid)
{
    uint32_t at = fp_bon_data_at(node) + node->data_size;

    while (*index < node->kids) {
        uint8_t addr[4];
        int err = fp_bon_read(fs, at + 4 * (*index)++, addr, sizeof addr);
        uint32_t row = row_of(fs, fp_get_le32(addr));

        if (!err && row > FP_BON_ROOT)
            err = fp_bon_load(fs, row, kid);
        if (err && err != FP_ERR_NOENT)
            return err;
        if (!err && row > FP_BON_ROOT && kid->parent == node->row)
            return 1;
    }
    return 0;
}

int fp_bon_is_same(struct fp_bon *fs, uint32_t off, const uint8_t *want,
                   uint32_t size)
{
    uint8_t buf[32];

    while (size > 0) {
        uint32_t n = size < sizeof buf ? size : sizeof buf;
        int err = fp_bon_read(fs, off, buf, n);

        if (err)
            return err;
        if (memcmp(buf, want, n) != 0)
            return 0;
        off += n;
        want += n;
        size -= n;
    }
    return 1;
}

int fp_bon_kid_named(struct fp_bon *fs, const struct fp_bon_node *node,
                     struct fp_bon_node *kid)
{
    uint32_t index = 0;
    int got;

    while ((got = fp_bon_kid(fs, node, &index, kid)) > 0) {
        int same = 0;

        if (kid->handle_size == fs->handle_size)
            same = fp_bon_is_same(fs, fp_bon_handle_at(kid), fs->handle,
                                  fs->handle_size);
        if (same)
            return same < 0 ? same : FP_OK;
    }
    return got < 0 ? got : FP_ERR_NOENT;
}

/* A journal's rows as they are claimed to be, in fs->row. */
static bool are_moves_sane(struct fp_bon *fs, uint32_t count)
{
    const uint8_t *p = fs->row + FP_BON_JOURNAL;

    for (uint32_t i = 0; i < count; i++, p += 4) {
        struct fp_bon_move *m = &fs->move[i];

        m->target = fp_get_le16(p);
        m->source = fp_get_le16(p + 2);
        if (m->target >= fp_bon_head(fs) || m->source >= fp_bon_head(fs) ||
            m->source <= FP_BON_ROOT)
            return false;
    }
    return true;
}

int fp_bon_read_row(struct fp_bon *fs, uint32_t row)
{
    return fp_bdev_read(fs->dev, (fp_addr)row * FP_BON_ROW, fs->row,
                        FP_BON_ROW);
}

/* Source: the format page, The journal. The head is read twice, before the
 * sources and behind them, as the CRC has them. */
int fp_bon_load_journal(struct fp_bon *fs)
{
    uint32_t count, crc = UINT32_MAX;
    int err = fp_bon_read_row(fs, fp_bon_head(fs));

    fs->pending = 0;
    if (err || memcmp(fs->row + FP_BON_HEAD, "journal", 7) != 0)
        return err;
    count = fs->row[FP_BON_JOURNAL - 1];
    if (count > FP_BON_MOVES || fp_get_le32(fs->row + 3) != 0 ||
        !are_moves_sane(fs, count))
        return FP_OK;
    for (uint32_t i = 0; i < count && !err; i++) {
        err = fp_bon_read_row(fs, fs->move[i].source);
        crc = fp_crc32(crc, fs->row, FP_BON_ROW);
    }
    if (!err)
        err = fp_bon_read_row(fs, fp_bon_head(fs));
    crc = fp_crc32(crc, fs->row + FP_BON_JOURNAL - 5, 5 + 4 * count);
    if (!err && crc == fp_get_le32(fs->row + FP_BON_JOURNAL - 9))
        fs->pending = count;
    return err;
}
