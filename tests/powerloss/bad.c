/* SPDX-License-Identifier: MIT */
#include "tests/powerloss/campaign.h"

struct way {
    uint32_t bad;
    bool late; /* the block was good when what lies in it was written */
};

/* A block that cannot be read can only be bad from the start: nothing that
 * was in it could be expected to be there. */
static const struct way ways[] = {
    { FP_FAULT_PROG_FAILS, false },  { FP_FAULT_ERASE_FAILS, false },
    { FP_FAULT_PROG_SILENT, false }, { FP_FAULT_ERASE_SILENT, false },
    { FP_FAULT_READ_FLIPS, false },  { FP_FAULT_READ_FAILS, false },
    { FP_FAULT_PROG_FAILS, true },   { FP_FAULT_ERASE_FAILS, true },
    { FP_FAULT_PROG_SILENT, true },  { FP_FAULT_ERASE_SILENT, true },
};

#define WAYS (sizeof ways / sizeof *ways)

/* The workload and its trees, from the model: sums[0] is the empty one. */
static struct step steps[WORKLOAD_STEPS];
static uint64_t sums[WORKLOAD_STEPS + 1];

static void learn(void)
{
    static struct model model;

    sums[0] = model_sum(&model);
    for (uint32_t at = 0; at < WORKLOAD_STEPS; at++) {
        step_make(&steps[at], &model, at, &limits, seed);
        sums[at + 1] = model_sum(&model);
    }
    model_clear(&model);
}

/* The first blocks cannot go elsewhere. What needs them must fail then, and the
 * tree is as before that or after. */
static void refuse(uint32_t at, const struct fp_fault_block *bad, int err)
{
    uint64_t sum, want[2] = { sums[at], sums[at + 1] };
    struct fp_statfs st;

    shared->counts.bad_refused++;
    if (bad->block >= subject.fixed_blocks || err != FP_ERR_IO) {
        complain("a bad block is too much for a step", err);
        return;
    }
    err = rig_mount(&rig, RIG_USER);
    if (err)
        complain("mount with a bad superblock", err);
    else
        (void)is_sound(want, &sum, &st);
}

static void run_with_bad(const struct fp_fault_block *bad, bool late)
{
    uint64_t want[2], sum;
    struct fp_statfs st;
    uint32_t from = late ? 1 + bad->block * 37 % (WORKLOAD_STEPS - 20) : 0;
    int err = rig_format(&rig, bad, late ? 0 : 1);

    here.bad = bad;
    shared->counts.bad_runs++;
    if (err == FP_ERR_IO && bad->block < subject.fixed_blocks && !late) {
        shared->counts.bad_refused++;
        return;
    }
    if (!err)
        err = rig_mount(&rig, RIG_USER);
    if (err)
        complain("format and mount", err);
    for (uint32_t at = 0; at < WORKLOAD_STEPS && !err; at++) {
        const struct step *step = &steps[at];

        if (late && at == from)
            rig_bad(&rig, bad, 1);
        describe(step);
        if (at % pass->geo.remount == 0 && rig_mount(&rig, RIG_USER)) {
            complain("mount before a step", FP_ERR_CORRUPT);
            return;
        }
        err = step_do(step, &rig.mnt);
        if (err && (step->possible || step->left_out)) {
            refuse(at, bad, err);
            return;
        }
        if (!err && !step->possible && !step->left_out) {
            complain("an impossible step succeeds", FP_OK);
            return;
        }
        err = FP_OK;
        want[0] = want[1] = sums[at + 1];
        if (at % 16 == 15 && !is_sound(want, &sum, &st))
            return;
    }
    err = err ? err : rig_mount(&rig, RIG_USER);
    if (err)
        complain("mount at the end", err);
    else
        (void)settle(sums[WORKLOAD_STEPS], false);
}

void bad_everywhere(const struct plan *plan)
{
    uint32_t total = pass->geo.block_count * (uint32_t)WAYS;

    rig_init(&rig, &subject.driver, &pass->geo);
    if (!begin(plan))
        return;
    learn();
    here.nth = here.again = 0;
    for (;;) {
        uint32_t i = shared->next++;
        struct fp_fault_block bad;

        if (only_step >= 0)
            i = (uint32_t)only_step;
        if (i >= total)
            break;
        here.at = i;
        bad = (struct fp_fault_block){ i / WAYS, ways[i % WAYS].bad };
        run_with_bad(&bad, ways[i % WAYS].late);
        if (only_step >= 0)
            break;
    }
    rig_free(&rig);
}
