/* SPDX-License-Identifier: MIT
 *
 * The micro:bit under the agent: its clock, wire, flash, and what else the chip
 * gives. Everything is there once and lives as long as the firmware does.
 */
#ifndef FP_DEVICE_AGENT_PORTS_MICROBIT_PORT_H
#define FP_DEVICE_AGENT_PORTS_MICROBIT_PORT_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- startup.c ---- */

/* Bytes of the stack that nobody has used since the start. */
uint32_t fp_port_stack_free(void);
_Noreturn void fp_port_restart(void);

/* ---- chip.c ---- */

#define FP_PORT_ID_SIZE (9 + 16 + 1)

/* "microbit-" and the number that the factory gave this chip. */
void fp_port_id(char id[FP_PORT_ID_SIZE]);
/* From the noise of a diode; 0.7 ms a byte. */
void fp_port_random(uint8_t *buf, size_t size);
/* Of this start, as in HelloReply. */
uint32_t fp_port_boot_reason(void);

/* ---- clock.c ---- */

/* From here on the CPU is interrupted every millisecond. */
void fp_port_clock_init(void);
/* Milliseconds since the start; wraps. Also counts while flash stalls the CPU,
 * but must be called once an hour. */
uint32_t fp_port_now_ms(void);

/* ---- uart.c ---- */

/* Bytes that came and were not received yet, and that wait to be sent. */
#define FP_PORT_UART_IN  1472
#define FP_PORT_UART_OUT 256

void fp_port_uart_init(void);
/* At most `size` bytes that have come in; 0 when there are none. */
size_t fp_port_uart_recv(uint8_t *buf, size_t size);
/* Takes what fits into the ring of what goes, and says how much. */
size_t fp_port_uart_send(const uint8_t *buf, size_t size);
/* Bytes that came and found no room, or were damaged on the line. */
uint32_t fp_port_uart_lost(void);
/* Sleeps until an interrupt, unless bytes have come in. */
void fp_port_uart_sleep(void);

/* ---- flash.c ---- */

/* The part of the chip's flash that the linker script gives to files. */
struct fp_bdev *fp_port_flash_init(void);

#endif
