/* SPDX-License-Identifier: MIT
 *
 * What the files of the minifs driver share: the state of a mount and the
 * functions between them. Private to this folder.
 *
 * The metadata block in use lies in memory whole, so that looking up, listing
 * and allocating read nothing from flash. Every change is made there and
 * then written out as a block of its own; when that fails, the copy in memory
 * is worth nothing, `is_loaded` says so, and the next call looks for the
 * metadata as a mount does.
 */
#ifndef FP_CORE_FS_MINIFS_MINI_H
#define FP_CORE_FS_MINIFS_MINI_H

#include "core/fs/fs.h"

#include <string.h>

/* Source: the format page, layout in 16-byte sections. */
#define FP_MINI_MAGIC      "SfsMetadataBk"
#define FP_MINI_MAGIC_SIZE 13u
#define FP_MINI_SECTION    16u
#define FP_MINI_NAME       12u
#define FP_MINI_NO_BLOCK   UINT32_MAX

/* Small fields come first: Thumb reaches bytes at small offsets only. */
enum fp_mini_state {
    FP_MINI_SETTLED, /* as the metadata says */
    FP_MINI_FLUSHED, /* in its block, which the metadata does not name */
    FP_MINI_DIRTY    /* the content is in buf */
};

struct fp_mini_file {
    uint8_t state; /* enum fp_mini_state */
    bool is_staged;
    uint8_t name[FP_MINI_NAME]; /* begins with 0xff: removed or replaced */
    uint32_t pos, size;
    uint32_t block; /* of the content, or NO_BLOCK */
    uint8_t *buf;   /* its block of the workspace */
};

struct fp_mini_dir {
    struct fp_mini_dir *next;
    uint32_t index; /* of the next entry to tell */
};

struct fp_mini {
    uint8_t version;
    bool is_big;    /* integers are big-endian */
    bool is_raw;    /* names are bytes as stored */
    bool is_loaded; /* meta is what `block` holds */
    bool has_rival; /* another block passes for metadata, too */
    struct fp_bdev *dev;
    uint32_t block_size, block_count;
    uint32_t slots; /* entries that a block has room for */
    uint32_t count; /* entries there are */
    uint32_t block; /* of the metadata */
    uint32_t each;  /* blocks of the device in one */
    uint32_t max_files;
    uint32_t file_max; /* largest size a file may have */
    struct fp_mini_dir *dirs;
    struct fp_mini_file **files; /* those open, NULL between them */
    uint8_t *meta;               /* the metadata block */
    uint8_t *entries;            /* in it */
    uint8_t *bufs;               /* a block for each of files */
    uint8_t *unit;               /* dev->prog_size */
};

_Static_assert(sizeof(struct fp_mini_file) <= FP_FILE_STATE, "fp_file");
_Static_assert(sizeof(struct fp_mini_dir) <= FP_DIR_STATE, "fp_dir");
_Static_assert(FP_NAME_MAX >= 3 * FP_MINI_NAME, "escaped names fit");

static inline struct fp_mini *fp_mini_of(const struct fp_mount *mnt)
{
    return mnt->ws;
}

static inline struct fp_mini_file *fp_mini_file_of(struct fp_file *file)
{
    return (struct fp_mini_file *)(void *)file->state;
}

/* Entry `index`, a section each: the name, then size and block. */
static inline uint8_t *fp_mini_entry(const struct fp_mini *fs, uint32_t index)
{
    return fs->entries + FP_MINI_SECTION * index;
}

static inline fp_addr fp_mini_addr(const struct fp_mini *fs, uint32_t block)
{
    return (fp_addr)block * fs->block_size;
}

/* --- mount.c --- */

uint32_t fp_mini_get16(const struct fp_mini *fs, const uint8_t *p);
static inline uint32_t fp_mini_size(const struct fp_mini *fs, const uint8_t *e)
{
    return fp_mini_get16(fs, e + 12);
}

static inline uint32_t fp_mini_block(const struct fp_mini *fs, const uint8_t *e)
{
    return fp_mini_get16(fs, e + 14);
}

/* May the entry be that of a file here? */
bool fp_mini_is_sound(const struct fp_mini *fs, const uint8_t *entry);
/* Does the block begin as metadata does? 1, 0, or an error. */
int fp_mini_is_marked(const struct fp_mini *fs, uint32_t block);
/* Makes sure that meta is there. */
int fp_mini_look(struct fp_mini *fs);
size_t fp_mini_workspace(const struct fp_bdev *dev,
                         const struct fp_fs_config *cfg);
