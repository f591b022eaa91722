/* SPDX-License-Identifier: MIT
 *
 * SPIFFS, reading and writing, in every layout that its build options give.
 *
 * Layout  nothing on flash describes it. cfg->block_size and cfg->page_size
 *         (0: 256) state the geometry, cfg->options the rest:
 *         "name_len=N" bytes for a name and its NUL (32), "meta_len=N" (0),
 *         "magic=0|1" (1), "magic_length=0|1" (1), "aligned=0|1" (0),
 *         "id_bytes=2|4" (2). With none of these stated it is the layout of
 *         esp8266 in blocks of 8,192 bytes, else that of esp-idf. A volume
 *         found by probe() has them filled in.
 * Names   flat, with slashes: a directory exists while a file is in it, so
 *         there is no mkdir and no FP_CAP_DIRS, and a path may be created
 *         whose directories are not there. The rule that turns a stored name
 *         into a path and back is in docs/formats/spiffs.md. With "raw=1" or
 *         FP_MOUNT_STORED every object is a file in the root, under the name
 *         that is stored.
 * Memory  one workspace: a byte for each page of the volume, two bits for each
 *         object it can hold, two pages, and for each open file two pages and
 *         a name
 * Medium  writing needs FP_BDEV_REPROG and FP_BDEV_ERASED_FF (FP_ERR_NOTSUP
 *         at mount); reading works on any
 *
 * Open files
 * - Writes are seen by others, on flash and in other handles, with fsync,
 *   commit or close, all at once; a new file takes its name then.
 * - Other handles of the file then see the new content. While one handle has
 *   writes that are not synced, those of another are FP_ERR_BUSY.
 * - A handle whose write fails has what was last synced; a staged or new file
 *   has lost everything, and is FP_ERR_STALE until closed. So is a handle
 *   whose file was removed or replaced.
 * - A directory that changes while it is listed may give an entry twice or
 *   miss one: an entry moves with each write.
 *
 * Source  docs/formats/spiffs.md, which the files here call the format page
 */
#ifndef FP_CORE_FS_SPIFFS_SPIFFS_H
#define FP_CORE_FS_SPIFFS_SPIFFS_H

#include "core/fs/fs.h"

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_spiffs;
#endif

/* The same without anything that writes: links none of the writing half. */
extern const struct fp_fs_ops fp_fs_spiffs_ro;

/* What ships. A block size of 0 is to be searched for. */
extern const struct fp_fs_config fp_fs_spiffs_esp8266;
extern const struct fp_fs_config fp_fs_spiffs_espidf;
extern const struct fp_fs_config fp_fs_spiffs_maixpy;

/* What a mounted volume tells of one block, for tools. */
struct fp_fs_spiffs_block {
    bool is_blank; /* no page of it was written since it was erased */
    /* Its "erase count": the number of the erase that made it, all of the
     * volume counted together; a time stamp that wraps, in the common layout
     * at 32,767. */
    bool has_stamp;
    uint32_t stamp;
};

/* FP_ERR_INVAL: there is no such block. */
int fp_fs_spiffs_block(struct fp_mount *mnt, uint32_t block,
                       struct fp_fs_spiffs_block *info);

#endif
