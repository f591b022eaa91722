/* SPDX-License-Identifier: MIT
 *
 * The two ways content travels between HTTP and a device: the pipe and the
 * spool, with both ends in threads and at every edge of their sizes.
 */
#include "core/error.h"
#include "daemon/device/pipe.h"
#include "daemon/device/spool.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void count_up(void *ctx)
{
    atomic_fetch_add((_Atomic int *)ctx, 1);
}

/* ---- pipe ---- */

static void a_pipe_gives_what_it_took_and_then_the_end(void **state)
{
    struct fpd_pipe *pipe = fpd_pipe_new(10);
    uint8_t buf[16];
    size_t got;

    (void)state;
    assert_int_equal(fpd_pipe_read(pipe, buf, 16, &got), FPD_PIPE_EMPTY);
    fpd_pipe_write(pipe, "abcdefg", 7);
    assert_int_equal(fpd_pipe_room(pipe), 3);
    assert_int_equal(fpd_pipe_read(pipe, buf, 5, &got), FPD_PIPE_DATA);
    assert_int_equal(got, 5);
    fpd_pipe_write(pipe, "hijklmno", 8); /* around the ring's end, to full */
    assert_int_equal(fpd_pipe_room(pipe), 0);
    fpd_pipe_finish(pipe, FP_OK);
    fpd_pipe_finish(pipe, FP_ERR_IO); /* the first call counts */
    assert_int_equal(fpd_pipe_read(pipe, buf, 16, &got), FPD_PIPE_DATA);
    assert_int_equal(got, 10);
    assert_memory_equal(buf, "fghijklmno", 10);
    assert_int_equal(fpd_pipe_read(pipe, buf, 16, &got), FPD_PIPE_END);
    fpd_pipe_unref(pipe);
}

static void a_failed_pipe_gives_what_came_before(void **state)
{
    struct fpd_pipe *pipe = fpd_pipe_new(10);
    uint8_t buf[16];
    size_t got;

    (void)state;
    fpd_pipe_write(pipe, "abc", 3);
    fpd_pipe_finish(pipe, FP_ERR_NODEV);
    assert_int_equal(fpd_pipe_read(pipe, buf, 16, &got), FPD_PIPE_DATA);
    assert_int_equal(got, 3);
    assert_int_equal(fpd_pipe_read(pipe, buf, 16, &got), FPD_PIPE_FAIL);
    assert_int_equal(fpd_pipe_error(pipe), FP_ERR_NODEV);
    fpd_pipe_unref(pipe);
}

static void a_reader_is_woken_once(void **state)
{
    struct fpd_pipe *pipe = fpd_pipe_new(10);
    _Atomic int woken = 0;

    (void)state;
    fpd_pipe_wake_when_ready(pipe, count_up, &woken);
    assert_int_equal(woken, 0);
    fpd_pipe_write(pipe, "a", 1);
    fpd_pipe_write(pipe, "b", 1);
    assert_int_equal(woken, 1);
    fpd_pipe_wake_when_ready(pipe, count_up, &woken); /* ready: at once */
    assert_int_equal(woken, 2);
    fpd_pipe_abandon(pipe);
    fpd_pipe_finish(pipe, FP_OK);
    assert_int_equal(woken, 2);
    assert_int_equal(fpd_pipe_room(pipe), SIZE_MAX);
    fpd_pipe_unref(pipe);
}

static void a_writer_hears_of_room_and_of_a_reader_that_left(void **state)
{
    struct fpd_pipe *pipe = fpd_pipe_new(10);
    _Atomic int told = 0;
    uint8_t buf[4];
    size_t got;

    (void)state;
    fpd_pipe_on_room(pipe, count_up, &told);
    fpd_pipe_write(pipe, "abcdefghij", 10);
    assert_int_equal(told, 0);
    fpd_pipe_read(pipe, buf, 4, &got);
    assert_int_equal(told, 1);
    fpd_pipe_abandon(pipe);
    assert_int_equal(told, 2);
    assert_true(fpd_pipe_abandoned(pipe));
    fpd_pipe_on_room(pipe, NULL, NULL);
    fpd_pipe_unref(pipe);
}

