/* SPDX-License-Identifier: MIT
 *
 * The chip's UART on the two pins that lead to the USB bridge: 6 bytes of FIFO
 * in, one byte out, an interrupt for each.
 *
 * While flash stalls the CPU nothing is under way to it but an acknowledgement,
 * which would come again.
 */
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/bare/wire.h"
#include "device-agent/ports/microbit/chip.h"

#define PIN_TX 24u
#define PIN_RX 25u

static volatile bool sending; /* a byte is on its way: TXDRDY will tell */

void fp_port_uart_handler(void);

void fp_port_uart_init(void)
{
    /* High before it is an output: else the line begins with a break. */
    GPIO_OUTSET = 1u << PIN_TX;
    GPIO_DIRSET = 1u << PIN_TX;
    UART_PSELTXD = PIN_TX;
    UART_PSELRXD = PIN_RX;
    UART_BAUDRATE = UART_BAUDRATE_115200;
    UART_ENABLE = UART_ENABLE_ON;
    UART_INTENSET = UART_INT_RXDRDY | UART_INT_TXDRDY | UART_INT_ERROR;
    NVIC_ISER = 1u << FP_PORT_IRQ_UART;
    UART_TASKS_STARTRX = 1;
    UART_TASKS_STARTTX = 1;
}

/* ---- the interrupt ---- */

static void take_byte(void)
{
    /* In this order: reading makes the next byte of the FIFO ready, which is an
     * event of its own. */
    UART_EVENTS_RXDRDY = 0;
    fp_bare_wire_came((uint8_t)UART_RXD);
}

static void give_byte(void)
{
    int byte = fp_bare_wire_next();

    UART_EVENTS_TXDRDY = 0;
    sending = byte >= 0;
    if (sending)
        UART_TXD = (uint32_t)byte;
}

void fp_port_uart_handler(void)
{
    if (UART_EVENTS_RXDRDY)
        take_byte();
    if (UART_EVENTS_TXDRDY)
        give_byte();
    if (UART_EVENTS_ERROR) {
        UART_EVENTS_ERROR = 0;
        UART_ERRORSRC = UART_ERRORSRC; /* ones clear */
        fp_bare_wire_lost();
    }
}

/* That a byte has left is looked at as well, since QEMU 7.2 does not interrupt
 * when the byte had to wait for its reader. */
void fp_port_uart_go_on(void)
{
    if (!sending || UART_EVENTS_TXDRDY)
        give_byte();
}
