/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/http/cond.h"
#include "daemon/time.h"

#include <stdio.h>
#include <string.h>

static void ranges_are_those_of_the_rfc(void **state)
{
    /* Source: RFC 9110, 14.1.2, its examples for 10,000 bytes, and edges. */
    static const struct {
        const char *header;
        uint64_t size;
        enum fpd_range what;
        uint64_t off, len;
    } rows[] = {
        { "bytes=0-499", 10000, FPD_RANGE_OK, 0, 500 },
        { "bytes=500-999", 10000, FPD_RANGE_OK, 500, 500 },
        { "bytes=-500", 10000, FPD_RANGE_OK, 9500, 500 },
        { "bytes=9500-", 10000, FPD_RANGE_OK, 9500, 500 },
        { "bytes=0-0", 10000, FPD_RANGE_OK, 0, 1 },
        { "bytes=0-99999", 10000, FPD_RANGE_OK, 0, 10000 },
        { "bytes=-99999", 10000, FPD_RANGE_OK, 0, 10000 },
        { "bytes=0-99999999999999999999999", 10000, FPD_RANGE_OK, 0, 10000 },
        { "bytes=10000-", 10000, FPD_RANGE_NEVER, 0, 0 },
        { "bytes=99999999999999999999-", 10000, FPD_RANGE_NEVER, 0, 0 },
        { "bytes=-0", 10000, FPD_RANGE_NEVER, 0, 0 },
        { "bytes=0-", 0, FPD_RANGE_NEVER, 0, 0 },
        { "bytes=5-2", 10000, FPD_RANGE_NONE, 0, 0 },
        { "bytes=0-1,5-6", 10000, FPD_RANGE_NONE, 0, 0 },
        { "bytes=a-b", 10000, FPD_RANGE_NONE, 0, 0 },
        { "bytes=-", 10000, FPD_RANGE_NONE, 0, 0 },
        { "lines=0-1", 10000, FPD_RANGE_NONE, 0, 0 },
        { NULL, 10000, FPD_RANGE_NONE, 0, 0 },
    };
    uint64_t off, len;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(
            fpd_range_parse(rows[i].header, rows[i].size, &off, &len),
            rows[i].what);
        if (rows[i].what != FPD_RANGE_OK)
            continue;
        assert_int_equal(off, rows[i].off);
        assert_int_equal(len, rows[i].len);
    }
}

static void weak_tags_match_only_where_they_may(void **state)
{
    (void)state;
    assert_true(fpd_etags_have("\"a\", \"b\"", "\"b\"", false));
    assert_false(fpd_etags_have("\"a\",\"bc\"", "\"b\"", false));
    assert_false(fpd_etags_have("W/\"b\"", "\"b\"", false));
    assert_true(fpd_etags_have("W/\"b\"", "\"b\"", true));
    assert_false(fpd_etags_have("\"unended", "\"b\"", true));
    assert_int_equal(fpd_etags_kind(NULL), FPD_ETAGS_ABSENT);
    assert_int_equal(fpd_etags_kind(" * "), FPD_ETAGS_ANY);
    assert_int_equal(fpd_etags_kind("\"*\""), FPD_ETAGS_LIST);
}

static void a_tag_is_a_digest_and_back(void **state)
{
    uint8_t sha256[32], back[2][32];
    char etag[FPD_ETAG_SIZE], two[3 * FPD_ETAG_SIZE + 16];

    (void)state;
    for (int i = 0; i < 32; i++)
        sha256[i] = (uint8_t)(i * 7 + 1);
    fpd_etag(sha256, etag);
    assert_int_equal(strlen(etag), 66);
    assert_int_equal(fpd_etags_ours(etag, back, 2), 1);
    assert_memory_equal(sha256, back[0], 32);
    assert_int_equal(fpd_etags_ours("\"abc\"", back, 2), 0);
    memset(back, 0, sizeof back);
    snprintf(two, sizeof two, "\"abc\", W/%s,%s , %s", etag, etag, etag);
    assert_int_equal(fpd_etags_ours(two, back, 1), 2);
    assert_memory_equal(sha256, back[0], 32);
    assert_int_equal(back[1][0], 0);
    etag[5] = 'G';
    assert_int_equal(fpd_etags_ours(etag, back, 2), 0);
}

/* Source: RFC 9110, 5.6.7: one moment in its three forms. */
static void the_three_forms_of_a_date_are_one(void **state)
{
    static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                         "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994" };
    char out[32];
    int64_t t;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_true(fpd_date_parse(forms[i], &t));
        assert_int_equal(t, 784111777);
    }
    assert_false(fpd_date_parse("yesterday", &t));
    fpd_date_format(784111777, out);
    assert_string_equal(out, forms[0]);
    fpd_date_format(INT64_MAX, out);
    assert_string_equal(out, "");
}

static void times_are_rfc_3339(void **state)
{
    char out[32];

    (void)state;
    fpd_time_format(784111777000, out);
    assert_string_equal(out, "1994-11-06T08:49:37Z");
    fpd_time_format(784111777042, out);
    assert_string_equal(out, "1994-11-06T08:49:37.042Z");
    fpd_time_format(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

/* Source: RFC 9530, appendix B.1: {"hello": "world"} and a line feed. */
static void digests_are_those_of_the_rfc(void **state)
{
    static const char header[] =
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
    static const uint8_t head[4] = { 0x44, 0xaf, 0xf4, 0xab };
    uint8_t sha256[32];
    char out[64];

    (void)state;
    assert_int_equal(fpd_digest_parse(header, sha256), 1);
    assert_memory_equal(sha256, head, 4);
    fpd_digest_format(sha256, out);
    assert_string_equal(out, header);
    assert_int_equal(fpd_digest_parse("sha-512=:AA==:", sha256), 0);
    assert_int_equal(fpd_digest_parse("sha-256=:AA==:", sha256), -1);
    assert_int_equal(fpd_digest_parse("sha-256=RK/0", sha256), -1);
    assert_int_equal(fpd_digest_parse(NULL, sha256), 0);
}

static void seconds_may_have_a_fraction(void **state)
{
    int64_t ns;

    (void)state;
    assert_true(fpd_seconds_parse("784111777", &ns));
    assert_int_equal(ns, 784111777000000000);
    assert_true(fpd_seconds_parse("1.5", &ns));
    assert_int_equal(ns, 1500000000);
    assert_true(fpd_seconds_parse("1.0000000019", &ns));
    assert_int_equal(ns, 1000000001);
    assert_true(fpd_seconds_parse("-2", &ns));
    assert_int_equal(ns, -2000000000);
    assert_false(fpd_seconds_parse("", &ns));
    assert_false(fpd_seconds_parse("1.", &ns));
    assert_false(fpd_seconds_parse("1e3", &ns));
    assert_false(fpd_seconds_parse("99999999999", &ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_those_of_the_rfc),
        cmocka_unit_test(weak_tags_match_only_where_they_may),
        cmocka_unit_test(a_tag_is_a_digest_and_back),
        cmocka_unit_test(the_three_forms_of_a_date_are_one),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(digests_are_those_of_the_rfc),
        cmocka_unit_test(seconds_may_have_a_fraction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
