/* SPDX-License-Identifier: MIT
 *
 * Names that come out of an image or a device, and become names of files here.
 *
 * On Windows a name can mean something else than a file of that name: "a\b" a
 * file in a directory, "a:b" a second stream, "nul.txt" a device, "a." the same
 * as "a". Such names are refused, before they lead anywhere.
 *
 * And names that a filesystem cannot hold: which, and why not.
 */
#ifndef FP_CORE_HOST_NAME_H
#define FP_CORE_HOST_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FP_HOST_NAME_WHY 320 /* bytes of a reason */

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

/* Is there a component of `path`, as it is in the volume, that `fs` ("fat")
 * can give no file? Then true, and why[] is a phrase that names it, what is
 * wrong with it and what would be right. name_max: bytes that a name has there
 * at most, 0 where that is not known. It judges what a driver has refused; what
 * it finds no fault with may still be refused for another reason. */
bool fp_host_name_refused(const char *fs, uint32_t name_max, const char *path,
                          char why[FP_HOST_NAME_WHY]);

#endif
