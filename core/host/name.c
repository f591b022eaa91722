/* SPDX-License-Identifier: MIT
 *
 * Source: "Naming Files, Paths, and Namespaces", Microsoft's documentation of
 * file systems.
 */
#include "core/host/name.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is(const char *name, size_t len, const char *word)
{
    size_t i = 0;

    while (i < len && word[i] && lower(name[i]) == word[i])
        i++;
    return i == len && !word[i];
}

/* Devices are found in every directory, whatever follows a dot. */
static bool is_device(const char *name, size_t len)
{
    static const char *const words[] = {
        "con",         "prn",         "aux",         "nul",
        "conin$",      "conout$",     "com\xc2\xb9", "com\xc2\xb2",
        "com\xc2\xb3", "lpt\xc2\xb9", "lpt\xc2\xb2", "lpt\xc2\xb3"
    };
    const char *dot = memchr(name, '.', len);
    size_t n = dot ? (size_t)(dot - name) : len;

    while (n > 0 && name[n - 1] == ' ')
        n--;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is(name, n, words[i]))
            return true;
    return n == 4 && name[3] >= '0' && name[3] <= '9' &&
           (is(name, 3, "com") || is(name, 3, "lpt"));
}

bool fp_host_name_is_windows(const char *name, size_t len)
{
    if (len == 0 || name[len - 1] == '.' || name[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] < 32 || strchr("<>:\"/\\|?*", name[i]))
            return false;
    return !is_device(name, len);
}
