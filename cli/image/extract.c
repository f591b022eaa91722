/* SPDX-License-Identifier: MIT
 *
 * flashport image extract: files of an image become files here.
 *
 * The image may be an attacker's: a name is one component and never "." or
 * "..", and nothing is written through a symbolic link that lies in the way.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/image.h"
#include "cli/image/tree.h"
#include "core/host/name.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
    const char *path;
    int fd;
};

static int take(void *ctx, const void *buf, size_t size)
{
    struct output *out = ctx;
    const char *p = buf;

    while (size > 0) {
        ssize_t n = write(out->fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fpc_failed(out->path);
        p += n;
        size -= (size_t)n;
    }
    return FPC_EXIT_OK;
}

static int extract_file(struct fpc_image *image, const struct fpc_node *node,
                        const char *path)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
    struct output out = { .path = path };
    int status;

    out.fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (out.fd < 0)
        return fpc_failed(path);
    status = fpc_image_read_file(image, node->path, take, &out);
    if (status == FPC_EXIT_OK && node->st.has_mtime && node->st.mtime_ns >= 0) {
        times[1].tv_sec = (time_t)(node->st.mtime_ns / 1000000000);
        times[1].tv_nsec = (long)(node->st.mtime_ns % 1000000000);
        futimens(out.fd, times);
    }
    if (close(out.fd) != 0 && status == FPC_EXIT_OK)
        status = fpc_failed(path);
    return status;
}

static int make_dir(const char *path)
{
    struct stat st;

    if (mkdir(path, 0777) == 0)
        return FPC_EXIT_OK;
    if (errno != EEXIST)
        return fpc_failed(path);
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return FPC_EXIT_OK;
    errno = ENOTDIR;
    return fpc_failed(path);
}

static bool is_safe(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        size_t n = strcspn(++p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') ||
            (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
    }
    return true;
}

/* Does this host make a file of every name in the path? */
static bool is_plain(const char *path)
{
    for (const char *p = path; (p = strchr(p, '/')) != NULL;) {
        size_t n = strcspn(++p, "/");

        if (!fp_host_name_is_plain(p, n))
            return false;
    }
    return true;
}

static int refuse_name(const char *path)
{
    fpc_error("%s: no name for a file on Windows, which stops here; take a "
              "part of the image, or cat this file",
              path);
    return FPC_EXIT_FAILED;
}

/* skip: bytes of the path that the output directory stands for. */
static int extract_node(struct fpc_image *image, const struct fpc_node *node,
                        const char *dir, size_t skip)
{
    char path[PATH_MAX];

    if (!is_safe(node->path))
        return fpc_image_failed(image, node->path, FP_ERR_CORRUPT);
    if (!is_plain(node->path + skip))
        return refuse_name(node->path);
    if ((size_t)snprintf(path, sizeof path, "%s%s", dir, node->path + skip) >=
        sizeof path) {
        errno = ENAMETOOLONG;
        return fpc_failed(dir);
    }
    return node->st.type == FP_TYPE_DIR ? make_dir(path)
                                        : extract_file(image, node, path);
}

static int extract_tree(struct fpc_image *image, const struct fpc_tree *tree,
                        const char *dir, size_t skip)
{
    size_t files = 0;
    int status = make_dir(dir);

    for (size_t i = 0; i < tree->count && status == FPC_EXIT_OK; i++) {
        status = extract_node(image, &tree->nodes[i], dir, skip);
        files += tree->nodes[i].st.type == FP_TYPE_FILE;
    }
    if (status == FPC_EXIT_OK && image->json)
        printf("{\"files\": %zu, \"dirs\": %zu}\n", files, tree->count - files);
    return status;
}

static int extract(struct fpc_image *image, const char *root)
{
    size_t skip = strcmp(root, "/") == 0 ? 0 : strlen(root);
    struct fpc_node one = { .path = (char *)root };
    struct fpc_tree tree = { 0 };
    int err, status;

    err = fp_fs_stat(&image->host.vol.mnt, root, &one.st);
    if (err == FP_OK && one.st.type == FP_TYPE_DIR)
        err = fpc_tree_read(&tree, &image->host.vol.mnt, root, true);
    else if (err == FP_OK)
        skip = (size_t)(strrchr(root, '/') - root);
    if (err)
        status = fpc_image_failed(image, root, err);
    else if (one.st.type == FP_TYPE_DIR)
        status = extract_tree(image, &tree, image->args[0], skip);
    else if ((status = make_dir(image->args[0])) == FPC_EXIT_OK)
        status = extract_node(image, &one, image->args[0], skip);
    fpc_tree_free(&tree);
    return status;
}

int fpc_image_extract(struct fpc_image *image)
{
    int status = fpc_image_open(image);

    if (status)
        return status;
    status = fpc_image_root_paths(image, 1);
    if (status == FPC_EXIT_OK)
        status = extract(image, image->arg_count > 1 ? image->args[1] : "/");
    fpc_image_close(image);
    return status;
}
