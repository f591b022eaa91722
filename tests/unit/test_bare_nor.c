/* SPDX-License-Identifier: MIT
 *
 * SPI NOR chips on bare metal, against a chip that is played here as its
 * datasheet has it: it writes when it is deselected, wraps around at the end of
 * a page, takes time, hears nothing but status meanwhile, and forgets write
 * enable after each write. What is protected it does not write, and does not say
 * so; its protection is changed as long as its pin allows that.
 *
 * Source: W25Q256JV datasheet, revision I, sections 7.1 (status, and what locks
 * it) and 8.2
 */
#include "device-agent/ports/bare/nor.h"
#include "device-agent/ports/bare/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB         (1024u * 1024)
#define FOR_EVER_MS 1000000u

/* A command with its address, and what follows; the last page of it counts. */
static struct chip {
    uint8_t id[3];
    uint8_t *mem;
    uint32_t size;
    bool is_deaf;    /* to write enable */
    uint8_t status;  /* but for its two lowest bits */
    bool pin_is_low; /* with bit 7 the status is locked */
    uint32_t erase_ms, prog_ms, status_ms;
    uint32_t status_writes;

    bool selected, may_write;
    uint32_t done_ms; /* when a write will be over */
    uint8_t in[5 + 65536];
    uint32_t in_size, out_size;
} chip;

static uint32_t clock_ms;

uint32_t fp_port_now_ms(void)
{
    return clock_ms;
}

static void insert(uint8_t size_log2)
{
    free(chip.mem);
    chip = (struct chip){
        .id = { 0xef, 0x40, size_log2 },
        .size = 1u << size_log2,
        .erase_ms = 400,
        .prog_ms = 3,
        .status_ms = 15,
    };
    chip.mem = malloc(chip.size);
    assert_non_null(chip.mem);
    memset(chip.mem, 0xff, chip.size);
    clock_ms = 0;
}

static bool is_busy(void)
{
    return clock_ms < chip.done_ms;
}

/* Most significant byte first. */
static uint32_t address(uint32_t size)
{
    uint32_t addr = 0;

    for (uint32_t i = 0; i < size; i++)
        addr = addr << 8 | chip.in[1 + i];
    return addr % chip.size;
}

static void prog(uint32_t address_size)
{
    uint32_t addr = address(address_size), at = 1 + address_size;

    for (; at < chip.in_size; at++) {
        chip.mem[addr] &= chip.in[at];
        addr = addr / 256 * 256 + (addr + 1) % 256;
    }
    chip.done_ms = clock_ms + chip.prog_ms;
}

static void erase(uint32_t address_size)
{
    memset(chip.mem + address(address_size) / 4096 * 4096, 0xff, 4096);
    chip.done_ms = clock_ms + chip.erase_ms;
}

void fp_port_spi_select(void)
{
    assert_false(chip.selected);
    chip.selected = true;
    chip.in_size = chip.out_size = 0;
}

static bool is_protected(void)
{
    return (chip.status & 0x3c) != 0;
}

static void write_if_allowed(void (*write)(uint32_t), uint32_t address_size)
{
    assert_int_equal(address_size, chip.size > 16 * MIB ? 4 : 3);
    if (chip.may_write && !is_protected())
        write(address_size);
    chip.may_write = false;
}

/* Where it is locked the command is not heard, and write enable stays. */
static void write_status(void)
{
    assert_int_equal(chip.in_size, 2);
    if (!chip.may_write || (chip.status & 0x80 && chip.pin_is_low))
        return;
    chip.status = chip.in[1] & 0xfc;
    chip.status_writes++;
    chip.may_write = false;
    chip.done_ms = clock_ms + chip.status_ms;
}

void fp_port_spi_deselect(void)
{
    assert_true(chip.selected);
    chip.selected = false;
    if (is_busy())
        return;
    switch (chip.in[0]) {
    case 0x01:
        write_status();
        break;
    case 0x04:
        chip.may_write = false;
        break;
    case 0x06:
        chip.may_write = !chip.is_deaf;
        break;
    case 0x02:
        write_if_allowed(prog, 3);
        break;
    case 0x12:
        write_if_allowed(prog, 4);
        break;
    case 0x20:
        write_if_allowed(erase, 3);
        break;
    case 0x21:
        write_if_allowed(erase, 4);
        break;
    }
}

