/* SPDX-License-Identifier: MIT
 *
 * A filesystem driver: a table of functions that a volume is mounted with, and
 * the front end through which everyone calls it.
 *
 * Paths   within one volume, absolute: "/", "/dir/file"; bytes, terminated by
 *         NUL, components separated by one '/', no trailing '/', no "." or
 *         "..". fp_fs_*() refuse others (FP_ERR_INVAL), so a driver sees only
 *         such.
 * Units   sizes and offsets in bytes; times in nanoseconds since 1970 UTC
 * Memory  a driver never allocates. Everything a mount needs, open files
 *         included, lies in one workspace whose size ops->workspace() tells
 *         beforehand. struct fp_mount, fp_file and fp_dir are the caller's and
 *         must stay where they are while mounted or open.
 * Errors  0 or a count, or a negative enum fp_error. A NULL entry in the table
 *         is answered with FP_ERR_NOTSUP by the front end.
 * Thread  one caller at a time per volume
 * Power   after a cut at any single program or erase, the next mount finds
 *         every file either as it was before the running operation or as it is
 *         after it
 */
#ifndef FP_CORE_FS_FS_H
#define FP_CORE_FS_FS_H

#include "core/bdev/bdev.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fp_mount;
struct fp_file;
struct fp_dir;

/* What a driver, on this volume, can do: statfs' caps and the API's. */
enum {
    FP_CAP_DIRS = 1,
    FP_CAP_STAGE = 2,          /* staged writes: nothing seen until commit */
    FP_CAP_ATOMIC_REPLACE = 4, /* a commit or rename replaces in one step */
    FP_CAP_MTIME = 8,
    FP_CAP_ATTRS = 16,
    FP_CAP_SEEKWRITE = 32,
    FP_CAP_APPEND = 64,
    FP_CAP_RENAME_DIR = 128,
    FP_CAP_HOLES = 256, /* seeking past the end and writing */
    FP_CAP_WRITE = 512, /* the driver can write this volume at all */
};

/* Flags of open. */
enum {
    FP_O_READ = 1,
    FP_O_WRITE = 2,
    FP_O_CREATE = 4,  /* create it when it is not there */
    FP_O_EXCL = 8,    /* with CREATE: FP_ERR_EXIST when it is there */
    FP_O_TRUNC = 16,  /* drop the old content */
    FP_O_APPEND = 32, /* every write goes to the end */
    /* Only with WRITE|CREATE|TRUNC: what is written stays unseen by everyone,
     * on flash too, until fp_fs_commit(); closed without it, it is gone and
     * the old file is untouched. Reads of a staged file see what was staged.
     * Once committed it is done: the handle reads if it was opened for that,
     * and what would write (commit, truncate and reserve among it) answers
     * FP_ERR_INVAL. */
    FP_O_STAGE = 64,
};

enum fp_whence {
    FP_SEEK_SET,
    FP_SEEK_CUR,
    FP_SEEK_END
};

enum fp_type {
    FP_TYPE_FILE = 1,
    FP_TYPE_DIR = 2
};

/* Flags of a mount. */
enum {
    FP_MOUNT_RDONLY = 1, /* never program or erase, not even to repair */
    /* For the tools that show what is stored: a path is '/' and the stored
     * name, whatever that holds, and only the driver looks at it. For volumes
     * without directories, mounted read-only. The option raw=1 is the same for
     * a mount that may write. */
    FP_MOUNT_STORED = 2,
};

/* How a volume is laid out and mounted. Zero means "find out" or the default.
 * probe() fills in what it found; the caller may state what it knows. */
