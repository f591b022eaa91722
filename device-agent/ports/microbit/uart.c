/* SPDX-License-Identifier: MIT
 *
 * The wire: the chip's UART on the two pins that lead to the USB bridge, with a
 * ring of bytes each way between interrupt and main loop.
 *
 *     wire ─► 6 bytes of FIFO ─► handler ─► in  ─► fp_port_uart_recv()
 *     wire ◄── 1 byte        ◄── handler ◄─ out ◄─ fp_port_uart_send()
 *
 * Of each ring one side moves `head`, the other `tail`, so no lock is needed.
 * One byte of it stays free, or full would look like empty.
 *
 * No byte is lost: `in` takes more than the agent ever has under way to it, and
 * while flash stalls the CPU nothing is under way but an acknowledgement, which
 * would come again.
 */
#include "device-agent/ports/microbit/chip.h"
#include "device-agent/ports/microbit/port.h"

#define PIN_TX 24u
#define PIN_RX 25u

struct ring {
    volatile uint8_t *const buf; /* written before head moves, read before
                                    tail does */
    const uint32_t size;
    volatile uint32_t head; /* where the next byte is put */
    volatile uint32_t tail; /* and taken; equal: empty */
};

static uint8_t in_buf[FP_PORT_UART_IN], out_buf[FP_PORT_UART_OUT];
static struct ring in = { .buf = in_buf, .size = sizeof in_buf };
static struct ring out = { .buf = out_buf, .size = sizeof out_buf };
static volatile bool sending; /* a byte is on its way: TXDRDY will tell */
static volatile uint32_t lost;

void fp_port_uart_handler(void);

/* ---- rings ---- */

/* No division: this chip has none. */
static uint32_t after(const struct ring *ring, uint32_t at)
{
    return at + 1 == ring->size ? 0 : at + 1;
}

static bool put(struct ring *ring, uint8_t byte)
{
    uint32_t next = after(ring, ring->head);

    if (next == ring->tail)
        return false;
    ring->buf[ring->head] = byte;
    ring->head = next;
    return true;
}

/* A byte, or -1. */
static int take(struct ring *ring)
{
    int byte = -1;

    if (ring->tail != ring->head) {
        byte = ring->buf[ring->tail];
        ring->tail = after(ring, ring->tail);
    }
    return byte;
}

/* ---- the chip ---- */

static void lock(void)
{
    __asm volatile("cpsid i" ::: "memory");
}

static void unlock(void)
{
    __asm volatile("cpsie i" ::: "memory");
}

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
    if (!put(&in, (uint8_t)UART_RXD))
        lost++;
}

static void give_byte(void)
{
    int byte = take(&out);

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
        lost++;
    }
}

/* ---- the main loop ---- */

size_t fp_port_uart_recv(uint8_t *buf, size_t size)
{
    size_t n = 0;

    while (n < size && in.tail != in.head)
        buf[n++] = (uint8_t)take(&in);
    return n;
}

/* Interrupts are locked out. That a byte has left is looked at as well, since
 * QEMU 7.2 does not interrupt when the byte had to wait for its reader. */
static void go_on(void)
{
    if (!sending || UART_EVENTS_TXDRDY)
        give_byte();
}

size_t fp_port_uart_send(const uint8_t *buf, size_t size)
{
    size_t n = 0;

    while (n < size && put(&out, buf[n]))
        n++;
    lock();
    go_on();
    unlock();
    return n;
}

uint32_t fp_port_uart_lost(void)
{
    return lost;
}

/* An interrupt wakes the CPU even while it is locked out, so none is missed
 * between looking and sleeping. */
void fp_port_uart_sleep(void)
{
    lock();
    go_on();
    if (in.tail == in.head)
        __asm volatile("wfi" ::: "memory");
    unlock();
}
