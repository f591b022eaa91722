/* SPDX-License-Identifier: MIT
 *
 * Sectors that land whole, over flash that is erased in blocks: what FAT needs
 * to live on NOR or internal flash, and what it has on a card. At rest the
 * volume is plain FAT for anyone who looks at the flash without this.
 *
 * Units   a *group* is what is erased at once: one erase block, or as many as
 *         fill a sector where erase blocks are smaller
 * Reserve a second device of the same geometry, of at least 3 groups: two for
 *         the journal, the others spares. Nothing of it is part of the device
 *         that is presented; at rest it holds nothing that matters. Two slices
 *         of one flash are volume and reserve
 * Memory  both devices and cfg.buf are borrowed and must outlive it
 * Errors  those of the devices below. FP_ERR_BUSY from below (a freeze) costs
 *         nothing: the same call can be made again. After any other error of
 *         a program or erase the writes that are not on the volume yet may not
 *         come there, so no later one may: prog and sync answer that error
 *         until fp_bdev_sector_init(). Reads go on
 * Power   a cut leaves the volume as it was after one of the sector writes, in
 *         their order, none before the last sync being lost. Init reads only;
 *         a redo that a cut left half done is seen as done by every read, and
 *         is finished by the first prog or sync
 *
 * prog collects the sectors of one group and writes the group when another
 * follows, when a sector comes that it has already with another content, or at
 * sync: two erases, one of them of a spare, however many sectors it were. What
 * is on the volume already costs nothing. Spares take turns: each is erased as
 * often as all groups of the volume together, divided by the number of spares.
 * With as many spares as there are groups that FAT writes in turn (its table,
 * the copy of it and a directory: three) they wear as those do.
 */
#ifndef FP_CORE_BDEV_SECTOR_H
#define FP_CORE_BDEV_SECTOR_H

#include "core/bdev/bdev.h"

#include <stdbool.h>

/* Sectors in a group: 128 KiB of 512 bytes. For larger erase blocks choose
 * larger sectors. */
#define FP_BDEV_SECTOR_GROUP_MAX 256

struct fp_bdev_sector_config {
    uint32_t sector_size; /* 512 (default, 0), 1024, 2048 or 4096 */
    void *buf;            /* buf[0..sector_size), the adapter's own */
};

struct fp_bdev_sector {
    struct fp_bdev bdev;
    /* private */
    struct fp_bdev *under, *reserve;
    uint8_t *buf;
    uint32_t group_size; /* bytes, as all offsets here */
    uint32_t slot_size;  /* of a record in the journal */
    uint32_t seq;        /* of the last record */
    uint32_t journal;    /* offset in the reserve of the half where it lies */
    uint32_t next;       /* offset in that of the next one */
    uint32_t spare_count;
    uint32_t spare; /* which was the last, from 0 */
    uint32_t crc;   /* of the group last passed over */
    fp_addr group;  /* of the volume, whose window is open */
    bool open;
    int failed;                                 /* what prog and sync answer */
    uint8_t held[FP_BDEV_SECTOR_GROUP_MAX / 8]; /* sectors that the spare has */
};

/* FP_ERR_INVAL: a sector size that does not fit the geometry, or too small a
 * reserve. A new reserve needs no preparation, whatever it holds, unless it was
 * another volume's: erase it then. */
int fp_bdev_sector_init(struct fp_bdev_sector *sector, struct fp_bdev *under,
                        struct fp_bdev *reserve,
                        const struct fp_bdev_sector_config *cfg);

/* A volume in a dump of the whole flash, reserve included. */
struct fp_bdev_sector_volume {
    fp_addr off, size;
    uint32_t sector_size;
};

/* For those who change a dump: if the cut that it was taken after left a redo,
 * does that, as the device would at its next start, over what was changed
 * meanwhile. Else, and in a dump without a reserve, nothing. `dump` is read and
 * programmed by the byte, and programs replace. */
int fp_bdev_sector_settle(struct fp_bdev *dump,
                          const struct fp_bdev_sector_volume *volume);

#endif