struct fp_fs_config {
    uint32_t flags;       /* FP_MOUNT_* */
    uint32_t block_size;  /* the filesystem's own block, if not the device's */
    uint32_t block_count; /* stated by the caller: a volume that says another
                             count is refused. 0: what the volume says */
    uint32_t page_size;   /* formats that have pages */
    uint32_t max_files;   /* files open at once; default 4 */
    uint32_t seed;        /* where allocation starts; any number */
    uint32_t cache_size;  /* bytes a cache; default chosen by the driver */
    uint32_t name_max;    /* format only; default the format's */
    uint32_t version;     /* format only: disk version, 0 the newest */
    int32_t block_cycles; /* erases before metadata moves; -1 never */
    int32_t zone_min;     /* that local time is ahead of UTC, for formats that
                             keep local time; may change while mounted */
    const char *options;  /* "k=v,k=v": particular to the driver, or NULL */
    const void *table;    /* likewise, a struct: raw has its regions here */
};

struct fp_stat {
    uint8_t type; /* enum fp_type */
    bool has_mtime;
    uint64_t size;    /* 0 for a directory */
    int64_t mtime_ns; /* valid if has_mtime */
};

struct fp_dirent {
    struct fp_stat st;
    uint16_t name_len;
    char name[FP_NAME_MAX + 1]; /* bytes as stored, NUL after name_len; a name
                                   may hold anything but '/' and NUL, and with
                                   the option raw=1 these too */
};

struct fp_statfs {
    uint32_t block_size; /* of the filesystem */
    uint64_t block_count;
    uint64_t blocks_used; /* every block that something refers to */
    uint64_t size;        /* bytes in the volume */
    uint64_t free;        /* bytes that a file could take, about */
    uint32_t caps;        /* FP_CAP_* */
    uint32_t name_max;
    uint64_t file_max;
    uint64_t files_max; /* 0: bounded by space only */
    char version[8];    /* of the format, "2.1"; "" where it has none */
    bool needs_repair;  /* a power cut left something that the next write
                              puts right */
};

enum fp_block_use {
    FP_BLOCK_METADATA = 1,
    FP_BLOCK_DATA = 2,
    FP_BLOCK_STALE = 3,
    FP_BLOCK_BAD = 4,
};

/* Called once a block in use or more often. Non-zero stops the walk and is
 * returned. */
typedef int (*fp_fs_block_fn)(void *ctx, uint32_t block, enum fp_block_use use);

/* What commit gives a staged file besides its content. */
struct fp_commit_meta {
    bool has_mtime;
    int64_t mtime_ns;
};

/* Only CHECK never writes. GC and COMPACT change nothing that a user sees. */
enum fp_step_kind {
    FP_STEP_CHECK,   /* says everything that is wrong */
    FP_STEP_REPAIR,  /* does what the first write after a mount would */
    FP_STEP_GC,      /* finds, and frees where that takes work, room for a
                        later write */
    FP_STEP_COMPACT, /* tidies metadata that a later write would have to;
                        costs erases now */
    FP_STEP_KINDS
};

enum fp_finding_level {
    FP_FINDING_ERROR,   /* data is lost or will be */
    FP_FINDING_WARNING, /* works, yet should not be so */
    FP_FINDING_PENDING, /* a power cut left it; the next write repairs it */
};

/* `text` is a sentence, valid during the call; block is UINT32_MAX where the
 * finding is about none in particular. */
typedef void (*fp_finding_fn)(void *ctx, enum fp_finding_level level,
                              uint32_t block, const char *text);

/* A long job on a volume, sliced: call fp_fs_step() until `done`. Set kind,
 * on_finding and ctx, zero the rest. */
struct fp_step {
    enum fp_step_kind kind;
    fp_finding_fn on_finding;
    void *ctx;
    bool done;
    uint32_t errors, warnings, pending; /* findings so far */
    uint32_t progress, total;           /* about */
    /* private to the driver */
    uint64_t state[16];
};

enum {
    FP_RENAME_NOREPLACE = 1, /* FP_ERR_EXIST when the target is there */
};

/* What a power cut may do, in a word for a UI. */
enum fp_promise {
    FP_PROMISE_NONE,
    FP_PROMISE_OLD_OR_NEW
};

struct fp_fs_ops {
    const char *name; /* "littlefs" */
    enum fp_promise promise;
    uint32_t caps; /* FP_CAP_*: what statfs says unless it says more */

