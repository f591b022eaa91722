/* SPDX-License-Identifier: MIT
 *
 * flashport-agent: a simulated device, served on a pseudo-terminal or a socket.
 */
#include "device-agent/ports/posix/device.h"
#include "device-agent/ports/posix/line.h"

static const struct fp_port_program program = {
    .name = "flashport-agent",
    .model = "posix",
    .usage = "usage: flashport-agent --id ID --storage SPEC... --mount SPEC... "
             "--listen WIRE\n"
             "\n"
             "A simulated device: a file as its flash, served over a wire.\n",
    .wire_usage =
        "  --rates N,N...        rates in baud that a pty is set to: the safe "
        "one,\n"
        "                        then those that a host may raise it to\n"
        "  --listen WIRE         pty:PATH, tcp:ADDRESS:PORT or unix:PATH; "
        "beyond loopback\n"
        "                        (127.0.0.1) only with a key\n",
    .own = { "listen" },
    .is_own_needed = true,
};

int main(int argc, char **argv)
{
    struct fp_port_line line;

    fp_port_line_init(&line);
    return fp_port_device_run(&program, &line.wire, argc, argv);
}
