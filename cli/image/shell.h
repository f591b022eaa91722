/* SPDX-License-Identifier: MIT
 *
 * flashport image shell: a prompt in an image.
 *
 *     shell.c           the commands' table; a line becomes a command
 *     shell_verbs.c     what each command does
 *     shell_line.c      the line that is typed, its history
 *     shell_complete.c  what Tab adds to it
 *
 * Nothing is kept open between two commands. Each is a verb of flashport image
 * in a process of its own, with the current directory put before its paths:
 * so a command that writes is in the image as a whole when the next prompt
 * comes, or not at all, and Ctrl-C ends the command and not the shell.
 *
 * Memory  struct fpc_shell is the shell's, and lent to commands
 */
#ifndef FPC_IMAGE_SHELL_H
#define FPC_IMAGE_SHELL_H

#include "cli/image/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct fpc_shell {
    struct fpc_image *image;   /* closed but while a command has it open */
    char cwd[FP_PATH_MAX + 1]; /* in the image, "/a/b" */
    bool prompts;              /* somebody types; else it is a script */
    bool done;
};

/* What a Tab looks for. */
enum fpc_shell_place {
    FPC_SHELL_NOTHING,
    FPC_SHELL_IMAGE,
    FPC_SHELL_HOST,
};

struct fpc_shell_command {
    const char *name, *args, *help;
    const char *options; /* letters, "rf" */
    int least, most;     /* operands */
    enum fpc_shell_place first, rest;
    bool inside; /* changes the shell itself: runs in its process */
    /* `cmd` is a copy of the image's description with the options set and the
     * operands in args[0..arg_count). An exit code, told. */
    int (*run)(struct fpc_shell *shell, struct fpc_image *cmd);
};

/* NULL behind the last. */
const struct fpc_shell_command *fpc_shell_command_at(size_t n);
const struct fpc_shell_command *fpc_shell_command(const char *name);

/* The path in the image that a typed one means, "." and ".." gone, a slash at
 * the end kept. False: too long. */
bool fpc_shell_path(const struct fpc_shell *shell, const char *typed,
                    char out[FP_PATH_MAX + 1]);

/* --- the line ------------------------------------------------------------- */

struct fpc_shell_line;

/* NULL: no terminal that can be edited on, or no memory. */
struct fpc_shell_line *fpc_shell_line_new(struct fpc_shell *shell);
/* The next line, which stays until the next call; "" after Ctrl-C; NULL at the
 * end, Ctrl-D. */
const char *fpc_shell_line_read(struct fpc_shell_line *line);
void fpc_shell_line_free(struct fpc_shell_line *line);

/* --- what Tab adds -------------------------------------------------------- */

struct fpc_shell_completion {
    char *insert; /* to be typed at the cursor, quoted as the word is; NULL:
                     nothing */
    char **names; /* of those that fit where several do and nothing can be
                     inserted */
    size_t count;
};

/* text[0..size) is the line up to the cursor. */
void fpc_shell_complete(struct fpc_shell *shell, const char *text, size_t size,
                        struct fpc_shell_completion *out);
void fpc_shell_completion_free(struct fpc_shell_completion *c);

/* --- the commands --------------------------------------------------------- */

int fpc_shell_ls(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_tree(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_cd(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_pwd(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_cat(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_get(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_put(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_rm(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_mv(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_mkdir(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_info(struct fpc_shell *shell, struct fpc_image *cmd);
int fpc_shell_check(struct fpc_shell *shell, struct fpc_image *cmd);

#endif
