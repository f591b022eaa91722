/* SPDX-License-Identifier: MIT
 *
 * Is the volume what it must be? By the driver's check and count, by reach.h,
 * which shares nothing with the driver, and by littlefs_check.py.
 */
#define _GNU_SOURCE
#include "tests/powerloss/campaign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool is_sound(const uint64_t want[2], uint64_t *sum, struct fp_statfs *st)
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

bool is_settled(uint64_t want)
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

int recover(void)
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

bool look(const uint64_t want[2], uint64_t *sum, enum find *found)
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

bool settle(uint64_t sum, bool fresh)
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
