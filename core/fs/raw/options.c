/* SPDX-License-Identifier: MIT
 *
 * Regions out of a text, "name=OFF+SIZE[:ro],...". The table is made behind the
 * buffer in the workspace: as many entries as the text has '=' and one more,
 * then a copy of the text, in which each name gets its end.
 */
#include "core/fs/raw/region.h"

#include <string.h>

/* Entries of a table for the text, the last one empty. */
static size_t entry_count(const char *text)
{
    size_t count = 1;

    for (; *text != '\0'; text++)
        count += *text == '=';
    return count;
}

/* The table lies as the compiler lays out structs, behind a buffer of any
 * size. */
static size_t table_at(const struct fp_bdev *dev,
                       const struct fp_fs_config *cfg)
{
    const size_t align = _Alignof(struct fp_raw_region);

    return (fp_raw_workspace(dev, cfg) + align - 1) / align * align;
}

size_t fp_raw_workspace_text(const struct fp_bdev *dev,
                             const struct fp_fs_config *cfg)
{
    const char *text = cfg->options;

    if (cfg->table != NULL || text == NULL)
        return fp_raw_workspace(dev, cfg);
    if (cfg->cache_size != 0 && (dev->block_size % cfg->cache_size != 0 ||
                                 cfg->cache_size % dev->read_size != 0))
        return 0;
    return table_at(dev, cfg) +
           entry_count(text) * sizeof(struct fp_raw_region) + strlen(text) + 1;
}

static uint32_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    return c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10) : UINT32_MAX;
}

/* A number; *at is behind it then. false: there is none, or it is larger than
 * every device. */
static bool number(char **at, fp_addr *value)
{
    uint32_t base = 10;
    char *start;

    if ((*at)[0] == '0' && (*at)[1] == 'x') {
        base = 16;
        *at += 2;
    }
    start = *at;
    for (*value = 0; digit(**at) < base; ++*at) {
        if (*value > ((fp_addr)-1 - digit(**at)) / base)
            return false;
        *value = *value * base + digit(**at);
    }
    return *at != start;
}

/* Takes the region at *at, which is behind it then. */
static bool take(char **at, struct fp_raw_region *region)
{
    size_t size = strcspn(*at, "=,/");
    char *p = *at + size;

    region->name = *at;
    region->flags = 0;
    if (size == 0 || size > FP_NAME_MAX || *p != '=')
        return false;
    *p++ = '\0';
    if (!number(&p, &region->off) || *p++ != '+' || !number(&p, &region->size))
        return false;
    if (strncmp(p, ":ro", 3) == 0) {
        region->flags = FP_RAW_RDONLY;
        p += 3;
    }
    if (*p == ',' && p[1] != '\0')
        p++;
    else if (*p != '\0')
        return false;
    *at = p;
    return true;
}

/* Is the last region of the table on the device, and the first of its name? */
static bool is_sound(const struct fp_mount *mnt,
                     const struct fp_raw_region *table,
                     const struct fp_raw_region *last)
{
    const fp_addr end = fp_bdev_size(mnt->dev);

    if (last->off > end || last->size > end - last->off)
        return false;
    for (; table != last; table++)
        if (strcmp(table->name, last->name) == 0)
            return false;
    return true;
}

int fp_raw_mount_text(struct fp_mount *mnt)
{
    struct fp_raw_region *table, *last;
    char *text;

    if (mnt->cfg.table != NULL || mnt->cfg.options == NULL)
        return fp_raw_mount(mnt);
    table = (struct fp_raw_region *)(void *)((uint8_t *)mnt->ws +
                                             table_at(mnt->dev, &mnt->cfg));
    text = (char *)(table + entry_count(mnt->cfg.options));
    memcpy(text, mnt->cfg.options, strlen(mnt->cfg.options) + 1);
    if (*text == '\0')
        return FP_ERR_INVAL;
    for (last = table; *text != '\0'; last++)
        if (!take(&text, last) || !is_sound(mnt, table, last))
            return FP_ERR_INVAL;
    *last = (struct fp_raw_region){ .name = NULL };
    mnt->cfg.table = table;
    return fp_raw_mount(mnt);
}
