/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/log.h"
#include "daemon/text.h"

#include <string.h>
#include <unistd.h>

static const char *clean(const char *text)
{
    static char out[64];

    fpd_text_clean((const uint8_t *)text, strlen(text), out, sizeof out);
    return out;
}

static void what_people_write_stays(void **state)
{
    (void)state;
    assert_string_equal(clean("a \\ \"b\""), "a \\ \"b\"");
    assert_string_equal(clean("\u00a0\u00e4\u20ac\U0001f600"),
                        "\u00a0\u00e4\u20ac\U0001f600");
    assert_string_equal(clean(""), "");
}

static void what_changes_the_line_becomes_a_question_mark(void **state)
{
    static const char *const bad[] = {
        "\x01",     "\x1b",     "\n",       "\x7f",         "\xc2\x80",
        "\xc2\x9b", "\xc2\x9f", "\u061c",   "\u200b",       "\u200f",
        "\u2028",   "\u202a",   "\u202e",   "\u2066",       "\u2069",
        "\ufeff",   "\xff",     "\xc0\x80", "\xed\xa0\x80",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *out = clean(bad[i]);

        assert_true(out[0] && strspn(out, "?") == strlen(out));
    }
    assert_string_equal(clean("a\u202eb\xc2\x9b\xe2\x82"), "a?b???");
}

static void a_cut_leaves_whole_characters(void **state)
{
    char out[4];

    (void)state;
    fpd_text_clean((const uint8_t *)"ab\u20ac", 5, out, sizeof out);
    assert_string_equal(out, "ab");
}

static void in_place(void **state)
{
    char text[] = "\u202ea\u00e4\x1b";

    (void)state;
    fpd_text_clean((const uint8_t *)text, strlen(text), text, sizeof text);
    assert_string_equal(text, "?a\u00e4?");
}

static void a_line_of_the_log_is_clean(void **state)
{
    char line[200] = "";
    int ends[2], old = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    fpd_log(FPD_LOG_INFO, "device", "lost: reason=%s",
            "\u202ea\xc2\x9b\xff\nb");
    dup2(old, STDERR_FILENO);
    assert_true(read(ends[0], line, sizeof line - 1) > 0);
    assert_string_equal(strstr(line, "reason="), "reason=?a???b\n");
    close(ends[0]);
    close(ends[1]);
    close(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_write_stays),
        cmocka_unit_test(what_changes_the_line_becomes_a_question_mark),
        cmocka_unit_test(a_cut_leaves_whole_characters),
        cmocka_unit_test(in_place),
        cmocka_unit_test(a_line_of_the_log_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
