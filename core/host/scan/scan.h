/* SPDX-License-Identifier: MIT
 *
 * What is in a dump: every partition table, every volume of every filesystem
 * wherever it begins, and what lies between them.
 *
 *     one reading pass   looks for the marks of each format, at any byte (of
 *                        SPIFFS, which has none, on a grid of 256 bytes)
 *     a candidate        is believed when the driver's probe and a read-only
 *                        mount agree; then all of it is the volume's, and what
 *                        else is in there, an image stored as a file, is not
 *                        looked for
 *     one more pass      over what is between, to say what that is
 *
 * Time    linear in what is read: what candidates may cost has a budget that
 *         grows with the bytes passed. A dump that spends it, which only one
 *         made on purpose does, is not looked at to its end: gave_up
 * Memory  the lists are allocated and fp_host_scan_free() frees them; dev is
 *         borrowed for the call
 * Errors  those of reading dev; FP_ERR_NOMEM
 */
#ifndef FP_CORE_HOST_SCAN_SCAN_H
#define FP_CORE_HOST_SCAN_SCAN_H

#include "core/bdev/mbr.h"
#include "core/fs/fs.h"

#include <stdbool.h>
#include <stddef.h>

/* Further regions and partitions are not listed. */
#define FP_HOST_SCAN_REGIONS 4096
#define FP_HOST_SCAN_PARTS   256

enum fp_host_region_kind {
    FP_HOST_VOLUME,
    FP_HOST_TABLE,    /* of partitions */
    FP_HOST_CONSTANT, /* one byte again and again; 0xff is erased flash */
    FP_HOST_DATA,
};

/* Regions do not overlap, and together are the whole dump. */
struct fp_host_region {
    enum fp_host_region_kind kind;
    uint64_t offset, size; /* of what is there */

    uint8_t byte;     /* CONSTANT: which */
    const char *text; /* TABLE: of which kind; DATA: what it seems to be, or
                         NULL */

    /* VOLUME */
    const struct fp_fs_ops *ops;
    struct fp_fs_config cfg; /* to mount it with; options are static text */
    bool states_size;        /* else it goes as far as it plausibly does */
    bool is_mountable; /* false: cut off so that not even its root is there */
    bool is_damaged;   /* mounts, and not all of it can be read */
    bool has_use;      /* statfs told st */
    struct fp_statfs st;
    uint64_t missing; /* bytes that it states and the dump lacks; UINT64_MAX:
                         it goes on behind the end, nobody knows how far */
};

struct fp_host_part {
    uint64_t offset, size;
    uint32_t number; /* as its table counts */
    uint8_t type, subtype;
    uint8_t why;    /* enum fp_mbr_why */
    bool is_esp;    /* of an ESP-IDF table, which has subtypes and labels */
    char label[17]; /* hostile; "" where there is none */
};

struct fp_host_scan_config {
    const struct fp_fs_ops *const *drivers; /* NULL-ended */
    const char *fs; /* only volumes of this driver; NULL: of all */

    /* Where data next is, at or behind byte `off`, as far as the OS knows: what
     * comes before reads as zeros and is passed over. NULL: right there. */
    uint64_t (*next_data)(void *ctx, uint64_t off);
    void *ctx;

    uint32_t want;    /* volumes that are enough, the first ones: then what lies
                      between is not looked at. 0: all */
    uint64_t read_on; /* with want: bytes that are read behind the first volume
                         for the others; 0: all */
};

struct fp_host_scan {
    struct fp_host_region *regions; /* by offset */
    size_t count;
    struct fp_host_part *parts; /* by table, then as it lists them */
    size_t part_count;
    size_t volume_count;
    struct fp_bdev_mbr mbr; /* of the table at byte 0; why there is none */
    bool gave_up; /* not all was looked at, and volumes may be missing */
};

int fp_host_scan(struct fp_host_scan *scan, struct fp_bdev *dev,
                 const struct fp_host_scan_config *cfg);
/* Looks only at byte `off`, for a volume with a mark there. FP_ERR_NOENT. */
int fp_host_scan_at(struct fp_bdev *dev, const struct fp_host_scan_config *cfg,
                    uint64_t off, struct fp_host_region *found);
void fp_host_scan_free(struct fp_host_scan *scan);

/* The n-th volume, counted from 1; NULL: there are not so many. */
const struct fp_host_region *fp_host_scan_volume(
    const struct fp_host_scan *scan, size_t n);

#endif
