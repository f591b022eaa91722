/* SPDX-License-Identifier: MIT
 *
 * What the files of the FAT driver share: the state of a mount and the
 * functions between them. Private to this folder.
 *
 * Two windows, a sector each, are all that is cached: one onto the allocation
 * table, one onto directories and the sectors of files that are not read or
 * written whole. What is changed in a window reaches the medium when the window
 * moves on, or is flushed; so changes land in the order in which they were
 * made, and those within one sector land together. One rule is built in: before
 * the second window programs a sector of a directory, the table's is flushed,
 * so that no entry names a chain that is not there yet. What is freed is freed
 * after the entry was flushed. That order is the whole of what makes a power
 * cut harmless.
 *
 * Windows are never dropped. When a program fails its window keeps what it
 * should have written, and the next operation tries again.
 *
 * Errors stay: the first one of an operation is kept in fs->err, and from then
 * on nothing is read, changed or programmed any more. So a function need not
 * ask after each step; loops do, and so does whoever frees. What is returned
 * meanwhile is harmless: no cluster, no slot, or one that leads nowhere. Only
 * fp_fat_enter() forgets it, at the start of the next operation.
 */
#ifndef FP_CORE_FS_FAT_VOL_H
#define FP_CORE_FS_FAT_VOL_H

#include "core/bytes.h"
#include "core/fs/fs.h"

#include <stddef.h>
#include <string.h>

/* A function that stays one by itself: within its callers it is larger than the
 * calls. */
#if FP_FAT_SMALL
#define FP_FAT_APART __attribute__((noinline))
#else
#define FP_FAT_APART
#endif

#define FP_FAT_SLOT       32u    /* bytes of a directory entry */
#define FP_FAT_FREE       0xe5   /* its first byte when nobody has it */
#define FP_FAT_SLOTS_MAX  65536u /* in a directory */
#define FP_FAT_UNITS_MAX  255u   /* UTF-16 units of a name */
#define FP_FAT_PARTS_MAX  20u    /* entries of a long name, 13 units each */
#define FP_FAT_SHORT_SIZE 13u    /* of an 8.3 name, with a dot and 0 */
#define FP_FAT_ROUNDS_MAX 64u    /* hashes that an alias is tried with */
#define FP_FAT_FILES_MAX  32u    /* open at once; a bit each in a word */
#define FP_FAT_NONE       0xffffffffu
#define FP_FAT_ORPHAN     0xfffffffeu
#define FP_FAT_NAME_SIZE  (FP_READONLY ? 0u : FP_NAME_MAX + 1u)
#define FP_FAT_MARK       6u /* bytes at FP_FAT_AT_PEER */
/* Entries of the table, of whatever width: with ones before them. */
#define FP_FAT_BAD 0xfffffff7u
#define FP_FAT_EOC 0xffffffffu

enum {
    FP_FAT_READONLY = 0x01,
    FP_FAT_LABEL = 0x08,
    FP_FAT_DIR = 0x10,
    FP_FAT_ARCHIVE = 0x20,
    FP_FAT_LONG = 0x0f, /* with mask 0x3f: a part of a long name */
};

/* Where in an entry things are. Source: the format page, directory entries. */
enum {
    FP_FAT_AT_ATTR = 11,
    FP_FAT_AT_CASE = 12,
    FP_FAT_AT_PEER = 14, /* ours while it moves: where the other end is */
    FP_FAT_AT_HIGH = 20,
    FP_FAT_AT_TIME = 22,
    FP_FAT_AT_DATE = 24,
    FP_FAT_AT_LOW = 26,
    FP_FAT_AT_SIZE = 28,
};

enum {
    FP_FAT_LOWER_BASE = 0x08,
    FP_FAT_LOWER_EXT = 0x10,
    FP_FAT_ARRIVED = 0x40, /* ours, see move.c */
    FP_FAT_LEAVING = 0x80,
};

struct fp_fat;

