/* SPDX-License-Identifier: MIT
 *
 * The front end of a block device, memory as flash, and the wrappers that only
 * look on: slice, trace, stats.
 */
#include "core/bdev/bdev.h"
#include "core/bdev/ram.h"
#include "core/bdev/slice.h"
#include "core/bdev/stats.h"
#include "core/bdev/trace.h"
#include "core/bdev/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Two programs without an erase between them AND together, as NOR does. */
static void prog_without_erase_only_clears_bits(void **state)
{
    uint8_t mem[4 * 64], buf[16] = { 0xf0 };
    struct fp_bdev_ram ram;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    assert_int_equal(fp_bdev_erase(&ram.bdev, 3, 1), FP_OK);
    assert_int_equal(fp_bdev_prog(&ram.bdev, 3 * 64 + 48, buf, 16), FP_OK);
    buf[0] = 0x0f;
    assert_int_equal(fp_bdev_prog(&ram.bdev, 3 * 64 + 48, buf, 16), FP_OK);
    assert_int_equal(fp_bdev_read(&ram.bdev, 3 * 64 + 48, buf, 16), FP_OK);
    assert_int_equal(buf[0], 0x00);
}

static void erase_sets_its_blocks_and_no_others(void **state)
{
    uint8_t mem[4 * 64] = { 0 };
    struct fp_bdev_ram ram;

    (void)state;
    fp_bdev_ram_init(&ram, 1, 64, 4, mem);
    assert_int_equal(fp_bdev_erase(&ram.bdev, 1, 2), FP_OK);
    for (size_t i = 0; i < sizeof mem; i++)
        assert_int_equal(mem[i], i / 64 == 1 || i / 64 == 2 ? 0xff : 0);
}

static void out_of_bounds_is_refused(void **state)
{
    uint8_t mem[4 * 64], buf[64];
    struct fp_bdev_ram ram;
    struct fp_bdev *dev = &ram.bdev;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    assert_int_equal(fp_bdev_size(dev), 256);
    assert_int_equal(fp_bdev_read(dev, 256, buf, 1), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_read(dev, 255, buf, 2), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_read(dev, (fp_addr)-1, buf, 2), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_read(dev, 1, buf, UINT32_MAX), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(dev, 240, buf, 32), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_erase(dev, 4, 1), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_erase(dev, 1, UINT32_MAX), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_erase(dev, UINT32_MAX, 2), FP_ERR_INVAL);
}

static void misaligned_is_refused(void **state)
{
    uint8_t mem[4 * 64], buf[64];
    struct fp_bdev_ram ram;
    struct fp_bdev *dev = &ram.bdev;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    ram.bdev.read_size = 4;
    assert_int_equal(fp_bdev_read(dev, 2, buf, 4), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_read(dev, 4, buf, 2), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(dev, 8, buf, 16), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(dev, 16, buf, 8), FP_ERR_INVAL);
}

static void nothing_at_the_very_end_is_fine(void **state)
{
    uint8_t mem[4 * 64];
    struct fp_bdev_ram ram;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    assert_int_equal(fp_bdev_read(&ram.bdev, 256, NULL, 0), FP_OK);
    assert_int_equal(fp_bdev_prog(&ram.bdev, 256, NULL, 0), FP_OK);
    assert_int_equal(fp_bdev_erase(&ram.bdev, 4, 0), FP_OK);
    assert_int_equal(fp_bdev_sync(&ram.bdev), FP_OK);
    fp_bdev_yield(&ram.bdev);
}

