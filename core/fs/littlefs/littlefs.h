/* SPDX-License-Identifier: MIT
 *
 * littlefs, disk versions 2.0 and 2.1, reading and writing.
 *
 * Blocks  cfg->block_size is the filesystem's block; 0 takes what the volume
 *         says. For writing it must be a multiple of the device's erase block.
 * Memory  one workspace: a read cache, a program cache, a cache and a name for
 *         each open file, an allocation bitmap, and the indexes of `mdirs`
 *         metadata pairs (16 bytes an entry, 8 with FP_LFS_SMALL; at most 256
 *         entries a pair)
 * Options "mdirs=N" metadata pairs kept indexed (2 at least, the default),
 *         "addresses=N" of its blocks that each open file may remember (4
 *         bytes each, 16 the default): random reads of a file of up to N
 *         blocks then need no walk along its list; with FP_LFS_SMALL none,
 *         "entries=N" of a pair that an index has room for (by default what a
 *         block may hold, 256 at most): smaller directories in more pairs. A
 *         volume written with more is FP_ERR_NOMEM,
 *         "lookahead=N" bytes of allocation bitmap (one bit a block),
 *         "upgrade=1" turns a 2.0 volume into 2.1 at its first write; with
 *         FP_LFS_EXTRAS=0 it stays 2.0,
 *         "resize=1" gives the volume cfg->block_count blocks, or as many as
 *         the device has when that is 0, at its first write
 * Version a 2.0 volume stays 2.0 unless told to upgrade: without the checksum
 *         of the erased area that 2.1 brought, other drivers of its age can go
 *         on using it
 *
 * Size
 * - A volume that states fewer blocks than the device has uses those it states.
 *   One that states more is mounted read-only: what lies behind the device's
 *   end is FP_ERR_CORRUPT when it is needed, at mount if it is a directory.
 *   With cfg->block_count, and without resize, another count is FP_ERR_INVAL.
 * - Resizing is one commit, old or new after a cut. Larger always works, up to
 *   the device's size (beyond: FP_ERR_INVAL at mount). Smaller is
 *   FP_ERR_NOSPC, and everything as it was, while a block in use lies behind
 *   the new end; nothing is moved to make room. It is the first operation
 *   that writes which answers this, and every one after it, or
 *   fp_fs_step(FP_STEP_REPAIR) for those who want to know by itself.
 * - When several superblocks state different counts, as they do once another
 *   driver has let an old volume grow, the last one's counts, and the first
 *   write puts the others right.
 *
 * In advance (fp_fs_step)
 * - FP_STEP_GC looks for free blocks, one walk over the volume, so that the
 *   next write need not. FP_STEP_COMPACT writes out afresh, a pair a slice,
 *   metadata that the next commit or two would have to, and finds nothing to
 *   do a second time. FP_STEP_REPAIR is one slice. None of them changes what a
 *   reader finds.
 *
 * Open files
 * - As many as cfg->max_files, then FP_ERR_NFILE; listings do not count. With
 *   FP_READONLY a file takes nothing of the workspace, and there is no limit.
 * - A handle sees the file as it was when opened, plus its own writes. What
 *   another handle writes becomes visible to files opened after its fsync or
 *   close; when two handles write, the one that syncs last wins as a whole.
 * - A new file takes its name with its first fsync or close, in one commit
 *   together with its content. Until then nobody finds it; FP_O_EXCL does
 *   take notice of it.
 * - A staged file small enough to be stored inline has no place on flash of
 *   its own and stays in memory until its commit, which is read back.
 * - A handle whose write or truncate fails has again what it had at its last
 *   sync, or when it was opened.
 * - A staged file of which a write failed has lost what was staged: to write,
 *   truncate, fsync or commit it is FP_ERR_STALE, until it is closed.
 * - A removed or replaced file stays readable and writable through handles
 *   that were open; its blocks are free once the last one is closed. fsync
 *   of a removed file is FP_ERR_NOENT; close is FP_OK, its content is gone.
 *   The same holds for a new file whose directory is removed.
 * - The one exception is content stored inline that is not in memory, because
 *   it is larger than our cache (another driver wrote it) or a write of it
 *   failed: once the file is removed, or changed through another handle, to
 *   read it is FP_ERR_STALE.
 * - A renamed file stays open under its new name.
 * - Directories split and metadata moves under open files and directories
 *   without their noticing. A directory listed while it changes yields each
 *   entry that stays exactly once; the listing of one that is removed ends.
 *
 * Errors  FP_ERR_CORRUPT when a pair that is needed has no valid half, or its
 *         content contradicts itself; a volume whose relocation of metadata
 *         failed half-way is FP_ERR_ROFS until mounted again.
 * Source  docs/formats/littlefs.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_LITTLEFS_LITTLEFS_H
#define FP_CORE_FS_LITTLEFS_LITTLEFS_H

#include "core/fs/fs.h"

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_littlefs;
#endif

/* The same without anything that writes: links none of the writing half. With
 * FP_READONLY its reading is smaller, too. */
extern const struct fp_fs_ops fp_fs_littlefs_ro;

#if !FP_READONLY
/* The largest unit of programming that a mounted volume can have been written
 * in, for those who have the image and not the device: with a smaller one, what
 * they write would end where the device cannot go on. */
int fp_littlefs_prog_size(struct fp_mount *mnt, uint32_t *size);
#endif

#endif
