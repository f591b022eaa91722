/* SPDX-License-Identifier: MIT
 *
 * Is an image file shorter than the volume in it says to be? The scan knows,
 * where it found the volume; at a place that was stated it is asked for that.
 */
#include "cli/image/image.h"

#include <inttypes.h>

static uint64_t missing_at(const struct fpc_image *image)
{
    const struct fp_host_scan_config cfg = { .drivers = fp_host_drivers,
                                             .fs = image->fs };
    struct fp_host_region found;
    struct fp_host_file file;
    int err = fp_host_file_open(&file, image->path, NULL);

    if (err)
        return 0;
    err = fp_host_scan_at(&file.bdev, &cfg, image->found_at, &found);
    fp_host_file_close(&file);
    return err ? 0 : found.missing;
}

uint64_t fpc_image_missing(const struct fpc_image *image)
{
    if (image->found)
        return image->found->missing;
    return missing_at(image);
}

bool fpc_image_say_cut(struct fpc_image *image)
{
    uint64_t missing = fpc_image_missing(image);
    uint64_t size = image->file_size - image->found_at;

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
