/* SPDX-License-Identifier: MIT
 *
 * A file that is changed as a whole, or made: a copy beside it is changed, and
 * takes its name. Whatever stops that, a kill, a power cut, a full disk, leaves the old
 * file or the new one.
 *
 *     lock    nobody else changes it from now on; readers go on
 *     copy    the copy is there, at twin[], to be changed
 *     commit  it is on disk, with the rights of the old file; it has the name
 *
 * The copy of DIR/NAME is DIR/.NAME.flashport, the same each time, so that what
 * a kill leaves behind is overwritten by the next change and never adds up.
 * Ctrl-C leaves nothing. A symbolic link is followed: what it leads to is
 * replaced, the link stays.
 *
 * Locks   a lock on the copy keeps those that change the file in this way
 *         apart; a shared flock() on the old file keeps those away that write
 *         into it where it is (core/host/file.h), until the name has changed
 * Errors  exit codes, told on stderr; FPC_EXIT_CONFLICT: it is being changed
 * Thread  one such change at a time in a process
 */
#ifndef FPC_IMAGE_REPLACE_H
#define FPC_IMAGE_REPLACE_H

#include <limits.h>
#include <stdbool.h>

struct fpc_replace {
    char twin[PATH_MAX]; /* of the copy */
    /* private */
    const char *path; /* as the caller calls it */
    char target[PATH_MAX];
    bool is_new; /* the target need not be there */
    int old_fd, twin_fd;
};

/* The path must lead to a regular file that may be written to. After a success
 * fpc_replace_commit() or fpc_replace_abandon() must follow. */
int fpc_replace_lock(struct fpc_replace *r, const char *path);
/* The same for a file that is made anew, with an empty copy: `path` may lead
 * nowhere yet. */
int fpc_replace_lock_new(struct fpc_replace *r, const char *path);
int fpc_replace_copy(struct fpc_replace *r);
/* Ends it, whatever it returns. */
int fpc_replace_commit(struct fpc_replace *r);
void fpc_replace_abandon(struct fpc_replace *r);

#endif
