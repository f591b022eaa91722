/* SPDX-License-Identifier: MIT
 *
 * What a board without an OS supplies: its clock, wire, flash, and what else
 * the chip gives. Everything is there once and lives as long as the firmware.
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_PORT_H
#define FP_DEVICE_AGENT_PORTS_BARE_PORT_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- chip.c ---- */

/* The number that the factory gave this chip, the upper half first. */
void fp_port_serial(uint32_t serial[2]);
/* False: this chip has no chance to give. */
bool fp_port_random(uint8_t *buf, size_t size);
/* Of this start, as in HelloReply. */
uint32_t fp_port_boot_reason(void);

/* ---- clock.c ---- */

/* From here on the CPU is interrupted every millisecond. */
void fp_port_clock_init(void);
/* Milliseconds since the start; wraps. Must be called once an hour. */
uint32_t fp_port_now_ms(void);

/* ---- uart.c ---- */

/* Gives every byte that comes to wire.h, and sends what is there. */
void fp_port_uart_init(void);
/* Sends, if it does not already, and may take what has come. Interrupts are
 * locked out. Called after bytes were put, and each millisecond. */
void fp_port_uart_go_on(void);

/* ---- flash.c ---- */

/* What is given to files. NULL: none was found that this port knows. */
struct fp_bdev *fp_port_flash_init(void);

#endif
