/* SPDX-License-Identifier: MIT
 *
 * A command that is run while something is held for it.
 */
#ifndef FPC_CHILD_H
#define FPC_CHILD_H

struct fpc_child {
    char **argv;                     /* the command and its arguments, NULL */
    const char *variable, *value;    /* set in its environment */
    void (*every_second)(void *ctx); /* while it runs */
    void *ctx;
};

/* Runs it and waits for its end, however that comes: the exit code as a shell
 * has it, 128 + n after signal n, 127 when there is no such command. SIGTERM
 * and SIGHUP are handed on to it; Ctrl-C reaches it by itself. */
int fpc_child_run(const struct fpc_child *child);

#endif
