/* SPDX-License-Identifier: MIT */
#include "core/bdev/ram.h"
#include "core/host/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Three pages, of which the last is half a page. */
#define BLOCK  4096u
#define BLOCKS 40u

static uint8_t below[BLOCK * BLOCKS], before[sizeof below], buf[sizeof below];
static struct fp_bdev_ram ram;
static struct fp_host_overlay overlay;

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof below; i++)
        below[i] = (uint8_t)(i * 7 + (i >> 8));
    memcpy(before, below, sizeof below);
    fp_bdev_ram_init(&ram, 16, BLOCK, BLOCKS, below);
    ram.bdev.flags = FP_BDEV_RDONLY;
    assert_int_equal(fp_host_overlay_init(&overlay, &ram.bdev), FP_OK);
    return 0;
}

/* Whatever a test did, nothing of it is below. */
static int teardown(void **state)
{
    (void)state;
    fp_host_overlay_free(&overlay);
    assert_memory_equal(below, before, sizeof below);
    return 0;
}

static const uint8_t *all(void)
{
    assert_int_equal(fp_bdev_read(&overlay.bdev, 0, buf, sizeof buf), FP_OK);
    return buf;
}

static void what_was_not_written_is_read_from_below(void **state)
{
    (void)state;
    assert_memory_equal(all(), before, sizeof before);
}

/* Over the border of two pages, which no block crosses. */
static void programs_clear_bits_and_erases_set_them(void **state)
{
    uint8_t bits[32];

    (void)state;
    memset(bits, 0x0f, sizeof bits);
    assert_int_equal(fp_bdev_prog(&overlay.bdev, 65536 - 16, bits, sizeof bits),
                     FP_OK);
    assert_int_equal(all()[65536 - 17], before[65536 - 17]);
    for (size_t i = 65536 - 16; i < 65536 + 16; i++)
        assert_int_equal(buf[i], before[i] & 0x0f);
    assert_memory_equal(buf + 65536 + 16, before + 65536 + 16,
                        sizeof buf - 65536 - 16);

    assert_int_equal(fp_bdev_erase(&overlay.bdev, 15, 2), FP_OK);
    assert_int_equal(all()[15 * BLOCK - 1], before[15 * BLOCK - 1]);
    for (size_t i = 15 * BLOCK; i < 17 * BLOCK; i++)
        assert_int_equal(buf[i], 0xff);
    assert_int_equal(buf[17 * BLOCK], before[17 * BLOCK]);
}

static void a_cards_sector_replaces(void **state)
{
    uint8_t ones[16];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    overlay.bdev.flags = FP_BDEV_OVERWRITE;
    assert_int_equal(fp_bdev_prog(&overlay.bdev, 32, ones, sizeof ones), FP_OK);
    assert_memory_equal(all() + 32, ones, sizeof ones);
}

static void the_last_page_may_be_short(void **state)
{
    (void)state;
    assert_int_equal(fp_bdev_erase(&overlay.bdev, BLOCKS - 1, 1), FP_OK);
    assert_int_equal(all()[sizeof buf - 1], 0xff);
    assert_memory_equal(buf, before, sizeof buf - BLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_not_written_is_read_from_below,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(programs_clear_bits_and_erases_set_them,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cards_sector_replaces, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_last_page_may_be_short, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
