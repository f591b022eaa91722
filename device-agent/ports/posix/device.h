/* SPDX-License-Identifier: MIT
 *
 * A device that is a process: all that programs of this kind share, and what
 * makes one of them its own, which is the wire.
 *
 * SIGTERM and SIGINT close in good order. SIGKILL is a power cut.
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_DEVICE_H
#define FP_DEVICE_AGENT_PORTS_POSIX_DEVICE_H

#include "device-agent/ports/posix/wire.h"

/* Serves until it is told to end: the exit code. */
int fp_port_device_run(const struct fp_port_program *program,
                       struct fp_port_wire *wire, int argc, char **argv);

#endif
