/* SPDX-License-Identifier: MIT
 *
 * A file here that appears under its name only when it is whole: it is written
 * beside it under a name of its own, and renamed. What breaks off leaves the
 * old file, or none.
 */
#ifndef FPC_WHOLE_H
#define FPC_WHOLE_H

#include <limits.h>
#include <stdint.h>
#include <stdio.h>

struct fpc_whole {
    FILE *file; /* write here */
    /* private */
    const char *path; /* the caller's, until the end */
    char temp[PATH_MAX];
};

/* An exit code; has said what went wrong. fpc_whole_end() follows a success. */
int fpc_whole_begin(struct fpc_whole *whole, const char *path);

/* `status` is the exit code of the writing: FPC_EXIT_OK puts the file in its
 * place, anything else leaves nothing of it. mtime in seconds, -1: now. Returns
 * the exit code of all of it. */
int fpc_whole_end(struct fpc_whole *whole, int status, int64_t mtime);

#endif
