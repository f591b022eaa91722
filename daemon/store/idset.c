/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing, at most half full. A device may offer
 * whatever digests it likes, so where a digest goes depends on a number it
 * can't know.
 */
#include "daemon/store/idset.h"

#include "core/bytes.h"
#include "core/error.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256

static const uint8_t zeros[16];

static size_t place(const struct fpd_idset *set, const uint8_t id[16])
{
    uint64_t h = (fp_get_le64(id) ^ set->seed) * 0x9e3779b97f4a7c15u;

    h ^= fp_get_le64(id + 8);
    h *= set->seed | 1;
    return (size_t)(h >> 20) & (set->size - 1);
}

/* Where it is, or where it would go. */
static size_t find(const struct fpd_idset *set, const uint8_t id[16])
{
    size_t i = place(set, id);

    while (memcmp(set->ids[i], zeros, 16) != 0 &&
           memcmp(set->ids[i], id, 16) != 0)
        i = (i + 1) & (set->size - 1);
    return i;
}

static int grow(struct fpd_idset *set)
{
    struct fpd_idset bigger = *set;

    bigger.size = set->size > 0 ? set->size * 2 : FIRST_SIZE;
    if (set->size == 0)
        RAND_bytes((unsigned char *)&bigger.seed, sizeof bigger.seed);
    bigger.ids = calloc(bigger.size, 16);
    if (!bigger.ids)
        return FP_ERR_NOMEM;
    for (size_t i = 0; i < set->size; i++)
        if (memcmp(set->ids[i], zeros, 16) != 0)
            memcpy(bigger.ids[find(&bigger, set->ids[i])], set->ids[i], 16);
    free(set->ids);
    *set = bigger;
    return FP_OK;
}

int fpd_idset_add(struct fpd_idset *set, const uint8_t id[16])
{
    size_t i;
    int err;

    if (memcmp(id, zeros, 16) == 0) {
        int added = !set->has_zero;

        set->has_zero = true;
        return added;
    }
    if (set->count * 2 >= set->size) {
        err = grow(set);
        if (err)
            return err;
    }
    i = find(set, id);
    if (memcmp(set->ids[i], id, 16) == 0)
        return 0;
    memcpy(set->ids[i], id, 16);
    set->count++;
    return 1;
}

bool fpd_idset_has(const struct fpd_idset *set, const uint8_t id[16])
{
    if (memcmp(id, zeros, 16) == 0)
        return set->has_zero;
    if (set->size == 0)
        return false;
    return memcmp(set->ids[find(set, id)], id, 16) == 0;
}

int fpd_idset_merge(struct fpd_idset *set, const struct fpd_idset *from)
{
    if (from->has_zero)
        set->has_zero = true;
    for (size_t i = 0; i < from->size; i++) {
        if (memcmp(from->ids[i], zeros, 16) != 0) {
            int err = fpd_idset_add(set, from->ids[i]);

            if (err < 0)
                return err;
        }
    }
    return FP_OK;
}

void fpd_idset_deinit(struct fpd_idset *set)
{
    free(set->ids);
    *set = (struct fpd_idset){ 0 };
}
