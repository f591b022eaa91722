/* SPDX-License-Identifier: MIT
 *
 * FAT12, FAT16 and FAT32 with long names, reading and writing.
 *
 * Medium  for writing, one whose programs replace and land whole
 *         (FP_BDEV_OVERWRITE and FP_BDEV_ATOMIC_PROG): a card, a disk, a file,
 *         flash through an adapter that makes it such. Another is
 *         FP_ERR_NOTSUP. What power cuts are promised to leave holds where
 *         prog_size is the volume's sector, so that a sector lands whole;
 *         a multiple of a smaller one is taken, too (an image in a file).
 *         The volume starts at byte 0 of the device; partition tables are
 *         somebody else's. exFAT and NTFS are FP_ERR_NOTSUP.
 * Blocks  statfs and the block map count sectors: cfg->block_size is a sector,
 *         512 to 4096 bytes, as the volume says
 * Memory  one workspace: two sectors, a long name, and for each open file its
 *         name; without FP_FAT_SMALL what is known of its chain, and of a
 *         directory
 * Options "zone=N" minutes that the volume's local time is ahead of UTC, -N
 *         behind; 0 the default,
 *         "runs=N" stretches of a chain that each open file remembers, the
 *         first ones and the one read last (12 bytes each, 8 the default; where
 *         it is FP_FAT_SMALL the one read last alone): reads within them walk
 *         no chain,
 *         "names=N" bytes of what is known of the names of a directory (512 the
 *         default, none where it is FP_FAT_SMALL): with about as many names,
 *         one that is new costs no look through all of them,
 *         "check=N" bytes of the bitmap of a check (one bit a cluster, 512 the
 *         default): a larger volume takes several passes.
 *         Of format: "bits=12|16|32", "cluster=BYTES", "root=ENTRIES",
 *         "fats=N", "serial=N", "label=TEXT"
 *
 * Open files
 * - As many as cfg->max_files, then FP_ERR_NFILE; listings do not count.
 * - What is written or cut off is seen by others with the next fsync or close,
 *   all of it at once. It goes to clusters of its own: to change the middle of
 *   a file costs a copy of the clusters that are changed and of those between
 *   them, to change it and its size at once a copy of all before.
 * - A new file takes its name with its first fsync or close, together with its
 *   content.
 * - When another handle syncs, a handle that has nothing unsaved sees the new
 *   content; one that has is FP_ERR_STALE, also to close.
 * - A removed or replaced file stays readable through handles that were open,
 *   and is FP_ERR_STALE to write.
 * - A write or truncate that fails leaves what there was at the last fsync; a
 *   file that has no name yet, or is staged, is FP_ERR_STALE then.
 *
 * Repair  a cut leaves nothing that must be put right before the next write, so
 *         statfs never says needs_repair; what it does leave (lost clusters,
 *         above all) FP_STEP_CHECK tells and FP_STEP_REPAIR frees
 * Names   are UTF-8, up to 255 units of UTF-16 and FP_NAME_MAX bytes, found
 *         whatever their case; the format page has the rules
 * Errors  FP_ERR_ACCES: a file with the read-only attribute.
 *         FP_ERR_CORRUPT: a chain or directory contradicts itself
 * Source  docs/formats/fat.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_FAT_FAT_H
#define FP_CORE_FS_FAT_FAT_H

#include "core/fs/fs.h"

#define FP_FAT_LABEL_MAX 11

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_fat;
#endif

/* The same without anything that writes. */
extern const struct fp_fs_ops fp_fs_fat_ro;

/* Is path b the same as a to this format, which folds case? */
bool fp_fat_is_same(const char *a, const char *b);

/* The label of a mounted volume, without the spaces at its end, as bytes; ""
 * when it has none. */
int fp_fat_label(struct fp_mount *mnt, char label[FP_FAT_LABEL_MAX + 1]);

#endif
