/* SPDX-License-Identifier: MIT
 *
 * A device in memory, erased, for an image that is being made: flash, filled
 * with 0xff, or a card, with zeros. What nobody has written to yet takes no
 * memory and no time: behind `end` all is erased, whatever lies there. What is
 * full is written into a file behind the back of who fills it, if there is one;
 * what changes after that is written again when all is saved.
 *
 *     0          end                     size
 *     | as it is | the fill, not touched |
 *
 * Memory  on the heap, from new to free
 * Thread  one; others write into the file what it leaves alone meanwhile
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
    int fd;                  /* of the file, -1: none */
    struct fpc_belt *behind; /* what is on its way into it; NULL: nothing is */
    uint8_t *written;        /* of each unit, an enum in blank.c */
};

/* The device is blank->ram.bdev, which is NOR flash unless its flags say
 * otherwise. */
int fpc_image_blank_new(struct fpc_image_blank *blank, uint32_t prog_size,
                        uint32_t block_size, uint32_t block_count,
                        uint8_t fill);
void fpc_image_blank_free(struct fpc_image_blank *blank);

/* The file at `path`, which is there, is what it is saved to; it loses what it
 * has. 0, or -1 and errno. */
int fpc_image_blank_open(struct fpc_image_blank *blank, const char *path);
/* From now on what is full is written into the file, while more is filled. */
void fpc_image_blank_follow(struct fpc_image_blank *blank);
/* All that is not in the file yet, zeros as holes; it is on disk when that is
 * synced. 0, or -1 and errno. */
int fpc_image_blank_save(struct fpc_image_blank *blank);

bool fpc_image_is_zero(const uint8_t *buf, size_t size);

#endif
