/* SPDX-License-Identifier: MIT
 *
 * The blocks of a volume in so many cells that a screen or a picture has room
 * for them, in their order. A cell stands for a power of two of blocks, so that
 * rows begin at round numbers.
 *
 * Memory  none; the analysis is borrowed
 */
#ifndef FPC_IMAGE_BLOCKMAP_H
#define FPC_IMAGE_BLOCKMAP_H

#include "core/host/analyze.h"

struct fpc_blockmap {
    const struct fp_host_analysis *analysis;
    uint32_t per_cell; /* blocks; of the last cell maybe fewer */
    uint32_t count;    /* of cells */
};

struct fpc_cell {
    enum fp_host_use use; /* of most of its blocks; bad, if one of them is */
    bool is_mixed;        /* others have another */
    uint32_t erases;      /* of the one that has most; or FP_HOST_NOT_TOLD */
};

/* At most `most` cells. */
void fpc_blockmap_init(struct fpc_blockmap *map,
                       const struct fp_host_analysis *analysis, uint32_t most);
struct fpc_cell fpc_blockmap_cell(const struct fpc_blockmap *map,
                                  uint32_t cell);

/* What is told of the wear block by block. */
struct fpc_wear {
    uint32_t told; /* of how many blocks; 0: of none, and the rest is 0 */
    uint32_t least, most, worst; /* worst: the first block that has most */
    double mean;
};
struct fpc_wear fpc_blockmap_wear(const struct fp_host_analysis *analysis);

#endif
