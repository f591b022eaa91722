/* SPDX-License-Identifier: MIT
 *
 * H(K ^ opad, H(K ^ ipad, text)), where K is the key, or the hash of one that
 * is longer than a block, with zeros up to a block.
 */
#include "core/digest/hmac.h"

#include <string.h>

#define IPAD 0x36
#define OPAD 0x5c

static void begin(struct fp_hmac *hmac, uint8_t with)
{
    for (size_t i = 0; i < sizeof hmac->pad; i++)
        hmac->pad[i] ^= with;
    fp_sha256_init(&hmac->sha);
    fp_sha256_update(&hmac->sha, hmac->pad, sizeof hmac->pad);
}

void fp_hmac_init(struct fp_hmac *hmac, const void *key, size_t size)
{
    memset(hmac->pad, 0, sizeof hmac->pad);
    if (size > sizeof hmac->pad) {
        fp_sha256_init(&hmac->sha);
        fp_sha256_update(&hmac->sha, key, size);
        fp_sha256_final(&hmac->sha, hmac->pad);
    } else if (size > 0) {
        memcpy(hmac->pad, key, size);
    }
    begin(hmac, IPAD);
}

void fp_hmac_update(struct fp_hmac *hmac, const void *buf, size_t size)
{
    fp_sha256_update(&hmac->sha, buf, size);
}

void fp_hmac_final(struct fp_hmac *hmac, uint8_t mac[FP_HMAC_SIZE])
{
    fp_sha256_final(&hmac->sha, mac);
    begin(hmac, IPAD ^ OPAD);
    fp_sha256_update(&hmac->sha, mac, FP_HMAC_SIZE);
    fp_sha256_final(&hmac->sha, mac);
}

bool fp_hmac_equal(const uint8_t a[FP_HMAC_SIZE], const uint8_t b[FP_HMAC_SIZE])
{
    volatile uint8_t differ = 0;

    for (size_t i = 0; i < FP_HMAC_SIZE; i++)
        differ = (uint8_t)(differ | (a[i] ^ b[i]));
    return differ == 0;
}
