/* SPDX-License-Identifier: MIT
 *
 * flashport-gadget: a Linux machine with a USB device controller (a Pi Zero, a
 * BeagleBone) as a flashport device.
 */
#include "device-agent/ports/gadget/functionfs.h"
#include "device-agent/ports/posix/device.h"

static const struct fp_port_program program = {
    .name = "flashport-gadget",
    .model = "gadget",
    .usage =
        "usage: flashport-gadget --id ID --storage SPEC... --mount SPEC... "
        "[--udc NAME]\n"
        "\n"
        "A flashport device on this machine's USB device port. Its serial "
        "number is the id.\n",
    .wire_usage =
        "  --udc NAME            the USB device controller, one of "
        "/sys/class/udc; without\n"
        "                        it the only one. The gadget is set up in "
        "configfs and\n"
        "                        taken down at the end; what a killed "
        "predecessor left\n"
        "                        is taken down first\n"
        "  --usb-ids VID:PID     of a product of its own (1209:0001)\n"
        "  --ffs DIR             serve a FunctionFS that is mounted there, "
        "one function\n"
        "                        among those of a gadget that others set up "
        "and bind\n"
        "                        once \"serves on\" is printed\n",
    .own = { "udc", "usb-ids", "ffs" },
    /* A machine with Linux has the memory, and USB waits for each answer. */
    .frame = 4096,
    .buffers = 16,
};

int main(int argc, char **argv)
{
    static struct fp_port_ffs ffs;

    fp_port_ffs_init(&ffs);
    return fp_port_device_run(&program, &ffs.wire, argc, argv);
}
