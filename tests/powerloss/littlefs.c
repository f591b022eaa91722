/* SPDX-License-Identifier: MIT
 *
 * Power cuts on littlefs. In each step of a workload the power is cut at every
 * single program and erase, with half, some bits, or all of that operation
 * landed. Afterwards
 *
 *     the volume mounts, and its tree is that before the step or that after it,
 *     by a model that never saw the driver
 *     the driver's check finds nothing wrong, and its count of blocks in use is
 *     what its walk over them gives
 *     it repairs, collects and is written to: the tree is the same, no block is
 *     in use twice, none is lost (by a reader of the format that shares
 *     nothing with the driver), and the interrupted step can be done after all
 *
 * Then all of that again with a second cut at each program and erase of the
 * recovery. A sample of the images, as cut and as recovered, goes through
 * littlefs_check.py. Further passes run on flash with bad blocks, and with one
 * bad block at every position in every way a block is bad.
 *
 *     powerloss_littlefs         prints the cuts, exits 0 or 1
 *     FP_POWERLOSS_CHECK=n       every nth image through littlefs_check.py
 *     FP_POWERLOSS_JOBS=n        processes; as many as there are processors
 *     FP_POWERLOSS_SEED=n        other random steps, other torn bits
 *     FP_POWERLOSS_DEEP=1        recoveries are cut in every step of every pass
 *     FP_POWERLOSS_PASS=n        this pass alone
 *     FP_POWERLOSS_STEP=n        cuts in this step alone; with bad blocks:
 *                                this run alone
 *
 * What fails is printed with what repeats it, and its image is kept.
 */
#define _GNU_SOURCE

#include "core/fs/littlefs/littlefs.h"
#include "core/digest/crc32.h"
#include "tests/powerloss/reach.h"
#include "tests/powerloss/rig.h"
#include "tests/powerloss/workload.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILURES_MAX 10

/* What a step made of the metadata, seen by reach.h. */
enum event {
    EVENT_SPLIT,
    EVENT_RELOCATION,
    EVENT_EXPANSION,
    EVENT_MERGE, /* an emptied continuation went */
    EVENT_COUNT
};

static const char *const event_names[EVENT_COUNT] = {
    [EVENT_SPLIT] = "directory split",
    [EVENT_RELOCATION] = "relocation",
    [EVENT_EXPANSION] = "superblock expansion",
    [EVENT_MERGE] = "emptied continuation",
};

static const char *const tear_names[] = {
    [FP_FAULT_TEAR_NONE] = "nothing",
    [FP_FAULT_TEAR_HALF] = "half landed",
    [FP_FAULT_TEAR_BITS] = "bits undecided",
    [FP_FAULT_TEAR_ALL] = "landed unheard",
};

/* How what was cut is found by a mount. */
enum find {
    FIND_OLD,
    FIND_NEW,
    FIND_PENDING, /* a move or orphans to repair, whichever tree */
    FIND_COUNT
};

/* Of the block sizes each on its own: what was met with large blocks only was
 * not tried with small ones. */
static const uint32_t sizes[] = { 128, 512, 4096 };

#define SIZES (sizeof sizes / sizeof *sizes)

struct counts {
    _Atomic uint64_t cuts, second, kinds[SIZES][KIND_COUNT],
        events[SIZES][EVENT_COUNT], tears[FP_FAULT_TEAR_ALL + 1],
        finds[FIND_COUNT], checked, failures, bad_runs, bad_refused;
};

/* Shared between the processes; `next` hands out the work of a pass. */
struct shared {
    struct counts counts;
    _Atomic uint32_t next;
};

static struct shared *shared;
static struct rig rig;
static struct reach reach;
static struct geometry geo;
static uint32_t seed = 1;
static uint64_t check_every = 4000;
static int jobs, only_step = -1, only_pass = -1;
static bool all_deep;

/* Where it is, for whoever has to look for a failure. */
static struct {
    uint32_t pass, at, nth, again;
    enum fp_fault_tear tear, tear_again;
    char what[WORKLOAD_PATH * 2 + 20];
    const struct fp_fault_block *bad; /* of a run with one */
} here;

static void describe(const struct step *step)
{
    snprintf(here.what, sizeof here.what, "%s %s%s%s", kind_names[step->kind],
             step->path, step->to[0] ? " to " : "", step->to);
}

