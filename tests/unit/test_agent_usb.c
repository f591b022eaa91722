/* SPDX-License-Identifier: MIT
 *
 * What firmware says of itself over USB, against descriptors written down by
 * hand from the specifications, and its bulk endpoints against a host that, as
 * real ones do, sees bytes only once a short packet or a full buffer ends them.
 */
#include "device-agent/usb/bulk.h"
#include "device-agent/usb/descriptors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GET_DESCRIPTOR "\x80\x06"

struct answer {
    uint8_t bytes[FP_AGENT_USB_ANSWER_MAX];
    size_t size;
};

/* Type and index of a descriptor, or Windows' request; at most `size`. */
static struct answer ask(const char *kind, uint8_t index, uint8_t type,
                         uint16_t at, uint16_t size,
                         enum fp_agent_usb_speed speed)
{
    const uint8_t setup[8] = { (uint8_t)kind[0],
                               (uint8_t)kind[1],
                               index,
                               type,
                               (uint8_t)at,
                               (uint8_t)(at >> 8),
                               (uint8_t)size,
                               (uint8_t)(size >> 8) };
    struct answer answer;

    answer.size = fp_agent_usb_answer(setup, speed, "board-7", answer.bytes);
    return answer;
}

static struct answer get(uint8_t type, uint8_t index,
                         enum fp_agent_usb_speed speed)
{
    return ask(GET_DESCRIPTOR, index, type, 0, 0xffff, speed);
}

#define assert_answer(of, ...)                                    \
    do {                                                          \
        const uint8_t expected[] = { __VA_ARGS__ };               \
        struct answer is = (of);                                  \
        assert_int_equal(is.size, sizeof expected);               \
        assert_memory_equal(is.bytes, expected, sizeof expected); \
    } while (0)

/* ---- descriptors ---- */

/* USB 2.0, table 9-8: 2.01, of no class, 64 bytes to endpoint 0, 1209:0001,
 * release 1.00, strings 1, 2, 3, one configuration. */
static void the_device_is_told(void **state)
{
    (void)state;
    assert_answer(get(1, 0, FP_AGENT_USB_FULL_ONLY), 0x12, 0x01, 0x01, 0x02,
                  0x00, 0x00, 0x00, 0x40, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01,
                  0x01, 0x02, 0x03, 0x01);
}

/* Tables 9-10, 9-12, 9-13: 32 bytes, one interface ff.46.50 of two endpoints;
 * 0x81 and 0x02 are bulk, of 64 bytes. */
static void the_configuration_at_full_speed(void **state)
{
    (void)state;
    assert_answer(get(2, 0, FP_AGENT_USB_FULL), 0x09, 0x02, 0x20, 0x00, 0x01,
                  0x01, 0x00, 0x80, 0x32, 0x09, 0x04, 0x00, 0x00, 0x02, 0xff,
                  0x46, 0x50, 0x00, 0x07, 0x05, 0x81, 0x02, 0x40, 0x00, 0x00,
                  0x07, 0x05, 0x02, 0x02, 0x40, 0x00, 0x00);
}

/* 512 bytes; and as the other speed's, type 7, when asked at full speed. */
static void the_configuration_at_high_speed(void **state)
{
    (void)state;
    assert_answer(get(2, 0, FP_AGENT_USB_HIGH), 0x09, 0x02, 0x20, 0x00, 0x01,
                  0x01, 0x00, 0x80, 0x32, 0x09, 0x04, 0x00, 0x00, 0x02, 0xff,
                  0x46, 0x50, 0x00, 0x07, 0x05, 0x81, 0x02, 0x00, 0x02, 0x00,
                  0x07, 0x05, 0x02, 0x02, 0x00, 0x02, 0x00);
    assert_answer(get(7, 0, FP_AGENT_USB_FULL), 0x09, 0x07, 0x20, 0x00, 0x01,
                  0x01, 0x00, 0x80, 0x32, 0x09, 0x04, 0x00, 0x00, 0x02, 0xff,
                  0x46, 0x50, 0x00, 0x07, 0x05, 0x81, 0x02, 0x00, 0x02, 0x00,
                  0x07, 0x05, 0x02, 0x02, 0x00, 0x02, 0x00);
}

