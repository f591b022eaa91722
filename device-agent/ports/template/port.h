/* SPDX-License-Identifier: MIT
 *
 * A board under the agent: its clock, wire, flash, and what else the chip gives.
 * Everything is there once and lives as long as the firmware does.
 *
 * To be copied and filled in, docs/porting.md. What a chip has to say stands at
 * the places marked FILL IN; the rest holds for any.
 */
#ifndef BOARD_PORT_H
#define BOARD_PORT_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* FILL IN registers: the vendor's header. */

/* FILL IN flash: erase block, number of them for files, smallest unit that is
 * programmed, and what the flash is like (core/bdev/bdev.h): FP_BDEV_XIP where
 * the program runs from it, FP_BDEV_REPROG where a unit may be programmed again
 * to clear more bits. */
#define FP_PORT_BLOCK_SIZE  4096u
#define FP_PORT_BLOCK_COUNT 32u
#define FP_PORT_PROG_SIZE   16u
#define FP_PORT_FLASH_FLAGS (FP_BDEV_ERASED_FF | FP_BDEV_XIP)

/* ---- chip.c ---- */

#define FP_PORT_ID_SIZE (6 + 16 + 1)

void fp_port_chip_init(void);
/* Milliseconds since the start; wraps. Must be called once an hour. */
uint32_t fp_port_now_ms(void);
/* "board-" and the number that the factory gave this chip. */
void fp_port_id(char id[FP_PORT_ID_SIZE]);
/* Random bytes of the chip; false: it has none to give. */
bool fp_port_random(uint8_t *buf, size_t size);
_Noreturn void fp_port_restart(void);

/* ---- uart.c ---- */

/* Bytes that came and were not received yet: what the agent lets a host have
 * under way, and an acknowledgement. And those that wait to be sent. */
#define FP_PORT_UART_IN  1472
#define FP_PORT_UART_OUT 256

void fp_port_uart_init(void);
/* At most `size` bytes that have come in; 0 when there are none. */
size_t fp_port_uart_recv(uint8_t *buf, size_t size);
/* Takes what fits into the ring of what goes, and says how much. */
size_t fp_port_uart_send(const uint8_t *buf, size_t size);
/* Bytes that came and found no room. */
uint32_t fp_port_uart_lost(void);
/* Sleeps until an interrupt, unless bytes have come in. */
void fp_port_uart_sleep(void);

/* ---- flash.c ---- */

struct fp_bdev *fp_port_flash_init(void);

/* ---- startup.c ---- */

/* Bytes of the stack that nobody has used since the start. */
uint32_t fp_port_stack_free(void);

#endif
