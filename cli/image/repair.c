/* SPDX-License-Identifier: MIT
 *
 * flashport image repair: what `check` says, put right as far as the volume
 * itself tells how. The image is looked at before anything is copied; one that
 * has nothing wrong stays untouched.
 */
#include "cli/image/findings.h"
#include "cli/image/image.h"
#include "cli/image/kinds.h"

#include <stdio.h>

struct mending {
    struct fpc_findings before, after;
    bool has_changed;
};

/* What is wrong with the image as it lies there, listed. */
static int look(struct fpc_image *image, struct fpc_findings *findings)
{
    int err, status = fpc_image_open(image);

    if (status)
        return status;
    err =
        fpc_findings_run(findings, &image->host.vol.mnt, FP_STEP_CHECK,
                         image->json ? FPC_FINDINGS_KEEP : FPC_FINDINGS_PRINT);
    if (err)
        status = fpc_image_failed(image, "check", err);
    else if (!image->json)
        fpc_findings_sum(findings);
    fpc_image_close(image);
    return status;
}

static uint64_t sum_of(const struct fpc_findings *findings)
{
    const struct fp_step *step = &findings->step;

    return (uint64_t)step->errors + step->warnings + step->pending;
}

static int count(struct fp_mount *mnt, enum fp_step_kind kind, uint64_t *sum)
{
    struct fpc_findings findings;
    int err = fpc_findings_run(&findings, mnt, kind, FPC_FINDINGS_COUNT);

    *sum = sum_of(&findings);
    fpc_findings_free(&findings);
    return err;
}

/* What a repair leaves because it does no harm until something is written
 * there, tidying writes anew. One that changes nothing for the better leaves
 * the image alone. */
static int mend(struct fpc_image *image, void *ctx)
{
    static const enum fp_step_kind ways[] = { FP_STEP_REPAIR, FP_STEP_COMPACT };
    struct fp_mount *mnt = &image->host.vol.mnt;
    struct mending *m = ctx;
    uint64_t left = UINT64_MAX, during;
    int err = FP_OK;

    for (size_t i = 0; i < 2 && left > 0 && err == FP_OK; i++) {
        err = count(mnt, ways[i], &during);
        if (err == FP_OK)
            err = count(mnt, FP_STEP_CHECK, &left);
    }
    if (err)
        return fpc_image_failed(image, "repair", err);
    m->has_changed = left < sum_of(&m->before);
    return m->has_changed ? FPC_EXIT_OK : FPC_IMAGE_UNCHANGED;
}

static json_t *report(const struct mending *m)
{
    return json_pack(
        "{s:b,s:o,s:o}", "changed", (int)m->has_changed, "before",
        fpc_findings_json(&m->before), "after",
        fpc_findings_json(m->has_changed ? &m->after : &m->before));
}

/* Why some of it stays. */
static void say_left(const struct fpc_image *image, const struct fp_step *left)
{
    const struct fpc_image_kind *kind = fpc_image_kind(image->fs);

    if (!left->errors && !left->warnings)
        fpc_error("%s: what is left does no harm: it goes when something is "
                  "written there",
                  image->path);
    else
        fpc_error("%s: what is left cannot be repaired: a repair of %s mends "
                  "%s; extract what can be read, and create the image anew",
                  image->path, image->fs,
                  kind->mends ? kind->mends : "nothing");
}

static int repair(struct fpc_image *image, struct mending *m)
{
    const struct fpc_findings *left = &m->before;
    int status = fpc_image_edit(image, mend, m);

    if (status == FPC_EXIT_OK && m->has_changed) {
        if (!image->json)
            puts("after the repair:");
        status = look(image, &m->after);
        left = &m->after;
    }
    if (status)
        return status;
    if (!fpc_findings_none(left))
        say_left(image, &left->step);
    return left->step.errors ? FPC_EXIT_REFUSED : FPC_EXIT_OK;
}

int fpc_image_repair(struct fpc_image *image)
{
    struct mending m = { .has_changed = false };
    int status = look(image, &m.before);
    bool is_seen = status == FPC_EXIT_OK;

    if (is_seen && !fpc_findings_none(&m.before))
        status = repair(image, &m);
    if (is_seen && image->json &&
        (status == FPC_EXIT_OK || status == FPC_EXIT_REFUSED))
        fpc_image_answer(report(&m));
    fpc_findings_free(&m.before);
    fpc_findings_free(&m.after);
    return status;
}