#define STREAM_SIZE 3000000u

static void *feed(void *arg)
{
    struct fpd_pipe *pipe = arg;
    uint8_t buf[777];

    for (uint32_t at = 0; at < STREAM_SIZE;) {
        size_t room = fpd_pipe_room(pipe);
        size_t n =
            STREAM_SIZE - at < sizeof buf ? STREAM_SIZE - at : sizeof buf;

        if (room < n) {
            sched_yield();
            continue;
        }
        for (size_t i = 0; i < n; i++)
            buf[i] = (uint8_t)((at + i) * 31 >> 3);
        fpd_pipe_write(pipe, buf, n);
        at += (uint32_t)n;
    }
    fpd_pipe_finish(pipe, FP_OK);
    return NULL;
}

static void two_threads_lose_and_invent_nothing(void **state)
{
    struct fpd_pipe *pipe = fpd_pipe_new(4096);
    uint8_t buf[1000];
    pthread_t thread;
    uint32_t at = 0;
    size_t got;

    (void)state;
    pthread_create(&thread, NULL, feed, pipe);
    while (fpd_pipe_read_wait(pipe, buf, sizeof buf, &got) == FPD_PIPE_DATA) {
        for (size_t i = 0; i < got; i++, at++)
            if (buf[i] != (uint8_t)(at * 31 >> 3))
                fail_msg("byte %u is wrong", at);
    }
    assert_int_equal(at, STREAM_SIZE);
    pthread_join(thread, NULL);
    fpd_pipe_unref(pipe);
}

/* ---- spool ---- */

static unsigned count_files(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned count = 0;

    while (readdir(d))
        count++;
    closedir(d);
    return count - 2; /* "." and ".." */
}

