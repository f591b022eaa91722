/* SPDX-License-Identifier: MIT
 *
 * The gadget's wire over a kernel that is played here: transfers go off, and
 * land when the test says so.
 */
#include "device-agent/ports/gadget/functionfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX 64

/* ---- the kernel ---- */

static struct kernel {
    struct iocb *away[MAX]; /* in the order in which they went off */
    struct io_event events[MAX];
    size_t sent[MAX]; /* bytes of each that went in, since the start */
    unsigned away_count, event_count, sent_count;
    uint16_t packet_size;
    bool refuses;
    int waited_ms; /* as the last poll() was to wait */
} kernel;

static int submit(struct iocb *cb)
{
    if (kernel.refuses) {
        errno = ESHUTDOWN;
        return -1;
    }
    assert_true(kernel.away_count < MAX);
    kernel.away[kernel.away_count++] = cb;
    if (cb->aio_lio_opcode == IOCB_CMD_PWRITE) {
        assert_true(kernel.sent_count < MAX);
        kernel.sent[kernel.sent_count++] = cb->aio_nbytes;
    }
    return 1;
}

static int get_events(struct io_event *events)
{
    unsigned n = kernel.event_count;

    memcpy(events, kernel.events, n * sizeof events[0]);
    kernel.event_count = 0;
    return (int)n;
}

long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    long answer = 0;
    va_list args;

    va_start(args, number);
    if (number == SYS_io_setup) {
        (void)va_arg(args, unsigned);
        *va_arg(args, aio_context_t *) = 1;
    } else if (number == SYS_io_submit) {
        (void)va_arg(args, aio_context_t);
        (void)va_arg(args, long);
        answer = submit(*va_arg(args, struct iocb **));
    } else if (number == SYS_io_getevents) {
        (void)va_arg(args, aio_context_t);
        (void)va_arg(args, long);
        (void)va_arg(args, long);
        answer = get_events(va_arg(args, struct io_event *));
    } else {
        assert_int_equal(number, SYS_io_destroy);
    }
    va_end(args);
    return answer;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    (void)fd;
    assert_true(request == FUNCTIONFS_ENDPOINT_DESC);
    va_start(args, request);
    va_arg(args, struct usb_endpoint_descriptor *)->wMaxPacketSize =
        kernel.packet_size;
    va_end(args);
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)fds;
    (void)count;
    kernel.waited_ms = timeout_ms;
    return 0;
}

/* The oldest of that way ends: a count, or an error. */
static void land(uint16_t how, int64_t result, const void *bytes)
{
    uint64_t one = 1;
    unsigned at = 0;
    struct iocb *cb;

    while (at < kernel.away_count && kernel.away[at]->aio_lio_opcode != how)
        at++;
    assert_true(at < kernel.away_count);
    cb = kernel.away[at];
    if (bytes != NULL)
        memcpy((void *)(uintptr_t)cb->aio_buf, bytes, (size_t)result);
    kernel.events[kernel.event_count++] =
        (struct io_event){ .data = cb->aio_data, .res = result };
    memmove(&kernel.away[at], &kernel.away[at + 1],
            (--kernel.away_count - at) * sizeof kernel.away[0]);
    assert_int_equal(write((int)cb->aio_resfd, &one, sizeof one), sizeof one);
}

/* ---- a gadget whose host has set the configuration ---- */

static struct fp_port_ffs wire;
static struct fp_port_transfers *const t = &wire.transfers;
static uint8_t bytes[8 * FP_PORT_TRANSFER_SIZE];

static void configure(uint16_t packet_size)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.packet_size = packet_size;
    fp_port_ffs_init(&wire);
    assert_int_equal(fp_port_transfers_open(t, open("/dev/null", O_RDWR),
                                            open("/dev/null", O_RDWR)),
                     0);
    fp_port_transfers_start(t);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static int end(void **state)
{
    (void)state;
    fp_port_transfers_close(t);
    return 0;
}

static void put(size_t size)
{
    assert_int_equal(fp_port_transfers_put(t, bytes, size), size);
}

#define assert_sent(...)                                                       \
    do {                                                                       \
        const size_t expected[] = { __VA_ARGS__ };                             \
        assert_int_equal(kernel.sent_count * sizeof(size_t), sizeof expected); \
        assert_memory_equal(kernel.sent, expected, sizeof expected);           \
    } while (0)

/* ---- what is sent ---- */

/* USB 2.0, 5.8.3: a transfer ends with a packet that is not full. */
static void a_full_last_packet_is_followed_by_an_empty_one(void **state)
{
    (void)state;
    configure(512);
    put(1024);
    fp_port_transfers_flush(t);
    assert_sent(1024, 0);
    fp_port_transfers_flush(t);
    assert_sent(1024, 0);
}

static void so_is_a_full_transfer_when_no_more_comes(void **state)
{
    (void)state;
    configure(512);
    put(FP_PORT_TRANSFER_SIZE);
    assert_sent(FP_PORT_TRANSFER_SIZE);
    fp_port_transfers_flush(t);
    assert_sent(FP_PORT_TRANSFER_SIZE, 0);
}

