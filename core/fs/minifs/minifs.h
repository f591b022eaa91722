/* SPDX-License-Identifier: MIT
 *
 * minifs, TinyGo's filesystem for the few kilobytes of flash beside a program.
 *
 * What the format gives: one list of files in one metadata block, at no fixed
 * place; names of at most 12 bytes; a file is at most one block; no
 * directories, no times. statfs says so in caps, name_max, file_max and
 * files_max, and the errors are FP_ERR_NAMETOOLONG, FP_ERR_FBIG,
 * FP_ERR_NOSPC and FP_ERR_NOTSUP (mkdir).
 *
 * Blocks  cfg->block_size is the erase block of the flash; 0 takes what the
 *         probe finds, which for a volume without files can only be the
 *         device's. A card is not searched: FP_ERR_NOENT without a block size.
 *         At most 65,535 of them. A block that is not a multiple of the
 *         device's erase block makes a read-only mount.
 * Memory  one workspace: the metadata, and one block for each file of
 *         cfg->max_files (with FP_READONLY none)
 * Device  reads any number of bytes; to be written to, it erases to 0xff and
 *         either takes a second program (FP_BDEV_REPROG, as plain NOR) or lands
 *         a program whole (FP_BDEV_ATOMIC_PROG); else the mount is read-only
 * Options "version=N" the version byte, 1 unless told; "big=1" integers are
 *         big-endian: they are found to be where a volume with files shows it.
 *         "raw=1" names are bytes as stored: one may hold '/' then
 * Names   otherwise a '/' shows as %2F, and a '%' before a '2' as %25. A name
 *         with a NUL, "." and ".." cannot stand in a path: they are in the
 *         stored view only (raw=1). A path that no name can have, above 12
 *         bytes or with the byte 0xff, is FP_ERR_NAMETOOLONG or FP_ERR_INVAL
 *         for those who look it up as well, not FP_ERR_NOENT.
 * Lists   go from the last entry to the first. What was listed may be removed
 *         meanwhile; where an entry that was not is removed by somebody else,
 *         another may come twice.
 *
 * Open files
 * - The format knows whole files only. What is written stays in the file's
 *   block of the workspace until fsync, close or commit; these write the whole
 *   content to a free block, and then the metadata. A power cut before them
 *   leaves the old file.
 * - A new file takes its name with its first fsync or close. A write or
 *   truncate beyond file_max is FP_ERR_FBIG and changes nothing.
 * - A handle sees the file as it was when opened, plus its own writes; when two
 *   handles write, the one that syncs last wins as a whole. The content of a
 *   removed or replaced file stays readable through its handles: fsync of one
 *   is FP_ERR_NOENT, and close is FP_OK, its content is gone.
 * - A write takes two free blocks, a removal or rename one: FP_ERR_NOSPC. It is
 *   also the answer where a new name finds no free entry: of reserve, and of
 *   fsync, for a staged file too, whose commit would have no place.
 * - Two metadata blocks are what a power cut leaves. The first by address counts
 *   (more on the format page); the next write, or a step of FP_STEP_REPAIR,
 *   FP_STEP_GC or FP_STEP_COMPACT, takes the others out of use for good.
 *
 * Source  docs/formats/minifs.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_MINIFS_MINIFS_H
#define FP_CORE_FS_MINIFS_MINIFS_H

#include "core/fs/fs.h"

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_minifs;
#endif

/* The same without anything that writes. */
extern const struct fp_fs_ops fp_fs_minifs_ro;

#endif
