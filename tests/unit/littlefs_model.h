/* SPDX-License-Identifier: MIT
 *
 * A littlefs volume and a model of it in memory that get the same operations,
 * at random, and must answer alike. The model starts from whatever the volume
 * holds: nothing, after a format, or what a reference image has.
 *
 * Memory  one model at a time; lfs_model_stop() frees it
 * Errors  a difference ends the test; lfs_model_where() then says where it was
 *
 * With FP_LFS_TRACE set each operation is printed before it is done.
 */
#ifndef FP_TESTS_UNIT_LITTLEFS_MODEL_H
#define FP_TESTS_UNIT_LITTLEFS_MODEL_H

#include "tests/unit/littlefs_support.h"

struct lfs_model_config {
    const char *name; /* in messages */
    struct fp_bdev *dev;
    struct fp_fs_config mount; /* every mount uses it but for ... */
    uint32_t caches[2];        /* ... the cache, one of these; 0: default */
    uint64_t seed;
    uint32_t attr_max; /* the volume's; 0: the format's */
    uint32_t add_max;  /* entries beyond those at the start; default 96 */
    bool torn;         /* a power cut left something: pending is no finding */
    bool resize;       /* now and then another number of blocks */
    bool damaged;      /* the check finds something */
};

/* What happened, counted. */
struct lfs_model_counts {
    uint32_t operations;
    uint32_t entries; /* at a time, at most */
    uint32_t full;    /* answers of FP_ERR_NOSPC */
    uint32_t stale;   /* of FP_ERR_STALE */
    uint32_t mounts;  /* beyond the first */
    uint32_t resized; /* to another number of blocks */
    uint32_t listed;  /* entries that a listing met while things changed */
    uint32_t twice;   /* opens of a file that was open */
    uint32_t removed; /* uses of a file that had been removed */
};

/* Mounts and reads what is there. */
void lfs_model_start(const struct lfs_model_config *config);
void lfs_model_run(uint32_t operations);
/* Create, append, rename, remove and attributes, each once and in the root.
 * False, for a volume with hardly a free block: one of them found no space. */
bool lfs_model_write_once(void);
/* The whole tree through the driver, mounted afresh, against the model. */
void lfs_model_compare(void);
/* Closes everything, compares, and unmounts. The tree as the independent
 * checker lists it, {"/path": {...}}, and the blocks in use by statfs. */
json_t *lfs_model_stop(uint32_t *blocks_used, struct lfs_model_counts *counts);
/* A sentence for a failed test; to be called from its teardown. */
void lfs_model_where(void);

#endif
