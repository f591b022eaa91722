/* SPDX-License-Identifier: MIT
 *
 * What a vendor's driver of a NOR flash chip looks like, for a laptop: 512 KiB
 * in sectors of 4 KiB, pages of 256 bytes. Each call takes as long, on a clock
 * of its own, as a chip of the 25 series typically does.
 */
#ifndef NOR_H
#define NOR_H

#include <stdint.h>

#define NOR_PAGE    256
#define NOR_SECTOR  4096
#define NOR_SECTORS 128

/* All answer 0, or -1 for what lies outside the chip. */
int nor_read(uint32_t addr, void *buf, uint32_t size);
/* Programming clears bits; only erasing sets them. */
int nor_write(uint32_t addr, const void *buf, uint32_t size);
int nor_erase_sector(uint32_t addr);

/* How long the chip was busy so far. */
uint64_t nor_clock_us(void *unused);

#endif
