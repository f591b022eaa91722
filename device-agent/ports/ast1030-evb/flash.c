/* SPDX-License-Identifier: MIT
 *
 * The flash chip behind the controller SPI1, all of it for files. The other
 * controller, FMC, has the chip that the board starts from: that is left alone.
 *
 * Bytes go through the controller's window in user mode, four at a time where
 * there are four; the controller sends the lowest first.
 */
#include "device-agent/ports/ast1030-evb/chip.h"
#include "device-agent/ports/bare/nor.h"
#include "device-agent/ports/bare/port.h"

#include <string.h>

static volatile uint32_t *const words = (volatile uint32_t *)SPI1_WINDOW;
static volatile uint8_t *const bytes = (volatile uint8_t *)SPI1_WINDOW;

void fp_port_spi_select(void)
{
    SPI1_CONTROL0 = SPI1_CONTROL_USER;
}

void fp_port_spi_deselect(void)
{
    SPI1_CONTROL0 = SPI1_CONTROL_USER | SPI1_CONTROL_DESELECT;
}

void fp_port_spi_write(const uint8_t *buf, uint32_t size)
{
    uint32_t at = 0, word;

    for (; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, buf + at, sizeof word);
        *words = word;
    }
    while (at < size)
        *bytes = buf[at++];
}

void fp_port_spi_read(uint8_t *buf, uint32_t size)
{
    uint32_t at = 0, word;

    for (; size - at >= sizeof word; at += sizeof word) {
        word = *words;
        memcpy(buf + at, &word, sizeof word);
    }
    while (at < size)
        buf[at++] = *bytes;
}

struct fp_bdev *fp_port_flash_init(void)
{
    SPI1_CONFIG |= SPI1_CONFIG_WRITABLE0;
    fp_port_spi_deselect();
    return fp_bare_nor_init();
}