static void a_short_packet_is_an_end(void **state)
{
    (void)state;
    configure(512);
    put(1023);
    fp_port_transfers_flush(t);
    put(FP_PORT_TRANSFER_SIZE);
    put(1);
    fp_port_transfers_flush(t);
    assert_sent(1023, FP_PORT_TRANSFER_SIZE, 1);
}

/* At full speed. */
static void what_is_full_is_as_the_host_says(void **state)
{
    (void)state;
    configure(64);
    put(64);
    fp_port_transfers_flush(t);
    put(511);
    fp_port_transfers_flush(t);
    assert_sent(64, 0, 511);
}

static void the_empty_one_waits_for_its_turn(void **state)
{
    (void)state;
    configure(512);
    put(FP_PORT_TRANSFERS * FP_PORT_TRANSFER_SIZE);
    fp_port_transfers_flush(t);
    assert_int_equal(kernel.sent_count, FP_PORT_TRANSFERS);
    assert_int_equal(fp_port_transfers_put(t, bytes, 1), 0);
    land(IOCB_CMD_PWRITE, FP_PORT_TRANSFER_SIZE, NULL);
    assert_int_equal(fp_port_transfers_put(t, bytes, 0), 0);
    fp_port_transfers_flush(t);
    assert_int_equal(kernel.sent_count, FP_PORT_TRANSFERS + 1);
    assert_int_equal(kernel.sent[FP_PORT_TRANSFERS], 0);
}

static void what_is_refused_is_lost_until_a_retry(void **state)
{
    (void)state;
    configure(512);
    kernel.refuses = true;
    put(100);
    fp_port_transfers_flush(t);
    put(sizeof bytes);
    kernel.refuses = false;
    put(10);
    fp_port_transfers_flush(t);
    assert_int_equal(kernel.sent_count, 0);
    fp_port_transfers_retry(t);
    put(10);
    fp_port_transfers_flush(t);
    assert_int_equal(kernel.sent_count, 1);
}

/* ---- what comes ---- */

static void what_comes_is_taken_in_order_and_asked_for_again(void **state)
{
    uint8_t got[1000];

    (void)state;
    configure(512);
    assert_int_equal(fp_port_transfers_take(t, got, sizeof got), 0);
    assert_int_equal(kernel.away_count, FP_PORT_TRANSFERS);
    land(IOCB_CMD_PREAD, 700, bytes);
    land(IOCB_CMD_PREAD, 0, NULL); /* an empty packet is not the end */
    land(IOCB_CMD_PREAD, 300, bytes + 700);
    assert_int_equal(fp_port_transfers_take(t, got, 600), 600);
    assert_false(fp_port_transfers_wait(t));
    assert_int_equal(fp_port_transfers_take(t, got + 600, 400), 400);
    assert_memory_equal(got, bytes, 1000);
    assert_int_equal(fp_port_transfers_take(t, got, sizeof got), 0);
    assert_int_equal(kernel.away_count, FP_PORT_TRANSFERS);
    assert_true(fp_port_transfers_wait(t));
}

/* ---- how long it sleeps ---- */

static int sleeps(int timeout_ms)
{
    wire.wire.ops->wait(&wire.wire, timeout_ms);
    return kernel.waited_ms;
}

/* Where a host reads no more, what is left to send asks for every millisecond. */
static void with_a_full_wire_it_waits_for_room(void **state)
{
    uint8_t got[1];

    (void)state;
    configure(512);
    (void)fp_port_transfers_take(t, got, sizeof got);
    assert_int_equal(sleeps(1), 1);
    put(FP_PORT_TRANSFERS * FP_PORT_TRANSFER_SIZE);
    assert_int_equal(sleeps(1), 20);
    assert_int_equal(sleeps(250), 250);
    assert_int_equal(sleeps(0), 0);
    land(IOCB_CMD_PREAD, 2, bytes); /* which is more than it takes */
    assert_int_equal(fp_port_transfers_take(t, got, sizeof got), 1);
    assert_int_equal(sleeps(1), 0);
    assert_int_equal(fp_port_transfers_take(t, got, sizeof got), 1);
    land(IOCB_CMD_PWRITE, FP_PORT_TRANSFER_SIZE, NULL);
    put(1);
    assert_int_equal(sleeps(1), 20);
    land(IOCB_CMD_PWRITE, FP_PORT_TRANSFER_SIZE, NULL);
    put(0);
    assert_int_equal(sleeps(1), 1);
}

int main(void)
{
#define WITH_END(test) cmocka_unit_test_teardown(test, end)
    const struct CMUnitTest tests[] = {
        WITH_END(a_full_last_packet_is_followed_by_an_empty_one),
        WITH_END(so_is_a_full_transfer_when_no_more_comes),
        WITH_END(a_short_packet_is_an_end),
        WITH_END(what_is_full_is_as_the_host_says),
        WITH_END(the_empty_one_waits_for_its_turn),
        WITH_END(what_is_refused_is_lost_until_a_retry),
        WITH_END(what_comes_is_taken_in_order_and_asked_for_again),
        WITH_END(with_a_full_wire_it_waits_for_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