/* Lays the workspace out. */
void fp_mini_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws);
/* Can a change be made there that a power cut does not tear? */
bool fp_mini_can_write(const struct fp_mini *fs);
int fp_mini_mount(struct fp_mount *mnt);
int fp_mini_statfs(struct fp_mount *mnt, struct fp_statfs *st);
int fp_mini_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* --- name.c --- */

/* The stored name of the path's first component, padded with 0xff; 1 where
 * another follows. FP_ERR_NAMETOOLONG, FP_ERR_INVAL: it cannot be stored. */
int fp_mini_name_of(const struct fp_mini *fs, const char *path,
                    uint8_t name[FP_MINI_NAME]);
/* The name to show for a stored one. */
void fp_mini_show(const struct fp_mini *fs, const uint8_t *stored,
                  struct fp_dirent *entry);

/* --- dir.c --- */

/* The index of the path's entry, and its name as stored. Where it is not there:
 * FP_ERR_NOENT, or if it is to be made the index that it would have, count. */
int fp_mini_find(struct fp_mini *fs, const char *path, bool is_made,
                 uint8_t name[FP_MINI_NAME]);
/* The same for a stored name, count where it is not there. */
int fp_mini_find_name(struct fp_mini *fs, const uint8_t name[FP_MINI_NAME]);
int fp_mini_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_mini_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_mini_readdir(struct fp_dir *dir, struct fp_dirent *entry);
int fp_mini_closedir(struct fp_dir *dir);

/* --- file.c --- */

/* Takes one of the mount's files for f, which has what entry `index` says if
 * it is settled. */
int fp_mini_claim(struct fp_mini *fs, struct fp_mini_file *f, uint32_t index);
int fp_mini_open_ro(struct fp_mount *mnt, struct fp_file *file,
                    const char *path, uint32_t flags);
int32_t fp_mini_read(struct fp_file *file, void *buf, uint32_t size);
int64_t fp_mini_seek(struct fp_file *file, int64_t off, enum fp_whence whence);
int fp_mini_close_ro(struct fp_file *file);

/* --- probe.c, check.c --- */

int fp_mini_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);
int fp_mini_check_step(struct fp_mini *fs, struct fp_step *step);
int fp_mini_step_ro(struct fp_mount *mnt, struct fp_step *step);

/* --- the writing half --- */

/* commit.c */
/* Rivals that a power cut left are metadata no more. */
int fp_mini_drop_rivals(struct fp_mini *fs);
/* The next block that nothing refers to, behind `block`; NO_BLOCK. */
uint32_t fp_mini_next_free(const struct fp_mini *fs, uint32_t block);
/* Erases the block and programs buf[from..size) into it, 0xff behind. */
int fp_mini_store(const struct fp_mini *fs, uint32_t block, uint8_t *buf,
                  uint32_t from, uint32_t size);
void fp_mini_put16(const struct fp_mini *fs, uint8_t *p, uint32_t v);
/* Writes meta out to `block`: from then on it counts. */
int fp_mini_write_meta(struct fp_mini *fs, uint32_t block);
/* The same, and what was is metadata no more. The block is chosen before meta
 * is changed: what goes with the change must not be overwritten by it. With
 * NO_BLOCK, FP_ERR_NOSPC. Any error makes the next look() read meta again. */
int fp_mini_commit(struct fp_mini *fs, uint32_t block);

/* write.c */
int fp_mini_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                 uint32_t flags);
int32_t fp_mini_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_mini_truncate(struct fp_file *file, uint64_t size);
int fp_mini_fsync(struct fp_file *file);
int fp_mini_reserve(struct fp_file *file, uint64_t size);
int fp_mini_file_commit(struct fp_file *file,
                        const struct fp_commit_meta *meta);
int fp_mini_close(struct fp_file *file);

/* tree.c */
int fp_mini_remove(struct fp_mount *mnt, const char *path);
int fp_mini_rename(struct fp_mount *mnt, const char *from, const char *to,
                   uint32_t flags);

/* format.c */
int fp_mini_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws, size_t ws_size);

/* repair.c */
int fp_mini_step(struct fp_mount *mnt, struct fp_step *step);

#endif