/* Table 9-9. One of full speed alone stalls. */
static void the_qualifier_is_of_two_speeds(void **state)
{
    (void)state;
    assert_answer(get(6, 0, FP_AGENT_USB_HIGH), 0x0a, 0x06, 0x01, 0x02, 0x00,
                  0x00, 0x00, 0x40, 0x01, 0x00);
    assert_int_equal(get(6, 0, FP_AGENT_USB_FULL_ONLY).size, 0);
    assert_int_equal(get(7, 0, FP_AGENT_USB_FULL_ONLY).size, 0);
}

static void strings_are_english_and_the_serial_is_the_id(void **state)
{
    (void)state;
    assert_answer(get(3, 0, FP_AGENT_USB_FULL_ONLY), 0x04, 0x03, 0x09, 0x04);
    assert_answer(get(3, 3, FP_AGENT_USB_FULL_ONLY), 0x10, 0x03, 'b', 0, 'o', 0,
                  'a', 0, 'r', 0, 'd', 0, '-', 0, '7', 0);
    assert_int_equal(get(3, 1, FP_AGENT_USB_FULL_ONLY).size, 2 + 2 * 9);
    assert_int_equal(get(3, 4, FP_AGENT_USB_FULL_ONLY).size, 0);
}

/* Microsoft OS 2.0 Descriptors Specification, tables 3 and 4: the platform
 * capability's UUID, Windows 8.1 (0x06030000), a set of 162 bytes, got by
 * request 0x46; no other enumeration. */
static void the_bos_leads_windows_to_the_set(void **state)
{
    (void)state;
    assert_answer(get(15, 0, FP_AGENT_USB_FULL_ONLY), 0x05, 0x0f, 0x21, 0x00,
                  0x01, 0x1c, 0x10, 0x05, 0x00, 0xdf, 0x60, 0xdd, 0xd8, 0x89,
                  0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a,
                  0x9f, 0x00, 0x00, 0x03, 0x06, 0xa2, 0x00, 0x46, 0x00);
}

/* The parts of the set, each as its length and type say: what Windows reads. */
static const uint8_t *part_of_set(const struct answer *set, unsigned type,
                                  unsigned *size)
{
    for (unsigned at = 0; at + 4 <= set->size; at += *size) {
        *size = set->bytes[at] | (unsigned)set->bytes[at + 1] << 8;
        assert_true(*size >= 4 && *size <= set->size - at);
        if ((set->bytes[at + 2] | (unsigned)set->bytes[at + 3] << 8) == type)
            return set->bytes + at;
    }
    return NULL;
}

static void assert_utf16(const uint8_t *is, const char *text, size_t nuls)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n + nuls; i++) {
        assert_int_equal(is[2 * i], i < n ? text[i] : 0);
        assert_int_equal(is[2 * i + 1], 0);
    }
}

/* Tables 10, 13 and 14. */
static void the_set_asks_for_winusb_and_a_key(void **state)
{
    struct answer set = ask("\xc0\x46", 0, 0, 7, 162, FP_AGENT_USB_FULL_ONLY);
    const uint8_t head[10] = { 10, 0, 0, 0, 0, 0, 3, 6, 162, 0 };
    const uint8_t id[20] = { 20, 0, 3, 0, 'W', 'I', 'N', 'U', 'S', 'B' };
    const uint8_t *part;
    unsigned size;

    (void)state;
    assert_int_equal(set.size, 162);
    assert_memory_equal(part_of_set(&set, 0, &size), head, sizeof head);
    assert_memory_equal(part_of_set(&set, 3, &size), id, sizeof id);
    part = part_of_set(&set, 4, &size);
    assert_int_equal(size, 10 + 42 + 80);
    assert_memory_equal(part + 4, "\x07\x00\x2a\x00", 4); /* REG_MULTI_SZ */
    assert_utf16(part + 8, "DeviceInterfaceGUIDs", 1);
    assert_memory_equal(part + 50, "\x50\x00", 2);
    assert_utf16(part + 52, "{b7e10ec7-880a-48bf-a1e0-e9ea094922f9}", 2);
    assert_string_equal(FP_AGENT_USB_GUID,
                        "{b7e10ec7-880a-48bf-a1e0-e9ea094922f9}");
}