struct fp_fat_window {
    uint32_t sector; /* FP_FAT_NONE: nothing */
    bool dirty;
    bool is_meta; /* a directory's, the boot sector, not content */
    uint8_t *buf;
};

/* Before a slot of a directory, and in which cluster the slot before that is.
 * head 0: the fixed root of FAT12 and FAT16. */
struct fp_fat_cursor {
    uint32_t head, cluster, slot;
};

/* An entry: its 8.3 slot and the parts of the long name before it. */
struct fp_fat_place {
    uint8_t raw[FP_FAT_SLOT];
    struct fp_fat_cursor first; /* of its slots */
    uint32_t slots;
    uint32_t sector, off; /* of the 8.3 slot, in bytes */
    uint32_t dir;         /* head of the directory that it is in */
    const char *name;     /* in the path that led here */
};

/* Clusters that follow each other on the medium, too. */
struct fp_fat_run {
    uint32_t index, cluster, count;
};

/* Everything open, so that what changes can tell those who look at it. */
struct fp_fat_node {
    struct fp_fat_node *next;
    bool is_dir;
    bool ended; /* the directory is gone, the file is FP_ERR_STALE */
    /* Where a file's entry is. FP_FAT_NONE: `off` is the head of the directory
     * that is listed, or that a new file goes to, 0 for the fixed root.
     * FP_FAT_ORPHAN: the entry is gone, and `off` is the head of the chain,
     * which is the handles'. */
    uint32_t sector, off;
};

struct fp_fat_dir {
    struct fp_fat_node node;
    struct fp_fat_cursor at;
};

/* The clusters [first, first + count) of a file, from head on. count 0: none,
 * and head is 0, too. */
struct fp_fat_stretch {
    uint32_t first, count, head;
};

/* A handle sees `size` bytes: the chain from `head`, in which a stretch is
 * replaced by its own, which nobody else knows. On the medium there are
 * disk_size bytes and the chain from `head` alone. */
struct fp_fat_file {
    struct fp_fat_node node;
    uint32_t slot;
    uint32_t head, disk_size;
    struct fp_fat_stretch own;
    /* Sectors that begin within [put_from, put_from + put_starts) are being
     * written: they need no copy. */
    uint32_t put_from, put_starts;
    char *name; /* of one that has no entry yet */
    /* What is known of the chain: the run that was used last, or runs that begin
     * at the head and follow each other, of which the last, where there is no
     * room for more, goes on along the chain alone. The first may be empty. */
#if FP_FAT_SMALL
    struct fp_fat_run run;
#else
    struct fp_fat_run *runs, *last;
#endif
};

/* Whose state it is: the functions here take it, for it has how long the file
 * is. */
static inline struct fp_file *fp_fat_handle(struct fp_fat_node *node)
{
    return (struct fp_file *)((uintptr_t)node -
                              offsetof(struct fp_file, state));
}

/* Bytes of a file, piece by piece: whole sectors that follow each other, or a
 * part of one. */
struct fp_fat_piece {
    struct fp_file *file;
    uint32_t pos, end;
    uint32_t n, sector, off;
};

static inline void fp_fat_piece_start(struct fp_fat_piece *p,
                                      struct fp_file *file, uint32_t pos,
                                      uint32_t size)
{
    p->file = file;
    p->pos = pos;
    p->end = pos + size;
    p->n = 0;
}

#if !FP_FAT_SMALL
#define FP_FAT_WAYS 4u

/* What is known of directories without looking, see index.c. */
struct fp_fat_index {
    uint32_t dir;            /* whose names `bits` has; FP_FAT_NONE: nobody's */
    uint8_t *bits;           /* layout.names bytes */
    struct fp_fat_cursor at; /* behind the name that was found last ... */
    uint32_t changes;        /* ... and fs->changes then */
    struct fp_fat_cursor ways[FP_FAT_WAYS]; /* at directories, by their own */
    /* Before `room` no sector of its directory has so many free slots in a
     * row. */
    struct fp_fat_cursor room;
    uint32_t room_slots;
};
#endif

