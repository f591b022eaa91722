/* SPDX-License-Identifier: MIT
 *
 * Names that come out of an image or a device, and become names of files here.
 *
 * On Windows a name can mean something else than a file of that name: "a\b" a
 * file in a directory, "a:b" a second stream, "nul.txt" a device, "a." the same
 * as "a". Such names are refused, before they lead anywhere.
 */
#ifndef FP_CORE_HOST_NAME_H
#define FP_CORE_HOST_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Does Windows make a file of exactly this name of it? name[0..len) is one
 * component. Whether it is UTF-8 is not looked at. */
bool fp_host_name_is_windows(const char *name, size_t len);

/* Does this host? Elsewhere every name without a slash is one. */
static inline bool fp_host_name_is_plain(const char *name, size_t len)
{
#ifdef _WIN32
    return fp_host_name_is_windows(name, len);
#else
    return name != NULL && len > 0;
#endif
}

#endif
