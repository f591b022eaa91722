/* SPDX-License-Identifier: MIT
 *
 * Source: "Naming Files, Paths, and Namespaces", Microsoft's documentation of
 * file systems; what FAT and minifs refuse: their format pages.
 */
#include "core/host/name.h"

#include <inttypes.h>
#include <stdio.h>
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

/* --- what a filesystem cannot hold ---------------------------------------- */

/* What is wrong with name[0..len) on FAT; "" when nothing is. */
static void fat_fault(const char *name, size_t len, char fault[160])
{
    size_t end = len;

    for (size_t i = 0; i < len && !fault[0]; i++) {
        if ((unsigned char)name[i] < 32 || name[i] == 0x7f)
            strcpy(fault, "it cannot have control characters");
        else if (name[i] == '\\')
            strcpy(fault, "it cannot have a backslash");
        else if (strchr("\"*:<>?|", name[i]))
            snprintf(fault, 160,
                     "it cannot have '%c', nor any of \" * : < > ? |", name[i]);
    }
    while (end > 0 && (name[end - 1] == '.' || name[end - 1] == ' '))
        end--;
    if (fault[0] || end == len)
        return;
    snprintf(fault, 160, "it cannot end with a dot or a blank%s%.*s%s",
             end ? "; \"" : "", (int)(end < 60 ? end : 0), name,
             end ? "\" would do" : "");
}

/* Is it UTF-8 throughout, as far as the lengths of its characters tell? */
static bool is_text(const char *name, size_t len)
{
    size_t i = 0;

    while (i < len) {
        unsigned char lead = (unsigned char)name[i++];
        size_t more = lead < 0x80   ? 0
                      : lead < 0xc2 ? len
                      : lead < 0xe0 ? 1
                      : lead < 0xf0 ? 2
                      : lead < 0xf5 ? 3
                                    : len;

        for (; more > 0; more--, i++)
            if (i >= len || ((unsigned char)name[i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

static void find_fault(const char *fs, uint32_t name_max, const char *name,
                       size_t len, char fault[160])
{
    fault[0] = 0;
    if (name_max && len > name_max)
        snprintf(fault, 160, "it has %zu bytes, and %" PRIu32 " are the most",
                 len, name_max);
    else if (strcmp(fs, "fat") == 0 && !is_text(name, len))
        strcpy(fault, "it has to be UTF-8");
    else if (strcmp(fs, "fat") == 0)
        fat_fault(name, len, fault);
    else if (strcmp(fs, "minifs") == 0 && memchr(name, 0xff, len))
        strcpy(fault, "it cannot have the byte 0xff");
}

bool fp_host_name_refused(const char *fs, uint32_t name_max, const char *path,
                          char why[FP_HOST_NAME_WHY])
{
    /* What SPIFFS stores as a name is all of a path. */
    const char *ends = strcmp(fs, "spiffs") == 0 ? "" : "/";
    char fault[160];

    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, ends);

        find_fault(fs, name_max, path, len, fault);
        if (fault[0]) {
            snprintf(why, FP_HOST_NAME_WHY, "\"%.*s\"%s is no name on %s: %s",
                     (int)(len > 64 ? 60 : len), path,
                     len > 64 ? ", which goes on," : "", fs, fault);
            return true;
        }
        path += len;
    }
    return false;
}
