/* SPDX-License-Identifier: MIT */
#include "core/bdev/ram.h"
#include "core/host/ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* More windows than there are places, and a part of one. */
#define WINDOW FP_HOST_AHEAD_WINDOW
#define SIZE   ((FP_HOST_AHEAD_PLACES + 8) * WINDOW + 4096)
#define UNIT   16u

/* RAM that counts its reads, and has a damaged unit: what was to be read with
 * it may be anything. */
struct medium {
    struct fp_bdev_ram ram;
    struct fp_bdev_ops ops;
    const struct fp_bdev_ops *ram_ops;
    unsigned reads;
    fp_addr damaged; /* SIZE: nothing is */
};

static uint8_t content[SIZE], buf[SIZE];
static struct medium medium;
static struct fp_host_ahead ahead;
static struct fp_bdev *dev;

static int medium_read(struct fp_bdev *bdev, fp_addr off, void *to,
                       uint32_t size)
{
    medium.reads++;
    if (medium.damaged >= off && medium.damaged < off + size) {
        memset(to, 0xdb, size);
        return FP_ERR_CORRUPT;
    }
    return medium.ram_ops->read(bdev, off, to, size);
}

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 7 + (i >> 8) + (i >> 16));
    fp_bdev_ram_init(&medium.ram, UNIT, 4096, SIZE / 4096, content);
    medium.ram_ops = medium.ram.bdev.ops;
    medium.ops = *medium.ram_ops;
    medium.ops.read = medium_read;
    medium.ram.bdev.ops = &medium.ops;
    medium.ram.bdev.read_size = UNIT;
    medium.ram.bdev.flags |= FP_BDEV_RDONLY;
    medium.reads = 0;
    medium.damaged = SIZE;
    dev = fp_host_ahead_init(&ahead, &medium.ram.bdev);
    assert_ptr_equal(dev, &ahead.bdev);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fp_host_ahead_deinit(&ahead);
    return 0;
}

static void expect(fp_addr off, uint32_t size)
{
    memset(buf, 0, size);
    assert_int_equal(fp_bdev_read(dev, off, buf, size), FP_OK);
    assert_memory_equal(buf, content + off, size);
}

static void any_range_reads_as_it_is_below(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint32_t off, size;

        seed = seed * 1664525u + 1013904223u;
        off = seed % SIZE / UNIT * UNIT;
        size = (seed >> 8) % (3 * WINDOW) / UNIT * UNIT;
        expect(off, size < SIZE - off ? size : SIZE - off);
    }
    expect(0, SIZE);
    expect(WINDOW - UNIT, 2 * UNIT);
    expect(SIZE - UNIT, UNIT);
}

static void what_is_near_is_read_once(void **state)
{
    (void)state;
    for (uint32_t off = 0; off < 4 * WINDOW; off += UNIT)
        expect(off, UNIT);
    assert_int_equal(medium.reads, 4);
}

/* A piece, and all behind it that comes in pieces, or is the rest of one; what
 * else there is comes in windows. */
static void contents_are_read_along(void **state)
{
    (void)state;
    expect(WINDOW, 1024);
    expect(WINDOW + 1024, 512);
    expect(2 * WINDOW, 4096);
    assert_int_equal(medium.reads, 1);
    expect(WINDOW + 1536, 512);
    expect(WINDOW, 512);
    expect(WINDOW, 2048);
    assert_int_equal(medium.reads, 2);
    expect(6 * WINDOW, 1024);
    expect(2 * WINDOW, 4096);
    assert_int_equal(medium.reads, 4);
    expect(SIZE - 2048, 1024);
    expect(SIZE - 1024, 1024);
    assert_int_equal(medium.reads, 5);
}

/* To the unit: what begins before the run or ends behind it is not in it. */
static void a_run_has_ends(void **state)
{
    const fp_addr start = 2 * WINDOW, end = start + FP_HOST_AHEAD_RUN;

    (void)state;
    expect(start, 1024);
    expect(start, 2048);
    expect(end - 1024, 1024);
    assert_int_equal(medium.reads, 1);
    expect(end - 1024, 1024 + UNIT);
    assert_int_equal(medium.reads, 2);
    expect(end - 1024 - UNIT, 1024);
    assert_int_equal(medium.reads, 3);
}

/* Those of the start and of the end share places. */
static void windows_that_share_a_place_take_turns(void **state)
{
    const fp_addr far = (fp_addr)FP_HOST_AHEAD_PLACES * WINDOW;

    (void)state;
    expect(0, UNIT);
    expect(2 * WINDOW, UNIT);
    expect(far, UNIT);
    expect(far + UNIT, UNIT);
    expect(0, UNIT);
    expect(2 * WINDOW, UNIT);
    assert_int_equal(medium.reads, 4);
}

static void damage_is_told_to_who_asks_for_it(void **state)
{
    (void)state;
    expect(WINDOW, UNIT);
    medium.damaged = 3 * UNIT;
    expect(0, 3 * UNIT);
    expect(4 * UNIT, UNIT);
    assert_int_equal(fp_bdev_read(dev, 2 * UNIT, buf, 2 * UNIT),
                     FP_ERR_CORRUPT);
    medium.damaged = SIZE;
    expect(2 * UNIT, 2 * UNIT);
}

/* What is read along and damaged is nobody's trouble, costs no second try
 * there, and spoils nothing that was read before. */
static void damage_ends_reading_along(void **state)
{
    const fp_addr start = 3 * WINDOW, behind = start + FP_HOST_AHEAD_RUN;

    (void)state;
    expect(9 * WINDOW, 1024);
    medium.damaged = 4 * WINDOW;
    medium.reads = 0;
    expect(start, 1024);
    expect(start + 2048, 1024);
    assert_int_equal(medium.reads, 3);
    assert_int_equal(fp_bdev_read(dev, 4 * WINDOW - 1024, buf, 2048),
                     FP_ERR_CORRUPT);
    medium.reads = 0;
    expect(9 * WINDOW, 1024);
    expect(behind, 1024);
    expect(behind + 1024, 1024);
    assert_int_equal(medium.reads, 2);
}

static void bounds_and_units_are_those_below(void **state)
{
    (void)state;
    assert_int_equal(fp_bdev_read(dev, SIZE - UNIT, buf, 2 * UNIT),
                     FP_ERR_INVAL);
    assert_int_equal(fp_bdev_read(dev, 1, buf, UNIT), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(dev, 0, buf, UNIT), FP_ERR_ROFS);
}

static void what_may_change_is_not_read_ahead(void **state)
{
    struct fp_host_ahead other;

    (void)state;
    medium.ram.bdev.flags &= ~(uint32_t)FP_BDEV_RDONLY;
    assert_ptr_equal(fp_host_ahead_init(&other, &medium.ram.bdev),
                     &medium.ram.bdev);
    fp_host_ahead_deinit(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_range_reads_as_it_is_below),
        TEST(what_is_near_is_read_once),
        TEST(contents_are_read_along),
        TEST(a_run_has_ends),
        TEST(windows_that_share_a_place_take_turns),
        TEST(damage_is_told_to_who_asks_for_it),
        TEST(damage_ends_reading_along),
        TEST(bounds_and_units_are_those_below),
        TEST(what_may_change_is_not_read_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
