/* SPDX-License-Identifier: MIT
 *
 * flashport, the command line: files and flash of devices through flashportd,
 * and flash images without any daemon or device.
 */
#include "cli/command.h"
#include "cli/out.h"
#include "cli/say.h"
#include "core/error.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef FP_VERSION
#define FP_VERSION "unknown"
#endif

#define NO_WAIT_HELP "      --no-wait      print the job and return\n"

#define CTRL_C_HELP                                                         \
    "Ctrl-C ends the waiting, not the job: flashport jobs lists it, waits " \
    "for "                                                                  \
    "it again\nor cancels it.\n"

#define WAIT_HELP                                                             \
    NO_WAIT_HELP                                                              \
    "      --timeout N    when the device stays away for N seconds, cancel "  \
    "the job and\n"                                                           \
    "                     end with exit code 5 (without it the daemon gives " \
    "up after\n"                                                              \
    "                     600)\n\n" CTRL_C_HELP

#define MOUNT_HELP                                                          \
    "      --fs FS        the filesystem; mount: auto is what is found "    \
    "there, "                                                               \
    "and\n"                                                                 \
    "                     without it the one of last time\n"                \
    "      --opt K=V,...  ro=1, block_size, page_size, name_max, and what " \
    "the "                                                                  \
    "driver\n"                                                              \
    "                     takes\n"

#define ID_HELP                                                              \
    "Of an id its first or last few characters do, where they are those of " \
    "one only.\n"

static const struct fpc_command commands[] = {
    { "devices", "[DEVICE]", "list devices, or show one",
      "      --stats        of one: the counters that it keeps, of bytes, work "
      "and time\n",
      fpc_cmd_devices },
    { "ls", "DEVICE:/PATH...", "list a directory, or one file",
      "  -l, --long         type, size and time too\n", fpc_cmd_ls },
    { "cat", "DEVICE:/PATH...", "print files", NULL, fpc_cmd_cat },
    { "cp", "[-r] SOURCE... TARGET",
      "copy between here and devices, or between devices",
      "  -r, --recursive    directories with all they hold\n"
      "      --in-place     give up the old content first, as volumes without "
      "staged\n"
      "                     writes do, or where there is no room for both\n\n"
      "- as SOURCE is what comes on stdin, and as TARGET goes to stdout: cp - "
      "DEVICE:/f\n",
      fpc_cmd_cp },
    { "mv", "DEVICE:/FROM DEVICE:/TO", "rename, replacing the target",
      "  -n, --no-clobber   fail when the target exists\n", fpc_cmd_mv },
    { "rm", "[-r] DEVICE:/PATH...", "delete files and empty directories",
      "  -r, --recursive    directories with all they hold\n", fpc_cmd_rm },
    { "mkdir", "[-p] DEVICE:/PATH...", "make directories",
      "  -p, --parents      missing parents too; no error when it exists\n",
      fpc_cmd_mkdir },
    { "mount", "DEVICE:/VOLUME", "mount a volume", MOUNT_HELP, fpc_cmd_mount },
    { "unmount", "DEVICE:/VOLUME",
      "unmount a volume: all of it is on flash then", NULL, fpc_cmd_unmount },
    { "format", "--fs FS DEVICE:/VOLUME",
      "make an empty filesystem, losing what is there",
      "  -y, --yes          do not ask\n" MOUNT_HELP, fpc_cmd_format },
    { "df", "[DEVICE]", "size and free space of volumes", NULL, fpc_cmd_df },
    { "snapshots",
      "[list [DEVICE] | ls ID [/PATH] | cat ID /PATH | "
      "export ID FILE | rm ID... | pin ID | unpin ID]",
      "look at and into snapshots", ID_HELP, fpc_cmd_snapshots },
    { "backup", "DEVICE [STORAGE[/REGION]]",
      "take a snapshot of a device's flash",
      "  -o, --output FILE  also write the image to FILE\n"
      "  -t, --tag TAG      tag the snapshot; may be repeated\n" WAIT_HELP,
      fpc_cmd_backup },
    { "restore", "SNAPSHOT DEVICE [STORAGE]",
      "write a snapshot back to a device",
      "  -y, --yes          do not ask\n"
      "      --smaller      onto a larger storage too: what lies behind it "
      "stays\n" WAIT_HELP,
      fpc_cmd_restore },
    { "console", "DEVICE", "print what the device's firmware printed",
      "  -f, --follow       go on as it prints; Ctrl-C ends it\n"
      "      --since N      from position N on, as \"next\" of --json gives\n\n"
      "The last 64 KiB are kept. What would move the cursor is shown as "
      "\\xNN,\ncolours are left out.\n",
      fpc_cmd_console },
    { "release", "DEVICE|PORT [-- COMMAND...]",
      "lend a device's port to another program, as a flasher",
      "With a command: runs it while the port is lent, with its path in\n"
      "FLASHPORT_PORT, takes the port back when the command ends, waits for "
      "the\n"
      "device, and ends with the command's exit code.\n\n"
      "  flashport release board-7 -- sh -c 'esptool.py -p $FLASHPORT_PORT "
      "run'\n\n"
      "Without: prints the port. A board that has no agent yet is named by "
      "its\n"
      "port, /dev/ttyUSB0.\n\n"
      "      --for SECONDS  no longer than that, up to 3600 (60; with a "
      "command:\n"
      "                     until it ends)\n"
      "      --force        even if transfers or jobs are under way: transfers "
      "fail,\n"
      "                     jobs wait for the device\n"
      "      --end          take it back now\n",
      fpc_cmd_release },
    { "jobs", "[list [DEVICE] | show ID | wait ID | cancel ID]",
      "look at, wait for or end what the daemon works on", ID_HELP,
      fpc_cmd_jobs },
    { "verify", "[SNAPSHOT]",
      "check that the store has all of it, or one snapshot, whole",
      NO_WAIT_HELP "\n" CTRL_C_HELP "\n" ID_HELP, fpc_cmd_verify },
    { "prune", "", "give back the room of what no snapshot needs any more",
      NO_WAIT_HELP "\n" CTRL_C_HELP, fpc_cmd_prune },
    { "label", "DEVICE LABEL", "give a device a name of your own",
      "      --remove       take it away; without LABEL\n", fpc_cmd_label },
    { "tokens", "[list | add NAME | rm ID]", "who may do what with the daemon",
      "add prints the token, this once. NAME says what it is for.\n\n"
      "      --scope S      read, write or admin (read)\n"
      "      --device ID    good for this device only; may be repeated\n"
      "      --expires N    ends in N seconds\n\n" ID_HELP,
      fpc_cmd_tokens },
    { "image", "info|ls|cat|extract|check|create IMAGE ...",
      "flash images, without daemon or device",
      "  see: flashport image --help\n", fpc_cmd_image },
};

