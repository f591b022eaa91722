/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/gadget/functionfs.h"

#include "device-agent/ports/gadget/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FULL_MS 20
#define FFS_MAX (FP_PORT_PATH_MAX - 1) /* of a path */

static struct fp_port_ffs *ffs_of(struct fp_port_wire *wire)
{
    return (struct fp_port_ffs *)wire;
}

/* ---- ep0 ---- */

/* No request is ours: those for descriptors the kernel answers. A request is
 * refused by moving no bytes the wrong way. */
static void refuse(int ep0, const struct usb_ctrlrequest *setup)
{
    ssize_t n = setup->bRequestType & USB_DIR_IN ? read(ep0, NULL, 0)
                                                 : write(ep0, NULL, 0);

    (void)n; /* it fails, that is what is meant */
}

static void take_event(struct fp_port_ffs *ffs,
                       const struct usb_functionfs_event *event)
{
    switch (event->type) {
    case FUNCTIONFS_ENABLE:
        fp_port_transfers_start(&ffs->transfers);
        break;
    case FUNCTIONFS_DISABLE:
    case FUNCTIONFS_UNBIND:
        fp_port_transfers_stop(&ffs->transfers);
        break;
    case FUNCTIONFS_RESUME:
        fp_port_transfers_retry(&ffs->transfers);
        break;
    case FUNCTIONFS_SETUP:
        refuse(ffs->ep0, &event->u.setup);
        break;
    default: /* bind; suspend, which takes nothing away */
        break;
    }
}

static void take_events(struct fp_port_ffs *ffs)
{
    struct usb_functionfs_event events[4];
    ssize_t n = read(ffs->ep0, events, sizeof events);

    for (ssize_t i = 0; i < n / (ssize_t)sizeof events[0]; i++)
        take_event(ffs, &events[i]);
}

/* ---- opening ---- */

static int open_at(struct fp_port_ffs *ffs, const char *folder,
                   const char *name)
{
    char path[FP_PORT_PATH_MAX + 8];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        snprintf(ffs->wire.error, sizeof ffs->wire.error, "%s: %s", path,
                 strerror(errno));
    return fd;
}

static int open_transfers(struct fp_port_ffs *ffs, const char *folder)
{
    int in = open_at(ffs, folder, "ep1"), out;

    if (in < 0)
        return -1;
    out = open_at(ffs, folder, "ep2");
    if (out < 0) {
        close(in);
        return -1;
    }
    ffs->is_open = true;
    if (fp_port_transfers_open(&ffs->transfers, in, out) == 0)
        return 0;
    snprintf(ffs->wire.error, sizeof ffs->wire.error,
             "no asynchronous I/O to be had: %s", strerror(errno));
    return -1;
}

static int open_function(struct fp_port_ffs *ffs, const char *folder)
{
    ffs->ep0 = open_at(ffs, folder, "ep0");
    if (ffs->ep0 < 0)
        return -1;
    if (fp_port_ffs_describe(ffs->ep0) != 0) {
        snprintf(ffs->wire.error, sizeof ffs->wire.error,
                 "%s/ep0 does not take the descriptors: %s", folder,
                 strerror(errno));
        return -1;
    }
    return open_transfers(ffs, folder);
}

static int open_shared(struct fp_port_ffs *ffs, const char *folder)
{
    struct fp_port_wire *wire = &ffs->wire;

    if (strlen(folder) > FFS_MAX) {
        snprintf(wire->error, sizeof wire->error,
                 "--ffs %.60s...: it has %zu bytes; a path has at most %d",
                 folder, strlen(folder), FFS_MAX);
        return -1;
    }
    snprintf(wire->where, sizeof wire->where, "%s", folder);
    wire->is_shared = true;
    return open_function(ffs, folder);
}

static int ffs_open(struct fp_port_wire *wire,
                    const struct fp_port_options *options)
{
    struct fp_port_ffs *ffs = ffs_of(wire);
    const char *udc = options->own[0], *ids = options->own[1],
               *folder = options->own[2];
    struct fp_port_gadget *gadget = &ffs->gadget;

    if (folder != NULL && (udc != NULL || ids != NULL)) {
        snprintf(wire->error, sizeof wire->error,
                 "--udc and --usb-ids make a gadget, --ffs serves in "
                 "another's: give the one or the other");
        return -1;
    }
    if (folder != NULL)
        return open_shared(ffs, folder);
    if (fp_port_gadget_make(gadget, udc, ids, options->id, wire->error,
                            sizeof wire->error) != 0 ||
        open_function(ffs, gadget->mount) != 0)
        return -1;
    snprintf(wire->where, sizeof wire->where, "%s", gadget->udc);
    return fp_port_gadget_bind(gadget, wire->error, sizeof wire->error);
}

/* Unbound first: then nothing is under way. */
static void ffs_close(struct fp_port_wire *wire)
{
    struct fp_port_ffs *ffs = ffs_of(wire);

    fp_port_gadget_unbind(&ffs->gadget);
    if (ffs->is_open)
        fp_port_transfers_close(&ffs->transfers);
    ffs->is_open = false;
    if (ffs->ep0 >= 0)
        close(ffs->ep0);
    ffs->ep0 = -1;
    fp_port_gadget_remove(&ffs->gadget);
}

/* ---- serving ---- */

/* A sleeping host's controller may refuse what is sent (dwc2 does), and memory
 * may be short for a while: once a second what failed is tried again. */
static void retry(struct fp_port_ffs *ffs)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == ffs->retried_s)
        return;
    ffs->retried_s = now.tv_sec;
    fp_port_transfers_retry(&ffs->transfers);
}

/* Who has more to send than the wire takes looks again every millisecond. Here
 * the bell tells when there is room, and a host that reads no more never makes
 * any. */
static int patience_of(const struct fp_port_ffs *ffs, int timeout_ms)
{
    if (!fp_port_transfers_wait(&ffs->transfers))
        return 0;
    if (timeout_ms > 0 && timeout_ms < FULL_MS &&
        fp_port_transfers_is_full(&ffs->transfers))
        return FULL_MS;
    return timeout_ms;
}

static void ffs_wait(struct fp_port_wire *wire, int timeout_ms)
{
    struct fp_port_ffs *ffs = ffs_of(wire);
    struct pollfd fds[2] = {
        { .fd = ffs->ep0, .events = POLLIN },
        { .fd = ffs->transfers.bell, .events = POLLIN },
    };

    fp_port_transfers_flush(&ffs->transfers);
    if (poll(fds, 2, patience_of(ffs, timeout_ms)) > 0 && fds[0].revents != 0)
        take_events(ffs);
    retry(ffs);
}

static size_t ffs_recv(struct fp_port_wire *wire, uint8_t *buf, size_t size)
{
    return fp_port_transfers_take(&ffs_of(wire)->transfers, buf, size);
}

static size_t ffs_send(struct fp_port_wire *wire, const uint8_t *buf,
                       size_t size)
{
    return fp_port_transfers_put(&ffs_of(wire)->transfers, buf, size);
}

static const struct fp_port_wire_ops ffs_ops = {
    .open = ffs_open,
    .close = ffs_close,
    .wait = ffs_wait,
    .recv = ffs_recv,
    .send = ffs_send,
    /* .set_rate stays NULL: USB has none */
};

void fp_port_ffs_init(struct fp_port_ffs *ffs)
{
    *ffs = (struct fp_port_ffs){ .wire.ops = &ffs_ops, .ep0 = -1 };
    fp_port_gadget_init(&ffs->gadget);
}
