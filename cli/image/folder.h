/* SPDX-License-Identifier: MIT
 *
 * Files opened one after the other, most of which are in the same folder: that
 * one is kept open, and a file found in it by its name alone. Of a path that
 * took the kernel longer than reading a small file.
 *
 * Memory  one open file; one that is zeroed has none
 * Errors  -1 and errno, as open(2)
 */
#ifndef FPC_IMAGE_FOLDER_H
#define FPC_IMAGE_FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct fpc_folder {
    bool is_open;
    int fd;
    size_t length;
    char path[PATH_MAX];
};

/* Opens a file. With O_NOFOLLOW neither it nor its folder may be a link. Without
 * a folder to keep (NULL) it is open(2). */
int fpc_folder_open(struct fpc_folder *folder, const char *path, int flags);
/* A struct fpc_folder. */
void fpc_folder_close(void *folder);

#endif
