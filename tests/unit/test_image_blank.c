/* SPDX-License-Identifier: MIT */
#include "cli/image/blank.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK 512u
#define COUNT 8200u /* no whole number of what is written at once */
#define SIZE  (BLOCK * COUNT)
#define STEPS 12000u

static struct fpc_image_blank blank;
static uint8_t expected[SIZE], saved[SIZE + 1];
static char path[] = "/tmp/fp-blank-XXXXXX";
static uint32_t random_state;

static uint32_t any(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

static int setup(void **state)
{
    (void)state;
    random_state = 88172645;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    return close(mkstemp(path));
}

static int teardown(void **state)
{
    (void)state;
    fpc_image_blank_free(&blank);
    return unlink(path);
}

static void make(uint8_t fill, bool follow)
{
    assert_int_equal(fpc_image_blank_new(&blank, BLOCK, BLOCK, COUNT, fill),
                     FP_OK);
    if (fill == 0)
        blank.ram.bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    memset(expected, fill, SIZE);
    assert_int_equal(fpc_image_blank_open(&blank, path), 0);
    if (follow)
        fpc_image_blank_follow(&blank);
}

static void program(uint32_t block, uint32_t count, uint8_t value)
{
    uint8_t buf[16 * BLOCK];

    memset(buf, value, count * BLOCK);
    assert_int_equal(
        fp_bdev_prog(&blank.ram.bdev, block * BLOCK, buf, count * BLOCK),
        FP_OK);
    for (uint32_t i = block * BLOCK; i < (block + count) * BLOCK; i++)
        expected[i] = blank.fill == 0 ? value : expected[i] & value;
}

static void erase(uint32_t block, uint32_t count)
{
    assert_int_equal(fp_bdev_erase(&blank.ram.bdev, block, count), FP_OK);
    memset(expected + block * BLOCK, blank.fill, count * BLOCK);
}

static void expect_file(void)
{
    const int fd = open(path, O_RDONLY);

    assert_int_equal(read(fd, saved, sizeof saved), SIZE);
    close(fd);
    assert_memory_equal(saved, expected, SIZE);
}

/* As a filesystem does: from the start to the end, with a step back to what
 * was written long ago now and then, and zeros. */
static void fill_up(void)
{
    uint32_t next = 0;

    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t count = 1 + any(16), block = next;

        if (next + count > COUNT)
            next = 0;
        else if (any(8) != 0)
            next += count;
        else
            block = any(COUNT - count);
        if (any(16) == 0)
            erase(block > COUNT - count ? 0 : block, count);
        else if (block + count <= COUNT)
            program(block, count, any(4) == 0 ? 0 : (uint8_t)any(256));
    }
}

static void a_file_that_follows_gets_all_changes(void **state)
{
    static const uint8_t fills[] = { 0x00, 0xff };

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        make(fills[i], true);
        fill_up();
        assert_int_equal(fpc_image_blank_save(&blank), 0);
        expect_file();
        fpc_image_blank_free(&blank);
    }
}

static void a_file_is_saved_at_the_end_too(void **state)
{
    (void)state;
    make(0xff, false);
    fill_up();
    assert_int_equal(fpc_image_blank_save(&blank), 0);
    expect_file();
}

static void what_was_erased_last_is_so_in_the_file(void **state)
{
    (void)state;
    make(0xff, true);
    for (uint32_t i = 0; i + 8 <= COUNT; i += 8)
        program(i, 8, 0x5a);
    erase(1000, COUNT - 1000);
    program(COUNT - 8, 8, 0x3c);
    assert_int_equal(fpc_image_blank_save(&blank), 0);
    expect_file();
}

static void zeros_take_no_room(void **state)
{
    struct stat st;

    (void)state;
    make(0, true);
    for (uint32_t i = 0; i + 8 <= COUNT; i += 8)
        program(i, 8, i < COUNT / 2 ? 0 : 1);
    assert_int_equal(fpc_image_blank_save(&blank), 0);
    expect_file();
    assert_int_equal(stat(path, &st), 0);
    assert_true((uint32_t)st.st_blocks * 512 < SIZE * 3 / 4);
}

static void set_file_limit(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A disk that was full for a while is like a limit that is lifted. */
static void what_could_not_be_written_is_tried_again_and_told(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    make(0, true);
    set_file_limit(SIZE / 4);
    for (uint32_t i = 0; i + 8 <= COUNT; i += 8)
        program(i, 8, (uint8_t)(i / 8 + 1));
    assert_int_equal(fpc_image_blank_save(&blank), -1);
    assert_int_equal(errno, EFBIG);
    set_file_limit(RLIM_INFINITY);
    assert_int_equal(fpc_image_blank_save(&blank), 0);
    expect_file();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_follows_gets_all_changes),
        TEST(a_file_is_saved_at_the_end_too),
        TEST(what_was_erased_last_is_so_in_the_file),
        TEST(zeros_take_no_room),
        TEST(what_could_not_be_written_is_tried_again_and_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
