/* SPDX-License-Identifier: MIT
 *
 * The small digests, for devices without room for the large ones, give what
 * those give.
 */
#define FP_CRC32_SMALL   1
#define FP_SHA256_SMALL  1
#define fp_crc32         fp_crc32_small
#define fp_sha256_init   fp_sha256_small_init
#define fp_sha256_update fp_sha256_small_update
#define fp_sha256_final  fp_sha256_small_final
#include "core/digest/crc32.c"
#include "core/digest/sha256.c"
#undef fp_crc32
#undef fp_sha256_init
#undef fp_sha256_update
#undef fp_sha256_final

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

uint32_t fp_crc32(uint32_t crc, const void *buf, size_t size);
void fp_sha256_init(struct fp_sha256 *sha);
void fp_sha256_update(struct fp_sha256 *sha, const void *buf, size_t size);
void fp_sha256_final(struct fp_sha256 *sha, uint8_t digest[FP_SHA256_SIZE]);

static void crc32_is_the_same(void **state)
{
    uint8_t buf[256];

    (void)state;
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)(255 - i);
    assert_int_equal(~fp_crc32_small(0xffffffff, "123456789", 9), 0xcbf43926);
    for (size_t size = 0; size <= sizeof buf; size++)
        assert_int_equal(fp_crc32_small(7, buf, size), fp_crc32(7, buf, size));
}

static void sha256_is_the_same(void **state)
{
    uint8_t buf[256], small[FP_SHA256_SIZE], large[FP_SHA256_SIZE];
    struct fp_sha256 sha;

    (void)state;
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)(i * i + 3);
    for (size_t size = 0; size <= sizeof buf; size++) {
        fp_sha256_small_init(&sha);
        fp_sha256_small_update(&sha, buf, size);
        fp_sha256_small_final(&sha, small);
        fp_sha256_init(&sha);
        fp_sha256_update(&sha, buf, size);
        fp_sha256_final(&sha, large);
        assert_memory_equal(small, large, sizeof small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_is_the_same),
        cmocka_unit_test(sha256_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