/* How much of what the workspace has. */
struct fp_fat_layout {
    uint32_t sector, files;
#if !FP_FAT_SMALL
    uint32_t runs, names; /* of each file; bytes */
#endif
    uint32_t bitmap; /* bytes */
};

/* The windows and bytes first, and then what is used most: small processors
 * reach that in one instruction. */
struct fp_fat {
    struct fp_fat_window win, fat;
    uint8_t bits;          /* 12, 16 or 32 */
    uint8_t sector_shift;  /* bytes of a sector, as a power of two */
    uint8_t cluster_shift; /* bytes of a cluster, likewise */
    uint8_t spc_shift;     /* sectors of a cluster, likewise */
    uint8_t fat_count;     /* copies of the table in use */
    uint8_t state_off;     /* of the dirty byte in the boot sector */
    bool dirty;            /* the volume was when mounted */
    bool marked;           /* ... and is now, by us */
    int err;               /* of this operation */
    struct fp_bdev *dev;
    uint32_t sector_size;
    uint32_t mask; /* the bits of a table's entry that count */

    /* layout, in sectors */
    uint32_t sectors, fat_start, fat_sectors, root_start, data_start;
    uint32_t root_slots;   /* of the fixed root */
    uint32_t root_cluster; /* 0: the root is fixed */
    uint32_t last;         /* the highest number of a cluster */
    uint32_t info;         /* FSInfo; 0: none */
    uint32_t clean;        /* the bit of entry 1 that says so; FAT12: none */

    /* Free clusters among [2, counted). */
    uint32_t free, counted;
    uint32_t next; /* where to look for a free one */

    /* What the parts of the long name in `name` say of their 8.3 name. */
    uint32_t sum;

    uint32_t barred; /* no path may lead through the directory at it */
    struct fp_fat_node *nodes;
    uint32_t files_used;
    uint8_t *names; /* of files that are open */
    struct fp_mount *mnt;
    /* Programs what w holds. NULL: this mount never writes, and links nothing
     * that does. */
    void (*flush)(struct fp_fat *fs, struct fp_fat_window *w);
    uint32_t zone;    /* minutes ahead of UTC */
    uint32_t changes; /* of the table and of directories: tells a check */
    struct fp_fat_layout layout;
#if !FP_FAT_SMALL
    struct fp_fat_run *runs; /* of files that are open */
    struct fp_fat_index index;
#endif
    uint8_t *bitmap;                  /* of a check */
    uint8_t nowhere[2 * FP_FAT_SLOT]; /* what is changed after an error */
    /* The long name last read or to be written, up to 0; "": none. */
    uint16_t name[FP_FAT_PARTS_MAX * 13 + 1];
};

static inline struct fp_fat *fp_fat_of(struct fp_mount *mnt)
{
    return mnt->ws;
}

static inline struct fp_fat_file *fp_fat_file_of(struct fp_file *file)
{
    return (struct fp_fat_file *)(void *)file->state;
}

static inline uint32_t fp_fat_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline bool fp_fat_is_dir(const uint8_t *raw)
{
    return raw[FP_FAT_AT_ATTR] & FP_FAT_DIR;
}

/* The table or a directory is another now. */
static inline void fp_fat_changed(struct fp_fat *fs)
{
    if (FP_FS_CHECK || !FP_FAT_SMALL) /* who else asks? */
        fs->changes++;
}

/* Starts an operation. */
static inline struct fp_fat *fp_fat_enter(struct fp_mount *mnt)
{
    struct fp_fat *fs = mnt->ws;

    fs->err = FP_OK;
    return fs;
}

/* --- reading --- */

/* boot.c */
/* Reads layout and width out of boot[0..512). FP_ERR_NOENT: no FAT;
 * FP_ERR_NOTSUP: a relative. */
