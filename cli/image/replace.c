/* SPDX-License-Identifier: MIT
 *
 * Why two of these cannot pass each other: who wants to change the file opens
 * the old file first, then the copy, and locks the copy. Then both names are
 * looked at once more. If the copy's name leads to another file, or to none, it
 * was somebody else's who has ended; if the target's does, somebody has
 * replaced it since. Either way it is begun anew. From there on nobody else can
 * hold the lock on a copy under this name, until it gives that name up.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/image/replace.h"

#include "cli/command.h"
#include "cli/image/clone.h"
#include "cli/image/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names end at 255 bytes: two that are longer than this and begin alike cannot
 * be changed at once, that is all. */
#define NAME_KEPT 200

/* Each try means that somebody else got ready in that very moment. */
#define TRIES 100

/* --- the lock ------------------------------------------------------------- */

/* 0, or -1 and errno. It is no flock() where another kind of lock belongs to
 * the open file too: the copy becomes the file, and readers of that take
 * flock(). */
static int lock_twin(int fd)
{
#ifdef F_OFD_SETLK
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    if (errno == EAGAIN || errno == EACCES) {
        errno = EWOULDBLOCK;
        return -1;
    }
#endif
    return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK ? 0 : -1;
}

/* Does the path still lead to what fd is, or nowhere if that is nothing? */
static bool is_at(int fd, const char *path)
{
    struct stat is, at;

    if (fd < 0)
        return lstat(path, &at) != 0;
    return fstat(fd, &is) == 0 && lstat(path, &at) == 0 &&
           is.st_dev == at.st_dev && is.st_ino == at.st_ino;
}

static int close_both(struct fpc_replace *r)
{
    int err = errno;

    if (r->twin_fd >= 0)
        close(r->twin_fd);
    if (r->old_fd >= 0)
        close(r->old_fd);
    r->twin_fd = r->old_fd = -1;
    errno = err;
    return -1;
}

/* A file that somebody else has put there under this name would stay theirs,
 * to be read and changed. */
static bool is_ours(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid() && st.st_nlink <= 1;
}

/* 0, or -1, nothing open, and errno: EWOULDBLOCK, another one has it. */
static int open_both(struct fpc_replace *r)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK;

    r->twin_fd = -1;
    r->old_fd = open(r->target, flags);
    if (r->old_fd < 0 && !(r->is_new && errno == ENOENT))
        return -1;
    if (r->old_fd >= 0 && flock(r->old_fd, LOCK_SH | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK)
        return close_both(r);
    r->twin_fd = open(r->twin, flags | O_CREAT | O_NOFOLLOW, 0600);
    if (r->twin_fd < 0 || lock_twin(r->twin_fd) != 0)
        return close_both(r);
    return 0;
}

static int lock(struct fpc_replace *r)
{
    for (int i = 0; i < TRIES; i++) {
        if (open_both(r) != 0)
            return -1;
        if (is_at(r->twin_fd, r->twin) && is_at(r->old_fd, r->target))
            return 0;
        close_both(r);
    }
    errno = EWOULDBLOCK;
    return -1;
}

/* --- the names ------------------------------------------------------------ */

static bool name_twin(struct fpc_replace *r)
{
    const char *name = strrchr(r->target, '/') + 1;
    int n = snprintf(r->twin, sizeof r->twin, "%.*s.%.*s.flashport",
                     (int)(name - r->target), r->target, NAME_KEPT, name);

    errno = ENAMETOOLONG;
    return n > 0 && (size_t)n < sizeof r->twin;
}

static int not_locked(const struct fpc_replace *r)
{
    if (errno == EWOULDBLOCK) {
        fpc_error("%s: somebody else is changing it: try again when they are "
                  "done",
                  r->path);
        return FPC_EXIT_CONFLICT;
    }
    if (access(r->target, W_OK) == 0 && errno == EACCES)
        fpc_error("%s: a copy is made beside it, and the directory cannot be "
                  "written to",
                  r->path);
    else
        return fpc_failed(r->path);
    return FPC_EXIT_FAILED;
}

/* The last component, as the user typed it. */
static const char *last_of(const char *path)
{
    const char *name = path;

    for (; *path; path++) {
#ifdef _WIN32
        if (*path == '\\' || *path == ':')
            name = path + 1;
#endif
        if (*path == '/')
            name = path + 1;
    }
    return name;
}