static void complain(const char *what, int err)
{
    char name[] = "/tmp/powerloss-failed-XXXXXX";
    int fd = mkstemp(name);
    bool kept = fd >= 0 && rig_write_image(&rig, name);

    if (fd >= 0)
        close(fd);
    flockfile(stderr);
    fprintf(stderr,
            "FAILED: %s (%s)\n"
            "  blocks of %u, programs of %u, cycles %d, version 0x%x\n"
            "  step %u: %s\n",
            what, fp_strerror(err), geo.block_size, geo.prog_size,
            (int)geo.cycles, geo.version, here.at, here.what);
    if (here.bad)
        fprintf(stderr, "  block %u is bad, in way %u\n", here.bad->block,
                here.bad->bad);
    if (here.nth)
        fprintf(stderr, "  cut in write %u, %s\n", here.nth,
                tear_names[here.tear]);
    if (here.again)
        fprintf(stderr, "  cut again in write %u of the recovery, %s\n",
                here.again, tear_names[here.tear_again]);
    fprintf(stderr,
            "  repeat: FP_POWERLOSS_SEED=%u FP_POWERLOSS_DEEP=1 "
            "FP_POWERLOSS_PASS=%u FP_POWERLOSS_STEP=%u\n"
            "  image: %s\n",
            seed, here.pass, here.at, kept ? name : "could not be kept");
    funlockfile(stderr);
    if (++shared->counts.failures >= FAILURES_MAX)
        _exit(1);
}

/* --- looking --- */

/* Not --settled: a torn append to a pair stays behind that pair's last commit
 * until the next write to it. And the tool looks for the destination of a move
 * along the thread only: where that is the new half of a half-orphan it takes
 * the move for a stale one. */
static void run_checker(void)
{
    char image[] = "/tmp/powerloss-XXXXXX", cmd[600];
    int fd = mkstemp(image);

    if (fd < 0 || close(fd) || !rig_write_image(&rig, image)) {
        complain("an image for the checker cannot be written", FP_ERR_IO);
        return;
    }
    shared->counts.checked++;
    snprintf(cmd, sizeof cmd,
             "f=%s; /usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py "
             "--block-size %u --prog-size %u%s $f >$f.txt || "
             "{ grep -q 'thread as.*half-orphan' $f.txt && "
             "! grep '^error\\|^warning\\|^unread' $f.txt | "
             "grep -qv 'stale move'; } || "
             "{ grep -v '^file\\|^dir' $f.txt >&2; false; }",
             image, geo.block_size, geo.prog_size,
             geo.upgrade ? " --upgraded" : "");
    if (system(cmd))
        complain("littlefs_check.py objects", FP_ERR_CORRUPT);
    snprintf(cmd, sizeof cmd, "%s.txt", image);
    remove(cmd);
    remove(image);
}

static void print_finding(void *ctx, enum fp_finding_level level,
                          uint32_t block, const char *text)
{
    (void)ctx;
    if (level != FP_FINDING_PENDING)
        fprintf(stderr, "check: block %u: %s\n", block, text);
}

static int run_steps(enum fp_step_kind kind, struct fp_step *step)
{
    int err = FP_OK;

    *step = (struct fp_step){ .kind = kind, .on_finding = print_finding };
    while (!err && !step->done)
        err = fp_fs_step(&rig.mnt, step);
    return err;
}

/* A cut leaves pending work, never an error. */
static int check(void)
{
    struct fp_step step;
    int err = run_steps(FP_STEP_CHECK, &step);

    return !err && step.errors + step.warnings ? FP_ERR_CORRUPT : err;
}

struct seen {
    uint8_t *bits;
    uint32_t unique, reports;
};

static int see(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct seen *seen = ctx;

    (void)use;
    if (block >= geo.block_count)
        return FP_ERR_CORRUPT;
    seen->reports++;
    seen->unique += !(seen->bits[block / 8] >> block % 8 & 1);
    seen->bits[block / 8] |= (uint8_t)(1 << block % 8);
    return FP_OK;
}

/* The driver's count of blocks in use against its own walk. While a repair is
 * pending the walk may come to a block by two ways. */
