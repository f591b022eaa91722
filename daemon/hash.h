/* SPDX-License-Identifier: MIT
 *
 * SHA-256 of what comes piece by piece, with the instructions that the CPU has
 * for it.
 *
 * Memory  libcrypto's, from _begin to _end or _drop
 */
#ifndef FPD_HASH_H
#define FPD_HASH_H

#include <stddef.h>
#include <stdint.h>

struct fpd_hash {
    struct evp_md_ctx_st *ctx; /* private; NULL: not begun */
};

/* FP_ERR_NOMEM, then it is not begun. */
int fpd_hash_begin(struct fpd_hash *hash);
void fpd_hash_add(struct fpd_hash *hash, const void *data, size_t size);
/* What was added since the beginning. */
void fpd_hash_end(struct fpd_hash *hash, uint8_t sha256[32]);
/* Also of one that was not begun. */
void fpd_hash_drop(struct fpd_hash *hash);

#endif