void fp_port_spi_write(const uint8_t *buf, uint32_t size)
{
    assert_true(chip.selected && chip.in_size + size <= sizeof chip.in);
    memcpy(chip.in + chip.in_size, buf, size);
    chip.in_size += size;
}

static uint8_t answer(void)
{
    uint32_t at = chip.out_size++;

    if (chip.in[0] == 0x05) {
        clock_ms++; /* asking takes time, too */
        return (uint8_t)(chip.status | is_busy() | chip.may_write << 1);
    }
    if (is_busy())
        return 0xff;
    switch (chip.in[0]) {
    case 0x9f:
        return chip.id[at % 3];
    case 0x03:
        return chip.mem[(address(3) + at) % chip.size];
    case 0x13:
        return chip.mem[(address(4) + at) % chip.size];
    }
    return 0xff;
}

void fp_port_spi_read(uint8_t *buf, uint32_t size)
{
    assert_true(chip.selected);
    for (uint32_t i = 0; i < size; i++)
        buf[i] = answer();
}

/* ---- what is expected of the driver ---- */

static struct fp_bdev *ready(uint8_t size_log2)
{
    struct fp_bdev *dev;

    insert(size_log2);
    dev = fp_bare_nor_init();
    assert_non_null(dev);
    assert_int_equal(fp_bdev_size(dev), chip.size);
    return dev;
}

static void a_chip_is_as_large_as_its_id_says(void **state)
{
    (void)state;
    for (uint8_t log2 = 16; log2 <= 25; log2++)
        ready(log2);
}

static void a_chip_that_is_absent_or_unknown_is_none(void **state)
{
    static const uint8_t ids[][3] = {
        { 0xff, 0xff, 0xff }, { 0, 0, 0 }, { 0xff, 0xff, 0x14 },
        { 0xbf, 0x25, 0x4a }, /* SST25VF032B, which programs bytes */
        { 0xef, 0x40, 0x1a },
    };

    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        insert(20);
        memcpy(chip.id, ids[i], 3);
        assert_null(fp_bare_nor_init());
    }
}

static void fill(uint8_t *buf, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(i * 7 + i / 256);
}

static void a_program_goes_on_in_the_next_page(void **state)
{
    struct fp_bdev *dev = ready(20);
    uint8_t data[1024], back[1024];

    (void)state;
    fill(data, sizeof data);
    assert_int_equal(fp_bdev_prog(dev, 240, data, sizeof data), FP_OK);
    assert_memory_equal(chip.mem + 240, data, sizeof data);
    assert_int_equal(chip.mem[239], 0xff);
    assert_int_equal(chip.mem[240 + 1024], 0xff);
    assert_int_equal(fp_bdev_read(dev, 240, back, sizeof back), FP_OK);
    assert_memory_equal(back, data, sizeof data);
}

static void an_erase_takes_its_sectors_and_no_other(void **state)
{
    struct fp_bdev *dev = ready(20);

    (void)state;
    memset(chip.mem, 0, chip.size);
    assert_int_equal(fp_bdev_erase(dev, 3, 2), FP_OK);
    assert_int_equal(chip.mem[3 * 4096 - 1], 0);
    assert_int_equal(chip.mem[3 * 4096], 0xff);
    assert_int_equal(chip.mem[5 * 4096 - 1], 0xff);
    assert_int_equal(chip.mem[5 * 4096], 0);
}

static void above_16_mib_addresses_have_four_bytes(void **state)
{
    struct fp_bdev *dev = ready(25);
    uint8_t data[300], back[300];

    (void)state;
    fill(data, sizeof data);
    memset(chip.mem, 0, chip.size);
    assert_int_equal(fp_bdev_erase(dev, 20 * MIB / 4096, 1), FP_OK);
    assert_int_equal(fp_bdev_prog(dev, 20 * MIB, data, 288), FP_OK);
    assert_memory_equal(chip.mem + 20 * MIB, data, 288);
    assert_int_equal(chip.mem[4 * MIB], 0);
    assert_int_equal(fp_bdev_read(dev, 20 * MIB, back, 288), FP_OK);
    assert_memory_equal(back, data, 288);
}

static void a_chip_that_takes_no_write_is_an_error(void **state)
{
    struct fp_bdev *dev = ready(20);
    uint8_t data[16] = { 0 };

    (void)state;
    chip.is_deaf = true;
    assert_int_equal(fp_bdev_prog(dev, 0, data, sizeof data), FP_ERR_IO);
    assert_int_equal(fp_bdev_erase(dev, 0, 1), FP_ERR_IO);
    assert_int_equal(chip.mem[0], 0xff);
}

