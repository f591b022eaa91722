/* SPDX-License-Identifier: MIT */
#include "daemon/device/proof.h"

#include "daemon/device/device.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

/* The label's NUL is of it, so that none is the beginning of another. */
static void prove(const struct fpd_proof *p, const char *label,
                  uint8_t mac[FPD_PROOF_SIZE])
{
    uint8_t text[32 + 8 + FPD_PROOF_NONCE_SIZE + FPD_ID_MAX];
    size_t n = strlen(label) + 1;

    memcpy(text, label, n);
    memcpy(text + n, p->host_nonce, 8);
    n += 8;
    memcpy(text + n, p->device_nonce, FPD_PROOF_NONCE_SIZE);
    n += FPD_PROOF_NONCE_SIZE;
    memcpy(text + n, p->id, strlen(p->id));
    n += strlen(p->id);
    if (!HMAC(EVP_sha256(), p->key, (int)p->key_size, text, n, mac, NULL))
        abort(); /* a library without SHA-256 serves nobody */
}

bool fpd_proof_is_device(const struct fpd_proof *p,
                         const uint8_t mac[FPD_PROOF_SIZE])
{
    uint8_t own[FPD_PROOF_SIZE];

    prove(p, "flashport device v1", own);
    return CRYPTO_memcmp(own, mac, sizeof own) == 0;
}

void fpd_proof_of_host(const struct fpd_proof *p, uint8_t mac[FPD_PROOF_SIZE])
{
    prove(p, "flashport host v1", mac);
}
