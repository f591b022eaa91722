/* SPDX-License-Identifier: MIT
 *
 * The times are those that datasheets of 25-series chips call typical: 45 ms
 * to erase a sector, 0.4 ms to program a page, 10 MB a second to read.
 */
#include "nor.h"

#include <string.h>

#define SIZE      (NOR_SECTOR * NOR_SECTORS)
#define ERASE_NS  45000000u
#define PAGE_NS   400000u
#define BYTE_NS   100u
#define NS_PER_US 1000u

/* Each byte is kept as the bits that are cleared in it, so that memory that
 * was never touched is an erased chip. */
static uint8_t cleared[SIZE];
static uint64_t busy_ns;

static int is_outside(uint32_t addr, uint32_t size)
{
    return addr > SIZE || size > SIZE - addr;
}

int nor_read(uint32_t addr, void *buf, uint32_t size)
{
    uint8_t *dst = buf;

    if (is_outside(addr, size))
        return -1;
    for (uint32_t i = 0; i < size; i++)
        dst[i] = (uint8_t)~cleared[addr + i];
    busy_ns += (uint64_t)size * BYTE_NS;
    return 0;
}

int nor_write(uint32_t addr, const void *buf, uint32_t size)
{
    const uint8_t *src = buf;

    if (is_outside(addr, size))
        return -1;
    for (uint32_t i = 0; i < size; i++)
        cleared[addr + i] |= (uint8_t)~src[i];
    busy_ns += (uint64_t)(size + NOR_PAGE - 1) / NOR_PAGE * PAGE_NS;
    return 0;
}

int nor_erase_sector(uint32_t addr)
{
    if (addr % NOR_SECTOR != 0 || is_outside(addr, NOR_SECTOR))
        return -1;
    memset(cleared + addr, 0, NOR_SECTOR);
    busy_ns += ERASE_NS;
    return 0;
}

uint64_t nor_clock_us(void *unused)
{
    (void)unused;
    return busy_ns / NS_PER_US;
}
