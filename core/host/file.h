/* SPDX-License-Identifier: MIT
 *
 * An image file, a raw disk or partition, or an MTD device, as a block device.
 *
 *   file     any path; as flash with FP_HOST_FILE_NOR
 *   disk     /dev/sdb, /dev/mmcblk0p1; on Windows \\.\PhysicalDrive2, \\.\E:
 *   MTD      /dev/mtd3 on Linux: NOR flash, and NAND without bad blocks
 *
 * On files and disks programs replace (FP_BDEV_OVERWRITE), and a unit of them
 * lands whole (FP_BDEV_ATOMIC_PROG): a disk's sector does by itself, and an
 * image changes for nobody but those who run on this host. Erasing gives 0xff
 * all the same: what is erased in an image has to be erased on the flash that
 * the image is written to. An MTD device is flash, and says how it is erased
 * and programmed.
 *
 * Whoever opens for writing is alone: others that go through here are locked
 * out (and wait for nothing), and so is the system, which neither has it
 * mounted nor can mount it meanwhile. Readers share, but don't read a disk that
 * is mounted: what is on it is not what its files show. file.c is what all
 * hosts share; os.h is what each does its own way.
 *
 * Memory  struct fp_host_file is the caller's and must stay where it is while
 *         open; nothing is allocated
 * Errors  the host's become an enum fp_error: NOENT, ACCES, ISDIR, NOSPC, IO,
 *         NODEV, NFILE, ROFS; FP_ERR_BUSY when it is mounted, or open elsewhere
 *         for writing. fp_host_file_why() says it in words.
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
    FP_HOST_FILE_NOLOCK = 8, /* take no lock: reading under a running writer,
                                or what is mounted; what is mounted is not
                                written all the same */
};

/* Zero means the default. */
struct fp_host_file_config {
    uint32_t flags;       /* FP_HOST_FILE_* */
    uint64_t offset;      /* where the device starts in the file, any byte */
    uint32_t read_size;   /* default 1 */
    uint32_t prog_size;   /* default 1; MTD: its own, or a multiple */
    uint32_t block_size;  /* default the largest power of two up to 4096 that
                             divides the size: fitting until a probe knows;
                             MTD: its own, to be written a multiple of it */
    uint32_t block_count; /* default what fits in the file; more than that is
                             FP_ERR_INVAL without CREATE */
};

enum fp_host_kind {
    FP_HOST_FILE, /* an image file */
    FP_HOST_DISK, /* a disk or partition */
    FP_HOST_MTD,  /* flash behind the kernel's driver */
};

/* A Windows disk has a volume a partition, and each is locked. */
#define FP_HOST_HELD_MAX 16

struct fp_host_file {
    struct fp_bdev bdev;
    uint64_t size; /* bytes behind `offset` */
    uint64_t tail; /* of these, how many at the end fill no block (or lie
                      behind block_count): no part of the device */
    enum fp_host_kind kind;
    /* private */
    char why[200];       /* why it was not opened, if errors don't say it */
    intptr_t handle;     /* a descriptor or a HANDLE; -1: closed */
    uint64_t offset;     /* where the device starts */
    uint64_t all;        /* bytes in the file or disk */
    uint32_t prog_unit;  /* the least that can be programmed */
    uint32_t erase_unit; /* the least that can be erased */
    uint32_t sector;     /* Windows: transfers of a disk are multiples of it */
    bool has_ecc;        /* MTD: NAND */
    intptr_t held[FP_HOST_HELD_MAX]; /* Windows: volumes that are locked */
    uint32_t held_count;
    uint8_t buf[4096]; /* what is there, under what is to be programmed */
#ifdef _WIN32
    uint8_t edge[4096]; /* a sector of which a part is wanted */
#endif
};

/* Also syncs what CREATE wrote. FP_ERR_INVAL: sizes that don't divide each
 * other, an offset at or behind the end, a file shorter than one block. */
int fp_host_file_open(struct fp_host_file *file, const char *path,
                      const struct fp_host_file_config *cfg);
/* Why opening it failed with `err`, "/dev/sdb1 is mounted on /mnt: unmount it
 * first", else fp_strerror(err). Names in it may be hostile. */
const char *fp_host_file_why(const struct fp_host_file *file, int err);
/* Does not sync; fp_bdev_sync() tells whether it worked. */
void fp_host_file_close(struct fp_host_file *file);

/* Views the same bytes in blocks of another size, as a probe found them, while
 * nothing is mounted. FP_ERR_INVAL, and nothing changed, if the file is
 * shorter than one block or prog_size does not divide it. */
int fp_host_file_set_block_size(struct fp_host_file *file, uint32_t block_size);

/* Where data may next be, at or behind byte `off` of the device: what comes
 * before is a hole, which reads as zeros. `off` where the system does not
 * tell. */
uint64_t fp_host_file_next_data(struct fp_host_file *file, uint64_t off);

#endif