static void a_read_only_device_takes_no_writes(void **state)
{
    uint8_t mem[4 * 64] = { 0 }, buf[16] = { 0 };
    struct fp_bdev_ram ram;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    ram.bdev.flags |= FP_BDEV_RDONLY;
    assert_int_equal(fp_bdev_prog(&ram.bdev, 0, buf, 16), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_erase(&ram.bdev, 0, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_read(&ram.bdev, 0, buf, 16), FP_OK);
    assert_int_equal(mem[0], 0);
}

static void a_slice_is_its_blocks_and_nothing_else(void **state)
{
    uint8_t mem[4 * 64], buf[16] = { 1, 2, 3 };
    struct fp_bdev_ram ram;
    struct fp_bdev_slice slice;

    (void)state;
    memset(mem, 0xff, sizeof mem);
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    assert_int_equal(fp_bdev_slice_init(&slice, &ram.bdev, 64, 128), FP_OK);
    assert_int_equal(slice.bdev.block_count, 2);
    assert_int_equal(fp_bdev_prog(&slice.bdev, 64, buf, 16), FP_OK);
    assert_memory_equal(mem + 128, buf, 16);
    assert_int_equal(fp_bdev_read(&slice.bdev, 64, buf, 16), FP_OK);
    assert_int_equal(buf[2], 3);
    assert_int_equal(fp_bdev_erase(&slice.bdev, 1, 1), FP_OK);
    assert_int_equal(mem[128], 0xff);
    assert_int_equal(fp_bdev_read(&slice.bdev, 128, buf, 16), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_erase(&slice.bdev, 2, 1), FP_ERR_INVAL);
}

static void a_slice_is_whole_blocks_inside(void **state)
{
    uint8_t mem[4 * 64];
    struct fp_bdev_ram ram;
    struct fp_bdev_slice s;

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 0, 256), FP_OK);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 0, 0), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 32, 64), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 64, 32), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 64, 256), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, 64, (fp_addr)0 - 64),
                     FP_ERR_INVAL);
    assert_int_equal(fp_bdev_slice_init(&s, &ram.bdev, (fp_addr)0 - 64, 64),
                     FP_ERR_INVAL);
}

struct seen {
    int count;
    struct fp_bdev_event last;
};

static void see(void *ctx, const struct fp_bdev_event *event)
{
    struct seen *seen = ctx;

    seen->count++;
    seen->last = *event;
}

static void a_trace_tells_each_operation_with_its_result(void **state)
{
    uint8_t mem[4 * 64], buf[16] = { 0 };
    struct fp_bdev_ram ram;
    struct fp_bdev_trace trace;
    struct seen seen = { 0 };

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    fp_bdev_trace_init(&trace, &ram.bdev, see, &seen);

    assert_int_equal(fp_bdev_erase(&trace.bdev, 2, 2), FP_OK);
    assert_int_equal(seen.last.op, FP_BDEV_ERASE);
    assert_int_equal(seen.last.block, 2);
    assert_int_equal(seen.last.count, 2);
    assert_int_equal(seen.last.off, 128);
    assert_int_equal(seen.last.size, 128);
    assert_int_equal(fp_bdev_prog(&trace.bdev, 144, buf, 16), FP_OK);
    assert_int_equal(seen.last.op, FP_BDEV_PROG);
    assert_int_equal(seen.last.off, 144);
    assert_int_equal(seen.last.size, 16);
    assert_ptr_equal(seen.last.buf, buf);
    assert_int_equal(fp_bdev_read(&trace.bdev, 3, buf, 5), FP_OK);
    assert_int_equal(seen.last.op, FP_BDEV_READ);
    assert_int_equal(seen.last.size, 5);
    assert_int_equal(fp_bdev_sync(&trace.bdev), FP_OK);
    assert_int_equal(seen.last.op, FP_BDEV_SYNC);
    assert_int_equal(seen.count, 4);

    ram.bdev.flags |= FP_BDEV_RDONLY;
    assert_int_equal(fp_bdev_erase(&trace.bdev, 0, 1), FP_ERR_ROFS);
    assert_int_equal(seen.last.err, FP_ERR_ROFS);
    assert_string_equal(fp_bdev_op_name(FP_BDEV_ERASE), "erase");
}

/* Each look at the clock is 5 us later than the one before. */
static uint64_t ticking(void *ctx)
{
    uint64_t *us = ctx;

    return *us += 5;
}

