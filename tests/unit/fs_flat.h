/* SPDX-License-Identifier: MIT
 *
 * A filesystem that can do little, to try the suites on: littlefs in memory,
 * but flat. No directories, no attributes, no times, no holes, nothing written
 * in the middle, no appending, no truncation, no accounts of blocks; names of
 * at most 12 bytes, files of at most 1,000 bytes and 24 of them.
 */
#ifndef FP_TESTS_UNIT_FS_FLAT_H
#define FP_TESTS_UNIT_FS_FLAT_H

#include "core/fs/fs.h"

extern const struct fp_fs_ops fs_flat;

#endif
