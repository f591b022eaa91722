/* SPDX-License-Identifier: MIT
 *
 * Tar archives in a build without libarchive: the answer to who asks for one.
 */
#define _POSIX_C_SOURCE 200809L
#include "cli/command.h"
#include "cli/image/sink.h"
#include "cli/image/source.h"

static int say(const char *path)
{
    fpc_error("%s: this build of flashport has no tar archives: name a "
              "directory",
              path);
    return FPC_EXIT_FAILED;
}

int fpc_sources_tar(struct fpc_sources *list, const char *path)
{
    *list = (struct fpc_sources){ 0 };
    return say(path);
}

static int tar_open(struct fpc_sink *sink, const char *path)
{
    (void)sink;
    return say(path);
}

const struct fpc_sink_ops fpc_sink_tar = {
    .open = tar_open, /* which nothing follows */
};
