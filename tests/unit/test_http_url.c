/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/error.h"
#include "daemon/http/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(struct fpd_url *url, const char *raw)
{
    const char *why = NULL;
    int err = fpd_url_parse(url, raw, &why);

    if (err)
        assert_non_null(why);
    return err;
}

static void segments_are_decoded_exactly_once(void **state)
{
    struct fpd_url url;

    (void)state;
    assert_int_equal(parse(&url, "/a%20b/%252e/c?x=%41"), FP_OK);
    assert_int_equal(url.count, 3);
    assert_string_equal(url.segment[0], "a b");
    assert_string_equal(url.segment[1], "%2e");
    assert_string_equal(url.segment[2], "c");
    assert_string_equal(url.raw, "/a%20b/%252e/c");
    assert_false(url.slash);
    fpd_url_free(&url);
}

static void names_may_be_any_bytes(void **state)
{
    struct fpd_url url;
    char path[64];

    (void)state;
    assert_int_equal(parse(&url, "/fs/%ff%FE%01/"), FP_OK);
    assert_int_equal(url.count, 2);
    assert_memory_equal(url.segment[1], "\xff\xfe\x01", 4);
    assert_true(url.slash);
    assert_int_equal(fpd_url_join(&url, 1, path, sizeof path), FP_OK);
    assert_string_equal(path, "/\xff\xfe\x01");
    fpd_url_free(&url);
}

static void dangerous_paths_are_refused(void **state)
{
    static const char *const bad[] = {
        "/a/../b", "/a/%2e%2e/b", "/./a",  "/%2E", "/a%00b", "/a%2fb",
        "/a%2Fb",  "/a//b",       "/%",    "/%4",  "/%zz",   "a/b",
        "*",       "//a",         "/a/..", "/%00",
    };
    struct fpd_url url;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (parse(&url, bad[i]) != FP_ERR_INVAL)
            fail_msg("%s was taken", bad[i]);
        fpd_url_free(&url);
    }
}

static void dots_inside_names_are_names(void **state)
{
    struct fpd_url url;

    (void)state;
    assert_int_equal(parse(&url, "/.../..a/a..?b"), FP_OK);
    assert_int_equal(url.count, 3);
    assert_string_equal(url.segment[0], "...");
    fpd_url_free(&url);
}

static void what_is_too_long_or_deep_is_refused(void **state)
{
    char *raw = malloc(FPD_URL_MAX + 2);
    struct fpd_url url;

    (void)state;
    memset(raw, 'a', FPD_URL_MAX + 1);
    raw[0] = '/';
    raw[FPD_URL_MAX + 1] = 0;
    assert_int_equal(parse(&url, raw), FP_ERR_NAMETOOLONG);
    raw[FPD_URL_MAX] = 0;
    assert_int_equal(parse(&url, raw), FP_OK);
    fpd_url_free(&url);
    for (int i = 0; i < FPD_URL_SEGMENTS + 1; i++)
        memcpy(raw + 2 * i, "/a", 3);
    assert_int_equal(parse(&url, raw), FP_ERR_NAMETOOLONG);
    fpd_url_free(&url);
    free(raw);
}

static void query_values_are_found_by_whole_name(void **state)
{
    struct fpd_url url;
    char value[16];

    (void)state;
    assert_int_equal(parse(&url, "/?xcursor=1&cursor=a%26b+c&recursive&e=0"),
                     FP_OK);
    assert_true(fpd_url_query(&url, "cursor", value, sizeof value));
    assert_string_equal(value, "a&b c");
    assert_false(fpd_url_query(&url, "curs", value, sizeof value));
    assert_true(fpd_url_flag(&url, "recursive"));
    assert_false(fpd_url_flag(&url, "e"));
    assert_false(fpd_url_flag(&url, "absent"));
    assert_false(fpd_url_query(&url, "cursor", value, 5));
    fpd_url_free(&url);
}

static void flags_are_yes_or_no_and_nothing_else(void **state)
{
    static const char *const bad[] = { "no",  "2",  "00",    "False",
                                       "yes", "%1", "0%00x", "000000000" };
    char raw[32];
    struct fpd_url url;

    (void)state;
    assert_int_equal(parse(&url, "/?a=1&b=true&c=&d&e=0&f=false&g=%30"), FP_OK);
    for (const char *name = "abcdefgh"; *name; name++) {
        const char one[2] = { *name, 0 };

        assert_false(fpd_url_flag_is_bad(&url, one));
        assert_int_equal(fpd_url_flag(&url, one), *name <= 'd');
        assert_int_equal(fpd_url_has(&url, one), *name < 'h');
    }
    fpd_url_free(&url);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(raw, sizeof raw, "/?x&flag=%s", bad[i]);
        assert_int_equal(parse(&url, raw), FP_OK);
        assert_true(fpd_url_flag_is_bad(&url, "flag"));
        assert_false(fpd_url_flag(&url, "flag"));
        fpd_url_free(&url);
    }
}

static void encoding_keeps_only_unreserved(void **state)
{
    char out[64];

    (void)state;
    fpd_url_encode("a/b c%\xff~", 8, true, out);
    assert_string_equal(out, "a/b%20c%25%FF~");
    fpd_url_encode("a/b", 3, false, out);
    assert_string_equal(out, "a%2Fb");
}

/* Source: Unicode 15, table 3-7 and 3-8. */
static void utf8_is_told_from_other_bytes(void **state)
{
    static const char *const good[] = { "",
                                        "a",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "\xed\x9f\xbf" };
    static const char *const bad[] = {
        "\x80",
        "\xc0\xaf",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80",
        "\xc3",
        "\xe2\x82",
        "a\xff",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(fpd_utf8_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(fpd_utf8_valid(bad[i], strlen(bad[i])));
}

static void bad_utf8_becomes_replacement_characters(void **state)
{
    char out[32];

    (void)state;
    fpd_utf8_lossy("a\xff\xc3\xa9", 4, out);
    assert_string_equal(out, "a\xef\xbf\xbd\xc3\xa9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_are_decoded_exactly_once),
        cmocka_unit_test(names_may_be_any_bytes),
        cmocka_unit_test(dangerous_paths_are_refused),
        cmocka_unit_test(dots_inside_names_are_names),
        cmocka_unit_test(what_is_too_long_or_deep_is_refused),
        cmocka_unit_test(query_values_are_found_by_whole_name),
        cmocka_unit_test(flags_are_yes_or_no_and_nothing_else),
        cmocka_unit_test(encoding_keeps_only_unreserved),
        cmocka_unit_test(utf8_is_told_from_other_bytes),
        cmocka_unit_test(bad_utf8_becomes_replacement_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
