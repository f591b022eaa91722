/* SPDX-License-Identifier: MIT
 *
 * An SPI NOR flash chip as a block device, on whatever moves bytes of SPI.
 *
 * Chips    those whose JEDEC id tells the size as a power of two, which is most
 *          of Winbond, Macronix, GigaDevice and ISSI: 64 KiB to 32 MiB, sectors
 *          of 4 KiB, pages of 256 bytes. Above 16 MiB they take the commands
 *          with addresses of 4 bytes
 * Memory   one chip; it lives as long as the firmware
 * Errors   FP_ERR_IO: it did not take a write, or was not done in the longest
 *          time that datasheets give; the range may hold anything
 * Locks    block protection in its status is taken off at init, for good. A
 *          chip that keeps it can be read: the device is FP_BDEV_RDONLY, and the
 *          agent says of it that it is write-protected. Other ways to protect,
 *          as block by block, are not looked for
 * Blocks   for a page, 5 ms at most; for a sector, 400 ms;
 *          at init for 100 ms where there is protection
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_NOR_H
#define FP_DEVICE_AGENT_PORTS_BARE_NOR_H

#include "core/bdev/bdev.h"

/* NULL: there is none, one whose size is not known, or that is never done. */
struct fp_bdev *fp_bare_nor_init(void);

/* ---- the board's ---- */

/* Bytes are one command between select and deselect. */
void fp_port_spi_select(void);
void fp_port_spi_deselect(void);
void fp_port_spi_write(const uint8_t *buf, uint32_t size);
void fp_port_spi_read(uint8_t *buf, uint32_t size);

#endif
