#include "core/fs/fat/vol.h"
int fp_fat_step_ro(struct fp_mount *mnt, struct fp_step *step){(void)mnt;step->done=true;return 0;}
int fp_fat_step(struct fp_mount *mnt, struct fp_step *step){(void)mnt;step->done=true;return 0;}
