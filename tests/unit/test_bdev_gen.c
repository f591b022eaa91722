/* SPDX-License-Identifier: MIT
 *
 * The write generation: a model that remembers when each chunk was written
 * last says what the map has to answer.
 */
#include "core/bdev/gen.h"
#include "core/bdev/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCK  64
#define BLOCKS 20
#define CHUNK  96 /* no multiple of a block: runs cross */
#define CHUNKS 14 /* 1280 / 96 = 13.3 */

struct fixture {
    uint8_t mem[BLOCK * BLOCKS], maps[4];
    struct fp_bdev_ram ram;
    struct fp_bdev_gen gen;
    uint32_t ms;
};

static uint32_t clock_of(void *ctx)
{
    return *(uint32_t *)ctx;
}

static void set_up(struct fixture *f)
{
    struct fp_bdev_gen_config cfg = {
        .epoch = { 0xff, 0xff },
        .chunk_size = CHUNK,
        .clock_ms = clock_of,
        .clock_ctx = &f->ms,
        .maps = f->maps,
        .maps_size = sizeof f->maps,
    };

    memset(f, 0, sizeof *f);
    fp_bdev_ram_init(&f->ram, 1, BLOCK, BLOCKS, f->mem);
    assert_int_equal(fp_bdev_gen_maps_size(&f->ram.bdev, CHUNK), 4);
    assert_int_equal(fp_bdev_gen_init(&f->gen, &f->ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_bdev_gen_chunk_count(&f->gen), CHUNKS);
}

/* The answer as one bit a chunk. */
static uint32_t answered(const struct fp_bdev_gen *gen)
{
    uint32_t first = 0, count, bits = 0;

    while (fp_bdev_gen_run(gen, &first, &count)) {
        assert_true(count > 0 && first + count <= CHUNKS);
        for (; count > 0; count--)
            bits |= 1u << first++;
    }
    return bits;
}

static void prog(struct fixture *f, fp_addr off, uint32_t size)
{
    uint8_t buf[BLOCK * BLOCKS] = { 0 };

    assert_int_equal(fp_bdev_prog(&f->gen.bdev, off, buf, size), FP_OK);
}

static void every_write_moves_the_generation(void **state)
{
    struct fixture f;
    uint8_t buf[1];

    (void)state;
    set_up(&f);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 0);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_erase(&f.gen.bdev, 0, 3), FP_OK);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 2);
    assert_int_equal(fp_bdev_read(&f.gen.bdev, 0, buf, 1), FP_OK);
    assert_int_equal(fp_bdev_sync(&f.gen.bdev), FP_OK);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 2);
    /* A write that failed may have changed anything. */
    f.ram.bdev.flags |= FP_BDEV_RDONLY;
    assert_int_equal(fp_bdev_erase(&f.gen.bdev, 0, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 3);
}

static void a_write_marks_the_chunks_it_touches(void **state)
{
    struct fixture f;
    uint32_t now;

    (void)state;
    set_up(&f);
    prog(&f, CHUNK - 1, 2);                                     /* 0 and 1 */
    prog(&f, 3 * CHUNK, CHUNK);                                 /* 3 alone */
    assert_int_equal(fp_bdev_erase(&f.gen.bdev, 19, 1), FP_OK); /* 12, 13 */
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &now), FP_OK);
    assert_int_equal(now, 3);
    assert_int_equal(answered(&f.gen), 1 | 2 | 8 | 1 << 12 | 1 << 13);
}

static void the_answer_stays_while_it_is_read(void **state)
{
    struct fixture f;
    uint32_t now, first = 0, count;

    (void)state;
    set_up(&f);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &now), FP_OK);
    prog(&f, 5 * CHUNK, 1);
    assert_true(fp_bdev_gen_run(&f.gen, &first, &count));
    assert_int_equal(first, 0);
    assert_int_equal(count, 1);
    first += count;
    assert_false(fp_bdev_gen_run(&f.gen, &first, &count));
    assert_int_equal(fp_bdev_gen_changed(&f.gen, now, &now), FP_OK);
    assert_int_equal(answered(&f.gen), 1 << 5);
}

