/* SPDX-License-Identifier: MIT
 *
 * A device that fails as told, and only as told.
 */
#include "core/bdev/fault.h"
#include "core/bdev/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK  128
#define BLOCKS 4

struct fixture {
    uint8_t mem[BLOCK * BLOCKS], scratch[BLOCK], buf[BLOCK * BLOCKS];
    struct fp_bdev_ram ram;
    struct fp_bdev_fault fault;
    struct fp_bdev *dev;
};

/* Memory that is erased, and a buffer of 0x00 to program. */
static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    memset(f->mem, 0xff, sizeof f->mem);
    fp_bdev_ram_init(&f->ram, 16, BLOCK, BLOCKS, f->mem);
    fp_bdev_fault_init(&f->fault, &f->ram.bdev, f->scratch, 1);
    f->dev = &f->fault.bdev;
}

/* How many bytes of mem[from..to) are `value`. */
static int count(const struct fixture *f, size_t from, size_t to, uint8_t value)
{
    int n = 0;

    for (size_t i = from; i < to; i++)
        n += f->mem[i] == value;
    return n;
}

static void nothing_fails_unasked(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_bdev_prog(f.dev, 16, f.buf, 256), FP_OK);
    assert_int_equal(count(&f, 16, 272, 0), 256);
    assert_int_equal(fp_bdev_erase(f.dev, 0, 4), FP_OK);
    assert_int_equal(fp_bdev_sync(f.dev), FP_OK);
    assert_int_equal(fp_bdev_read(f.dev, 0, f.buf, sizeof f.buf), FP_OK);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0xff), sizeof f.mem);
    assert_int_equal(f.fault.writes, 5);
}

static void after_the_cut_everything_fails_until_power_returns(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_cut(&f.fault, 2, FP_FAULT_TEAR_NONE);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 16), FP_OK);
    assert_false(fp_bdev_fault_is_off(&f.fault));
    assert_int_equal(fp_bdev_prog(f.dev, 16, f.buf, 16), FP_ERR_IO);
    assert_true(fp_bdev_fault_is_off(&f.fault));
    assert_int_equal(fp_bdev_prog(f.dev, 32, f.buf, 16), FP_ERR_IO);
    assert_int_equal(fp_bdev_erase(f.dev, 0, 1), FP_ERR_IO);
    assert_int_equal(fp_bdev_read(f.dev, 0, f.buf, 16), FP_ERR_IO);
    assert_int_equal(fp_bdev_sync(f.dev), FP_ERR_IO);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0), 16);

    fp_bdev_fault_power_on(&f.fault);
    assert_int_equal(fp_bdev_prog(f.dev, 16, f.buf, 16), FP_OK);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0), 32);
}

static void a_program_is_torn_in_half(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_HALF);
    assert_int_equal(fp_bdev_prog(f.dev, 64, f.buf, 176), FP_ERR_IO);
    assert_int_equal(count(&f, 64, 64 + 88, 0), 88);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0xff), sizeof f.mem - 88);
}

/* What landed is what the medium makes of it: NOR ANDs, a card replaces. */
static void a_torn_program_lands_as_the_medium_does(void **state)
{
    struct fixture f;

    (void)state;
    for (int overwrite = 0; overwrite < 2; overwrite++) {
        set_up(&f);
        memset(f.mem, 0xf1, sizeof f.mem);
        memset(f.buf, 0x0f, sizeof f.buf);
        if (overwrite)
            f.dev->flags = FP_BDEV_OVERWRITE;
        fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_HALF);
        assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 64), FP_ERR_IO);
        assert_int_equal(count(&f, 0, 32, overwrite ? 0x0f : 0x01), 32);
        assert_int_equal(count(&f, 32, BLOCK * BLOCKS, 0xf1),
                         BLOCK * BLOCKS - 32);
    }
}

static void a_cut_can_be_called_off(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_NONE);
    fp_bdev_fault_cut(&f.fault, 0, FP_FAULT_TEAR_NONE);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 64), FP_OK);
    fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_NONE);
    fp_bdev_fault_power_on(&f.fault);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 64), FP_OK);
}

static void a_whole_program_may_land_without_a_word(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_ALL);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 256), FP_ERR_IO);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0), 256);
}

/* Bits land up to a place; behind the word there nothing does. Over many
 * seeds partial bytes are seen, and cuts in every quarter. */
