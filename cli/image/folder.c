/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "cli/image/folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODE 0666

#ifdef O_PATH
static bool is_at(const struct fpc_folder *folder, const char *path, size_t n)
{
    return folder->is_open && folder->length == n &&
           memcmp(folder->path, path, n) == 0;
}

static bool go_to(struct fpc_folder *folder, const char *path, size_t n,
                  int flags)
{
    if (is_at(folder, path, n))
        return true;
    fpc_folder_close(folder);
    memcpy(folder->path, path, n);
    folder->path[n] = '\0';
    folder->length = n;
    folder->fd = open(folder->path,
                      O_PATH | O_DIRECTORY | O_CLOEXEC | (flags & O_NOFOLLOW));
    folder->is_open = folder->fd >= 0;
    return folder->is_open;
}

int fpc_folder_open(struct fpc_folder *folder, const char *path, int flags)
{
    const char *name = strrchr(path, '/');
    const size_t n = name ? (size_t)(name - path) : 0;

    if (!folder || n == 0 || n >= sizeof folder->path)
        return open(path, flags, MODE);
    return go_to(folder, path, n, flags)
               ? openat(folder->fd, name + 1, flags, MODE)
               : -1;
}
#else
int fpc_folder_open(struct fpc_folder *folder, const char *path, int flags)
{
    (void)folder;
    return open(path, flags, MODE);
}
#endif

void fpc_folder_close(void *ctx)
{
    struct fpc_folder *folder = ctx;

    if (folder->is_open)
        close(folder->fd);
    folder->is_open = false;
}
