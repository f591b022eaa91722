/* SPDX-License-Identifier: MIT
 *
 * What --opt, and --from of convert, say of a volume (core/host/options.h).
 *
 * Memory  *text is the caller's, to be freed; NULL if there is none
 * Errors  exit codes, told on stderr
 */
#ifndef FPC_IMAGE_OPTS_H
#define FPC_IMAGE_OPTS_H

#include "cli/image/image.h"
#include "core/host/options.h"

/* `option` is what the sentences begin with. A filesystem that is not known is
 * told, too. */
int fpc_image_take_opts(const char *option, const char *fs,
                        enum fp_host_option_use use, const char *typed,
                        struct fp_fs_config *cfg, char **text);

/* What was typed before the filesystem was known, held against the one that was
 * found. */
int fpc_image_check_opts(const struct fpc_image *image);

#endif
