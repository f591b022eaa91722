/* SPDX-License-Identifier: MIT
 *
 * What comes into a volume: files and directories, from wherever they are.
 *
 *     fpc_sources_read    a file here, all that a directory holds, or stdin
 *     fpc_sources_tar     the entries of a tar archive
 *     fpc_sources_volume  what another volume holds
 *
 * Each makes the same list; where contents are read from is a table of
 * functions, and nobody else's business.
 *
 * Memory  the list owns its sources, and a tar's contents, which lie in a
 *         file without a name until fpc_sources_free()
 * Errors  exit codes, told on stderr; of fpc_source_store() see there
 */
#ifndef FPC_IMAGE_SOURCE_H
#define FPC_IMAGE_SOURCE_H

#include "core/fs/fs.h"

#include <stdbool.h>
#include <stddef.h>

struct fpc_image;
struct fpc_sources;

struct fpc_source {
    char *path; /* where it is */
    bool is_dir;
    bool is_stdin;
    bool unseen;   /* a file, and size and meta come with its content */
    uint64_t size; /* when it was seen; 0 for a directory */
    struct fp_commit_meta meta;
    uint64_t at; /* of a tar: where its content was put */
};

/* Gets content piece by piece; an exit code. */
typedef int (*fpc_take_fn)(void *ctx, const void *buf, size_t size);

struct fpc_source_ops {
    /* All of a file's content to `take`, whose failure ends it. */
    int (*read)(const struct fpc_sources *list, const struct fpc_source *source,
                fpc_take_fn take, void *ctx);
    /* What is unseen of a file; NULL: nothing is. */
    int (*see)(struct fpc_source *source);
    void (*free)(struct fpc_sources *list); /* NULL: nothing to free */
};

struct fpc_sources {
    struct fpc_source *items; /* directories before what they hold */
    size_t count;
    bool of_dir;     /* the root is a directory, and no item itself */
    size_t root_len; /* bytes of each path that the root stands for */
    struct fp_commit_meta meta; /* of a root that is a directory */
    size_t left_out;            /* entries that no image can hold, each told */
    /* private */
    const struct fpc_source_ops *ops;
    void *from; /* what ops reads contents from */
    size_t room;
};

/* For who needs all sizes before the contents. */
int fpc_sources_see(const struct fpc_sources *list);

enum fpc_sources_how {
    FPC_SOURCES_STDIN = 1, /* "-" is what comes on stdin */
    FPC_SOURCES_ALL = 2,   /* all contents will be read: begun at once */
};

/* Lists the file `root`, or what lies below the directory `root`. Symbolic
 * links are followed: no format has them. Of what lies below, what is neither
 * file nor directory, and links that lead nowhere, are left out. */
int fpc_sources_read(struct fpc_sources *list, const char *root, unsigned how);
/* Lists what the tar archive at `path` holds, "-" being stdin, unpacking it if
 * it is compressed. Every path is below the root, whatever the archive says:
 * slashes at the start go, and what climbs with ".." is left out, as are
 * links to elsewhere and devices. */
int fpc_sources_tar(struct fpc_sources *list, const char *path);
/* Lists what an open volume holds, which must stay open. */
int fpc_sources_volume(struct fpc_sources *list, struct fpc_image *image);
void fpc_sources_free(struct fpc_sources *list);

/* For those that make lists: a new item, zeroed but for a copy of the path.
 * NULL: no memory, which is told. */
struct fpc_source *fpc_sources_add(struct fpc_sources *list, const char *path);

/* What the path adds to the root's: "/sub/name", "" for a root that is a
 * file. */
const char *fpc_source_below(const struct fpc_sources *list,
                             const struct fpc_source *source);

/* Writes a file into the volume under `name`, with the time it has here; in
 * place of one that is there, unless FP_O_EXCL is among more_flags. An enum
 * fp_error, or an exit code (above 0) when this side failed and that has been
 * told. */
int fpc_source_store(const struct fpc_sources *list,
                     const struct fpc_source *source, struct fp_mount *mnt,
                     const char *name, uint32_t more_flags);
/* Makes the directory `name`, with the time it has here (NULL: none). Where
 * directories are there by the names of files there is nothing to make, and one
 * that is there is as good, and keeps its own. An enum fp_error. */
int fpc_source_mkdir(struct fp_mount *mnt, const char *name,
                     const struct fp_commit_meta *meta);

/* Were entries left out? FPC_EXIT_OK if not, or if `lossy` says they may be;
 * else that `target` is not made is told. */
int fpc_sources_check(const struct fpc_sources *list, const char *target,
                      bool lossy);

#endif
