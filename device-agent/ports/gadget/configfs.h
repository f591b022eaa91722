/* SPDX-License-Identifier: MIT
 *
 * A gadget with one function, ours, set up and taken down in configfs.
 *
 *     /sys/kernel/config/usb_gadget/flashport.UDC/     ids, strings, OS strings
 *         functions/ffs.flashport.UDC ◄─ configs/c.1/  mounted at
 *                                          /run/flashport-gadget/UDC/ffs
 *
 * All names come of the controller's, so that what a program left that was
 * killed is found and taken down by the next. A lock on the folder of the mount
 * tells it from one that lives.
 *
 * Memory  struct fp_port_gadget is the caller's
 * Errors  -1, with a sentence in why[0..size)
 * Source  the kernel's Documentation/usb/gadget_configfs.rst and
 *         ABI/testing/configfs-usb-gadget
 */
#ifndef FP_DEVICE_AGENT_PORTS_GADGET_CONFIGFS_H
#define FP_DEVICE_AGENT_PORTS_GADGET_CONFIGFS_H

#include <stddef.h>

#define FP_PORT_UDC_MAX  24 /* with it the function's name is one for configfs */
#define FP_PORT_PATH_MAX 128

struct fp_port_gadget {
    char udc[FP_PORT_UDC_MAX + 1];
    char mount[FP_PORT_PATH_MAX];
    /* private */
    char folder[FP_PORT_PATH_MAX];
    char function[40];
    int lock; /* -1: nothing of it is ours */
};

void fp_port_gadget_init(struct fp_port_gadget *gadget);
/* Up to a FunctionFS at `mount` that awaits its descriptors. udc NULL: the only
 * one there is; ids NULL: ours, else "VID:PID". */
int fp_port_gadget_make(struct fp_port_gadget *gadget, const char *udc,
                        const char *ids, const char *serial, char *why,
                        size_t size);
/* Plugs it in. */
int fp_port_gadget_bind(struct fp_port_gadget *gadget, char *why, size_t size);
void fp_port_gadget_unbind(struct fp_port_gadget *gadget);
/* All that was made. The files at `mount` are closed. */
void fp_port_gadget_remove(struct fp_port_gadget *gadget);

#endif
