/* SPDX-License-Identifier: MIT
 *
 * What a volume is made to do while its power is cut: a list of steps, each of
 * which must be there whole or not at all; and the model, a tree in memory that
 * the same steps are done to, so that what a volume must hold is never learnt
 * from the driver that is tried.
 *
 * A volume that can do less has fewer steps: what its limits leave out is not
 * done to the model either. Without directories "/a/f" is "/a-f".
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

/* The name of the file that is written and removed to end a recovery; it is no
 * part of any tree. */
#define WORKLOAD_PROBE "/~"

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

/* What a volume can do. */
struct limits {
    uint32_t unit; /* what sizes are counted in: a block, where there are
                         enough of them */
    uint32_t caps; /* FP_CAP_* */
    bool truncates, renames;
    uint32_t name_max;
    uint64_t file_max, files_max; /* files_max 0: no limit */
};

/* Bits of enum kind. */
uint32_t kinds_possible(const struct limits *limits);
/* Every step of the script can be done. */
bool limits_nothing(const struct limits *limits);

struct step {
    enum kind kind;
    char path[WORKLOAD_PATH], to[WORKLOAD_PATH];
    uint32_t flags;     /* of open */
    uint32_t off, size; /* of what is written, or is the new size */
    uint8_t seed;       /* of the content */
    uint8_t attr;       /* its type; a size of 0 removes it */
    bool drawn;         /* at random: it may be impossible */
    bool possible;      /* or a volume must refuse it */
    bool left_out;      /* this volume cannot do such a thing: nothing is done,
                           and nothing has changed */
};

int step_do(const struct step *step, struct fp_mount *mnt);

struct node {
    char path[WORKLOAD_PATH];
    bool used, is_dir;
    uint8_t *data;
    uint32_t size;
    uint8_t attrs[2][16]; /* of the types in attr_types */
    uint8_t attr_sizes[2];
    int64_t mtime_ns; /* 0: none of those that steps set */
};

struct model {
    struct node nodes[WORKLOAD_NODES]; /* the first is the root */
};

/* Makes step `at` of the workload for a volume of these limits, and does it to
 * the model, which must be at that step. Other seeds draw other steps from the
 * first random one on. */
void step_make(struct step *step, struct model *model, uint32_t at,
               const struct limits *limits, uint32_t seed);
void model_clear(struct model *model);
uint64_t model_sum(const struct model *model);

/* The same sum of what a volume of these limits holds. */
int volume_sum(struct fp_mount *mnt, const struct limits *limits,
               uint64_t *sum);

#endif
