/* SPDX-License-Identifier: MIT
 *
 * Power cuts on a filesystem. In each step of a workload the power is cut at
 * every single program and erase, with half, some bits, or all of that
 * operation landed, as the medium tears. Afterwards
 *
 *     the volume mounts read-only, without a write, and its tree is that before
 *     the step or that after it, by a model that never saw the driver
 *     the driver's check finds nothing wrong, and its count of blocks in use is
 *     what its walk over them gives
 *     mounted for writing it repairs, collects and is written to: the tree is
 *     the same, no block is in use twice, none is lost (where the subject has a
 *     reader of its own, that shares nothing with the driver), and the
 *     interrupted step can be done after all
 *
 * Then all of that again with a second cut at each program and erase of the
 * recovery. A sample of the images, as cut and as recovered, goes through a
 * program of others, where there is one. What a driver brings is in its
 * <driver>.c: media and geometries, its limits where no cap tells them, checks.
 *
 *     powerloss_<driver>         prints the cuts, exits 0 or 1
 *     FP_POWERLOSS_CHECK=n       every nth image through the checker
 *     FP_POWERLOSS_JOBS=n        processes; as many as there are processors
 *     FP_POWERLOSS_SEED=n        other random steps, other torn bits
 *     FP_POWERLOSS_DEEP=1        recoveries are cut in every step of every pass
 *     FP_POWERLOSS_EVERY=n       cuts in one of n steps only, for a short run;
 *                                then nobody demands that all was met
 *     FP_POWERLOSS_PASS=n        this pass alone
 *     FP_POWERLOSS_STEP=n        cuts in this step alone; with bad blocks:
 *                                this run alone
 *
 * What fails is printed with what repeats it, and its image is kept.
 */
#define _GNU_SOURCE

#include "tests/powerloss/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int jobs, only_pass = -1;

/* The pass in as many processes as there are jobs. */
static void run_pass(uint32_t number)
{
    pass = &subject.passes[number];
    here.pass = number;
    shared->next = shared->left_out = 0;
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

    printf("%2u: %s", number, pass->name);
    if (pass->run == bad_everywhere)
        printf(": %" PRIu64 " runs with a bad block, %" PRIu64
               " refused for a bad superblock\n",
               now->bad_runs - was->bad_runs,
               now->bad_refused - was->bad_refused);
    else
        printf(": %" PRIu64 " cuts, %" PRIu64 " more in recoveries\n",
               now->cuts - was->cuts, now->second - was->second);
    if (shared->left_out)
        printf("    %u steps are left out: the format cannot do them\n",
               shared->left_out);
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
static void demand(const char *group, const char *name, uint64_t count)
{
    if (count)
        return;
    fprintf(stderr, "FAILED: with %s no cut was in: %s\n", group, name);
    shared->counts.failures++;
}

static void demand_all(uint32_t group)
{
    const struct counts *all = &shared->counts;

    for (uint32_t i = 0; i < KIND_COUNT; i++)
        if (shared->kinds_possible >> i & 1)
            demand(subject.groups[group], kind_names[i], all->kinds[group][i]);
    for (uint32_t i = 0; i < EVENTS_MAX && subject.events[i]; i++)
        demand(subject.groups[group], subject.events[i], all->events[group][i]);
}

static void report_all(bool is_whole)
{
    static const char *const find_names[] = {
        [FIND_OLD] = "the old tree",
        [FIND_NEW] = "the new tree",
        [FIND_PENDING] = "one of them and a repair to do",
    };
    const struct counts *all = &shared->counts;

    for (uint32_t i = 0; i < GROUPS_MAX && subject.groups[i]; i++) {
        printf("%s, cuts in the workload\n", subject.groups[i]);
        report("in", kind_names, all->kinds[i], KIND_COUNT);
        if (subject.happened)
            report("of these with a", subject.events, all->events[i],
                   EVENTS_MAX);
        if (is_whole)
            demand_all(i);
    }
    printf("all of them\n");
    report("what landed", tear_names, all->tears, FP_FAULT_TEAR_ALL + 1);
    report("found after the first", find_names, all->finds, FIND_COUNT);
    printf("%" PRIu64 " cuts: %" PRIu64 " in the workload, %" PRIu64
           " in recoveries; %" PRIu64 " runs with a bad block; %" PRIu64
           " images through %s; %" PRIu64 " failures\n",
           all->cuts + all->second, all->cuts, all->second, all->bad_runs,
           all->checked,
           subject.checker ? subject.checker_name : "a checker (there is none)",
           all->failures);
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
    one_in = (uint32_t)number_of("FP_POWERLOSS_EVERY", 1);
    only_pass = (int)number_of("FP_POWERLOSS_PASS", UINT64_MAX);
    only_step = (int)number_of("FP_POWERLOSS_STEP", UINT64_MAX);
    jobs = (int)number_of("FP_POWERLOSS_JOBS", cpus > 0 ? (uint64_t)cpus : 1);
    if (jobs < 1 || only_step >= 0)
        jobs = 1;
    printf("power cuts on %s\n", subject.name);
    for (uint32_t i = 0; i < subject.pass_count; i++) {
        struct counts was = shared->counts;

        if (only_pass >= 0 && i != (uint32_t)only_pass)
            continue;
        run_pass(i);
        report_pass(i, &was);
    }
    report_all(only_pass < 0 && only_step < 0 && one_in == 1);
    return shared->counts.failures > 0;
}
