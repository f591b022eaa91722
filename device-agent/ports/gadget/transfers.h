/* SPDX-License-Identifier: MIT
 *
 * Transfers of FunctionFS endpoints, several under way each way, by the
 * kernel's asynchronous I/O: an endpoint's file cannot be polled, and a read
 * of it waits for the host.
 *
 *   out  (the host's way out) all of them wait for the host. What came stays in
 *        its buffer until it was taken; then that transfer goes off again
 *   in   each is filled and goes off when it is full, or when there is no more
 *        to send. One that filled its last packet is followed by one of no
 *        bytes then: the host reads on until a short packet
 *
 * Transfers of one endpoint end in the order in which they went off, so each
 * way is a ring: `head` is the oldest.
 *
 * Memory  the caller's, 128 KiB, in the kernel's use until close
 * Errors  -1 and errno, of open; a transfer that fails is one of no bytes, and
 *         none follows it until the host sets the configuration again, or
 *         somebody says retry: a controller may refuse them while the host
 *         sleeps, the kernel while memory is short
 */
#ifndef FP_DEVICE_AGENT_PORTS_GADGET_TRANSFERS_H
#define FP_DEVICE_AGENT_PORTS_GADGET_TRANSFERS_H

#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FP_PORT_TRANSFERS     4     /* each way */
#define FP_PORT_TRANSFER_SIZE 16384 /* whole packets at every speed */

struct fp_port_transfer {
    struct iocb cb;
    bool is_away;
    uint32_t session; /* that it went off in */
    size_t size, taken;
    uint8_t buf[FP_PORT_TRANSFER_SIZE];
};

struct fp_port_ring {
    int fd;       /* the endpoint */
    uint16_t how; /* IOCB_CMD_* */
    bool is_dead; /* until the next session or retry */
    unsigned head;
    struct fp_port_transfer transfers[FP_PORT_TRANSFERS];
};

struct fp_port_transfers {
    int bell; /* an eventfd, readable when a transfer has ended */
    /* private */
    aio_context_t context;
    uint32_t session; /* counts configurations */
    bool is_on;       /* configured */
    bool is_open;     /* a full packet went last: the host waits for its end */
    size_t packet_size;
    struct fp_port_ring in, out;
};

/* Over endpoint files, which become its own, so that close closes them. */
int fp_port_transfers_open(struct fp_port_transfers *t, int in, int out);
void fp_port_transfers_close(struct fp_port_transfers *t);
/* The host has set the configuration, or has dropped it. */
void fp_port_transfers_start(struct fp_port_transfers *t);
void fp_port_transfers_stop(struct fp_port_transfers *t);
/* Where transfers have failed, the next ones are tried. */
void fp_port_transfers_retry(struct fp_port_transfers *t);
/* How many bytes were taken of, or put into, buf[0..size); perhaps 0. */
size_t fp_port_transfers_put(struct fp_port_transfers *t, const uint8_t *buf,
                             size_t size);
size_t fp_port_transfers_take(struct fp_port_transfers *t, uint8_t *buf,
                              size_t size);
/* There is no more to send for now. */
void fp_port_transfers_flush(struct fp_port_transfers *t);
/* False: there are bytes to be taken, of which the bell says nothing more. */
bool fp_port_transfers_wait(const struct fp_port_transfers *t);
/* Nothing more can be put into them until the bell rings. */
bool fp_port_transfers_is_full(const struct fp_port_transfers *t);

#endif
