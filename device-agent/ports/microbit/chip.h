/* SPDX-License-Identifier: MIT
 *
 * The registers of the nRF51822 that this port uses, by peripheral.
 *
 * A task is started by writing 1, an event reads 1 once it has happened and is
 * cleared by writing 0.
 *
 * Source: nRF51 Series Reference Manual 3.0, the section of each peripheral
 */
#ifndef FP_DEVICE_AGENT_PORTS_MICROBIT_CHIP_H
#define FP_DEVICE_AGENT_PORTS_MICROBIT_CHIP_H

#include <stdint.h>

#define FP_PORT_REGISTER(addr) (*(volatile uint32_t *)(addr))

/* The number of a peripheral's interrupt is in its address, too. */
#define FP_PORT_IRQ_UART   2
#define FP_PORT_IRQ_TIMER1 9

/* Factory information: an id that no other chip has. */
#define FICR_DEVICEID0 FP_PORT_REGISTER(0x10000060)
#define FICR_DEVICEID1 FP_PORT_REGISTER(0x10000064)

/* Power and clock share a page. */
#define CLOCK_TASKS_HFCLKSTART    FP_PORT_REGISTER(0x40000000)
#define CLOCK_EVENTS_HFCLKSTARTED FP_PORT_REGISTER(0x40000100)
#define POWER_RESETREAS           FP_PORT_REGISTER(0x40000400)
#define POWER_RESETREAS_PIN       1u
#define POWER_RESETREAS_WATCHDOG  2u
#define POWER_RESETREAS_SOFTWARE  4u

#define UART_TASKS_STARTRX   FP_PORT_REGISTER(0x40002000)
#define UART_TASKS_STARTTX   FP_PORT_REGISTER(0x40002008)
#define UART_EVENTS_RXDRDY   FP_PORT_REGISTER(0x40002108)
#define UART_EVENTS_TXDRDY   FP_PORT_REGISTER(0x4000211c)
#define UART_EVENTS_ERROR    FP_PORT_REGISTER(0x40002124)
#define UART_INTENSET        FP_PORT_REGISTER(0x40002304)
#define UART_INT_RXDRDY      (1u << 2)
#define UART_INT_TXDRDY      (1u << 7)
#define UART_INT_ERROR       (1u << 9)
#define UART_ERRORSRC        FP_PORT_REGISTER(0x40002480)
#define UART_ENABLE          FP_PORT_REGISTER(0x40002500)
#define UART_ENABLE_ON       4u
#define UART_PSELTXD         FP_PORT_REGISTER(0x4000250c)
#define UART_PSELRXD         FP_PORT_REGISTER(0x40002514)
#define UART_RXD             FP_PORT_REGISTER(0x40002518)
#define UART_TXD             FP_PORT_REGISTER(0x4000251c)
#define UART_BAUDRATE        FP_PORT_REGISTER(0x40002524)
#define UART_BAUDRATE_115200 0x01d7e000u

/* Two of the three timers, alike. */
#define TIMER0_TASKS_START     FP_PORT_REGISTER(0x40008000)
#define TIMER0_TASKS_CAPTURE0  FP_PORT_REGISTER(0x40008040)
#define TIMER0_BITMODE         FP_PORT_REGISTER(0x40008508)
#define TIMER0_PRESCALER       FP_PORT_REGISTER(0x40008510)
#define TIMER0_CC0             FP_PORT_REGISTER(0x40008540)
#define TIMER1_TASKS_START     FP_PORT_REGISTER(0x40009000)
#define TIMER1_EVENTS_COMPARE0 FP_PORT_REGISTER(0x40009140)
#define TIMER1_SHORTS          FP_PORT_REGISTER(0x40009200)
#define TIMER1_INTENSET        FP_PORT_REGISTER(0x40009304)
#define TIMER1_PRESCALER       FP_PORT_REGISTER(0x40009510)
#define TIMER1_CC0             FP_PORT_REGISTER(0x40009540)
#define TIMER_SHORT_CLEAR0     (1u << 0) /* at CC0 it begins anew */
#define TIMER_INT_COMPARE0     (1u << 16)
#define TIMER_BITMODE_32       3u
#define TIMER_PRESCALER_1MHZ   4u /* 16 MHz divided by 2 to the 4 */

#define RNG_TASKS_START   FP_PORT_REGISTER(0x4000d000)
#define RNG_TASKS_STOP    FP_PORT_REGISTER(0x4000d004)
#define RNG_EVENTS_VALRDY FP_PORT_REGISTER(0x4000d100)
#define RNG_CONFIG        FP_PORT_REGISTER(0x4000d504)
#define RNG_CONFIG_UNBIAS 1u
#define RNG_VALUE         FP_PORT_REGISTER(0x4000d508)

#define NVMC_READY        FP_PORT_REGISTER(0x4001e400)
#define NVMC_CONFIG       FP_PORT_REGISTER(0x4001e504)
#define NVMC_CONFIG_READ  0u
#define NVMC_CONFIG_WRITE 1u
#define NVMC_CONFIG_ERASE 2u
#define NVMC_ERASEPAGE    FP_PORT_REGISTER(0x4001e508)

#define GPIO_OUTSET FP_PORT_REGISTER(0x50000508)
#define GPIO_DIRSET FP_PORT_REGISTER(0x50000518)

/* The core's own. Source: ARMv6-M Architecture Reference Manual, B3.2, B3.4 */
#define NVIC_ISER       FP_PORT_REGISTER(0xe000e100)
#define SCB_AIRCR       FP_PORT_REGISTER(0xe000ed0c)
#define SCB_AIRCR_RESET 0x05fa0004u

#endif
