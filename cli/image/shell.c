/* SPDX-License-Identifier: MIT
 *
 * The table of commands, and how a line becomes one: words as a shell splits
 * them, options, operands, a process.
 */
#define _GNU_SOURCE
#include "cli/image/shell.h"

#include "cli/image/editline.h"
#include "cli/say.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct fpc_image_editline *const lib = &fpc_image_editline;

/* --- commands of the shell itself ----------------------------------------- */

static int help(struct fpc_shell *shell, struct fpc_image *cmd)
{
    const struct fpc_shell_command *c;

    (void)shell;
    (void)cmd;
    for (size_t n = 0; (c = fpc_shell_command_at(n)) != NULL; n++)
        printf("  %-6s %-22s %s\n", c->name, c->args, c->help);
    puts("\nPaths are in the image, FILE and LOCAL here. Quotes and backslash "
         "as in a shell;\nTab completes. A command that writes is in the image "
         "as a whole when the next\nprompt comes, or not at all; Ctrl-C ends "
         "it, Ctrl-D leaves.");
    return FPC_EXIT_OK;
}

static int leave(struct fpc_shell *shell, struct fpc_image *cmd)
{
    (void)cmd;
    shell->done = true;
    return FPC_EXIT_OK;
}

#define MANY 1000000

static const struct fpc_shell_command commands[] = {
    { "ls", "[-l] [PATH...]", "what a directory holds", "l", 0, MANY,
      FPC_SHELL_IMAGE, FPC_SHELL_IMAGE, false, fpc_shell_ls },
    { "cd", "[PATH]", "change to a directory of the image", "", 0, 1,
      FPC_SHELL_IMAGE, FPC_SHELL_NOTHING, true, fpc_shell_cd },
    { "pwd", "", "where we are", "", 0, 0, FPC_SHELL_NOTHING, FPC_SHELL_NOTHING,
      true, fpc_shell_pwd },
    { "cat", "PATH...", "print files", "", 1, MANY, FPC_SHELL_IMAGE,
      FPC_SHELL_IMAGE, false, fpc_shell_cat },
    { "get", "PATH... [LOCAL]", "copy files and directories from the image", "",
      1, MANY, FPC_SHELL_IMAGE, FPC_SHELL_HOST, false, fpc_shell_get },
    { "put", "[-n] FILE... [PATH]", "copy files and directories into it", "nr",
      1, MANY, FPC_SHELL_HOST, FPC_SHELL_IMAGE, false, fpc_shell_put },
    { "rm", "[-r] [-f] PATH...", "remove", "rf", 1, MANY, FPC_SHELL_IMAGE,
      FPC_SHELL_IMAGE, false, fpc_shell_rm },
    { "mv", "[-n] FROM TO", "rename or move", "n", 2, 2, FPC_SHELL_IMAGE,
      FPC_SHELL_IMAGE, false, fpc_shell_mv },
    { "mkdir", "[-p] PATH...", "make directories", "p", 1, MANY,
      FPC_SHELL_IMAGE, FPC_SHELL_IMAGE, false, fpc_shell_mkdir },
    { "tree", "[PATH]", "all that is below a directory", "", 0, 1,
      FPC_SHELL_IMAGE, FPC_SHELL_NOTHING, false, fpc_shell_tree },
    { "info", "", "filesystem, geometry and use", "", 0, 0, FPC_SHELL_NOTHING,
      FPC_SHELL_NOTHING, false, fpc_shell_info },
    { "df", "", "the same", "", 0, 0, FPC_SHELL_NOTHING, FPC_SHELL_NOTHING,
      false, fpc_shell_info },
    { "check", "", "say everything that is wrong", "", 0, 0, FPC_SHELL_NOTHING,
      FPC_SHELL_NOTHING, false, fpc_shell_check },
    { "help", "", "this", "", 0, 0, FPC_SHELL_NOTHING, FPC_SHELL_NOTHING, true,
      help },
    { "exit", "", "leave, as Ctrl-D does", "", 0, 0, FPC_SHELL_NOTHING,
      FPC_SHELL_NOTHING, true, leave },
};

const struct fpc_shell_command *fpc_shell_command_at(size_t n)
{
    return n < sizeof commands / sizeof commands[0] ? &commands[n] : NULL;
}

