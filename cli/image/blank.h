/* SPDX-License-Identifier: MIT
 *
 * A device in memory, erased, for an image that is being made: flash, filled
 * with 0xff, or a card, with zeros. What nobody has written to yet takes no
 * memory and no time: behind `end` all is erased, whatever lies there.
 *
 *     0          end                     size
 *     | as it is | the fill, not touched |
 *
 * Memory  on the heap, from new to free
 * Errors  FP_ERR_NOMEM; the device itself has none
 */
#ifndef FPC_IMAGE_BLANK_H
#define FPC_IMAGE_BLANK_H

#include "core/bdev/ram.h"

#include <stdbool.h>
#include <stddef.h>

struct fpc_image_blank {
    struct fp_bdev_ram ram;
    /* private */
    struct fp_bdev_ops ops; /* ram's, but for the end */
    const struct fp_bdev_ops *ram_ops;
    uint8_t *mem;
    size_t size, end;
    uint8_t fill;
};

/* The device is blank->ram.bdev, which is NOR flash unless its flags say
 * otherwise. */
int fpc_image_blank_new(struct fpc_image_blank *blank, uint32_t prog_size,
                        uint32_t block_size, uint32_t block_count,
                        uint8_t fill);
void fpc_image_blank_free(struct fpc_image_blank *blank);

bool fpc_image_is_zero(const uint8_t *buf, size_t size);
/* Writes all of it into the file at `path`, which is there, zeros as holes; it
 * is on disk when that is synced. 0, or -1 and errno. */
int fpc_image_blank_save(const struct fpc_image_blank *blank, const char *path);

#endif
