/* SPDX-License-Identifier: MIT
 *
 * A workload: what an application does to a volume, one operation a line.
 *
 *     write PATH SIZE          a file with new content, in place of an old one
 *     append PATH SIZE         at the end of a file, made if it is not there
 *     read PATH [OFFSET SIZE]  all of a file, or a part
 *     rm PATH                  a file, or an empty directory
 *     mv FROM TO
 *     mkdir PATH
 *     ls [PATH]                one directory
 *     stat PATH
 *     sync
 *
 * Words are separated by spaces; "a name" may hold some, with \" and \\ in it.
 * A line that is empty or begins with '#' says nothing. Sizes are decimal or
 * 0x, K and M may follow. Paths need no leading slash.
 *
 * Memory  the workload owns its steps; fpc_workload_free() frees them
 */
#ifndef FPC_IMAGE_WORKLOAD_H
#define FPC_IMAGE_WORKLOAD_H

#include "core/fs/fs.h"

#include <stdio.h>

enum fpc_step_kind {
    FPC_STEP_WRITE,
    FPC_STEP_APPEND,
    FPC_STEP_READ,
    FPC_STEP_RM,
    FPC_STEP_MV,
    FPC_STEP_MKDIR,
    FPC_STEP_LS,
    FPC_STEP_STAT,
    FPC_STEP_SYNC,
    /* Not in the language, and done around every workload. */
    FPC_STEP_MOUNT,
    FPC_STEP_UNMOUNT,
    FPC_STEP_KINDS
};

struct fpc_step {
    enum fpc_step_kind kind;
    unsigned line;   /* from 1 */
    char *path, *to; /* rooted; NULL where the kind has none */
    uint64_t offset, size;
    bool is_whole; /* read: no part was named */
};

struct fpc_workload {
    struct fpc_step *steps;
    size_t count;
    /* private */
    size_t room;
};

/* Reads a script to its end; `name` is it in messages. FPC_EXIT_OK, or has
 * told the line that is wrong. */
int fpc_workload_read(struct fpc_workload *workload, FILE *in,
                      const char *name);
void fpc_workload_free(struct fpc_workload *workload);

/* Does it, with content that each line has another of, in calls of 4096 bytes
 * at the most. *bytes: of content written or read. An enum fp_error. */
int fpc_step_do(const struct fpc_step *step, struct fp_mount *mnt,
                uint64_t *bytes);

const char *fpc_step_name(enum fpc_step_kind kind);

#endif
