/* SPDX-License-Identifier: MIT */
#include "daemon/hash.h"

#include "core/config.h"
#include "core/error.h"

#include <openssl/evp.h>

int fpd_hash_begin(struct fpd_hash *hash)
{
    hash->ctx = EVP_MD_CTX_new();
    if (hash->ctx && EVP_DigestInit_ex(hash->ctx, EVP_sha256(), NULL) == 1)
        return FP_OK;
    fpd_hash_drop(hash);
    return FP_ERR_NOMEM;
}

/* Neither can fail once it is begun: the context has all that they need. */
void fpd_hash_add(struct fpd_hash *hash, const void *data, size_t size)
{
    const int added = EVP_DigestUpdate(hash->ctx, data, size);

    FP_ASSERT(added == 1);
    (void)added;
}

void fpd_hash_end(struct fpd_hash *hash, uint8_t sha256[32])
{
    const int ended = EVP_DigestFinal_ex(hash->ctx, sha256, NULL);

    FP_ASSERT(ended == 1);
    (void)ended;
    fpd_hash_drop(hash);
}

void fpd_hash_drop(struct fpd_hash *hash)
{
    EVP_MD_CTX_free(hash->ctx);
    hash->ctx = NULL;
}