static void stats_count_time_and_wear(void **state)
{
    uint8_t mem[4 * 64], buf[32] = { 0 };
    uint32_t erases[4] = { 0, 7 };
    uint64_t us = 0;
    struct fp_bdev_ram ram;
    struct fp_bdev_stats stats;
    struct fp_bdev_wear wear;
    const struct fp_bdev_stats_config cfg = {
        .clock_us = ticking,
        .clock_ctx = &us,
        .erases = erases,
    };

    (void)state;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    fp_bdev_stats_init(&stats, &ram.bdev, &cfg);
    assert_int_equal(fp_bdev_erase(&stats.bdev, 1, 3), FP_OK);
    assert_int_equal(fp_bdev_erase(&stats.bdev, 1, 1), FP_OK);
    assert_int_equal(fp_bdev_prog(&stats.bdev, 64, buf, 32), FP_OK);
    assert_int_equal(fp_bdev_read(&stats.bdev, 64, buf, 3), FP_OK);
    assert_int_equal(fp_bdev_read(&stats.bdev, 64, buf, 4), FP_OK);

    assert_int_equal(stats.count[FP_BDEV_ERASE].calls, 2);
    assert_int_equal(stats.count[FP_BDEV_ERASE].bytes, 4 * 64);
    assert_int_equal(stats.count[FP_BDEV_ERASE].time_us, 10);
    assert_int_equal(stats.count[FP_BDEV_PROG].bytes, 32);
    assert_int_equal(stats.count[FP_BDEV_READ].calls, 2);
    assert_int_equal(stats.count[FP_BDEV_READ].bytes, 7);
    assert_int_equal(erases[0], 0);
    assert_int_equal(erases[1], 7 + 2);
    assert_int_equal(erases[2], 1);
    assert_int_equal(erases[3], 1);
    wear = fp_bdev_stats_wear(&stats);
    assert_int_equal(wear.never, 1);
    assert_int_equal(wear.least, 1);
    assert_int_equal(wear.most, 9);
    assert_int_equal(wear.total, 11);

    ram.bdev.flags |= FP_BDEV_RDONLY;
    assert_int_equal(fp_bdev_prog(&stats.bdev, 0, buf, 16), FP_ERR_ROFS);
    assert_int_equal(stats.count[FP_BDEV_PROG].errors, 1);
    fp_bdev_stats_reset(&stats);
    assert_int_equal(stats.count[FP_BDEV_ERASE].calls, 0);
    assert_int_equal(erases[1], 9);
    memset(erases, 0, sizeof erases);
    wear = fp_bdev_stats_wear(&stats);
    assert_int_equal(wear.never, 4);
    assert_int_equal(wear.least + wear.most + wear.total, 0);
}

/* Bytes out of sectors: across their borders, at the end, and one sector is
 * read once however many bytes of it are asked for. */
static void a_window_reads_bytes_where_sectors_are_read(void **state)
{
    struct fp_bdev_window window;
    uint8_t mem[4 * 64], unit[16], buf[200];
    struct fp_bdev_stats stats;
    struct fp_bdev_ram ram;
    struct fp_bdev *dev;

    (void)state;
    for (size_t i = 0; i < sizeof mem; i++)
        mem[i] = (uint8_t)i;
    fp_bdev_ram_init(&ram, 16, 64, 4, mem);
    ram.bdev.read_size = 16;
    fp_bdev_stats_init(&stats, &ram.bdev, NULL);
    dev = fp_bdev_window_init(&window, &stats.bdev, unit, sizeof unit);
    assert_int_equal(fp_bdev_read(dev, 5, buf, 150), FP_OK);
    assert_memory_equal(buf, mem + 5, 150);
    assert_int_equal(stats.count[FP_BDEV_READ].calls, 10);
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(fp_bdev_read(dev, 240 + i, buf, 1), FP_OK);
    assert_int_equal(buf[0], 255);
    assert_int_equal(stats.count[FP_BDEV_READ].calls, 11);
    assert_int_equal(fp_bdev_read(dev, 250, buf, 7), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_prog(dev, 0, buf, 16), FP_ERR_ROFS);
    /* Without room for a unit there is no window. */
    assert_ptr_equal(fp_bdev_window_init(&window, &ram.bdev, unit, 15),
                     &ram.bdev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prog_without_erase_only_clears_bits),
        cmocka_unit_test(erase_sets_its_blocks_and_no_others),
        cmocka_unit_test(out_of_bounds_is_refused),
        cmocka_unit_test(misaligned_is_refused),
        cmocka_unit_test(nothing_at_the_very_end_is_fine),
        cmocka_unit_test(a_read_only_device_takes_no_writes),
        cmocka_unit_test(a_slice_is_its_blocks_and_nothing_else),
        cmocka_unit_test(a_slice_is_whole_blocks_inside),
        cmocka_unit_test(a_trace_tells_each_operation_with_its_result),
        cmocka_unit_test(stats_count_time_and_wear),
        cmocka_unit_test(a_window_reads_bytes_where_sectors_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
