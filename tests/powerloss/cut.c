/* SPDX-License-Identifier: MIT */
#include "core/digest/crc32.h"
#include "tests/powerloss/campaign.h"

/* Recovers what RIG_CUT holds with a cut on the way; it may come while the
 * device starts, where starting writes. False: it was over before the cut. */
static bool recover_cut(enum fp_fault_tear tear, uint32_t draw)
{
    int err;

    rig_restore(&rig, RIG_CUT);
    rig_cut(&rig, here.again, tear, draw_of(draw));
    err = rig_start(&rig, RIG_RECOVERER);
    if (!err)
        err = recover();
    if (!rig_survived(&rig))
        return true;
    if (err)
        complain("recovery fails without a cut", err);
    return false;
}

/* A second cut at each write of the recovery from what RIG_CUT holds. */
static void cut_recovery(uint64_t sum)
{
    static const enum fp_fault_tear tears[] = { FP_FAULT_TEAR_HALF,
                                                FP_FAULT_TEAR_BITS,
                                                FP_FAULT_TEAR_ALL };
    const uint64_t want[2] = { sum, sum };
    uint64_t again_sum;
    enum find found;

    for (here.again = 1;; here.again++) {
        for (uint32_t t = 0; t < sizeof tears / sizeof *tears; t++) {
            here.tear_again = tears[t];
            if (!recover_cut(tears[t], t)) {
                here.again = 0;
                return;
            }
            shared->counts.second++;
            shared->counts.tears[tears[t]]++;
            if (look(want, &again_sum, &found))
                (void)settle(again_sum, !is_sample(4));
        }
    }
}

/* The step can be done now, if it was not: its second attempt ends as its
 * first would have. */
static void finish(const struct step *step, uint64_t sum,
                   const uint64_t want[2])
{
    int err;

    if (sum == want[1])
        return;
    err = step_do(step, &rig.mnt);
    if (err)
        complain("the step, attempted again", err);
    else
        (void)is_settled(want[1]);
}

static void count_cut(enum kind kind, enum fp_fault_tear tear, uint32_t events)
{
    struct counts *counts = &shared->counts;

    counts->cuts++;
    counts->tears[tear]++;
    counts->kinds[pass->group][kind]++;
    for (int i = 0; i < EVENTS_MAX; i++)
        counts->events[pass->group][i] += events >> i & 1;
}

/* Cuts the step that RIG_BEFORE waits to do. */
static void sweep(const struct step *step, const uint64_t want[2],
                  uint32_t events, bool deep)
{
    static const enum fp_fault_tear tears[] = { FP_FAULT_TEAR_HALF,
                                                FP_FAULT_TEAR_BITS,
                                                FP_FAULT_TEAR_BITS,
                                                FP_FAULT_TEAR_ALL };

    for (here.nth = 1;; here.nth++) {
        for (uint32_t t = 0; t < sizeof tears / sizeof *tears; t++) {
            enum find found;
            uint64_t sum;
            int err;

            here.tear = tears[t];
            here.again = 0;
            rig_restore(&rig, RIG_BEFORE);
            rig_cut(&rig, here.nth, tears[t], draw_of(t));
            err = step_do(step, &rig.mnt);
            if (rig_survived(&rig))
                return;
            if (!err)
                complain("the power went, and the step says it is done", err);
            count_cut(step->kind, tears[t], events);
            if (deep)
                rig_save(&rig, RIG_CUT);
            if (!look(want, &sum, &found))
                continue;
            shared->counts.finds[found]++;
            if (!settle(sum, false))
                continue;
            finish(step, sum, want);
            if (deep)
                cut_recovery(sum);
        }
    }
}

/* --- the workload --- */

/* Does the step as it should be, on volume and model. */
static bool do_step(struct step *step, struct model *model, uint64_t *sum)
{
    int err;

    step_make(step, model, here.at, &limits, seed);
    describe(step);
    if (step->left_out && limits_nothing(&limits)) {
        complain("the model refuses a step of the script", FP_ERR_INVAL);
        return false;
    }
    if (step->left_out)
        return true;
    err = step_do(step, &rig.mnt);
    if (!err != step->possible) {
        complain(step->possible ? "the step fails"
                                : "an impossible step succeeds",
                 err);
        return false;
    }
    *sum = model_sum(model);
    return true;
}

static bool is_deep(const struct plan *plan)
{
    return plan->deep < 2 ||
           fp_crc32(seed, &here.at, sizeof here.at) % plan->deep == 0;
}

/* Looks at the volume after a step. */
static bool is_after(uint64_t want, uint32_t *events)
{
    rig_save(&rig, RIG_AFTER);
    if (!is_settled(want))
        return false;
    *events = subject.happened ? subject.happened() : 0;
    return true;
}

/* The next step to cut, out of the pool of all processes. */
static uint32_t draw_step(const struct plan *plan)
{
    return shared->next++ * one_in * (plan->every ? plan->every : 1);
}

/* All the steps, of which those that are drawn from the pool are cut. */
static void go_through(const struct plan *plan, struct model *model)
{
    uint32_t mine = draw_step(plan);
    uint64_t want[2];

    want[0] = want[1] = model_sum(model);
    for (here.at = 0; here.at < WORKLOAD_STEPS; here.at++) {
        bool cut = here.at == (only_step < 0 ? mine : (uint32_t)only_step);
        struct step step;
        uint32_t events = 0;

        here.nth = here.again = 0;
        if (here.at % pass->geo.remount == 0 && rig_mount(&rig, RIG_USER)) {
            complain("mount before the step", FP_ERR_CORRUPT);
            return;
        }
        rig_save(&rig, RIG_BEFORE);
        if (!do_step(&step, model, &want[1]))
            return;
        if (!step.left_out && !is_after(want[1], &events))
            return;
        if (cut && !step.left_out)
            sweep(&step, want, events, all_deep || is_deep(plan));
        shared->left_out += cut && step.left_out;
        if (cut)
            mine = draw_step(plan);
        if (step.left_out)
            continue;
        /* Looking has used caches and bitmaps: the mount goes on as if nobody
         * had looked. */
        rig_restore(&rig, RIG_AFTER);
        want[0] = want[1];
    }
}

void cut_everywhere(const struct plan *plan)
{
    static struct model model;

    rig_init(&rig, &subject.driver, &pass->geo);
    if (begin(plan))
        go_through(plan, &model);
    model_clear(&model);
    rig_free(&rig);
}
