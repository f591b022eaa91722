/* SPDX-License-Identifier: MIT
 *
 * What the commands that name a snapshot share. (cmd_snapshots.c)
 */
#ifndef FPC_SNAPSHOT_H
#define FPC_SNAPSHOT_H

#include "cli/client.h"

#define FPC_SNAPSHOTS "/api/v1/snapshots"

/* The URL path of a snapshot, whose id `text` may be a part of, and `rest`
 * behind it. An exit code; has said what is wrong with `text`. */
int fpc_snapshot_url(struct fpc_client *client, char url[FPC_URL_MAX],
                     const char *text, const char *rest);

/* Its image into the file at `path`, "-" for stdout. */
int fpc_snapshot_export(struct fpc_context *ctx, struct fpc_client *client,
                        const char *text, const char *path);

#endif
