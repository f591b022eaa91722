/* SPDX-License-Identifier: MIT
 *
 * A medium in memory with a volume on it, of which everything, the mount
 * included, can be put aside and brought back quickly: only blocks that were
 * written since are copied. What a power cut is tried on thousands of times.
 *
 * Memory  rig_init() allocates, rig_free() gives back; what cannot be had ends
 *         the program
 * Errors  those of the volume
 */
#ifndef FP_TESTS_POWERLOSS_RIG_H
#define FP_TESTS_POWERLOSS_RIG_H

#include "core/bdev/fault.h"
#include "core/bdev/ram.h"
#include "core/fs/fs.h"

struct geometry {
    uint32_t prog_size, block_size, block_count;
    uint32_t medium;         /* FP_BDEV_*; 0: NOR, as ram.h has it */
    uint32_t read_size;      /* 0: 1 */
    struct fp_fs_config cfg; /* its version is for the format alone */
    uint32_t remount;        /* the volume is mounted afresh every so many
                                steps, 1 or more */
    bool wrapped;            /* the volume lies on the subject's adapter */
};

/* As whom the volume is mounted. */
enum rig_role {
    RIG_USER,      /* with the geometry's configuration: what is tried */
    RIG_RECOVERER, /* likewise, but the subject may say otherwise */
    RIG_READER     /* read-only, in a workspace of its own */
};

/* What a driver brings to the rig. All but ops may be missing. */
struct rig_driver {
    const struct fp_fs_ops *ops;
    /* Changes the configuration for some role. */
    void (*configure)(struct fp_fs_config *cfg, const struct geometry *geo,
                      enum rig_role role);
    /* An adapter over `under` in state[0..wrap_size), as on a device that has
     * just started: what of its work a cut left undone may be done here. An
     * error (`*err`): it cannot be; a cut while it was starting, say. */
    struct fp_bdev *(*wrap)(void *state, struct fp_bdev *under, int *err);
    size_t wrap_size;
};

/* What can be brought back, each on its own. */
enum rig_level {
    RIG_BEFORE, /* a step */
    RIG_AFTER,  /* it */
    RIG_CUT,    /* as the first cut left it */
    RIG_LEVELS
};

struct rig_copy {
    uint8_t *mem, *dirty; /* dirty: a byte a block that may differ from mem */
    struct fp_mount mnt;
    uint8_t *ws, *wrap;
};

struct rig {
    const struct rig_driver *driver;
    const struct geometry *geo;
    struct fp_bdev_fault fault; /* what the volume, or its adapter, lies on */
    struct fp_mount mnt;
    uint8_t *mem; /* the medium */
    size_t mem_size;
    /* private */
    struct fp_bdev watch; /* between fault and ram: sees what is written */
    struct fp_bdev_ram ram;
    uint8_t *scratch, *ws, *reader_ws, *wrap;
    size_t ws_size, reader_ws_size;
    struct rig_copy copies[RIG_LEVELS];
    const struct fp_fault_block *bad;
    uint32_t bad_count;
};

void rig_init(struct rig *rig, const struct rig_driver *driver,
              const struct geometry *geo);
void rig_free(struct rig *rig);

/* An erased medium, and an empty volume on it, not mounted. From now on the
 * blocks in bad[0..count), which is borrowed, are bad. */
int rig_format(struct rig *rig, const struct fp_fault_block *bad,
               uint32_t count);
void rig_bad(struct rig *rig, const struct fp_fault_block *bad, uint32_t count);

/* Power on, and the volume mounted as by a device that has just started:
 * whatever was mounted is forgotten. */
int rig_mount(struct rig *rig, enum rig_role role);
/* The same, but a cut that was ordered may come while it starts. */
int rig_start(struct rig *rig, enum rig_role role);

void rig_save(struct rig *rig, enum rig_level level);
void rig_restore(struct rig *rig, enum rig_level level);

/* Cuts the power in the nth program or erase from now. The same seed tears
 * the same bits. */
void rig_cut(struct rig *rig, uint32_t nth, enum fp_fault_tear tear,
             uint64_t seed);
/* Calls it off. False: the power had gone. */
bool rig_survived(struct rig *rig);

/* Into a file of this name, for whoever looks at it. */
bool rig_write_image(const struct rig *rig, const char *path);

#endif