static void bits_of_a_word_are_torn(void **state)
{
    int partial = 0, quarters = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fixture f;
        size_t at = 0, i;

        set_up(&f);
        fp_bdev_fault_init(&f.fault, &f.ram.bdev, f.scratch, seed);
        fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_BITS);
        assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 256), FP_ERR_IO);
        while (at < 256 && f.mem[at] == 0)
            at++;
        quarters |= 1 << at / 64;
        for (i = at; i < at + 8 && i < sizeof f.mem; i++)
            partial += f.mem[i] != 0 && f.mem[i] != 0xff;
        for (; i < sizeof f.mem; i++)
            assert_int_equal(f.mem[i], 0xff);
    }
    assert_true(partial > 100);
    assert_int_equal(quarters & 15, 15);
}

static void an_atomic_unit_is_never_torn(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fixture f;
        int n;

        set_up(&f);
        f.ram.bdev.flags |= FP_BDEV_ATOMIC_PROG;
        fp_bdev_fault_init(&f.fault, &f.ram.bdev, f.scratch, seed);
        fp_bdev_fault_cut(&f.fault, 1,
                          seed % 2 ? FP_FAULT_TEAR_HALF : FP_FAULT_TEAR_BITS);
        assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 240), FP_ERR_IO);
        n = count(&f, 0, sizeof f.mem, 0);
        assert_int_equal(n % 16, 0);
        assert_int_equal(count(&f, (size_t)n, sizeof f.mem, 0xff),
                         (int)sizeof f.mem - n);
    }
}

/* On a card any of the sectors of a call may have landed, each whole, and what
 * did not land is as it was. */
static void sectors_of_a_card_land_in_no_order(void **state)
{
    int holes = 0, alone = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fixture f;
        int landed[15], first = -1, last = -1, total = 0;

        set_up(&f);
        f.ram.bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
        memset(f.mem, 0x5a, sizeof f.mem);
        fp_bdev_fault_init(&f.fault, &f.ram.bdev, f.scratch, seed);
        fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_BITS);
        assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 240), FP_ERR_IO);
        for (int i = 0; i < 15; i++) {
            landed[i] = f.mem[i * 16] == 0;
            for (int k = 0; k < 16; k++)
                assert_int_equal(f.mem[i * 16 + k], landed[i] ? 0 : 0x5a);
            if (landed[i])
                last = i;
            if (landed[i] && first < 0)
                first = i;
            total += landed[i];
        }
        holes += total > 0 && last - first + 1 > total;
        alone += !landed[0] && total > 0;
        for (size_t i = 240; i < sizeof f.mem; i++)
            assert_int_equal(f.mem[i], 0x5a);
    }
    assert_true(holes > 50);
    assert_true(alone > 20);
}

/* Blocks before the one in which the power went are erased, those after it
 * are as they were. */
static void an_erase_is_torn(void **state)
{
    static const enum fp_fault_tear tears[] = {
        FP_FAULT_TEAR_NONE,
        FP_FAULT_TEAR_HALF,
        FP_FAULT_TEAR_ALL,
        FP_FAULT_TEAR_BITS,
    };
    static const int low[] = { 0, 64, 128, 1 }, high[] = { 0, 64, 128, 127 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fixture f;
        int erased;

        set_up(&f);
        memset(f.mem, 0x5a, sizeof f.mem);
        fp_bdev_fault_cut(&f.fault, 2, tears[i]);
        assert_int_equal(fp_bdev_erase(f.dev, 1, 3), FP_ERR_IO);
        assert_int_equal(count(&f, 0, BLOCK, 0x5a), BLOCK);
        assert_int_equal(count(&f, BLOCK, 2 * BLOCK, 0xff), BLOCK);
        erased = count(&f, 2 * BLOCK, 3 * BLOCK, 0xff);
        assert_in_range(erased, low[i], high[i]);
        assert_int_equal(count(&f, 2 * BLOCK, 3 * BLOCK, 0x5a), BLOCK - erased);
        assert_int_equal(count(&f, 3 * BLOCK, 4 * BLOCK, 0x5a), BLOCK);
    }
}

static void bad_blocks_fail_as_told(void **state)
{
    static const struct fp_fault_block bad[] = {
        { 1, FP_FAULT_PROG_FAILS | FP_FAULT_ERASE_SILENT },
        { 2, FP_FAULT_PROG_SILENT | FP_FAULT_ERASE_FAILS },
        { 3, FP_FAULT_READ_FAILS },
    };
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_bad(&f.fault, bad, 3);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 128), FP_OK);
    assert_int_equal(fp_bdev_prog(f.dev, 128, f.buf, 128), FP_ERR_IO);
    assert_int_equal(count(&f, 128, 256, 0), 64);
    assert_int_equal(fp_bdev_erase(f.dev, 1, 1), FP_OK);
    assert_int_equal(count(&f, 128, 256, 0), 64);
    assert_int_equal(fp_bdev_prog(f.dev, 256, f.buf, 128), FP_OK);
    assert_int_equal(count(&f, 256, 384, 0xff), 128);
    f.mem[256] = 0;
    assert_int_equal(fp_bdev_erase(f.dev, 2, 1), FP_ERR_IO);
    assert_int_equal(f.mem[256], 0);
    assert_int_equal(fp_bdev_read(f.dev, 383, f.buf, 1), FP_OK);
    assert_int_equal(fp_bdev_read(f.dev, 383, f.buf, 2), FP_ERR_CORRUPT);

    fp_bdev_fault_bad(&f.fault, NULL, 0);
    assert_int_equal(fp_bdev_read(f.dev, 383, f.buf, 2), FP_OK);
}