int fp_fat_boot_parse(struct fp_fat *fs, const uint8_t *boot);
/* By the first 64 bytes. FP_ERR_NOENT: no FAT; FP_ERR_NOTSUP: a relative. */
int fp_fat_boot_judge(const uint8_t *boot);

/* probe.c */
int fp_fat_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);

/* io.c */
/* Little-endian numbers: calls, where core/bytes.h puts the code itself. */
uint32_t fp_fat_u16(const uint8_t *p);
uint32_t fp_fat_u32(const uint8_t *p);
void fp_fat_put16(uint8_t *p, uint32_t v);
void fp_fat_put32(uint8_t *p, uint32_t v);
/* The first failure of an operation counts. */
void fp_fat_fail_by(struct fp_fat *fs, int positive);
/* Small processors have a positive number in one instruction. */
static inline void fp_fat_fail(struct fp_fat *fs, int err)
{
    fp_fat_fail_by(fs, -err);
}
bool fp_fat_is_cluster(const struct fp_fat *fs, uint32_t n);
/* Where a cluster begins; what is none is FP_ERR_CORRUPT. */
uint32_t fp_fat_sector_of(struct fp_fat *fs, uint32_t n);
/* Clusters that `size` bytes take. */
uint32_t fp_fat_clusters(const struct fp_fat *fs, uint32_t size);
/* First cluster and size that a slot names. */
uint32_t fp_fat_head(const uint8_t *raw);
uint32_t fp_fat_size(const uint8_t *raw);
/* Moves a window; what it shows, its buffer in any case. */
uint8_t *fp_fat_load(struct fp_fat *fs, struct fp_fat_window *w,
                     uint32_t sector);
/* The same of the window onto anything but the table. */
uint8_t *fp_fat_show(struct fp_fat *fs, uint32_t sector);
/* Makes what the window holds the content of another sector, to be programmed:
 * that of a cluster which nobody knows yet. */
void fp_fat_aim(struct fp_fat *fs, uint32_t sector);
/* Where in the table the entry of cluster n is, in bytes. */
uint32_t fp_fat_table_at(const struct fp_fat *fs, uint32_t n);
/* The bits of n's entry, of which those in mask then become value's. */
uint32_t fp_fat_exchange(struct fp_fat *fs, uint32_t n, uint32_t mask,
                         uint32_t value);
/* The entry of cluster n. */
uint32_t fp_fat_get(struct fp_fat *fs, uint32_t n);
/* The cluster after n; 0 at the end of the chain. */
uint32_t fp_fat_next(struct fp_fat *fs, uint32_t n);

/* mount.c */
size_t fp_fat_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
int fp_fat_mount(struct fp_mount *mnt);
int fp_fat_statfs(struct fp_mount *mnt, struct fp_statfs *st);
/* Counts free clusters in some more sectors of the table. */
void fp_fat_count(struct fp_fat *fs, uint32_t sectors);
/* All free clusters have been counted. */
static inline bool fp_fat_is_counted(const struct fp_fat *fs)
{
    return fs->counted > fs->last;
}

/* name.c */
/* The size of text[0..size) without the spaces at its end. */
uint32_t fp_fat_trim(const uint8_t *text, uint32_t size);
/* Takes one character off UTF-8 text; 0xffffffff when it is not UTF-8. */
uint32_t fp_fat_utf8_take(const char **text);
#if !FP_FAT_SMALL
/* Names that are the same to fp_fat_name_is() have the same hash. */
uint32_t fp_fat_name_hash(const char *path);
/* Those of the 8.3 name and of the long one, of what fp_fat_name_is() sees. */
void fp_fat_name_hashes(const struct fp_fat *fs, const uint8_t *raw,
                        uint32_t hashes[2]);
