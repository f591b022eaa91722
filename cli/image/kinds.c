/* SPDX-License-Identifier: MIT */
#include "cli/image/kinds.h"

#include "cli/image/image.h"

#include <string.h>

static const struct fpc_image_kind kinds[] = {
    { "littlefs", 4096, 16, 2, false, true,
      "version=2.0 or 2.1, name_max=N (create)" },
    { "fat", 512, 512, 64, true, true, NULL },
    { "spiffs", 4096, 1, 5, false, false,
      "name_len, meta_len, magic, magic_length, aligned, id_bytes, erase, "
      "addr" },
    { "minifs", 4096, 1, 4, false, false, "version=N, big=1" },
    { "bonsai", 256, 4, 8, false, false, "start=ADDRESS" },
    { "raw", 4096, 1, 1, false, false, "NAME=OFFSET+SIZE[:ro],..." },
};

static const struct fpc_image_kind other = {
    "", 4096, 1, 2, false, false, NULL
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

void fpc_image_kinds_told(const char *wanted)
{
    char list[200] = "";

    for (const struct fp_fs_ops *const *ops = fp_host_drivers; *ops; ops++) {
        if (list[0])
            strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, (*ops)->name, sizeof list - strlen(list) - 1);
    }
    fpc_error("--fs %s: not known; there is %s", wanted, list);
}
