/* SPDX-License-Identifier: MIT
 *
 * Reading records. A child counts only if it names the node as its parent:
 * then every record has one place at most, whatever an image says, and the
 * records reached from the root are a tree.
 */
#include "core/fs/bonsai/bon.h"

#include "core/digest/crc32.h"

void fp_bon_fail_with(struct fp_bon *fs, int minus_err)
{
    if (!fs->err)
        fs->err = -minus_err;
}

int fp_bon_result(struct fp_bon *fs)
{
    int err = fs->err;

    fs->err = FP_OK;
    return err;
}

void fp_bon_get(struct fp_bon *fs, uint32_t off, void *buf, uint32_t size)
{
    if (!fs->err)
        fs->err = fp_bdev_read(fs->dev, off, buf, size);
    if (fs->err)
        memset(buf, 0, size);
}

void fp_bon_get_row(struct fp_bon *fs, uint32_t row)
{
    fp_bon_get(fs, row * FP_BON_ROW, fs->row, FP_BON_ROW);
}

uint32_t fp_bon_place(const struct fp_bon *fs, uint32_t row)
{
    const uint8_t *at = fp_bon_move(fs, 0);

    for (uint32_t left = fs->journal[FP_BON_COUNT]; left > 0; left--, at += 4)
        if (fp_get_le16(at) == row)
            return fp_get_le16(at + 2);
    return row;
}

void fp_bon_read(struct fp_bon *fs, uint32_t off, void *buf, uint32_t size)
{
    uint8_t *dst = buf;

    while (size > 0) {
        uint32_t row = off / FP_BON_ROW, at = off % FP_BON_ROW;
        uint32_t n = FP_BON_ROW - at;

        if (n > size)
            n = size;
        if (row == fs->cached)
            memcpy(dst, fs->cache + at, n);
        else
            fp_bon_get(fs, fp_bon_place(fs, row) * FP_BON_ROW + at, dst, n);
        dst += n;
        off += n;
        size -= n;
    }
}

/* An address of a node: its row, or 0. */
static uint32_t row_of(const struct fp_bon *fs, const uint8_t *at)
{
    uint32_t off = fp_get_le32(at) - fs->start, row = off / FP_BON_ROW;

    return off % FP_BON_ROW == 0 && row < fs->rows ? row : 0;
}

uint32_t fp_bon_size(const struct fp_bon_node *n)
{
    return FP_BON_HEAD + n->handle_size + n->data_size + 4u * n->kids;
}

bool fp_bon_is_dir(const struct fp_bon_node *n)
{
    return n->row == FP_BON_ROOT || n->kids > 0;
}

bool fp_bon_load(struct fp_bon *fs, uint32_t row, struct fp_bon_node *node)
{
    uint8_t head[FP_BON_HEAD];

    fp_bon_read(fs, row * FP_BON_ROW, head, sizeof head);
    node->row = row;
    node->handle_size = head[0];
    node->data_size = fp_get_le16(head + 1);
    node->parent = row_of(fs, head + 3);
    node->kids = head[7];
    return !fs->err && node->handle_size != FP_BON_NO_FILE &&
           fp_bon_size(node) <= (fs->rows - row) * FP_BON_ROW;
}

uint32_t fp_bon_kid_at(struct fp_bon *fs, const struct fp_bon_node *node,
                       uint32_t index, struct fp_bon_node *kid)
{
    uint8_t addr[4];
    uint32_t row;

    fp_bon_read(fs, fp_bon_kids_at(node) + 4 * index, addr, sizeof addr);
    row = row_of(fs, addr);
    if (!fp_bon_load(fs, row, kid) || row <= FP_BON_ROOT ||
        kid->parent != node->row)
        kid->row = 0;
    return row;
}

bool fp_bon_kid(struct fp_bon *fs, const struct fp_bon_node *node,
                uint32_t *index, struct fp_bon_node *kid)
{
    kid->row = 0;
    while (*index < node->kids && kid->row == 0)
        fp_bon_kid_at(fs, node, (*index)++, kid);
    return kid->row != 0;
}

bool fp_bon_has_kids(struct fp_bon *fs, const struct fp_bon_node *node)
{
    struct fp_bon_node kid;
    uint32_t index = 0;

    return fp_bon_kid(fs, node, &index, &kid);
}

bool fp_bon_kid_named(struct fp_bon *fs, const struct fp_bon_node *node,
                      struct fp_bon_node *kid)
{
    uint32_t index = 0;

    while (fp_bon_kid(fs, node, &index, kid)) {
        if (kid->handle_size != fs->handle_size)
            continue;
        fp_bon_read(fs, fp_bon_handle_at(kid), fs->row, kid->handle_size);
        if (memcmp(fs->row, fs->handle, kid->handle_size) == 0)
            return true;
    }
    return false;
}

bool fp_bon_is_same(struct fp_bon *fs, uint32_t row, const uint8_t *want)
{
    uint8_t buf[32];

    for (uint32_t at = 0; at < FP_BON_ROW; at += sizeof buf) {
        fp_bon_get(fs, row * FP_BON_ROW + at, buf, sizeof buf);
        for (uint32_t i = 0; i < sizeof buf; i++)
            if (buf[i] != (want != NULL ? want[at + i] : 0xff))
                return false;
    }
    return true;
}

/* Are the rows that the journal names such as it may? */
static bool are_moves_sane(const struct fp_bon *fs)
{
    if (fs->journal[FP_BON_COUNT] > FP_BON_MOVES)
        return false;
    for (uint32_t i = 0; i < fs->journal[FP_BON_COUNT]; i++)
        if (fp_bon_target(fs, i) >= fp_bon_head(fs) ||
            fp_bon_source(fs, i) >= fp_bon_head(fs) ||
            fp_bon_source(fs, i) <= FP_BON_ROOT)
            return false;
    return true;
}

/* Source: the format page, The journal. */
void fp_bon_compose_journal(struct fp_bon *fs)
{
    uint8_t *head = fs->journal;
    uint32_t size = FP_BON_JOURNAL + 4u * head[FP_BON_COUNT];
    uint32_t crc = UINT32_MAX;

    for (uint32_t i = 0; i < head[FP_BON_COUNT]; i++) {
        fp_bon_get_row(fs, fp_bon_source(fs, i));
        crc = fp_crc32(crc, fs->row, FP_BON_ROW);
    }
    crc = fp_crc32(crc, head + FP_BON_START, size - FP_BON_START);
    memcpy(head, "\7\0\0\0\0\0\0\0journal", 15);
    head[1] = (uint8_t)(size - 15);
    fp_put_le32(head + 15, crc);
    memset(head + size, 0, FP_BON_ROW - size);
}

/* It is one only if all of it is as it would be composed. */
void fp_bon_load_journal(struct fp_bon *fs)
{
    fp_bon_get(fs, fp_bon_head(fs) * FP_BON_ROW, fs->journal, FP_BON_ROW);
    if (are_moves_sane(fs)) {
        fp_bon_compose_journal(fs);
        if (fp_bon_is_same(fs, fp_bon_head(fs), fs->journal))
            return;
    }
    fs->journal[FP_BON_COUNT] = 0;
}
