/* SPDX-License-Identifier: MIT
 *
 * The SHA-256 of a file in an image.
 */
#ifndef FPC_IMAGE_DIGEST_H
#define FPC_IMAGE_DIGEST_H

#include "cli/image/image.h"
#include "core/digest/sha256.h"

#define FPC_HEX_SIZE (2 * FP_SHA256_SIZE + 1)

/* FPC_EXIT_OK, or told. */
int fpc_image_digest(struct fpc_image *image, const char *path,
                     uint8_t digest[FP_SHA256_SIZE]);

/* hex: 2 * size digits and the NUL. */
void fpc_hex(const uint8_t *bytes, size_t size, char *hex);

#endif
