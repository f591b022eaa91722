/* SPDX-License-Identifier: MIT
 *
 * What a check finds wrong with a volume, printed or kept for JSON.
 *
 * Memory  fpc_findings_free() frees what was kept
 */
#ifndef FPC_IMAGE_FINDINGS_H
#define FPC_IMAGE_FINDINGS_H

#include "core/fs/fs.h"

#include <jansson.h>
#include <stdbool.h>

enum fpc_findings_how {
    FPC_FINDINGS_COUNT, /* nothing but the numbers in `step` */
    FPC_FINDINGS_PRINT, /* each a line on stdout */
    FPC_FINDINGS_KEEP,  /* for fpc_findings_json() */
};

struct fpc_findings {
    enum fpc_findings_how how;
    struct fp_step step;
    /* private */
    json_t *list;
};

/* Runs a step of that kind to its end. An enum fp_error. */
int fpc_findings_run(struct fpc_findings *findings, struct fp_mount *mnt,
                     enum fp_step_kind kind, enum fpc_findings_how how);
void fpc_findings_free(struct fpc_findings *findings);

/* Not a single one. */
bool fpc_findings_none(const struct fpc_findings *findings);
/* A line of their numbers, on stdout. */
void fpc_findings_sum(const struct fpc_findings *findings);
/* {"clean", "errors", "warnings", "pending", "findings"}; the caller's. */
json_t *fpc_findings_json(const struct fpc_findings *findings);

#endif
