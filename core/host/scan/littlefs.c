/* SPDX-License-Identifier: MIT
 *
 * Finding littlefs. The superblock pair is blocks 0 and 1, and each has the
 * mark. Where one of them is gone, the other tells the block size, but not
 * which of the two it is: then both are tried.
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

#include <string.h>

/* The tag of an entry of id 0 called by 8 bytes, and these. Source:
 * docs/formats/littlefs.md, the superblock. */
static const char lfs_mark[] = "\xf0\x0f\xff\xf7"
                               "littlefs";

static uint64_t lfs_next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    return fp_host_scan_find(pass, from, lfs_mark, sizeof lfs_mark - 1, 4);
}

struct super {
    struct fp_fs_config cfg;
    uint64_t size; /* of the volume, as it states */
};

/* The two that are tried where one half of the pair is all there is: it as the
 * first block, and as the second. */
static int lfs_half(struct fp_host_scan_pass *pass, const struct fp_fs_ops *ops,
                    uint64_t at, const struct super *super,
                    struct fp_host_region *found)
{
    uint64_t before = at - super->cfg.block_size;
    struct fp_host_region first, second;
    uint8_t mark[sizeof lfs_mark - 1] = { 0 };
    int first_err, second_err = FP_ERR_NOENT;

    first_err = fp_host_scan_settle(pass, ops, &super->cfg, at, super->size,
                                    true, &first);
    if (at >= pass->floor + super->cfg.block_size &&
        fp_host_scan_score(pass, ops, before, super->size, &super->cfg) > 0)
        second_err = fp_host_scan_settle(pass, ops, &super->cfg, before,
                                         super->size, true, &second);
    if (second_err == FP_OK && first_err == FP_OK &&
        first.is_damaged == second.is_damaged &&
        !(pass->is_head && before == pass->floor)) {
        /* A torn first block has the mark all the same. */
        (void)fp_host_scan_peek(pass, before + 4, mark, sizeof mark);
        if (memcmp(mark, lfs_mark, sizeof mark) != 0)
            second_err = FP_ERR_NOENT;
    }
    if (second_err == FP_OK && (first_err || !second.is_damaged)) {
        *found = second;
        return FP_OK;
    }
    *found = first;
    return first_err;
}

/* What the entry behind the mark says. Source: docs/formats/littlefs.md, the
 * superblock. */
static int lfs_read(struct fp_host_scan_pass *pass, uint64_t at,
                    struct super *super)
{
    uint8_t record[32];
    int err = fp_host_scan_peek(pass, at, record, sizeof record);
    uint32_t size = fp_get_le32(record + 24);

    if (err)
        return err;
    *super =
        (struct super){ .cfg = { .block_size = size },
                        .size = (uint64_t)size * fp_get_le32(record + 28) };
    return fp_get_le32(record + 20) >> 16 == 2 && size >= 64 &&
                   size <= 1u << 20 && super->size >= 2 * (uint64_t)size
               ? FP_OK
               : FP_ERR_NOENT;
}

static int take_size(struct fp_mount *mnt, void *size)
{
    *(uint64_t *)size = (uint64_t)mnt->cfg.block_count * mnt->cfg.block_size;
    return FP_OK;
}

/* A volume that was made larger says so in a later entry, which the driver
 * finds if it is shown more than the first one states. */
static int lfs_grown(struct fp_host_scan_pass *pass,
                     const struct fp_fs_ops *ops, const struct super *super,
                     struct fp_host_region *found)
{
    uint64_t size, at = found->offset;
    int err = fp_host_scan_with(pass, ops, &super->cfg, at, 16 * super->size,
                                take_size, &size);

    if (err || size == super->size)
        return err == FP_ERR_CANCELED ? err : FP_OK;
    return fp_host_scan_settle(pass, ops, &super->cfg, at, size, true, found);
}

static int lfs_look(struct fp_host_scan_pass *pass, uint64_t at,
                    struct fp_host_region *found)
{
    const struct fp_fs_ops *ops = fp_host_scan_driver(pass, "littlefs");
    struct super super;
    int err = lfs_read(pass, at, &super);

    if (err || ops == NULL)
        return err ? err : FP_ERR_NOENT;
    if (fp_host_scan_score(pass, ops, at, super.size, &super.cfg) < 100)
        err = lfs_half(pass, ops, at, &super, found);
    else
        err = fp_host_scan_settle(pass, ops, &super.cfg, at, super.size, true,
                                  found);
    return err ? err : lfs_grown(pass, ops, &super, found);
}

const struct fp_host_scan_finder fp_host_scan_littlefs = {
    .fs = "littlefs",
    .next = lfs_next,
    .look = lfs_look,
};
