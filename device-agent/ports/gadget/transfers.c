/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/gadget/transfers.h"

#include "device-agent/usb/descriptors.h"

#include <endian.h>
#include <linux/usb/functionfs.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's calls, which libc does not wrap. */
static int io_setup(unsigned count, aio_context_t *context)
{
    return (int)syscall(SYS_io_setup, count, context);
}

static void io_destroy(aio_context_t context)
{
    (void)syscall(SYS_io_destroy, context);
}

static int io_submit(aio_context_t context, struct iocb *cb)
{
    return (int)syscall(SYS_io_submit, context, 1L, &cb);
}

static int io_getevents(aio_context_t context, struct io_event *events,
                        long max)
{
    return (int)syscall(SYS_io_getevents, context, 0L, max, events, NULL);
}

/* ---- one transfer ---- */

/* Into the next place of the ring, too. */
static void send_off(struct fp_port_transfers *t, struct fp_port_ring *ring,
                     size_t size)
{
    struct fp_port_transfer *transfer = &ring->transfers[ring->head];

    transfer->cb = (struct iocb){
        .aio_data = (uintptr_t)transfer,
        .aio_lio_opcode = ring->how,
        .aio_fildes = (uint32_t)ring->fd,
        .aio_buf = (uintptr_t)transfer->buf,
        .aio_nbytes = size,
        .aio_flags = IOCB_FLAG_RESFD,
        .aio_resfd = (uint32_t)t->bell,
    };
    transfer->session = t->session;
    transfer->size = transfer->taken = 0;
    if (io_submit(t->context, &transfer->cb) != 1) {
        ring->is_dead = true;
        return;
    }
    transfer->is_away = true;
    ring->head = (ring->head + 1) % FP_PORT_TRANSFERS;
}

static void landed(struct fp_port_transfers *t, const struct io_event *event)
{
    struct fp_port_transfer *transfer =
        (struct fp_port_transfer *)(uintptr_t)event->data;
    bool is_in = transfer->cb.aio_lio_opcode == IOCB_CMD_PWRITE;

    transfer->is_away = false;
    transfer->taken = 0;
    transfer->size = event->res > 0 && !is_in ? (size_t)event->res : 0;
    /* One of an earlier session failed because that ended. */
    if (event->res < 0 && transfer->session == t->session)
        (is_in ? &t->in : &t->out)->is_dead = true;
}

static void collect(struct fp_port_transfers *t)
{
    struct io_event events[2 * FP_PORT_TRANSFERS];
    uint64_t count;
    ssize_t rung = read(t->bell, &count, sizeof count);
    int n = io_getevents(t->context, events, 2 * FP_PORT_TRANSFERS);

    (void)rung;
    for (int i = 0; i < n; i++)
        landed(t, &events[i]);
}

/* ---- sessions ---- */

static void start(struct fp_port_ring *ring)
{
    ring->is_dead = false;
    for (int i = 0; i < FP_PORT_TRANSFERS; i++)
        ring->transfers[i].size = ring->transfers[i].taken = 0;
}

/* Where it cannot be told a packet of no bytes too many does no harm. */
static size_t packet_size_of(int endpoint)
{
    struct usb_endpoint_descriptor is;

    if (ioctl(endpoint, FUNCTIONFS_ENDPOINT_DESC, &is) != 0)
        return FP_AGENT_USB_PACKET_FULL;
    return le16toh(is.wMaxPacketSize);
}

void fp_port_transfers_start(struct fp_port_transfers *t)
{
    collect(t); /* what is of the session before is nobody's now */
    t->session++;
    t->is_on = true;
    t->is_open = false;
    t->packet_size = packet_size_of(t->in.fd);
    start(&t->in);
    start(&t->out);
}

void fp_port_transfers_stop(struct fp_port_transfers *t)
{
    t->is_on = false;
}

void fp_port_transfers_retry(struct fp_port_transfers *t)
{
    t->in.is_dead = false;
    t->out.is_dead = false;
}

int fp_port_transfers_open(struct fp_port_transfers *t, int in, int out)
{
    *t = (struct fp_port_transfers){
        .in = { .fd = in, .how = IOCB_CMD_PWRITE },
        .out = { .fd = out, .how = IOCB_CMD_PREAD },
    };
    t->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (t->bell < 0)
        return -1;
    return io_setup(2 * FP_PORT_TRANSFERS, &t->context);
}

/* The kernel calls back what is under way and waits for it. */
void fp_port_transfers_close(struct fp_port_transfers *t)
{
    if (t->context != 0)
        io_destroy(t->context);
    if (t->bell >= 0)
        close(t->bell);
    close(t->in.fd);
    close(t->out.fd);
    *t = (struct fp_port_transfers){ .bell = -1 };
}

/* ---- bytes ---- */

size_t fp_port_transfers_put(struct fp_port_transfers *t, const uint8_t *buf,
                             size_t size)
{
    struct fp_port_ring *ring = &t->in;
    size_t done = 0;

    collect(t);
    if (!t->is_on)
        return size; /* an unplugged cable: what is sent into it is lost */
    while (done < size && !ring->is_dead) {
        struct fp_port_transfer *at = &ring->transfers[ring->head];
        size_t n = FP_PORT_TRANSFER_SIZE - at->taken;

        if (at->is_away)
            break;
        n = n < size - done ? n : size - done;
        memcpy(at->buf + at->taken, buf + done, n);
        at->taken += n;
        done += n;
        if (at->taken == FP_PORT_TRANSFER_SIZE) {
            send_off(t, ring, FP_PORT_TRANSFER_SIZE);
            t->is_open = true;
        }
    }
    return ring->is_dead ? size : done;
}

void fp_port_transfers_flush(struct fp_port_transfers *t)
{
    struct fp_port_ring *ring = &t->in;

    while (t->is_on && !ring->is_dead) {
        struct fp_port_transfer *at = &ring->transfers[ring->head];
        size_t size = at->taken;

        if (at->is_away || (size == 0 && !t->is_open))
            break;
        send_off(t, ring, size);
        t->is_open = size > 0 && size % t->packet_size == 0;
    }
}

size_t fp_port_transfers_take(struct fp_port_transfers *t, uint8_t *buf,
                              size_t size)
{
    struct fp_port_ring *ring = &t->out;
    size_t done = 0;

    collect(t);
    while (done < size && t->is_on && !ring->is_dead) {
        struct fp_port_transfer *at = &ring->transfers[ring->head];
        size_t n = at->size - at->taken;

        if (at->is_away)
            break;
        n = n < size - done ? n : size - done;
        memcpy(buf + done, at->buf + at->taken, n);
        at->taken += n;
        done += n;
        if (at->taken == at->size)
            send_off(t, ring, FP_PORT_TRANSFER_SIZE);
    }
    return done;
}

bool fp_port_transfers_wait(const struct fp_port_transfers *t)
{
    const struct fp_port_transfer *oldest = &t->out.transfers[t->out.head];

    return !t->is_on || t->out.is_dead || oldest->is_away;
}

bool fp_port_transfers_is_full(const struct fp_port_transfers *t)
{
    return t->is_on && !t->in.is_dead && t->in.transfers[t->in.head].is_away;
}
