/* SPDX-License-Identifier: MIT
 *
 * A new image with what a list of sources holds.
 *
 * The image is written beside its name, which it takes when it is whole and on
 * disk (replace.h): whatever stops the making, the name holds the old image or
 * the new one. Where no size is stated the smallest image that fits is sought: a first
 * guess from the sizes, then larger ones until nothing runs short.
 *
 * Memory  all borrowed
 * Errors  exit codes, told on stderr
 */
#ifndef FPC_IMAGE_MAKE_H
#define FPC_IMAGE_MAKE_H

#include "cli/image/image.h"
#include "cli/image/kinds.h"
#include "cli/image/source.h"

struct fpc_make {
    struct fpc_image *image; /* its path, fs, cfg, prog_size, size, force */
    struct fpc_sources *files;
    /* Puts the sources into the empty volume, once a try. On an error it
     * leaves the source that caused it in failed_at. An enum fp_error, or an
     * exit code (above 0), told. NULL: fpc_make_put_all(). */
    int (*put)(struct fpc_make *make, struct fp_mount *mnt);
    /* The last word, when it is whole and has no name yet. NULL: it may. */
    int (*accept)(struct fpc_make *make);
    const struct fpc_source *failed_at;
    const char *name_why; /* what is wrong with its name, or NULL */
    /* private */
    const struct fpc_image_kind *kind;
    uint64_t root;  /* names that its root is made for; 0: the usual */
    bool root_full; /* that is why failed_at did not fit */
    struct fp_host_volume vol;
};

/* Fills in what the command line leaves out, and refuses what cannot be: to be
 * called first, before anything is read. */
int fpc_make_check(struct fpc_make *make);
int fpc_make(struct fpc_make *make);

int fpc_make_put_all(struct fpc_make *make, struct fp_mount *mnt);

#endif