#endif
/* The long name in fs->name, or else the 8.3 name, as UTF-8 in
 * name[0..FP_NAME_MAX]; its length, 0: no path can hold it. With a path: is one
 * of them path[0..) up to '/' or NUL? 0: neither. Leaves fs->name the one that
 * it looked at last. */
uint32_t fp_fat_name_show(struct fp_fat *fs, char *name, const char *path,
                          const uint8_t *raw);
static inline bool fp_fat_name_is(struct fp_fat *fs,
                                  const struct fp_fat_place *place)
{
    return fp_fat_name_show(fs, NULL, place->name, place->raw) != 0;
}
/* The 8.3 name as it is shown, in UTF-16 up to 0; how many units before it. */
uint32_t fp_fat_name_short(const uint8_t *raw,
                           uint16_t units[FP_FAT_SHORT_SIZE]);
uint8_t fp_fat_checksum(const uint8_t *raw);
/* Where in a slot the 13 units of a part of a long name are. */
extern const uint8_t fp_fat_part_at[13];

/* time.c */
/* Nanoseconds of a date and time on this volume; false: it has none. */
bool fp_fat_time_get(const struct fp_fat *fs, const uint8_t *raw, int64_t *ns);

/* dir.c */
void fp_fat_cursor_start(struct fp_fat_cursor *at, uint32_t head);
/* The next slot, in the window; `at` is behind it then. NULL, and `at` stays:
 * there is none, or an error. */
uint8_t *fp_fat_slot(struct fp_fat *fs, struct fp_fat_cursor *at);
/* Reads the next entry; false: none, or an error. fs->name has its long name,
 * if any. */
bool fp_fat_entry(struct fp_fat *fs, struct fp_fat_cursor *at,
                  struct fp_fat_place *place);
/* Finds place->name in the directory place->dir. (index.c) */
bool fp_fat_find_name(struct fp_fat *fs, struct fp_fat_place *place);
/* Finds `path`. False, and no error: only the last component is missing. The
 * directory that it is in is place->dir, and place->name it. place->sector is
 * FP_FAT_NONE for the root. */
bool fp_fat_lookup(struct fp_fat *fs, const char *path,
                   struct fp_fat_place *place);
/* Starts an operation on what there is at `path`. */
struct fp_fat *fp_fat_find_path(struct fp_mount *mnt, const char *path,
                                struct fp_fat_place *place);
/* The head of the directory that a place is, or else FP_ERR_NOTDIR; the root's
 * for FP_FAT_NONE. */
uint32_t fp_fat_dir_head(struct fp_fat *fs, const struct fp_fat_place *place);
/* The slot that the one at `place` names as its peer, in the window, if that
 * names it in turn and is of that kind; else NULL. */
uint8_t *fp_fat_peer(struct fp_fat *fs, const struct fp_fat_place *place,
                     uint8_t kind);
void fp_fat_node_add(struct fp_fat *fs, struct fp_fat_node *node);
/* The next one open there after `node`, NULL: the first; NULL: no more. */
struct fp_fat_node *fp_fat_node_at(const struct fp_fat *fs,
                                   struct fp_fat_node *node, uint32_t sector,
                                   uint32_t off);
void fp_fat_node_del(struct fp_fat *fs, struct fp_fat_node *node);
int fp_fat_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_fat_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_fat_readdir(struct fp_dir *dir, struct fp_dirent *entry);
int fp_fat_closedir(struct fp_dir *dir);

/* file.c */
void fp_fat_claim(struct fp_fat *fs, struct fp_file *file);
void fp_fat_release(struct fp_fat *fs, struct fp_file *file);
void fp_fat_take(struct fp_file *file, const struct fp_fat_place *place);
/* The run that the cluster at `index` is in, with those up to the one at `last`
 * that follow on it directly. */
const struct fp_fat_run *fp_fat_find(struct fp_fat *fs, struct fp_file *file,
                                     uint32_t index, uint32_t last);
