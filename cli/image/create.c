/* SPDX-License-Identifier: MIT
 *
 * flashport image create: a directory here, or a tar archive, becomes an image.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/image/losses.h"
#include "cli/image/make.h"
#include "cli/image/place.h"

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
    return fpc_sources_read(files, from, FPC_SOURCES_ALL);
}

struct creating {
    struct fpc_make make; /* first: what its hooks are called with */
    struct fpc_sources files;
    struct fpc_losses losses;
};

static int put(struct fpc_make *make, struct fp_mount *mnt)
{
    struct creating *c = (struct creating *)make;
    int err = fpc_make_put_all(make, mnt);

    fpc_losses_clear(&c->losses);
    for (size_t i = 0; i < c->files.count && err == FP_OK; i++) {
        const struct fpc_source *s = &c->files.items[i];

        if (s->is_dir && fpc_place_is_flat(mnt))
            err = fpc_losses_add_hollow(&c->losses, mnt,
                                        fpc_source_below(&c->files, s));
    }
    return err;
}

static int accept(struct fpc_make *make)
{
    struct creating *c = (struct creating *)make;
    struct fpc_image *image = make->image;

    if (image->json)
        fpc_image_answer(json_pack("{s:I,s:o}", "entries",
                                   (json_int_t)c->files.count, "lost",
                                   fpc_losses_json(&c->losses)));
    else
        fpc_losses_print(&c->losses, image->fs);
    fflush(stdout);
    if (fpc_losses_none(&c->losses) || image->lossy)
        return FPC_EXIT_OK;
    fpc_error("%s: not made: %s cannot keep all of it, as listed; --lossy "
              "makes it without that",
              image->path, image->fs);
    return FPC_EXIT_FAILED;
}

int fpc_image_create(struct fpc_image *image)
{
    struct creating c = { .make = {
                              .image = image, .put = put, .accept = accept } };
    int status;

    c.make.files = &c.files;
    status = fpc_make_check(&c.make);
    if (status == FPC_EXIT_OK)
        status = gather(&c.files, image->args[0]);
    if (status == FPC_EXIT_OK)
        status = fpc_sources_check(&c.files, image->path, image->lossy);
    if (status == FPC_EXIT_OK)
        status = fpc_make(&c.make);
    fpc_sources_free(&c.files);
    fpc_losses_clear(&c.losses);
    return status;
}
