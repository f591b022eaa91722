/* SPDX-License-Identifier: MIT
 *
 * The wire of a gadget: our interface, as a function of FunctionFS.
 *
 *   ep0  tells when the host sets the configuration and when it drops it
 *   ep1  bulk in, ep2 bulk out (transfers.h)
 *
 * The program sets the gadget up itself (configfs.h), or serves a FunctionFS
 * that others have mounted. Pulling the cable takes nothing down: the host may
 * come back, and until then what is sent is lost, as on any wire.
 */
#ifndef FP_DEVICE_AGENT_PORTS_GADGET_FUNCTIONFS_H
#define FP_DEVICE_AGENT_PORTS_GADGET_FUNCTIONFS_H

#include "device-agent/ports/gadget/configfs.h"
#include "device-agent/ports/gadget/transfers.h"
#include "device-agent/ports/posix/wire.h"

#include <time.h>

struct fp_port_ffs {
    struct fp_port_wire wire; /* first */
    /* private */
    int ep0;
    bool is_open; /* the transfers are */
    time_t retried_s;
    struct fp_port_gadget gadget;
    struct fp_port_transfers transfers;
};

/* Of a program whose own options are udc, usb-ids and ffs. */
void fp_port_ffs_init(struct fp_port_ffs *ffs);

#endif
