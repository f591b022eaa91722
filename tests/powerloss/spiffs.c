/* SPDX-License-Identifier: MIT
 *
 * SPIFFS in the power loss campaign: small pages, so that files have index
 * pages of their own, and what ships; with and without magic. The checker is
 * spiffs_check.py.
 */
#include "core/fs/spiffs/spiffs.h"
#include "tests/powerloss/campaign.h"

#include <stdio.h>
#include <string.h>

enum {
    OF_SMALL,
    OF_USUAL
};

#define CUT(of, blocks, count, pages, programs, opts, mounts, recoveries) \
    {                                                                     \
        cut_everywhere,                                                   \
            "blocks of " #blocks ", pages of " #pages                     \
            ", programs of " #programs ", " opts,                         \
            of,                                                           \
            { .prog_size = (programs),                                    \
              .block_size = (blocks),                                     \
              .block_count = (count),                                     \
              .cfg = { .block_size = (blocks),                            \
                       .page_size = (pages),                              \
                       .options = (opts) },                               \
              .remount = (mounts) },                                      \
        {                                                                 \
            .deep = (recoveries)                                          \
        }                                                                 \
    }

/* Recoveries are cut in one of so many steps, each number drawing others: first
 * the step that creates a large file, then some of another kind in each pass,
 * one of which is in the run of one step in seven too. */
static const struct pass passes[] = {
    CUT(OF_SMALL, 1024, 128, 64, 1, "name_len=32", 1, 224),
    CUT(OF_SMALL, 1024, 96, 128, 1, "meta_len=4", 7, 338),
    CUT(OF_SMALL, 1024, 96, 128, 16, "magic=0", 3, 144),
    CUT(OF_USUAL, 4096, 64, 256, 1, "meta_len=4", 5, 217),
    CUT(OF_USUAL, 8192, 32, 256, 4, "aligned=1", 50, 337),
    CUT(OF_USUAL, 4096, 64, 256, 1, "id_bytes=4", 9, 456),
};

/* --- a program of others --- */

static uint32_t option(const char *name, uint32_t without)
{
    return fp_fs_option(pass->geo.cfg.options, name, without);
}

/* What a cut left is pending for the tool, with these exceptions: it knows
 * words that landed by the byte, not by the bit; it takes whichever version of
 * an index page, or of two files of one name, it finds first where
 * core/fs/spiffs/commit.c knows the newer;
 * and without magic an erase cut short shows as nothing else. What has been
 * settled has no exceptions. */
#define MAY_BE                                                             \
    "flag says the opposite|page header says id|span [0-9]+ |index page "  \
    "[0-9]+ is|erase count was never|lookup says free|is used after free|" \
    "belongs to objects"

static const char *checker(const char *image, bool settled)
{
    const char *counts = settled ? "error|warning|pending" : "error|warning";
    const char *may = settled ? "^$" : MAY_BE;
    static char command[900];

    snprintf(command, sizeof command,
             "f=%s; /usr/bin/python3 " FP_TEST_TOOLS "/spiffs_check.py $f %s "
             "--page-size %u --block-size %u --name-len %u --meta-len %u "
             "--magic %u --magic-length %u --aligned %u --id-bytes %u >$f.txt; "
             "s=$?; [ $s != 1 ] || grep -E '^(%s)' $f.txt | grep -Evq '%s' || "
             "s=0; [ $s = 0 ] || grep -v '^file' $f.txt >&2; rm -f $f.txt; "
             "exit $s",
             image, settled ? "--settled" : "", pass->geo.cfg.page_size,
             pass->geo.block_size, option("name_len", 32),
             option("meta_len", 0), option("magic", 1),
             option("magic_length", 1), option("aligned", 0),
             option("id_bytes", 2), counts, may);
    return command;
}

const struct subject subject = {
    .name = "spiffs",
    .driver = { .ops = &fp_fs_spiffs },
    .passes = passes,
    .pass_count = sizeof passes / sizeof *passes,
    .groups = { [OF_SMALL] = "small pages", [OF_USUAL] = "pages of 256" },
    .checker = checker,
    .checker_name = "spiffs_check.py",
};
