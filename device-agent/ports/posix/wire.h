/* SPDX-License-Identifier: MIT
 *
 * Where the host is: a pseudo-terminal, or the one peer of a TCP or Unix
 * socket. A peer that connects replaces the one before.
 *
 * Memory  struct fp_port_wire is the caller's; fp_port_wire_close() removes
 *         what was made in the file system
 * Errors  -1, with a sentence in `error`
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_WIRE_H
#define FP_DEVICE_AGENT_PORTS_POSIX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fp_port_wire {
    int fd;        /* bytes; -1 without a peer */
    int listen_fd; /* -1: a pty */
    int slave_fd;  /* of a pty, kept open so that clients come and go */
    bool is_full;  /* the last send did not take all: wait for POLLOUT */
    bool is_link;
    char path[512]; /* to be removed; "" none */
    char name[64];  /* of the slave */
    char error[256];
};

/* "pty:PATH", "tcp:ADDRESS:PORT" or "unix:PATH"; an address beyond loopback
 * only where peers prove a key. */
int fp_port_wire_open(struct fp_port_wire *wire, const char *spec,
                      bool has_key);
void fp_port_wire_close(struct fp_port_wire *wire);
/* Waits for something to happen, at most timeout_ms; takes in a new peer. */
void fp_port_wire_wait(struct fp_port_wire *wire, int timeout_ms);
/* Bytes there are now, 0 none. */
size_t fp_port_wire_recv(struct fp_port_wire *wire, uint8_t *buf, size_t size);
size_t fp_port_wire_send(struct fp_port_wire *wire, const uint8_t *buf,
                         size_t size);

/* Is it one that a terminal can be set to? */
bool fp_port_wire_has_rate(uint32_t baud);
/* Sets a pty to it, once what was sent has been read. False: it is none. */
bool fp_port_wire_set_rate(struct fp_port_wire *wire, uint32_t baud);

#endif
