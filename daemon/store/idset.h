/* SPDX-License-Identifier: MIT
 *
 * A set of digests (16 bytes each) in memory: what a builder pins, what a sweep
 * has found alive. Private to daemon/store.
 *
 * Memory  zeroed is empty; _deinit() frees; at most about 32 bytes a digest
 * Thread  one at a time
 */
#ifndef FPD_STORE_IDSET_H
#define FPD_STORE_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fpd_idset {
    /* private */
    uint8_t (*ids)[16]; /* zeros: free */
    size_t size;        /* a power of two, or 0 */
    size_t count;
    uint64_t seed;
    bool has_zero;
};

/* 1: it was not in yet; 0: it was; FP_ERR_NOMEM. */
int fpd_idset_add(struct fpd_idset *set, const uint8_t id[16]);
bool fpd_idset_has(const struct fpd_idset *set, const uint8_t id[16]);
/* Adds all of `from`. FP_ERR_NOMEM. */
int fpd_idset_merge(struct fpd_idset *set, const struct fpd_idset *from);
void fpd_idset_deinit(struct fpd_idset *set);

#endif
