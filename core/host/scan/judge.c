/* SPDX-License-Identifier: MIT
 *
 * Is it a volume? The driver's probe and a read-only mount say so.
 *
 * A volume that states its size is mounted on a device without an end: the
 * dump, and erased flash behind it. So one that is cut off is told from one
 * that is damaged: it states more than there is or, where it does not mount,
 * was looking for something behind the end.
 */
#include "core/host/scan/pass.h"
#include "core/host/volume.h"

#include <string.h>

const struct fp_fs_ops *fp_host_scan_driver(
    const struct fp_host_scan_pass *pass, const char *fs)
{
    if (pass->cfg->fs != NULL && strcmp(pass->cfg->fs, fs) != 0)
        return NULL;
    return fp_host_volume_driver(pass->cfg->drivers, fs);
}

int fp_host_scan_score(struct fp_host_scan_pass *pass,
                       const struct fp_fs_ops *ops, uint64_t at, uint64_t size,
                       const struct fp_fs_config *cfg)
{
    struct fp_fs_config found = *cfg;
    int score = 0;

    fp_host_view_init(&pass->view, pass->dev, at, size, &pass->budget);
    return ops->probe(&pass->view.bdev, &found, &score) == FP_OK ? score : 0;
}

struct used {
    uint64_t blocks;
};

static int on_block(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct used *used = ctx;

    (void)use;
    if (block >= used->blocks)
        used->blocks = (uint64_t)block + 1;
    return 0;
}

int fp_host_scan_used_end(struct fp_mount *mnt, void *end)
{
    struct used used = { 0 };
    int err = fp_fs_blocks(mnt, on_block, &used);

    *(uint64_t *)end = used.blocks * mnt->cfg.block_size;
    return err;
}

static int open_volume(struct fp_host_scan_pass *pass,
                       const struct fp_fs_ops *ops,
                       const struct fp_fs_config *cfg, uint64_t at,
                       uint64_t size, struct fp_host_volume *vol)
{
    const struct fp_fs_ops *const only[] = { ops, NULL };
    struct fp_host_volume_config with = { .drivers = only, .cfg = *cfg };

    with.cfg.flags |= FP_MOUNT_RDONLY;
    fp_host_view_init(&pass->view, pass->dev, at, size, &pass->budget);
    return fp_host_volume_open(vol, &pass->view.bdev, &with);
}

int fp_host_scan_with(struct fp_host_scan_pass *pass,
                      const struct fp_fs_ops *ops,
                      const struct fp_fs_config *cfg, uint64_t at,
                      uint64_t size, int (*fn)(struct fp_mount *mnt, void *ctx),
                      void *ctx)
{
    struct fp_host_volume vol;
    int err = open_volume(pass, ops, cfg, at, size, &vol);

    if (err)
        return err;
    err = fn(&vol.mnt, ctx);
    fp_host_volume_close(&vol);
    return err;
}

/* What the medium or memory refuses ends the scan; all else says that there is
 * no volume. */
static int verdict(int err)
{
    switch (err) {
    case FP_ERR_IO:
    case FP_ERR_NODEV:
    case FP_ERR_CANCELED:
        return err;
    default:
        return FP_ERR_NOENT;
    }
}

/* One of which only the beginning is there: it is sure of itself, and its root
 * lies behind the end. */
static int judge_cut(struct fp_host_scan_pass *pass, int err, uint64_t size,
                     struct fp_host_region *found)
{
    if (err != FP_ERR_CORRUPT || !found->states_size || !pass->view.passed ||
        fp_host_scan_score(pass, found->ops, found->offset, size, &found->cfg) <
            80)
        return verdict(err);
    found->size = pass->size - found->offset;
    found->missing = UINT64_MAX;
    return FP_OK;
}

static int describe(struct fp_host_scan_pass *pass, struct fp_mount *mnt,
                    uint64_t size, struct fp_host_region *found)
{
    uint64_t there = pass->size - found->offset;
    uint64_t stated = (uint64_t)mnt->cfg.block_count * mnt->cfg.block_size;
    int err;

    pass->view.passed = false;
    err = fp_fs_statfs(mnt, &found->st);
    found->has_use = err == FP_OK;
    found->is_mountable = true;
    found->cfg.block_size = mnt->cfg.block_size;
    found->size = size;
    found->cfg.block_count = (uint32_t)(size / mnt->cfg.block_size);
    if (found->states_size) {
        found->cfg.block_count = mnt->cfg.block_count;
        found->size = stated < there ? stated : there;
        found->missing = stated - found->size;
    }
    found->is_damaged = err == FP_ERR_CORRUPT && !found->missing;
    return err == FP_ERR_IO || err == FP_ERR_NODEV ? err : FP_OK;
}

/* A driver may go through what it believes to be the whole volume without a
 * read, in its caches. So a large one costs by itself, but not so much that a
 * few large cards could not be looked at, and one that is out of all proportion
 * to the dump is not looked at. */
static int afford(struct fp_host_scan_pass *pass, uint64_t size)
{
    uint64_t cost = size / 32 + 4096;

    if (cost > FP_HOST_SCAN_DEAREST)
        cost = FP_HOST_SCAN_DEAREST;
    if (size / 64 > pass->size + (1u << 20))
        return FP_ERR_NOENT;
    if (pass->budget < cost)
        return FP_ERR_CANCELED;
    pass->budget -= cost;
    return FP_OK;
}

int fp_host_scan_settle(struct fp_host_scan_pass *pass,
                        const struct fp_fs_ops *ops,
                        const struct fp_fs_config *cfg, uint64_t at,
                        uint64_t size, bool states_size,
                        struct fp_host_region *found)
{
    struct fp_host_volume vol;
    int err = afford(pass, size);

    if (err)
        return err;
    *found = (struct fp_host_region){ .kind = FP_HOST_VOLUME,
                                      .offset = at,
                                      .ops = ops,
                                      .cfg = *cfg,
                                      .states_size = states_size };
    err = open_volume(pass, ops, cfg, at, size, &vol);
    if (err)
        return judge_cut(pass, err, size, found);
    found->cfg = vol.mnt.cfg;
    err = describe(pass, &vol.mnt, size, found);
    fp_host_volume_close(&vol);
    return err;
}