/* The cluster at `index`, or 0. */
uint32_t fp_fat_cluster(struct fp_fat *fs, struct fp_file *file,
                        uint32_t index);
/* Drops what is known of the chain from `index` on. */
void fp_fat_forget(struct fp_file *file, uint32_t index);
/* Goes on to the next piece; false: no more, or an error. */
bool fp_fat_piece(struct fp_fat *fs, struct fp_fat_piece *p);
int fp_fat_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags);
int32_t fp_fat_file_read(struct fp_file *file, void *buf, uint32_t size);
int fp_fat_close_ro(struct fp_file *file);

/* blocks.c */
int fp_fat_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* check.c */
int fp_fat_step_ro(struct fp_mount *mnt, struct fp_step *step);

/* --- writing --- */

/* prog.c */
/* Programs whole sectors, past the windows. */
void fp_fat_prog(struct fp_fat *fs, uint32_t sector, const uint8_t *buf,
                 uint32_t size);
void fp_fat_flush(struct fp_fat *fs, struct fp_fat_window *w);
/* Makes the window zeros, to be programmed over a sector whose content does not
 * count. */
void fp_fat_blank(struct fp_fat *fs, uint32_t sector);
/* What was changed is on the medium. */
void fp_fat_flush_all(struct fp_fat *fs);
/* ... and stays there. The operation's result. */
int fp_fat_finish(struct fp_fat *fs);
/* Before anything is changed: marks the volume dirty. */
void fp_fat_begin(struct fp_fat *fs);
void fp_fat_set(struct fp_fat *fs, uint32_t n, uint32_t value);
/* `slot` in the window is going to be changed; after an error, or if it is NULL,
 * none is. */
uint8_t *fp_fat_change(struct fp_fat *fs, uint8_t *slot);
/* A slot of a directory, to be changed. */
uint8_t *fp_fat_edit(struct fp_fat *fs, uint32_t sector, uint32_t off);
uint8_t *fp_fat_slot_edit(struct fp_fat *fs, struct fp_fat_cursor *at);
int fp_fat_mount_rw(struct fp_mount *mnt);
int fp_fat_sync(struct fp_mount *mnt);

/* index.c */
#if !FP_FAT_SMALL
/* Nothing is known yet. */
void fp_fat_index_start(struct fp_fat *fs);
/* An entry goes, or a cluster is freed. */
void fp_fat_index_gone(struct fp_fat *fs);
/* An entry is going to be there: its names are in place->raw and fs->name. */
void fp_fat_index_add(struct fp_fat *fs, const struct fp_fat_place *place);
/* The first slots of a directory that are free, so many in a row in a sector,
 * are those of place. */
void fp_fat_index_room(struct fp_fat_index *index,
                       const struct fp_fat_place *place);
/* From where on there may be so many; `at` is at the directory's start. */
void fp_fat_index_start_room(const struct fp_fat_index *index, uint32_t slots,
                             struct fp_fat_cursor *at);
/* A slot is going to be free. */
void fp_fat_index_freed(struct fp_fat *fs);
/* Makes the 8.3 name an alias that is nobody's. False: what is known of the
 * directory tells of none. */
bool fp_fat_index_alias(struct fp_fat *fs, struct fp_fat_place *place);
#endif

/* alloc.c */
/* A free cluster, behind `near` if that can be, now the end of a chain. */
uint32_t fp_fat_alloc(struct fp_fat *fs, uint32_t near);
/* Frees up to so many clusters of the chain from head. What makes no
 * sense ends it: that part is lost until a repair. It is done without regard to
 * an error before, and leaves none. */
void fp_fat_free(struct fp_fat *fs, uint32_t head, uint32_t count);
/* Gives a cluster zeros. */
void fp_fat_zero(struct fp_fat *fs, uint32_t cluster);

/* alias.c */
/* What slots place->name needs, one if 8.3 says it all: how many, fs->name and
 * place->raw[0..11), the case byte, too. FP_ERR_INVAL: no name here. */