/* Of a name that is not there yet, the directory is what must be. */
static bool find_target(struct fpc_replace *r)
{
    const char *name = last_of(r->path);
    char dir[PATH_MAX], real[PATH_MAX];

    if (realpath(r->path, r->target))
        return true;
    if (!r->is_new || errno != ENOENT)
        return false;
    snprintf(dir, sizeof dir, "%.*s.", (int)(name - r->path), r->path);
    if (!realpath(dir, real))
        return false;
    errno = ENAMETOOLONG;
    return (size_t)snprintf(r->target, sizeof r->target, "%s/%s",
                            strcmp(real, "/") == 0 ? "" : real,
                            name) < sizeof r->target;
}

static int take_twin(struct fpc_replace *r)
{
    if (lock(r) != 0)
        return not_locked(r);
    if (is_ours(r->twin_fd)) {
        fpc_unfinished(r->twin);
        return FPC_EXIT_OK;
    }
    close_both(r);
    fpc_error("%s: in the way of a copy, and somebody else's: remove it",
              r->twin);
    return FPC_EXIT_FAILED;
}

static int lock_both(struct fpc_replace *r)
{
    int status;

    r->old_fd = r->twin_fd = -1;
    if (!find_target(r) || !name_twin(r))
        return fpc_failed(r->path);
    fpc_unfinished_hold(true);
    status = take_twin(r);
    fpc_unfinished_hold(false);
    return status;
}

/* --- copy, commit, abandon ------------------------------------------------ */

int fpc_replace_lock(struct fpc_replace *r, const char *path)
{
    *r = (struct fpc_replace){ .path = path };
    return lock_both(r);
}

int fpc_replace_lock_new(struct fpc_replace *r, const char *path)
{
    struct stat st;
    int status;

    *r = (struct fpc_replace){ .path = path, .is_new = true };
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fpc_error("%s: is no ordinary file: nothing takes its place", path);
        return FPC_EXIT_FAILED;
    }
    status = lock_both(r);
    if (status || ftruncate(r->twin_fd, 0) == 0)
        return status;
    status = fpc_failed(path);
    fpc_replace_abandon(r);
    return status;
}

int fpc_replace_copy(struct fpc_replace *r)
{
    return fpc_clone(r->old_fd, r->twin_fd) == 0 ? FPC_EXIT_OK
                                                 : fpc_failed(r->path);
}

/* Whoever could read and write the old file can do so with the new one, and
 * nobody else: without the owner or the group, what they could do goes too. A
 * new one has what every new file has. */
static bool keep_rights(int from, int to)
{
    struct stat st;
    mode_t mode;

    if (from < 0) {
        mode = umask(0);
        umask(mode);
        return fchmod(to, 0666 & ~mode) == 0;
    }
    if (fstat(from, &st) != 0)
        return false;
    mode = st.st_mode & 0777;
    if (fchown(to, st.st_uid, st.st_gid) != 0 &&
        fchown(to, (uid_t)-1, st.st_gid) != 0)
        mode &= ~(mode_t)070;
    return fchmod(to, mode) == 0;
}

/* The new name survives a power cut from here on. Where directories cannot be
 * synced, it was done all the same. */
static void sync_dir(const char *path)
{
    char dir[PATH_MAX];
    int fd;

    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(path, '/') + 1 - path),
             path);
    fd = open(dir, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool take_place(struct fpc_replace *r)
{
    bool done;

    fpc_unfinished_hold(true);
    done = rename(r->twin, r->target) == 0;
    if (done)
        fpc_unfinished(NULL);
    fpc_unfinished_hold(false);
    return done;
}

int fpc_replace_commit(struct fpc_replace *r)
{
    int status;

    if (!keep_rights(r->old_fd, r->twin_fd) || fsync(r->twin_fd) != 0) {
        status = fpc_failed(r->path);
        fpc_replace_abandon(r);
        return status;
    }
#ifdef _WIN32
    /* Not every filesystem there replaces a file that is open. */
    if (r->old_fd >= 0)
        close(r->old_fd);
    r->old_fd = -1;
#endif
    if (!take_place(r)) {
        status = fpc_failed(r->path);
        fpc_replace_abandon(r);
        return status;
    }
    close_both(r);
    sync_dir(r->target);
    return FPC_EXIT_OK;
}

void fpc_replace_abandon(struct fpc_replace *r)
{
    fpc_unfinished_hold(true);
    unlink(r->twin);
    fpc_unfinished(NULL);
    fpc_unfinished_hold(false);
    close_both(r);
}
