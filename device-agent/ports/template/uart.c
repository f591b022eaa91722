/* SPDX-License-Identifier: MIT
 *
 * The wire: a UART with a ring of bytes each way between its interrupt and the
 * main loop.
 *
 *     wire ─► came()      ─► in  ─► fp_port_uart_recv()
 *     wire ◄─ give_byte() ◄─ out ◄─ fp_port_uart_send()
 *
 * No byte may be lost for want of room: `in` takes all that the agent lets a
 * host have under way. What noise takes is sent again.
 */
#include "device-agent/ports/ring.h"
#include "port.h"

static uint8_t in_buf[FP_PORT_UART_IN], out_buf[FP_PORT_UART_OUT];
static struct fp_port_ring in = { .buf = in_buf, .size = sizeof in_buf };
static struct fp_port_ring out = { .buf = out_buf, .size = sizeof out_buf };
static volatile bool sending; /* a byte is on its way */
static volatile uint32_t lost;

void fp_port_uart_handler(void);

static void lock(void)
{
    /* FILL IN lock: keep the UART's interrupt out. */
}

static void unlock(void)
{
    /* FILL IN unlock: let it in again. */
}

void fp_port_uart_init(void)
{
    /* FILL IN uart: pins, 115,200 baud, 8 bits, no parity, one stop; interrupts
     * for what came and for what has left. */
}

static void came(uint8_t byte)
{
    if (!fp_port_ring_put(&in, byte))
        lost++;
}

/* Has the byte left that was given last? */
static bool has_left(void)
{
    /* FILL IN sent: what the UART says; it stays true until give_byte(). */
    return false;
}

/* The next byte that waits, if there is one. */
static void give_byte(void)
{
    int byte = fp_port_ring_take(&out);

    sending = byte >= 0;
    /* FILL IN send: if (sending) the byte goes to the transmitter. */
}

void fp_port_uart_handler(void)
{
    /* FILL IN receive: while there is one, came() takes the byte. */
    (void)came;

    if (has_left())
        give_byte();
}

/* ---- the main loop ---- */

size_t fp_port_uart_recv(uint8_t *buf, size_t size)
{
    return fp_port_ring_read(&in, buf, size);
}

/* Interrupts are locked out. That a byte has left is looked at as well: an
 * interrupt that never comes would end the conversation. */
static void go_on(void)
{
    if (!sending || has_left())
        give_byte();
}

size_t fp_port_uart_send(const uint8_t *buf, size_t size)
{
    size_t n = fp_port_ring_write(&out, buf, size);

    lock();
    go_on();
    unlock();
    return n;
}

uint32_t fp_port_uart_lost(void)
{
    return lost;
}

/* Locked out, so that no byte comes between looking and sleeping: an interrupt
 * wakes the CPU all the same. */
void fp_port_uart_sleep(void)
{
    lock();
    go_on();
    if (fp_port_ring_is_empty(&in)) {
        /* FILL IN sleep: until an interrupt is due; or leave it, and the CPU
         * never sleeps. */
    }
    unlock();
}
