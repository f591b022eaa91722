/* SPDX-License-Identifier: MIT
 *
 * The frame against bytes made by hand (Python's zlib.crc32, and COBS as in
 * the tables of its paper), and against itself at every length and split.
 */
#include "core/digest/crc32.h"
#include "proto/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t encode(const struct fp_frame *frame, uint8_t *out, size_t size,
                     size_t step)
{
    struct fp_frame_encoder enc;
    size_t n = 0;

    fp_frame_encode_begin(&enc, fp_crc32, frame);
    while (!enc.done) {
        size_t k = step < size - n ? step : size - n;

        assert_true(k > 0);
        n += fp_frame_encode(&enc, out + n, k);
    }
    return n;
}

/* The table of PROTOCOL.md; a CRC-32 and a COBS of Python's made it. */
static void frames_have_the_bytes_of_the_protocol_page(void **state)
{
    static const struct {
        struct fp_frame frame;
        uint8_t wire[24];
        size_t size;
    } rows[] = {
        { { .kind = FP_FRAME_SYN,
            .has_ack = true,
            .credit = 0x077a,
            .payload = (const uint8_t *)"\1\0\4\1\2\3\4\5\6\7\10",
            .size = 11 },
          { 0x02, 0x11, 0x01, 0x04, 0x7a, 0x07, 0x01, 0x0e, 0x04, 0x01, 0x02,
            0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x17, 0xce, 0x4d, 0x96, 0x00 },
          22 },
        { { .kind = FP_FRAME_ACK,
            .has_ack = true,
            .seq = 3,
            .ack = 7,
            .credit = 0x077a },
          { 0x0a, 0x15, 0x03, 0x07, 0x7a, 0x07, 0x5b, 0x52, 0x6c, 0x32, 0x00 },
          11 },
        { { .kind = FP_FRAME_ACK,
            .has_ack = true,
            .ack = 4,
            .credit = 0x0040,
            .payload = (const uint8_t *)"\5\0\0",
            .size = 4 },
          { 0x02, 0x15, 0x03, 0x04, 0x40, 0x02, 0x05, 0x01, 0x01, 0x05, 0xdd,
            0xcd, 0x97, 0xcc, 0x00 },
          15 },
        { { .kind = FP_FRAME_MSG,
            .has_ack = true,
            .credit = 0x077a,
            .payload = (const uint8_t *)"\10\1\62",
            .size = 4 },
          { 0x02, 0x13, 0x01, 0x06, 0x7a, 0x07, 0x08, 0x01, 0x32, 0x05, 0x04,
            0x8e, 0xdb, 0x42, 0x00 },
          15 },
    };
    uint8_t out[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(encode(&rows[i].frame, out, sizeof out, sizeof out),
                         rows[i].size);
        assert_memory_equal(out, rows[i].wire, rows[i].size);
    }
}

static void check_round_trip(const uint8_t *payload, size_t size, size_t step)
{
    static uint8_t out[8192];
    struct fp_frame frame = { .kind = FP_FRAME_BULK,
                              .has_ack = size % 3 != 0,
                              .seq = (uint8_t)size,
                              .ack = 7,
                              .credit = 0x1234,
                              .payload = payload,
                              .size = size };
    struct fp_frame back;
    size_t n = encode(&frame, out, sizeof out, step);

    assert_null(memchr(out, 0, n - 1));
    assert_int_equal(out[n - 1], 0);
    assert_true(n - 1 <= FP_FRAME_ENCODED_MAX(size));
    assert_true(fp_frame_starts(out[0], out[1]));
    assert_true(fp_frame_decode(&back, fp_crc32, out, n - 1));
    assert_int_equal(back.kind, FP_FRAME_BULK);
    assert_int_equal(back.seq, frame.seq);
    assert_int_equal(back.has_ack, frame.has_ack);
    if (back.has_ack) {
        assert_int_equal(back.ack, 7);
        assert_int_equal(back.credit, 0x1234);
    }
    assert_int_equal(back.size, size);
    assert_memory_equal(back.payload, payload, size);
}

static void every_length_comes_back(void **state)
{
    static uint8_t buf[FP_FRAME_MAX_MAX];
    static const size_t lengths[] = { 0,   1,   2,   63,  64,   240,  243,
                                      244, 245, 246, 247, 248,  249,  250,
                                      251, 252, 253, 254, 255,  256,  500,
                                      508, 509, 510, 762, 1024, 4095, 4096 };

    (void)state;
    for (int fill = 0; fill < 4; fill++) {
        for (size_t i = 0; i < sizeof buf; i++)
            buf[i] = fill == 0   ? 0
                     : fill == 1 ? 0xff
                     : fill == 2 ? (uint8_t)(i % 255 == 254 ? 0 : 1)
                                 : (uint8_t)(i * 2654435761u >> 13);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            check_round_trip(buf, lengths[i], 8192);
            check_round_trip(buf, lengths[i], 1);
            check_round_trip(buf, lengths[i], 7);
        }
        for (size_t n = 0; n < 600; n++)
            check_round_trip(buf, n, 253);
    }
}

static void every_single_bit_that_flips_is_noticed(void **state)
{
    uint8_t out[128], bad[128];
    struct fp_frame frame = { .kind = FP_FRAME_MSG,
                              .payload = (const uint8_t *)"\0abc\0\0def",
                              .size = 9 };
    size_t n = encode(&frame, out, sizeof out, sizeof out) - 1;

    (void)state;
    for (size_t bit = 0; bit < n * 8; bit++) {
        memcpy(bad, out, n);
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(fp_frame_decode(&frame, fp_crc32, bad, n));
    }
    for (size_t cut = 0; cut < n; cut++) {
        memcpy(bad, out, n);
        assert_false(fp_frame_decode(&frame, fp_crc32, bad, cut));
    }
}

/* The second byte of a frame is a control character that text has not. */
static void text_never_starts_a_frame(void **state)
{
    (void)state;
    for (unsigned second = 0; second < 256; second++) {
        bool starts = fp_frame_starts('x', (uint8_t)second);

        if (second >= ' ' || (second >= '\b' && second <= '\r') ||
            second == 0x1b)
            assert_false(starts);
    }
    assert_false(fp_frame_starts(1, 3));
    assert_false(fp_frame_starts(5, 0x10));
    assert_false(fp_frame_starts(5, 0x08));
    assert_false(fp_frame_starts(5, 0x23));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_have_the_bytes_of_the_protocol_page),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(every_single_bit_that_flips_is_noticed),
        cmocka_unit_test(text_never_starts_a_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
