/* SPDX-License-Identifier: MIT
 *
 * Transfers of one endpoint end in the order in which they went off, so each
 * way is a ring: `head` is the oldest, and nobody looks at a later one before
 * it.
 */
#include "daemon/link/usb_pipe.h"

#include "core/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SLOTS     4
#define SLOT_SIZE 16384 /* whole packets at every speed */
/* An agent whose flash works takes nothing for seconds; one that took nothing
 * for so long is dead. A device that says nothing is no fault. */
#define OUT_MS 30000

struct slot {
    struct libusb_transfer *transfer;
    bool is_away;
    size_t size, taken; /* in: of the bytes that came */
    uint8_t buf[SLOT_SIZE];
};

struct ring {
    struct slot slots[SLOTS];
    unsigned head;
};

struct fpd_usb_pipe {
    struct fpd_usb_listener listener;
    libusb_device_handle *handle;
    struct fpd_usb_port port;
    int fd; /* an eventfd */
    pthread_mutex_t lock;
    /* under `lock` */
    pthread_cond_t landed;
    unsigned away; /* transfers */
    bool is_halted;
    const char *broken;
    struct ring in, out;
};

static void ring_bell(struct fpd_usb_pipe *pipe)
{
    uint64_t one = 1;
    ssize_t n = write(pipe->fd, &one, sizeof one);

    (void)n; /* full is rung */
}

/* The first reason is the one that matters. */
static void break_pipe(struct fpd_usb_pipe *pipe, const char *why)
{
    if (!pipe->broken)
        pipe->broken = why;
    ring_bell(pipe);
}

static const char *reason_of(enum libusb_transfer_status status)
{
    switch (status) {
    case LIBUSB_TRANSFER_COMPLETED:
        return NULL;
    case LIBUSB_TRANSFER_TIMED_OUT:
        return "the device took nothing for 30 s";
    case LIBUSB_TRANSFER_STALL:
        return "the device halted its endpoint";
    case LIBUSB_TRANSFER_NO_DEVICE:
        return "the device was unplugged";
    case LIBUSB_TRANSFER_OVERFLOW:
        return "the device sent more than fits a packet";
    case LIBUSB_TRANSFER_CANCELLED:
        return "the link is closed";
    default:
        return "a transfer failed, as when the cable is pulled";
    }
}

/* ---- transfers ---- */

static struct slot *slot_of(struct ring *ring,
                            const struct libusb_transfer *transfer)
{
    struct slot *slot = ring->slots;

    while (slot->transfer != transfer)
        slot++;
    return slot;
}

static void LIBUSB_CALL landed(struct libusb_transfer *transfer)
{
    struct fpd_usb_pipe *pipe = transfer->user_data;
    struct ring *ring =
        transfer->endpoint == pipe->port.in ? &pipe->in : &pipe->out;
    const char *why = reason_of(transfer->status);
    struct slot *slot = slot_of(ring, transfer);

    pthread_mutex_lock(&pipe->lock);
    slot->is_away = false;
    slot->size = (size_t)transfer->actual_length;
    pipe->away--;
    /* After an error the two ends may count packets differently, too. */
    pipe->is_halted |= transfer->status == LIBUSB_TRANSFER_STALL ||
                       transfer->status == LIBUSB_TRANSFER_ERROR ||
                       transfer->status == LIBUSB_TRANSFER_OVERFLOW;
    if (why)
        break_pipe(pipe, why);
    ring_bell(pipe);
    pthread_cond_signal(&pipe->landed);
    pthread_mutex_unlock(&pipe->lock);
}

/* The lock is held. Into the next place of the ring, too. */
static void send_off(struct fpd_usb_pipe *pipe, struct ring *ring, size_t size)
{
    struct slot *slot = &ring->slots[ring->head];
    int err;

    slot->size = slot->taken = 0;
    slot->transfer->length = (int)size;
    err = libusb_submit_transfer(slot->transfer);
    if (err) {
        break_pipe(pipe, err == LIBUSB_ERROR_NO_DEVICE
                             ? reason_of(LIBUSB_TRANSFER_NO_DEVICE)
                             : "no transfer could be started");
        return;
    }
    slot->is_away = true;
    pipe->away++;
    ring->head = (ring->head + 1) % SLOTS;
}

size_t fpd_usb_pipe_put(struct fpd_usb_pipe *pipe, const uint8_t *buf,
                        size_t size)
{
    size_t done = 0;

    pthread_mutex_lock(&pipe->lock);
    while (done < size && !pipe->broken) {
        struct slot *slot = &pipe->out.slots[pipe->out.head];
        size_t n = size - done < SLOT_SIZE ? size - done : SLOT_SIZE;

        if (slot->is_away)
            break;
        memcpy(slot->buf, buf + done, n);
        send_off(pipe, &pipe->out, n);
        done += n;
    }
    pthread_mutex_unlock(&pipe->lock);
    return done;
}

/* The lock is held: of the oldest transfer alone. */
static size_t take_some(struct fpd_usb_pipe *pipe, uint8_t *buf, size_t size)
{
    struct slot *slot = &pipe->in.slots[pipe->in.head];
    size_t n = slot->size - slot->taken;

    if (n > size)
        n = size;
    memcpy(buf, slot->buf + slot->taken, n);
    slot->taken += n;
    if (slot->taken == slot->size && !pipe->broken)
        send_off(pipe, &pipe->in, SLOT_SIZE);
    else if (slot->taken == slot->size)
        pipe->in.head = (pipe->in.head + 1) % SLOTS;
    return n;
}

