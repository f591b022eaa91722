/* SPDX-License-Identifier: MIT
 *
 * Names that mean something else on Windows, as Microsoft lists them, and what
 * filesystems refuse.
 */
#include "core/host/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool takes(const char *name)
{
    return fp_host_name_is_windows(name, strlen(name));
}

static void ordinary_names_are_taken(void **state)
{
    static const char *const names[] = {
        "a",     "boot.py",    ".hidden", "with blank.txt", "\xc3\xbc",
        "cons",  "com",        "com10",   "nul1",           "auxiliary.c",
        "a.con", "lpt.txt.gz", "-",       "%TEMP%",         "x'y",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!takes(names[i]))
            fail_msg("%s", names[i]);
}

static void names_that_lead_elsewhere_are_not(void **state)
{
    static const char *const names[] = {
        "",         "..\\x", "a\\b",    "c:",          "a:b",     "a/b",
        "what?",    "*",     "\"q\"",   "<x>",         "a|b",     "\x01",
        "a\nb",     ".",     "..",      "a.",          "a ",      "...",
        "con",      "NUL",   "nul.txt", "Aux.c",       "prn",     "com1",
        "COM9.log", "lpt0",  "con .gz", "com\xc2\xb9", "CONOUT$",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (takes(names[i]))
            fail_msg("%s", names[i]);
}

/* Characters of FAT: "Long and short names" of its specification. */
static void what_a_filesystem_refuses_is_told(void **state)
{
    static const struct {
        const char *fs, *path, *words;
    } cases[] = {
        { "fat", "/a/b:c/d", "\"b:c\" is no name on fat: it cannot have ':'" },
        { "fat", "/a\\b", "it cannot have a backslash" },
        { "fat", "/a\tb", "it cannot have control characters" },
        { "fat", "/a\x7f", "it cannot have control characters" },
        { "fat", "/dot.",
          "it cannot end with a dot or a blank; \"dot\" would" },
        { "fat", "/x. .", "\"x\" would do" },
        { "fat", "/a\xc3/b", "it has to be UTF-8" },
        { "fat", "/123456789", "it has 9 bytes, and 8 are the most" },
        { "minifs", "/a\xff", "it cannot have the byte 0xff" },
        { "littlefs", "/ok/123456789", "\"123456789\" is no name on littlefs" },
        { "spiffs", "/abcd/efgh", "it has 9 bytes, and 8 are the most" },
    };
    char why[FP_HOST_NAME_WHY];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(fp_host_name_refused(cases[i].fs, 8, cases[i].path, why));
        if (!strstr(why, cases[i].words))
            fail_msg("%s: %s", cases[i].path, why);
    }
}

static void what_it_takes_is_no_fault(void **state)
{
    char why[FP_HOST_NAME_WHY], path[300] = "/";

    (void)state;
    assert_false(fp_host_name_refused("fat", 255, "/a b/.x;y/\xc3\xbc", why));
    assert_false(fp_host_name_refused("littlefs", 255, "/a:b./\xff", why));
    assert_false(fp_host_name_refused("spiffs", 8, "/ab/cd.e", why));
    memset(path + 1, 'n', 298);
    assert_false(fp_host_name_refused("fat", 0, path, why));
    assert_true(fp_host_name_refused("fat", 255, path, why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_taken),
        cmocka_unit_test(names_that_lead_elsewhere_are_not),
        cmocka_unit_test(what_a_filesystem_refuses_is_told),
        cmocka_unit_test(what_it_takes_is_no_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
