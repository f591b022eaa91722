/* SPDX-License-Identifier: MIT
 *
 * Messages against bytes written by hand after the protobuf encoding page, and
 * the records of BULK frames against PROTOCOL.md.
 */
#include "core/error.h"
#include "proto/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static fp_Envelope env, back; /* 1.2 KiB each */

/* id 7, stat { path "/a" }: field 1 varint; field 14, length 4; field 1,
 * length 2. */
static const uint8_t stat_bytes[] = { 0x08, 0x07, 0x72, 0x04,
                                      0x0a, 0x02, '/',  'a' };

static void setup_stat(void)
{
    env = (fp_Envelope)fp_Envelope_init_zero;
    env.id = 7;
    env.which_body = fp_Envelope_stat_tag;
    assert_true(FP_MESSAGE_SET(env.body.stat.path, "/a", 2));
}

static void a_request_has_the_bytes_of_protobuf(void **state)
{
    uint8_t buf[64];

    (void)state;
    setup_stat();
    assert_int_equal(fp_message_encode(&env, buf, sizeof buf),
                     sizeof stat_bytes);
    assert_memory_equal(buf, stat_bytes, sizeof stat_bytes);
    assert_int_equal(fp_message_decode(&back, buf, sizeof stat_bytes), 0);
    assert_int_equal(back.id, 7);
    assert_int_equal(back.which_body, fp_Envelope_stat_tag);
    assert_true(FP_MESSAGE_IS(back.body.stat.path, "/a", 2));
    assert_false(FP_MESSAGE_IS(back.body.stat.path, "/b", 2));
    assert_false(FP_MESSAGE_IS(back.body.stat.path, "/a/", 3));
}

static void what_does_not_fit_is_refused(void **state)
{
    static const uint8_t path[513] = { '/' };
    uint8_t buf[8];

    (void)state;
    setup_stat();
    for (size_t size = 0; size < sizeof stat_bytes; size++)
        assert_int_equal(fp_message_encode(&env, buf, size), FP_ERR_FBIG);
    assert_true(FP_MESSAGE_SET(env.body.stat.path, path, 512));
    assert_false(FP_MESSAGE_SET(env.body.stat.path, path, 513));
    assert_int_equal(env.body.stat.path.size, 0);
    env.body.stat.path.size = 513;
    assert_int_equal(fp_message_encode(&env, buf, sizeof buf), FP_ERR_INVAL);
    env.which_body = 0;
    assert_int_equal(fp_message_encode(&env, buf, sizeof buf), FP_ERR_INVAL);
}

static void what_is_no_message_is_refused(void **state)
{
    /* field 999 (length-delimited, tag 0xba 0x3e), unknown to version 1 */
    static const uint8_t unknown[] = { 0x08, 0x09, 0xba, 0x3e, 0x01, 0x00 };
    /* stat with a path of 513 bytes */
    static uint8_t long_path[3 + 3 + 513] = { 0x72, 0x84, 0x04, 0x0a,
                                              0x81, 0x04, '/' };

    (void)state;
    for (size_t size = 3; size < sizeof stat_bytes; size++) {
        back.which_body = 99;
        assert_int_equal(fp_message_decode(&back, stat_bytes, size),
                         FP_ERR_PROTO);
        assert_int_equal(back.which_body, 0);
        assert_int_equal(back.id, 7);
    }
    assert_int_equal(fp_message_decode(&back, stat_bytes, 0), FP_ERR_NOTSUP);
    assert_int_equal(fp_message_decode(&back, unknown, sizeof unknown),
                     FP_ERR_NOTSUP);
    assert_int_equal(back.id, 9);
    assert_int_equal(fp_message_decode(&back, long_path, sizeof long_path),
                     FP_ERR_PROTO);
    assert_int_equal(
        fp_message_decode(&back, (const uint8_t *)"\xff\xff\xff\xff", 4),
        FP_ERR_PROTO);
}

/* The numbers of core and of the wire are the same, which is what lets proto
 * answer with errors without including core. */
