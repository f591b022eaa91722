/* SPDX-License-Identifier: MIT
 *
 * SHA-256 of file contents that were seen lately, so that an ETag costs the
 * device nothing. An entry is good for one (device, epoch, path, fs_gen): any
 * change of the volume, by us or by the device's own application, makes it
 * stale, never wrong.
 *
 * Memory  1024 entries, replaced as they collide
 * Thread  from any
 */
#ifndef FPD_HTTP_HASHES_H
#define FPD_HTTP_HASHES_H

#include <stdbool.h>
#include <stdint.h>

struct fpd_hashes;

struct fpd_hashes *fpd_hashes_new(void);
void fpd_hashes_free(struct fpd_hashes *hashes);
void fpd_hashes_put(struct fpd_hashes *hashes, const char *device,
                    const uint8_t epoch[8], const char *path, uint32_t fs_gen,
                    const uint8_t sha256[32]);
bool fpd_hashes_get(struct fpd_hashes *hashes, const char *device,
                    const uint8_t epoch[8], const char *path, uint32_t fs_gen,
                    uint8_t sha256[32]);

#endif
