/* SPDX-License-Identifier: MIT */
#include "cli/wait.h"

#include "cli/job.h"

#include <stdlib.h>

bool fpc_wait_option(struct fpc_wait *wait, int opt, const char *value,
                     int *status)
{
    char *end;
    unsigned long n;

    if (opt == 'W')
        wait->no = true;
    if (opt != 'X')
        return opt == 'W';
    n = strtoul(value, &end, 10);
    if (end == value || *end || n == 0 || n > 86400 || value[0] == '-') {
        fpc_error("--timeout %s: not a number of seconds from 1 to 86400",
                  value);
        *status = FPC_EXIT_USAGE;
    }
    wait->timeout_s = (unsigned)n;
    return true;
}

int fpc_wait_check(const char *command, const struct fpc_wait *wait)
{
    return wait->no && wait->timeout_s
               ? fpc_usage(command, "--timeout is for waiting: it cannot go "
                                    "with --no-wait")
               : FPC_EXIT_OK;
}

int fpc_wait_run(struct fpc_context *ctx, struct fpc_client *client,
                 const char *url, json_t *body, const struct fpc_wait *wait,
                 json_t **job)
{
    struct fpc_call call = { .method = "POST", .path = url, .body = body };
    struct fpc_job_watch how = { .location = call.location,
                                 .quiet = ctx->quiet,
                                 .timeout_s = wait->timeout_s };
    int status = fpc_client_call(client, &call);

    *job = NULL;
    if (status == FPC_EXIT_OK && !wait->no && call.location[0])
        status = fpc_job_watch(client, &how, job);
    else if (status == FPC_EXIT_OK)
        *job = json_incref(call.json);
    fpc_call_free(&call);
    return status;
}
