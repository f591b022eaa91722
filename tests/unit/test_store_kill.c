/* SPDX-License-Identifier: MIT
 *
 * A process that ingests, deletes and sweeps is killed at 50 random moments.
 * After each: both databases are sound, every snapshot listed reads back bit
 * for bit, and the sweep leaves exactly the chunks these name. FP_SEED in the
 * environment repeats a run.
 */
#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define CHUNK  4096
#define SHARED 1500 /* chunks that all images have; more than one batch */
#define OWN    10   /* and those that only one has */
#define SIZE   ((SHARED + OWN) * CHUNK)
#define ROUNDS 50

static void image_of(uint8_t *image, unsigned k)
{
    for (unsigned i = 0; i < SHARED + OWN; i++)
        fill_chunk(image + i * CHUNK, CHUNK,
                   i < SHARED ? i : 100000ull * (k + 1) + i);
}

/* In the child: until it is killed. The image's number is the device's. */
static void ingest(const struct fixture *f, unsigned round)
{
    static uint8_t image[SIZE];
    struct fpd_snapshot last = { 0 }, s;
    struct fpd_store_sweep swept;
    struct fpd_store *store;
    char device[16], why[256];

    if (fpd_store_open(f->dir, &store, why, sizeof why) != FP_OK)
        _exit(2);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(device, sizeof device, "%u", round * 100 + i);
        image_of(image, round * 100 + i);
        if (take(store, device, image, SIZE, CHUNK, &s) != FP_OK)
            _exit(3);
        if (i % 3 == 2 && (fpd_store_snapshot_delete(store, last.id) != FP_OK ||
                           fpd_store_sweep(store, NULL, NULL, &swept) != FP_OK))
            _exit(4);
        last = s;
    }
    for (;;)
        pause();
}

static unsigned check(struct fixture *f)
{
    static struct fpd_snapshot list[1000];
    static uint8_t image[SIZE];
    struct fpd_store_sweep swept;
    struct fpd_store_verify v;
    size_t n;

    assert_int_equal(fixture_open(f), FP_OK);
    assert_int_equal(ask(f, "store.db",
                         "SELECT count(*) FROM pragma_integrity_check"
                         " WHERE integrity_check = 'ok'"),
                     1);
    assert_int_equal(ask(f, "meta.db",
                         "SELECT count(*) FROM pragma_integrity_check"
                         " WHERE integrity_check = 'ok'"),
                     1);
    assert_int_equal(fpd_store_snapshot_list(f->store, NULL, list, 1000, &n),
                     FP_OK);
    for (size_t i = 0; i < n; i++) {
        image_of(image, (unsigned)atoi(list[i].device));
        assert_int_equal(compare(f->store, list[i].id, image, SIZE), 0);
    }
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), FP_OK);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"),
                     n ? SHARED + OWN * n : 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM blob"),
                     n ? SHARED + OWN * n : 0);
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), FP_OK);
    assert_int_equal(v.bad + v.missing + v.nodes_bad, 0);
    /* Keep the newest few, or the rounds take longer and longer. */
    for (size_t i = 3; i < n; i++)
        assert_int_equal(fpd_store_snapshot_delete(f->store, list[i].id), 0);
    fpd_store_close(f->store);
    f->store = NULL;
    return (unsigned)n;
}

static void killed_at_any_moment_it_is_whole(void **state)
{
    struct fixture *f = *state;
    const char *given = getenv("FP_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    uint64_t x = seed | 1;
    unsigned snapshots = 0;

    printf("FP_SEED=%llu\n", (unsigned long long)seed);
    fpd_store_close(f->store);
    f->store = NULL;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct timespec wait = { .tv_nsec = (long)(rnd(&x) % 250) * 1000000 +
                                            (long)(rnd(&x) % 1000) };
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            ingest(f, round);
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        /* 2, 3, 4: it failed before it was killed. */
        assert_true(WIFSIGNALED(status));
        snapshots += check(f);
    }
    printf("%u kills, %u snapshots compared\n", ROUNDS, snapshots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_moment_it_is_whole,
                                        fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
