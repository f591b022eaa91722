/* SPDX-License-Identifier: MIT
 *
 * Paths on Windows. Everywhere in flashport a path is UTF-8; Windows takes
 * UTF-16, in calls whose names end in W. The others go through a code page
 * that lacks most names.
 */
#ifndef FP_CORE_HOST_WIDE_H
#define FP_CORE_HOST_WIDE_H

#include <stdbool.h>
#include <wchar.h>

/* \\.\PhysicalDrive2, \\.\E:, with slashes either way. */
bool fp_host_is_device(const char *path);

/* The path as Windows takes it; longer than 259 characters too, which then is
 * the full path with the prefix that allows it. The caller frees it. NULL: no
 * UTF-8, or out of memory. */
wchar_t *fp_host_wide(const char *path);

/* UTF-8 of it; the caller frees it. NULL: out of memory. What is no character
 * (half a pair) becomes U+FFFD. */
char *fp_host_narrow(const wchar_t *text);

#endif
