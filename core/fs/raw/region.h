/* SPDX-License-Identifier: MIT
 *
 * What the files of the raw driver share.
 */
#ifndef FP_CORE_FS_RAW_REGION_H
#define FP_CORE_FS_RAW_REGION_H

#include "core/fs/raw/raw.h"

/* The workspace; the buffer follows, then the regions of a text. */
struct fp_raw {
    const struct fp_raw_region *regions;
    fp_addr at;    /* what of the device the buffer has; or NOWHERE */
    uint32_t size; /* of the buffer */
    /* Brings the buffer to the device. NULL: it is as the device. */
    int (*write_back)(struct fp_mount *mnt);
};

#define FP_RAW_NOWHERE ((fp_addr)-1)

/* In struct fp_file. */
struct fp_raw_file {
    const struct fp_raw_region *region;
    fp_addr pos;
};

_Static_assert(sizeof(struct fp_raw_file) <= FP_FILE_STATE,
               "struct fp_file has no room for the raw driver's");

static inline struct fp_raw *fp_raw_of(const struct fp_mount *mnt)
{
    return mnt->ws;
}

static inline uint8_t *fp_raw_buf(struct fp_raw *raw)
{
    return (uint8_t *)(raw + 1);
}

static inline uint8_t *fp_raw_end(const struct fp_mount *mnt)
{
    return fp_raw_buf(fp_raw_of(mnt)) + fp_raw_of(mnt)->size;
}

/* Others may have written to the device since the buffer was read. */
static inline void fp_raw_forget(const struct fp_mount *mnt)
{
    if (fp_raw_of(mnt)->write_back == NULL)
        fp_raw_of(mnt)->at = FP_RAW_NOWHERE;
}

static inline struct fp_raw_file *fp_raw_file_of(struct fp_file *file)
{
    return (struct fp_raw_file *)(void *)file->state;
}

/* From its position to its end. */
static inline fp_addr fp_raw_left(struct fp_file *file)
{
    return fp_raw_file_of(file)->region->size - fp_raw_file_of(file)->pos;
}

/* region.c. NULL: there is none of that path. */
const struct fp_raw_region *fp_raw_find(const struct fp_mount *mnt,
                                        const char *path);
size_t fp_raw_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
int fp_raw_mount(struct fp_mount *mnt);
int fp_raw_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_raw_statfs(struct fp_mount *mnt, struct fp_statfs *st);
int fp_raw_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_raw_readdir(struct fp_dir *dir, struct fp_dirent *entry);

/* options.c: with cfg->options understood. */
size_t fp_raw_workspace_text(const struct fp_bdev *dev,
                             const struct fp_fs_config *cfg);
int fp_raw_mount_text(struct fp_mount *mnt);

/* read.c */
int fp_raw_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
int32_t fp_raw_read(struct fp_file *file, void *buf, uint32_t size);
int64_t fp_raw_seek(struct fp_file *file, int64_t off, enum fp_whence whence);
/* Has the buffer hold byte `off` of the device. Returns how many bytes it has
 * from there on, the last ones before fp_raw_end(). */
int32_t fp_raw_load(struct fp_mount *mnt, fp_addr off);
/* Moves between the bytes on the device and buf, at the file's position. */
typedef void fp_raw_move_fn(struct fp_raw *raw, uint8_t *bytes, uint8_t *buf,
                            uint32_t size);
int32_t fp_raw_move(struct fp_file *file, uint8_t *buf, uint32_t size,
                    fp_raw_move_fn *fn);

/* content.c */
int32_t fp_raw_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size);

/* write.c */
int fp_raw_open_rw(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags);
int32_t fp_raw_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_raw_sync(struct fp_mount *mnt);
int fp_raw_fsync(struct fp_file *file);
int fp_raw_reserve(struct fp_file *file, uint64_t size);

#endif
