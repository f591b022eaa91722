/* SPDX-License-Identifier: MIT
 *
 * Is an image file shorter than the volume in it says to be?
 *
 * A volume whose end is missing mounts as far as it goes, or is merely damaged
 * where a directory lies behind the end. So the volume is mounted once more, on
 * a device without an end: the file, and erased flash behind it. There it says
 * its own size; and where it does not mount, what was read behind the end of
 * the file was asked for by the volume, not made up: a driver looks at no block
 * beyond the count that the volume states. That is asked only of drivers whose
 * volumes state one: others would look through all that there is.
 */
#include "cli/image/image.h"
#include "cli/image/kinds.h"

#include <inttypes.h>
#include <string.h>

#define ENDLESS_BLOCK 4096

struct endless {
    struct fp_bdev bdev;
    struct fp_host_file file;
    bool passed; /* read behind the end of the file */
};

static int endless_read(struct fp_bdev *dev, fp_addr off, void *buf,
                        uint32_t size)
{
    struct endless *e = (struct endless *)dev;
    uint8_t *dst = buf;
    uint64_t there = off < e->file.size ? e->file.size - off : 0;
    uint32_t n = there < size ? (uint32_t)there : size;

    e->passed |= n < size;
    memset(dst + n, 0xff, size - n);
    return fp_bdev_read(&e->file.bdev, off, dst, n);
}

static const struct fp_bdev_ops endless_ops = {
    .read = endless_read,
    /* nothing is written: the mount is read-only */
};

#define SIZING_MAX 8

/* Those of the drivers whose volumes state their size. */
static void sizing_drivers(const struct fp_fs_ops *list[SIZING_MAX])
{
    size_t n = 0;

    for (const struct fp_fs_ops *const *ops = fp_host_drivers; *ops; ops++)
        if (n + 1 < SIZING_MAX && fpc_image_kind((*ops)->name)->states_size)
            list[n++] = *ops;
    list[n] = NULL;
}

/* The size that the volume at found_at states; 0: not known, but it goes on
 * behind the end of the file; -1: neither. */
static int64_t stated_size(const struct fpc_image *image)
{
    struct endless e = { .bdev = { .ops = &endless_ops,
                                   .read_size = 1,
                                   .prog_size = 1,
                                   .block_size = ENDLESS_BLOCK,
                                   .block_count = UINT32_MAX,
                                   .flags = FP_BDEV_ERASED_FF } };
    struct fp_host_file_config file = { .offset = image->found_at };
    const struct fp_fs_ops *sizing[SIZING_MAX];
    struct fp_host_volume_config cfg = { .drivers = sizing,
                                         .fs = image->fs,
                                         .cfg = image->cfg };
    const struct fp_mount *mnt = &image->host.vol.mnt;
    struct fp_host_volume vol;
    int64_t size = -1;
    int err;

    if (mnt->mounted && !fpc_image_kind(mnt->ops->name)->states_size)
        return -1;
    sizing_drivers(sizing);
    cfg.cfg.flags |= FP_MOUNT_RDONLY;
    if (fp_host_file_open(&e.file, image->path, &file) != FP_OK)
        return -1;
    err = fp_host_volume_open(&vol, &e.bdev, &cfg);
    if (err == FP_OK) {
        size =
            (int64_t)vol.mnt.cfg.block_count * (int64_t)vol.mnt.cfg.block_size;
        fp_host_volume_close(&vol);
    } else if (e.passed && err != FP_ERR_NOENT) {
        size = 0;
    }
    fp_host_file_close(&e.file);
    return size;
}

static uint64_t file_size(const struct fpc_image *image)
{
    struct fp_host_file_config cfg = { .offset = image->found_at };
    struct fp_host_file file;
    uint64_t size;

    if (fp_host_file_open(&file, image->path, &cfg) != FP_OK)
        return UINT64_MAX;
    size = file.size;
    fp_host_file_close(&file);
    return size;
}

uint64_t fpc_image_missing(const struct fpc_image *image)
{
    int64_t stated = stated_size(image);
    uint64_t size = file_size(image);

    if (stated < 0)
        return 0;
    if (stated == 0)
        return UINT64_MAX;
    return (uint64_t)stated > size ? (uint64_t)stated - size : 0;
}

bool fpc_image_say_cut(struct fpc_image *image)
{
    uint64_t missing = fpc_image_missing(image), size = file_size(image);

    if (missing == 0 || image->told_cut)
        return missing != 0;
    image->told_cut = true;
    if (missing == UINT64_MAX)
        fpc_error("%s: cut off: the file has %" PRIu64
                  " bytes%s, and the volume goes on behind them",
                  image->path, size, image->found_at ? " from there on" : "");
    else
        fpc_error("%s: cut off: the file has %" PRIu64
                  " bytes%s, and the volume states %" PRIu64,
                  image->path, size, image->found_at ? " from there on" : "",
                  size + missing);
    return true;
}
