/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "cli/whole.h"

#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fpc_whole_begin(struct fpc_whole *whole, const char *path)
{
    const char *slash = strrchr(path, '/');
#ifdef _WIN32
    if (strrchr(path, '\\') > slash)
        slash = strrchr(path, '\\');
#endif
    int dir = slash ? (int)(slash + 1 - path) : 0, fd;

    /* Not made from the file's own name: that may be as long as names get. */
    if ((size_t)snprintf(whole->temp, sizeof whole->temp,
                         "%.*s.flashport-XXXXXX", dir,
                         path) >= sizeof whole->temp) {
        errno = ENAMETOOLONG;
        return fpc_failed(path);
    }
    whole->path = path;
    fd = mkstemp(whole->temp);
    if (fd < 0)
        return fpc_failed(path);
    whole->file = fdopen(fd, "wb");
    if (whole->file)
        return FPC_EXIT_OK;
    close(fd);
    unlink(whole->temp);
    return fpc_failed(path);
}

/* All of it on the disk, with the rights that any new file gets. */
static bool settle(FILE *file, int64_t mtime)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
                                 { .tv_sec = (time_t)mtime } };
    mode_t mask = umask(0);

    umask(mask);
    if (fflush(file) != 0 || fchmod(fileno(file), 0666 & ~mask) != 0)
        return false;
    if (mtime >= 0)
        futimens(fileno(file), times);
    return fsync(fileno(file)) == 0;
}

int fpc_whole_end(struct fpc_whole *whole, int status, int64_t mtime)
{
    if (status == FPC_EXIT_OK && !settle(whole->file, mtime))
        status = fpc_failed(whole->path);
    if (fclose(whole->file) != 0 && status == FPC_EXIT_OK)
        status = fpc_failed(whole->path);
    if (status == FPC_EXIT_OK && rename(whole->temp, whole->path) != 0)
        status = fpc_failed(whole->path);
    if (status != FPC_EXIT_OK)
        unlink(whole->temp);
    return status;
}
