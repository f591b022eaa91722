/* SPDX-License-Identifier: MIT
 *
 * Where the host is: bytes each way, and what to wait for. A kind of wire
 * embeds struct fp_port_wire as its first member.
 *
 * Errors  -1, with a sentence in `error`
 */
#ifndef FP_DEVICE_AGENT_PORTS_POSIX_WIRE_H
#define FP_DEVICE_AGENT_PORTS_POSIX_WIRE_H

#include "device-agent/ports/posix/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fp_port_wire;

struct fp_port_wire_ops {
    /* Fills in `where`, too. */
    int (*open)(struct fp_port_wire *wire,
                const struct fp_port_options *options);
    /* Also after an open that failed. Takes away what was made. */
    void (*close)(struct fp_port_wire *wire);
    /* Waits for something to happen, at most timeout_ms. Whoever calls has
     * nothing more to send for now. */
    void (*wait)(struct fp_port_wire *wire, int timeout_ms);
    /* Bytes there are now, 0 none. */
    size_t (*recv)(struct fp_port_wire *wire, uint8_t *buf, size_t size);
    /* How many bytes were taken: all while no host is there. */
    size_t (*send)(struct fp_port_wire *wire, const uint8_t *buf, size_t size);
    /* Once what was sent has left. False: it stays as it is. NULL: it has no
     * rate. */
    bool (*set_rate)(struct fp_port_wire *wire, uint32_t baud);
};

struct fp_port_wire {
    const struct fp_port_wire_ops *ops;
    bool has_proven; /* the peer has the key: no other one takes its place while
                        it is heard. Set by whoever waits */
    bool is_shared;  /* closing takes it from others, too: no restart */
    char where[128]; /* for a person */
    char error[256];
};

#endif
