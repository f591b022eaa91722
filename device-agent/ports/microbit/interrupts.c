/* SPDX-License-Identifier: MIT
 *
 * The vector table's part that is this chip's.
 */
#include "device-agent/ports/microbit/chip.h"

void fp_port_uart_handler(void);
void fp_port_tick_handler(void);

__attribute__((section(".vectors.port"),
               used)) static void (*const interrupts[32])(void) = {
    [FP_PORT_IRQ_UART] = fp_port_uart_handler,
    [FP_PORT_IRQ_TIMER1] = fp_port_tick_handler,
};
