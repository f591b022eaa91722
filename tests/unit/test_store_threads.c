/* SPDX-License-Identifier: MIT
 *
 * Two makers, a deleter that sweeps, and two readers at once: what can be
 * opened reads back right to its end. Meant for the TSan build, too.
 */
#include "tests/unit/store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define CHUNK  4096
#define CHUNKS 300
#define SIZE   (CHUNKS * CHUNK)
#define TAKES  12 /* a maker */

struct shared {
    struct fpd_store *store;
    _Atomic unsigned started;
    _Atomic unsigned ended; /* makers */
    _Atomic unsigned compared;
    _Atomic unsigned failures;
};

static void fail_if(struct shared *s, int err, const char *what)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", what, fp_strerror(err));
        s->failures++;
    }
}

/* Images of neighbouring numbers share two thirds. */
static void image_of(uint8_t *image, unsigned k)
{
    for (unsigned i = 0; i < CHUNKS; i++)
        fill_chunk(image + i * CHUNK, CHUNK, i + 1000ull * ((k + i % 3) / 3));
}

static void *maker(void *arg)
{
    struct shared *s = arg;
    uint8_t *image = malloc(SIZE);
    unsigned self = s->started++;
    struct fpd_snapshot out;

    for (unsigned k = 0; k < TAKES; k++) {
        char device[16];

        snprintf(device, sizeof device, "%u", k + self);
        image_of(image, k + self);
        fail_if(s, take(s->store, device, image, SIZE, CHUNK, &out), "take");
    }
    free(image);
    s->ended++;
    return NULL;
}

static bool making(struct shared *s)
{
    return s->ended < 2;
}

static void *sweeper(void *arg)
{
    struct shared *s = arg;
    struct fpd_store_sweep swept;
    struct fpd_snapshot *list = calloc(100, sizeof *list);

    while (making(s)) {
        size_t n = 0;

        fail_if(s, fpd_store_snapshot_list(s->store, NULL, list, 100, &n),
                "list");
        for (size_t i = 2; i < n; i++)
            fail_if(s, fpd_store_snapshot_delete(s->store, list[i].id),
                    "delete");
        fail_if(s, fpd_store_sweep(s->store, NULL, NULL, &swept), "sweep");
    }
    free(list);
    return NULL;
}

static void *reader(void *arg)
{
    struct shared *s = arg;
    struct fpd_snapshot *list = calloc(4, sizeof *list);
    uint8_t *image = malloc(SIZE);

    while (making(s)) {
        size_t n = 0;

        fail_if(s, fpd_store_snapshot_list(s->store, NULL, list, 4, &n),
                "list");
        for (size_t i = 0; i < n; i++) {
            int err;

            image_of(image, (unsigned)atoi(list[i].device));
            err = compare(s->store, list[i].id, image, SIZE);
            /* Deleted between the list and the opening. */
            if (err != FP_ERR_NOENT)
                fail_if(s, err, "compare");
            s->compared += err == FP_OK;
        }
    }
    free(image);
    free(list);
    return NULL;
}

static void all_at_once(void **state)
{
    struct fixture *f = *state;
    struct shared s = { .store = f->store };
    void *(*const mains[])(void *) = { maker, maker, sweeper, reader, reader };
    pthread_t threads[5];
    struct fpd_store_verify v;

    for (int i = 0; i < 5; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, mains[i], &s), 0);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
    printf("%u snapshots compared\n", (unsigned)s.compared);
    assert_int_equal(s.failures, 0);
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), 0);
    assert_int_equal(v.bad + v.missing + v.nodes_bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_at_once, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
