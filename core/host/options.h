/* SPDX-License-Identifier: MIT
 *
 * The options of every driver, as people type them: "K=V,K=V". A driver takes
 * what it knows and makes the best of the rest, as a device has no room to
 * argue. Here is what each takes, and what is wrong with anything else, for
 * programs on a host.
 *
 * A number is decimal or 0x..., K, M or G may follow; drivers read none of
 * these letters, so that they get a text in which all numbers are written out.
 * What is a field of struct fp_fs_config goes there.
 *
 * Memory  fp_host_options_take() gives the caller a text, to be freed
 * Errors  FP_ERR_INVAL, a sentence says what is wrong and what would be right
 */
#ifndef FP_CORE_HOST_OPTIONS_H
#define FP_CORE_HOST_OPTIONS_H

#include "core/fs/fs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a volume is about to go through. */
enum fp_host_option_use {
    FP_HOST_OPTION_MOUNT = 1,
    FP_HOST_OPTION_FORMAT = 2, /* and a mount, to be filled */
    FP_HOST_OPTION_DEVICE = 4, /* either, on a device, by its agent: ro and
                                  geometry too, and all of it in the text */
};

enum {
    FP_HOST_OPTION_WHY = 400, /* bytes of a sentence */
    FP_HOST_OPTION_TEXT = 48,
};

/* Takes the options that are `typed` for a volume of `fs`; NULL: it is not
 * known yet, and what any filesystem takes is taken. On success *text is for
 * cfg.options, NULL if there is nothing for it. */
int fp_host_options_take(const char *fs, enum fp_host_option_use use,
                         const char *typed, struct fp_fs_config *cfg,
                         char **text, char why[FP_HOST_OPTION_WHY]);

/* The n-th option of `fs`, as "bits=12|16|32" or "name_max=1..255"; false
 * behind the last. *uses: when it is taken, FP_HOST_OPTION_*. */
bool fp_host_option_at(const char *fs, unsigned n,
                       char text[FP_HOST_OPTION_TEXT], unsigned *uses);

/* A number that people type, 0 to `most`: decimal or 0x, K, M or G behind it. */
bool fp_host_number(const char *text, uint64_t most, uint64_t *value);

#endif
