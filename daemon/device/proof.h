/* SPDX-License-Identifier: MIT
 *
 * That both ends of a link have its key. Source: proto/PROTOCOL.md, "Keys".
 *
 *   device  HMAC-SHA-256(key, "flashport device v1" 00 | host's nonce |
 *           device's nonce | device id)
 *   host    the same with "flashport host v1" 00
 */
#ifndef FPD_DEVICE_PROOF_H
#define FPD_DEVICE_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FPD_PROOF_SIZE       32
#define FPD_PROOF_NONCE_SIZE 16

struct fpd_proof {
    const uint8_t *key;
    size_t key_size;
    const uint8_t *host_nonce;   /* 8 bytes */
    const uint8_t *device_nonce; /* 16 bytes */
    const char *id;
};

/* Takes the same time wherever it differs. */
bool fpd_proof_is_device(const struct fpd_proof *proof,
                         const uint8_t mac[FPD_PROOF_SIZE]);
void fpd_proof_of_host(const struct fpd_proof *proof,
                       uint8_t mac[FPD_PROOF_SIZE]);

#endif
