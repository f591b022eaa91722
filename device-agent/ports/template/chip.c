/* SPDX-License-Identifier: MIT
 *
 * What the chip gives besides wire and flash: time, its id, chance, a restart.
 *
 * Time is read off a timer that counts by itself. One that interrupts counted
 * would stand still while flash stalls the CPU.
 */
#include "port.h"

#include <string.h>

static uint32_t now_ms;
static uint32_t now_us; /* of the timer, at now_ms */

void fp_port_tick_handler(void);

void fp_port_chip_init(void)
{
    /* FILL IN clock: the crystal that a UART needs; a timer that counts
     * microseconds; an interrupt each millisecond, so that sleep ends. */
}

void fp_port_tick_handler(void)
{
    /* FILL IN tick: acknowledge that interrupt. That it came is all. */
}

static uint32_t timer_us(void)
{
    /* FILL IN time: the timer's microseconds, 32 bits that wrap. */
    return 0;
}

uint32_t fp_port_now_ms(void)
{
    uint32_t passed_ms = (timer_us() - now_us) / 1000;

    now_us += passed_ms * 1000;
    now_ms += passed_ms;
    return now_ms;
}

static void put_hex(char dst[8], uint32_t value)
{
    for (int i = 7; i >= 0; i--) {
        dst[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

void fp_port_id(char id[FP_PORT_ID_SIZE])
{
    uint32_t high = 0, low = 0;

    /* FILL IN id: the chip's unique number. Never out of flash that a restore
     * overwrites: two boards would be one. */

    memcpy(id, "board-", 6);
    put_hex(id + 6, high);
    put_hex(id + 14, low);
    id[FP_PORT_ID_SIZE - 1] = '\0';
}

bool fp_port_random(uint8_t *buf, size_t size)
{
    /* FILL IN random: bytes of a hardware generator; without one leave it, a
     * host's do for all but a key. */
    (void)buf;
    (void)size;
    return false;
}

void fp_port_restart(void)
{
    /* FILL IN restart: on any Cortex-M this is it.
     * Source: ARMv6-M Architecture Reference Manual, B3.2.6 */
    *(volatile uint32_t *)0xe000ed0c = 0x05fa0004;

    for (;;)
        ;
}
