/* SPDX-License-Identifier: MIT
 *
 * flashport image check.
 */
#include "cli/image/image.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

struct findings {
    bool json;
    json_t *list;
};

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

static void on_finding(void *ctx, enum fp_finding_level level, uint32_t block,
                       const char *text)
{
    struct findings *findings = ctx;
    json_t *item;

    if (findings->json) {
        item = json_pack("{s:s,s:s}", "level", level_name(level), "text", text);
        if (block != UINT32_MAX)
            json_object_set_new(item, "block", json_integer(block));
        json_array_append_new(findings->list, item);
    } else if (block != UINT32_MAX) {
        printf("%s: block %" PRIu32 ": %s\n", level_name(level), block, text);
    } else {
        printf("%s: %s\n", level_name(level), text);
    }
}

static void print_summary(const struct fp_step *step)
{
    if (step->errors || step->warnings)
        printf("%" PRIu32 " errors, %" PRIu32 " warnings, %" PRIu32
               " left by a power cut\n",
               step->errors, step->warnings, step->pending);
    else if (step->pending)
        printf("clean, but a power cut left %" PRIu32
               " things that the next write repairs\n",
               step->pending);
    else
        puts("clean");
}

int fpc_image_check(struct fpc_image *image)
{
    struct findings findings = { .json = image->json, .list = json_array() };
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = on_finding,
                            .ctx = &findings };
    json_t *doc;
    int err = FP_OK, status = fpc_image_open(image);

    if (status) {
        json_decref(findings.list);
        return status;
    }
    while (!step.done && err == FP_OK)
        err = fp_fs_step(&image->host.vol.mnt, &step);
    if (err) {
        status = fpc_image_failed(image, "check", err);
    } else if (image->json) {
        doc = json_pack("{s:b,s:I,s:I,s:I,s:O}", "clean",
                        !step.errors && !step.warnings, "errors",
                        (json_int_t)step.errors, "warnings",
                        (json_int_t)step.warnings, "pending",
                        (json_int_t)step.pending, "findings", findings.list);
        json_dumpf(doc, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(doc);
    } else {
        print_summary(&step);
    }
    if (status == FPC_EXIT_OK && step.errors) {
        fpc_image_say_cut(image); /* then that is why */
        status = FPC_EXIT_REFUSED;
    }
    json_decref(findings.list);
    fpc_image_close(image);
    return status;
}
