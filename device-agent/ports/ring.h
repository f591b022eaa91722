/* SPDX-License-Identifier: MIT
 *
 * A ring of bytes between an interrupt and the main loop.
 *
 * One side puts and moves `head`, the other takes and moves `tail`, so no lock
 * is needed. One byte stays free, or full would look like empty.
 *
 * Memory  the caller's; set buf and size, zero the rest
 * Thread  one that puts and one that takes, of which either may be an
 *         interrupt, on one CPU
 */
#ifndef FP_DEVICE_AGENT_PORTS_RING_H
#define FP_DEVICE_AGENT_PORTS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fp_port_ring {
    volatile uint8_t *buf; /* written before head moves, read before tail
                              does */
    uint32_t size;
    volatile uint32_t head; /* where the next byte is put */
    volatile uint32_t tail; /* and taken; equal: empty */
};

/* No division: a Cortex-M0 has none. */
static inline uint32_t fp_port_ring_after(const struct fp_port_ring *ring,
                                          uint32_t at)
{
    return at + 1 == ring->size ? 0 : at + 1;
}

static inline bool fp_port_ring_is_empty(const struct fp_port_ring *ring)
{
    return ring->tail == ring->head;
}

/* False: it is full. */
static inline bool fp_port_ring_put(struct fp_port_ring *ring, uint8_t byte)
{
    uint32_t next = fp_port_ring_after(ring, ring->head);

    if (next == ring->tail)
        return false;
    ring->buf[ring->head] = byte;
    ring->head = next;
    return true;
}

/* A byte, or -1. */
static inline int fp_port_ring_take(struct fp_port_ring *ring)
{
    int byte = -1;

    if (!fp_port_ring_is_empty(ring)) {
        byte = ring->buf[ring->tail];
        ring->tail = fp_port_ring_after(ring, ring->tail);
    }
    return byte;
}

/* What fits, of buf[0..size), and how much that was. */
static inline size_t fp_port_ring_write(struct fp_port_ring *ring,
                                        const uint8_t *buf, size_t size)
{
    size_t n = 0;

    while (n < size && fp_port_ring_put(ring, buf[n]))
        n++;
    return n;
}

/* At most `size` bytes that are there. */
static inline size_t fp_port_ring_read(struct fp_port_ring *ring, uint8_t *buf,
                                       size_t size)
{
    size_t n = 0;

    while (n < size && !fp_port_ring_is_empty(ring))
        buf[n++] = (uint8_t)fp_port_ring_take(ring);
    return n;
}

#endif
