/* SPDX-License-Identifier: MIT
 *
 * Finding Bonsai: the System File's head begins the volume. Where it ends is
 * nowhere said, but all rows in it are erased, or a record's, or the journal's.
 * Source: docs/formats/bonsai.md
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

#include <string.h>

#define ROW     256u
#define LARGEST ((uint64_t)8192 * ROW) /* the driver's largest */
#define LEAST   (4 * ROW)              /* the driver's */
#define HEAD    8u
#define NO_FILE 0xffu

static const char mark[] = "\x0b\x04\0\0\0\0\0\0system_file";

static uint64_t next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    return fp_host_scan_find(pass, from, mark, sizeof mark - 1, 0);
}

static uint64_t rows_up(uint64_t size)
{
    return (size + ROW - 1) / ROW * ROW;
}

static int look(struct fp_host_scan_pass *pass, uint64_t at,
                struct fp_host_region *found)
{
    const struct fp_fs_ops *ops = fp_host_scan_driver(pass, "bonsai");
    const struct fp_fs_config cfg = { .block_size = ROW };
    uint64_t size = (pass->limit - at) / ROW * ROW, used;
    int err;

    if (ops == NULL || size < LEAST)
        return FP_ERR_NOENT;
    if (size > LARGEST)
        size = LARGEST;
    err = fp_host_scan_settle(pass, ops, &cfg, at, size, false, found);
    if (err)
        return err;
    err = fp_host_scan_with(pass, ops, &cfg, at, size, fp_host_scan_used_end,
                            &used);
    if (err == FP_ERR_CANCELED)
        return err;
    found->size = err || used < LEAST ? LEAST : used;
    if (found->size > size)
        found->size = size;
    return FP_OK;
}

/* Bytes from row `at` on that may be the volume's; 0: none. */
static uint64_t row_size(struct fp_host_scan_pass *pass, uint64_t at,
                         uint32_t start)
{
    uint8_t head[HEAD + 7];
    uint32_t parent;
    int erased = fp_host_scan_is_erased(pass, at, ROW);

    if (erased != 0)
        return erased < 0 ? 0 : ROW;
    if (fp_host_scan_peek(pass, at, head, sizeof head) != FP_OK ||
        head[0] == 0 || head[0] == NO_FILE)
        return 0;
    parent = fp_get_le32(head + 3);
    if (head[0] != 7 || memcmp(head + HEAD, "journal", 7) != 0)
        if (parent < start || parent - start >= LARGEST ||
            (parent - start) % ROW != 0)
            return 0;
    return rows_up(HEAD + head[0] + (uint64_t)fp_get_le16(head + 1) +
                   4u * head[7]);
}

static uint64_t grow(struct fp_host_scan_pass *pass,
                     const struct fp_host_region *volume, uint64_t limit)
{
    uint64_t at = volume->offset + volume->size, n;
    uint8_t root[HEAD];
    uint32_t start;

    if (limit - volume->offset > LARGEST)
        limit = volume->offset + LARGEST;
    if (fp_host_scan_peek(pass, volume->offset + ROW, root, HEAD) != FP_OK)
        return at;
    start = fp_get_le32(root + 3) - ROW;
    while (at + ROW <= limit && (n = row_size(pass, at, start)) > 0 &&
           at + n <= limit)
        at += n;
    return at;
}

const struct fp_host_scan_finder fp_host_scan_bonsai = {
    .fs = "bonsai",
    .next = next,
    .look = look,
    .grow = grow,
};
