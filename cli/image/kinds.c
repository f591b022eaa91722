/* SPDX-License-Identifier: MIT */
#include "cli/image/kinds.h"

#include "cli/image/image.h"

#include <string.h>

static const struct fpc_image_kind kinds[] = {
    { .fs = "littlefs",
      .block_size = 4096,
      .prog_size = 16,
      .least_blocks = 2,
      .states_size = true,
      .mends = "moves, directories and superblocks that a power cut left half "
               "changed" },
    { .fs = "fat",
      .block_size = 512,
      .prog_size = 512,
      .least_blocks = 64,
      .time_step_ns = 2000000000,
      .card = true,
      .states_size = true,
      .sized_root = true,
      .host_opts = "check=1048576,names=131072",
      .mends = "lost clusters, chains longer than their files, moves left half "
               "done, copies of the table that differ and the count of free "
               "clusters" },
    { .fs = "spiffs",
      .block_size = 4096,
      .prog_size = 1,
      .least_blocks = 5,
      .whole_path = true,
      .empty_needs = "--block-size, --page-size and --opt, as far as they are "
                     "not the usual ones",
      .mends = "pages of no file, and writes and deletes that a power cut left "
               "half done" },
    { .fs = "minifs",
      .block_size = 4096,
      .prog_size = 1,
      .least_blocks = 4,
      .no_folders = true,
      .empty_needs = "--block-size",
      .mends = "a second metadata block that a power cut left" },
    { .fs = "bonsai",
      .block_size = 256,
      .prog_size = 4,
      .least_blocks = 8,
      .slashed = true,
      .mends = "a journal not yet applied, rows in use by no file and the "
               "address behind the last file" },
    { .fs = "raw",
      .block_size = 4096,
      .prog_size = 1,
      .least_blocks = 1,
      .no_folders = true },
};

static const struct fpc_image_kind other = {
    .fs = "",
    .block_size = 4096,
    .prog_size = 1,
    .least_blocks = 2,
};

const struct fpc_image_kind *fpc_image_kind(const char *fs)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].fs, fs) == 0)
            return &kinds[i];
    return &other;
}

const struct fpc_image_kind *fpc_image_kind_at(unsigned n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (fp_host_volume_driver(fp_host_drivers, kinds[i].fs) && n-- == 0)
            return &kinds[i];
    return NULL;
}

void fpc_image_kinds_told(const char *option, const char *wanted)
{
    char list[200] = "";

    for (const struct fp_fs_ops *const *ops = fp_host_drivers; *ops; ops++) {
        if (list[0])
            strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, (*ops)->name, sizeof list - strlen(list) - 1);
    }
    fpc_error("%s %s: no filesystem of this name is known; there is %s", option,
              wanted, list);
}
