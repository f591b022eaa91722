/* SPDX-License-Identifier: MIT
 *
 * Mounting, and what a volume says of itself.
 */
#include "core/fs/spiffs/spf.h"
#include "core/fs/spiffs/spiffs.h"

#include <string.h>

int fp_spf_mount(struct fp_mount *mnt)
{
    const uint32_t needs = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    bool writes = !(mnt->cfg.flags & FP_MOUNT_RDONLY);
    struct fp_spf *fs = fp_spf_of(mnt);
    int err;

    if (mnt->cfg.block_size == 0)
        return FP_ERR_INVAL;
    if (writes &&
        ((mnt->dev->flags & needs) != needs ||
         mnt->cfg.block_size % mnt->dev->block_size || mnt->cfg.page_size % 4))
        return FP_ERR_NOTSUP;
    err = fp_spf_layout(fs, mnt->dev, &mnt->cfg);
    if (err)
        return err;
    fs->mnt = mnt;
    fs->dev = mnt->dev;
    fs->unit_at = (fp_addr)-1;
    err = fp_spf_place(fs, mnt->ws, mnt->ws_size);
    return err ? err : fp_spf_scan(fs);
}

/* Does anything in the block live? */
static enum fp_block_use use_of(const struct fp_spf *fs, uint32_t block)
{
    enum fp_block_use use = FP_BLOCK_STALE;

    for (uint32_t p = block * fs->ppb; p < (block + 1) * fs->ppb; p++) {
        uint8_t state = fs->map[p];

        if (state == FP_SPF_DATA)
            return FP_BLOCK_DATA;
        if (state & (FP_SPF_HEAD | FP_SPF_IX))
            use = FP_BLOCK_METADATA;
    }
    return use;
}

/* Of the blocks in which nothing lives, one is kept for moving pages into. */
int fp_spf_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx)
{
    const struct fp_spf *fs = fp_spf_of(mnt);
    bool kept = false;

    for (uint32_t b = 0; b < fs->block_count; b++) {
        enum fp_block_use use = use_of(fs, b);
        int err;

        if (use == FP_BLOCK_STALE && kept)
            continue;
        kept |= use == FP_BLOCK_STALE;
        err = fn(ctx, b, use == FP_BLOCK_STALE ? FP_BLOCK_METADATA : use);
        if (err)
            return err;
    }
    return FP_OK;
}

static int count_block(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)block;
    (void)use;
    ++*(uint32_t *)ctx;
    return 0;
}

int fp_spf_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    const struct fp_spf *fs = fp_spf_of(mnt);
    uint32_t room = (fs->block_count - 2) * fs->usable;
    uint32_t used = 0, live;

    (void)fp_spf_blocks(mnt, count_block, &used);
    live = fs->block_count * fs->usable - fs->free - fs->gone;
    st->block_size = fs->block_size;
    st->block_count = fs->block_count;
    st->blocks_used = used;
    /* One page goes to the header, and one in so many to the index. */
    live = fp_spf_min(room, live + 2);
    st->free =
        (uint64_t)(room - live) * fs->slots / (fs->slots + 1) * fs->payload;
    st->name_max = fs->name_len - 1u - (fs->slash && !fs->raw);
    st->file_max = FP_SPF_EMPTY - 1;
    st->files_max = fs->id_max;
    st->needs_repair = fs->hurt;
    return FP_OK;
}
