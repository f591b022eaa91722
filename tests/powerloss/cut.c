/* SPDX-License-Identifier: MIT */
#include "core/digest/crc32.h"
#include "core/fs/littlefs/littlefs.h"
#include "tests/powerloss/campaign.h"

/* A second cut at each write of the recovery from what RIG_CUT holds. */
static void cut_recovery(uint64_t sum)
{
    static const enum fp_fault_tear tears[] = { FP_FAULT_TEAR_HALF,
                                                FP_FAULT_TEAR_BITS,
                                                FP_FAULT_TEAR_ALL };
    uint64_t want[2] = { sum, sum }, again_sum;
    enum find found;

    for (here.again = 1;; here.again++) {
        for (uint32_t t = 0; t < sizeof tears / sizeof *tears; t++) {
            here.tear_again = tears[t];
            rig_restore(&rig, RIG_CUT);
            if (rig_mount(&rig, RIG_RECOVERER)) {
                complain("it mounts no more", FP_ERR_CORRUPT);
                return;
            }
            rig_cut(&rig, here.again, tears[t], draw_of(t));
            if (!recover() && rig_survived(&rig)) {
                here.again = 0;
                return;
            }
            if (rig_survived(&rig)) {
                complain("recovery fails without a cut", FP_ERR_IO);
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

static uint32_t size_class(void)
{
    uint32_t i = 0;

    while (i + 1 < SIZES && sizes[i] != geo.block_size)
        i++;
    return i;
}

static void count_cut(enum kind kind, enum fp_fault_tear tear, uint32_t events)
{
    struct counts *counts = &shared->counts;

    counts->cuts++;
    counts->tears[tear]++;
    counts->kinds[size_class()][kind]++;
    for (int i = 0; i < EVENT_COUNT; i++)
        counts->events[size_class()][i] += events >> i & 1;
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

static uint32_t hard_count(const struct reach *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->pair_count; i++)
        n += r->pairs[i].hard && !r->pairs[i].super;
    return n;
}

static uint32_t super_count(const struct reach *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->pair_count; i++)
        n += r->pairs[i].super;
    return n;
}

/* Does one pair have one block it had before, and one it had not? */
static bool has_moved(const struct reach *was, const struct reach *is)
{
    for (uint32_t i = 0; i < was->pair_count; i++) {
        const uint32_t *a = was->pairs[i].block;

        for (uint32_t j = 0; j < is->pair_count; j++) {
            const uint32_t *b = is->pairs[j].block;

            if ((a[0] == b[0]) + (a[0] == b[1]) + (a[1] == b[0]) +
                    (a[1] == b[1]) ==
                1)
                return true;
        }
    }
    return false;
}

static uint32_t events_between(const struct reach *was, const struct reach *is)
{
    uint32_t events = 0;

    if (hard_count(is) > hard_count(was))
        events |= 1u << EVENT_SPLIT;
    if (hard_count(is) < hard_count(was))
        events |= 1u << EVENT_MERGE;
    if (super_count(is) > super_count(was))
        events |= 1u << EVENT_EXPANSION;
    if (has_moved(was, is))
        events |= 1u << EVENT_RELOCATION;
    return events;
}

/* Does the step as it should be, on volume and model. */
static bool do_step(struct step *step, struct model *model, uint64_t *sum)
{
    int err;

    step_make(step, model, here.at, geo.block_size, seed);
    describe(step);
    err = step_do(step, &rig.mnt);
    if (!step->possible && !step->drawn) {
        complain("the model refuses a step of the script", FP_ERR_INVAL);
        return false;
    }
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
    return fp_crc32(seed, &here.at, sizeof here.at) % plan->deep == 0;
}

void cut_everywhere(const struct plan *plan)
{
    static struct model model;
    static struct reach was, is;
    uint64_t want[2];
    uint32_t mine;
    int err;

    rig_init(&rig, &fp_fs_littlefs, &geo);
    err = rig_format(&rig, plan->bad, plan->bad_count);
    if (!err)
        err = rig_mount(&rig, RIG_USER);
    if (err)
        complain("format and mount", err);
    model_clear(&model);
    want[0] = model_sum(&model);
    mine = shared->next++;
    for (here.at = 0; here.at < WORKLOAD_STEPS && !err; here.at++) {
        bool cut = here.at == (only_step < 0 ? mine : (uint32_t)only_step);
        struct step step;

        here.nth = here.again = 0;
        if (here.at % geo.remount == 0 && rig_mount(&rig, RIG_USER)) {
            complain("mount before the step", FP_ERR_CORRUPT);
            break;
        }
        rig_save(&rig, RIG_BEFORE);
        if (!do_step(&step, &model, &want[1]))
            break;
        rig_save(&rig, RIG_AFTER);
        was = reach;
        if (!is_settled(want[1]))
            break;
        if (cut) {
            bool deep = all_deep || is_deep(plan);

            is = reach;
            sweep(&step, want, events_between(&was, &is), deep);
            reach = is;
            mine = shared->next++;
        }
        /* Looking has used caches and bitmaps: the mount goes on as if nobody
         * had looked. */
        rig_restore(&rig, RIG_AFTER);
        want[0] = want[1];
    }
    model_clear(&model);
    rig_free(&rig);
}
