/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a dump. Input: a byte, how many bytes of 0xff stand in front of
 * what follows, so that volumes lie at odd offsets; then the dump.
 *
 * What must hold: the regions are the dump, one behind the other; a volume that
 * is whole and said to be mountable mounts from its bytes alone; and the work
 * is bounded (libFuzzer's -timeout).
 */
#include "core/bdev/ram.h"
#include "core/host/drivers.h"
#include "core/host/scan/scan.h"
#include "core/host/view.h"
#include "core/host/volume.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static void check_volume(struct fp_bdev *dev, const struct fp_host_region *r)
{
    const struct fp_fs_ops *const only[] = { r->ops, NULL };
    struct fp_host_volume_config cfg = { .drivers = only,
                                         .fs = r->ops->name,
                                         .cfg = r->cfg };
    struct fp_host_volume vol;
    struct fp_host_view view;

    check(r->missing || r->is_mountable);
    if (r->missing)
        return;
    cfg.cfg.flags |= FP_MOUNT_RDONLY;
    fp_host_view_init(&view, dev, r->offset, r->size, NULL);
    check(fp_host_volume_open(&vol, &view.bdev, &cfg) == FP_OK);
    fp_host_volume_close(&vol);
}

static void check_scan(struct fp_bdev *dev, const struct fp_host_scan *scan)
{
    uint64_t at = 0;

    for (size_t i = 0; i < scan->count; i++) {
        const struct fp_host_region *r = &scan->regions[i];

        check(r->offset == at && r->size > 0);
        at += r->size;
        if (r->kind == FP_HOST_VOLUME)
            check_volume(dev, r);
    }
    check(at == fp_bdev_size(dev) || scan->count == FP_HOST_SCAN_REGIONS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fp_host_scan_config cfg = { .drivers = fp_host_drivers };
    struct fp_host_scan scan;
    struct fp_bdev_ram ram;
    size_t before;
    uint8_t *mem;

    if (size < 2 || size > 1u << 20)
        return 0;
    before = data[0];
    mem = malloc(before + size - 1);
    check(mem != NULL);
    memset(mem, 0xff, before);
    memcpy(mem + before, data + 1, size - 1);
    fp_bdev_ram_init(&ram, 1, 1, (uint32_t)(before + size - 1), mem);
    check(fp_host_scan(&scan, &ram.bdev, &cfg) == FP_OK);
    check_scan(&ram.bdev, &scan);
    fp_host_scan_free(&scan);
    free(mem);
    return 0;
}
