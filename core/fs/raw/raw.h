/* SPDX-License-Identifier: MIT
 *
 * Regions of a device that hold no filesystem (a firmware, a model) as files
 * in one directory, with names and places that the configuration gives.
 *
 * Regions are cfg->table, an array of struct fp_raw_region that ends with a
 *         NULL name; or, where that is NULL, cfg->options, "name=OFF+SIZE,..."
 *         in bytes, decimal or 0x, as in
 *         "firmware=0+0x200000:ro,model=0x300000+0x200000", ":ro" standing for
 *         FP_RAW_RDONLY. They may overlap. FP_ERR_INVAL at mount: neither, or
 *         a text of another form, with a name twice or a region that the
 *         device does not have (FP_ERR_INVAL to read, if it is in the table)
 * Files   have the size of their region, always. They can be read and written
 *         anywhere in it; there are no others, and none goes away: to create,
 *         remove, rename or truncate one, to append or to stage is
 *         FP_ERR_NOTSUP. Any number of files may be open
 * Writing is in place, by whole erase blocks: one is read, changed, erased and
 *         programmed when another one is needed, at fsync or close; not if
 *         nothing changed. A power cut may cost the block being written, and
 *         leaves a mixture of old and new ones: FP_PROMISE_NONE. FP_O_TRUNC is
 *         taken and drops nothing: what is not written stays. Behind the end
 *         is FP_ERR_FBIG. A region that is FP_RAW_RDONLY, or does not start
 *         and end with erase blocks, is FP_ERR_ACCES to write
 * Memory  one buffer of an erase block, or of cfg->cache_size bytes: a divisor
 *         of that and a multiple of the device's read size, with which nothing
 *         can be written (FP_ERR_ACCES)
 *
 * What others write to the device while files are open may be seen late.
 * Nothing tells a region, so probing never answers: it is mounted by name.
 *
 * A firmware that has a table leaves the text out (0.6 KB) with a table of
 * operations of its own: fp_fs_raw with .workspace = fp_raw_workspace and
 * .mount = fp_raw_mount of core/fs/raw/region.h.
 */
#ifndef FP_CORE_FS_RAW_RAW_H
#define FP_CORE_FS_RAW_RAW_H

#include "core/fs/fs.h"

enum {
    FP_RAW_RDONLY = 1
};

struct fp_raw_region {
    const char *name; /* without '/' */
    fp_addr off, size;
    uint32_t flags; /* FP_RAW_* */
};

/* What a region holds: fp_fs_getattr() of this type gives two bytes, an enum
 * fp_raw_content and the byte that an erased or constant region is full of. It
 * reads until two bytes differ, a region of one byte whole, and yields to the
 * device between buffers. */
#define FP_RAW_ATTR_CONTENT 1

enum fp_raw_content {
    FP_RAW_DATA,
    FP_RAW_ERASED,   /* 0xff on a device where that is erased */
    FP_RAW_CONSTANT, /* any other byte, over and over */
};

#if !FP_READONLY
extern const struct fp_fs_ops fp_fs_raw;
#endif

/* The same without what writes. */
extern const struct fp_fs_ops fp_fs_raw_ro;

#endif
