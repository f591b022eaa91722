/* SPDX-License-Identifier: MIT
 *
 * SHA-256. Source: FIPS 180-4, section 6.2.
 */
#ifndef FP_CORE_DIGEST_SHA256_H
#define FP_CORE_DIGEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define FP_SHA256_SIZE 32

struct fp_sha256 {
    /* private */
    uint32_t h[8];
    uint64_t size;  /* bytes taken so far */
    uint32_t w[16]; /* the block as it fills */
};

void fp_sha256_init(struct fp_sha256 *sha);
void fp_sha256_update(struct fp_sha256 *sha, const void *buf, size_t size);
/* The digest; the struct must be initialised again before more. */
void fp_sha256_final(struct fp_sha256 *sha, uint8_t digest[FP_SHA256_SIZE]);

#endif
