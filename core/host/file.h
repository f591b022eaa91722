/* SPDX-License-Identifier: MIT
 *
 * An image file, or a raw disk or partition, as a block device.
 *
 * Without FP_HOST_FILE_NOR programs replace (FP_BDEV_OVERWRITE), and a unit of
 * them lands whole (FP_BDEV_ATOMIC_PROG): a disk's sector does by itself, and
 * an image changes for nobody but those who run on this host. Erasing an
 * image file gives 0xff all the same: what is erased in an image has to be
 * erased on the flash that the image is written to. Erasing a disk does
 * nothing.
 *
 * Memory  struct fp_host_file is the caller's and must stay where it is while
 *         open; nothing is allocated
 * Errors  errno becomes an enum fp_error here: NOENT, ACCES, ISDIR, NOSPC, IO,
 *         NODEV, NFILE, ROFS; FP_ERR_BUSY when another process writes it (an
 *         exclusive flock is held while open for writing, a shared one while
 *         reading)
 */
#ifndef FP_CORE_HOST_FILE_H
#define FP_CORE_HOST_FILE_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

enum {
    FP_HOST_FILE_WRITE = 1,  /* else read-only: prog and erase are refused */
    FP_HOST_FILE_CREATE = 2, /* with WRITE: made if absent, and a regular file
                                that is shorter than block_size * block_count,
                                which must be stated, grows by bytes of 0xff */
    FP_HOST_FILE_NOR = 4,    /* behave as NOR flash: programs clear bits,
                                erases give 0xff */
    FP_HOST_FILE_NOLOCK = 8, /* take no lock: reading under a running writer */
};

/* Zero means the default. */
struct fp_host_file_config {
    uint32_t flags;       /* FP_HOST_FILE_* */
    uint64_t offset;      /* where the device starts in the file, any byte */
    uint32_t read_size;   /* default 1 */
    uint32_t prog_size;   /* default 1 */
    uint32_t block_size;  /* default the largest power of two up to 4096 that
                             divides the size: fitting until a probe knows */
    uint32_t block_count; /* default what fits in the file; more than that is
                             FP_ERR_INVAL without CREATE */
};

struct fp_host_file {
    struct fp_bdev bdev;
    uint64_t size; /* bytes behind `offset` */
    uint64_t tail; /* of these, how many at the end fill no block (or lie
                      behind block_count): no part of the device */
    /* private */
    int fd;
    uint64_t offset;
    uint8_t buf[4096]; /* NOR: what is there, under what is to be programmed */
};

/* Also syncs what CREATE wrote. FP_ERR_INVAL: sizes that don't divide each
 * other, an offset at or behind the end, a file shorter than one block. */
int fp_host_file_open(struct fp_host_file *file, const char *path,
                      const struct fp_host_file_config *cfg);
/* Does not sync; fp_bdev_sync() tells whether it worked. */
void fp_host_file_close(struct fp_host_file *file);

/* Views the same bytes in blocks of another size, as a probe found them, while
 * nothing is mounted. FP_ERR_INVAL, and nothing changed, if the file is
 * shorter than one block or prog_size does not divide it. */
int fp_host_file_set_block_size(struct fp_host_file *file, uint32_t block_size);

/* Where data may next be, at or behind byte `off` of the device: what comes
 * before is a hole, which reads as zeros. `off` where the system does not
 * tell. */
uint64_t fp_host_file_next_data(const struct fp_host_file *file, uint64_t off);

#endif