static int count_blocks(struct fp_statfs *st)
{
    static uint8_t bits[8192];
    struct seen seen = { .bits = bits };
    int err = fp_fs_statfs(&rig.mnt, st);

    memset(bits, 0, sizeof bits);
    if (!err)
        err = fp_fs_blocks(&rig.mnt, see, &seen);
    if (err)
        return err;
    if (st->blocks_used != seen.unique ||
        (!st->needs_repair && seen.reports != seen.unique)) {
        fprintf(stderr,
                "statfs counts %" PRIu64 " blocks in use; the walk meets %u "
                "in %u reports\n",
                st->blocks_used, seen.unique, seen.reports);
        return FP_ERR_CORRUPT;
    }
    return FP_OK;
}

/* What must hold of any volume that has been mounted: its tree is one of two,
 * which it says. */
static bool is_sound(const uint64_t want[2], uint64_t *sum,
                     struct fp_statfs *st)
{
    int err = volume_sum(&rig.mnt, sum);

    if (err || (*sum != want[0] && *sum != want[1])) {
        complain(want[0] == want[1] ? "the tree is another"
                                    : "neither the old tree nor the new",
                 err);
        return false;
    }
    err = check();
    if (err)
        complain("the driver's check", err);
    else if ((err = count_blocks(st)))
        complain("blocks in use", err);
    return !err;
}

static uint32_t unreadable(void)
{
    const uint32_t reads = FP_FAULT_READ_FAILS | FP_FAULT_READ_FLIPS;

    return here.bad && here.bad->bad & reads ? here.bad->block
                                             : geo.block_count;
}

/* What must hold besides once nothing is pending any more. */
static bool is_settled(uint64_t want)
{
    uint64_t wants[2] = { want, want }, sum;
    struct fp_statfs st;
    const char *what;

    if (!is_sound(wants, &sum, &st))
        return false;
    what = reach_walk(&reach, rig.mem, geo.block_size, geo.block_count,
                      unreadable());
    if (st.needs_repair)
        what = "it still needs repair";
    if (!what && reach.blocks != st.blocks_used)
        what = "blocks are lost: the driver counts more than are reachable";
    if (what)
        complain(what, FP_ERR_CORRUPT);
    return !what;
}

/* All that a volume may do of its own accord after a cut, and a first write
 * with its undoing; compacted in advance, or on the way. */
static int recover(void)
{
    struct fp_step step;
    int err = run_steps(FP_STEP_REPAIR, &step);

    if (!err)
        err = run_steps(FP_STEP_GC, &step);
    if (!err && here.at % 4 == 1)
        err = run_steps(FP_STEP_COMPACT, &step);
    if (!err)
        err = fp_fs_setattr(&rig.mnt, "/", 200, "x", 1);
    return err ? err : fp_fs_setattr(&rig.mnt, "/", 200, NULL, 0);
}

static uint64_t draw_of(uint32_t which)
{
    uint32_t from[] = { seed,      here.pass,  here.at,         here.nth,
                        here.tear, here.again, here.tear_again, which };
    uint32_t crc = fp_crc32(7, from, sizeof from);

    return (uint64_t)crc << 32 | fp_crc32(crc, from, sizeof from);
}

/* One in so many, the same ones each time. */
static bool is_sample(uint64_t every)
{
    return every && (draw_of(0) >> 32) % every == 0;
}

/* Mounts what a cut left, and looks. *found says what is there. */
static bool look(const uint64_t want[2], uint64_t *sum, enum find *found)
{
    struct fp_statfs st;
    int err;

    if (is_sample(check_every))
        run_checker();
    err = rig_mount(&rig, RIG_READER);
    if (err) {
        complain("it does not mount", err);
        return false;
    }
    if (!is_sound(want, sum, &st))
        return false;
    *found = st.needs_repair   ? FIND_PENDING
             : *sum == want[0] ? FIND_OLD
                               : FIND_NEW;
    return true;
}

/* Recovers from what was looked at. `fresh`: the outcome is seen by another
 * mount, not by that which recovered. */
static bool settle(uint64_t sum, bool fresh)
{
    int err = rig_mount(&rig, RIG_RECOVERER);

    if (!err)
        err = recover();
    if (!err && fresh)
        err = rig_mount(&rig, RIG_READER);
    if (err) {
        complain("recovery", err);
        return false;
    }
    if (!is_settled(sum))
        return false;
    /* The tool cannot be told that a block is unreadable. */
    if (is_sample(check_every) && unreadable() == geo.block_count)
        run_checker();
    return true;
}

