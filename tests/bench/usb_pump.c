/* SPDX-License-Identifier: MIT
 *
 *   usb_pump SPEC BYTES UNDER_WAY
 *
 * Sends random bytes to a device that gives them back (gadget_echo.c), over the
 * daemon's own link, with at most so many on their way; compares each. Prints
 * how many bytes a second passed, both ways counted.
 */
#include "daemon/link/expand.h"
#include "daemon/link/link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define WAIT_MS 10000

__attribute__((format(printf, 1, 2))) static _Noreturn void give_up(
    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "usb_pump: ");
    vfprintf(stderr, format, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint8_t *random_bytes(size_t size)
{
    uint8_t *bytes = malloc(size);

    for (size_t at = 0; bytes && at < size;) {
        ssize_t n = getrandom(bytes + at, size - at, 0);

        if (n < 0)
            give_up("no random bytes");
        at += (size_t)n;
    }
    if (!bytes)
        give_up("out of memory");
    return bytes;
}

static void pump(struct fpd_link *link, const uint8_t *data, size_t size,
                 size_t under_way)
{
    static uint8_t buf[65536];
    size_t sent = 0, back = 0;

    while (back < size) {
        size_t room = under_way - (sent - back);
        size_t left = size - sent < room ? size - sent : room;
        ssize_t n = fpd_link_send(link, data + sent, left);

        if (n < 0)
            give_up("%s", link->reason);
        sent += (size_t)n;
        n = fpd_link_recv(link, buf, sizeof buf, WAIT_MS);
        if (n < 0)
            give_up("%s", link->reason);
        if ((size_t)n > sent - back || memcmp(buf, data + back, (size_t)n) != 0)
            give_up("other bytes came back, at %zu of %zu", back, size);
        back += (size_t)n;
    }
}

int main(int argc, char **argv)
{
    struct fpd_link link;
    uint8_t *data;
    size_t size;
    double start;

    if (argc != 4)
        give_up("usage: usb_pump SPEC BYTES UNDER_WAY");
    size = strtoul(argv[2], NULL, 10);
    data = random_bytes(size);
    if (fpd_link_init(&link, argv[1]) || fpd_link_open(&link))
        give_up("%s", link.reason);
    start = now_s();
    pump(&link, data, size, strtoul(argv[3], NULL, 10));
    printf("%.0f\n", 2 * (double)size / (now_s() - start));
    fpd_link_deinit(&link);
    fpd_link_watch_end();
    free(data);
    return 0;
}