/* ---- protection ---- */

static void assert_takes_a_write(struct fp_bdev *dev)
{
    uint8_t data[16] = { 0 };

    assert_int_equal(fp_bdev_prog(dev, 4096, data, sizeof data), FP_OK);
    assert_int_equal(chip.mem[4096], 0);
    assert_int_equal(fp_bdev_erase(dev, 1, 1), FP_OK);
    assert_int_equal(chip.mem[4096], 0xff);
}

static void a_status_that_protects_nothing_is_not_written(void **state)
{
    (void)state;
    insert(20);
    chip.status = 0xc0;
    assert_takes_a_write(fp_bare_nor_init());
    assert_int_equal(chip.status, 0xc0);
    assert_int_equal(chip.status_writes, 0);
}

static void protection_is_taken_off_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t bits = 0x04; bits <= 0x3c; bits += 0x04) {
        insert(20);
        chip.status = (uint8_t)(0xc0 | bits); /* locked only by the pin */
        assert_takes_a_write(fp_bare_nor_init());
        assert_int_equal(chip.status, 0xc0);
        assert_int_equal(chip.status_writes, 1);
        assert_takes_a_write(fp_bare_nor_init());
        assert_int_equal(chip.status_writes, 1);
    }
}

static void what_stays_protected_is_read_only(void **state)
{
    struct fp_bdev *dev;
    uint8_t data[16] = { 0 };

    (void)state;
    insert(20);
    chip.status = 0xbc;
    chip.pin_is_low = true;
    chip.mem[0] = 0x42;
    dev = fp_bare_nor_init();
    assert_non_null(dev);
    assert_true(dev->flags & FP_BDEV_RDONLY);
    assert_false(chip.may_write);
    assert_int_equal(fp_bdev_prog(dev, 0, data, sizeof data), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_erase(dev, 0, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_read(dev, 0, data, sizeof data), FP_OK);
    assert_int_equal(data[0], 0x42);

    insert(20);
    chip.status = 0x04;
    chip.is_deaf = true;
    assert_true(fp_bare_nor_init()->flags & FP_BDEV_RDONLY);

    insert(20); /* and the next is not */
    assert_takes_a_write(fp_bare_nor_init());
}

static void a_status_that_is_never_written_ends(void **state)
{
    (void)state;
    insert(20);
    chip.status = 0x3c;
    chip.status_ms = FOR_EVER_MS;
    assert_null(fp_bare_nor_init());
    assert_in_range(clock_ms, 100, 150);
}

static void a_chip_that_is_never_done_is_an_error(void **state)
{
    struct fp_bdev *dev = ready(20);
    uint8_t data[16] = { 0 };

    (void)state;
    chip.erase_ms = FOR_EVER_MS;
    assert_int_equal(fp_bdev_erase(dev, 0, 256), FP_ERR_IO);
    assert_in_range(clock_ms, 400, 450);
    assert_int_equal(fp_bdev_prog(dev, 0, data, sizeof data), FP_ERR_IO);
    assert_in_range(clock_ms, 400, 450);
    assert_null(fp_bare_nor_init());
    assert_in_range(clock_ms, 800, 900);
}

static void a_write_from_before_the_reset_is_waited_for(void **state)
{
    (void)state;
    insert(20);
    chip.done_ms = 390;
    assert_non_null(fp_bare_nor_init());
}

static int remove_chip(void **state)
{
    (void)state;
    free(chip.mem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chip_is_as_large_as_its_id_says),
        cmocka_unit_test(a_chip_that_is_absent_or_unknown_is_none),
        cmocka_unit_test(a_program_goes_on_in_the_next_page),
        cmocka_unit_test(an_erase_takes_its_sectors_and_no_other),
        cmocka_unit_test(above_16_mib_addresses_have_four_bytes),
        cmocka_unit_test(a_chip_that_takes_no_write_is_an_error),
        cmocka_unit_test(a_status_that_protects_nothing_is_not_written),
        cmocka_unit_test(protection_is_taken_off_and_nothing_else),
        cmocka_unit_test(what_stays_protected_is_read_only),
        cmocka_unit_test(a_status_that_is_never_written_ends),
        cmocka_unit_test(a_chip_that_is_never_done_is_an_error),
        cmocka_unit_test(a_write_from_before_the_reset_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, remove_chip);
}