static void a_block_that_keeps_its_content_does_so_in_a_cut(void **state)
{
    static const struct fp_fault_block bad[] = {
        { 1, FP_FAULT_ERASE_SILENT },
        { 2, FP_FAULT_ERASE_FAILS },
        { 3, FP_FAULT_PROG_SILENT },
    };
    struct fixture f;

    (void)state;
    set_up(&f);
    memset(f.mem, 0xf1, sizeof f.mem);
    fp_bdev_fault_bad(&f.fault, bad, 3);
    for (uint32_t block = 1; block <= 3; block++) {
        fp_bdev_fault_cut(&f.fault, 1, FP_FAULT_TEAR_ALL);
        if (block < 3)
            assert_int_equal(fp_bdev_erase(f.dev, block, 1), FP_ERR_IO);
        else
            assert_int_equal(fp_bdev_prog(f.dev, 3 * BLOCK, f.buf, BLOCK),
                             FP_ERR_IO);
        fp_bdev_fault_power_on(&f.fault);
    }
    assert_int_equal(count(&f, 0, sizeof f.mem, 0xf1), sizeof f.mem);
}

static void a_flip_is_one_bit_and_in_the_answer_only(void **state)
{
    static const struct fp_fault_block bad = { 0, FP_FAULT_READ_FLIPS };
    struct fixture f;
    uint8_t seen[BLOCK] = { 0 };
    int places = 0;

    (void)state;
    set_up(&f);
    fp_bdev_fault_bad(&f.fault, &bad, 1);
    for (int i = 0; i < 100; i++) {
        int flipped = 0;

        assert_int_equal(fp_bdev_read(f.dev, 0, f.buf, BLOCK), FP_OK);
        for (size_t k = 0; k < BLOCK; k++) {
            uint8_t diff = f.buf[k] ^ 0xff;

            seen[k] |= diff;
            for (; diff != 0; diff &= (uint8_t)(diff - 1))
                flipped++;
        }
        assert_int_equal(flipped, 1);
    }
    for (size_t k = 0; k < BLOCK; k++)
        places += seen[k] != 0;
    assert_true(places > 20);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0xff), sizeof f.mem);
}

static void the_nth_call_fails_once(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    fp_bdev_fault_fail(&f.fault, FP_BDEV_READ, 2);
    fp_bdev_fault_fail(&f.fault, FP_BDEV_ERASE, 1);
    assert_int_equal(fp_bdev_read(f.dev, 0, f.scratch, 1), FP_OK);
    assert_int_equal(fp_bdev_prog(f.dev, 0, f.buf, 16), FP_OK);
    assert_int_equal(fp_bdev_read(f.dev, 0, f.scratch, 1), FP_ERR_IO);
    assert_int_equal(fp_bdev_read(f.dev, 0, f.scratch, 1), FP_OK);
    assert_int_equal(fp_bdev_erase(f.dev, 0, 1), FP_ERR_IO);
    assert_int_equal(count(&f, 0, sizeof f.mem, 0), 16);
    assert_int_equal(fp_bdev_erase(f.dev, 0, 1), FP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_fails_unasked),
        cmocka_unit_test(after_the_cut_everything_fails_until_power_returns),
        cmocka_unit_test(a_program_is_torn_in_half),
        cmocka_unit_test(a_torn_program_lands_as_the_medium_does),
        cmocka_unit_test(a_cut_can_be_called_off),
        cmocka_unit_test(a_whole_program_may_land_without_a_word),
        cmocka_unit_test(bits_of_a_word_are_torn),
        cmocka_unit_test(an_atomic_unit_is_never_torn),
        cmocka_unit_test(sectors_of_a_card_land_in_no_order),
        cmocka_unit_test(an_erase_is_torn),
        cmocka_unit_test(bad_blocks_fail_as_told),
        cmocka_unit_test(a_block_that_keeps_its_content_does_so_in_a_cut),
        cmocka_unit_test(a_flip_is_one_bit_and_in_the_answer_only),
        cmocka_unit_test(the_nth_call_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
