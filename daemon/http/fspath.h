/* SPDX-License-Identifier: MIT
 *
 * What the routes under /devices/{device}/fs/ have in common: the path on the
 * device, the file's headers, and refusing by a device's failure.
 */
#ifndef FPD_HTTP_FSPATH_H
#define FPD_HTTP_FSPATH_H

#include "daemon/http/call.h"

/* "/flash/dir/file" of the URL's rest into out[0..FPD_PATH_MAX + 1); false
 * after having answered 422. */
bool fpd_fs_path(struct fpd_call *call, char *out);
/* The absolute URL path of a directory's listing, with its trailing slash;
 * malloc'd. prefix ends with "/fs". */
char *fpd_fs_href(const char *prefix, const char *path);
/* Answers with what an ask of this device failed with; of a name that its
 * volume cannot hold, which and why. */
void fpd_fs_fail(struct fpd_call *call, const char *path,
                 const struct fpd_ask *ask);
/* As that, of a request that was to make `path`: what is not there then is the
 * directory that it should be in. */
void fpd_fs_fail_new(struct fpd_call *call, const char *path,
                     const struct fpd_ask *ask);
/* Can its volume give no file this path, for a name in it? */
bool fpd_fs_name_refused(struct fpd_call *call, const char *path);
/* More entries than this its volume has no room for, in any format. */
uint32_t fpd_fs_entries_max(struct fpd_call *call, const char *path);
/* Could its volume ever take a file of `size` bytes (FPD_SIZE_UNKNOWN: not said
 * yet)? Else answered, before a byte travels. `room`: how large it may become
 * at most; UINT64_MAX where nothing is mounted. */
bool fpd_fs_fits(struct fpd_call *call, const char *path, uint64_t size,
                 uint64_t *room);
/* Last-Modified, if there is one. */
void fpd_fs_mtime_header(struct fpd_call *call, bool has_mtime,
                         int64_t mtime_ns);
/* Content-Type by the name, and Content-Disposition if ?download. */
const char *fpd_fs_type(const char *path);
void fpd_fs_disposition(struct fpd_call *call, const char *path);

#endif