/* --- cutting --- */

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

struct plan {
    const struct fp_fault_block *bad;
    uint32_t bad_count;
    uint32_t deep; /* in one of so many steps recoveries are cut too */
};

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

/* --- the workload, cut everywhere --- */

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

/* Each process goes through the whole workload, and cuts the steps that it
 * draws from the pool. */
static void cut_everywhere(const struct plan *plan)
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

/* --- a bad block at every position --- */

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
        step_make(&steps[at], &model, at, geo.block_size, seed);
        sums[at + 1] = model_sum(&model);
    }
    model_clear(&model);
}

/* The superblock's pair cannot go elsewhere. What needs it must fail then, and
 * the tree is as before that or after. */
static void refuse(uint32_t at, const struct fp_fault_block *bad, int err)
{
    uint64_t sum, want[2] = { sums[at], sums[at + 1] };
    struct fp_statfs st;

    shared->counts.bad_refused++;
    if (bad->block > 1 || err != FP_ERR_IO) {
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
    if (err == FP_ERR_IO && bad->block < 2 && !late) {
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
        if (at % geo.remount == 0 && rig_mount(&rig, RIG_USER)) {
            complain("mount before a step", FP_ERR_CORRUPT);
            return;
        }
        err = step_do(step, &rig.mnt);
        if (err && step->possible) {
            refuse(at, bad, err);
            return;
        }
        if (!err != step->possible) {
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

static void bad_everywhere(const struct plan *plan)
{
    uint32_t total = geo.block_count * (uint32_t)WAYS;

    (void)plan;
    rig_init(&rig, &fp_fs_littlefs, &geo);
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

/* --- passes --- */

struct pass {
    void (*run)(const struct plan *plan);
    struct geometry geo;
    struct plan plan;
};

static const struct fp_fault_block six[] = {
    { 5, FP_FAULT_PROG_FAILS },   { 17, FP_FAULT_ERASE_FAILS },
    { 18, FP_FAULT_PROG_SILENT }, { 30, FP_FAULT_ERASE_SILENT },
    { 47, FP_FAULT_PROG_FAILS },  { 60, FP_FAULT_PROG_SILENT },
};

/* Blocks, their number, programs; cache, cycles, version; mounts, upgrade. */
static const struct pass passes[] = {
    { cut_everywhere, { 512, 128, 16, 64, 1, 0, 1, false }, { NULL, 0, 2 } },
    { cut_everywhere, { 512, 128, 16, 16, 100, 0, 7, false }, { NULL, 0, 8 } },
    { cut_everywhere, { 128, 1024, 1, 32, 4, 0, 3, false }, { NULL, 0, 4 } },
    { cut_everywhere, { 128, 1024, 8, 0, 1, 0, 50, false }, { NULL, 0, 2 } },
    { cut_everywhere, { 4096, 64, 256, 0, 1, 0, 5, false }, { NULL, 0, 1 } },
    { cut_everywhere, { 4096, 64, 16, 64, 3, 0, 90, false }, { NULL, 0, 4 } },
    { cut_everywhere, { 512, 128, 16, 0, 1, 0x20000, 4, 1 }, { NULL, 0, 1 } },
    { cut_everywhere, { 512, 128, 16, 64, 1, 0, 9, false }, { six, 6, 2 } },
    { cut_everywhere, { 4096, 64, 256, 0, 1, 0, 9, false }, { six, 6, 1 } },
    { bad_everywhere, { 512, 128, 16, 64, 1, 0, 40, false }, { NULL, 0, 1 } },
    { bad_everywhere, { 4096, 64, 256, 0, 1, 0, 40, false }, { NULL, 0, 1 } },
    { bad_everywhere, { 128, 320, 8, 32, 2, 0, 40, false }, { NULL, 0, 1 } },
};

/* The pass in as many processes as there are jobs. */
static void run_pass(uint32_t number)
{
    const struct pass *pass = &passes[number];

    geo = pass->geo;
    here.pass = number;
    shared->next = 0;
    fflush(stdout);
    for (int i = 0; i < jobs; i++) {
        pid_t child = fork();

        if (child == 0) {
            pass->run(&pass->plan);
            _exit(0);
        }
        if (child < 0) {
            perror("powerloss: fork");
            exit(1);
        }
    }
    for (int i = 0; i < jobs; i++) {
        int status;

        if (wait(&status) < 0 || !WIFEXITED(status)) {
            fprintf(stderr, "FAILED: pass %u crashed\n", number);
            shared->counts.failures++;
        }
    }
}

static void report_pass(uint32_t number, const struct counts *was)
{
    const struct counts *now = &shared->counts;
    const struct pass *pass = &passes[number];

    printf("%2u: blocks of %4u, programs of %3u, cycles %3d", number,
           geo.block_size, geo.prog_size, (int)geo.cycles);
    if (pass->run == bad_everywhere)
        printf(": %" PRIu64 " runs with a bad block, %" PRIu64
               " refused for a bad superblock\n",
               now->bad_runs - was->bad_runs,
               now->bad_refused - was->bad_refused);
    else
        printf("%s%s: %" PRIu64 " cuts, %" PRIu64 " more in recoveries\n",
               geo.version ? ", upgraded" : "",
               pass->plan.bad_count ? ", 6 bad" : "", now->cuts - was->cuts,
               now->second - was->second);
    fflush(stdout);
}

static void report(const char *of, const char *const names[],
                   const _Atomic uint64_t *counts, uint32_t count)
{
    const char *separator = "";

    printf("  %s: ", of);
    for (uint32_t i = 0; i < count; i++) {
        if (counts[i])
            printf("%s%s %" PRIu64, separator, names[i], counts[i]);
        separator = counts[i] ? ", " : separator;
    }
    printf("\n");
}

/* Something that was never met was never tried. */
static void demand(uint32_t block_size, const char *const names[],
                   const _Atomic uint64_t *counts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (counts[i])
            continue;
        fprintf(stderr, "FAILED: with blocks of %u no cut was in: %s\n",
                block_size, names[i]);
        shared->counts.failures++;
    }
}

static void report_all(bool is_whole)
{
    static const char *const find_names[] = {
        [FIND_OLD] = "the old tree",
        [FIND_NEW] = "the new tree",
        [FIND_PENDING] = "one of them and a repair to do",
    };
    const struct counts *all = &shared->counts;

    for (uint32_t i = 0; i < SIZES; i++) {
        printf("blocks of %u, cuts in the workload\n", sizes[i]);
        report("in", kind_names, all->kinds[i], KIND_COUNT);
        report("of these with a", event_names, all->events[i], EVENT_COUNT);
        if (!is_whole)
            continue;
        demand(sizes[i], kind_names, all->kinds[i], KIND_COUNT);
        demand(sizes[i], event_names, all->events[i], EVENT_COUNT);
    }
    printf("all of them\n");
    report("what landed", tear_names, all->tears, FP_FAULT_TEAR_ALL + 1);
    report("found after the first", find_names, all->finds, FIND_COUNT);
    printf("%" PRIu64 " cuts: %" PRIu64 " in the workload, %" PRIu64
           " in recoveries; %" PRIu64 " runs with a bad block; %" PRIu64
           " images through littlefs_check.py; %" PRIu64 " failures\n",
           all->cuts + all->second, all->cuts, all->second, all->bad_runs,
           all->checked, all->failures);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value && *value ? strtoull(value, NULL, 10) : otherwise;
}

int main(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("powerloss: mmap");
        return 1;
    }
    seed = (uint32_t)number_of("FP_POWERLOSS_SEED", seed);
    check_every = number_of("FP_POWERLOSS_CHECK", check_every);
    all_deep = number_of("FP_POWERLOSS_DEEP", 0);
    only_pass = (int)number_of("FP_POWERLOSS_PASS", UINT64_MAX);
    only_step = (int)number_of("FP_POWERLOSS_STEP", UINT64_MAX);
    jobs = (int)number_of("FP_POWERLOSS_JOBS", cpus > 0 ? (uint64_t)cpus : 1);
    if (jobs < 1 || only_step >= 0)
        jobs = 1;
    for (uint32_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        struct counts was = shared->counts;

        if (only_pass >= 0 && i != (uint32_t)only_pass)
            continue;
        run_pass(i);
        report_pass(i, &was);
    }
    report_all(only_pass < 0 && only_step < 0);
    return shared->counts.failures > 0;
}
