/* SPDX-License-Identifier: MIT
 *
 * Nodes: a snapshot is a tree with 256 entries a node. At level 0 an entry
 * stands for a chunk, above for a node of the level below:
 *
 *     00 id[16]   a chunk, or the node below
 *     01 byte     a chunk of one byte throughout
 *     02          a chunk that could not be read
 *
 * one after another, nothing between them. A node's id is the first half of
 * the SHA-256 of its level (one byte) and its entries, so equal parts of two
 * images are one row, and a damaged row is noticed.
 */
#include "daemon/store/internal.h"

#include <string.h>

unsigned fpd_node_top(uint32_t chunk_count)
{
    unsigned level = 0;

    while (chunk_count > fpd_node_span(level))
        level++;
    return level;
}

uint32_t fpd_node_span(unsigned level)
{
    return (uint32_t)FPD_NODE_KIDS << (8 * level);
}

size_t fpd_node_encode(const struct fpd_snapshot_entry *kids, unsigned count,
                       uint8_t *out)
{
    size_t n = 0;

    for (unsigned i = 0; i < count; i++) {
        out[n++] = kids[i].kind;
        if (kids[i].kind == FPD_KIND_CHUNK) {
            memcpy(out + n, kids[i].id, 16);
            n += 16;
        } else if (kids[i].kind == FPD_KIND_FILL) {
            out[n++] = kids[i].fill;
        }
    }
    return n;
}

void fpd_node_id(unsigned level, const uint8_t *kids, size_t size,
                 uint8_t id[16])
{
    uint8_t buf[1 + FPD_NODE_SIZE], digest[32];

    FP_ASSERT(size <= FPD_NODE_SIZE);
    buf[0] = (uint8_t)level;
    memcpy(buf + 1, kids, size);
    fpd_sha256(buf, size + 1, digest);
    memcpy(id, digest, 16);
}

static int decode(const uint8_t *in, size_t size, unsigned level,
                  struct fpd_snapshot_entry *kids, unsigned *count)
{
    size_t n = 0;
    unsigned i = 0;

    for (; n < size; i++) {
        if (i == FPD_NODE_KIDS)
            return FP_ERR_CORRUPT;
        kids[i] = (struct fpd_snapshot_entry){ .kind = in[n++] };
        if (kids[i].kind == FPD_KIND_CHUNK && size - n >= 16) {
            memcpy(kids[i].id, in + n, 16);
            n += 16;
        } else if (level == 0 && kids[i].kind == FPD_KIND_FILL && n < size) {
            kids[i].fill = in[n++];
        } else if (level != 0 || kids[i].kind != FPD_KIND_UNREADABLE) {
            return FP_ERR_CORRUPT;
        }
    }
    *count = i;
    return FP_OK;
}

int fpd_node_load(struct fpd_conn *conn, const uint8_t id[16], unsigned level,
                  struct fpd_snapshot_entry kids[FPD_NODE_KIDS],
                  unsigned *count)
{
    sqlite3_stmt *stmt;
    uint8_t is[16];
    int err =
        fpd_stmt_bind(conn, &stmt, "SELECT level, kids FROM node WHERE id = ?1",
                      "b", id, (size_t)16);

    if (err)
        return err;
    err = fpd_stmt_step(stmt);
    if (err == 0)
        err = FP_ERR_CORRUPT;
    if (err > 0) {
        const uint8_t *data = sqlite3_column_blob(stmt, 1);
        size_t size = (size_t)sqlite3_column_bytes(stmt, 1);

        err = FP_ERR_CORRUPT;
        if (data && size <= FPD_NODE_SIZE &&
            sqlite3_column_int64(stmt, 0) == (int64_t)level) {
            fpd_node_id(level, data, size, is);
            if (memcmp(is, id, 16) == 0)
                err = decode(data, size, level, kids, count);
        }
    }
    fpd_stmt_done(stmt);
    return err;
}
