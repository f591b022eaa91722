/* SPDX-License-Identifier: MIT
 *
 * A directory as a sink. What lies in the way may be an attacker's: nothing is
 * written through a symbolic link.
 */
#define _XOPEN_SOURCE 700
#include "cli/image/sink.h"
#include "core/host/name.h"

#include <errno.h>
#include <fcntl.h>
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

int fpc_sink_write_file(struct fpc_image *image, const struct fpc_node *node,
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
    if (status == FPC_EXIT_REFUSED)
        unlink(path);
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

static int dir_open(struct fpc_sink *sink, const char *path)
{
    sink->path = path;
    return make_dir(path);
}

static int dir_put(struct fpc_sink *sink, struct fpc_image *image,
                   const struct fpc_node *node, const char *name)
{
    char path[PATH_MAX];

    if (!is_plain(name))
        return refuse_name(node->path);
    if ((size_t)snprintf(path, sizeof path, "%s%s", sink->path, name) >=
        sizeof path) {
        errno = ENAMETOOLONG;
        return fpc_failed(sink->path);
    }
    return node->st.type == FP_TYPE_DIR
               ? make_dir(path)
               : fpc_sink_write_file(image, node, path);
}

static int dir_close(struct fpc_sink *sink, int status)
{
    (void)sink;
    return status;
}

const struct fpc_sink_ops fpc_sink_dir = {
    .goes_on = true,
    .open = dir_open,
    .put = dir_put,
    .close = dir_close,
};

static bool ends_in(const char *path, const char *suffix)
{
    size_t n = strlen(path), m = strlen(suffix);

    return n > m && strcmp(path + n - m, suffix) == 0;
}

const struct fpc_sink_ops *fpc_sink_of(const char *path)
{
    static const char *const suffixes[] = { ".tar", ".tar.gz", ".tgz",
                                            ".tar.zst" };
    struct stat st;

    if (strcmp(path, "-") == 0)
        return &fpc_sink_tar;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return &fpc_sink_dir;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (ends_in(path, suffixes[i]))
            return &fpc_sink_tar;
    return &fpc_sink_dir;
}
