/* SPDX-License-Identifier: MIT */
#include "device-agent/usb/bulk.h"

#include <string.h>

/* A host ends a transfer with one. Whatever sends nothing but them shall not
 * keep us here. */
#define EMPTY_MAX 4

void fp_agent_usb_init(struct fp_agent_usb *usb,
                       const struct fp_agent_usb_ops *ops, void *ctx)
{
    memset(usb, 0, sizeof *usb);
    usb->ops = ops;
    usb->ctx = ctx;
}

void fp_agent_usb_reset(struct fp_agent_usb *usb, size_t packet_size)
{
    fp_agent_usb_init(usb, usb->ops, usb->ctx);
    usb->packet_size = packet_size;
}

/* What was filled goes; the next is filled in the other place. */
static bool start(struct fp_agent_usb *usb)
{
    if (!usb->ops->start(usb->ctx, usb->out[usb->filling], usb->filled))
        return false;
    usb->is_open = usb->filled == usb->packet_size;
    usb->filling ^= 1;
    usb->filled = 0;
    return true;
}

size_t fp_agent_usb_send(struct fp_agent_usb *usb, const uint8_t *buf,
                         size_t size)
{
    size_t done = 0;

    if (usb->packet_size == 0)
        return size; /* an unplugged cable: what is sent into it is lost */
    while (done < size) {
        size_t n;

        if (usb->filled == usb->packet_size && !start(usb))
            break;
        n = usb->packet_size - usb->filled;
        n = n < size - done ? n : size - done;
        memcpy(usb->out[usb->filling] + usb->filled, buf + done, n);
        usb->filled += n;
        done += n;
    }
    return done;
}

bool fp_agent_usb_flush(struct fp_agent_usb *usb)
{
    if (usb->packet_size == 0)
        return true;
    while (usb->filled > 0 || usb->is_open)
        if (!start(usb))
            return false;
    return true;
}

size_t fp_agent_usb_recv(struct fp_agent_usb *usb, uint8_t *buf, size_t size)
{
    size_t done = 0;
    unsigned empty = 0;

    while (usb->packet_size > 0 && done < size) {
        size_t n = usb->in_size - usb->in_taken;
        int came;

        n = n < size - done ? n : size - done;
        memcpy(buf + done, usb->in + usb->in_taken, n);
        usb->in_taken += n;
        done += n;
        if (usb->in_taken < usb->in_size)
            break;
        came = usb->ops->take(usb->ctx, usb->in);
        usb->in_size = came > 0 ? (size_t)came : 0;
        usb->in_taken = 0;
        if (came < 0 || (came == 0 && ++empty == EMPTY_MAX))
            break;
    }
    return done;
}
