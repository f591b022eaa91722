/* SPDX-License-Identifier: MIT
 *
 * What check.c and check_repair.c share: how far a check has come, and what is
 * asked for when something is to be put right.
 */
#ifndef FP_CORE_FS_FAT_CHECK_H
#define FP_CORE_FS_FAT_CHECK_H

#include "core/fs/fat/vol.h"

enum fp_fat_phase {
    FP_FAT_START,
    FP_FAT_WALK,
    FP_FAT_OPEN,
    FP_FAT_TABLE,
    FP_FAT_COPIES,
    FP_FAT_COUNT,
};

struct fp_fat_check {
    uint32_t phase;
    uint32_t window;  /* the first cluster of this pass */
    uint32_t changes; /* fs->changes when this was so */
    uint32_t table;   /* the next cluster, or sector, of the table */
    uint32_t free;
    struct fp_fat_cursor at; /* in the directory that is walked */
    uint32_t enter;          /* a directory below it, to be walked next */
    uint32_t dirs;           /* walked so far */
    uint32_t cluster, left;  /* of the chain that is followed; 0: none */
    uint32_t sector;         /* of its entry */
    bool is_dir;             /* it is a directory's */
};

enum fp_fat_fix {
    FP_FAT_FIX_END,    /* a chain is to end at cluster a */
    FP_FAT_FIX_PARENT, /* ".." of the directory at a is to be b */
    FP_FAT_FIX_MOVE,   /* the move into `place` */
    FP_FAT_FIX_LOST,   /* cluster a is to be free */
    FP_FAT_FIX_COPY,   /* the table's window is to go to all copies */
    FP_FAT_FIX_COUNT,  /* a clusters are free, b errors were found */
};

typedef void (*fp_fat_fix_fn)(struct fp_fat *fs, enum fp_fat_fix what,
                              uint32_t a, uint32_t b,
                              struct fp_fat_place *place);

/* A slice. fix NULL: nothing is written. */
int fp_fat_check(struct fp_fat *fs, struct fp_step *step, fp_fat_fix_fn fix);

#endif