/* Source: FIPS 180-4 example, "abc". */
static const uint8_t sha_abc[32] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
    0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static void a_spool_keeps_bytes_and_digest_and_leaves_no_file(void **state)
{
    char dir[] = "/tmp/fpd-spool-XXXXXX";
    struct fpd_spool_state st;
    struct fpd_spool *spool;
    uint8_t buf[8];

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(fpd_spool_new(dir, FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    assert_int_equal(count_files(dir), 0);
    assert_int_equal(fpd_spool_write(spool, "ab", 2), FP_OK);
    assert_int_equal(fpd_spool_write(spool, "c", 1), FP_OK);
    fpd_spool_state(spool, &st);
    assert_true(st.size == FPD_SPOOL_UNKNOWN && st.have == 3 && !st.ended);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    fpd_spool_state(spool, &st);
    assert_true(st.size == 3 && st.ended);
    assert_memory_equal(st.sha256, sha_abc, 32);
    assert_int_equal(fpd_spool_read(spool, 1, buf, 8), 2);
    assert_memory_equal(buf, "bc", 2);
    assert_int_equal(fpd_spool_read(spool, 0, buf, 8), 3); /* once more */
    assert_int_equal(fpd_spool_read(spool, 3, buf, 8), 0);
    assert_int_equal(fpd_spool_write(spool, "d", 1), FP_ERR_INVAL);
    fpd_spool_unref(spool);
    rmdir(dir);
}

static void a_spool_takes_neither_more_nor_less_than_announced(void **state)
{
    struct fpd_spool_state st;
    struct fpd_spool *spool;

    (void)state;
    assert_int_equal(fpd_spool_new("/tmp", 3, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, "abcd", 4), FP_ERR_FBIG);
    assert_int_equal(fpd_spool_write(spool, "ab", 2), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_ERR_INVAL);
    fpd_spool_state(spool, &st);
    assert_false(st.ended);
    assert_int_equal(st.err, FP_ERR_INVAL);
    fpd_spool_unref(spool);
    assert_int_equal(fpd_spool_new("/nowhere", 3, &spool), FP_ERR_IO);
    assert_null(spool);
    assert_int_equal(fpd_spool_new("/tmp", FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    fpd_spool_limit(spool, 3);
    assert_int_equal(fpd_spool_write(spool, "ab", 2), FP_OK);
    assert_int_equal(fpd_spool_write(spool, "cd", 2), FP_ERR_FBIG);
    assert_int_equal(fpd_spool_write(spool, "c", 1), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    fpd_spool_unref(spool);
}

static void a_writer_far_ahead_waits_for_the_device(void **state)
{
    static uint8_t half[FPD_SPOOL_LEAD / 2];
    _Atomic int woken = 0;
    struct fpd_spool *spool;

    (void)state;
    assert_int_equal(fpd_spool_new("/tmp", FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, half, sizeof half), FP_OK);
    assert_true(fpd_spool_writable(spool));
    assert_int_equal(fpd_spool_write(spool, half, sizeof half), FP_OK);
    assert_false(fpd_spool_writable(spool));
    fpd_spool_wake_when_writable(spool, count_up, &woken);
    assert_int_equal(woken, 0);
    fpd_spool_consumed(spool, 1);
    assert_int_equal(woken, 1);
    assert_true(fpd_spool_writable(spool));
    /* The whole body is wanted before anything is sent. */
    assert_int_equal(fpd_spool_write(spool, half, sizeof half), FP_OK);
    assert_false(fpd_spool_writable(spool));
    fpd_spool_wake_when_writable(spool, count_up, &woken);
    fpd_spool_consumed(spool, UINT64_MAX);
    assert_int_equal(woken, 2);
    assert_int_equal(fpd_spool_write(spool, half, sizeof half), FP_OK);
    assert_true(fpd_spool_writable(spool));
    fpd_spool_unref(spool);
}

static void a_reader_that_gave_up_frees_the_writer(void **state)
{
    static uint8_t lead[FPD_SPOOL_LEAD];
    _Atomic int woken = 0;
    struct fpd_spool *spool;

    (void)state;
    assert_int_equal(fpd_spool_new("/tmp", FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, lead, sizeof lead), FP_OK);
    fpd_spool_wake_when_writable(spool, count_up, &woken);
    fpd_spool_abandon(spool);
    assert_int_equal(woken, 1);
    assert_true(fpd_spool_writable(spool));
    assert_int_equal(fpd_spool_write(spool, lead, 1), FP_ERR_CANCELED);
    fpd_spool_unref(spool);
}

static void the_reader_hears_of_bytes_end_and_failure(void **state)
{
    _Atomic int told = 0;
    struct fpd_spool_state st;
    struct fpd_spool *spool;

    (void)state;
    assert_int_equal(fpd_spool_new("/tmp", FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    fpd_spool_on_data(spool, count_up, &told);
    assert_int_equal(fpd_spool_write(spool, "a", 1), FP_OK);
    assert_int_equal(told, 1);
    fpd_spool_fail(spool, FP_ERR_CANCELED);
    assert_int_equal(told, 2);
    fpd_spool_state(spool, &st);
    assert_int_equal(st.err, FP_ERR_CANCELED);
    fpd_spool_on_data(spool, NULL, NULL);
    assert_int_equal(fpd_spool_end(spool), FP_ERR_CANCELED);
    assert_int_equal(told, 2);
    fpd_spool_unref(spool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_gives_what_it_took_and_then_the_end),
        cmocka_unit_test(a_failed_pipe_gives_what_came_before),
        cmocka_unit_test(a_reader_is_woken_once),
        cmocka_unit_test(a_writer_hears_of_room_and_of_a_reader_that_left),
        cmocka_unit_test(two_threads_lose_and_invent_nothing),
        cmocka_unit_test(a_spool_keeps_bytes_and_digest_and_leaves_no_file),
        cmocka_unit_test(a_spool_takes_neither_more_nor_less_than_announced),
        cmocka_unit_test(a_writer_far_ahead_waits_for_the_device),
        cmocka_unit_test(a_reader_that_gave_up_frees_the_writer),
        cmocka_unit_test(the_reader_hears_of_bytes_end_and_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
