/* SPDX-License-Identifier: MIT
 *
 * Is the volume what it must be? By the driver's check and count, by what the
 * subject has that shares nothing with the driver, and by programs of others.
 */
#define _GNU_SOURCE
#include "tests/powerloss/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Settled is what a repair has seen; a driver may have none. */
static void run_checker(bool settled)
{
    char image[] = "/tmp/powerloss-XXXXXX";
    const char *command;
    int fd;

    if (!subject.checker)
        return;
    fd = mkstemp(image);
    if (fd < 0 || close(fd) || !rig_write_image(&rig, image)) {
        complain("an image for the checker cannot be written", FP_ERR_IO);
        return;
    }
    command =
        subject.checker(image, settled && subject.driver.ops->step != NULL);
    if (command) {
        shared->counts.checked++;
        if (system(command))
            complain(subject.checker_name, FP_ERR_CORRUPT);
    }
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
    if (!subject.driver.ops->step)
        return FP_OK;
    while (!err && !step->done)
        err = fp_fs_step(&rig.mnt, step);
    return err == FP_ERR_NOTSUP ? FP_OK : err;
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
    uint64_t count;
    uint32_t unique, reports;
};

static int see(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct seen *seen = ctx;

    (void)use;
    if (block >= seen->count)
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
    static uint8_t bits[16384];
    struct seen seen = { .bits = bits };
    int err = fp_fs_statfs(&rig.mnt, st);

    if (err || !subject.driver.ops->blocks)
        return err;
    seen.count = st->block_count;
    if (seen.count > 8 * sizeof bits)
        return FP_ERR_FBIG;
    memset(bits, 0, sizeof bits);
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

bool is_sound(const uint64_t want[2], uint64_t *sum, struct fp_statfs *st)
{
    int err = volume_sum(&rig.mnt, &limits, sum);

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

bool is_settled(uint64_t want)
{
    uint64_t wants[2] = { want, want }, sum;
    struct fp_statfs st;
    const char *what = NULL;

    if (!is_sound(wants, &sum, &st))
        return false;
    if (subject.inspect)
        what = subject.inspect(&st);
    if (st.needs_repair)
        what = "it still needs repair";
    if (what)
        complain(what, FP_ERR_CORRUPT);
    return !what;
}

/* A first write, undone. */
static int write_and_undo(void)
{
    struct fp_file file;
    int err;

    if (limits.caps & FP_CAP_ATTRS) {
        err = fp_fs_setattr(&rig.mnt, "/", 200, "x", 1);
        return err ? err : fp_fs_setattr(&rig.mnt, "/", 200, NULL, 0);
    }
    err = fp_fs_open(&rig.mnt, &file, WORKLOAD_PROBE,
                     FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC);
    if (!err) {
        int32_t n = fp_fs_write(&file, "x", 1);

        err = fp_fs_close(&file);
        err = n < 0 ? (int)n : err;
    }
    return err ? err : fp_fs_remove(&rig.mnt, WORKLOAD_PROBE);
}

int recover(void)
{
    struct fp_step step;
    int err = run_steps(FP_STEP_REPAIR, &step);

    if (!err)
        err = run_steps(FP_STEP_GC, &step);
    if (!err && here.at % 4 == 1)
        err = run_steps(FP_STEP_COMPACT, &step);
    return err ? err : write_and_undo();
}

bool look(const uint64_t want[2], uint64_t *sum, enum find *found)
{
    struct fp_statfs st;
    uint32_t writes;
    int err;

    if (is_sample(check_every))
        run_checker(false);
    err = rig_mount(&rig, RIG_READER);
    if (err) {
        complain("it does not mount", err);
        return false;
    }
    writes = rig.fault.writes;
    if (!is_sound(want, sum, &st))
        return false;
    if (rig.fault.writes != writes) {
        complain("a read-only mount writes", FP_ERR_ROFS);
        return false;
    }
    *found = st.needs_repair   ? FIND_PENDING
             : *sum == want[0] ? FIND_OLD
                               : FIND_NEW;
    return true;
}

/* A mount for writing shows the same before it has written: looked at in some
 * of the cases. */
static bool is_same(uint64_t want)
{
    uint64_t sum;
    int err = volume_sum(&rig.mnt, &limits, &sum);

    if (!err && sum == want)
        return true;
    complain("mounted for writing it shows another tree", err);
    return false;
}

bool settle(uint64_t sum, bool fresh)
{
    int err = rig_mount(&rig, RIG_RECOVERER);

    if (!err && is_sample(8) && !is_same(sum))
        return false;
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
    if (is_sample(check_every))
        run_checker(true);
    return true;
}
