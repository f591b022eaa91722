/* SPDX-License-Identifier: MIT
 *
 *   gadget_echo SERIAL UDC VID:PID
 *
 * A gadget of flashport-gadget's wire that gives back every byte that comes,
 * until it is killed: what the cable, the kernel and the CPU alone can do. The
 * agent's throughput is told as a share of this one's (firmware.py).
 */
#include "device-agent/ports/gadget/functionfs.h"

#include <signal.h>
#include <stdio.h>

#define WAIT_MS 1000

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void give_back(struct fp_port_wire *wire, const uint8_t *buf,
                      size_t size)
{
    while (size > 0 && !stop) {
        size_t n = wire->ops->send(wire, buf, size);

        buf += n;
        size -= n;
        if (size > 0)
            wire->ops->wait(wire, WAIT_MS);
    }
}

static void serve(struct fp_port_wire *wire)
{
    static uint8_t buf[FP_PORT_TRANSFER_SIZE];

    while (!stop) {
        size_t n = wire->ops->recv(wire, buf, sizeof buf);

        give_back(wire, buf, n);
        if (n == 0)
            wire->ops->wait(wire, WAIT_MS);
    }
}

int main(int argc, char **argv)
{
    static struct fp_port_ffs ffs;
    struct fp_port_options options = { 0 };
    struct sigaction act = { .sa_handler = on_signal };
    int err;

    if (argc != 4) {
        fprintf(stderr, "usage: gadget_echo SERIAL UDC VID:PID\n");
        return 2;
    }
    options.id = argv[1];
    options.own[0] = argv[2];
    options.own[1] = argv[3];
    sigaction(SIGTERM, &act, NULL);
    fp_port_ffs_init(&ffs);
    err = ffs.wire.ops->open(&ffs.wire, &options);
    if (err == 0) {
        fprintf(stderr, "gadget_echo: serves on %s\n", ffs.wire.where);
        serve(&ffs.wire);
    } else {
        fprintf(stderr, "gadget_echo: %s\n", ffs.wire.error);
    }
    ffs.wire.ops->close(&ffs.wire);
    return err ? 1 : 0;
}
