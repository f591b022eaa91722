/* SPDX-License-Identifier: MIT
 *
 * Interrupts are locked out only where the UART is told to go on.
 */
#include "device-agent/ports/bare/wire.h"
#include "device-agent/ports/bare/cpu.h"
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/ring.h"

static uint8_t in_buf[FP_BARE_WIRE_IN], out_buf[FP_BARE_WIRE_OUT];
static struct fp_port_ring in = { .buf = in_buf, .size = sizeof in_buf };
static struct fp_port_ring out = { .buf = out_buf, .size = sizeof out_buf };
static volatile uint32_t lost;

/* ---- the UART's ---- */

void fp_bare_wire_came(uint8_t byte)
{
    if (!fp_port_ring_put(&in, byte))
        lost++;
}

int fp_bare_wire_next(void)
{
    return fp_port_ring_take(&out);
}

void fp_bare_wire_lost(void)
{
    lost++;
}

/* ---- the main loop's ---- */

size_t fp_bare_wire_recv(uint8_t *buf, size_t size)
{
    return fp_port_ring_read(&in, buf, size);
}

size_t fp_bare_wire_send(const uint8_t *buf, size_t size)
{
    size_t n = fp_port_ring_write(&out, buf, size);

    fp_bare_lock();
    fp_port_uart_go_on();
    fp_bare_unlock();
    return n;
}

uint32_t fp_bare_wire_lost_count(void)
{
    return lost;
}

void fp_bare_wire_sleep(void)
{
    fp_bare_lock();
    fp_port_uart_go_on();
    if (fp_port_ring_is_empty(&in))
        fp_bare_sleep();
    fp_bare_unlock();
}