static void an_answer_is_no_longer_than_asked_and_strangers_stall(void **state)
{
    (void)state;
    assert_int_equal(ask(GET_DESCRIPTOR, 0, 2, 0, 9, FP_AGENT_USB_HIGH).size,
                     9);
    assert_int_equal(ask("\xc0\x46", 0, 0, 7, 10, FP_AGENT_USB_HIGH).size, 10);
    /* Another index, another request, a set request, a second configuration. */
    assert_int_equal(ask("\xc0\x46", 0, 0, 4, 99, FP_AGENT_USB_HIGH).size, 0);
    assert_int_equal(ask("\xc0\x47", 0, 0, 7, 99, FP_AGENT_USB_HIGH).size, 0);
    assert_int_equal(ask("\x00\x06", 0, 1, 0, 99, FP_AGENT_USB_HIGH).size, 0);
    assert_int_equal(get(2, 1, FP_AGENT_USB_HIGH).size, 0);
    assert_int_equal(get(99, 0, FP_AGENT_USB_HIGH).size, 0);
}

/* ---- bulk endpoints ---- */

#define HOST_BUFFER 16384

/* A host that reads by buffers of its own, and a controller with one packet
 * each way. */
struct host {
    size_t packet_size;
    uint8_t buf[HOST_BUFFER]; /* of the read that is under way */
    size_t size;
    uint8_t seen[HOST_BUFFER]; /* of reads that have ended */
    size_t seen_size;
    unsigned busy; /* times that the endpoint is not free */
    unsigned packets;
    const uint8_t *coming; /* of what the host sends */
    size_t coming_size;
};

static bool start(void *ctx, const uint8_t *packet, size_t size)
{
    struct host *h = ctx;

    if (h->busy > 0) {
        h->busy--;
        return false;
    }
    assert_true(size <= h->packet_size);
    assert_true(h->size + size <= HOST_BUFFER);
    memcpy(h->buf + h->size, packet, size);
    h->size += size;
    h->packets++;
    if (size < h->packet_size || h->size == HOST_BUFFER) {
        memcpy(h->seen + h->seen_size, h->buf, h->size);
        h->seen_size += h->size;
        h->size = 0;
    }
    return true;
}

static int take(void *ctx, uint8_t *packet)
{
    struct host *h = ctx;
    size_t n =
        h->coming_size < h->packet_size ? h->coming_size : h->packet_size;

    if (h->coming == NULL)
        return -1;
    memcpy(packet, h->coming, n);
    h->coming += n;
    h->coming_size -= n;
    if (n < h->packet_size) /* that was the short one */
        h->coming = NULL;
    return (int)n;
}

static const struct fp_agent_usb_ops ops = { start, take };

static void fill(uint8_t *buf, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(i * 7 + i / 251);
}

static const size_t packet_sizes[] = { FP_AGENT_USB_PACKET_FULL,
                                       FP_AGENT_USB_PACKET_HIGH };

static void the_host_sees_all_of_it_wherever_it_ends(void **state)
{
    static struct fp_agent_usb usb;
    static struct host host;
    uint8_t bytes[1100];

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t p = 0; p < 2; p++) {
        for (size_t size = 1; size <= sizeof bytes; size++) {
            memset(&host, 0, sizeof host);
            host.packet_size = packet_sizes[p];
            fp_agent_usb_init(&usb, &ops, &host);
            fp_agent_usb_reset(&usb, packet_sizes[p]);
            assert_int_equal(fp_agent_usb_send(&usb, bytes, size), size);
            assert_true(fp_agent_usb_flush(&usb));
            assert_int_equal(host.seen_size, size);
            assert_memory_equal(host.seen, bytes, size);
            /* Whole packets and a short one, no more. */
            assert_int_equal(host.packets, size / packet_sizes[p] + 1);
            assert_true(fp_agent_usb_flush(&usb));
            assert_int_equal(host.packets, size / packet_sizes[p] + 1);
        }
    }
}

/* Bytes that come one by one fill packets; a busy endpoint loses none. */
static void a_busy_endpoint_holds_back_and_loses_nothing(void **state)
{
    static struct fp_agent_usb usb;
    static struct host host;
    uint8_t bytes[1000];
    size_t sent = 0, calls = 0;

    (void)state;
    fill(bytes, sizeof bytes);
    host.packet_size = 64;
    fp_agent_usb_init(&usb, &ops, &host);
    fp_agent_usb_reset(&usb, 64);
    while (sent < sizeof bytes) {
        host.busy = (unsigned)(++calls % 3);
        sent += fp_agent_usb_send(
            &usb, bytes + sent,
            sizeof bytes - sent < 100 ? sizeof bytes - sent : 100);
        assert_true(calls < 1000);
    }
    host.busy = 2;
    assert_false(fp_agent_usb_flush(&usb));
    assert_false(fp_agent_usb_flush(&usb));
    assert_true(fp_agent_usb_flush(&usb));
    assert_int_equal(host.seen_size, sizeof bytes);
    assert_memory_equal(host.seen, bytes, sizeof bytes);
}

