/* SPDX-License-Identifier: MIT
 *
 * One conformance suite for every filesystem driver: what fs.h promises, on
 * flash of several geometries. What a driver's caps leave out is skipped, with
 * the reason in the output; anything else that a driver does differently is a
 * failure.
 */
#ifndef FP_TESTS_UNIT_FS_SUITE_H
#define FP_TESTS_UNIT_FS_SUITE_H

#include "core/fs/fs.h"

/* What a format does otherwise than fs.h's front end suggests, where no cap
 * tells: each is printed where it makes a difference. */
enum {
    /* Names are text without upper and lower case, as FAT's: bytes that are
     * no UTF-8 are refused, and "A" is "a". */
    FS_SUITE_TEXT_NAMES = 1,
    /* Nothing on flash says how the volume is laid out: probing is told what
     * the row's cfg states. */
    FS_SUITE_STATED = 2,
    /* Directories are there by what lies in them: a file's path makes them,
     * and with the last file they are gone. */
    FS_SUITE_PATHS_MAKE_DIRS = 4,
    /* A name cannot hold the byte 0xff: erased flash ends it. */
    FS_SUITE_NO_FF = 16,
};

struct fs_suite_row {
    const struct fp_fs_ops *ops;
    uint32_t prog_size, block_size, block_count; /* of the device */
    uint32_t medium;         /* FP_BDEV_*; 0: NOR, as ram.h has it */
    uint32_t read_size;      /* 0: 1 */
    struct fp_fs_config cfg; /* of format and mount; max_files becomes 4 */
    uint32_t traits;         /* FS_SUITE_* */
    /* What the volume lies on, when that is not the device itself: an adapter
     * over `under` in mem[0..wrap_size), set up at each mount as by a device
     * that has just started; tests/sector_stack.h has one. */
    struct fp_bdev *(*wrap)(void *mem, struct fp_bdev *under, int *err);
    size_t wrap_size;
};

/* Runs every test on every row, as one group of cmocka; returns the number of
 * failures. */
int fs_suite_run(const struct fs_suite_row *rows, size_t count);

#endif
