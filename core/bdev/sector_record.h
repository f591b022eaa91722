/* SPDX-License-Identifier: MIT
 *
 * The journal of the sector adapter, for the files of this module: two groups
 * at the start of the reserve, each with records from its start on, without
 * gaps, in slots of 32 bytes or a unit of programming. The spares follow.
 *
 * A record: number, sector that the group starts with, spare, CRC of the spare,
 * CRC of these; u32 each.
 */
#ifndef FP_CORE_BDEV_SECTOR_RECORD_H
#define FP_CORE_BDEV_SECTOR_RECORD_H

#include <stdint.h>

#define FP_SECTOR_RECORD_SEED 0x4a535046 /* so that no record is all zeros */
#define FP_SECTOR_RECORD_SIZE 20
#define FP_SECTOR_NO_GROUP    UINT32_MAX /* nothing is under way */
#define FP_SECTOR_JOURNALS    2          /* groups before the spares */

#endif
