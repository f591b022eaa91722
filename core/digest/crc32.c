/* SPDX-License-Identifier: MIT
 *
 * Two sizes of the same function, chosen by FP_CRC32_SMALL. Entry i of a table
 * is what is left of the bits i after they were shifted out at the low end,
 * the polynomial being taken in for each one that is set.
 */
#include "core/digest/crc32.h"

#include "core/bytes.h"
#include "core/config.h"

#if FP_CRC32_SMALL

/* Four bits at a time: 64 bytes of table. */
static const uint32_t nibble[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
    0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t fp_crc32(uint32_t crc, const void *buf, size_t size)
{
    const uint8_t *p = buf;

    for (; size > 0; size--) {
        crc ^= *p++;
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return crc;
}

#else

/* Eight bytes at a time: 8 KiB of table, nine times as fast on a host.
 *
 * A remainder is linear: that of i is the XOR of those of its bits. So the
 * eight values of the single bits, 0x01 to 0x80, stand here for a table, and
 * the compiler multiplies them out. Row k is what is left of a byte after k
 * more zero bytes. */
#define E(i, a, b, c, d, e, f, g, h)                               \
    ((i)&1 ? a : 0u) ^ ((i)&2 ? b : 0u) ^ ((i)&4 ? c : 0u) ^       \
        ((i)&8 ? d : 0u) ^ ((i)&16 ? e : 0u) ^ ((i)&32 ? f : 0u) ^ \
        ((i)&64 ? g : 0u) ^ ((i)&128 ? h : 0u)
#define E4(i, ...)                                                   \
    E(i, __VA_ARGS__), E(i + 1, __VA_ARGS__), E(i + 2, __VA_ARGS__), \
        E(i + 3, __VA_ARGS__)
#define E16(i, ...)                                                     \
    E4(i, __VA_ARGS__), E4(i + 4, __VA_ARGS__), E4(i + 8, __VA_ARGS__), \
        E4(i + 12, __VA_ARGS__)
#define E64(i, ...)                                                          \
    E16(i, __VA_ARGS__), E16(i + 16, __VA_ARGS__), E16(i + 32, __VA_ARGS__), \
        E16(i + 48, __VA_ARGS__)
#define E256(...)                                                     \
    E64(0, __VA_ARGS__), E64(64, __VA_ARGS__), E64(128, __VA_ARGS__), \
        E64(192, __VA_ARGS__)

/* clang-format off */
static const uint32_t slice[8][256] = {
    { E256(0x77073096, 0xee0e612c, 0x076dc419, 0x0edb8832,
           0x1db71064, 0x3b6e20c8, 0x76dc4190, 0xedb88320) },
    { E256(0x191b3141, 0x32366282, 0x646cc504, 0xc8d98a08,
           0x4ac21251, 0x958424a2, 0xf0794f05, 0x3b83984b) },
    { E256(0x01c26a37, 0x0384d46e, 0x0709a8dc, 0x0e1351b8,
           0x1c26a370, 0x384d46e0, 0x709a8dc0, 0xe1351b80) },
    { E256(0xb8bc6765, 0xaa09c88b, 0x8f629757, 0xc5b428ef,
           0x5019579f, 0xa032af3e, 0x9b14583d, 0xed59b63b) },
    { E256(0x3d6029b0, 0x7ac05360, 0xf580a6c0, 0x30704bc1,
           0x60e09782, 0xc1c12f04, 0x58f35849, 0xb1e6b092) },
    { E256(0xcb5cd3a5, 0x4dc8a10b, 0x9b914216, 0xec53826d,
           0x03d6029b, 0x07ac0536, 0x0f580a6c, 0x1eb014d8) },
    { E256(0xa6770bb4, 0x979f1129, 0xf44f2413, 0x33ef4e67,
           0x67de9cce, 0xcfbd399c, 0x440b7579, 0x8816eaf2) },
    { E256(0xccaa009e, 0x4225077d, 0x844a0efa, 0xd3e51bb5,
           0x7cbb312b, 0xf9766256, 0x299dc2ed, 0x533b85da) },
};
/* clang-format on */

uint32_t fp_crc32(uint32_t crc, const void *buf, size_t size)
{
    const uint8_t *p = buf;

    for (; size >= 8; size -= 8, p += 8) {
        uint32_t a = crc ^ fp_get_le32(p);

        crc = slice[7][a & 255] ^ slice[6][a >> 8 & 255] ^
              slice[5][a >> 16 & 255] ^ slice[4][a >> 24] ^ slice[3][p[4]] ^
              slice[2][p[5]] ^ slice[1][p[6]] ^ slice[0][p[7]];
    }
    if (size >= 4) {
        crc ^= fp_get_le32(p);
        crc = slice[3][crc & 255] ^ slice[2][crc >> 8 & 255] ^
              slice[1][crc >> 16 & 255] ^ slice[0][crc >> 24];
        size -= 4;
        p += 4;
    }
    for (; size > 0; size--)
        crc = crc >> 8 ^ slice[0][(crc ^ *p++) & 255];
    return crc;
}

#endif
