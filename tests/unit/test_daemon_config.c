/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/error.h"
#include "daemon/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file[] = "/tmp/fp-config-XXXXXX";
static char why[600];

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int parse(struct fpd_config *cfg, char **argv)
{
    int argc = 0;

    while (argv[argc])
        argc++;
    return fpd_config_parse(cfg, argc, argv, why, sizeof why);
}

static void the_command_line_wins_over_the_file(void **state)
{
    char *argv[] = { "flashportd", "--config", file,      "--listen",
                     "[::1]:1",    "--link",   "tcp:h:1", NULL };
    struct fpd_config cfg;

    (void)state;
    write_file("{\"listen\":\"127.0.0.1:2\",\"data\":\"/d\","
               "\"link\":[\"tcp:h:2\",\"unix:/u\"],\"host-name\":\"a\"}");
    assert_int_equal(parse(&cfg, argv), FP_OK);
    assert_string_equal(cfg.listen, "[::1]:1");
    assert_string_equal(cfg.data, "/d");
    assert_int_equal(cfg.link_count, 3);
    assert_string_equal(cfg.links[0], "tcp:h:1");
    assert_string_equal(cfg.links[2], "unix:/u");
    assert_string_equal(cfg.host_names[0], "a");
    fpd_config_free(&cfg);
}

static void mistakes_are_told_with_file_and_key(void **state)
{
    static const char *const rows[][2] = {
        { "{\"lisen\":\"x\"}", "\"lisen\": no such key" },
        { "{\"listen\":7}", "\"listen\": want a string, not a number" },
        { "{\"link\":[1]}", "\"link\": want strings" },
        { "{\"log-level\":\"loud\"}", "want error, warn, info or debug" },
        { "[1]", "want a JSON object, not an array" },
        { "{\n\"a\":\n}", ":3: " },
    };
    char *argv[] = { "flashportd", "--config", file, NULL };
    struct fpd_config cfg;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_file(rows[i][0]);
        assert_int_equal(parse(&cfg, argv), FP_ERR_INVAL);
        if (!strstr(why, rows[i][1]) || !strstr(why, file))
            fail_msg("%s: %s", rows[i][0], why);
        fpd_config_free(&cfg);
    }
}

static void a_reload_changes_links_or_nothing(void **state)
{
    char *argv[] = {
        "flashportd", "--config", file, "--link", "tcp:h:1", NULL
    };
    struct fpd_config cfg;

    (void)state;
    write_file("{\"link\":[\"unix:/a\",\"unix:/b\"]}");
    assert_int_equal(parse(&cfg, argv), FP_OK);
    write_file("{\"link\":[\"unix:/b\"]}");
    assert_int_equal(fpd_config_reload(&cfg, why, sizeof why), FP_OK);
    assert_int_equal(cfg.link_count, 2);
    assert_string_equal(cfg.links[0], "tcp:h:1");
    assert_string_equal(cfg.links[1], "unix:/b");
    write_file("{\"link\":[");
    assert_int_equal(fpd_config_reload(&cfg, why, sizeof why), FP_ERR_INVAL);
    assert_int_equal(cfg.link_count, 2);
    assert_string_equal(cfg.links[1], "unix:/b");
    fpd_config_free(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_line_wins_over_the_file),
        cmocka_unit_test(mistakes_are_told_with_file_and_key),
        cmocka_unit_test(a_reload_changes_links_or_nothing),
    };
    int failed;

    close(mkstemp(file));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
