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
    raise(signal_number); /* SA_RESETHAND: it ends the process on return */
}

#ifdef _WIN32

/* Windows sends them one by one, and has no way to make them wait. */
static void block_others(struct sigaction *act)
{
    (void)act;
}

void fpc_unfinished_hold(bool hold)
{
    (void)hold;
}

#else

static void all_ends(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        sigaddset(set, ends[i]);
}

/* A second one, as timeout(1) sends it, waits for the first. */
static void block_others(struct sigaction *act)
{
    all_ends(&act->sa_mask);
}

void fpc_unfinished_hold(bool hold)
{
    sigset_t set;

    all_ends(&set);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

#endif

void fpc_unfinished(const char *path)
{
    struct sigaction act = { .sa_handler = on_end,
                             .sa_flags = (int)SA_RESETHAND };
    struct sigaction was;

    block_others(&act);
    unfinished = path;
    for (size_t i = 0; path && i < sizeof ends / sizeof ends[0]; i++)
        if (sigaction(ends[i], NULL, &was) == 0 && was.sa_handler == SIG_DFL)
            sigaction(ends[i], &act, NULL);
}
