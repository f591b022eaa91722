/* SPDX-License-Identifier: MIT
 *
 * The small CRC-32, for devices without room for the large one's table, gives
 * what the large one gives.
 */
#define FP_CRC32_SMALL 1
#define fp_crc32       fp_crc32_small
#include "core/digest/crc32.c"
#undef fp_crc32

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

uint32_t fp_crc32(uint32_t crc, const void *buf, size_t size);

static void small_and_large_agree(void **state)
{
    uint8_t buf[256];

    (void)state;
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)(255 - i);
    assert_int_equal(~fp_crc32_small(0xffffffff, "123456789", 9), 0xcbf43926);
    for (size_t size = 0; size <= sizeof buf; size++)
        assert_int_equal(fp_crc32_small(7, buf, size), fp_crc32(7, buf, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_and_large_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