int fpc_failed(const char *path)
{
    int err = errno;

    fpc_error("%s: %s", path, strerror(err));
    return err == ENOENT   ? FPC_EXIT_NOT_FOUND
           : err == ENOSPC ? FPC_EXIT_NO_SPACE
                           : FPC_EXIT_FAILED;
}

/* Of the command that runs, for what getopt stopped at. */
static char **words;

static const struct fpc_command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(FILE *out)
{
    fputs("usage: flashport COMMAND [OPTION...] ...\n\n"
          "Files and flash of devices; DEVICE:/path names the far side.\n\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\nOptions of every command, before it or behind it:\n"
          "      --json         print JSON; an error on stderr: {\"error\": "
          "{\"exit\",\n"
          "                     \"text\", \"problem\"}}\n"
          "      --quiet        no progress\n"
          "      --url URL      the daemon (FLASHPORT_URL; "
          "http://127.0.0.1:8484)\n"
          "      --token TOKEN  access token (FLASHPORT_TOKEN; else the "
          "admin.token of\n"
          "                     the daemon's default data directory)\n"
          "      --socket PATH  the daemon's Unix socket, instead of a URL\n"
          "                     (FLASHPORT_SOCKET)\n"
          "      --help         of a command: what it takes\n"
          "      --version\n\n"
          "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 image refused or "
          "corrupt,\n"
          "4 not found, 5 device offline, 6 conflict, 7 no space, 8 not "
          "allowed,\n"
          "9 daemon not reached.\n",
          out);
}

static void print_command_help(const struct fpc_command *cmd, FILE *out)
{
    fprintf(out, "usage: flashport %s %s\n%s\n", cmd->name, cmd->args,
            cmd->help);
    if (cmd->more)
        fprintf(out, "\n%s", cmd->more);
}

