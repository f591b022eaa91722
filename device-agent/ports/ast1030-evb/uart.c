/* SPDX-License-Identifier: MIT
 *
 * UART5, the board's console: 16 bytes of FIFO each way.
 */
#include "device-agent/ports/ast1030-evb/chip.h"
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/bare/wire.h"

void fp_port_uart_handler(void);

void fp_port_uart_init(void)
{
    UART_LCR = UART_LCR_8N1 | UART_LCR_DIVISOR;
    UART_DIVISOR_LOW = UART_DIVISOR_115200;
    UART_DIVISOR_HIGH = 0;
    UART_LCR = UART_LCR_8N1;
    UART_FCR = UART_FCR_ON;
    UART_IER = UART_IER_CAME | UART_IER_ERROR;
    NVIC_ISER = 1u << FP_PORT_IRQ_UART5;
}

/* Reading the status is what clears errors in it. */
static uint32_t look(void)
{
    uint32_t status = UART_LSR;

    if (status & UART_LSR_DAMAGED)
        fp_bare_wire_lost();
    return status;
}

/* It says that it is empty for as long as there is more. */
static void fill(void)
{
    int byte = fp_bare_wire_next();

    for (uint32_t i = 1; byte >= 0; i++) {
        UART_DATA = (uint32_t)byte;
        if (i == UART_FIFO_SIZE)
            break;
        byte = fp_bare_wire_next();
    }
    UART_IER =
        UART_IER_CAME | UART_IER_ERROR | (byte >= 0 ? UART_IER_EMPTY : 0);
}

void fp_port_uart_handler(void)
{
    uint32_t status = look();

    while (status & UART_LSR_CAME) {
        fp_bare_wire_came((uint8_t)UART_DATA);
        status = look();
    }
    if (status & UART_LSR_EMPTY)
        fill();
}

/* The last bytes of many come without an interrupt for a while. */
void fp_port_uart_go_on(void)
{
    fp_port_uart_handler();
}
