/* SPDX-License-Identifier: MIT
 *
 * CRC-32, SHA-256 and HMAC against published values, and cut into pieces of all
 * sizes, since both take their input so.
 */
#include "core/digest/crc32.h"
#include "core/digest/hmac.h"
#include "core/digest/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* 0xcbf43926 is the check value of CRC-32/ISO-HDLC in the catalogue of
 * parametrised CRC algorithms. */
static void crc32_has_the_check_value(void **state)
{
    (void)state;
    assert_int_equal(~fp_crc32(0xffffffff, "123456789", 9), 0xcbf43926);
    assert_int_equal(fp_crc32(0xffffffff, "", 0), 0xffffffff);
}

/* Bit by bit, as the polynomial is defined. */
static uint32_t crc32_by_bits(uint32_t crc, const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return crc;
}

static void crc32_of_every_length_and_alignment_is_that_of_its_bits(
    void **state)
{
    uint8_t buf[80];
    uint32_t x = 1;

    (void)state;
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)((x = x * 1103515245 + 12345) >> 16);
    for (size_t from = 0; from < 8; from++)
        for (size_t size = 0; size + from <= sizeof buf; size++)
            assert_int_equal(fp_crc32(0x12345678, buf + from, size),
                             crc32_by_bits(0x12345678, buf + from, size));
}

static void crc32_chains(void **state)
{
    const char text[] = "hello, world";
    uint32_t whole = fp_crc32(0xffffffff, text, 12);

    (void)state;
    for (size_t cut = 0; cut <= 12; cut++) {
        uint32_t crc = fp_crc32(0xffffffff, text, cut);

        assert_int_equal(fp_crc32(crc, text + cut, 12 - cut), whole);
    }
}

static void check_sha(const struct fp_sha256 *taken, const char *hex)
{
    struct fp_sha256 sha = *taken;
    uint8_t digest[FP_SHA256_SIZE];
    char text[2 * FP_SHA256_SIZE + 1];

    fp_sha256_final(&sha, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[2 * FP_SHA256_SIZE] = '\0';
    assert_string_equal(text, hex);
}

static const char two_blocks[] =
    "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
    "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

/* Source: NIST, "Examples with Intermediate Values", SHA-256, and the byte
 * vectors of the SHA validation system. */
static void sha256_has_the_values_of_nist(void **state)
{
    struct fp_sha256 sha;

    (void)state;
    fp_sha256_init(&sha);
    check_sha(&sha, "e3b0c44298fc1c149afbf4c8996fb924"
                    "27ae41e4649b934ca495991b7852b855");
    fp_sha256_update(&sha, "abc", 3);
    check_sha(&sha, "ba7816bf8f01cfea414140de5dae2223"
                    "b00361a396177a9cb410ff61f20015ad");
    fp_sha256_init(&sha);
    fp_sha256_update(
        &sha, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    check_sha(&sha, "248d6a61d20638b8e5c026930c3e6039"
                    "a33ce45964ff2167f6ecedd419db06c1");
    fp_sha256_init(&sha);
    fp_sha256_update(&sha, two_blocks, 112);
    check_sha(&sha, "cf5b16a778af8380036ce59e7b049237"
                    "0b249b11e8f07a51afac45037afee9d1");
}

static void sha256_of_a_million_a(void **state)
{
    struct fp_sha256 sha;
    uint8_t a[1000];

    (void)state;
    memset(a, 'a', sizeof a);
    fp_sha256_init(&sha);
    for (int i = 0; i < 1000; i++)
        fp_sha256_update(&sha, a, sizeof a);
    check_sha(&sha, "cdc76e5c9914fb9281a1c7e284d73e67"
                    "f1809a48a497200e046d39ccc7112cd0");
}

static void check_hmac(const char *key, size_t key_size, const char *text,
                       const char *hex)
{
    struct fp_hmac hmac;
    uint8_t mac[FP_HMAC_SIZE], other[FP_HMAC_SIZE];
    char found[2 * FP_HMAC_SIZE + 1];

    fp_hmac_init(&hmac, key, key_size);
    fp_hmac_update(&hmac, text, strlen(text));
    fp_hmac_final(&hmac, mac);
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(found + 2 * i, 3, "%02x", mac[i]);
    assert_string_equal(found, hex);
    assert_true(fp_hmac_equal(mac, mac));
    for (size_t i = 0; i < sizeof mac; i++) {
        memcpy(other, mac, sizeof mac);
        other[i] ^= 0x80;
        assert_false(fp_hmac_equal(mac, other));
    }
}

/* Source: RFC 4231, test cases 1, 2 and 6. */
static void hmac_has_the_values_of_the_rfc(void **state)
{
    char key[131];

    (void)state;
    memset(key, 0x0b, 20);
    check_hmac(key, 20, "Hi There",
               "b0344c61d8db38535ca8afceaf0bf12b"
               "881dc200c9833da726e9376c2e32cff7");
    check_hmac("Jefe", 4, "what do ya want for nothing?",
               "5bdcc146bf60754e6a042426089575c7"
               "5a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    check_hmac(key, sizeof key,
               "Test Using Larger Than Block-Size Key - Hash Key First",
               "60e431591ee0b67f0d8a26aacbf5b77f"
               "8e0bc6213728c5140546040f0ee37f54");
}

static void sha256_does_not_care_how_it_is_fed(void **state)
{
    (void)state;
    for (size_t a = 0; a <= 112; a++) {
        for (size_t b = a; b <= 112; b++) {
            struct fp_sha256 sha;

            fp_sha256_init(&sha);
            fp_sha256_update(&sha, two_blocks, a);
            fp_sha256_update(&sha, two_blocks + a, b - a);
            fp_sha256_update(&sha, two_blocks + b, 112 - b);
            check_sha(&sha, "cf5b16a778af8380036ce59e7b049237"
                            "0b249b11e8f07a51afac45037afee9d1");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_has_the_check_value),
        cmocka_unit_test(
            crc32_of_every_length_and_alignment_is_that_of_its_bits),
        cmocka_unit_test(crc32_chains),
        cmocka_unit_test(sha256_has_the_values_of_nist),
        cmocka_unit_test(sha256_of_a_million_a),
        cmocka_unit_test(sha256_does_not_care_how_it_is_fed),
        cmocka_unit_test(hmac_has_the_values_of_the_rfc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
