/* SPDX-License-Identifier: MIT
 *
 * The vector table's part that is this chip's.
 */
#include "device-agent/ports/ast1030-evb/chip.h"

void fp_port_uart_handler(void);

__attribute__((section(".vectors.port"),
               used)) static void (*const interrupts[])(void) = {
    [FP_PORT_IRQ_UART5] = fp_port_uart_handler,
};
