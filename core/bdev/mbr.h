/* SPDX-License-Identifier: MIT
 *
 * The partition table in the first sector of a card or disk (MBR), and of the
 * view of internal flash that some firmware gives over USB. Read, write, and
 * one partition as a device.
 *
 * Units   sectors, of 512 bytes on nearly everything; the caller says
 * Memory  `buf` is one sector, borrowed for the call
 * Errors  a partition that cannot be used is listed with why; only that one is
 *         refused
 * Source  docs/formats/fat.md, MBR
 *
 * An entry without sectors is taken for empty. Types are what the table says,
 * no promise of what is there; that a partition is exFAT is seen in itself.
 */
#ifndef FP_CORE_BDEV_MBR_H
#define FP_CORE_BDEV_MBR_H

#include "core/bdev/slice.h"

#include <stdbool.h>

/* Further ones are not listed. */
#define FP_BDEV_MBR_MAX 8

/* Why there is no table, or a partition cannot be used. */
enum fp_mbr_why {
    FP_MBR_FINE,
    FP_MBR_NO_TABLE,   /* neither table nor boot sector: erased, or unknown */
    FP_MBR_BARE,       /* a boot sector of FAT: the volume fills the device */
    FP_MBR_EXFAT,      /* an exFAT volume */
    FP_MBR_GPT,        /* the other kind of table */
    FP_MBR_BEYOND_END, /* it ends behind the end of the device */
    FP_MBR_OVERLAPS,   /* with another one, or with the table */
};

struct fp_bdev_part {
    uint32_t first, count; /* sectors */
    uint8_t number;        /* 1 to 4 by place in the table, logical from 5 */
    uint8_t type;
    uint8_t why; /* enum fp_mbr_why */
};

struct fp_bdev_mbr {
    uint32_t sector_size;
    uint32_t count; /* of parts */
    struct fp_bdev_part parts[FP_BDEV_MBR_MAX];
    uint8_t why; /* enum fp_mbr_why: about the device */
    /* private */
    uint32_t extended; /* where the first of the other tables is, 0: none */
};

/* Reads the table of dev; buf[0..sector_size), a multiple of its read_size.
 * FP_ERR_NOENT: there is none, mbr->why says what else is. FP_ERR_NOTSUP: GPT,
 * or exFAT without a table. Either way mbr->count is 0. */
int fp_bdev_mbr_read(struct fp_bdev_mbr *mbr, struct fp_bdev *dev, void *buf,
                     uint32_t sector_size);

/* Adds the logical partitions in an extended one, which cards have none of, to
 * what fp_bdev_mbr_read() found. A chain of tables that leads round, or to
 * where none can be read, ends there. */
void fp_bdev_mbr_read_logical(struct fp_bdev_mbr *mbr, struct fp_bdev *dev,
                              void *buf);

/* The partition parts[i] of dev as a device. FP_ERR_NOTSUP: exFAT;
 * FP_ERR_CORRUPT: another `why`; FP_ERR_INVAL: it does not start and end with
 * erase blocks of flash. */
int fp_bdev_mbr_slice(const struct fp_bdev_mbr *mbr, uint32_t i,
                      struct fp_bdev *dev, struct fp_bdev_slice *slice);

/* Gives dev a table of parts[0..count), of which first, count and type are
 * looked at; what was in its first sector is gone (and, on flash, what was in
 * its first erase block). FP_ERR_INVAL, and nothing written: more than four,
 * an empty one, overlaps, beyond the end. buf[0..sector_size), a multiple of
 * its prog_size. */
int fp_bdev_mbr_write(struct fp_bdev *dev, void *buf, uint32_t sector_size,
                      const struct fp_bdev_part *parts, uint32_t count);

/* What is the matter, and what to do, as a phrase. Never NULL. */
const char *fp_bdev_mbr_text(uint8_t why);

/* For the files of this module: lists what the table in `sector`, read from
 * sector `at` of dev, has, with numbers from `number`. */
void fp_bdev_mbr_list(struct fp_bdev_mbr *mbr, struct fp_bdev *dev,
                      const uint8_t *sector, uint32_t at, uint32_t number);
/* Settles parts[i].why by its place, on a device of sector_count and among
 * parts[0..i), whose `why` may become FP_MBR_OVERLAPS. */
void fp_bdev_mbr_place(struct fp_bdev_part *parts, uint32_t i,
                       fp_addr sector_count);
/* Is this sector signed, as tables and boot sectors are? */
bool fp_bdev_mbr_is_signed(const uint8_t *sector);
/* Looks into parts[from..count) for exFAT. */
void fp_bdev_mbr_look_into(struct fp_bdev_mbr *mbr, uint32_t from,
                           struct fp_bdev *dev, uint8_t *buf);

#endif
