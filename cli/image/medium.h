/* SPDX-License-Identifier: MIT
 *
 * The flash or card that an image is of, as far as the volume that was found in
 * it, and what the caller states, tell: what a driver has to be given to write
 * to the volume as its device would.
 *
 * Memory  none; texts are the image's
 */
#ifndef FPC_IMAGE_MEDIUM_H
#define FPC_IMAGE_MEDIUM_H

#include "cli/image/image.h"
#include "core/bdev/sector.h"

struct fpc_medium {
    struct fp_host_file_config file;
    struct fp_host_volume_config volume;
    struct fp_bdev_sector_volume sectors; /* size 0: not of a card */
};

/* Of the volume that is open to be read. FPC_EXIT_OK, or told:
 * FPC_EXIT_REFUSED, it is cut off, or its end or its layout is not known well
 * enough to write to it. */
int fpc_image_medium(struct fpc_image *image, struct fpc_medium *medium);

#endif
