/* SPDX-License-Identifier: MIT
 *
 * littlefs, disk versions 2.0 and 2.1, reading and writing.
 *
 * Blocks  cfg->block_size is the filesystem's block; 0 takes what the volume
 *         says. For writing it must be a multiple of the device's erase block.
 * Memory  one workspace: a read cache, a program cache, a cache and a name for
 *         each open file, an allocation bitmap, and the indexes of `mdirs`
 *         metadata pairs (16 bytes an entry, at most 256 entries a pair)
 * Options "mdirs=N" metadata pairs kept indexed (2 at least, the default),
 *         "addresses=N" of its blocks that each open file may remember (4
 *         bytes each, 16 the default): random reads of a file of up to N
 *         blocks then need no walk along its list,
 *         "lookahead=N" bytes of allocation bitmap (one bit a block),
 *         "upgrade=1" turns a 2.0 volume into 2.1 at its first write
 * Version a 2.0 volume stays 2.0 unless told to upgrade: without the checksum
 *         of the erased area that 2.1 brought, other drivers of its age can go
 *         on using it
 *
 * Open files
 * - A handle sees the file as it was when opened, plus its own writes. What
 *   another handle writes becomes visible to files opened after its fsync or
 *   close; when two handles write, the one that syncs last wins as a whole.
 * - A new file takes its name with its first fsync or close, in one commit
 *   together with its content. Until then nobody finds it; FP_O_EXCL does
 *   take notice of it.
 * - A staged file small enough to be stored inline has no place on flash of
 *   its own and stays in memory until its commit, which is read back.
 * - A staged file of which a write failed has lost what was staged: to write,
 *   truncate, fsync or commit it is FP_ERR_STALE, until it is closed.
 * - A removed or replaced file stays readable and writable through handles
 *   that were open; its blocks are free once the last one is closed. fsync
 *   of a removed file is FP_ERR_NOENT; close is FP_OK, its content is gone.
 *   The one exception is a file stored inline by another driver and larger
 *   than our cache: a read of it after its removal is FP_ERR_STALE.
 * - A renamed file stays open under its new name.
 * - Directories split and metadata moves under open files and directories
 *   without their noticing. A directory listed while it changes yields each
 *   entry that stays exactly once.
 *
 * Errors  FP_ERR_CORRUPT when a pair that is needed has no valid half, or its
 *         content contradicts itself; a volume whose relocation of metadata
 *         failed half-way is FP_ERR_ROFS until mounted again.
 * Source  docs/formats/littlefs.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_LITTLEFS_LITTLEFS_H
#define FP_CORE_FS_LITTLEFS_LITTLEFS_H

#include "core/fs/fs.h"

extern const struct fp_fs_ops fp_fs_littlefs;

/* The same without anything that writes: links none of the writing half. */
extern const struct fp_fs_ops fp_fs_littlefs_ro;

#endif
