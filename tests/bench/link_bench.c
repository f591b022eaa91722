/* SPDX-License-Identifier: MIT
 *
 * How much of a line's rate is left for payload: a host's link on one tty, a
 * device's on another, BULK frames of 1 KiB one way and then the other, and a
 * line of JSON a direction. What joins the two ttys is tests/tools/linksim.
 *
 *   linksim --baud 921600 [--flip 1e-5] pty:/tmp/a pty:/tmp/b &
 *   link_bench /tmp/a /tmp/b [KIB]
 *
 * The whole way, through daemon and agent, is what link.py measures; this one
 * is for tuning the link, and is compiled by hand:
 *   cc -std=c11 -D_GNU_SOURCE -O2 -I. tests/bench/link_bench.c \
 *      proto/link*.c proto/frame.c core/digest/crc32.c -o link_bench
 */
#include "core/digest/crc32.h"
#include "proto/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FRAME 1024

struct end {
    int fd;
    struct fp_link link;
    uint8_t tx[8192], rx[32768];
    uint64_t sent, got;
};

static uint32_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint32_t)(ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static size_t on_send(void *ctx, const uint8_t *buf, size_t size)
{
    struct end *end = ctx;
    ssize_t n = write(end->fd, buf, size);

    return n > 0 ? (size_t)n : 0;
}

static void end_open(struct end *end, const char *path, bool host,
                     size_t rx_size)
{
    struct fp_link_config cfg = {
        .crc32 = fp_crc32,
        .send = on_send,
        .ctx = end,
        .host = host,
        .frame_max = FRAME,
        .tx_buf = end->tx,
        .tx_size = sizeof end->tx,
        .rx_buf = end->rx,
        .rx_size = rx_size,
    };

    end->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (end->fd < 0) {
        fprintf(stderr, "link_bench: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    fp_link_init(&end->link, &cfg, now_ms());
}

/* One round for one end; returns when it wants to be called again. */
static uint32_t serve(struct end *end, uint64_t total)
{
    uint8_t buf[4096];
    struct fp_link_frame frame;
    ssize_t n;

    while ((n = read(end->fd, buf, sizeof buf)) > 0)
        fp_link_input(&end->link, buf, (size_t)n, now_ms());
    while (fp_link_peek(&end->link, &frame)) {
        for (size_t i = 0; i < frame.size; i++)
            if (frame.payload[i] != (uint8_t)((end->got + i) * 167 >> 3)) {
                fprintf(stderr, "link_bench: wrong byte\n");
                exit(1);
            }
        end->got += frame.size;
        fp_link_take(&end->link);
    }
    while (end->sent < total) {
        uint8_t *out = fp_link_alloc(&end->link, FRAME);

        if (out == NULL)
            break;
        for (size_t i = 0; i < FRAME; i++)
            out[i] = (uint8_t)((end->sent + i) * 167 >> 3);
        fp_link_commit(&end->link, FP_FRAME_BULK, FRAME);
        end->sent += FRAME;
    }
    return fp_link_poll(&end->link, now_ms());
}

static void move(struct end *host, struct end *device, bool up, uint64_t total)
{
    struct end *from = up ? device : host, *to = up ? host : device;
    struct fp_link_stats before, a, b;
    uint32_t start = now_ms();
    double seconds;

    from->sent = to->got = 0;
    fp_link_get_stats(&from->link, &before);
    while (to->got < total || !fp_link_idle(&from->link)) {
        struct pollfd fds[] = { { host->fd, POLLIN, 0 },
                                { device->fd, POLLIN, 0 } };
        uint32_t x = serve(host, up ? 0 : total);
        uint32_t y = serve(device, up ? total : 0);

        if (fp_link_state(&host->link) == FP_LINK_DOWN) {
            fprintf(stderr, "link_bench: the link went down\n");
            exit(1);
        }
        x = x < y ? x : y;
        poll(fds, 2, x < 5 ? (int)x : 5);
    }
    seconds = (now_ms() - start) / 1000.0;
    fp_link_get_stats(&from->link, &a);
    fp_link_get_stats(&to->link, &b);
    printf("{\"direction\":\"%s\",\"bytes\":%llu,\"seconds\":%.3f,"
           "\"rate\":%.0f,\"wire_bytes\":%llu,\"retransmitted\":%llu,"
           "\"duplicates\":%llu,\"damaged\":%llu}\n",
           up ? "device to host" : "host to device", (unsigned long long)total,
           seconds, (double)total / seconds,
           (unsigned long long)(a.tx_bytes - before.tx_bytes),
           (unsigned long long)(a.retransmitted - before.retransmitted),
           (unsigned long long)b.duplicates, (unsigned long long)b.rx_damaged);
}

int main(int argc, char **argv)
{
    static struct end host, device;
    uint64_t total = (argc > 3 ? strtoull(argv[3], NULL, 10) : 1024) * 1024;
    uint8_t nonce[8] = { 1 };
    uint32_t t = now_ms();

    if (argc < 3) {
        fprintf(stderr, "usage: link_bench TTY_HOST TTY_DEVICE [KIB]\n");
        return 2;
    }
    memcpy(nonce + 1, &t, sizeof t);
    end_open(&host, argv[1], true, sizeof host.rx);
    end_open(&device, argv[2], false, 8192);
    fp_link_start(&host.link, nonce, t);
    move(&host, &device, false, total);
    move(&host, &device, true, total);
    return 0;
}
