/* SPDX-License-Identifier: MIT
 *
 * What a board supplies. Six functions; each is a few lines over a vendor's HAL.
 */
#ifndef FP_DEVICE_AGENT_PORTS_TEMPLATE_PORT_H
#define FP_DEVICE_AGENT_PORTS_TEMPLATE_PORT_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds since any moment; may wrap. */
uint32_t fp_port_now_ms(void);
/* A text that no other board has, of the chip's unique id:
 * [A-Za-z0-9._-]{1,64}. Never out of flash that a restore overwrites. */
const char *fp_port_id(void);

/* Bytes out of the UART's (or USB CDC's) receive ring, at most `size`; 0 when
 * there are none. The ring is filled by an interrupt or DMA and holds at least
 * what comes in during one erase, unless the flash stalls the CPU. */
size_t fp_port_recv(uint8_t *buf, size_t size);
/* Puts what fits into the transmit ring and returns how many bytes that was. */
size_t fp_port_send(const uint8_t *buf, size_t size);

/* The flash, addresses from its start. 0, or -1 when the chip says it failed.
 * A page is programmed within, never across; one sector is erased. */
int fp_port_flash_read(uint32_t addr, void *buf, uint32_t size);
int fp_port_flash_prog(uint32_t addr, const void *buf, uint32_t size);
int fp_port_flash_erase(uint32_t addr);

#endif
