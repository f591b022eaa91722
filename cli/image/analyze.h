/* SPDX-License-Identifier: MIT
 *
 * What `flashport image analyze` found, and the pages it is shown on.
 *
 * Memory  all is borrowed
 */
#ifndef FPC_IMAGE_ANALYZE_H
#define FPC_IMAGE_ANALYZE_H

#include "cli/image/blockmap.h"
#include "cli/image/image.h"

#include <stdio.h>

struct fpc_analysis {
    const struct fpc_image *image;
    const char *fs, *version; /* "littlefs", "2.1" */
    const struct fp_host_analysis *blocks;
    struct fpc_wear wear;
};

/* The picture, as one SVG document that needs nothing else. */
void fpc_analysis_svg(FILE *out, const struct fpc_analysis *analysis);

/* "12 %", "under 1 %" of what is there at all; of count, which is not 0. */
const char *fpc_percent_text(uint32_t part, uint32_t count, char text[12]);

#endif
