/* SPDX-License-Identifier: MIT
 *
 * The USB bus: the one libusb context of the daemon, the one thread that
 * handles its events, and which of the devices plugged in are ours.
 *
 * Ours has a serial number and an interface of the class, subclass and protocol
 * below with one bulk endpoint each way (proto/PROTOCOL.md, "Over USB"). All
 * that is known without opening a device or sending it a byte: descriptors and
 * the serial number are the kernel's copies. A stranger is never opened.
 *
 * Memory  a port holds a reference to its device, fpd_usb_port_drop(). A
 *         listener is the caller's, from listen to unlisten
 * Thread  any. The calls of a listener come on the event thread, one at a time;
 *         they complete a waiter and return
 */
#ifndef FPD_LINK_USB_BUS_H
#define FPD_LINK_USB_BUS_H

#include <libusb.h>
#include <stddef.h>
#include <stdint.h>

/* Until the project has a VID:PID of its own: of the range that pid.codes keeps
 * for tests. */
#define FPD_USB_VID 0x1209
#define FPD_USB_PID 0x0001

#define FPD_USB_CLASS    0xff /* vendor specific */
#define FPD_USB_SUBCLASS 0x46 /* 'F' */
#define FPD_USB_PROTOCOL 0x50 /* 'P' */

#define FPD_USB_SERIAL_MAX 64

struct fpd_usb_want {
    uint16_t vid, pid;
    char serial[FPD_USB_SERIAL_MAX + 1]; /* "": any */
};

struct fpd_usb_port {
    libusb_device *device;
    uint16_t vid, pid;
    char serial[FPD_USB_SERIAL_MAX + 1]; /* [A-Za-z0-9._-]+ */
    uint8_t interface;
    uint8_t in, out; /* addresses of the endpoints */
};

struct fpd_usb_listener {
    /* Either may be NULL. */
    void (*arrived)(struct fpd_usb_listener *listener, libusb_device *device);
    void (*left)(struct fpd_usb_listener *listener, libusb_device *device);
    /* private */
    struct fpd_usb_listener *next;
};

/* Our devices that are wanted and plugged in now, up to max of them: a count.
 * The first call starts the bus. FP_ERR_IO: there is none to be had. */
int fpd_usb_bus_find(const struct fpd_usb_want *want,
                     struct fpd_usb_port *ports, size_t max);
void fpd_usb_port_drop(struct fpd_usb_port *port);
/* Says so if `other` is another device with the same id as the one in use. */
void fpd_usb_bus_tell_twin(const struct fpd_usb_port *used,
                           libusb_device *other);

void fpd_usb_bus_listen(struct fpd_usb_listener *listener);
/* When it returns, no call runs and none will come. */
void fpd_usb_bus_unlisten(struct fpd_usb_listener *listener);
/* Ends the thread. Every handle is closed by now. */
void fpd_usb_bus_stop(void);

/* The enum fp_error of a libusb_error. */
int fpd_usb_error(int libusb_err);

#endif
