/* SPDX-License-Identifier: MIT
 *
 * Ids of snapshots and jobs, which are long: any part from their start or up to
 * their end does, if it is that of one only.
 */
#ifndef FPC_ID_H
#define FPC_ID_H

#include "cli/client.h"

#define FPC_ID_SIZE 37 /* a UUID with its dashes, and the NUL */

/* All pages of a list: `path` may have a query. `key` names the array in the
 * answers. NULL and *exit_code when it failed; the caller decrefs it. */
json_t *fpc_list(struct fpc_client *client, const char *path, const char *key,
                 int *exit_code);

/* Prints such a list: of one device where that is given, a line each or, with
 * --json, as one array. FPC_EXIT_NOT_FOUND: the daemon knows no such device. */
int fpc_list_print(struct fpc_context *ctx, struct fpc_client *client,
                   const char *path, const char *key, const char *device,
                   void (*print)(const json_t *item));

/* The whole id that `text` is a part of, in the list at `path`; whole ids are
 * taken as they are, without asking. FPC_EXIT_NOT_FOUND, FPC_EXIT_USAGE:
 * too short, or there are several, which have been named. */
int fpc_id_find(struct fpc_client *client, const char *path, const char *key,
                const char *text, char id[FPC_ID_SIZE]);

#endif
