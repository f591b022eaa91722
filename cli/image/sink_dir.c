/* SPDX-License-Identifier: MIT
 *
 * A directory as a sink. What lies in the way may be an attacker's: nothing is
 * written through a symbolic link. Files are written behind the reading of the
 * image, on a belt.
 */
#define _XOPEN_SOURCE 700
#include "cli/belt.h"
#include "cli/image/folder.h"
#include "cli/image/sink.h"
#include "core/host/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRAYS 64
#define PIECE 65536u

/* A file on its way, if it is shorter than its buffer. */
struct tray {
    char path[PATH_MAX];
    struct fp_stat st;
    int error; /* an errno; EEXIST: something is there */
    size_t size;
    uint8_t buf[PIECE];
};

/* --- bytes ---------------------------------------------------------------- */

/* Never through a symbolic link. */
static int open_new(struct fpc_folder *folder, const char *path, int how)
{
    return fpc_folder_open(folder, path,
                           O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | how);
}

static bool write_all(int fd, const void *buf, size_t size)
{
    const char *p = buf;

    while (size > 0) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static void set_time(int fd, const struct fp_stat *st)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };

    if (!st->has_mtime || st->mtime_ns < 0)
        return;
    times[1].tv_sec = (time_t)(st->mtime_ns / 1000000000);
    times[1].tv_nsec = (long)(st->mtime_ns % 1000000000);
    futimens(fd, times);
}

/* Whole, into a file that `how` opens. 0, or an errno. */
static int write_file(const struct tray *t, struct fpc_folder *folder, int how)
{
    const int fd = open_new(folder, t->path, how);
    int error = 0;

    if (fd < 0)
        return errno;
    if (write_all(fd, t->buf, t->size))
        set_time(fd, &t->st);
    else
        error = errno;
    return close(fd) != 0 && error == 0 ? errno : error;
}

/* --- one file ------------------------------------------------------------- */

struct output {
    const char *path;
    int fd;
};

static int take(void *ctx, const void *buf, size_t size)
{
    struct output *out = ctx;

    return write_all(out->fd, buf, size) ? FPC_EXIT_OK : fpc_failed(out->path);
}

int fpc_sink_write_file(struct fpc_image *image, const struct fpc_node *node,
                        const char *path)
{
    struct output out = { .path = path, .fd = open_new(NULL, path, O_TRUNC) };
    int status;

    if (out.fd < 0)
        return fpc_failed(path);
    status = fpc_image_read_file(image, node->path, take, &out);
    if (status == FPC_EXIT_OK)
        set_time(out.fd, &node->st);
    if (close(out.fd) != 0 && status == FPC_EXIT_OK)
        status = fpc_failed(path);
    if (status == FPC_EXIT_REFUSED)
        unlink(path);
    return status;
}

/* --- many, written behind ------------------------------------------------- */

/* One that is there already is left alone here, and written over by the owner
 * of the belt when it comes back: two names of the image that are one to this
 * host are written one after the other that way. */
static void write_tray(void *tray, void *folder)
{
    struct tray *t = tray;

    t->error = write_file(t, folder, O_EXCL);
}

/* What became of the next one on the belt. After a failure nobody asks. */
static int take_back(struct fpc_sink *sink, bool *none)
{
    struct tray *t = fpc_belt_take(sink->belt);

    *none = t == NULL;
    if (!t || sink->failed)
        return FPC_EXIT_OK;
    if (t->error == EEXIST)
        t->error = write_file(t, NULL, O_TRUNC);
    if (t->error == 0)
        return FPC_EXIT_OK;
    sink->failed = true;
    errno = t->error;
    return fpc_failed(t->path);
}

static int take_all(struct fpc_sink *sink, int status)
{
    bool none = false;

    while (!none) {
        int error = take_back(sink, &none);

        status = status ? status : error;
    }
    return status;
}

/* As much of it as the tray holds. */
static int read_tray(struct fpc_image *image, const struct fpc_node *node,
                     struct tray *t)
{
    struct fp_file file;
    int32_t n = 1;
    int err = fp_fs_open(&image->host.vol.mnt, &file, node->path, FP_O_READ);

    if (err)
        return fpc_image_failed(image, node->path, err);
    for (t->size = 0; n > 0 && t->size < PIECE; t->size += (size_t)n) {
        n = fp_fs_read(&file, t->buf + t->size, (uint32_t)(PIECE - t->size));
        if (n < 0)
            break;
    }
    fp_fs_close(&file);
    return n < 0 ? fpc_image_failed(image, node->path, n) : FPC_EXIT_OK;
}

/* A large one is written in its turn. */
static int put_large(struct fpc_sink *sink, struct fpc_image *image,
                     const struct fpc_node *node, const char *path)
{
    int status = take_all(sink, FPC_EXIT_OK);

    return status ? status : fpc_sink_write_file(image, node, path);
}

static int put_file(struct fpc_sink *sink, struct fpc_image *image,
                    const struct fpc_node *node, const char *path)
{
    struct tray *t = fpc_belt_empty(sink->belt);
    int status = FPC_EXIT_OK;
    bool none;

    if (!t) {
        status = take_back(sink, &none);
        t = fpc_belt_empty(sink->belt);
    }
    if (status == FPC_EXIT_OK && node->st.size < PIECE)
        status = read_tray(image, node, t);
    if (status)
        return status;
    if (node->st.size >= PIECE || t->size == PIECE)
        return put_large(sink, image, node, path);
    strcpy(t->path, path);
    t->st = node->st;
    fpc_belt_give(sink->belt);
    return FPC_EXIT_OK;
}

/* --- the sink ------------------------------------------------------------- */

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
    const struct fpc_belt_kind kind = {
        .work = write_tray,
        .tray_size = sizeof(struct tray),
        .count = TRAYS,
        .hand_size = sizeof(struct fpc_folder),
        .leave = fpc_folder_close,
    };
    int status = make_dir(path);

    if (status)
        return status;
    sink->path = path;
    sink->belt = fpc_belt_new(&kind);
    return sink->belt ? FPC_EXIT_OK
                      : (fpc_error("out of memory"), FPC_EXIT_FAILED);
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
    return node->st.type == FP_TYPE_DIR ? make_dir(path)
                                        : put_file(sink, image, node, path);
}

/* Files that came before one that cannot be read are written all the same. */
static int dir_close(struct fpc_sink *sink, int status)
{
    if (sink->failed)
        fpc_belt_stop(sink->belt);
    status = take_all(sink, status);
    fpc_belt_free(sink->belt);
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
