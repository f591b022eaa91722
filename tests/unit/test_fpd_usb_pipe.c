/* SPDX-License-Identifier: MIT
 *
 * The daemon's transfers over a libusb that is played here.
 */
#include "daemon/link/usb_pipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 16
#define IN  0x81
#define OUT 0x02

static struct libusb_transfer *away[MAX];
static unsigned away_count, halts_cleared;

int __wrap_libusb_submit_transfer(struct libusb_transfer *transfer);
int __wrap_libusb_submit_transfer(struct libusb_transfer *transfer)
{
    assert_true(away_count < MAX);
    away[away_count++] = transfer;
    return 0;
}

/* The oldest of an endpoint ends. */
static void land(uint8_t endpoint, enum libusb_transfer_status status, int size)
{
    struct libusb_transfer *transfer;
    unsigned at = 0;

    while (at < away_count && away[at]->endpoint != endpoint)
        at++;
    assert_true(at < away_count);
    transfer = away[at];
    memmove(&away[at], &away[at + 1], (--away_count - at) * sizeof away[0]);
    transfer->status = status;
    transfer->actual_length = size;
    transfer->callback(transfer);
}

/* What it calls back is ended by end(), on this thread: the owner waits. */
int __wrap_libusb_cancel_transfer(struct libusb_transfer *transfer);
int __wrap_libusb_cancel_transfer(struct libusb_transfer *transfer)
{
    (void)transfer;
    fail_msg("%s", "a transfer is still under way");
    return 0;
}

int __wrap_libusb_clear_halt(libusb_device_handle *handle, unsigned char at);
int __wrap_libusb_clear_halt(libusb_device_handle *handle, unsigned char at)
{
    (void)handle;
    (void)at;
    halts_cleared++;
    return 0;
}

int __wrap_libusb_release_interface(libusb_device_handle *handle, int number);
int __wrap_libusb_release_interface(libusb_device_handle *handle, int number)
{
    (void)handle;
    (void)number;
    return 0;
}

void __wrap_libusb_close(libusb_device_handle *handle);
void __wrap_libusb_close(libusb_device_handle *handle)
{
    (void)handle;
}

/* ---- a pipe ---- */

static struct fpd_usb_pipe *pipe_of(void)
{
    const struct fpd_usb_port port = { .in = IN, .out = OUT };
    struct fpd_usb_pipe *pipe;

    away_count = halts_cleared = 0;
    assert_int_equal(fpd_usb_pipe_new(NULL, &port, &pipe), 0);
    return pipe;
}

static void end(struct fpd_usb_pipe *pipe)
{
    while (away_count > 0)
        land(away[0]->endpoint, LIBUSB_TRANSFER_CANCELLED, 0);
    fpd_usb_pipe_free(pipe);
}

static void a_device_may_be_silent_but_not_deaf(void **state)
{
    struct fpd_usb_pipe *pipe = pipe_of();
    uint8_t bytes[20000] = { 0 };

    (void)state;
    assert_int_equal(fpd_usb_pipe_put(pipe, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(away_count, 4 + 2);
    for (unsigned i = 0; i < away_count; i++)
        assert_int_equal(away[i]->timeout,
                         away[i]->endpoint == OUT ? 30000 : 0);
    land(OUT, LIBUSB_TRANSFER_COMPLETED, 16384);
    assert_null(fpd_usb_pipe_broken(pipe));
    land(OUT, LIBUSB_TRANSFER_TIMED_OUT, 512);
    assert_string_equal(fpd_usb_pipe_broken(pipe),
                        "the device took nothing for 30 s");
    assert_int_equal(fpd_usb_pipe_put(pipe, bytes, 1), 0);
    end(pipe);
    assert_int_equal(halts_cleared, 0);
}

static void what_came_before_it_broke_is_taken(void **state)
{
    struct fpd_usb_pipe *pipe = pipe_of();
    uint8_t bytes[64];

    (void)state;
    memcpy(away[0]->buffer, "last words", 10);
    land(IN, LIBUSB_TRANSFER_COMPLETED, 10);
    land(IN, LIBUSB_TRANSFER_STALL, 0);
    assert_string_equal(fpd_usb_pipe_broken(pipe),
                        "the device halted its endpoint");
    assert_int_equal(fpd_usb_pipe_take(pipe, bytes, sizeof bytes), 10);
    assert_memory_equal(bytes, "last words", 10);
    end(pipe);
    assert_int_equal(halts_cleared, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_may_be_silent_but_not_deaf),
        cmocka_unit_test(what_came_before_it_broke_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
