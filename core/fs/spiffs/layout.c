/* SPDX-License-Identifier: MIT
 *
 * The layout of a volume out of what the caller states, and of the workspace.
 */
#include "core/fs/spiffs/spf.h"

#include <string.h>

#define PAGE_DEFAULT 256u
#define ALIGNED(n)   (((n) + 15u) / 16u * 16u)

static uint32_t option(const struct fp_fs_config *cfg, const char *name,
                       uint32_t without)
{
    return fp_fs_option(cfg->options, name, without);
}

bool fp_spf_is_stated(const struct fp_fs_config *cfg)
{
    static const char *const names[] = {
        "name_len", "meta_len", "magic", "magic_length", "aligned", "id_bytes"
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (option(cfg, names[i], UINT32_MAX) != UINT32_MAX)
            return true;
    return false;
}

/* Blocks in pages. Source: format page, 2. */
static int blocks_of(struct fp_spf *fs)
{
    uint32_t per_lookup = fs->page_size / fs->w, last;

    if (fs->page_size < 64 || fs->page_size > 65536 ||
        fs->block_size % fs->page_size || fs->block_count < 3)
        return FP_ERR_INVAL;
    fs->ppb = fs->block_size / fs->page_size;
    fs->lookup = fs->ppb / per_lookup;
    if (fs->lookup == 0)
        fs->lookup = 1;
    if (fs->ppb < fs->lookup + 2)
        return FP_ERR_INVAL;
    fs->usable = fs->ppb - fs->lookup;
    /* Lookup entries must leave the magic alone. */
    last = fs->usable % per_lookup * fs->w;
    if (fs->magic && last > fs->page_size - 2u * fs->w)
        return FP_ERR_INVAL;
    if (fs->block_count > (fs->none - 1) / fs->ppb ||
        fs->block_count > 0x40000000u / fs->ppb)
        return FP_ERR_INVAL;
    fs->pages = fs->block_count * fs->ppb;
    fs->id_max =
        fp_spf_min(fs->block_count * fs->usable / 2 + 1, fp_spf_ix(fs) - 1);
    return FP_OK;
}

/* Pages in bytes. Source: format page, 3 and 4. */
static int pages_of(struct fp_spf *fs, bool aligned)
{
    fs->hdr = 2u * fs->w + 1;
    fs->pad = (fs->hdr + 3) / 4 * 4;
    fs->table0 = fs->pad + 5 + fs->name_len + fs->meta_len;
    if (aligned)
        fs->table0 += fs->table0 % fs->w ? fs->w - fs->table0 % fs->w : 0;
    if (fs->table0 + fs->w > fs->page_size)
        return FP_ERR_INVAL;
    fs->slots0 = (fs->page_size - fs->table0) / fs->w;
    fs->slots = (fs->page_size - fs->pad) / fs->w;
    fs->payload = fs->page_size - fs->hdr;
    return FP_OK;
}

int fp_spf_layout(struct fp_spf *fs, const struct fp_bdev *dev,
                  const struct fp_fs_config *cfg)
{
    uint32_t name_len = option(cfg, "name_len", 32);
    bool stated = fp_spf_is_stated(cfg), esp8266 = cfg->block_size == 8192;
    uint32_t meta_len = option(cfg, "meta_len", stated || esp8266 ? 0 : 4);
    uint32_t id_bytes = option(cfg, "id_bytes", 2);
    fp_addr blocks;
    int err;

    if (cfg->block_size == 0 || name_len < 2 || name_len > FP_SPF_NAME_MAX ||
        meta_len > 4096 || (id_bytes != 2 && id_bytes != 4))
        return FP_ERR_INVAL;
    blocks = fp_bdev_size(dev) / cfg->block_size;
    if (cfg->block_count > blocks)
        return FP_ERR_INVAL;
    *fs = (struct fp_spf){
        .block_size = cfg->block_size,
        .page_size = cfg->page_size ? cfg->page_size : PAGE_DEFAULT,
        .name_len = (uint16_t)name_len,
        .meta_len = (uint16_t)meta_len,
        .w = (uint8_t)id_bytes,
        .none = id_bytes == 2 ? 0xffff : 0xffffffff,
        .magic = option(cfg, "magic", 1) != 0,
        .magic_length = option(cfg, "magic_length", 1) != 0,
        .raw = cfg->flags & FP_MOUNT_STORED || option(cfg, "raw", 0),
        .block_count = cfg->block_count,
    };
    if (fs->block_count == 0)
        fs->block_count = blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)blocks;
    err = blocks_of(fs);
    return err ? err
               : pages_of(fs, option(cfg, "aligned", !stated && esp8266) != 0);
}

/* Source: format page, 2. */
uint32_t fp_spf_magic(const struct fp_spf *fs, uint32_t block)
{
    uint32_t magic = 0x20140529u ^ fs->page_size;

    if (fs->magic_length)
        magic ^= fs->block_count - block;
    return magic & fs->none;
}

/* The workspace, piece by piece: its size; the pieces' places in fs when there
 * is a workspace. */
static size_t carve(struct fp_spf *fs, const struct fp_bdev *dev,
                    uint32_t max_files, uint8_t *ws)
{
    uint32_t unit =
        dev->read_size > dev->prog_size ? dev->read_size : dev->prog_size;
    uint32_t stride = 2 * fs->page_size + ALIGNED(fs->name_len);
    size_t bits = ALIGNED(fs->id_max / 8 + 1);
    uint8_t **const places[] = { &fs->map, &fs->ids,  &fs->heads, &fs->page,
                                 &fs->aux, &fs->unit, &fs->name,  &fs->files };
    const size_t sizes[] = { ALIGNED(fs->pages),
                             bits,
                             bits,
                             fs->page_size,
                             fs->page_size,
                             ALIGNED(unit),
                             ALIGNED(fs->name_len),
                             (size_t)stride * max_files };
    size_t at = ALIGNED(sizeof *fs);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        if (ws != NULL)
            *places[i] = ws + at;
        at += sizes[i];
    }
    fs->file_stride = stride;
    return at;
}

size_t fp_spf_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    uint32_t max_files = cfg->max_files ? cfg->max_files : 4;
    struct fp_fs_config use = *cfg;
    struct fp_spf fs;

    /* Nothing stated: as format would make it. The least page is what a
     * search may find, and needs the most. */
    if (use.block_size == 0)
        use.block_size = dev->block_size;
    if (max_files > FP_SPF_FILES_MAX || fp_spf_layout(&fs, dev, &use))
        return 0;
    return carve(&fs, dev, max_files, NULL);
}

int fp_spf_place(struct fp_spf *fs, uint8_t *ws, size_t ws_size)
{
    uint32_t max_files = fs->mnt->cfg.max_files;

    if (carve(fs, fs->dev, max_files, ws) > ws_size)
        return FP_ERR_NOMEM;
    return FP_OK;
}
