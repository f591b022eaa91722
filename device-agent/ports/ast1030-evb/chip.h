/* SPDX-License-Identifier: MIT
 *
 * The registers of the AST1030 that this port uses, by peripheral.
 *
 * Source: Zephyr's devicetree of the AST10x0 and Linux' drivers of the AST2600,
 * which has the same peripherals (8250_aspeed, spi-aspeed-smc); the datasheet
 * is not public
 */
#ifndef FP_DEVICE_AGENT_PORTS_AST1030_EVB_CHIP_H
#define FP_DEVICE_AGENT_PORTS_AST1030_EVB_CHIP_H

#include "device-agent/ports/bare/cpu.h"

#define CPU_HZ 200000000u

#define FP_PORT_IRQ_UART5 8

/* System control: an id that no other chip has. */
#define SCU_CHIP_ID0 FP_BARE_REGISTER(0x7e6e25b0)
#define SCU_CHIP_ID1 FP_BARE_REGISTER(0x7e6e25b4)

/* A 16550, a register a word. */
#define UART_DATA           FP_BARE_REGISTER(0x7e784000)
#define UART_DIVISOR_LOW    FP_BARE_REGISTER(0x7e784000) /* LCR_DIVISOR */
#define UART_DIVISOR_HIGH   FP_BARE_REGISTER(0x7e784004)
#define UART_DIVISOR_115200 1u /* of 24 MHz / 13 / 16 */
#define UART_IER            FP_BARE_REGISTER(0x7e784004)
#define UART_IER_CAME       1u
#define UART_IER_EMPTY      2u
#define UART_IER_ERROR      4u
#define UART_FCR            FP_BARE_REGISTER(0x7e784008)
#define UART_FCR_ON         0xc7u /* both emptied; interrupt at 14 bytes */
#define UART_LCR            FP_BARE_REGISTER(0x7e78400c)
#define UART_LCR_8N1        0x03u
#define UART_LCR_DIVISOR    0x80u
#define UART_LSR            FP_BARE_REGISTER(0x7e784014)
#define UART_LSR_CAME       0x01u
#define UART_LSR_DAMAGED    0x0eu /* overrun, parity, framing */
#define UART_LSR_EMPTY      0x20u
#define UART_FIFO_SIZE      16u

/* The controller SPI1 and its chip 0. In user mode what is read or written
 * anywhere in the window is bytes on the wire. */
#define SPI1_CONFIG           FP_BARE_REGISTER(0x7e630000)
#define SPI1_CONFIG_WRITABLE0 (1u << 16)
#define SPI1_CONTROL0         FP_BARE_REGISTER(0x7e630010)
#define SPI1_CONTROL_USER     3u
#define SPI1_CONTROL_DESELECT 4u
#define SPI1_WINDOW           0x90000000u

#endif
