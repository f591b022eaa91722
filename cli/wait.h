/* SPDX-License-Identifier: MIT
 *
 * Commands that start a job: --no-wait, --timeout, and waiting for its end.
 */
#ifndef FPC_WAIT_H
#define FPC_WAIT_H

#include "cli/client.h"

struct fpc_wait {
    bool no; /* --no-wait */
    unsigned timeout_s;
};

/* In a command's table of options. */
#define FPC_WAIT_OPTIONS                        \
    { "no-wait", no_argument, NULL, 'W' },      \
    {                                           \
        "timeout", required_argument, NULL, 'X' \
    }

/* Is it one of these? *status is the exit code of a value that is none. */
bool fpc_wait_option(struct fpc_wait *wait, int opt, const char *value,
                     int *status);
/* Do they go together? An exit code. */
int fpc_wait_check(const char *command, const struct fpc_wait *wait);

/* Starts a job by a POST and, unless told not to, waits for its end. *job is
 * its last description (the caller decrefs it), or NULL. */
int fpc_wait_run(struct fpc_context *ctx, struct fpc_client *client,
                 const char *url, json_t *body, const struct fpc_wait *wait,
                 json_t **job);

#endif
