/* SPDX-License-Identifier: MIT
 *
 * What the image tools know of each filesystem besides its driver: on what it
 * is made where nothing is said, and what its options are called.
 */
#ifndef FPC_IMAGE_KINDS_H
#define FPC_IMAGE_KINDS_H

#include <stdbool.h>
#include <stdint.h>

struct fpc_image_kind {
    const char *fs;
    uint32_t block_size, prog_size; /* of the medium, for create */
    uint32_t least_blocks;          /* fewer are no volume */
    int64_t time_step_ns; /* times are kept in steps of this; 0: exactly */
    bool card;        /* made for cards: sectors that replace and land whole */
    bool states_size; /* the volume says how long it is, so that a file that is
                          shorter can be told from one that is damaged */
    bool sized_root;  /* format says how many names fit into the root */
    bool whole_path;  /* the limit of names is that of paths */
    bool no_folders;  /* not even in the names of files */
    bool slashed;     /* a stored name is a path that only lacks its slash */
    const char *empty_needs; /* what a volume without files does not show of
                                its layout, and who writes must state */
    const char *host_opts;   /* the memory that a host has for it */
    const char *mends;       /* what its repair can put right, in words; NULL:
                               there is nothing to repair */
};

/* Never NULL: one of no driver in particular for a name that is not known. */
const struct fpc_image_kind *fpc_image_kind(const char *fs);

/* "there is littlefs, fat, ..." of what this build has, behind the option. */
void fpc_image_kinds_told(const char *option, const char *wanted);

/* The n-th kind of this build, NULL behind the last. */
const struct fpc_image_kind *fpc_image_kind_at(unsigned n);

#endif
