/* SPDX-License-Identifier: MIT
 *
 * The wire: a ring of bytes each way between a UART's interrupt and the main
 * loop.
 *
 *     UART ─► fp_bare_wire_came() ─► in  ─► fp_bare_wire_recv()
 *     UART ◄─ fp_bare_wire_next() ◄─ out ◄─ fp_bare_wire_send()
 *
 * No byte is lost: FP_BARE_WIRE_IN is all that the agent ever has under way to
 * it, and more where flash stalls the CPU. fp_port_uart_* is the board's.
 */
#ifndef FP_DEVICE_AGENT_PORTS_BARE_WIRE_H
#define FP_DEVICE_AGENT_PORTS_BARE_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* ---- the UART's, in its interrupt or locked ---- */

void fp_bare_wire_came(uint8_t byte);
/* The next byte that goes, or -1. */
int fp_bare_wire_next(void);
/* The UART lost one, or a damaged one came. */
void fp_bare_wire_lost(void);

/* ---- the main loop's ---- */

/* At most `size` bytes that have come in; 0 when there are none. */
size_t fp_bare_wire_recv(uint8_t *buf, size_t size);
/* Takes what fits into the ring of what goes, and says how much. */
size_t fp_bare_wire_send(const uint8_t *buf, size_t size);
/* Bytes that came and found no room, or were damaged on the line. */
uint32_t fp_bare_wire_lost_count(void);
/* Sleeps until an interrupt, unless bytes have come in. */
void fp_bare_wire_sleep(void);

#endif