    /* Bytes of workspace that a mount (or a format) on dev with cfg needs, 0
     * if it cannot be mounted there. Reads nothing. */
    size_t (*workspace)(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
    /* Is there such a filesystem at the start of dev? Never writes. *score
     * comes with the best of those asked before, 0 if none was: one that
     * could not exceed it may answer FP_ERR_NOENT without looking. On FP_OK
     * it is 0..100 and cfg has what was found (block_size among it).
     * FP_ERR_NOENT: none here. */
    int (*probe)(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);
    int (*format)(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);
    /* Is there nothing on dev but erased flash, or what a power cut left of a
     * format on erased flash? 1, 0, or an error; never writes. The workspace
     * is as format's. NULL: only what is erased throughout. */
    int (*is_blank)(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size);

    /* mnt->dev, cfg, ws and ws_size are set. Reads only; what a power cut left
     * is repaired before the first write. */
    int (*mount)(struct fp_mount *mnt);
    int (*unmount)(struct fp_mount *mnt);
    int (*sync)(struct fp_mount *mnt);

    /* *st is that of an empty file so far. "/" is the front end's, but where
     * it may have attributes. */
    int (*stat)(struct fp_mount *mnt, const char *path, struct fp_stat *st);
    /* Zeroed but for caps and file_max. The size is that of all blocks. */
    int (*statfs)(struct fp_mount *mnt, struct fp_statfs *st);

    /* file->mnt and file->flags are set, file->state is zeroed. */
    int (*open)(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
    /* A driver without seek has files below 4 GiB and leaves it to the front
     * end where they are read and written, and how much of them there is: it
     * sets file->size with open, and mnt->file_max with mount; read and write
     * find file->pos as it is to be, `size` within the file or its bounds, and
     * answer 0 for all of it. What reaches beyond file->size makes the file
     * longer, after write or truncate answered 0. With an error write and
     * truncate leave file->size as it is then.
     *
     * Others: bytes read, fewer than `size` only at the end of the file. */
    int32_t (*read)(struct fp_file *file, void *buf, uint32_t size);
    /* `size`, or an error after which the file has what it had at its last
     * fsync. */
    int32_t (*write)(struct fp_file *file, const void *buf, uint32_t size);
    /* The new position. */
    int64_t (*seek)(struct fp_file *file, int64_t off, enum fp_whence whence);
    int (*truncate)(struct fp_file *file, uint64_t size);
    /* Content and size survive a power cut. A staged file: content is on the
     * medium and caches are dropped, so that a read now verifies flash; still
     * unseen. */
    int (*fsync)(struct fp_file *file);
    /* Is there room for a file of `size`? FP_ERR_NOSPC before the first byte
     * is written. */
    int (*reserve)(struct fp_file *file, uint64_t size);
    /* A staged file takes its name, in one step. The file stays open, to be
     * read: file->flags have no more than FP_O_READ now, and with an error what
     * they had. */
    int (*commit)(struct fp_file *file, const struct fp_commit_meta *meta);
    /* Also fsyncs, a staged file aside; for a driver without seek the front end
     * has done that, and takes FP_ERR_NOENT for no error. Whatever it returns,
     * the handle is free afterwards. */
    int (*close)(struct fp_file *file);

    /* NULL: there is no directory but "/", which needs no more than that
     * dir->state is zeroed. */
    int (*opendir)(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
    /* 1 and an entry, 0 at the end. The front end leaves out what cannot stand
     * in a path, "." and ".." among it. */
    int (*readdir)(struct fp_dir *dir, struct fp_dirent *entry);
    int (*closedir)(struct fp_dir *dir);
    int (*mkdir)(struct fp_mount *mnt, const char *path);
    /* A file, or an empty directory. */
    int (*remove)(struct fp_mount *mnt, const char *path);
    int (*rename)(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags);

    /* User attributes. getattr: the attribute's size, of which at most `size`
     * bytes were copied; FP_ERR_NODATA. setattr with NULL removes. listattr:
     * types in ascending order into types[0..size), returns how many there
     * are. */
    int32_t (*getattr)(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size);
    int (*setattr)(struct fp_mount *mnt, const char *path, uint8_t type,
                   const void *buf, uint32_t size);
    int (*listattr)(struct fp_mount *mnt, const char *path, uint8_t *types,
                    uint32_t size);
    /* Sets the modification time as this volume's files carry it. */
    int (*settime)(struct fp_mount *mnt, const char *path, int64_t mtime_ns);

    int (*blocks)(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);
    /* One slice, which blocks for at most some tens of block operations. */
    int (*step)(struct fp_mount *mnt, struct fp_step *step);
};

struct fp_mount {
    const struct fp_fs_ops *ops;
    struct fp_bdev *dev;
    void *ws; /* aligned as malloc aligns */
    size_t ws_size;
    fp_addr file_max;        /* largest file, if the driver told */
    uint32_t open_count;     /* files and directories open; private */
    bool mounted;            /* false with some open: abandoned; private */
    struct fp_fs_config cfg; /* as in use: what was 0 is filled in */
};

struct fp_file {
    struct fp_mount *mnt; /* NULL when closed */
    uint32_t flags;       /* FP_O_* */
    uint32_t pos, size;   /* of a driver without seek */
    /* private to the driver */
    uint64_t state[FP_FILE_STATE / 8];
};

struct fp_dir {
    struct fp_mount *mnt; /* NULL when closed */
    /* private to the driver */
    uint64_t state[FP_DIR_STATE / 8];
};

/* Mounts ops on dev. cfg may be NULL: find out. Where cfg states no block size
 * the driver's probe, if it has one, is asked for it (FP_ERR_CORRUPT: there is
 * no such volume); a table without probe links none of that. ws[0..ws_size)
 * stays the mount's until fp_fs_unmount(). A device that is read-only, or a
 * driver that cannot write, makes a read-only mount. FP_ERR_NOMEM: the
 * workspace is too small; FP_ERR_NOTSUP: the driver cannot live on this
 * device. */
int fp_fs_mount(struct fp_mount *mnt, const struct fp_fs_ops *ops,
                struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                size_t ws_size);
/* FP_ERR_BUSY, and still mounted, while files or directories are open. Any
 * other error is one of writing what was pending, and it is unmounted. */
int fp_fs_unmount(struct fp_mount *mnt);
/* The medium has left: unmounts without a word to it or to the driver. Files
 * and directories that are open answer FP_ERR_STALE from now on, and closing
 * them frees them. mnt may be used for another mount once
 * fp_fs_is_free(mnt). */
void fp_fs_abandon(struct fp_mount *mnt);
/* Neither mounted, nor is a handle of an abandoned mount still open. */
bool fp_fs_is_free(const struct fp_mount *mnt);

/* Makes an empty volume; what was there is gone. The workspace is as a mount's
 * and free again afterwards. */
int fp_fs_format(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                 const struct fp_fs_config *cfg, void *ws, size_t ws_size);

/* May dev be formatted and nothing be lost by it? 1 if all of it is erased, or
 * holds only what such a format leaves when the power goes in the middle of it;
 * else 0, a volume that is damaged among it; or an error. Reads as far as there
 * is nothing: of a blank device all, of a card for FAT some 32 MiB. */
int fp_fs_is_blank(const struct fp_fs_ops *ops, struct fp_bdev *dev,
                   const struct fp_fs_config *cfg, void *ws, size_t ws_size);

/* Finds the driver in the NULL-ended list that fits dev best, of two that fit
 * equally the first: so those that look in one place stand before those that
 * search. cfg, in which the caller states what it knows (zero the rest), gets
 * what was found. FP_ERR_NOENT: nothing known is there. Another error is one
 * that a driver met where none fitted: FP_ERR_CORRUPT, say, if a volume is
 * there but broken. Probes have little room: give them a device that is read by
 * the byte (core/bdev/window.h). */
int fp_fs_probe(const struct fp_fs_ops *const *drivers, struct fp_bdev *dev,
                const struct fp_fs_ops **ops, struct fp_fs_config *cfg);

/* For drivers: the number that cfg's options, "k=v,k=v", give `name`, decimal
 * or 0x, a '-' before it negates; `without` where they (NULL: there are none)
 * do not name it. */
uint32_t fp_fs_option(const char *options, const char *name, uint32_t without);

/* Bytes of the name that a path goes on with, up to a '/' or its end; 0 of one
 * that no path can have, "." and ".." among them. */
size_t fp_fs_name_size(const char *name);

/* Is that a path: absolute, single slashes between, none at the end, no "." or
 * ".."? FP_ERR_INVAL, or FP_ERR_NAMETOOLONG if nothing else is wrong. */
int fp_fs_check_path(const char *path);

/* For drivers: the list of a mount's open files, files[0..count), NULL between
 * them. claim() gives the index that file has got, or FP_ERR_NFILE. */
int fp_fs_claim(struct fp_file **files, uint32_t count, struct fp_file *file);
int fp_fs_release(struct fp_file **files, const struct fp_file *file);

/* For drivers' is_blank: a device that is looked through from its start. Set
 * what comes first, zero the rest. */
struct fp_fs_blank {
    struct fp_bdev *dev;
    uint8_t *buf; /* buf[0..size), a read unit at least */
    uint32_t size;
    uint8_t also; /* what is nothing besides 0xff */
    /* private */
    bool is_used;
    int err;
    fp_addr at;
};

/* Looks on up to `to`, and passes over `skip` bytes there. 1 while there was
 * nothing, 0, or an error. */
int fp_fs_blank_to(struct fp_fs_blank *blank, fp_addr to, uint32_t skip);
/* At `off` there is nothing but text[0..size), as far as its bits got there: of
 * what was passed over the part that would be known. buf has room for that and
 * for two read units. */
void fp_fs_blank_but(struct fp_fs_blank *blank, fp_addr off, const char *text,
                     uint32_t size);

/* These are the table's functions behind argument checks: paths, access modes
 * (a read of a file not opened for reading is FP_ERR_INVAL), FP_ERR_ROFS on
 * read-only volumes, FP_ERR_NOTSUP for a NULL entry, FP_ERR_STALE for a handle
 * whose mount was abandoned. "/" is a directory that is
 * there (mkdir: FP_ERR_EXIST) and stays (remove, rename: FP_ERR_BUSY). */
int fp_fs_sync(struct fp_mount *mnt);
int fp_fs_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_fs_statfs(struct fp_mount *mnt, struct fp_statfs *st);
int fp_fs_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
               uint32_t flags);
int32_t fp_fs_read(struct fp_file *file, void *buf, uint32_t size);
int32_t fp_fs_write(struct fp_file *file, const void *buf, uint32_t size);
int64_t fp_fs_seek(struct fp_file *file, int64_t off, enum fp_whence whence);
int fp_fs_truncate(struct fp_file *file, uint64_t size);
int fp_fs_fsync(struct fp_file *file);
int fp_fs_reserve(struct fp_file *file, uint64_t size);
int fp_fs_commit(struct fp_file *file, const struct fp_commit_meta *meta);
int fp_fs_close(struct fp_file *file);
int fp_fs_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_fs_readdir(struct fp_dir *dir, struct fp_dirent *entry);
int fp_fs_closedir(struct fp_dir *dir);
int fp_fs_mkdir(struct fp_mount *mnt, const char *path);
int fp_fs_remove(struct fp_mount *mnt, const char *path);
int fp_fs_rename(struct fp_mount *mnt, const char *from, const char *to,
                 uint32_t flags);
int32_t fp_fs_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                      void *buf, uint32_t size);
int fp_fs_setattr(struct fp_mount *mnt, const char *path, uint8_t type,
                  const void *buf, uint32_t size);
int fp_fs_listattr(struct fp_mount *mnt, const char *path, uint8_t *types,
                   uint32_t size);
int fp_fs_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns);
int fp_fs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);
int fp_fs_step(struct fp_mount *mnt, struct fp_step *step);

#endif
