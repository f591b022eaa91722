/* SPDX-License-Identifier: MIT */
#include "cli/image/opts.h"

#include "cli/image/kinds.h"

#include <stdlib.h>

int fpc_image_take_opts(const char *option, const char *fs,
                        enum fp_host_option_use use, const char *typed,
                        struct fp_fs_config *cfg, char **text)
{
    char why[FP_HOST_OPTION_WHY];
    int err;

    *text = NULL;
    if (fs && !fp_host_volume_driver(fp_host_drivers, fs)) {
        fpc_image_kinds_told(option, fs);
        return FPC_EXIT_USAGE;
    }
    err = fp_host_options_take(fs, use, typed, cfg, text, why);
    if (err == FP_OK)
        return FPC_EXIT_OK;
    fpc_error("%s %s", option, why);
    return err == FP_ERR_INVAL ? FPC_EXIT_USAGE : FPC_EXIT_FAILED;
}

int fpc_image_check_opts(const struct fpc_image *image)
{
    struct fp_fs_config cfg = image->cfg;
    char *text;
    int status;

    if (!image->opts || image->fs)
        return FPC_EXIT_OK;
    status =
        fpc_image_take_opts("--opt", image->host.vol.mnt.ops->name,
                            FP_HOST_OPTION_MOUNT, image->opts, &cfg, &text);
    free(text);
    return status;
}
