/* SPDX-License-Identifier: MIT
 *
 * Where in a volume something goes: the rule of cp and mv. What names a
 * directory, or ends in '/', is one to put things into; else it is the new
 * name itself.
 *
 * Errors  exit codes, told on stderr
 */
#ifndef FPC_IMAGE_PLACE_H
#define FPC_IMAGE_PLACE_H

#include "cli/image/image.h"

struct fpc_place {
    const char *path; /* in the volume, rooted */
    bool must_be_dir; /* it was typed with a '/' behind, or takes several */
    bool is_dir;
};

/* Does the operand end in '/'? To be asked before fpc_image_root_paths(). */
bool fpc_place_is_slashed(const char *operand);

/* Finds out whether place->path is a directory. Where directories are there by
 * the names of files, one that must be is. */
int fpc_place_look(struct fpc_image *image, struct fpc_place *place);

/* out: the place's path, and in it, if it is a directory, what the last part of
 * `from` is called; nothing is added for ".", ".." and "/". `below`, "" or with
 * a '/' before it, follows. An enum fp_error. */
int fpc_place_name(const struct fpc_place *place, const char *from,
                   const char *below, char out[FP_PATH_MAX + 1]);

/* Why `name`, of so many bytes, did not fit although there is room: it stands
 * in the root of a FAT12 or FAT16, which takes no more names. */
bool fpc_place_root_full(struct fp_mount *mnt, const char *name, uint64_t size);
#define FPC_PLACE_ROOT_FULL                                                 \
    "the root folder takes no more names, though there is room: put files " \
    "into folders, or make the image anew with --opt root=N or bits=32"

/* Are there directories here only because the names of files say so? */
bool fpc_place_is_flat(const struct fp_mount *mnt);

#endif
