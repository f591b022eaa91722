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

enum fp_mini_state {
    FP_MINI_SETTLED, /* as the metadata says */
    FP_MINI_FLUSHED, /* in its block, which the metadata does not name */
    FP_MINI_DIRTY    /* the content is in buf */
};

struct fp_mini_file {
    uint8_t state;              /* enum fp_mini_state */
    uint8_t name[FP_MINI_NAME]; /* begins with 0xff: removed or replaced */
    uint32_t block;             /* of the content, or NO_BLOCK */
    uint8_t *buf;               /* its block of the workspace */
};

/* Small fields come first: Thumb reaches bytes at small offsets only. */
struct fp_mini {
    uint8_t version;
    bool is_big;                /* integers are big-endian */
    bool is_raw;                /* names are bytes as stored */
    bool is_loaded;             /* meta is what `block` holds */
    bool has_rival;             /* another block passes for metadata, too */
    uint8_t name[FP_MINI_NAME]; /* the last that find() was given */
    struct fp_bdev *dev;
    uint32_t block_size, block_count;
    uint32_t block; /* of the metadata */
    uint32_t next;  /* to be written, or NO_BLOCK */
    uint32_t each;  /* blocks of the device in one */
    uint32_t once;  /* bytes at a block's start that take one program only */
    uint8_t *meta;  /* the metadata block: its header, then entries */
    uint8_t *end;   /* of the entries there are */
    uint8_t *limit; /* of those that it has room for; a block for each of
                          files follows */
    uint8_t *found; /* the entry of name, or end */
    uint32_t max_files;
    struct fp_file *files[]; /* those open, NULL between them */
};

_Static_assert(sizeof(struct fp_mini_file) <= FP_FILE_STATE, "fp_file");
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
    return fs->meta + FP_MINI_SECTION * (index + 1);
}

/* How many entries there are. */
static inline uint32_t fp_mini_count(const struct fp_mini *fs)
{
    return (uint32_t)(fs->end - fs->meta) / FP_MINI_SECTION - 1;
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
/* Lays the workspace out. Can a change be made there that a power cut does not
 * tear? */
bool fp_mini_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws);
int fp_mini_mount(struct fp_mount *mnt);
int fp_mini_statfs(struct fp_mount *mnt, struct fp_statfs *st);

/* --- dir.c --- */

/* fs->found becomes the path's entry, fs->name its name. Where it is not there:
 * FP_ERR_NOENT, or if it is to be made FP_OK, and found is end. What cannot be
 * stored is FP_ERR_NAMETOOLONG or FP_ERR_INVAL here, too. */
int fp_mini_find(struct fp_mini *fs, const char *path, bool is_made);
/* The same for a stored name, found is end where it is not there. */
int fp_mini_find_name(struct fp_mini *fs, const uint8_t name[FP_MINI_NAME]);
int fp_mini_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_mini_readdir(struct fp_dir *dir, struct fp_dirent *entry);

/* --- file.c --- */

int fp_mini_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                 uint32_t flags);
int32_t fp_mini_read(struct fp_file *file, void *buf, uint32_t size);
/* Nothing is written. */
int fp_mini_forget(struct fp_file *file);

/* --- probe.c, check.c, blocks.c --- */

int fp_mini_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);
int fp_mini_check(struct fp_mini *fs, struct fp_step *step);
int fp_mini_step_ro(struct fp_mount *mnt, struct fp_step *step);
int fp_mini_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* --- the writing half --- */

/* commit.c */
/* What was metadata is none any more; spoils meta. */
int fp_mini_drop(struct fp_mini *fs, uint32_t block);
/* Rivals that a power cut left are metadata no more. */
int fp_mini_drop_rivals(struct fp_mini *fs);
/* The next block that nothing refers to, behind `block`; NO_BLOCK. */
uint32_t fp_mini_next_free(const struct fp_mini *fs, uint32_t block);
/* Erases block `next` and programs buf[from..size) into it, 0xff behind. */
int fp_mini_store(const struct fp_mini *fs, uint8_t *buf, uint32_t from,
                  uint32_t size);
void fp_mini_put16(const struct fp_mini *fs, uint8_t *p, uint32_t v);
/* Writes meta out to block `next`: from then on it counts. */
int fp_mini_write_meta(struct fp_mini *fs);
/* The same, and what was is metadata no more. `next` is chosen before meta is
 * changed: what goes with the change must not be overwritten by it. Where it
 * is NO_BLOCK, FP_ERR_NOSPC. Any error makes the next look() read meta again. */
int fp_mini_commit(struct fp_mini *fs);

/* write.c */
int32_t fp_mini_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_mini_truncate(struct fp_file *file, uint64_t size);
int fp_mini_fsync(struct fp_file *file);
int fp_mini_reserve(struct fp_file *file, uint64_t size);
int fp_mini_file_commit(struct fp_file *file,
                        const struct fp_commit_meta *meta);

/* tree.c */
int fp_mini_remove(struct fp_mount *mnt, const char *path);
int fp_mini_rename(struct fp_mount *mnt, const char *from, const char *to,
                   uint32_t flags);

/* format.c */
int fp_mini_format(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                   void *ws, size_t ws_size);
int fp_mini_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                     void *ws, size_t ws_size);

/* check_repair.c */
int fp_mini_step(struct fp_mount *mnt, struct fp_step *step);

#endif
