/* SPDX-License-Identifier: MIT
 *
 * What each block of a mounted volume is used for, and how worn it is as far as
 * the format tells.
 *
 * Units   blocks are the filesystem's, as fp_fs_statfs() counts them
 * Memory  a byte a block, and four where wear is told by block (eight while it
 *         works), on the heap;
 *         fp_host_analysis_free() frees them
 * Errors  FP_ERR_NOTSUP: the driver cannot tell (raw); FP_ERR_NOMEM; those of
 *         reading the volume, and then nothing is allocated
 *
 * Everything is read once: what is in use by asking the driver, what is not by
 * looking whether it is erased. Nothing is written.
 */
#ifndef FP_CORE_HOST_ANALYZE_H
#define FP_CORE_HOST_ANALYZE_H

#include "core/fs/fs.h"

enum fp_host_use {
    FP_HOST_USE_ERASED,   /* free, and may be written at once */
    FP_HOST_USE_STALE,    /* free, with old content: to be erased first */
    FP_HOST_USE_METADATA, /* of the filesystem, or kept by it */
    FP_HOST_USE_DATA,     /* content of files */
    FP_HOST_USE_BAD,      /* known not to work */
    FP_HOST_USES
};

/* The format does not tell how often it was erased. */
#define FP_HOST_NOT_TOLD UINT32_MAX

struct fp_host_analysis {
    uint32_t block_size, block_count;
    uint8_t *use;                 /* use[0..block_count), of enum fp_host_use */
    uint32_t count[FP_HOST_USES]; /* of blocks; together block_count */
    /* Wear, as far as the format tells it, else NOT_TOLD. littlefs counts how
     * often a metadata pair was compacted, of which each half was erased every
     * other time: erases[0..block_count), NULL for other formats. It is what a
     * block had at the least: that of the superblock since it was formatted,
     * another since its pair began or moved, if block_cycles of the mount are
     * those it is used with. SPIFFS numbers the erases of all blocks together,
     * in a counter that may have begun again. */
    uint32_t *erases;
    uint32_t erases_together;
    /* What the volume is found by: the superblock, the copy in use first.
     * SPIFFS has none. */
    uint32_t anchors[2], anchor_count;
};

/* Neighbouring blocks of one use. */
struct fp_host_run {
    enum fp_host_use use;
    uint32_t first, count;
};

/* mnt is mounted, with nothing written that is not synced. */
int fp_host_analyze(struct fp_host_analysis *analysis, struct fp_mount *mnt);
void fp_host_analysis_free(struct fp_host_analysis *analysis);

/* The run that begins with block `first`, which is below block_count: the next
 * one begins at first + count. */
struct fp_host_run fp_host_analysis_run(const struct fp_host_analysis *analysis,
                                        uint32_t first);

/* "erased", "stale", "metadata", "data", "bad". */
const char *fp_host_use_name(enum fp_host_use use);

#endif
