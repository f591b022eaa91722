/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/powerloss/campaign.h"
#include "core/digest/crc32.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FAILURES_MAX 10

const char *const tear_names[FP_FAULT_TEAR_ALL + 1] = {
    [FP_FAULT_TEAR_NONE] = "nothing",
    [FP_FAULT_TEAR_HALF] = "half landed",
    [FP_FAULT_TEAR_BITS] = "bits undecided",
    [FP_FAULT_TEAR_ALL] = "landed unheard",
};

struct shared *shared;
struct rig rig;
const struct pass *pass;
struct limits limits;
uint32_t seed = 1;
uint64_t check_every = 4000;
int only_step = -1;
bool all_deep;
uint32_t one_in = 1;
struct where here;

void describe(const struct step *step)
{
    snprintf(here.what, sizeof here.what, "%s %s%s%s", kind_names[step->kind],
             step->path, step->to[0] ? " to " : "", step->to);
}

void complain(const char *what, int err)
{
    char name[] = "/tmp/powerloss-failed-XXXXXX";
    int fd = mkstemp(name);
    bool kept = fd >= 0 && rig_write_image(&rig, name);

    if (fd >= 0)
        close(fd);
    flockfile(stderr);
    fprintf(stderr,
            "FAILED: %s (%s)\n"
            "  %s\n"
            "  step %u: %s\n",
            what, fp_strerror(err), pass->name, here.at, here.what);
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

uint64_t draw_of(uint32_t which)
{
    uint32_t from[] = { seed,      here.pass,  here.at,         here.nth,
                        here.tear, here.again, here.tear_again, which };
    uint32_t crc = fp_crc32(7, from, sizeof from);

    return (uint64_t)crc << 32 | fp_crc32(crc, from, sizeof from);
}

bool is_sample(uint64_t every)
{
    return every && (draw_of(0) >> 32) % every == 0;
}

bool begin(const struct plan *plan)
{
    struct fp_statfs st;
    int err = rig_format(&rig, plan->bad, plan->bad_count);

    if (!err)
        err = rig_mount(&rig, RIG_USER);
    if (!err)
        err = fp_fs_statfs(&rig.mnt, &st);
    if (err) {
        complain("format and mount", err);
        return false;
    }
    limits = (struct limits){
        .unit = pass->geo.block_size,
        .caps = st.caps,
        .truncates = subject.driver.ops->truncate != NULL,
        .renames = subject.driver.ops->rename != NULL,
        .name_max = st.name_max,
        .file_max = st.file_max,
        .files_max = st.files_max,
    };
    if (limits.unit > st.size / 32)
        limits.unit = (uint32_t)(st.size / 32);
    shared->kinds_possible |= kinds_possible(&limits);
    return true;
}