/* Empty packets without end, but for one that is not. */
struct flood {
    unsigned taken, until;
};

static int take_of_flood(void *ctx, uint8_t *packet)
{
    struct flood *flood = ctx;

    assert_true(flood->taken < 1000);
    packet[0] = 'x';
    return ++flood->taken == flood->until;
}

static void a_flood_of_empty_packets_is_left_after_a_few(void **state)
{
    static const struct fp_agent_usb_ops flooded = { start, take_of_flood };
    static struct fp_agent_usb usb;
    struct flood flood = { .until = 100 };
    unsigned calls = 0, most = 0;
    uint8_t byte = 0;

    (void)state;
    fp_agent_usb_init(&usb, &flooded, &flood);
    fp_agent_usb_reset(&usb, 64);
    do {
        unsigned before = flood.taken;

        assert_true(++calls <= flood.until);
        if (fp_agent_usb_recv(&usb, &byte, 1) == 1)
            break;
        most = flood.taken - before > most ? flood.taken - before : most;
    } while (true);
    assert_int_equal(byte, 'x');
    assert_in_range(most, 2, 16); /* a transfer's end is not mistaken for one */
}

static void what_the_host_sends_comes_by_any_pieces(void **state)
{
    static struct fp_agent_usb usb;
    static struct host host;
    uint8_t bytes[1100], got[1100];

    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t size = 1; size <= sizeof bytes; size += 13) {
        for (size_t piece = 1; piece < 700; piece = piece * 5 + 2) {
            size_t n = 0;

            host = (struct host){ .packet_size = 64,
                                  .coming = bytes,
                                  .coming_size = size };
            fp_agent_usb_init(&usb, &ops, &host);
            fp_agent_usb_reset(&usb, 64);
            for (size_t i = 0; i <= size; i++) {
                size_t room = sizeof got - n;

                n += fp_agent_usb_recv(&usb, got + n,
                                       room < piece ? room : piece);
            }
            assert_int_equal(n, size);
            assert_memory_equal(got, bytes, size);
        }
    }
}

/* Nobody there: what is sent is lost, and nothing is started. A host that
 * comes anew gets none of what was meant for the one before. */
static void a_cable_that_is_pulled(void **state)
{
    static struct fp_agent_usb usb;
    static struct host host = { .packet_size = 64 };
    uint8_t bytes[100] = "old";

    (void)state;
    fp_agent_usb_init(&usb, &ops, &host);
    assert_int_equal(fp_agent_usb_send(&usb, bytes, sizeof bytes), 100);
    assert_true(fp_agent_usb_flush(&usb));
    assert_int_equal(host.packets, 0);
    fp_agent_usb_reset(&usb, 64);
    assert_int_equal(fp_agent_usb_send(&usb, bytes, 3), 3);
    fp_agent_usb_reset(&usb, 0);
    fp_agent_usb_reset(&usb, 64);
    assert_int_equal(fp_agent_usb_send(&usb, (const uint8_t *)"new", 3), 3);
    assert_true(fp_agent_usb_flush(&usb));
    assert_int_equal(host.seen_size, 3);
    assert_memory_equal(host.seen, "new", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_is_told),
        cmocka_unit_test(the_configuration_at_full_speed),
        cmocka_unit_test(the_configuration_at_high_speed),
        cmocka_unit_test(the_qualifier_is_of_two_speeds),
        cmocka_unit_test(strings_are_english_and_the_serial_is_the_id),
        cmocka_unit_test(the_bos_leads_windows_to_the_set),
        cmocka_unit_test(the_set_asks_for_winusb_and_a_key),
        cmocka_unit_test(an_answer_is_no_longer_than_asked_and_strangers_stall),
        cmocka_unit_test(the_host_sees_all_of_it_wherever_it_ends),
        cmocka_unit_test(a_busy_endpoint_holds_back_and_loses_nothing),
        cmocka_unit_test(a_flood_of_empty_packets_is_left_after_a_few),
        cmocka_unit_test(what_the_host_sends_comes_by_any_pieces),
        cmocka_unit_test(a_cable_that_is_pulled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
