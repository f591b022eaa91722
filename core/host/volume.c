/* SPDX-License-Identifier: MIT */
#include "core/host/volume.h"

#include <stdlib.h>
#include <string.h>

/* No format of ours needs more for the largest volume: a size that is made up
 * of numbers out of a hostile image ends here, not in malloc. */
#define WORKSPACE_MAX ((size_t)64 << 20)

const struct fp_fs_ops *fp_host_volume_driver(
    const struct fp_fs_ops *const *drivers, const char *name)
{
    for (; *drivers != NULL; drivers++)
        if (strcmp((*drivers)->name, name) == 0)
            return *drivers;
    return NULL;
}

/* Which driver, and with what configuration. A named driver is asked too, for
 * what the caller left open, but its word is not needed: mount tells best what
 * is wrong with a volume that the caller insists on. */
static int choose(struct fp_bdev *dev, const struct fp_host_volume_config *cfg,
                  const struct fp_fs_ops **ops, struct fp_fs_config *found)
{
    int score = 0;

    *found = cfg->cfg;
    if (cfg->fs == NULL)
        return fp_fs_probe(cfg->drivers, dev, ops, found);
    *ops = fp_host_volume_driver(cfg->drivers, cfg->fs);
    if (*ops == NULL)
        return FP_ERR_NOENT;
    if ((*ops)->probe != NULL && (*ops)->probe(dev, found, &score) != FP_OK)
        *found = cfg->cfg;
    return FP_OK;
}

static int new_workspace(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                         const struct fp_fs_config *cfg, void **ws,
                         size_t *size)
{
    *size = ops->workspace(dev, cfg);
    if (*size == 0)
        return FP_ERR_NOTSUP;
    if (*size > WORKSPACE_MAX)
        return FP_ERR_NOMEM;
    *ws = malloc(*size);
    return *ws == NULL ? FP_ERR_NOMEM : FP_OK;
}

static int mount(struct fp_host_volume *vol, const struct fp_fs_ops *ops,
                 struct fp_bdev *dev, const struct fp_fs_config *cfg)
{
    size_t size;
    int err = new_workspace(ops, dev, cfg, &vol->ws, &size);

    if (err)
        return err;
    err = fp_fs_mount(&vol->mnt, ops, dev, cfg, vol->ws, size);
    if (err) {
        free(vol->ws);
        vol->ws = NULL;
    }
    return err;
}

int fp_host_volume_open(struct fp_host_volume *vol, struct fp_bdev *dev,
                        const struct fp_host_volume_config *cfg)
{
    const struct fp_fs_ops *ops = NULL;
    struct fp_fs_config found;
    int err;

    *vol = (struct fp_host_volume){ .ws = NULL };
    err = choose(dev, cfg, &ops, &found);
    return err ? err : mount(vol, ops, dev, &found);
}

int fp_host_volume_close(struct fp_host_volume *vol)
{
    int err = fp_fs_unmount(&vol->mnt);

    if (vol->mnt.mounted)
        return err;
    free(vol->ws);
    vol->ws = NULL;
    return err;
}

int fp_host_volume_format(struct fp_bdev *dev,
                          const struct fp_host_volume_config *cfg)
{
    const struct fp_fs_ops *ops;
    void *ws = NULL;
    size_t size;
    int err;

    if (cfg->fs == NULL)
        return FP_ERR_INVAL;
    ops = fp_host_volume_driver(cfg->drivers, cfg->fs);
    if (ops == NULL)
        return FP_ERR_NOENT;
    err = new_workspace(ops, dev, &cfg->cfg, &ws, &size);
    if (err)
        return err;
    err = fp_fs_format(ops, dev, &cfg->cfg, ws, size);
    free(ws);
    return err;
}

/* The volume says in which blocks the file is to be seen. */
static int mount_image(struct fp_host_image *image, bool may_resize,
                       const struct fp_host_volume_config *cfg)
{
    const struct fp_fs_ops *ops = NULL;
    struct fp_fs_config found;
    struct fp_bdev *dev;
    int err;

    image->vol = (struct fp_host_volume){ .ws = NULL };
    err = choose(&image->file.bdev, cfg, &ops, &found);
    if (err)
        return err;
    if (may_resize && found.block_size != 0) {
        err = fp_host_file_set_block_size(&image->file, found.block_size);
        if (err && image->file.kind == FP_HOST_MTD)
            return err; /* of flash that is erased in larger blocks */
        if (err)
            return FP_ERR_CORRUPT; /* shorter than one block of its own */
    }
    dev = fp_host_ahead_init(&image->ahead, &image->file.bdev);
    err = mount(&image->vol, ops, dev, &found);
    if (err)
        fp_host_ahead_deinit(&image->ahead);
    return err;
}

int fp_host_image_open(struct fp_host_image *image, const char *path,
                       const struct fp_host_file_config *file_cfg,
                       const struct fp_host_volume_config *cfg)
{
    bool may_resize = file_cfg == NULL || file_cfg->block_size == 0;
    int err = fp_host_file_open(&image->file, path, file_cfg);

    if (err)
        return err;
    err = mount_image(image, may_resize, cfg);
    if (err)
        fp_host_file_close(&image->file);
    return err;
}

int fp_host_image_close(struct fp_host_image *image)
{
    int err = fp_host_volume_close(&image->vol);
    int sync_err;

    if (image->vol.mnt.mounted)
        return err;
    fp_host_ahead_deinit(&image->ahead);
    sync_err = fp_bdev_sync(&image->file.bdev);
    fp_host_file_close(&image->file);
    return err ? err : sync_err;
}
