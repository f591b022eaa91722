/* SPDX-License-Identifier: MIT
 *
 * What a volume is made to do while its power is cut: a list of steps, each of
 * which must be there whole or not at all; and the model, a tree in memory that
 * the same steps are done to, so that what a volume must hold is never learnt
 * from the driver that is tried.
 *
 * A tree is compared as a sum over its entries of a hash of everything about
 * them, so that order does not matter and one that is lost, doubled or changed
 * shows.
 *
 * Memory  model_clear() frees what a model holds; a zeroed one is an empty tree
 */
#ifndef FP_TESTS_POWERLOSS_WORKLOAD_H
#define FP_TESTS_POWERLOSS_WORKLOAD_H

#include "core/fs/fs.h"

#define WORKLOAD_STEPS 480
#define WORKLOAD_PATH  32
#define WORKLOAD_NODES 128

enum kind {
    KIND_CREATE,
    KIND_APPEND,
    KIND_OVERWRITE, /* in place, or the whole content anew */
    KIND_TRUNCATE,
    KIND_STAGE, /* content unseen until it takes its name */
    KIND_MKDIR,
    KIND_RENAME,  /* within a directory */
    KIND_MOVE,    /* to another directory */
    KIND_REPLACE, /* onto something that is there */
    KIND_REMOVE,
    KIND_RMDIR,
    KIND_ATTR,
    KIND_TIME,
    KIND_COUNT
};

extern const char *const kind_names[KIND_COUNT];

struct step {
    enum kind kind;
    char path[WORKLOAD_PATH], to[WORKLOAD_PATH];
    uint32_t flags;     /* of open */
    uint32_t off, size; /* of what is written, or is the new size */
    uint8_t seed;       /* of the content */
    uint8_t attr;       /* its type; a size of 0 removes it */
    bool drawn;         /* at random: it may be impossible */
    bool possible;      /* or a volume must refuse it */
};

int step_do(const struct step *step, struct fp_mount *mnt);

struct node {
    char path[WORKLOAD_PATH];
    bool used, is_dir;
    uint8_t *data;
    uint32_t size;
    uint8_t attrs[2][16]; /* of the types in attr_types */
    uint8_t attr_sizes[2];
    int64_t mtime_ns; /* 0: none */
};

struct model {
    struct node nodes[WORKLOAD_NODES]; /* the first is the root */
};

/* Makes step `at` of the workload, on blocks of that size, and does it to the
 * model, which must be at that step. Other seeds draw other steps from the
 * first random one on. */
void step_make(struct step *step, struct model *model, uint32_t at,
               uint32_t block_size, uint32_t seed);
void model_clear(struct model *model);
uint64_t model_sum(const struct model *model);

/* The same sum of what a volume holds. */
int volume_sum(struct fp_mount *mnt, uint64_t *sum);

#endif
