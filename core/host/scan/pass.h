/* SPDX-License-Identifier: MIT
 *
 * What the files of the scan share. Private to this folder.
 *
 * A finder knows one format's mark: next() finds it in a window of the dump,
 * look() judges what was found. Everything a finder believes goes through
 * fp_host_scan_settle(), which is the probe and the mount.
 */
#ifndef FP_CORE_HOST_SCAN_PASS_H
#define FP_CORE_HOST_SCAN_PASS_H

#include "core/host/scan/scan.h"
#include "core/host/view.h"

/* A window: candidates in its first WINDOW bytes, and what finders want to see
 * behind a candidate. */
#define FP_HOST_SCAN_WINDOW (1u << 20)
#define FP_HOST_SCAN_AHEAD  65536u

/* The most that a volume's size by itself takes of the budget. */
#define FP_HOST_SCAN_DEAREST (12u << 20)

#define FP_HOST_SCAN_FINDERS 8

struct fp_host_scan_pass {
    struct fp_host_scan *scan;
    const struct fp_host_scan_config *cfg;
    struct fp_bdev *dev;
    uint64_t size; /* of dev */

    uint64_t budget;           /* what candidates may still cost */
    struct fp_host_view view;  /* of a candidate */
    struct fp_host_view eye;   /* of the dump, on the budget: for peek() */
    struct fp_host_view whole; /* of the dump, for passing over it */

    uint64_t win_at, win_end; /* candidates lie in [win_at, win_end) */
    uint32_t win_size;        /* bytes in buf */
    uint8_t *buf;
    uint64_t hits
        [FP_HOST_SCAN_FINDERS]; /* each finder's next candidate in the window */
    uint64_t read_on;           /* bytes read since there was a volume */
    bool is_in_parts;

    /* Where the volume in question may lie: behind what is taken already,
     * within a partition. */
    uint64_t floor, limit;
    bool is_head; /* floor is where the dump or a partition begins */
};

struct fp_host_scan_finder {
    const char *fs; /* NULL: finds tables */
    /* The first candidate at or behind `from`, else pass->win_end. */
    uint64_t (*next)(const struct fp_host_scan_pass *pass, uint64_t from);
    /* FP_OK: *found is the volume, its size at least what it has in use.
     * FP_ERR_NOENT: none is here. Another error ends the scan. */
    int (*look)(struct fp_host_scan_pass *pass, uint64_t at,
                struct fp_host_region *found);
    /* For formats that do not state their size: how far it may plausibly go,
     * at most to `limit`. */
    uint64_t (*grow)(struct fp_host_scan_pass *pass,
                     const struct fp_host_region *volume, uint64_t limit);
};

extern const struct fp_host_scan_finder fp_host_scan_littlefs, fp_host_scan_fat,
    fp_host_scan_mbr, fp_host_scan_bonsai, fp_host_scan_spiffs,
    fp_host_scan_minifs, fp_host_scan_esp;

/* mark[0..size) in the window, `before` bytes behind a candidate. */
uint64_t fp_host_scan_find(const struct fp_host_scan_pass *pass, uint64_t from,
                           const void *mark, uint32_t size, uint32_t before);

/* The bytes of the window from `at` on; *size: how many of them. */
const uint8_t *fp_host_scan_bytes(const struct fp_host_scan_pass *pass,
                                  uint64_t at, uint32_t *size);

/* Reads buf[0..size) of the dump; what is behind its end is 0xff. */
int fp_host_scan_peek(struct fp_host_scan_pass *pass, uint64_t at, void *buf,
                      uint32_t size);

/* Are the bytes [at, at + size) all 0xff? 1, 0, or an error. */
int fp_host_scan_is_erased(struct fp_host_scan_pass *pass, uint64_t at,
                           uint64_t size);

/* NULL where this build or the caller does without it. */
const struct fp_fs_ops *fp_host_scan_driver(
    const struct fp_host_scan_pass *pass, const char *fs);

/* How sure the driver is; 0: not at all. */
int fp_host_scan_score(struct fp_host_scan_pass *pass,
                       const struct fp_fs_ops *ops, uint64_t at, uint64_t size,
                       const struct fp_fs_config *cfg);

/* Is there a volume of this driver at `at`, of `size` bytes? Probes, mounts, and
 * fills *found. One that states its size is believed that, and `size`, what its
 * mark says, may be more than there is. FP_ERR_NOENT: no. */
int fp_host_scan_settle(struct fp_host_scan_pass *pass,
                        const struct fp_fs_ops *ops,
                        const struct fp_fs_config *cfg, uint64_t at,
                        uint64_t size, bool states_size,
                        struct fp_host_region *found);

/* Of the files that have content. */
struct fp_host_scan_reads {
    uint32_t good, bad; /* can be read, cannot */
};

bool fp_host_scan_reads_better(struct fp_host_scan_reads a,
                               struct fp_host_scan_reads b);

/* The same for a SPIFFS, with the options that fit it best; *reads: how well. */
int fp_host_scan_settle_spiffs(struct fp_host_scan_pass *pass,
                               uint32_t block_size, uint32_t page_size,
                               uint64_t at, uint64_t size,
                               struct fp_host_region *found,
                               struct fp_host_scan_reads *reads);

/* Calls fn with the mounted volume of a region, as settle() does. */
int fp_host_scan_with(struct fp_host_scan_pass *pass,
                      const struct fp_fs_ops *ops,
                      const struct fp_fs_config *cfg, uint64_t at,
                      uint64_t size, int (*fn)(struct fp_mount *mnt, void *ctx),
                      void *ctx);

/* The end of the last block in use, counted from the volume's start. */
int fp_host_scan_used_end(struct fp_mount *mnt, void *end);

/* Takes the dump to have this region, or partition; FP_ERR_NOMEM. */
int fp_host_scan_add(struct fp_host_scan *scan,
                     const struct fp_host_region *region);
int fp_host_scan_add_part(struct fp_host_scan *scan,
                          const struct fp_host_part *part);

/* The index of the first region that begins behind `at`. */
size_t fp_host_scan_behind(const struct fp_host_scan *scan, uint64_t at);
/* The region that has byte `at`, or NULL. */
struct fp_host_region *fp_host_scan_region_at(const struct fp_host_scan *scan,
                                              uint64_t at);

/* Describes the gaps between the regions there are, as further regions. */
int fp_host_scan_gaps(struct fp_host_scan_pass *pass);

#endif