const struct fpc_shell_command *fpc_shell_command(const char *name)
{
    const struct fpc_shell_command *c;

    for (size_t n = 0; (c = fpc_shell_command_at(n)) != NULL; n++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* --- a command ------------------------------------------------------------ */

static bool take_option(struct fpc_image *cmd, char letter)
{
    bool *const flag = letter == 'l'   ? &cmd->detailed
                       : letter == 'r' ? &cmd->recursive
                       : letter == 'f' ? &cmd->force
                       : letter == 'n' ? &cmd->keep
                       : letter == 'p' ? &cmd->parents
                                       : NULL;

    if (flag)
        *flag = true;
    return flag != NULL;
}

static int wrong(const struct fpc_shell_command *command)
{
    fpc_error("it is: %s %s", command->name, command->args);
    return FPC_EXIT_USAGE;
}

/* Options come first, as letters; "--" ends them. */
static int take_words(const struct fpc_shell_command *command,
                      struct fpc_image *cmd, int argc, const char **argv)
{
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        for (const char *p = argv[i] + 1; *p; p++)
            if (!strchr(command->options, *p) || !take_option(cmd, *p))
                return wrong(command);
    }
    if (argc - i < command->least || argc - i > command->most)
        return wrong(command);
    for (; i < argc; i++) {
        cmd->args[cmd->arg_count] = strdup(argv[i]);
        if (!cmd->args[cmd->arg_count++])
            return fpc_error("out of memory"), FPC_EXIT_FAILED;
    }
    return FPC_EXIT_OK;
}

/* What it has read of a script lies in our memory, and is not for the command:
 * so it ends without exit(), which would move the script back. */
static int run_apart(struct fpc_shell *shell,
                     const struct fpc_shell_command *command,
                     struct fpc_image *cmd)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        return fpc_failed(command->name);
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        status = command->run(shell, cmd);
        if (fflush(stdout) != 0)
            status = FPC_EXIT_FAILED;
        _exit(status);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "\nflashport: %s was interrupted\n", command->name);
    return FPC_EXIT_FAILED;
}

static int run_words(struct fpc_shell *shell, int argc, const char **argv)
{
    const struct fpc_shell_command *command = fpc_shell_command(argv[0]);
    struct fpc_image *cmd;
    int status;

    if (!command) {
        fpc_error("no such command: %s; help lists them", argv[0]);
        return FPC_EXIT_USAGE;
    }
    cmd = malloc(sizeof *cmd);
    if (!cmd)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    *cmd = *shell->image;
    cmd->verb = command->name;
    cmd->arg_count = 0;
    /* One more than there are words: put may add where to. */
    cmd->args = calloc((size_t)argc + 1, sizeof *cmd->args);
    status = cmd->args ? take_words(command, cmd, argc, argv) : FPC_EXIT_FAILED;
    if (status == FPC_EXIT_OK)
        status = command->inside ? command->run(shell, cmd)
                                 : run_apart(shell, command, cmd);
    for (int i = 0; cmd->args && i < cmd->arg_count; i++)
        free(cmd->args[i]);
    free(cmd->args);
    free(cmd);
    return status;
}

static int run_line(struct fpc_shell *shell, const char *line)
{
    Tokenizer *words = lib->tok_init(NULL);
    const char **argv;
    int argc, status = FPC_EXIT_OK;

    line += strspn(line, " \t");
    if (!words)
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    if (line[0] == '#') {
        argc = 0;
    } else if (lib->tok_str(words, line, &argc, &argv) != 0) {
        fpc_error("a quote is open, or nothing follows a backslash");
        status = FPC_EXIT_USAGE;
    }
    if (status == FPC_EXIT_OK && argc > 0)
        status = run_words(shell, argc, argv);
    lib->tok_end(words);
    return status;
}

/* --- where commands come from --------------------------------------------- */

/* Scripts come from Windows too. */
static void trim_end(char *line)
{
    size_t n = strlen(line);

    while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
        line[--n] = 0;
}

static int run_script(struct fpc_shell *shell)
{
    char *line = NULL;
    size_t room = 0;
    unsigned long number = 0;
    int status = FPC_EXIT_OK;

    while (status == FPC_EXIT_OK && !shell->done &&
           getline(&line, &room, stdin) >= 0) {
        trim_end(line);
        number++;
        status = run_line(shell, line);
    }
    if (status)
        fpc_error("stopped at line %lu of the commands", number);
    free(line);
    return status;
}

/* A command that failed has said so, and the next one may do better. */
static int run_prompt(struct fpc_shell *shell)
{
    struct fpc_shell_line *input = fpc_shell_line_new(shell);
    const char *line;

    if (!input)
        return fpc_error("this terminal cannot be used"), FPC_EXIT_FAILED;
    signal(SIGINT, SIG_IGN);
    while (!shell->done && (line = fpc_shell_line_read(input)) != NULL)
        run_line(shell, line);
    if (!shell->done)
        putchar('\n');
    fpc_shell_line_free(input);
    return FPC_EXIT_OK;
}

/* Is there anything to have a prompt in? What is said of it is said once. */
static int look(struct fpc_shell *shell)
{
    int status = fpc_image_open(shell->image);

    if (status == FPC_EXIT_OK)
        fpc_image_close(shell->image);
    return status;
}

int fpc_image_shell(struct fpc_image *image)
{
    struct fpc_shell shell = { .image = image, .cwd = "/" };
    int status = fpc_image_editline_load();

    if (status == FPC_EXIT_OK)
        status = look(&shell);
    if (status)
        return status;
    fpc_say_json(false); /* each of its commands says at once what failed */
    /* Names are UTF-8 whatever the locale says, or says nothing. */
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    shell.prompts = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    return shell.prompts ? run_prompt(&shell) : run_script(&shell);
}
