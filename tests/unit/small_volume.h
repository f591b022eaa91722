/* SPDX-License-Identifier: MIT
 *
 * What the tests of the small drivers, minifs and Bonsai, share: golden images,
 * a volume on memory that fails as flash does, a listing of it as text, the
 * checkers that know nothing of the driver, a model, and power cuts.
 *
 * Memory  everything is malloc'd and freed by the same helper, or at the end
 * Errors  a helper that fails ends the test
 */
#ifndef FP_TESTS_UNIT_SMALL_VOLUME_H
#define FP_TESTS_UNIT_SMALL_VOLUME_H

#include "core/bdev/fault.h"
#include "core/bdev/ram.h"
#include "core/fs/fs.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SMALL_TEXT 20000

/* How a driver is tried. */
struct small_kind {
    const struct fp_fs_ops *ops, *ro;
    const char *folder;  /* of its images */
    const char *checker; /* its options but the image */
    const char *options; /* of a mount */
    int (*remove_all)(struct fp_mount *mnt, const char *path);
};

struct small_volume {
    const struct small_kind *kind;
    uint32_t prog_size, block_size, block_count;
    size_t size;
    uint8_t *mem, *scratch;
    void *ws;
    struct fp_bdev_ram ram;
    struct fp_bdev_fault fault;
    struct fp_mount mnt;
};

void small_init(struct small_volume *v, const struct small_kind *kind,
                uint32_t prog_size, uint32_t block_size, uint32_t block_count);
void small_free(struct small_volume *v);
void small_format(struct small_volume *v);
/* With a workspace of exactly the size asked for. */
int small_mount(struct small_volume *v, const struct fp_fs_ops *ops,
                const struct fp_fs_config *cfg);
/* The mount is forgotten, as when the power goes. */
void small_forget(struct small_volume *v);
void small_unmount(struct small_volume *v);

/* An image with its manifest; the volume has its blocks. */
json_t *small_load(struct small_volume *v, const struct small_kind *kind,
                   const char *name);
/* Calls fn for every image there is; how many. */
int small_each_image(const struct small_kind *kind,
                     void (*fn)(const char *name));

/* "path size sha256" or "path/" of all there is, sorted, a line each. */
void small_list(struct fp_mount *mnt, char text[SMALL_TEXT]);
/* Our own check; the number of findings of each level. */
struct small_findings {
    uint32_t errors, warnings, pending;
};
extern bool small_is_quiet; /* about them */
struct small_findings small_check(struct fp_mount *mnt);
/* The checker's exit status; its findings are printed unless it is `want`. */
void small_expect_checker(const struct small_volume *v, const char *options,
                          int want);

/* --- a model, and operations on both --- */

enum small_op {
    SMALL_PUT,
    SMALL_STAGE,
    SMALL_APPEND,
    SMALL_REMOVE,
    SMALL_REMOVE_ALL,
    SMALL_RENAME,
    SMALL_SYNC,
};

struct small_step {
    enum small_op op;
    char path[300], to[300];
    uint32_t size, seed;
};

#define SMALL_NODES 64

struct small_model {
    struct small_node {
        char path[300]; /* "" is free */
        uint32_t size;
        uint8_t data[4096];
    } nodes[SMALL_NODES];
};

int small_do(const struct small_kind *kind, struct fp_mount *mnt,
             const struct small_step *step);
void small_model_do(struct small_model *m, const struct small_step *step);
void small_model_list(const struct small_model *m, char text[SMALL_TEXT]);

/* Does the steps, and in each cuts the power at every program and erase; in
 * the repair after each `deep`th cut again. Prints the counts. */
void small_cut_everywhere(struct small_volume *v,
                          const struct small_step *steps, uint32_t count,
                          uint32_t deep);

#endif
