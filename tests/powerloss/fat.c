/* SPDX-License-Identifier: MIT
 *
 * FAT in the power loss campaign: cards of sectors that land whole, of all
 * three widths, and NOR flash under the sector adapter. The checker is
 * dosfstools' fsck.fat: what was cut may have lost clusters, chains that are
 * longer than their file, tables that differ, and where an entry was moved to
 * another sector two that name one chain; what was repaired has nothing.
 */
#include "core/fs/fat/fat.h"
#include "tests/powerloss/campaign.h"
#include "tests/sector_stack.h"

#include <stdio.h>

enum {
    OF_512,
    OF_4096,
    ON_FLASH
};

#define CUT(size, count, what, opts, mounts, recoveries)         \
    {                                                            \
        cut_everywhere, what, OF_##size,                         \
            { .prog_size = (size),                               \
              .block_size = (size),                              \
              .block_count = (count),                            \
              .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG, \
              .cfg = { .options = (opts) },                      \
              .remount = (mounts) },                             \
        {                                                        \
            .deep = (recoveries)                                 \
        }                                                        \
    }

/* Flash, of which the last eighth is the adapter's reserve. */
#define FLASH(prog, block, count, what, mounts, recoveries) \
    {                                                       \
        cut_everywhere, what, ON_FLASH,                     \
            { .prog_size = (prog),                          \
              .block_size = (block),                        \
              .block_count = (count),                       \
              .remount = (mounts),                          \
              .wrapped = true },                            \
        {                                                   \
            .deep = (recoveries)                            \
        }                                                   \
    }

static const struct pass passes[] = {
    CUT(512, 512, "FAT12", NULL, 1, 2),
    CUT(512, 800, "FAT12, clusters of 1024, one table, small root",
        "cluster=1024,fats=1,root=32", 7, 8),
    CUT(4096, 128, "FAT12, sectors of 4096", NULL, 3, 4),
    CUT(512, 4300, "FAT16", "bits=16,cluster=512", 5, 4),
    CUT(512, 66700, "FAT32", "bits=32,cluster=512,check=16384", 9, 16),
    FLASH(16, 1024, 296, "FAT12, blocks of 1024", 3, 200),
    FLASH(256, 4096, 74, "FAT12, blocks of 4096", 5, 2000),
};

/* What the tool may say of a volume in order: what it always says, and that
 * nobody unmounted it. */
#define SETTLED                                                         \
    "^$\\|^fsck.fat\\|^Dirty bit\\|Automatically removing dirty bit\\|" \
    "^Leaving filesystem unchanged\\|files, .* clusters$\\|"            \
    "not properly unmounted"
/* And of one that was cut. */
#define CUT_LEAVES                                                        \
    SETTLED "\\|FATs differ but\\|Using first FAT\\|Reclaimed .* unused " \
            "cluster\\|Reclaiming unconnected clusters\\|cluster chain "  \
            "length is [>0]\\|Truncating file to\\|Free cluster summary " \
            "wrong\\|Auto-correcting\\|^/\\|  and\\|share clusters\\|"    \
            "Truncating second to\\|file size is\\|Invalid .... entry"

static const char *checker(const char *image, bool settled)
{
    static char command[1200];

    snprintf(command, sizeof command,
             "f=%s; /usr/sbin/fsck.fat -n $f 2>&1 | "
             "grep -v '%s' >$f.txt; s=$?; cat $f.txt >&2; rm -f $f.txt; "
             "test $s = 1",
             image, settled ? SETTLED : CUT_LEAVES);
    return command;
}

const struct subject subject = {
    .name = "fat",
    .driver = { .ops = &fp_fs_fat,
                .wrap = sector_stack_start,
                .wrap_size = sizeof(struct sector_stack) },
    .passes = passes,
    .pass_count = sizeof passes / sizeof *passes,
    .groups = { [OF_512] = "sectors of 512",
                [OF_4096] = "sectors of 4096",
                [ON_FLASH] = "flash, by the sector adapter" },
    .checker = checker,
    .checker_name = "fsck.fat",
};
