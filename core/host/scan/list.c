/* SPDX-License-Identifier: MIT
 *
 * The lists of a scan: regions in the order of their places, and partitions.
 */
#include "core/host/scan/pass.h"

#include <stdlib.h>
#include <string.h>

size_t fp_host_scan_behind(const struct fp_host_scan *scan, uint64_t at)
{
    size_t low = 0, high = scan->count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (scan->regions[mid].offset > at)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

int fp_host_scan_add(struct fp_host_scan *scan,
                     const struct fp_host_region *region)
{
    size_t i = fp_host_scan_behind(scan, region->offset);

    if (scan->count == FP_HOST_SCAN_REGIONS) {
        scan->gave_up = true;
        return FP_OK;
    }
    if ((scan->count & (scan->count - 1)) == 0) {
        size_t room = scan->count ? 2 * scan->count : 1;
        void *more = realloc(scan->regions, room * sizeof *scan->regions);

        if (more == NULL)
            return FP_ERR_NOMEM;
        scan->regions = more;
    }
    memmove(scan->regions + i + 1, scan->regions + i,
            (scan->count - i) * sizeof *scan->regions);
    scan->regions[i] = *region;
    scan->count++;
    scan->volume_count += region->kind == FP_HOST_VOLUME;
    return FP_OK;
}

int fp_host_scan_add_part(struct fp_host_scan *scan,
                          const struct fp_host_part *part)
{
    if (scan->parts == NULL)
        scan->parts = calloc(FP_HOST_SCAN_PARTS, sizeof *scan->parts);
    if (scan->parts == NULL)
        return FP_ERR_NOMEM;
    if (scan->part_count < FP_HOST_SCAN_PARTS)
        scan->parts[scan->part_count++] = *part;
    return FP_OK;
}

const struct fp_host_region *fp_host_scan_volume(
    const struct fp_host_scan *scan, size_t n)
{
    for (size_t i = 0; i < scan->count; i++)
        if (scan->regions[i].kind == FP_HOST_VOLUME && --n == 0)
            return &scan->regions[i];
    return NULL;
}

void fp_host_scan_free(struct fp_host_scan *scan)
{
    free(scan->regions);
    free(scan->parts);
    *scan = (struct fp_host_scan){ .count = 0 };
}

struct fp_host_region *fp_host_scan_region_at(const struct fp_host_scan *scan,
                                              uint64_t at)
{
    size_t i = fp_host_scan_behind(scan, at);
    struct fp_host_region *r = i ? &scan->regions[i - 1] : NULL;

    return r && at - r->offset < r->size ? r : NULL;
}
