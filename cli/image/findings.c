/* SPDX-License-Identifier: MIT */
#include "cli/image/findings.h"

#include "cli/out.h"

#include <inttypes.h>
#include <stdio.h>

static const char *level_name(enum fp_finding_level level)
{
    switch (level) {
    case FP_FINDING_ERROR:
        return "error";
    case FP_FINDING_WARNING:
        return "warning";
    default:
        return "pending";
    }
}

static void print(void *ctx, enum fp_finding_level level, uint32_t block,
                  const char *text)
{
    (void)ctx;
    if (block != UINT32_MAX)
        printf("%s: block %" PRIu32 ": %s\n", level_name(level), block, text);
    else
        printf("%s: %s\n", level_name(level), text);
}

static void keep(void *ctx, enum fp_finding_level level, uint32_t block,
                 const char *text)
{
    struct fpc_findings *findings = ctx;
    json_t *item =
        json_pack("{s:s,s:s}", "level", level_name(level), "text", text);

    if (block != UINT32_MAX)
        json_object_set_new(item, "block", json_integer(block));
    json_array_append_new(findings->list, item);
}

int fpc_findings_run(struct fpc_findings *findings, struct fp_mount *mnt,
                     enum fp_step_kind kind, enum fpc_findings_how how)
{
    static const fp_finding_fn take[] = { [FPC_FINDINGS_COUNT] = NULL,
                                          [FPC_FINDINGS_PRINT] = print,
                                          [FPC_FINDINGS_KEEP] = keep };
    int err = FP_OK;

    *findings = (struct fpc_findings){
        .how = how,
        .step = { .kind = kind, .on_finding = take[how], .ctx = findings },
        .list = json_array(),
    };
    while (!findings->step.done && err == FP_OK)
        err = fp_fs_step(mnt, &findings->step);
    return err;
}

void fpc_findings_free(struct fpc_findings *findings)
{
    json_decref(findings->list);
    findings->list = NULL;
}

bool fpc_findings_none(const struct fpc_findings *findings)
{
    const struct fp_step *step = &findings->step;

    return !step->errors && !step->warnings && !step->pending;
}

void fpc_findings_sum(const struct fpc_findings *findings)
{
    const struct fp_step *step = &findings->step;

    if (step->errors || step->warnings)
        printf("%" PRIu32 " error%s, %" PRIu32 " warning%s, %" PRIu32
               " left by a power cut\n",
               step->errors, fpc_plural(step->errors), step->warnings,
               fpc_plural(step->warnings), step->pending);
    else if (step->pending)
        printf("clean, but a power cut left %" PRIu32
               " thing%s that the next write repairs\n",
               step->pending, fpc_plural(step->pending));
    else
        puts("clean");
}

json_t *fpc_findings_json(const struct fpc_findings *findings)
{
    const struct fp_step *step = &findings->step;

    return json_pack("{s:b,s:I,s:I,s:I,s:O}", "clean",
                     !step->errors && !step->warnings, "errors",
                     (json_int_t)step->errors, "warnings",
                     (json_int_t)step->warnings, "pending",
                     (json_int_t)step->pending, "findings", findings->list);
}
