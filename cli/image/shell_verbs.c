/* SPDX-License-Identifier: MIT
 *
 * What the commands of the shell do: most of them what the verb of that name
 * does, with paths that start where the shell is.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/place.h"
#include "cli/image/shell.h"
#include "cli/image/sink.h"
#include "cli/image/tree.h"
#include "cli/out.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- paths ---------------------------------------------------------------- */

/* Appends the parts of `path` to out[0..*end), and takes one away for "..". */
static bool append(char *out, size_t *end, const char *path)
{
    for (size_t n; *path; path += n) {
        n = strcspn(path, "/");
        if (n == 0) {
            n = 1;
        } else if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (*end > 0 && out[--*end] != '/')
                ;
        } else if (n != 1 || path[0] != '.') {
            if (*end + 1 + n > FP_PATH_MAX - 1)
                return false;
            out[(*end)++] = '/';
            memcpy(out + *end, path, n);
            *end += n;
        }
    }
    return true;
}

bool fpc_shell_path(const struct fpc_shell *shell, const char *typed,
                    char out[FP_PATH_MAX + 1])
{
    size_t end = 0;

    if (typed[0] != '/' && !append(out, &end, shell->cwd))
        return false;
    if (!append(out, &end, typed))
        return false;
    if (end == 0 || fpc_place_is_slashed(typed))
        out[end++] = '/';
    out[end] = 0;
    return true;
}

/* The operands from `first` on become paths in the image. */
static int root_paths(const struct fpc_shell *shell, struct fpc_image *cmd,
                      int first)
{
    char path[FP_PATH_MAX + 1];

    for (int i = first; i < cmd->arg_count; i++) {
        char *copy;

        if (!fpc_shell_path(shell, cmd->args[i], path)) {
            fpc_error("%s: %s", cmd->args[i], fp_strerror(FP_ERR_NAMETOOLONG));
            return (int)fpc_exit_of(FP_ERR_NAMETOOLONG);
        }
        copy = strdup(path);
        if (!copy)
            return fpc_error("out of memory"), FPC_EXIT_FAILED;
        free(cmd->args[i]);
        cmd->args[i] = copy;
    }
    return FPC_EXIT_OK;
}

/* Where none is given, "." is. */
static int add_here(struct fpc_image *cmd)
{
    cmd->args[cmd->arg_count] = strdup(".");
    if (!cmd->args[cmd->arg_count])
        return fpc_error("out of memory"), FPC_EXIT_FAILED;
    cmd->arg_count++;
    return FPC_EXIT_OK;
}

static int run_verb(struct fpc_shell *shell, struct fpc_image *cmd,
                    int (*verb)(struct fpc_image *image))
{
    int status = root_paths(shell, cmd, 0);

    return status ? status : verb(cmd);
}

/* --- looking -------------------------------------------------------------- */

/* What stands in the listing for a node: its path from `skip` on. */
static void print_node(const struct fpc_image *cmd, const struct fpc_node *node,
                       size_t skip)
{
    const bool dir = node->st.type == FP_TYPE_DIR;
    const char *name = node->path + skip;
    char size[16], time[24];

    if (cmd->detailed)
        printf("%8s  %-16s  ", dir ? "-" : fpc_size_text(node->st.size, size),
               fpc_time_text(node->st.has_mtime, node->st.mtime_ns / 1000000000,
                             time));
    fpc_print_name(stdout, name, strlen(name));
    puts(dir ? "/" : "");
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static void print_below(const struct fpc_image *cmd,
                        const struct fpc_tree *tree, const char *root,
                        bool recurse)
{
    const size_t outer = strcmp(root, "/") == 0 ? 0 : depth_of(root);

    for (size_t i = 0; i < tree->count; i++) {
        const char *path = tree->nodes[i].path;

        if (recurse)
            printf("%*s", (int)(2 * (depth_of(path) - outer - 1)), "");
        print_node(cmd, &tree->nodes[i],
                   (size_t)(strrchr(path, '/') + 1 - path));
    }
}

static int print_path(struct fpc_image *cmd, const char *typed, bool recurse)
{
    struct fp_mount *mnt = &cmd->host.vol.mnt;
    struct fpc_node one = { .path = (char *)typed };
    size_t end = strlen(typed);
    struct fpc_tree tree;
    char path[FP_PATH_MAX + 1];
    int err;

    snprintf(path, sizeof path, "%.*s",
             (int)(end > 1 && typed[end - 1] == '/' ? end - 1 : end), typed);
    err = fp_fs_stat(mnt, path, &one.st);
    if (err == FP_OK && one.st.type == FP_TYPE_FILE) {
        print_node(cmd, &one, 0);
        return FPC_EXIT_OK;
    }
    if (err == FP_OK)
        err = fpc_tree_read(&tree, mnt, path, recurse);
    if (err)
        return fpc_image_failed(cmd, path, err);
    print_below(cmd, &tree, path, recurse);
    fpc_tree_free(&tree);
    return FPC_EXIT_OK;
}

static int print_paths(struct fpc_shell *shell, struct fpc_image *cmd,
                       bool recurse)
{
    int status = cmd->arg_count == 0 ? add_here(cmd) : FPC_EXIT_OK;

    if (status == FPC_EXIT_OK)
        status = root_paths(shell, cmd, 0);
    if (status == FPC_EXIT_OK)
        status = fpc_image_open(cmd);
    if (status)
        return status;
    for (int i = 0; i < cmd->arg_count && status == FPC_EXIT_OK; i++)
        status = print_path(cmd, cmd->args[i], recurse);
    fpc_image_close(cmd);
    return status;
}

int fpc_shell_ls(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return print_paths(shell, cmd, false);
}

int fpc_shell_tree(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return print_paths(shell, cmd, true);
}

int fpc_shell_cat(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_cat);
}

