/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "cli/child.h"

#include "cli/command.h"

#ifdef _WIN32

int fpc_child_run(const struct fpc_child *child)
{
    fpc_error("%s: commands are run only where the ports are, on Linux",
              child->argv[0]);
    return FPC_EXIT_FAILED;
}

#else

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 50

static volatile sig_atomic_t told;

static void on_signal(int number)
{
    told = number;
}

static void become(const struct fpc_child *child)
{
    setenv(child->variable, child->value, 1);
    execvp(child->argv[0], child->argv);
    fpc_error("%s: %s", child->argv[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static int wait_for(const struct fpc_child *child, pid_t pid)
{
    struct timespec pause = { 0, LOOK_MS * 1000000L };
    unsigned looks = 0;
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (told)
            kill(pid, told);
        told = 0;
        nanosleep(&pause, NULL);
        if (++looks % (1000 / LOOK_MS) == 0)
            child->every_second(child->ctx);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const int ours[] = { SIGTERM, SIGHUP, SIGINT };

enum {
    OURS = sizeof ours / sizeof ours[0]
};

/* What they did before goes to `before`. SIGINT reaches the child by itself. */
static void take_signals(struct sigaction *before)
{
    struct sigaction act = { .sa_handler = on_signal };

    for (size_t i = 0; i < OURS; i++) {
        act.sa_handler = ours[i] == SIGINT ? SIG_IGN : on_signal;
        sigaction(ours[i], &act, &before[i]);
    }
}

static void give_signals_back(const struct sigaction *before)
{
    for (size_t i = 0; i < OURS; i++)
        sigaction(ours[i], &before[i], NULL);
}

int fpc_child_run(const struct fpc_child *child)
{
    struct sigaction before[OURS];
    sigset_t all, mask;
    pid_t pid;
    int status;

    /* In place before there is a child: whatever comes, it is waited for. What
     * comes to a child that has our handlers still, waits. */
    take_signals(before);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &mask);
    pid = fork();
    if (pid == 0)
        give_signals_back(before);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    if (pid == 0)
        become(child);
    status = pid < 0 ? fpc_failed(child->argv[0]) : wait_for(child, pid);
    give_signals_back(before);
    return status;
}

#endif