size_t fpd_usb_pipe_take(struct fpd_usb_pipe *pipe, uint8_t *buf, size_t size)
{
    uint64_t count;
    size_t done = 0;
    ssize_t n = read(pipe->fd, &count, sizeof count);

    (void)n; /* cleared first: whatever comes from now on rings again */
    pthread_mutex_lock(&pipe->lock);
    for (int i = 0; i < SLOTS && done < size; i++) {
        if (pipe->in.slots[pipe->in.head].is_away)
            break;
        done += take_some(pipe, buf + done, size - done);
    }
    /* What did not fit is there still, and nothing else would say so; and a
     * pipe that broke says so for ever. */
    if (!pipe->in.slots[pipe->in.head].is_away || pipe->broken)
        ring_bell(pipe);
    pthread_mutex_unlock(&pipe->lock);
    return done;
}

const char *fpd_usb_pipe_broken(struct fpd_usb_pipe *pipe)
{
    const char *why;

    pthread_mutex_lock(&pipe->lock);
    why = pipe->broken;
    pthread_mutex_unlock(&pipe->lock);
    return why;
}

int fpd_usb_pipe_fd(const struct fpd_usb_pipe *pipe)
{
    return pipe->fd;
}

/* ---- from new to free ---- */

/* One that is plugged in again is not a twin of what it was before. */
static void device_arrived(struct fpd_usb_listener *listener,
                           libusb_device *device)
{
    struct fpd_usb_pipe *pipe = (struct fpd_usb_pipe *)listener;

    if (!fpd_usb_pipe_broken(pipe))
        fpd_usb_bus_tell_twin(&pipe->port, device);
}

static void device_left(struct fpd_usb_listener *listener,
                        libusb_device *device)
{
    struct fpd_usb_pipe *pipe = (struct fpd_usb_pipe *)listener;

    if (device != pipe->port.device)
        return;
    pthread_mutex_lock(&pipe->lock);
    break_pipe(pipe, reason_of(LIBUSB_TRANSFER_NO_DEVICE));
    pthread_mutex_unlock(&pipe->lock);
}

static bool ring_init(struct fpd_usb_pipe *pipe, struct ring *ring,
                      uint8_t endpoint, unsigned timeout_ms)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &ring->slots[i];

        slot->transfer = libusb_alloc_transfer(0);
        if (!slot->transfer)
            return false;
        libusb_fill_bulk_transfer(slot->transfer, pipe->handle, endpoint,
                                  slot->buf, SLOT_SIZE, landed, pipe,
                                  timeout_ms);
        /* Without it a device that reads more than a packet at once would wait
         * for the rest of what is over. */
        if (endpoint == pipe->port.out)
            slot->transfer->flags = LIBUSB_TRANSFER_ADD_ZERO_PACKET;
    }
    return true;
}

static void ring_free(struct ring *ring)
{
    for (int i = 0; i < SLOTS; i++)
        libusb_free_transfer(ring->slots[i].transfer);
}

static void pipe_free(struct fpd_usb_pipe *pipe)
{
    ring_free(&pipe->in);
    ring_free(&pipe->out);
    pthread_cond_destroy(&pipe->landed);
    pthread_mutex_destroy(&pipe->lock);
    if (pipe->fd >= 0)
        close(pipe->fd);
    free(pipe);
}

int fpd_usb_pipe_new(libusb_device_handle *handle,
                     const struct fpd_usb_port *port, struct fpd_usb_pipe **out)
{
    struct fpd_usb_pipe *pipe = calloc(1, sizeof *pipe);

    if (!pipe)
        return FP_ERR_NOMEM;
    pipe->listener.arrived = device_arrived;
    pipe->listener.left = device_left;
    pipe->handle = handle;
    pipe->port = *port;
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->landed, NULL);
    pipe->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pipe->fd < 0 || !ring_init(pipe, &pipe->in, port->in, 0) ||
        !ring_init(pipe, &pipe->out, port->out, OUT_MS)) {
        int err = pipe->fd < 0 ? FP_ERR_NFILE : FP_ERR_NOMEM;

        pipe_free(pipe);
        return err;
    }
    fpd_usb_bus_listen(&pipe->listener);
    pthread_mutex_lock(&pipe->lock);
    for (int i = 0; i < SLOTS && !pipe->broken; i++)
        send_off(pipe, &pipe->in, SLOT_SIZE);
    pthread_mutex_unlock(&pipe->lock);
    *out = pipe;
    return FP_OK;
}

static void call_back(struct ring *ring)
{
    for (int i = 0; i < SLOTS; i++)
        if (ring->slots[i].is_away)
            libusb_cancel_transfer(ring->slots[i].transfer);
}

void fpd_usb_pipe_free(struct fpd_usb_pipe *pipe)
{
    fpd_usb_bus_unlisten(&pipe->listener);
    pthread_mutex_lock(&pipe->lock);
    call_back(&pipe->in);
    call_back(&pipe->out);
    while (pipe->away)
        pthread_cond_wait(&pipe->landed, &pipe->lock);
    pthread_mutex_unlock(&pipe->lock);
    if (pipe->is_halted) { /* or the next to open would find it so */
        libusb_clear_halt(pipe->handle, pipe->port.in);
        libusb_clear_halt(pipe->handle, pipe->port.out);
    }
    libusb_release_interface(pipe->handle, pipe->port.interface);
    libusb_close(pipe->handle);
    pipe_free(pipe);
}
