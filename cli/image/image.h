/* SPDX-License-Identifier: MIT
 *
 * flashport image: an image file, the volume in it, and what is done with it.
 * Works offline: no daemon, no device.
 */
#ifndef FPC_IMAGE_IMAGE_H
#define FPC_IMAGE_IMAGE_H

#include "cli/command.h"
#include "core/host/drivers.h"
#include "core/host/scan/scan.h"
#include "core/host/volume.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fpc_image {
    /* from the command line */
    const char *path; /* of the image */
    const char *verb; /* "ls" */
    char **args;      /* operands after IMAGE, allocated one by one */
    int arg_count;
    uint32_t given; /* options, a bit each */
    bool json, digest, raw, detailed, quiet, force;
    bool recursive, parents, keep;
    bool lossy;     /* what cannot be kept is left out, and told */
    const char *fs; /* NULL: find out */
    bool has_offset;
    uint64_t offset;
    uint32_t volume;    /* of those that info lists; 0: the first */
    uint32_t prog_size; /* create: 0 the default */
    uint64_t size;      /* create: of the image, 0: not stated */
    const char *from;   /* convert: what the source is, as typed */
    const char *opts;   /* of --opt, as typed; cfg.options is made of them */
    struct fp_fs_config cfg;
    const char *svg;  /* analyze: where the picture goes; NULL: nowhere */
    const char *save; /* trace: where the changed volume goes; likewise */
    bool summary;     /* trace: no single operations */
    const char *b_fs; /* diff: of the second image, */
    bool b_has_offset;
    uint64_t b_offset;
    uint32_t b_volume; /* likewise */

    /* once the file was looked at */
    struct fp_host_scan scan; /* empty where a place or a layout was stated */
    uint64_t file_size;
    const struct fp_host_region *found; /* the volume, if the scan found it */

    /* while open */
    struct fp_host_image host;
    uint64_t found_at;    /* where in the file the volume starts */
    char found_opts[256]; /* cfg.options of what was found, and those stated */
    bool stored;  /* names are shown as stored, byte for byte: --raw on a volume
                    without directories */
    bool slashed; /* yet with a slash before them: they are paths */
    bool told_cut;   /* that the file ends early was said */
    bool told_which; /* that it is the first of several volumes was said */
};

/* Opens the image's volume read-only: the one at the place that was stated,
 * else of those that the scan finds. FPC_EXIT_OK; else has said on stderr what
 * is wrong (FPC_EXIT_REFUSED: no volume that can be read). */
int fpc_image_open(struct fpc_image *image);
/* The first half of it: looks at the file and, where nothing stated says which
 * volume is meant, scans it. FPC_EXIT_OK, or told. After the halves,
 * whatever they returned, fpc_image_close(). */
int fpc_image_look(struct fpc_image *image);
int fpc_image_open_found(struct fpc_image *image);
/* Makes paths in the volume of the operands from `first` on: what people leave
 * out, the slash before, and what they type too much, one behind. A stored name
 * is taken as it is. FPC_EXIT_OK, or told. */
int fpc_image_root_paths(struct fpc_image *image, int first);
void fpc_image_close(struct fpc_image *image);

/* Says what fp_error means for `path` in this image, or that the file is cut
 * off where that is why; its exit code. */
int fpc_image_failed(struct fpc_image *image, const char *path, int err);

/* Of FP_ERR_INVAL and FP_ERR_NAMETOOLONG: which name in `path` the volume cannot
 * hold and why, until the next call; NULL where it is something else. */
const char *fpc_image_name_why(struct fp_mount *mnt, const char *path, int err);

/* Prints the document that --json asks for, and frees it. */
void fpc_image_answer(json_t *doc);

/* Bytes that the file lacks of the volume, as it states its size; UINT64_MAX:
 * it lacks some, and how many is not known. */
uint64_t fpc_image_missing(const struct fpc_image *image);
/* Says so, if it does and nobody has yet; true if it does. */
bool fpc_image_say_cut(struct fpc_image *image);

/* Reads a file whole, in pieces, through `take`, which may fail with its own
 * exit code. */
int fpc_image_read_file(struct fpc_image *image, const char *path,
                        int (*take)(void *ctx, const void *buf, size_t size),
                        void *ctx);

/* Changes the image: opens its volume for writing, on a copy of the file, has
 * `change` change it, and puts the copy in the file's place when it is whole
 * and no less sound than the image. A disk is changed where it is.
 * `change` returns an exit code, or FPC_IMAGE_UNCHANGED, after which the image
 * is as it was. */
#define FPC_IMAGE_UNCHANGED (-1)
int fpc_image_edit(struct fpc_image *image,
                   int (*change)(struct fpc_image *image, void *ctx),
                   void *ctx);

/* What was scanned, all of it, as a table of 80 columns and as "map". */
void fpc_image_print_map(const struct fpc_image *image);
json_t *fpc_image_map_json(const struct fpc_image *image);
json_t *fpc_image_parts_json(const struct fpc_image *image);
/* The options that open this volume without looking for it. */
json_t *fpc_image_arguments_json(const struct fp_fs_ops *ops,
                                 const struct fp_fs_config *cfg,
                                 uint64_t offset);

/* The verbs. */
int fpc_image_info(struct fpc_image *image);
int fpc_image_ls(struct fpc_image *image);
int fpc_image_cat(struct fpc_image *image);
int fpc_image_extract(struct fpc_image *image);
int fpc_image_check(struct fpc_image *image);
int fpc_image_create(struct fpc_image *image);
int fpc_image_analyze(struct fpc_image *image);
int fpc_image_diff(struct fpc_image *image);
int fpc_image_trace(struct fpc_image *image);
int fpc_image_put(struct fpc_image *image);
int fpc_image_rm(struct fpc_image *image);
int fpc_image_mv(struct fpc_image *image);
int fpc_image_mkdir(struct fpc_image *image);
int fpc_image_repair(struct fpc_image *image);
int fpc_image_convert(struct fpc_image *image);
int fpc_image_shell(struct fpc_image *image);

#endif
