/* SPDX-License-Identifier: MIT
 *
 * Names that mean something else on Windows, as Microsoft lists them.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_names_are_taken),
        cmocka_unit_test(names_that_lead_elsewhere_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
