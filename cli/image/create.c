/* SPDX-License-Identifier: MIT
 *
 * flashport image create: a directory here, or a tar archive, becomes an image.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/make.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A file is an archive: of one file alone nobody makes an image. */
static int gather(struct fpc_sources *files, const char *from)
{
    struct stat st;

    if (strcmp(from, "-") == 0 ||
        (stat(from, &st) == 0 && !S_ISDIR(st.st_mode)))
        return fpc_sources_tar(files, from);
    return fpc_sources_read(files, from, false);
}

/* What would be missing has been told, entry by entry. */
static int check_whole(const struct fpc_image *image,
                       const struct fpc_sources *files)
{
    if (files->left_out == 0 || image->lossy)
        return FPC_EXIT_OK;
    fpc_error("%s: not made: %zu of the entries cannot be in an image; --lossy "
              "leaves them out",
              image->path, files->left_out);
    return FPC_EXIT_FAILED;
}

int fpc_image_create(struct fpc_image *image)
{
    struct fpc_sources files = { 0 };
    struct fpc_make make = { .image = image, .files = &files };
    int status = fpc_make_check(&make);

    if (status == FPC_EXIT_OK)
        status = gather(&files, image->args[0]);
    if (status == FPC_EXIT_OK)
        status = check_whole(image, &files);
    if (status == FPC_EXIT_OK)
        status = fpc_make(&make);
    if (status == FPC_EXIT_OK && image->json)
        printf("{\"entries\": %zu}\n", files.count);
    fpc_sources_free(&files);
    return status;
}
