/* SPDX-License-Identifier: MIT
 *
 * usb:[VID:PID[:SERIAL]]: the vendor interface of a device of ours.
 *
 * A device is known by its serial number, which is its id. A SPEC without one
 * is a pattern: each device that it fits becomes a link of its own, with its
 * serial number, and stays one for its cable to come back. When anything is
 * plugged in, a link that waits tries again at once.
 */
#include "daemon/link/fd.h"
#include "daemon/link/links.h"
#include "daemon/link/usb_bus.h"
#include "daemon/link/usb_pipe.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fpd_link_usb {
    struct fpd_usb_listener listener;
    struct fpd_link *link;
    struct fpd_usb_want want;
    struct fpd_usb_pipe *pipe; /* NULL: closed */
};

/* ---- SPECs ---- */

/* "1209:", four digits and what is behind them. */
static bool take_hex(const char **text, char end, uint16_t *value)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    if (strspn(*text, digits) != 4 || ((*text)[4] && (*text)[4] != end))
        return false;
    *value = (uint16_t)strtoul(*text, NULL, 16);
    *text += 4;
    return true;
}

/* Of what is behind "usb:", up to a comma. */
static bool parse_want(const char *rest, struct fpd_usb_want *want)
{
    char own[FPD_LINK_SPEC_MAX + 1];
    const char *at = own;

    snprintf(own, sizeof own, "%.*s", (int)strcspn(rest, ","), rest);
    *want = (struct fpd_usb_want){ .vid = FPD_USB_VID, .pid = FPD_USB_PID };
    if (own[0] == '\0')
        return true;
    if (!take_hex(&at, ':', &want->vid) || *at++ != ':' ||
        !take_hex(&at, ':', &want->pid))
        return false;
    if (*at == '\0')
        return true;
    at++;
    if (*at == '\0' || strlen(at) > FPD_USB_SERIAL_MAX || strchr(at, ':'))
        return false;
    strcpy(want->serial, at);
    return true;
}

static bool usb_is_pattern(const char *rest)
{
    struct fpd_usb_want want;

    return parse_want(rest, &want) && want.serial[0] == '\0';
}

static size_t usb_expand(const char *spec, char **out, size_t max)
{
    struct fpd_usb_port *ports = calloc(max + 1, sizeof *ports);
    const char *rest = strchr(spec, ':') + 1;
    char full[FPD_LINK_SPEC_MAX + 100];
    struct fpd_usb_want want;
    int n = 0;

    if (ports && parse_want(rest, &want))
        n = fpd_usb_bus_find(&want, ports, max);
    for (int i = 0; i < n; i++) {
        snprintf(full, sizeof full, "usb:%04x:%04x:%s%s", ports[i].vid,
                 ports[i].pid, ports[i].serial, rest + strcspn(rest, ","));
        out[i] = strdup(full);
        fpd_usb_port_drop(&ports[i]);
    }
    free(ports);
    return n > 0 ? (size_t)n : 0;
}

/* ---- a link ---- */

/* Whatever it was that arrived: to look is cheaper than to know. */
static void device_arrived(struct fpd_usb_listener *listener,
                           libusb_device *device)
{
    (void)device;
    fpd_link_retry(((struct fpd_link_usb *)listener)->link);
}

static int usb_parse(struct fpd_link *link, const char *rest)
{
    struct fpd_usb_want want;
    struct fpd_link_usb *usb;

    if (!parse_want(rest, &want) || strchr(rest, ','))
        return fpd_link_fail(link, FP_ERR_INVAL,
                             "'%.60s' is no USB device; it is usb: for every "
                             "one, usb:1209:0001 or usb:1209:0001:SERIAL",
                             rest);
    usb = calloc(1, sizeof *usb);
    if (!usb)
        return fpd_link_fail(link, FP_ERR_NOMEM, "out of memory");
    usb->link = link;
    usb->want = want;
    usb->listener.arrived = device_arrived;
    strcpy(link->address, rest);
    link->usb = usb;
    fpd_usb_bus_listen(&usb->listener);
    return FP_OK;
}

