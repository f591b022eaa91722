/* SPDX-License-Identifier: MIT
 *
 * MTD on Linux: flash as the kernel shows it, /dev/mtdN. Erased by the block
 * through an ioctl, programmed by the page; between that and the chip there is
 * no other layer, so bad blocks are for whoever lies above.
 *
 * A NAND that has a bad block is refused: no filesystem here skips blocks, and
 * UBI, which does, offers volumes that have none. A block that goes bad later
 * answers FP_ERR_IO, and what the check code of a NAND cannot put right
 * FP_ERR_CORRUPT.
 */
#ifndef FP_CORE_HOST_MTD_H
#define FP_CORE_HOST_MTD_H

#include "core/host/file.h"

#include <sys/stat.h>

/* The number N of the device, -1: it is none. */
int fp_host_mtd_number(const struct stat *st);

/* Asks the open device for its size, units and operations, and looks for bad
 * blocks. FP_ERR_NOTSUP: one that is refused, with why. */
int fp_host_mtd_measure(struct fp_host_file *file);

#endif
