/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/image/unfinished.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int ends[] = { SIGINT, SIGTERM, SIGHUP };

/* What is to go when one of them comes. */
static const char *volatile unfinished;

static void on_end(int signal_number)
{
    if (unfinished)
        unlink(unfinished);
    raise(signal_number); /* SA_RESETHAND: it ends the process now */
}

void fpc_unfinished(const char *path)
{
    struct sigaction act = { .sa_handler = on_end,
                             .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };
    struct sigaction was;

    unfinished = path;
    for (size_t i = 0; path && i < sizeof ends / sizeof ends[0]; i++)
        if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler == SIG_DFL)
            sigaction(ends[i], &act, NULL);
}
