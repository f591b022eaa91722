/* SPDX-License-Identifier: MIT
 *
 * A mounted volume with its workspace on the heap, for the programs that open
 * images: the CLI an image file, the daemon a snapshot out of its store.
 *
 * Memory  the workspace is allocated at open and freed at close; the bdev is
 *         borrowed; both structs must stay where they are while open
 * Errors  as core/fs/fs.h; FP_ERR_NOENT: nothing known is there, or no driver
 *         of that name
 */
#ifndef FP_CORE_HOST_VOLUME_H
#define FP_CORE_HOST_VOLUME_H

#include "core/fs/fs.h"
#include "core/host/ahead.h"
#include "core/host/file.h"

struct fp_host_volume_config {
    const struct fp_fs_ops *const *drivers; /* NULL-ended */
    const char *fs; /* a driver's name; NULL: the one that probes best */
    struct fp_fs_config cfg; /* what the caller knows; probing fills in what
                                 it left 0 */
};

struct fp_host_volume {
    struct fp_mount mnt; /* for fp_fs_*() */
    /* private */
    void *ws;
};

int fp_host_volume_open(struct fp_host_volume *vol, struct fp_bdev *dev,
                        const struct fp_host_volume_config *cfg);
/* FP_ERR_BUSY, and still open, while files or directories are open. */
int fp_host_volume_close(struct fp_host_volume *vol);

/* Formats dev; cfg->fs must name the driver (FP_ERR_INVAL). */
int fp_host_volume_format(struct fp_bdev *dev,
                          const struct fp_host_volume_config *cfg);

/* The driver of that name, NULL if the list has none. */
const struct fp_fs_ops *fp_host_volume_driver(
    const struct fp_fs_ops *const *drivers, const char *name);

/* An image file and the volume in it. */
struct fp_host_image {
    struct fp_host_file file;
    struct fp_host_volume vol; /* is mounted on it, or reads it ahead */
    /* private */
    struct fp_host_ahead ahead;
};

/* Opens the file, finds the volume, gives the file the volume's block size
 * (unless file_cfg states one) and mounts. Read-only without
 * FP_HOST_FILE_WRITE. */
int fp_host_image_open(struct fp_host_image *image, const char *path,
                       const struct fp_host_file_config *file_cfg,
                       const struct fp_host_volume_config *cfg);
/* Unmounts, syncs and closes; the first error of these, but FP_ERR_BUSY
 * leaves it open. */
int fp_host_image_close(struct fp_host_image *image);

#endif
