/* SPDX-License-Identifier: MIT
 *
 * Bonsai in the power loss campaign. The checker, bonsai_check.py, does not know
 * the journal: it sees what is settled only, and with --reference, because
 * the address of free space is put right by a sync and not before. What is done
 * to directories is in tests/unit/test_bonsai.c.
 */
#include "core/fs/bonsai/bonsai.h"
#include "tests/powerloss/campaign.h"

#include <stdio.h>

#define CUT(blocks, count, programs, remount_every, few, rarely) \
    {                                                            \
        .run = cut_everywhere,                                   \
        .name = "rows of " #blocks ", programs of " #programs,   \
        .geo = { .prog_size = (programs),                        \
                 .block_size = (blocks),                         \
                 .block_count = (count),                         \
                 .cfg = { .options = "start=0x1d000" },          \
                 .remount = (remount_every) },                   \
        .plan = { .deep = (rarely), .every = (few) },            \
    }

static const struct pass passes[] = {
    CUT(256, 256, 64, 1, 2, 20),
    CUT(64, 1024, 16, 9, 8, 8),
};

static const char *checker(const char *image, bool settled)
{
    static char command[600];

    if (!settled)
        return NULL;
    snprintf(command, sizeof command,
             "/usr/bin/python3 " FP_TEST_TOOLS "/bonsai_check.py "
             "--start 0x1d000 --reference %s >%s.txt; s=$?; rm -f %s.txt; "
             "exit $s",
             image, image, image);
    return command;
}

const struct subject subject = {
    .name = "bonsai",
    .driver = { .ops = &fp_fs_bonsai },
    .passes = passes,
    .pass_count = sizeof passes / sizeof *passes,
    .groups = { "rows" },
    .checker = checker,
    .checker_name = "bonsai_check.py",
};