int fpc_shell_info(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_info);
}

int fpc_shell_check(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_check);
}

/* --- where we are --------------------------------------------------------- */

int fpc_shell_pwd(struct fpc_shell *shell, struct fpc_image *cmd)
{
    (void)cmd;
    fpc_print_name(stdout, shell->cwd, strlen(shell->cwd));
    putchar('\n');
    return FPC_EXIT_OK;
}

int fpc_shell_cd(struct fpc_shell *shell, struct fpc_image *cmd)
{
    const char *typed = cmd->arg_count ? cmd->args[0] : "/";
    char path[FP_PATH_MAX + 1];
    struct fp_stat st;
    int err, status;

    if (!fpc_shell_path(shell, typed, path))
        return fpc_image_failed(cmd, typed, FP_ERR_NAMETOOLONG);
    if (strlen(path) > 1 && fpc_place_is_slashed(path))
        path[strlen(path) - 1] = 0;
    status = fpc_image_open(cmd);
    if (status)
        return status;
    err = fp_fs_stat(&cmd->host.vol.mnt, path, &st);
    if (err == FP_OK && st.type != FP_TYPE_DIR)
        err = FP_ERR_NOTDIR;
    if (err)
        status = fpc_image_failed(cmd, path, err);
    else
        strcpy(shell->cwd, path);
    fpc_image_close(cmd);
    return status;
}

/* --- from here and to here ------------------------------------------------ */

int fpc_shell_put(struct fpc_shell *shell, struct fpc_image *cmd)
{
    int status = cmd->arg_count == 1 ? add_here(cmd) : FPC_EXIT_OK;

    for (int i = 0; i < cmd->arg_count - 1; i++)
        if (strcmp(cmd->args[i], "-") == 0) {
            fpc_error("-: what is typed is for the shell");
            return FPC_EXIT_USAGE;
        }
    if (status == FPC_EXIT_OK)
        status = root_paths(shell, cmd, cmd->arg_count - 1);
    return status ? status : fpc_image_put(cmd);
}

static bool is_dir_here(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Where the node at `path` goes: by its name into a directory, else to what
 * `local` says. */
static int name_here(const char *path, const char *local, char out[PATH_MAX])
{
    const char *name = strrchr(path, '/');
    int n = is_dir_here(local) ? snprintf(out, PATH_MAX, "%s%s", local, name)
                               : snprintf(out, PATH_MAX, "%s", local);

    if (n < PATH_MAX)
        return FPC_EXIT_OK;
    errno = ENAMETOOLONG;
    return fpc_failed(local);
}

/* A directory is extracted, which opens the image itself. */
static int get_dir(const struct fpc_image *cmd, char *path, char *to)
{
    char *args[] = { strdup(to), strdup(path) };
    struct fpc_image extract = *cmd;
    int status = FPC_EXIT_FAILED;

    extract.args = args;
    extract.arg_count = 2;
    if (args[0] && args[1])
        status = fpc_image_extract(&extract);
    free(args[0]);
    free(args[1]);
    return status;
}

static int get_one(struct fpc_image *cmd, char *path, const char *local)
{
    struct fpc_node node = { .path = path };
    char to[PATH_MAX];
    int err, status = name_here(path, local, to);

    if (status == FPC_EXIT_OK)
        status = fpc_image_open(cmd);
    if (status)
        return status;
    err = fp_fs_stat(&cmd->host.vol.mnt, path, &node.st);
    if (err)
        status = fpc_image_failed(cmd, path, err);
    else if (node.st.type == FP_TYPE_FILE)
        status = fpc_sink_write_file(cmd, &node, to);
    fpc_image_close(cmd);
    return status || node.st.type == FP_TYPE_FILE ? status
                                                  : get_dir(cmd, path, to);
}

int fpc_shell_get(struct fpc_shell *shell, struct fpc_image *cmd)
{
    char *local = cmd->arg_count > 1 ? cmd->args[--cmd->arg_count] : NULL;
    const char *to = local ? local : ".";
    int status = root_paths(shell, cmd, 0);

    if (status == FPC_EXIT_OK && cmd->arg_count > 1 && !is_dir_here(to)) {
        errno = ENOTDIR;
        status = fpc_failed(to);
    }
    for (int i = 0; i < cmd->arg_count && status == FPC_EXIT_OK; i++) {
        size_t n = strlen(cmd->args[i]);

        if (n > 1 && cmd->args[i][n - 1] == '/')
            cmd->args[i][n - 1] = 0;
        status = get_one(cmd, cmd->args[i], to);
    }
    free(local);
    return status;
}

/* --- changing ------------------------------------------------------------- */

int fpc_shell_rm(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_rm);
}

int fpc_shell_mv(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_mv);
}

int fpc_shell_mkdir(struct fpc_shell *shell, struct fpc_image *cmd)
{
    return run_verb(shell, cmd, fpc_image_mkdir);
}
