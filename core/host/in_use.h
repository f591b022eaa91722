/* SPDX-License-Identifier: MIT
 *
 * Who uses a disk on Linux: the sentence with which it is refused.
 *
 * A disk is in use when it, one of its partitions, or the disk that it is a
 * partition of, is mounted or swapped to; an MTD device also when UBI has it;
 * an image file when it is mounted through a loop device. /proc and /sys say
 * so. Where they are not there, nothing is found: who writes is kept out by
 * the kernel all the same (O_EXCL).
 */
#ifndef FP_CORE_HOST_IN_USE_H
#define FP_CORE_HOST_IN_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* True: why[0..size) says by what. */
bool fp_host_in_use_disk(dev_t disk, char *why, size_t size);
bool fp_host_in_use_mtd(unsigned number, char *why, size_t size);
/* dev and ino are the file's. */
bool fp_host_in_use_file(dev_t dev, ino_t ino, char *why, size_t size);

/* Says which process has the flock on it, if it can be told. */
void fp_host_in_use_lock(dev_t dev, ino_t ino, char *why, size_t size);

#endif