static void a_lost_reply_can_be_asked_for_again(void **state)
{
    struct fixture f;
    uint32_t now, again;

    (void)state;
    set_up(&f);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &now), FP_OK);
    prog(&f, 5 * CHUNK, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &again), FP_OK);
    assert_int_equal(answered(&f.gen), 1 | 1 << 5);
    /* Once the next generation was named, the one before is too old. */
    assert_int_equal(fp_bdev_gen_changed(&f.gen, again, &now), FP_OK);
    assert_int_equal(answered(&f.gen), 0);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &now), FP_ERR_STALE);
}

static void the_future_is_not_known_and_stale_starts_afresh(void **state)
{
    struct fixture f;
    uint32_t now;

    (void)state;
    set_up(&f);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 2, &now), FP_ERR_STALE);
    assert_int_equal(now, 1);
    prog(&f, 2 * CHUNK, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, now, &now), FP_OK);
    assert_int_equal(answered(&f.gen), 1 << 2);
}

/* The model: the generation in which each chunk was written last. Any question
 * may come at any time; no answer may miss a chunk, and those since the last
 * two replies have none too many. Seed 4711. */
static void no_sequence_of_questions_misses_a_change(void **state)
{
    struct fixture f;
    uint32_t written[CHUNKS] = { 0 }, asked = 0, replied = 0;

    (void)state;
    set_up(&f);
    srand(4711);
    for (int i = 0; i < 20000; i++) {
        uint32_t now, since, want = 0, got;
        int err;

        for (int n = rand() % 4; n > 0; n--) {
            uint32_t chunk = (uint32_t)(rand() % CHUNKS);

            prog(&f, (fp_addr)chunk * CHUNK, 1);
            written[chunk] = fp_bdev_gen_now(&f.gen);
        }
        switch (rand() % 4) {
        case 0:
            since = asked;
            break;
        case 1:
            since = (uint32_t)rand() % (fp_bdev_gen_now(&f.gen) + 1);
            break;
        default:
            since = replied;
        }
        err = fp_bdev_gen_changed(&f.gen, since, &now);
        got = answered(&f.gen);
        for (uint32_t chunk = 0; chunk < CHUNKS; chunk++)
            if (written[chunk] > since)
                want |= 1u << chunk;
        if (since == asked || since == replied) {
            assert_int_equal(err, FP_OK);
            assert_int_equal(got, want);
        } else if (err == FP_OK) {
            assert_int_equal(got & want, want);
        } else {
            assert_int_equal(err, FP_ERR_STALE);
        }
        if (err == FP_ERR_STALE)
            asked = now; /* nothing older is known from here on */
        else if (since >= replied)
            asked = replied;
        replied = now;
    }
}

static void maps_may_be_absent_but_not_too_small(void **state)
{
    struct fixture f;
    uint32_t now, first = 0, count;
    struct fp_bdev_gen_config cfg = { .maps = NULL };

    (void)state;
    set_up(&f);
    assert_int_equal(fp_bdev_gen_init(&f.gen, &f.ram.bdev, &cfg), FP_OK);
    assert_int_equal(fp_bdev_gen_chunk_size(&f.gen), 4096);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &now), FP_ERR_NOTSUP);
    assert_int_equal(now, 1);
    assert_false(fp_bdev_gen_run(&f.gen, &first, &count));
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_ERR_NOTSUP);

    cfg = (struct fp_bdev_gen_config){ .chunk_size = CHUNK,
                                       .maps = f.maps,
                                       .maps_size = 3 };
    assert_int_equal(fp_bdev_gen_init(&f.gen, &f.ram.bdev, &cfg), FP_ERR_NOMEM);
}

