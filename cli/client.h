/* SPDX-License-Identifier: MIT
 *
 * The daemon's HTTP API, one call at a time, over TCP or its Unix socket.
 *
 * Memory  what a call returned is freed by fpc_call_free(); everything put
 *         into it stays the caller's
 * Errors  exit codes; what went wrong has been said on stderr, unless the call
 *         is `silent`
 */
#ifndef FPC_CLIENT_H
#define FPC_CLIENT_H

#include "cli/command.h"
#include "cli/out.h"
#include "cli/remote.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct fpc_client;

struct fpc_call {
    const char *method;     /* "GET" */
    const char *path;       /* "/api/v1/devices", encoded */
    const char *headers[4]; /* more of them, "Name: value" */
    json_t *body;           /* sent as JSON, or NULL */
    FILE *upload;           /* sent as it is, or NULL */
    int64_t upload_size;    /* -1: whatever comes until its end */
    FILE *download;         /* takes the body of a success; NULL: it is JSON */
    struct fpc_progress *progress; /* or NULL */
    bool silent;                   /* say nothing of a refusal */

    /* the answer */
    long status; /* of HTTP; 0 without any */
    json_t *json;
    char location[256];
    char content_type[64];
    int64_t modified; /* seconds; -1 when not told */
    int64_t length;   /* Content-Length; -1 when not told */
    int64_t sent;     /* bytes of `upload` */
};

/* FPC_EXIT_NO_DAEMON when there is no way to one. */
int fpc_client_new(const struct fpc_context *ctx, struct fpc_client **client);
void fpc_client_free(struct fpc_client *client);

/* FPC_EXIT_OK on a status below 300. */
int fpc_client_call(struct fpc_client *client, struct fpc_call *call);
void fpc_call_free(struct fpc_call *call);

/* Is the answer a problem of "/errors/TYPE"? */
bool fpc_call_is(const struct fpc_call *call, const char *type);

/* Says the refusal of a call that was `silent`. */
void fpc_client_say(struct fpc_client *client, const struct fpc_call *call);

/* FPC_EXIT_OK when the daemon knows a device of this id or label, there or not;
 * else says that it does not. */
int fpc_client_knows(struct fpc_client *client, const char *device);

/* GET of a JSON document; NULL and *exit_code when it failed. The caller
 * decrefs it. */
json_t *fpc_client_get(struct fpc_client *client, const char *path,
                       int *exit_code);

/* Prints a document on stdout. */
void fpc_print_json(const json_t *json);

/* A string member, or "". The object's. */
const char *fpc_text(const json_t *object, const char *key);

#endif
