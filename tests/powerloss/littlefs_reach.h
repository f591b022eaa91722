/* SPDX-License-Identifier: MIT
 *
 * Which blocks of a littlefs image are reachable: a reader of its own, written
 * from the format alone, that shares nothing with the driver but the CRC, so
 * that the driver's count of blocks in use is held against something. It reads
 * images that need no repair: whatever is pending is a finding.
 *
 * Memory  the image is borrowed for the call
 * Errors  a sentence about the first thing that is wrong, or NULL
 */
#ifndef FP_TESTS_POWERLOSS_LITTLEFS_REACH_H
#define FP_TESTS_POWERLOSS_LITTLEFS_REACH_H

#include <stdbool.h>
#include <stdint.h>

#define REACH_PAIRS 512

struct reach_pair {
    uint32_t block[2];
    bool hard;  /* reached by a hard tail */
    bool super; /* holds a superblock entry */
};

struct reach {
    uint32_t blocks;                      /* in use, each counted once */
    struct reach_pair pairs[REACH_PAIRS]; /* in the order of the thread */
    uint32_t pair_count;
    char what[160];
};

/* `unreadable`: a block of which nothing can be read, or block_count. */
const char *reach_walk(struct reach *reach, const uint8_t *mem,
                       uint32_t block_size, uint32_t block_count,
                       uint32_t unreadable);

#endif
