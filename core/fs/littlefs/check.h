/* SPDX-License-Identifier: MIT
 *
 * What the files of the check share: a firmware that does not check a volume
 * itself leaves them all out.
 */
#ifndef FP_CORE_FS_LITTLEFS_CHECK_H
#define FP_CORE_FS_LITTLEFS_CHECK_H

#include "core/fs/littlefs/lfs.h"

/* Tells a finding and counts it. In the format: %s a string, %u a number, %x
 * one in hexadecimal, and nothing else. */
void fp_lfs_say(struct fp_step *step, enum fp_finding_level level,
                uint32_t block, const char *format, ...);

/* check_log.c: the log of the pair's current block, tag by tag. */
int fp_lfs_check_log(struct fp_lfs *fs, struct fp_step *step,
                     const struct fp_lfs_mdir *m);

#endif
