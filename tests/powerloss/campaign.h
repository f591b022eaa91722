/* SPDX-License-Identifier: MIT
 *
 * What the parts of a power loss campaign share: where it is, what has been
 * counted, and the ways to judge a volume that was cut (judge.c), to cut every
 * step of a workload (cut.c), and to run it with each block bad (bad.c).
 *
 * Each process has its own of everything here but for `shared`, which all of
 * them see.
 */
#ifndef FP_TESTS_POWERLOSS_CAMPAIGN_H
#define FP_TESTS_POWERLOSS_CAMPAIGN_H

#include "tests/powerloss/reach.h"
#include "tests/powerloss/rig.h"
#include "tests/powerloss/workload.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a step made of the metadata, seen by reach.h. */
enum event {
    EVENT_SPLIT,
    EVENT_RELOCATION,
    EVENT_EXPANSION,
    EVENT_MERGE, /* an emptied continuation went */
    EVENT_COUNT
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
#define SIZES 3 /* 128, 512, 4096 */

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

extern const char *const event_names[EVENT_COUNT];
extern const char *const tear_names[FP_FAULT_TEAR_ALL + 1];
extern const uint32_t sizes[SIZES];

extern struct shared *shared;
extern struct rig rig;
extern struct reach reach;
extern struct geometry geo;
extern uint32_t seed;
extern uint64_t check_every; /* of the images littlefs_check.py sees one */
extern int only_step;        /* -1: all */
extern bool all_deep;

/* Where it is, for whoever has to look for a failure. */
extern struct where {
    uint32_t pass, at, nth, again;
    enum fp_fault_tear tear, tear_again;
    char what[WORKLOAD_PATH * 2 + 20];
    const struct fp_fault_block *bad; /* of a run with one */
} here;

void describe(const struct step *step);
/* Says what failed and where, and how to repeat it; the image is kept. */
void complain(const char *what, int err);
/* A number drawn from where the campaign is: the same in each run. */
uint64_t draw_of(uint32_t which);
/* One in so many, the same ones each time. */
bool is_sample(uint64_t every);

/* --- judge.c --- */

/* What must hold of any volume that has been mounted: its tree is one of two,
 * which it says. */
bool is_sound(const uint64_t want[2], uint64_t *sum, struct fp_statfs *st);
/* What must hold besides once nothing is pending any more. */
bool is_settled(uint64_t want);
/* All that a volume may do of its own accord after a cut, and a first write
 * with its undoing; compacted in advance, or on the way. */
int recover(void);
/* Mounts what a cut left, and looks. *found says what is there. */
bool look(const uint64_t want[2], uint64_t *sum, enum find *found);
/* Recovers from what was looked at. `fresh`: the outcome is seen by another
 * mount, not by that which recovered. */
bool settle(uint64_t sum, bool fresh);

/* --- the ways of a pass --- */

struct plan {
    const struct fp_fault_block *bad;
    uint32_t bad_count;
    uint32_t deep; /* in one of so many steps recoveries are cut too */
};

/* Each process goes through the whole workload, and cuts the steps that it
 * draws from the pool. */
void cut_everywhere(const struct plan *plan);
/* The workload once for each block and each way that it may be bad in. */
void bad_everywhere(const struct plan *plan);

#endif
