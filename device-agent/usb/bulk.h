/* SPDX-License-Identifier: MIT
 *
 * The two bulk endpoints of a device as the byte path that an agent wants:
 * fp_agent_usb_send() is what fp_agent_config.send calls, what
 * fp_agent_usb_recv() gives goes to fp_agent_input().
 *
 *     n = fp_agent_usb_recv(&usb, buf, sizeof buf);
 *     fp_agent_input(&agent, buf, n, now);
 *     wait = fp_agent_poll(&agent, now);
 *     if (!fp_agent_usb_flush(&usb))
 *         wait = 1;
 *     if (n == sizeof buf)                          there may be more
 *         wait = 0;                                 then sleep up to `wait`
 *
 * fp_agent_usb_reset(&usb, 0) is called at a bus reset, when the cable is
 * pulled and when the host sets configuration 0; with the size of packets
 * whenever it sets configuration 1, also where that was set before. First the
 * driver drops what it has under way either way. The interrupt notes which it
 * was, the loop calls. Suspend and resume change nothing. To the agent a reset
 * is a wire that lost bytes: the host begins anew, and it takes that in.
 *
 * A host reads several packets at once and sees them when a short one ends
 * them. So packets are filled while more is to come, and a flush ends with a
 * short one: after a full packet, with one of no bytes. The host does the same,
 * and here nothing hangs on it: each packet is handed on as it is.
 *
 * Memory  the caller's; a packet that was started stays as it is until the
 *         next one was
 * Thread  one caller at a time; a controller's interrupt does not call here
 */
#ifndef FP_DEVICE_AGENT_USB_BULK_H
#define FP_DEVICE_AGENT_USB_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the largest packet: 64 is enough where there is no high speed. */
#ifndef FP_AGENT_USB_PACKET
#define FP_AGENT_USB_PACKET 512
#endif

struct fp_agent_usb_ops {
    /* Starts packet[0..size) into the IN endpoint, size 0 too. False: the one
     * before is not through. */
    bool (*start)(void *ctx, const uint8_t *packet, size_t size);
    /* Takes a packet that came into packet[0..packet_size) and lets the next
     * one come: its size. -1: there is none. The endpoint answers NAK while one
     * lies there, so nothing is lost. */
    int (*take)(void *ctx, uint8_t *packet);
};

struct fp_agent_usb {
    /* private */
    const struct fp_agent_usb_ops *ops;
    void *ctx;
    size_t packet_size;                  /* 0: no host */
    uint8_t out[2][FP_AGENT_USB_PACKET]; /* one is filled, one is on its way */
    uint8_t filling;
    size_t filled;
    bool is_open; /* a full packet went last: the host waits for its end */
    uint8_t in[FP_AGENT_USB_PACKET];
    size_t in_size, in_taken;
};

/* Without a host. */
void fp_agent_usb_init(struct fp_agent_usb *usb,
                       const struct fp_agent_usb_ops *ops, void *ctx);
/* The host has set the configuration, at a speed that has such packets, of at
 * most FP_AGENT_USB_PACKET bytes; or is gone, 0, as at a bus reset. What was
 * under way is lost. Neither start() nor take() is called until a size is set. */
void fp_agent_usb_reset(struct fp_agent_usb *usb, size_t packet_size);
/* How many bytes were taken; all of them while there is no host. */
size_t fp_agent_usb_send(struct fp_agent_usb *usb, const uint8_t *buf,
                         size_t size);
/* There is no more to send for now. False: call again when the packet that is
 * on its way is through. */
bool fp_agent_usb_flush(struct fp_agent_usb *usb);
/* How many bytes came, less than `size` where there are no more; a host that
 * sends empty packets gets a few of them taken a call. */
size_t fp_agent_usb_recv(struct fp_agent_usb *usb, uint8_t *buf, size_t size);

#endif
