/* SPDX-License-Identifier: MIT
 *
 * Tags: the 32-bit words that head every entry of a metadata log.
 *
 *      31  30       20 19       10 9         0
 *     | v |   type    |    id     |  length   |
 *
 * v is 0 in a valid tag. On flash a tag is big-endian and XORed with the one
 * before it. Length 0x3ff means "removed" and then no data follows.
 */
#ifndef FP_CORE_FS_LITTLEFS_TAG_H
#define FP_CORE_FS_LITTLEFS_TAG_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FP_LFS_NAME_FILE = 0x001,
    FP_LFS_NAME_DIR = 0x002,
    FP_LFS_NAME_SUPER = 0x0ff,
    FP_LFS_STRUCT_DIR = 0x200,
    FP_LFS_STRUCT_INLINE = 0x201,
    FP_LFS_STRUCT_CTZ = 0x202,
    FP_LFS_ATTR = 0x300, /* ..0x3ff, the attribute's number below */
    FP_LFS_CREATE = 0x401,
    FP_LFS_DELETE = 0x4ff,
    FP_LFS_CCRC = 0x500,
    FP_LFS_FCRC = 0x5ff,
    FP_LFS_SOFTTAIL = 0x600,
    FP_LFS_HARDTAIL = 0x601,
    FP_LFS_MOVESTATE = 0x7ff,

    FP_LFS_NO_ID = 0x3ff,
    FP_LFS_REMOVED = 0x3ff,
};

#define FP_LFS_TAG_INVALID 0x80000000u

static inline uint32_t fp_lfs_tag(uint32_t type, uint32_t id, uint32_t len)
{
    return type << 20 | id << 10 | len;
}

/* Of a valid tag, as all below that ask for a type. */
static inline uint32_t fp_lfs_tag_type(uint32_t tag)
{
    return tag >> 20;
}

static inline uint32_t fp_lfs_tag_id(uint32_t tag)
{
    return tag >> 10 & 0x3ff;
}

/* Of the global state's three words. */
#define FP_LFS_TAG_MOVESTATE fp_lfs_tag(FP_LFS_MOVESTATE, FP_LFS_NO_ID, 12)

/* The length field as it stands; FP_LFS_REMOVED is no length. */
static inline uint32_t fp_lfs_tag_len(uint32_t tag)
{
    return tag & 0x3ff;
}

/* Bytes of data behind the tag. */
static inline uint32_t fp_lfs_tag_size(uint32_t tag)
{
    return (tag & 0x3ff) == FP_LFS_REMOVED ? 0 : tag & 0x3ff;
}

/* FCRC (0x5ff) has bit 0x080 set and is not meant. */
static inline bool fp_lfs_tag_is_crc(uint32_t tag)
{
    return tag >> 27 == FP_LFS_CCRC >> 7;
}

#endif
