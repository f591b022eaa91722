/* SPDX-License-Identifier: MIT
 *
 * littlefs in the power loss campaign: flash of three block sizes, whole and
 * with bad blocks, one of them a volume of version 2.0 that grows into 2.1.
 * What is reachable is counted by littlefs_reach.h; the checker is
 * littlefs_check.py.
 */
#include "core/fs/littlefs/littlefs.h"
#include "tests/powerloss/campaign.h"
#include "tests/powerloss/littlefs_reach.h"

#include <stdio.h>

static const struct fp_fault_block six[] = {
    { 5, FP_FAULT_PROG_FAILS },   { 17, FP_FAULT_ERASE_FAILS },
    { 18, FP_FAULT_PROG_SILENT }, { 30, FP_FAULT_ERASE_SILENT },
    { 47, FP_FAULT_PROG_FAILS },  { 60, FP_FAULT_PROG_SILENT },
};

enum {
    OF_128,
    OF_512,
    OF_4096
};

#define PASS(way, blocks, count, programs, cache, cycles, newest, mounts, \
             are_bad, count_bad, recoveries, more)                        \
    {                                                                     \
        way,                                                              \
            "blocks of " #blocks ", programs of " #programs               \
            ", cycles " #cycles more,                                     \
            OF_##blocks,                                                  \
            { .prog_size = (programs),                                    \
              .block_size = (blocks),                                     \
              .block_count = (count),                                     \
              .cfg = { .block_size = (blocks),                            \
                       .cache_size = (cache),                             \
                       .block_cycles = (cycles),                          \
                       .version = (newest) },                             \
              .remount = (mounts) },                                      \
        {                                                                 \
            .bad = are_bad, .bad_count = count_bad, .deep = (recoveries)  \
        }                                                                 \
    }
#define CUT(blocks, count, programs, cache, cycles, remount, deep)           \
    PASS(cut_everywhere, blocks, count, programs, cache, cycles, 0, remount, \
         NULL, 0, deep, "")
#define CUT_BAD(blocks, count, programs, cache, cycles, remount, deep)       \
    PASS(cut_everywhere, blocks, count, programs, cache, cycles, 0, remount, \
         six, 6, deep, ", 6 bad")
#define BAD(blocks, count, programs, cache, cycles)                           \
    PASS(bad_everywhere, blocks, count, programs, cache, cycles, 0, 40, NULL, \
         0, 1, "")

/* Blocks, their number, programs, cache, cycles, mounts, recoveries cut. The
 * smaller the caches, the more programs to cut. */
static const struct pass passes[] = {
    CUT(512, 128, 16, 64, 1, 1, 2),
    CUT(512, 128, 16, 16, 100, 7, 8),
    CUT(128, 1024, 1, 32, 4, 3, 4),
    CUT(128, 1024, 8, 0, 1, 50, 2),
    CUT(4096, 64, 256, 0, 1, 5, 1),
    CUT(4096, 64, 16, 64, 3, 90, 4),
    PASS(cut_everywhere, 512, 128, 16, 0, 1, 0x20000, 4, NULL, 0, 1,
         ", upgraded"),
    CUT_BAD(512, 128, 16, 64, 1, 9, 2),
    CUT_BAD(4096, 64, 256, 0, 1, 9, 1),
    BAD(512, 128, 16, 64, 1),
    BAD(4096, 64, 256, 0, 1),
    BAD(128, 320, 8, 32, 2),
};

/* A reader has room enough to be quick; whoever recovers a volume of an older
 * version makes the newest of it. */
static void configure(struct fp_fs_config *cfg, const struct geometry *geo,
                      enum rig_role role)
{
    if (role == RIG_READER) {
        cfg->cache_size = geo->block_size;
        cfg->options = "mdirs=48,lookahead=128";
    } else if (role == RIG_RECOVERER && geo->cfg.version) {
        cfg->options = "upgrade=1";
    }
}

/* --- what is reachable --- */

static struct reach before, now;

static uint32_t unreadable(void)
{
    const uint32_t reads = FP_FAULT_READ_FAILS | FP_FAULT_READ_FLIPS;

    return here.bad && here.bad->bad & reads ? here.bad->block
                                             : pass->geo.block_count;
}

static const char *inspect(const struct fp_statfs *st)
{
    const char *what = reach_walk(&now, rig.mem, pass->geo.block_size,
                                  pass->geo.block_count, unreadable());

    if (!what && now.blocks != st->blocks_used)
        what = "blocks are lost: the driver counts more than are reachable";
    return what;
}

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

enum event {
    EVENT_SPLIT,
    EVENT_RELOCATION,
    EVENT_EXPANSION,
    EVENT_MERGE,
};

static uint32_t happened(void)
{
    uint32_t events = 0;

    if (hard_count(&now) > hard_count(&before))
        events |= 1u << EVENT_SPLIT;
    if (hard_count(&now) < hard_count(&before))
        events |= 1u << EVENT_MERGE;
    if (super_count(&now) > super_count(&before))
        events |= 1u << EVENT_EXPANSION;
    if (has_moved(&before, &now))
        events |= 1u << EVENT_RELOCATION;
    before = now;
    return events;
}

/* --- a program of others --- */

/* Not --settled: a torn append to a pair stays behind that pair's last commit
 * until the next write to it. And the tool looks for the destination of a move
 * along the thread only: where that is the new half of a half-orphan it takes
 * the move for a stale one. */
static const char *checker(const char *image, bool settled)
{
    static char command[600];

    (void)settled;
    if (unreadable() != pass->geo.block_count)
        return NULL; /* the tool cannot be told */
    snprintf(command, sizeof command,
             "f=%s; /usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py "
             "--block-size %u --prog-size %u%s $f >$f.txt || "
             "{ grep -q 'thread as.*half-orphan' $f.txt && "
             "! grep '^error\\|^warning\\|^unread' $f.txt | "
             "grep -qv 'stale move'; } || "
             "{ grep -v '^file\\|^dir' $f.txt >&2; false; }; "
             "s=$?; rm -f $f.txt; exit $s",
             image, pass->geo.block_size, pass->geo.prog_size,
             pass->geo.cfg.version ? " --upgraded" : "");
    return command;
}

const struct subject subject = {
    .name = "littlefs",
    .driver = { .ops = &fp_fs_littlefs, .configure = configure },
    .passes = passes,
    .pass_count = sizeof passes / sizeof *passes,
    .groups = { [OF_128] = "blocks of 128",
                [OF_512] = "blocks of 512",
                [OF_4096] = "blocks of 4096" },
    .fixed_blocks = 2, /* the superblock's pair */
    .inspect = inspect,
    .happened = happened,
    .events = { [EVENT_SPLIT] = "directory split",
                [EVENT_RELOCATION] = "relocation",
                [EVENT_EXPANSION] = "superblock expansion",
                [EVENT_MERGE] = "emptied continuation" },
    .checker = checker,
    .checker_name = "littlefs_check.py",
};
