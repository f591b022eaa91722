/* SPDX-License-Identifier: MIT
 *
 * core/freestanding/string.c beside the C library of this machine, divide.c
 * beside what it divides with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define memcpy  small_memcpy
#define memmove small_memmove
#define memset  small_memset
#define memcmp  small_memcmp
#define memchr  small_memchr
#define strlen  small_strlen
#define strncmp small_strncmp
#define strcmp  small_strcmp
#define strchr  small_strchr
#define strrchr small_strrchr
#define strspn  small_strspn
#define strcspn small_strcspn
#include "core/freestanding/string.h"

#include "core/freestanding/string.c"

#define FP_DIVIDE_TEST 1
#include "core/freestanding/divide.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strncmp
#undef strcmp
#undef strchr
#undef strrchr
#undef strspn
#undef strcspn

#define MAX 12

static unsigned seed = 1;

/* Few different bytes, with their highest bit too, so that much is equal. */
static char any(void)
{
    seed = seed * 1103515245u + 12345u;
    return "\0a"
           "b\x80\xff"[(seed >> 16) % 5];
}

static void fill(char *text)
{
    for (int i = 0; i < MAX; i++)
        text[i] = any();
    text[MAX - 1] = '\0';
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void memory_is_copied_and_set(void **state)
{
    char ours[3 * MAX], theirs[3 * MAX];

    (void)state;
    for (size_t to = 0; to <= MAX; to++) {
        for (size_t size = 0; size <= MAX; size++) {
            for (size_t i = 0; i < sizeof ours; i++)
                ours[i] = theirs[i] = any();
            assert_ptr_equal(small_memmove(ours + to, ours + 5, size),
                             ours + to);
            memmove(theirs + to, theirs + 5, size);
            assert_memory_equal(ours, theirs, sizeof ours);
            small_memcpy(ours + to, "0123456789abc", size);
            memcpy(theirs + to, "0123456789abc", size);
            assert_memory_equal(ours, theirs, sizeof ours);
            assert_ptr_equal(small_memset(ours + to, 0x1ff, size), ours + to);
            memset(theirs + to, 0xff, size);
            assert_memory_equal(ours, theirs, sizeof ours);
        }
    }
}

static void what_is_found_and_compared_is_the_same(void **state)
{
    char a[MAX], b[MAX];

    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t size;
        int c;

        fill(a);
        fill(b);
        size = (unsigned char)a[0] % (MAX + 1);
        c = i % 2 == 0 ? any() : (unsigned char)any();
        assert_int_equal(sign(small_memcmp(a, b, size)),
                         sign(memcmp(a, b, size)));
        assert_ptr_equal(small_memchr(a, c, size), memchr(a, c, size));
        assert_int_equal(small_strlen(a), strlen(a));
        assert_int_equal(sign(small_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(small_strncmp(a, b, size)),
                         sign(strncmp(a, b, size)));
        assert_ptr_equal(small_strchr(a, c), strchr(a, c));
        assert_ptr_equal(small_strrchr(a, c), strrchr(a, c));
        assert_int_equal(small_strspn(a, b), strspn(a, b));
        assert_int_equal(small_strcspn(a, b), strcspn(a, b));
    }
}

static void a_number_is_divided(void **state)
{
    static const uint32_t some[] = {
        0,    1,          2,          3,          7,          10,        4095,
        4096, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff
    };
    const size_t count = sizeof some / sizeof *some;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 1; j < count; j++) {
            uint64_t both = __aeabi_uidivmod(some[i], some[j]);

            assert_int_equal((uint32_t)both, some[i] / some[j]);
            assert_int_equal(both >> 32, some[i] % some[j]);
            assert_int_equal(__aeabi_uidiv(some[i], some[j]),
                             some[i] / some[j]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_copied_and_set),
        cmocka_unit_test(a_number_is_divided),
        cmocka_unit_test(what_is_found_and_compared_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
