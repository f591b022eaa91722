/* SPDX-License-Identifier: MIT
 *
 * A job of the daemon, watched until it has ended.
 *
 * A job that waits for its device says so on stderr once, and again when it
 * goes on. Ctrl-C ends the watching, not the job: its id is said, and the
 * process ends as by the signal.
 */
#ifndef FPC_JOB_H
#define FPC_JOB_H

#include "cli/client.h"

struct fpc_job_watch {
    const char *location; /* its URL's path */
    bool quiet;           /* no progress, no word of waiting */
    unsigned timeout_s;   /* its device may stay away so long; 0: as long as
                             the daemon has patience */
};

/* FPC_EXIT_OK when it is done. FPC_EXIT_OFFLINE when its device stayed away:
 * after timeout_s the job is cancelled first. *job is its last description
 * (the caller decrefs it), NULL when there is none. */
int fpc_job_watch(struct fpc_client *client, const struct fpc_job_watch *how,
                  json_t **job);

#endif
