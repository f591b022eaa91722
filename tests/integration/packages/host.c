/* SPDX-License-Identifier: MIT
 *
 * A platform for the packages' example that is this machine: flash is memory,
 * the wire a Unix socket, the application a thread of its own. So the example
 * runs, and what watches threads sees whether its lock holds.
 *
 * usage: host SOCKET
 */
#include "device.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE  4096
#define BLOCK_COUNT 64

static uint8_t memory[BLOCK_SIZE * BLOCK_COUNT];
static struct fp_bdev_ram ram;
static pthread_mutex_t files = PTHREAD_MUTEX_INITIALIZER;
static int wire = -1;

static size_t send_bytes(void *ctx, const uint8_t *buf, size_t size)
{
    ssize_t n = send(wire, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    (void)ctx;
    return n > 0 ? (size_t)n : 0;
}

static uint32_t clock_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void lock(void)
{
    pthread_mutex_lock(&files);
}

static void unlock(void)
{
    pthread_mutex_unlock(&files);
}

static struct device_platform platform = {
    .id = "packaged-1",
    .flash = &ram.bdev,
    .send = send_bytes,
    .clock_ms = clock_ms,
    .lock = lock,
    .unlock = unlock,
};

/* What it obeys is in its log. */
static void *application(void *arg)
{
    char line[32];

    for (;;) {
        uint32_t ms = device_interval();

        (void)snprintf(line, sizeof line, "interval=%u\n", (unsigned)ms);
        (void)device_log(line);
        usleep(ms * 1000);
    }
    return arg;
}

static int accept_host(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    if (bind(listener, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        listen(listener, 1) != 0)
        return -1;
    return accept(listener, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct pollfd ready = { .events = POLLIN };
    uint32_t wait_ms = 0;
    uint8_t buf[256];
    pthread_t thread;

    memset(memory, 0xff, sizeof memory);
    fp_bdev_ram_init(&ram, 16, BLOCK_SIZE, BLOCK_COUNT, memory);
    if (argc != 2 || device_start(&platform) != FP_OK)
        return 1;
    wire = ready.fd = accept_host(argv[1]);
    if (wire < 0 || pthread_create(&thread, NULL, application, NULL) != 0)
        return 1;
    for (;;) {
        ssize_t n = 0;

        if (poll(&ready, 1, wait_ms > 100 ? 100 : (int)wait_ms) > 0)
            n = read(wire, buf, sizeof buf);
        if (n < 0 || (n == 0 && ready.revents != 0))
            return 0; /* the host has gone */
        wait_ms = device_serve(buf, (size_t)n);
    }
}
