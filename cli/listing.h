/* SPDX-License-Identifier: MIT
 *
 * The listing of a directory on a device, all pages of it.
 */
#ifndef FPC_LISTING_H
#define FPC_LISTING_H

#include "cli/client.h"
#include "cli/remote.h"

#include <stdbool.h>
#include <stdint.h>

struct fpc_entry {
    char name[256]; /* bytes as stored */
    bool dir;
    uint64_t size;
    bool has_mtime;
    int64_t mtime; /* seconds */
};

/* The listing as one document: the first page, with the entries of all; of a
 * file, one entry. NULL and *exit_code when it failed; the caller decrefs it. */
json_t *fpc_listing(struct fpc_client *client, const struct fpc_remote *dir,
                    int *exit_code);

/* Entry i of it. False when it is none that a path can name: what a hostile
 * device may tell is left out, and said on stderr. */
bool fpc_listing_entry(const json_t *listing, size_t i,
                       struct fpc_entry *entry);

/* Is it a directory, a file, or nothing? FPC_EXIT_OK, or why it cannot be
 * told; *exists and *dir are set. */
int fpc_remote_stat(struct fpc_client *client, const struct fpc_remote *remote,
                    bool *exists, bool *dir);

/* For what fpc_remote_stat() did not find: says what the daemon knows of it,
 * which may be that there is no such device. The exit code. */
int fpc_remote_absent(struct fpc_client *client,
                      const struct fpc_remote *remote);

#endif
