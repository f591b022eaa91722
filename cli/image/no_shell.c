/* SPDX-License-Identifier: MIT
 *
 * image shell in a build without libedit.
 */
#include "cli/image/image.h"

int fpc_image_shell(struct fpc_image *image)
{
    fpc_error("%s: this build of flashport has no shell: each of its commands "
              "is a verb of flashport image too",
              image->path);
    return FPC_EXIT_FAILED;
}
