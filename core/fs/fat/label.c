/* SPDX-License-Identifier: MIT
 *
 * The volume's label: an entry of the root. Source: the format page, directory
 * entries.
 */
#include "core/fs/fat/fat.h"
#include "core/fs/fat/vol.h"

int fp_fat_label(struct fp_mount *mnt, char label[FP_FAT_LABEL_MAX + 1])
{
    struct fp_fat *fs = fp_fat_enter(mnt);
    struct fp_fat_cursor at;
    const uint8_t *raw;
    uint32_t n = 0;

    fp_fat_cursor_start(&at, fs->root_cluster);
    while ((raw = fp_fat_slot(fs, &at)) && raw[0]) {
        if (raw[0] == FP_FAT_FREE || !(raw[FP_FAT_AT_ATTR] & FP_FAT_LABEL) ||
            (raw[FP_FAT_AT_ATTR] & 0x3f) == FP_FAT_LONG)
            continue;
        n = fp_fat_trim(raw, FP_FAT_LABEL_MAX);
        memcpy(label, raw, n);
        break;
    }
    label[n] = '\0';
    return fs->err;
}
