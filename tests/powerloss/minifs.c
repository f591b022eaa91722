/* SPDX-License-Identifier: MIT
 *
 * minifs in the power loss campaign: small and large blocks, programmed by the
 * byte, by the page and whole, and on flash that takes no second program but
 * lands each whole. The checker is minifs_check.py.
 */
#include "core/fs/minifs/minifs.h"
#include "tests/powerloss/campaign.h"

#include <stdio.h>

enum {
    OF_256,
    OF_1024
};

#define CUT(blocks, count, programs, flags, remount_every, rarely, more) \
    {                                                                    \
        .run = cut_everywhere,                                           \
        .name = "blocks of " #blocks ", programs of " #programs more,    \
        .group = OF_##blocks,                                            \
        .geo = { .prog_size = (programs),                                \
                 .block_size = (blocks),                                 \
                 .block_count = (count),                                 \
                 .medium = (flags),                                      \
                 .cfg = { .block_size = (blocks) },                      \
                 .remount = (remount_every) },                           \
        .plan = { .deep = (rarely) },                                    \
    }

static const struct pass passes[] = {
    CUT(256, 32, 1, 0, 1, 2, ""),
    CUT(256, 20, 64, 0, 7, 4, ""),
    CUT(1024, 90, 16, 0, 3, 8, ""),
    CUT(1024, 90, 256, FP_BDEV_ERASED_FF | FP_BDEV_ATOMIC_PROG, 5, 8,
        ", whole"),
};

static const char *checker(const char *image, bool settled)
{
    static char command[600];

    /* A torn erase may leave a header over half of the entries. We pass over
     * such a block (core/fs/minifs/mount.c), the tool does not; where old
     * metadata can be unmarked before its erase there is none. */
    if (!settled && pass->geo.medium)
        return NULL;
    snprintf(command, sizeof command,
             "/usr/bin/python3 " FP_TEST_TOOLS "/minifs_check.py "
             "--block-size %u %s %s >%s.txt; s=$?; rm -f %s.txt; exit $s",
             pass->geo.block_size, settled ? "--settled" : "", image, image,
             image);
    return command;
}

const struct subject subject = {
    .name = "minifs",
    .driver = { .ops = &fp_fs_minifs },
    .passes = passes,
    .pass_count = sizeof passes / sizeof *passes,
    .groups = { [OF_256] = "blocks of 256", [OF_1024] = "blocks of 1024" },
    .checker = checker,
    .checker_name = "minifs_check.py",
};
