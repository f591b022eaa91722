/* SPDX-License-Identifier: MIT
 *
 * What of one volume another one could not keep, path by path.
 *
 * Memory  the list owns its texts; fpc_losses_clear() frees them
 */
#ifndef FPC_IMAGE_LOSSES_H
#define FPC_IMAGE_LOSSES_H

#include "core/fs/fs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct fpc_losses {
    struct fpc_loss {
        char *path, *text;
    } * items;
    size_t count;
    size_t times;   /* of so many files none is kept */
    size_t rounded; /* kept to two seconds, as FAT has them: no loss */
    /* private */
    size_t room;
};

void fpc_losses_clear(struct fpc_losses *losses);
/* False: out of memory. */
bool fpc_losses_add(struct fpc_losses *losses, const char *path,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds the folder `name` if it is not in the volume, although it was made:
 * where folders are there by the names of files, the empty ones are not. An
 * enum fp_error. */
int fpc_losses_add_hollow(struct fpc_losses *losses, struct fp_mount *mnt,
                          const char *name);
/* Nothing is lost. */
bool fpc_losses_none(const struct fpc_losses *losses);
/* A line each, on stdout. */
void fpc_losses_print(const struct fpc_losses *losses, const char *fs);
/* [{"path", "path_hex"?, "text"}]; the caller's. */
json_t *fpc_losses_json(const struct fpc_losses *losses);

#endif