static void errors_have_the_numbers_of_core(void **state)
{
    static const int pairs[][2] = {
        { fp_Error_ERROR_NOENT, FP_ERR_NOENT },
        { fp_Error_ERROR_IO, FP_ERR_IO },
        { fp_Error_ERROR_NOMEM, FP_ERR_NOMEM },
        { fp_Error_ERROR_ACCES, FP_ERR_ACCES },
        { fp_Error_ERROR_BUSY, FP_ERR_BUSY },
        { fp_Error_ERROR_EXIST, FP_ERR_EXIST },
        { fp_Error_ERROR_NODEV, FP_ERR_NODEV },
        { fp_Error_ERROR_NOTDIR, FP_ERR_NOTDIR },
        { fp_Error_ERROR_ISDIR, FP_ERR_ISDIR },
        { fp_Error_ERROR_INVAL, FP_ERR_INVAL },
        { fp_Error_ERROR_NFILE, FP_ERR_NFILE },
        { fp_Error_ERROR_FBIG, FP_ERR_FBIG },
        { fp_Error_ERROR_NOSPC, FP_ERR_NOSPC },
        { fp_Error_ERROR_ROFS, FP_ERR_ROFS },
        { fp_Error_ERROR_NAMETOOLONG, FP_ERR_NAMETOOLONG },
        { fp_Error_ERROR_NOTEMPTY, FP_ERR_NOTEMPTY },
        { fp_Error_ERROR_NODATA, FP_ERR_NODATA },
        { fp_Error_ERROR_PROTO, FP_ERR_PROTO },
        { fp_Error_ERROR_CORRUPT, FP_ERR_CORRUPT },
        { fp_Error_ERROR_NOTSUP, FP_ERR_NOTSUP },
        { fp_Error_ERROR_TIMEDOUT, FP_ERR_TIMEDOUT },
        { fp_Error_ERROR_STALE, FP_ERR_STALE },
        { fp_Error_ERROR_CANCELED, FP_ERR_CANCELED },
        { fp_Error_ERROR_OUTCOME, FP_ERR_OUTCOME },
        { fp_Error_ERROR_DIGEST, FP_ERR_DIGEST },
        { fp_Error_ERROR_PRECOND, FP_ERR_PRECOND },
        { fp_Error_ERROR_LEASED, FP_ERR_LEASED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_int_equal(pairs[i][0], -pairs[i][1]);
}

static void bulk_records_are_exact(void **state)
{
    static const uint8_t fill[] = { 9, 1, 0xff, 0x78, 0x56, 0x34, 0x12 };
    static const uint8_t raw[] = { 3, 0, 'a', 'b', 'c' };
    static const uint8_t lz4[] = { 7, 2, 0x10, 'z' };
    uint8_t buf[16];
    struct fp_bulk rec;

    (void)state;
    memcpy(buf + FP_BULK_RAW_HEADER, "abc", 3);
    assert_int_equal(fp_bulk_put_raw(buf, 3, 3), sizeof raw);
    assert_memory_equal(buf, raw, sizeof raw);
    assert_int_equal(fp_bulk_parse(&rec, raw, sizeof raw), 0);
    assert_int_equal(rec.stream, 3);
    assert_int_equal(rec.type, FP_BULK_RAW);
    assert_int_equal(rec.size, 3);
    assert_ptr_equal(rec.data, raw + 2);

    assert_int_equal(fp_bulk_put_fill(buf, 9, 0xff, 0x12345678), sizeof fill);
    assert_memory_equal(buf, fill, sizeof fill);
    assert_int_equal(fp_bulk_parse(&rec, fill, sizeof fill), 0);
    assert_int_equal(rec.stream, 9);
    assert_int_equal(rec.type, FP_BULK_FILL);
    assert_int_equal(rec.fill, 0xff);
    assert_int_equal(rec.size, 0x12345678);

    memcpy(buf + FP_BULK_RAW_HEADER, "\x10z", 2);
    assert_int_equal(fp_bulk_put_lz4(buf, 7, 2), sizeof lz4);
    assert_memory_equal(buf, lz4, sizeof lz4);
    assert_int_equal(fp_bulk_parse(&rec, lz4, sizeof lz4), 0);
    assert_int_equal(rec.stream, 7);
    assert_int_equal(rec.type, FP_BULK_LZ4);
    assert_int_equal(rec.size, 2);
    assert_ptr_equal(rec.data, lz4 + 2);
}

static void other_bulk_records_are_refused(void **state)
{
    struct fp_bulk rec;

    (void)state;
#define PARSE(...)                                  \
    fp_bulk_parse(&rec, (uint8_t[]){ __VA_ARGS__ }, \
                  sizeof((uint8_t[]){ __VA_ARGS__ }))
    assert_int_equal(PARSE(1), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 0), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 1, 0, 1, 0, 0), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 1, 0, 1, 0, 0, 0, 0), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 1, 0, 0, 0, 0, 0), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 2), FP_ERR_PROTO);
    assert_int_equal(PARSE(1, 3, 0), FP_ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_the_bytes_of_protobuf),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(errors_have_the_numbers_of_core),
        cmocka_unit_test(bulk_records_are_exact),
        cmocka_unit_test(other_bulk_records_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
