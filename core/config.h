/* SPDX-License-Identifier: MIT
 *
 * Build-time choices of the core: only what changes code size or the layout of
 * structs. Everything else is a field of a _config struct.
 */
#ifndef FP_CORE_CONFIG_H
#define FP_CORE_CONFIG_H

/* A firmware that cannot tell all compilers the same keeps its choices in one
 * header, as the packages do (docs/library-packages.md). */
#ifdef __has_include
#if __has_include("flashport_config.h")
#include "flashport_config.h"
#endif
#endif

/* 1: byte addresses are 32 bits (storages below 4 GiB), for small devices. */
#ifndef FP_ADDR32
#define FP_ADDR32 0
#endif

/* Longest name of one directory entry, in bytes, without the terminator. */
#ifndef FP_NAME_MAX
#define FP_NAME_MAX 255
#endif

/* Longest path the VFS takes, in bytes, without the terminator. */
#ifndef FP_PATH_MAX
#define FP_PATH_MAX 1023
#endif

/* Bytes of driver state inside struct fp_file and struct fp_dir. */
#ifndef FP_FILE_STATE
#define FP_FILE_STATE 224
#endif
#ifndef FP_DIR_STATE
#define FP_DIR_STATE 104
#endif

/* 1: filesystem drivers only read, and are as small as they can be. What they
 * know for the sake of writing is left out, and so is what only saves reads:
 * names are compared on flash. The tables that write are not there. */
#ifndef FP_READONLY
#define FP_READONLY 0
#endif

/* 0: leaves out of every driver's table how a volume is found: a mount names its
 * driver, fp_vfs_mount() without one is FP_ERR_NOTSUP. For small devices. */
#ifndef FP_FS_PROBE
#define FP_FS_PROBE 1
#endif

/* 0: leaves out fp_fs_step(), that is checking, and whatever else but writing
 * repairs and tidies. */
#ifndef FP_FS_CHECK
#define FP_FS_CHECK 1
#endif

/* 0: leaves out of every driver's table how an empty volume is made and told
 * from others: fp_fs_format() and fp_fs_is_blank() are FP_ERR_NOTSUP. For
 * devices that get theirs with the firmware, or by a restore. */
#ifndef FP_FS_FORMAT
#define FP_FS_FORMAT 1
#endif

/* 0: leaves out fp_fs_blocks(), which block is used for what: tools on a host
 * ask it of images, the agent asks no device. */
#ifndef FP_FS_BLOCKS
#define FP_FS_BLOCKS 1
#endif

/* 1: CRC-32 with 64 bytes of table instead of 8 KiB, and at a ninth of the
 * speed, for small devices. */
#ifndef FP_CRC32_SMALL
#define FP_CRC32_SMALL 0
#endif

/* 1: SHA-256 in a quarter of the code and, on ARM, at less than half the speed:
 * what is compiled to be small has it. */
#ifndef FP_SHA256_SMALL
#ifdef __OPTIMIZE_SIZE__
#define FP_SHA256_SMALL 1
#else
#define FP_SHA256_SMALL 0
#endif
#endif

/* 1: FAT looks for each name among all of its directory, and of a file's chain
 * remembers but one piece, for small devices. Else it notes, in half a KiB more,
 * which names a directory cannot have and where the last one was: files made or
 * read one after the other cost no search each. And for each open file, in 96
 * bytes more, where eight pieces of its chain are. */
#ifndef FP_FAT_SMALL
#define FP_FAT_SMALL FP_READONLY
#endif

/* 1: littlefs is slower and takes less, for small devices: it compares names on
 * flash, and of a file it remembers no places but where it stands. Else its
 * index has a hash of each name, and an open file the places of many blocks.
 * What only reads is always so. */
#ifndef FP_LFS_SMALL
#define FP_LFS_SMALL FP_READONLY
#endif

/* 0: leaves out of littlefs what few devices need: times of files, the list of a
 * file's attributes, fp_fs_reserve(), another block count at mount, what a cut
 * left of a first format told from damage, directories of a damaged volume that
 * lead to each other noticed, the options mdirs and upgrade; and where it only
 * reads, how much is in use. */
#ifndef FP_LFS_EXTRAS
#define FP_LFS_EXTRAS 1
#endif

/* 0: leaves out Bonsai's raw view: the option "raw" is not looked at. */
#ifndef FP_BON_RAW
#define FP_BON_RAW 1
#endif

/* Mistakes of our own stop here; nothing a cable, a chip or an image causes
 * may reach one. A firmware may define its own. */
#ifndef FP_ASSERT
#if __STDC_HOSTED__
#include <assert.h>
#define FP_ASSERT(cond) assert(cond)
#else
#define FP_ASSERT(cond) ((cond) ? (void)0 : __builtin_trap())
#endif
#endif

#endif
