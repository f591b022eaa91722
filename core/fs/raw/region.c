/* SPDX-License-Identifier: MIT */
#include "core/fs/raw/region.h"

#include <string.h>

const struct fp_raw_region *fp_raw_find(const struct fp_mount *mnt,
                                        const char *path)
{
    const struct fp_raw_region *region = fp_raw_of(mnt)->regions;

    for (; region->name != NULL; region++)
        if (strcmp(path + 1, region->name) == 0)
            return region;
    return NULL;
}

size_t fp_raw_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg)
{
    uint32_t size = cfg->cache_size != 0 ? cfg->cache_size : dev->block_size;

    return sizeof(struct fp_raw) + size;
}

int fp_raw_mount(struct fp_mount *mnt)
{
    struct fp_raw *raw = fp_raw_of(mnt);

    raw->regions = mnt->cfg.table;
    raw->at = FP_RAW_NOWHERE;
    raw->size = (uint32_t)(fp_raw_workspace(mnt->dev, &mnt->cfg) - sizeof *raw);
    raw->write_back = NULL;
    return raw->regions != NULL ? FP_OK : FP_ERR_INVAL;
}

int fp_raw_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st)
{
    const struct fp_raw_region *region = fp_raw_find(mnt, path);

    st->type = FP_TYPE_DIR;
    if (region == NULL)
        return path[1] == '\0' ? FP_OK : FP_ERR_NOENT;
    st->type = FP_TYPE_FILE;
    st->size = region->size;
    return FP_OK;
}

/* All of the device is what there could be, and all of it is in use. */
int fp_raw_statfs(struct fp_mount *mnt, struct fp_statfs *st)
{
    st->block_size = mnt->dev->block_size;
    st->block_count = st->blocks_used = mnt->dev->block_count;
    st->file_max = 0;
    for (const struct fp_raw_region *r = fp_raw_of(mnt)->regions; r->name; r++)
        if (r->size > st->file_max)
            st->file_max = r->size;
    st->name_max = FP_NAME_MAX;
    if (mnt->ops->write != NULL)
        st->caps = FP_CAP_SEEKWRITE | FP_CAP_WRITE;
    return FP_OK;
}

/* The state of a directory is the next region. */
static const struct fp_raw_region **next_of(struct fp_dir *dir)
{
    return (const struct fp_raw_region **)(void *)dir->state;
}

int fp_raw_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path)
{
    struct fp_stat st;
    int err = fp_raw_stat(mnt, path, &st);

    *next_of(dir) = fp_raw_of(mnt)->regions;
    return !err && st.type == FP_TYPE_FILE ? FP_ERR_NOTDIR : err;
}

int fp_raw_readdir(struct fp_dir *dir, struct fp_dirent *entry)
{
    const struct fp_raw_region *region = *next_of(dir);

    if (region->name == NULL)
        return 0;
    entry->st.type = FP_TYPE_FILE;
    entry->st.size = region->size;
    entry->name_len = (uint16_t)strlen(region->name);
    memcpy(entry->name, region->name, entry->name_len + 1u);
    *next_of(dir) = region + 1;
    return 1;
}
