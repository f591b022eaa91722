/* SPDX-License-Identifier: MIT */
#include "core/host/drivers.h"

#include <string.h>

#if FP_WITH_LITTLEFS
#include "core/fs/littlefs/littlefs.h"
#endif
#if FP_WITH_FAT
#include "core/fs/fat/fat.h"
#endif
#if FP_WITH_SPIFFS
#include "core/fs/spiffs/spiffs.h"
#endif
#if FP_WITH_MINIFS
#include "core/fs/minifs/minifs.h"
#endif
#if FP_WITH_BONSAI
#include "core/fs/bonsai/bonsai.h"
#endif
#if FP_WITH_RAW
#include "core/fs/raw/raw.h"
#endif

/* Those that search a volume come after those that look in one place. */
const struct fp_fs_ops *const fp_host_drivers[] = {
#if FP_WITH_LITTLEFS
    &fp_fs_littlefs,
#endif
#if FP_WITH_FAT
    &fp_fs_fat,
#endif
#if FP_WITH_BONSAI
    &fp_fs_bonsai,
#endif
#if FP_WITH_SPIFFS
    &fp_fs_spiffs,
#endif
#if FP_WITH_MINIFS
    &fp_fs_minifs,
#endif
#if FP_WITH_RAW
    &fp_fs_raw,
#endif
    NULL,
};

bool fp_host_drivers_is_same(const struct fp_mount *mnt, const char *a,
                             const char *b)
{
#if FP_WITH_FAT
    if (mnt->ops == &fp_fs_fat)
        return fp_fat_is_same(a, b);
#endif
    (void)mnt;
    return strcmp(a, b) == 0;
}

uint32_t fp_host_drivers_prog_size(struct fp_mount *mnt)
{
    uint32_t size = 0;

#if FP_WITH_LITTLEFS
    if (mnt->ops == &fp_fs_littlefs &&
        fp_littlefs_prog_size(mnt, &size) != FP_OK)
        size = 0;
#endif
    (void)mnt;
    return size;
}
