/* SPDX-License-Identifier: MIT
 *
 * Names of the far side: DEVICE:/path, and the URLs they become.
 */
#ifndef FPC_REMOTE_H
#define FPC_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

/* The longest path a device takes is 511 bytes, each three characters once
 * encoded. */
#define FPC_URL_MAX 4096

struct fpc_remote {
    char device[65]; /* id or label */
    char path[1024]; /* "/flash/x"; "/" when empty */
};

/* True if `text` names a far side: DEVICE:/path, a ':' before any '/'. */
bool fpc_remote_is(const char *text);

/* FPC_EXIT_USAGE, and says what is wrong, when it is no DEVICE:/path. A
 * trailing '/' is dropped. */
int fpc_remote_parse(const char *text, struct fpc_remote *remote);

/* "/api/v1/devices/ID/fs/flash/x", encoded; with a trailing slash for a
 * directory. */
void fpc_remote_url(const struct fpc_remote *remote, bool dir,
                    char url[FPC_URL_MAX]);

/* Appends `text`, percent-encoded as one path segment, or with slash as
 * several, to url. */
void fpc_url_append(char url[FPC_URL_MAX], const char *text, bool slash);

/* The last component of a path, "" of "/". */
const char *fpc_basename(const char *path);

/* path + "/" + name; false when that is too long. */
bool fpc_remote_join(struct fpc_remote *remote, const char *name);

#endif
