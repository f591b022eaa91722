/* SPDX-License-Identifier: MIT
 *
 * What the parts of a power loss campaign share: what a driver brings to it
 * (struct subject, one in each <driver>.c), where it is, what has been counted,
 * and the ways to judge a volume that was cut (judge.c), to cut every step of a
 * workload (cut.c), and to run it with each block bad (bad.c).
 *
 * Each process has its own of everything here but for `shared`, which all of
 * them see.
 */
#ifndef FP_TESTS_POWERLOSS_CAMPAIGN_H
#define FP_TESTS_POWERLOSS_CAMPAIGN_H

#include "tests/powerloss/rig.h"
#include "tests/powerloss/workload.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GROUPS_MAX 4
#define EVENTS_MAX 8

/* --- what a driver brings --- */

struct plan {
    const struct fp_fault_block *bad;
    uint32_t bad_count;
    uint32_t deep;  /* in one of so many steps recoveries are cut too; 0 is 1 */
    uint32_t every; /* one of so many steps is cut, where each takes long; 0
                       is 1 */
};

struct pass {
    void (*run)(const struct plan *plan); /* a way of a pass, below */
    const char *name;                     /* "blocks of 512, programs of 16" */
    uint32_t group; /* in which what was met is counted and demanded */
    struct geometry geo;
    struct plan plan;
};

struct subject {
    const char *name; /* the program is powerloss_<name> */
    struct rig_driver driver;
    const struct pass *passes;
    uint32_t pass_count;
    /* "blocks of 512": what was met with large blocks only was not tried with
     * small ones. */
    const char *groups[GROUPS_MAX];

    /* What follows may be missing. */

    uint32_t fixed_blocks; /* the first so many cannot go elsewhere when bad */

    /* Looks at a volume in which nothing is pending, in rig.mem, without the
     * driver. A sentence about what is wrong, or NULL. */
    const char *(*inspect)(const struct fp_statfs *st);
    /* What the last step made of the volume: bits of `events`, by what
     * inspect() saw before and after it. */
    uint32_t (*happened)(void);
    const char *events[EVENTS_MAX];
    /* A shell command that exits 0 if a program of others finds nothing wrong
     * in the image; NULL: it has nothing to say of it. `settled`: nothing is
     * pending in it. */
    const char *(*checker)(const char *image, bool settled);
    const char *checker_name;
};

extern const struct subject subject;

/* --- where it is --- */

/* How what was cut is found by a mount. */
enum find {
    FIND_OLD,
    FIND_NEW,
    FIND_PENDING, /* something to repair, whichever tree */
    FIND_COUNT
};

struct counts {
    _Atomic uint64_t cuts, second, kinds[GROUPS_MAX][KIND_COUNT],
        events[GROUPS_MAX][EVENTS_MAX], tears[FP_FAULT_TEAR_ALL + 1],
        finds[FIND_COUNT], checked, failures, bad_runs, bad_refused;
};

/* Shared between the processes; `next` hands out the work of a pass. */
struct shared {
    struct counts counts;
    _Atomic uint32_t next, kinds_possible, left_out;
};

extern const char *const tear_names[FP_FAULT_TEAR_ALL + 1];

extern struct shared *shared;
extern struct rig rig;
extern const struct pass *pass;
extern struct limits limits; /* of the volume of this pass */
extern uint32_t seed;
extern uint64_t check_every; /* of the images the checker sees one */
extern int only_step;        /* -1: all */
extern bool all_deep;
extern uint32_t one_in; /* one of so many steps is cut */

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

/* An empty volume, mounted, and its limits. False: told. */
bool begin(const struct plan *plan);

/* --- judge.c --- */

/* What must hold of any volume that has been mounted: its tree is one of two,
 * the old or the new, which it says. */
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

/* Each process goes through the whole workload, and cuts the steps that it
 * draws from the pool. */
void cut_everywhere(const struct plan *plan);
/* The workload once for each block and each way that it may be bad in. */
void bad_everywhere(const struct plan *plan);

#endif
