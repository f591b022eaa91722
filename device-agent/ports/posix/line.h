/* SPDX-License-Identifier: MIT
 *
 * Where the host is: a pseudo-terminal, or the one peer of a TCP or Unix
 * socket. A peer that connects replaces the one before.
 *
 * Memory  struct fp_port_line is the caller's; fp_port_line_close() removes
 *         what was made in the file system
 * Errors  -1, with a sentence in `error`
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_LINE_H
#define FP_DEVICE_AGENT_PORTS_POSIX_LINE_H

#include "device-agent/ports/posix/wire.h"

struct fp_port_line {
    struct fp_port_wire wire; /* first */
    /* private */
    int fd;        /* bytes; -1 without a peer */
    int listen_fd; /* -1: a pty */
    int slave_fd;  /* of a pty, kept open so that clients come and go */
    uint32_t heard_ms;
    bool is_full; /* the last send did not take all: wait for POLLOUT */
    bool is_link;
    char path[512]; /* to be removed; "" none */
    char name[64];  /* of the slave */
};

/* Of a program whose first own option says where: "pty:PATH",
 * "tcp:ADDRESS:PORT" or "unix:PATH"; an address beyond loopback only where
 * peers prove a key. */
void fp_port_line_init(struct fp_port_line *line);

/* Is it one that a terminal can be set to? */
bool fp_port_line_has_rate(uint32_t baud);

#endif
