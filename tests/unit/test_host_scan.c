/* SPDX-License-Identifier: MIT
 *
 * The scan over devices that are no files: read by the sector, failing, with
 * holes. That volumes are found at their places is in
 * tests/integration/test_image_info.py, with the reference images.
 */
#include "core/bdev/ram.h"
#include "core/host/drivers.h"
#include "core/host/scan/scan.h"
#include "core/host/view.h"
#include "core/host/volume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SECTOR 512u
#define SIZE   (1u << 20)
#define PLACE  100003u /* of the volume: of no sector */
#define BLOCKS 16u
#define BLOCK  4096u

static uint8_t mem[SIZE];

/* A device that is read by the sector, and no more at a time than it is asked,
 * with one that cannot be read. */
struct disk {
    struct fp_bdev bdev;
    uint64_t bad; /* byte in the bad sector; SIZE: none is */
};

static int disk_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    const struct disk *disk = (struct disk *)dev;

    assert_int_equal(off % SECTOR, 0);
    assert_int_equal(size % SECTOR, 0);
    if (disk->bad >= off && disk->bad < off + size)
        return FP_ERR_IO;
    memcpy(buf, mem + off, size);
    return FP_OK;
}

static const struct fp_bdev_ops disk_ops = { .read = disk_read };

static struct disk new_disk(uint64_t bad)
{
    return (struct disk){ .bdev = { .ops = &disk_ops,
                                    .read_size = SECTOR,
                                    .prog_size = SECTOR,
                                    .block_size = SECTOR,
                                    .block_count = SIZE / SECTOR,
                                    .flags = FP_BDEV_RDONLY },
                          .bad = bad };
}

static void make_volume(void)
{
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .fs = "littlefs" };
    struct fp_bdev_ram ram;

    memset(mem, 0, sizeof mem);
    memset(mem + PLACE, 0xff, BLOCKS * BLOCK);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, mem + PLACE);
    assert_int_equal(fp_host_volume_format(&ram.bdev, &cfg), FP_OK);
}

static void a_device_of_sectors_is_scanned_by_the_byte(void **state)
{
    const struct fp_host_scan_config cfg = { .drivers = fp_host_drivers };
    struct disk disk = new_disk(SIZE);
    struct fp_host_scan scan;
    const struct fp_host_region *r;

    (void)state;
    make_volume();
    assert_int_equal(fp_host_scan(&scan, &disk.bdev, &cfg), FP_OK);
    assert_int_equal(scan.volume_count, 1);
    r = fp_host_scan_volume(&scan, 1);
    assert_non_null(r);
    assert_null(fp_host_scan_volume(&scan, 2));
    assert_string_equal(r->ops->name, "littlefs");
    assert_int_equal(r->offset, PLACE);
    assert_int_equal(r->size, BLOCKS * BLOCK);
    assert_int_equal(scan.count, 3); /* zeros before and behind */
    fp_host_scan_free(&scan);
}

static void what_cannot_be_read_ends_the_scan(void **state)
{
    const struct fp_host_scan_config cfg = { .drivers = fp_host_drivers };
    struct disk disk = new_disk(SIZE - 1);
    struct fp_host_scan scan;

    (void)state;
    make_volume();
    assert_int_equal(fp_host_scan(&scan, &disk.bdev, &cfg), FP_ERR_IO);
    assert_null(scan.regions);
}

static uint64_t far(void *ctx, uint64_t off)
{
    (void)ctx;
    return off < PLACE + SECTOR ? PLACE / SECTOR * SECTOR : SIZE;
}

/* A hole is taken for what the system says it is, and never read. */
static void holes_are_passed_over(void **state)
{
    const struct fp_host_scan_config cfg = { .drivers = fp_host_drivers,
                                             .next_data = far };
    struct disk disk = new_disk(SIZE);
    struct fp_host_scan scan;

    (void)state;
    make_volume();
    memset(mem + SIZE / 2, 0x5a, SIZE / 2);
    assert_int_equal(fp_host_scan(&scan, &disk.bdev, &cfg), FP_OK);
    assert_int_equal(scan.volume_count, 1);
    assert_int_equal(scan.regions[2].kind, FP_HOST_CONSTANT);
    assert_int_equal(scan.regions[2].byte, 0);
    assert_int_equal(scan.regions[2].size, SIZE - PLACE - BLOCKS * BLOCK);
    fp_host_scan_free(&scan);
}

static void a_view_goes_on_behind_the_end_as_erased(void **state)
{
    struct disk disk = new_disk(SIZE);
    struct fp_host_view view;
    uint64_t budget = 100000;
    uint8_t buf[16];

    (void)state;
    memset(mem, 0x11, sizeof mem);
    fp_host_view_init(&view, &disk.bdev, SIZE - 5, 100, &budget);
    assert_int_equal(fp_bdev_size(&view.bdev), 100);
    assert_int_equal(fp_bdev_read(&view.bdev, 0, buf, 5), FP_OK);
    assert_false(view.passed);
    assert_int_equal(fp_bdev_read(&view.bdev, 1, buf, 16), FP_OK);
    assert_true(view.passed);
    assert_memory_equal(buf, "\x11\x11\x11\x11\xff\xff", 6);
    budget = 10;
    assert_int_equal(fp_bdev_read(&view.bdev, 0, buf, 5), FP_ERR_CANCELED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_of_sectors_is_scanned_by_the_byte),
        cmocka_unit_test(what_cannot_be_read_ends_the_scan),
        cmocka_unit_test(holes_are_passed_over),
        cmocka_unit_test(a_view_goes_on_behind_the_end_as_erased),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
