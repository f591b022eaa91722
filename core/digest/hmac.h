/* SPDX-License-Identifier: MIT
 *
 * HMAC with SHA-256. Source: RFC 2104, section 2.
 *
 * Memory  the struct is the caller's and holds what the key became: it is as
 *         secret as the key
 */
#ifndef FP_CORE_DIGEST_HMAC_H
#define FP_CORE_DIGEST_HMAC_H

#include "core/digest/sha256.h"

#include <stdbool.h>

#define FP_HMAC_SIZE FP_SHA256_SIZE

struct fp_hmac {
    /* private */
    struct fp_sha256 sha;
    uint8_t pad[64];
};

void fp_hmac_init(struct fp_hmac *hmac, const void *key, size_t size);
void fp_hmac_update(struct fp_hmac *hmac, const void *buf, size_t size);
void fp_hmac_final(struct fp_hmac *hmac, uint8_t mac[FP_HMAC_SIZE]);

/* Are they equal? Takes the same time wherever they differ, so that nobody
 * finds one out byte by byte. */
bool fp_hmac_equal(const uint8_t a[FP_HMAC_SIZE],
                   const uint8_t b[FP_HMAC_SIZE]);

#endif