int fpc_usage(const char *command, const char *why)
{
    const struct fpc_command *cmd = find(command);

    if (why)
        fpc_error("%s", why);
    else if (fpc_says_json()) /* getopt has kept silent */
        fpc_error("no such option, or one that lacks its value: %s",
                  words[optind - 1]);
    if (fpc_says_json())
        fpc_error("try: flashport %s --help", command);
    else
        print_command_help(cmd, stderr);
    return FPC_EXIT_USAGE;
}

bool fpc_common_option(struct fpc_context *ctx, int opt, char *value)
{
    switch (opt) {
    case 'J':
        ctx->json = true;
        fpc_say_json(true);
        return true;
    case 'Q':
        ctx->quiet = true;
        return true;
    case 'U':
        ctx->url = value;
        return true;
    case 'T':
        ctx->token = value;
        return true;
    case 'S':
        ctx->socket = value;
        return true;
    default:
        return false;
    }
}

enum fpc_exit fpc_exit_of(int err)
{
    switch (err) {
    case FP_OK:
        return FPC_EXIT_OK;
    case FP_ERR_NOENT:
    case FP_ERR_NODATA:
        return FPC_EXIT_NOT_FOUND;
    case FP_ERR_CORRUPT:
        return FPC_EXIT_REFUSED;
    case FP_ERR_NOSPC:
    case FP_ERR_FBIG:
        return FPC_EXIT_NO_SPACE;
    case FP_ERR_EXIST:
    case FP_ERR_NOTEMPTY:
    case FP_ERR_BUSY:
    case FP_ERR_PRECOND:
        return FPC_EXIT_CONFLICT;
    default:
        return FPC_EXIT_FAILED;
    }
}

/* Also for what is wrong with the words before it. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* What stands before the command: options of all commands, --help, --version.
 * -1: a command follows at argv[optind]; else the exit code. */
static int before_command(struct fpc_context *ctx, int argc, char **argv)
{
    static const struct option options[] = {
        FPC_COMMON_OPTIONS, { "version", no_argument, NULL, 'V' }, { 0 }
    };
    int opt;

    /* '+': options behind the command are the command's own. */
    while ((opt = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (fpc_common_option(ctx, opt, optarg))
            continue;
        if (opt == 'H' || opt == 'h')
            print_help(stdout);
        else if (opt == 'V')
            puts("flashport " FP_VERSION);
        else if (!fpc_says_json())
            fputs("try: flashport --help\n", stderr);
        else
            fpc_error("no such option, or one that lacks its value: %s; try: "
                      "flashport --help",
                      words[optind - 1]);
        return opt == '?' ? FPC_EXIT_USAGE : FPC_EXIT_OK;
    }
    if (optind == argc) {
        if (fpc_says_json())
            fpc_error("which command? try: flashport --help");
        else
            print_help(stderr);
        return FPC_EXIT_USAGE;
    }
    return -1;
}

static int run(struct fpc_context *ctx, int argc, char **argv)
{
    const struct fpc_command *cmd = find(argv[0]);

    if (strcmp(argv[0], "help") == 0) {
        print_help(stdout);
        return FPC_EXIT_OK;
    }
    if (!cmd) {
        fpc_error("no such command: %s (try: flashport --help)", argv[0]);
        return FPC_EXIT_USAGE;
    }
    if (wants_help(argc, argv) && strcmp(cmd->name, "image") != 0) {
        print_command_help(cmd, stdout);
        return FPC_EXIT_OK;
    }
    words = argv;
    optind = 0; /* the command's own options are read from the start */
    return cmd->run(ctx, argc, argv);
}

/* What was said may be lost on its way to a full disk. The first error counts,
 * be it an earlier one of a buffer that was emptied since. */
static int end_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fpc_error("the output cannot be written%s%s", errno ? ": " : "",
              errno ? strerror(errno) : "");
    return status ? status : FPC_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct fpc_context ctx = { 0 };
    int status;

    setlocale(LC_CTYPE, "");
    words = argv;
    fpc_say_json(wants_json(argc, argv));
    opterr = !fpc_says_json();
    status = before_command(&ctx, argc, argv);
    if (status < 0)
        status = run(&ctx, argc - optind, argv + optind);
    status = end_output(status);
    fpc_say_end(status);
    return status;
}
