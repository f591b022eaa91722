/* SPDX-License-Identifier: MIT
 *
 * Bonsai, the tree of files for SAMD2x and SAMC2x.
 *
 * Names   any file of the format can have both data and children. Here a node
 *         without children is a file, with children a directory, whose own
 *         data, if it has any, is the file ".data" in it; the root is the Root
 *         File. A stored handle '.data' shows as %2Edata; "." and ".."
 *         likewise, '/' and NUL as %2F and %00, and a '%' that would look like
 *         one of these as %25.
 * Dirs    there is no empty directory: mkdir is FP_ERR_NOTSUP, and a directory
 *         whose last file is removed is an empty file. A file that is created
 *         makes the directories of its path that are missing, also of an empty
 *         file; that is one step, as is fp_fs_bonsai_remove_all().
 * Blocks  the row of 256 bytes; 4 to 8,192 of them (2 MiB), else there is
 *         no mount and no format (FP_ERR_NOTSUP). To be written to, the device
 *         erases such rows, or parts of them, to 0xff: where its erase block
 *         or its program is larger than a row, as the 4 KiB of most NOR chips
 *         is, format is FP_ERR_NOTSUP and a mount read-only, as a row could
 *         not be erased without its neighbours.
 * Memory  one workspace: a byte a row, and unless the mount is read-only one
 *         row more and a path for each file of cfg->max_files
 * Device  reads any number of bytes
 * Options "start=N" address of the partition in the MCU; a mount finds it in the
 *         root, and refuses another (FP_ERR_INVAL); format's default is 0,
 *         "path=N" bytes of the longest path, terminator included, that a
 *         file can be created or replaced under; 256 unless told
 *         (FP_ERR_NAMETOOLONG), "raw=1" the raw view: read-only, no
 *         directories; every node is a file of "/" whose name is its handles
 *         from "root" on with '/' between them, as stored
 * Journal one row, the last of the partition, is kept for it: the driver puts no
 *         file there, but leaves one that is there alone: then every change
 *         is FP_ERR_ROFS. Changes need up to six free rows besides what is written.
 *
 * Open files
 * - What is written is a record of its own, which takes the place of the old
 *   with fsync, close or commit; until then nobody sees it, and a new file has
 *   no name. A handle sees the file as it was when opened, plus its own
 *   writes; when two write, the one that syncs last wins as a whole. But a
 *   directory's ".data" changes where it is, and its readers see that.
 * - A removed or replaced file stays readable through its handles: fsync or
 *   commit of one is FP_ERR_NOENT, and close is FP_OK, its content is gone.
 * - A handle follows its file when that is renamed; one of ".data" follows
 *   its directory. A file that has unsynced writes cannot be renamed, nor a
 *   directory whose ".data" has some: FP_ERR_BUSY.
 * - A handle whose write or truncate fails has again what it had at its last
 *   sync; a new or staged file is FP_ERR_STALE until it is closed, and so is
 *   any of which a sync or commit failed on the medium: it may have happened.
 *   Its close says so, too, unless it was staged.
 *
 * Source  docs/formats/bonsai.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_BONSAI_BONSAI_H
#define FP_CORE_FS_BONSAI_BONSAI_H

#include "core/fs/fs.h"

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_bonsai;

/* Removes a file, or a directory with all that is in it, in one step.
 * FP_ERR_NOTSUP: the mount is of another driver. */
int fp_fs_bonsai_remove_all(struct fp_mount *mnt, const char *path);
#endif

/* The same without anything that writes. */
extern const struct fp_fs_ops fp_fs_bonsai_ro;

#endif
