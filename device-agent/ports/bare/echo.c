/* SPDX-License-Identifier: MIT
 *
 * What the wire and the CPU alone can do: every byte that comes goes back. The
 * agent's throughput is told as a share of this one's (tests/bench/firmware.py).
 */
#include "device-agent/ports/bare/port.h"
#include "device-agent/ports/bare/wire.h"

static void give_back(const uint8_t *buf, size_t size)
{
    while (size > 0) {
        size_t n = fp_bare_wire_send(buf, size);

        buf += n;
        size -= n;
    }
}

int main(void)
{
    uint8_t buf[256];

    fp_port_clock_init();
    fp_port_uart_init();
    for (;;) {
        size_t n = fp_bare_wire_recv(buf, sizeof buf);

        give_back(buf, n);
        if (n == 0)
            fp_bare_wire_sleep();
    }
}
