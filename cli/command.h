/* SPDX-License-Identifier: MIT
 *
 * What every command of `flashport` shares: the table it stands in, the
 * options that go with all of them, and the exit codes scripts rely on.
 */
#ifndef FPC_COMMAND_H
#define FPC_COMMAND_H

#include <stdbool.h>

/* Exit codes. Fixed: scripts rely on them. */
enum fpc_exit {
    FPC_EXIT_OK = 0,
    FPC_EXIT_FAILED = 1,    /* none of those below */
    FPC_EXIT_USAGE = 2,     /* the command line is wrong */
    FPC_EXIT_REFUSED = 3,   /* an image that cannot be opened, or is corrupt */
    FPC_EXIT_NOT_FOUND = 4, /* no such device, file, snapshot */
    FPC_EXIT_OFFLINE = 5,   /* the device does not answer */
    FPC_EXIT_CONFLICT = 6,  /* exists, not empty, busy, precondition failed */
    FPC_EXIT_NO_SPACE = 7,  /* volume or store full, or too large for it */
    FPC_EXIT_DENIED = 8,    /* token missing, wrong, or without the right */
    FPC_EXIT_NO_DAEMON = 9, /* flashportd cannot be reached */
};

/* The options that go with every command. */
struct fpc_context {
    const char *url;    /* --url, else FLASHPORT_URL, else the default */
    const char *token;  /* --token, else FLASHPORT_TOKEN, else admin.token */
    const char *socket; /* --socket, else FLASHPORT_SOCKET: instead of url */
    bool json;          /* print JSON, one document */
    bool quiet;         /* no progress */
};

struct fpc_command {
    const char *name;
    const char *args; /* "DEVICE:/PATH..." */
    const char *help; /* one line */
    const char *more; /* options, a line each, or NULL */
    /* argv[0] is the command's name. Returns an exit code; has said on stderr
     * what went wrong. */
    int (*run)(struct fpc_context *ctx, int argc, char **argv);
};

/* Takes the common options and --help out of argv as they are found by a
 * command's own getopt loop: returns true if `opt` was one of them. Commands
 * use FPC_COMMON_OPTIONS in their option tables. */
#define FPC_COMMON_OPTIONS                                                   \
    { "json", no_argument, NULL, 'J' }, { "quiet", no_argument, NULL, 'Q' }, \
        { "url", required_argument, NULL, 'U' },                             \
        { "token", required_argument, NULL, 'T' },                           \
        { "socket", required_argument, NULL, 'S' },                          \
    {                                                                        \
        "help", no_argument, NULL, 'H'                                       \
    }
bool fpc_common_option(struct fpc_context *ctx, int opt, char *value);

/* Says how the command is used, on stderr; returns FPC_EXIT_USAGE. `why` may
 * be NULL. */
int fpc_usage(const char *command, const char *why);

/* "flashport: " and the sentence, on stderr; with --json it becomes part of the
 * document that is printed there when the command ends (say.h). */
void fpc_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that `path`, here, failed as errno tells; the exit code for it. */
int fpc_failed(const char *path);

/* An enum fp_error as an exit code. */
enum fpc_exit fpc_exit_of(int err);

int fpc_cmd_devices(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_ls(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_cat(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_cp(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_mv(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_rm(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_mkdir(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_mount(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_unmount(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_format(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_df(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_snapshots(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_backup(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_restore(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_console(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_release(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_jobs(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_label(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_verify(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_prune(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_tokens(struct fpc_context *ctx, int argc, char **argv);
int fpc_cmd_image(struct fpc_context *ctx, int argc, char **argv);

#endif