static void usb_deinit(struct fpd_link *link)
{
    fpd_usb_bus_unlisten(&link->usb->listener);
    free(link->usb);
    link->usb = NULL;
}

static int cannot_open(struct fpd_link *link, int libusb_err,
                       const struct fpd_usb_port *port)
{
    unsigned bus = libusb_get_bus_number(port->device);
    unsigned at = libusb_get_device_address(port->device);
    int err = fpd_usb_error(libusb_err);

    if (err == FP_ERR_ACCES)
        return fpd_link_fail(link, err,
                             "no right to open /dev/bus/usb/%03u/%03u: install "
                             "the udev rule packaging/70-flashport.rules and "
                             "plug the device in again",
                             bus, at);
    if (err == FP_ERR_BUSY)
        return fpd_link_fail(link, err,
                             "the USB device %.64s is in use by another "
                             "program",
                             port->serial);
    return fpd_link_fail(link, err, "/dev/bus/usb/%03u/%03u: %s", bus, at,
                         libusb_strerror(libusb_err));
}

static int open_port(struct fpd_link *link, const struct fpd_usb_port *port)
{
    libusb_device_handle *handle;
    int err = libusb_open(port->device, &handle);

    if (err)
        return cannot_open(link, err, port);
    /* A driver that has the interface keeps it: that is BUSY here. */
    err = libusb_claim_interface(handle, port->interface);
    if (err) {
        err = cannot_open(link, err, port);
        goto out_close;
    }
    err = fpd_usb_pipe_new(handle, port, &link->usb->pipe);
    if (!err)
        return FP_OK;
    fpd_link_fail(link, err, "no transfers for the USB device could be made");
    libusb_release_interface(handle, port->interface);

out_close:
    libusb_close(handle);
    return err;
}

static int usb_open(struct fpd_link *link)
{
    struct fpd_usb_port ports[2];
    int n = fpd_usb_bus_find(&link->usb->want, ports, 2);
    int err;

    if (n < 0)
        return fpd_link_fail(link, n, "this machine's USB cannot be used");
    if (n == 0)
        return fpd_link_fail(link, FP_ERR_NODEV,
                             "no such USB device is plugged in");
    err = open_port(link, &ports[0]);
    if (!err)
        link->fd = fpd_usb_pipe_fd(link->usb->pipe);
    if (!err && n == 2)
        fpd_usb_bus_tell_twin(&ports[0], ports[1].device);
    for (int i = 0; i < n; i++)
        fpd_usb_port_drop(&ports[i]);
    return err;
}

static ssize_t usb_send(struct fpd_link *link, const uint8_t *buf, size_t size)
{
    size_t n = fpd_usb_pipe_put(link->usb->pipe, buf, size);
    const char *broken = fpd_usb_pipe_broken(link->usb->pipe);

    if (broken)
        return fpd_link_fail(link, FP_ERR_NODEV, "%s", broken);
    return (ssize_t)n;
}

static ssize_t usb_recv(struct fpd_link *link, uint8_t *buf, size_t size,
                        int timeout_ms)
{
    const char *broken;
    size_t n;

    /* What is in the ring is there at once; a transfer out that ended wakes as
     * well, and that is when send takes more. */
    fpd_link_fd_wait(link, POLLIN, timeout_ms);
    n = fpd_usb_pipe_take(link->usb->pipe, buf, size);
    broken = fpd_usb_pipe_broken(link->usb->pipe);
    if (n == 0 && broken)
        return fpd_link_fail(link, FP_ERR_NODEV, "%s", broken);
    return (ssize_t)n;
}

static void usb_close(struct fpd_link *link)
{
    fpd_usb_pipe_free(link->usb->pipe);
    link->usb->pipe = NULL;
    link->fd = -1; /* was the pipe's */
}

const struct fpd_link_ops fpd_link_usb = {
    .kind = "usb",
    .is_pattern = usb_is_pattern,
    .expand = usb_expand,
    .parse = usb_parse,
    .deinit = usb_deinit,
    .open = usb_open,
    .send = usb_send,
    .recv = usb_recv,
    .close = usb_close,
};
