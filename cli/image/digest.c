/* SPDX-License-Identifier: MIT */
#include "cli/image/digest.h"

#include <stdio.h>

void fpc_hex(const uint8_t *bytes, size_t size, char *hex)
{
    for (size_t i = 0; i < size; i++)
        sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static int hash(void *ctx, const void *buf, size_t size)
{
    fp_sha256_update(ctx, buf, size);
    return FPC_EXIT_OK;
}

int fpc_image_digest(struct fpc_image *image, const char *path,
                     uint8_t digest[FP_SHA256_SIZE])
{
    struct fp_sha256 sha;
    int status;

    fp_sha256_init(&sha);
    status = fpc_image_read_file(image, path, hash, &sha);
    fp_sha256_final(&sha, digest);
    return status;
}
