/* SPDX-License-Identifier: MIT */
#include "cli/belt.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT 8u
#define MANY  5000u

struct tray {
    unsigned number, square;
    bool signals_wait, is_owner;
};

/* Changed without a lock. */
struct hand {
    unsigned worked;
};

static struct fpc_belt *belt;
static pthread_t owner;
static atomic_uint worked;
/* While it is shut only the owner gets through. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static bool shut; /* and the owner opens it */

static void work(void *ctx, void *hand)
{
    struct tray *t = ctx;
    struct hand *h = hand;
    sigset_t blocked;

    t->is_owner = pthread_equal(pthread_self(), owner);
    if (!t->is_owner) {
        pthread_mutex_lock(&gate);
        pthread_mutex_unlock(&gate);
    } else if (shut && t->number >= COUNT - 3) {
        shut = false;
        pthread_mutex_unlock(&gate);
    }
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    t->signals_wait = sigismember(&blocked, SIGINT);
    t->square = t->number * t->number;
    h->worked++;
    worked++;
}

static unsigned left, hands; /* what all of them worked, how many did */

static void leave(void *hand)
{
    const struct hand *h = hand;

    left += h->worked;
    hands += h->worked > 0;
}

static int setup(void **state)
{
    const struct fpc_belt_kind kind = {
        .work = work,
        .tray_size = sizeof(struct tray),
        .count = COUNT,
        .hand_size = sizeof(struct hand),
        .leave = leave,
    };

    (void)state;
    owner = pthread_self();
    worked = 0;
    shut = false;
    left = hands = 0;
    belt = fpc_belt_new(&kind);
    assert_non_null(belt);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fpc_belt_free(belt);
    assert_int_equal(left, worked); /* each tray in somebody's hand */
    assert_in_range(hands, 0, 3);
    return 0;
}

static bool give(unsigned number)
{
    struct tray *t = fpc_belt_empty(belt);

    if (!t)
        return false;
    t->number = number;
    fpc_belt_give(belt);
    return true;
}

static const struct tray *expect(unsigned number)
{
    const struct tray *t = fpc_belt_take(belt);

    assert_non_null(t);
    assert_int_equal(t->number, number);
    assert_int_equal(t->square, number * number);
    return t;
}

static void trays_come_back_in_order_worked_on(void **state)
{
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        if (!give(i)) {
            expect(taken++);
            assert_true(give(i));
        }
        assert_true(i - taken < COUNT);
    }
    while (taken < MANY)
        expect(taken++);
    assert_null(fpc_belt_take(belt));
    assert_int_equal(worked, MANY);
}

static void a_few_are_worked_on_by_their_owner(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT / 2; i++)
            assert_true(give(i));
        for (unsigned i = 0; i < COUNT / 2; i++)
            assert_true(expect(i)->is_owner);
    }
}

/* Two threads at most stand at the gate, with a tray each: one of the last
 * three is the owner's, and opens it. */
static void an_owner_works_on_what_nobody_has_begun(void **state)
{
    (void)state;
    shut = true;
    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(give(i));
    for (unsigned i = 0; i < COUNT; i++)
        expect(i);
    assert_false(shut);
}

static void signals_are_the_owners(void **state)
{
    sigset_t blocked;
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        if (!give(i)) {
            const struct tray *t = expect(taken++);

            assert_int_equal(t->signals_wait, !t->is_owner);
            give(i);
        }
    }
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGINT));
}

static void what_is_stopped_is_not_begun(void **state)
{
    unsigned begun = 0;

    (void)state;
    pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(give(i));
    fpc_belt_stop(belt);
    pthread_mutex_unlock(&gate);
    while (fpc_belt_take(belt))
        begun++;
    assert_true(begun < COUNT);
    assert_int_equal(worked, begun);
    /* The belt goes on. */
    assert_true(give(7));
    expect(7);
}

static void it_is_freed_with_all_on_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(give(i));
    fpc_belt_free(belt);
    belt = NULL;
    assert_true(worked <= COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trays_come_back_in_order_worked_on),
        TEST(a_few_are_worked_on_by_their_owner),
        TEST(an_owner_works_on_what_nobody_has_begun),
        TEST(signals_are_the_owners),
        TEST(what_is_stopped_is_not_begun),
        TEST(it_is_freed_with_all_on_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