void fp_fat_name_take(struct fp_fat *fs, struct fp_fat_place *place);
/* Makes raw an alias: in round 0 of the name's beginning, in later ones of a
 * hash of it all, and a tail, whose digit belongs where the result says. */
uint8_t *fp_fat_alias_make(struct fp_fat *fs, uint8_t *raw, uint32_t round);

/* entry.c */
/* Finds room for an entry of place->name in the directory place->dir; place
 * has where, and its raw the name. The directory may grow. */
void fp_fat_room(struct fp_fat *fs, struct fp_fat_place *place);
/* These two use up place->first. Writes the entry there. fs->name is still as fp_fat_room left it, or slots is
 * 1, to give the 8.3 slot of one that is there new content. */
void fp_fat_entry_put(struct fp_fat *fs, struct fp_fat_place *place);
void fp_fat_entry_drop(struct fp_fat *fs, struct fp_fat_place *place);
void fp_fat_head_set(uint8_t *raw, uint32_t head, uint32_t size);
/* An empty entry of that kind, but for its name. */
void fp_fat_entry_init(uint8_t *raw, uint8_t attr, uint32_t head);

/* move.c */
/* Makes ".." of the directory at `head` name `parent`. */
void fp_fat_parent_set(struct fp_fat *fs, uint32_t head, uint32_t parent);
/* The entry at `from` goes to `to`, whose raw has its name. Its slots are
 * free, or those of an entry that it replaces. */
void fp_fat_move(struct fp_fat *fs, struct fp_fat_place *from,
                 struct fp_fat_place *to);
/* If something was being moved to this place, in the directory place->dir, what
 * is missing of that is done; marks the volume. */
void fp_fat_settle_old(struct fp_fat *fs, struct fp_fat_place *place);
/* Like fp_fat_find_path, and what it finds may be changed. */
struct fp_fat *fp_fat_find_rw(struct fp_mount *mnt, const char *path,
                              struct fp_fat_place *place);

/* time.c */
void fp_fat_time_set(const struct fp_fat *fs, uint8_t *raw, int64_t ns);

/* write.c */
int fp_fat_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
int32_t fp_fat_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_fat_truncate(struct fp_file *file, uint64_t size);
int fp_fat_fsync(struct fp_file *file);
int fp_fat_reserve(struct fp_file *file, uint64_t size);
int fp_fat_commit(struct fp_file *file, const struct fp_commit_meta *meta);
int fp_fat_close(struct fp_file *file);

/* own.c */
/* Makes a cluster the handle's own, and those between it and its own. */
void fp_fat_own_cluster(struct fp_fat *fs, struct fp_file *file, uint32_t i);
/* Forgets the chain from `index` on, and frees what of it is the handle's own.
 */
void fp_fat_disown(struct fp_fat *fs, struct fp_file *file, uint32_t index);

/* save.c */
/* Puts a handle's content and size on the medium, in one step. mtime NULL:
 * as it was. */
void fp_fat_save(struct fp_fat *fs, struct fp_file *file,
                 const int64_t *mtime_ns);
/* What is opened must be a file; to be written to, it must not be read-only,
 * and is settled. */
void fp_fat_check_file(struct fp_fat *fs, struct fp_fat_place *place,
                       bool writes);
/* The chain from `head`, of the file or directory whose entry was at that
 * place, is freed, or left to the handles that have it open. */
void fp_fat_abandon(struct fp_fat *fs, const struct fp_fat_place *place,
                    uint32_t head);

/* tree.c */
int fp_fat_mkdir(struct fp_mount *mnt, const char *path);
int fp_fat_remove(struct fp_mount *mnt, const char *path);
int fp_fat_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags);
int fp_fat_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns);

/* format.c */
int fp_fat_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);
int fp_fat_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size);

/* check_repair.c */
int fp_fat_step(struct fp_mount *mnt, struct fp_step *step);

#endif
