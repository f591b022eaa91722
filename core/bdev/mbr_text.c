/* SPDX-License-Identifier: MIT */
#include "core/bdev/mbr.h"

const char *fp_bdev_mbr_text(uint8_t why)
{
    static const char *const texts[] = {
        [FP_MBR_FINE] = "nothing is the matter",
        [FP_MBR_NO_TABLE] = "there is no partition table: it is erased, or of "
                            "a kind that is not known",
        [FP_MBR_BARE] = "there is no partition table: one volume fills it",
        [FP_MBR_EXFAT] = "it is formatted as exFAT, which is not supported: "
                         "copy its files elsewhere, then format it as FAT32",
        [FP_MBR_GPT] = "it has a GPT partition table, which is not supported: "
                       "copy its files elsewhere, then give it an MBR (DOS) "
                       "table and format it as FAT32",
        [FP_MBR_BEYOND_END] =
            "it ends behind the end of the device: the table was made for a "
            "larger one, or the image is cut off",
        [FP_MBR_OVERLAPS] =
            "it overlaps another partition or the table itself: copy its "
            "files elsewhere, then partition the device anew",
    };

    return why < sizeof texts / sizeof texts[0] ? texts[why]
                                                : texts[FP_MBR_NO_TABLE];
}