static void frozen_until_thawed_or_the_time_is_over(void **state)
{
    struct fixture f;
    uint8_t buf[1] = { 0 };

    (void)state;
    set_up(&f);
    f.ms = UINT32_MAX - 100; /* the clock wraps while it is frozen */
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_OK);
    assert_int_equal(fp_bdev_prog(&f.gen.bdev, 0, buf, 1), FP_ERR_BUSY);
    assert_int_equal(fp_bdev_erase(&f.gen.bdev, 0, 1), FP_ERR_BUSY);
    assert_int_equal(fp_bdev_read(&f.gen.bdev, 0, buf, 1), FP_OK);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 0);
    f.ms += 499;
    assert_true(fp_bdev_gen_is_frozen(&f.gen));
    f.ms += 1;
    assert_int_equal(fp_bdev_prog(&f.gen.bdev, 0, buf, 1), FP_OK);

    f.ms += 500;
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_OK);
    fp_bdev_gen_thaw(&f.gen);
    assert_int_equal(fp_bdev_erase(&f.gen.bdev, 0, 1), FP_OK);
}

static void whoever_writes_has_as_long_a_time(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 300), FP_OK);
    f.ms += 200;
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_OK); /* adds none */
    f.ms += 100;
    assert_false(fp_bdev_gen_is_frozen(&f.gen));
    f.ms += 299;
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_ERR_BUSY);
    f.ms += 1;
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_OK);
    f.ms += 20;
    fp_bdev_gen_thaw(&f.gen);
    f.ms += 10;
    fp_bdev_gen_thaw(&f.gen); /* which it is already */
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_ERR_BUSY);
    f.ms += 10;
    assert_int_equal(fp_bdev_gen_freeze(&f.gen, 500), FP_OK);
}

static void no_generation_comes_twice(void **state)
{
    struct fixture f;
    uint32_t now;

    (void)state;
    set_up(&f);
    f.gen.gen = UINT32_MAX; /* as if four thousand million writes ago */
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_now(&f.gen), 0);
    assert_int_equal(fp_bdev_gen_epoch(&f.gen)[0], 0);
    assert_int_equal(fp_bdev_gen_epoch(&f.gen)[1], 0);
    assert_int_equal(fp_bdev_gen_epoch(&f.gen)[2], 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, UINT32_MAX, &now),
                     FP_ERR_STALE);
}

/* Another card of half the size: the generation goes on, and nobody is told
 * that only little has changed. */
static void another_medium_has_all_changed(void **state)
{
    struct fp_bdev_gen_config cfg = { .chunk_size = CHUNK };
    struct fixture f;
    uint32_t before, now;

    (void)state;
    set_up(&f);
    prog(&f, 0, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, 0, &before), FP_OK);
    fp_bdev_gen_forget(&f.gen);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, before, &now), FP_ERR_STALE);
    assert_int_not_equal(now, before);
    before = now;
    fp_bdev_ram_init(&f.ram, 1, BLOCK, BLOCKS / 2, f.mem);
    cfg.maps = f.maps;
    cfg.maps_size = sizeof f.maps;
    assert_int_equal(fp_bdev_gen_replace(&f.gen, &cfg), FP_OK);
    assert_int_equal(fp_bdev_gen_chunk_count(&f.gen), CHUNKS / 2);
    assert_int_equal(fp_bdev_gen_epoch(&f.gen)[0], 0xff);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, before, &now), FP_ERR_STALE);
    assert_int_not_equal(now, before);
    prog(&f, CHUNK, 1);
    assert_int_equal(fp_bdev_gen_changed(&f.gen, now, &now), FP_OK);
    assert_int_equal(answered(&f.gen), 1u << 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_moves_the_generation),
        cmocka_unit_test(a_write_marks_the_chunks_it_touches),
        cmocka_unit_test(the_answer_stays_while_it_is_read),
        cmocka_unit_test(a_lost_reply_can_be_asked_for_again),
        cmocka_unit_test(the_future_is_not_known_and_stale_starts_afresh),
        cmocka_unit_test(no_sequence_of_questions_misses_a_change),
        cmocka_unit_test(maps_may_be_absent_but_not_too_small),
        cmocka_unit_test(frozen_until_thawed_or_the_time_is_over),
        cmocka_unit_test(whoever_writes_has_as_long_a_time),
        cmocka_unit_test(no_generation_comes_twice),
        cmocka_unit_test(another_medium_has_all_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
