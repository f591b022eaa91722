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

#include "tests/powerloss/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int jobs, only_pass = -1;

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
