/* SPDX-License-Identifier: MIT
 *
 * CRC-32, polynomial 0x04c11db7 reflected (0xEDB88320), least significant bit
 * first, without initial or final inversion, so that it serves both users:
 *   zlib, Ethernet:  ~fp_crc32(0xffffffff, buf, size)
 *   littlefs:         fp_crc32(0xffffffff, buf, size)
 * Chains: fp_crc32(fp_crc32(c, a), b) is the CRC of a followed by b.
 */
#ifndef FP_CORE_DIGEST_CRC32_H
#define FP_CORE_DIGEST_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t fp_crc32(uint32_t crc, const void *buf, size_t size);

#endif
