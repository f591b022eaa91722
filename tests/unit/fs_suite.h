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

struct fs_suite_row {
    const struct fp_fs_ops *ops;
    uint32_t prog_size, block_size, block_count;
};

/* Runs every test on every row, as one group of cmocka; returns the number of
 * failures. */
int fs_suite_run(const struct fs_suite_row *rows, size_t count);

#endif
