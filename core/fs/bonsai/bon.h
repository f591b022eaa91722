/* SPDX-License-Identifier: MIT
 *
 * What the files of the Bonsai driver share: the state of a mount and the
 * functions between them. Private to this folder.
 *
 * A node is named by the row that its record begins in, counted from the start
 * of the partition; 0, the System File's, is no node. Flash has absolute
 * addresses, which become rows where they are read and nowhere else.
 *
 * All reading goes through fp_bon_read(), which sees what is in the journal as
 * if it had been applied: so a reader needs no repair, and a change of several
 * steps sees after each what the tree will be.
 *
 * The first error of an operation sticks in fs->err: from then on nothing is
 * read, what is asked for is zeros, and nothing is programmed or erased. So
 * an operation is its steps in a row, and looks at the end how it went, with
 * fp_bon_result(), which makes place for the next.
 */
#ifndef FP_CORE_FS_BONSAI_BON_H
#define FP_CORE_FS_BONSAI_BON_H

#include "core/bytes.h"
#include "core/fs/fs.h"

#include <string.h>

/* Source: the format page, Device and File record. */
#define FP_BON_ROW      256u
#define FP_BON_HEAD     8u
#define FP_BON_NO_FILE  0xffu /* as handle_size */
#define FP_BON_DATA_MAX UINT16_MAX
#define FP_BON_KIDS_MAX 255u
#define FP_BON_ROOT     1u
#define FP_BON_FSA      19u /* in the System File: behind "system_file" */
#define FP_BON_ROWS_MAX 8192u
#define FP_BON_NAME_MAX 254u
#define FP_BON_KEEP     6u /* rows that stay free, for the next journal */
/* What the journal's one row has room for. */
#define FP_BON_JOURNAL 24u /* bytes of its head before the moves */
#define FP_BON_START   19u /* where that of the partition is, */
#define FP_BON_COUNT   23u /* and the number of moves */
#define FP_BON_MOVES   58u

/* What the map says of a row. */
#define FP_BON_USED  1u
#define FP_BON_BEGUN 2u /* a record of the tree begins here, */
#define FP_BON_FOUND 4u /* or will, as soon as the walk comes to it */
#define FP_BON_WAS   8u /* it was used when the map was made anew */
#define FP_BON_TREE \
    16u /* it is a record's of the tree: changes by the journal */

struct fp_bon_node {
    uint8_t handle_size, kids;
    uint32_t row, parent; /* rows */
    uint32_t data_size;
};

struct fp_bon_file {
    bool is_own_data; /* of a directory: its ".data" */
    bool is_gone;     /* removed or replaced */
    bool is_stale;   /* a write failed: what was to be published is not there */
    uint32_t node;   /* what it was opened on or last became; 0: new */
    uint32_t shadow; /* where the record being written begins; 0: there is none,
                      * the content is the node's */
    uint32_t shadow_rows; /* that are taken for it */
    uint32_t expect;      /* so many at least will be needed */
    char *path;           /* of what has no node */
};

struct fp_bon_dir {
    struct fp_bon_dir *next;
    uint32_t node;  /* whose children are listed */
    uint32_t index; /* of the next */
    bool has_told_data;
};

/* Where a path leads. */
struct fp_bon_place {
    bool is_own_data;          /* of `node` */
    struct fp_bon_node node;   /* what is there; its row is 0: nothing */
    struct fp_bon_node parent; /* whose child or data it is, or would be; or
                                * the last that is there */
    const char *rest;          /* components that are missing, from a name */
};

struct fp_bon {
    bool is_raw;
    bool is_mapped; /* the map is right */
    bool has_changed;
    bool is_applying; /* the journal, or that broke off */
    uint8_t handle_size;
    int err; /* the first of the operation */
    struct fp_bdev *dev;
    uint32_t start; /* of the partition, as an address of the MCU */
    uint32_t rows;
    uint32_t last;   /* row behind the last record */
    uint32_t free;   /* rows, as the map says */
    uint32_t cached; /* the row whose new content is in `cache`; `rows`: none */
    uint32_t max_files, path_size;
    struct fp_bon_dir *dirs;
    struct fp_file **files;
    uint8_t *map;   /* of each row, and of none: FP_BON_USED.. */
    uint8_t *cache; /* then the paths, of each file that may be written */
    /* To what lies behind: Thumb has no short way to large offsets. */
    uint8_t *journal; /* its head, as it is on flash or will be; without a
                       * count there is none */
    uint8_t *row;     /* scratch */
    uint8_t *handle;  /* the component that was looked for */
    uint8_t journal_space[FP_BON_ROW];
    uint8_t row_space[FP_BON_ROW];
    uint8_t handle_space[FP_BON_ROW];
};

_Static_assert(sizeof(struct fp_bon_file) <= FP_FILE_STATE, "fp_file");
_Static_assert(sizeof(struct fp_bon_dir) <= FP_DIR_STATE, "fp_dir");

static inline struct fp_bon *fp_bon_of(const struct fp_mount *mnt)
{
    return mnt->ws;
}

static inline bool fp_bon_is_raw(const struct fp_bon *fs)
{
    return FP_BON_RAW && fs->is_raw;
}

static inline struct fp_bon_file *fp_bon_file_of(struct fp_file *file)
{
    return (struct fp_bon_file *)(void *)file->state;
}

static inline uint32_t fp_bon_addr(const struct fp_bon *fs, uint32_t row)
{
    return fs->start + row * FP_BON_ROW;
}

/* The row that the journal's head takes: no file gets it. */
static inline uint32_t fp_bon_head(const struct fp_bon *fs)
{
    return fs->rows - 1;
}

static inline uint32_t fp_bon_rows(uint32_t size)
{
    return (size + FP_BON_ROW - 1) / FP_BON_ROW;
}

/* Bytes from the start of the partition. */
static inline uint32_t fp_bon_handle_at(const struct fp_bon_node *n)
{
    return n->row * FP_BON_ROW + FP_BON_HEAD;
}

static inline uint32_t fp_bon_data_at(const struct fp_bon_node *n)
{
    return fp_bon_handle_at(n) + n->handle_size;
}

/* Where the addresses of its children are. */
static inline uint32_t fp_bon_kids_at(const struct fp_bon_node *n)
{
    return fp_bon_data_at(n) + n->data_size;
}

/* Is there a journal to be applied, or being made? */
static inline bool fp_bon_is_committed(const struct fp_bon *fs)
{
    return fs->journal[FP_BON_COUNT] != 0;
}

/* What the journal has: the row that changes, and the one with its content. */
static inline uint8_t *fp_bon_move(const struct fp_bon *fs, uint32_t index)
{
    return fs->journal + FP_BON_JOURNAL + 4 * index;
}

static inline uint32_t fp_bon_target(const struct fp_bon *fs, uint32_t index)
{
    return fp_get_le16(fp_bon_move(fs, index));
}

static inline uint32_t fp_bon_source(const struct fp_bon *fs, uint32_t index)
{
    return fp_get_le16(fp_bon_move(fs, index) + 2);
}

/* --- node.c --- */

void fp_bon_fail_with(struct fp_bon *fs, int minus_err);
/* An error of the operation: Thumb loads small numbers that are not negative. */
static inline void fp_bon_fail(struct fp_bon *fs, int err)
{
    fp_bon_fail_with(fs, -err);
}
/* How the operation went. */
int fp_bon_result(struct fp_bon *fs);
/* What lies `off` bytes from the start, whatever a journal says. */
void fp_bon_get(struct fp_bon *fs, uint32_t off, void *buf, uint32_t size);
/* A whole row, to fs->row. */
void fp_bon_get_row(struct fp_bon *fs, uint32_t row);
/* Where a row's content lies: what is in the journal is elsewhere. */
uint32_t fp_bon_place(const struct fp_bon *fs, uint32_t row);
/* What lies there, or will when the step that is being made has happened. */
void fp_bon_read(struct fp_bon *fs, uint32_t off, void *buf, uint32_t size);
uint32_t fp_bon_size(const struct fp_bon_node *n);
bool fp_bon_is_dir(const struct fp_bon_node *n);
/* Is there a record that begins in `row`? */
bool fp_bon_load(struct fp_bon *fs, uint32_t row, struct fp_bon_node *node);
/* The row that the node lists as its index'th child, 0 for none of ours; no
 * child, with kid->row 0, if no record there names the node as its parent. */
uint32_t fp_bon_kid_at(struct fp_bon *fs, const struct fp_bon_node *node,
                       uint32_t index, struct fp_bon_node *kid);
/* The next child of those, from the index'th on; *index becomes that behind
 * it. No more: kid->row is 0. */
bool fp_bon_kid(struct fp_bon *fs, const struct fp_bon_node *node,
                uint32_t *index, struct fp_bon_node *kid);
bool fp_bon_has_kids(struct fp_bon *fs, const struct fp_bon_node *node);
/* The child whose handle is fs->handle. */
bool fp_bon_kid_named(struct fp_bon *fs, const struct fp_bon_node *node,
                      struct fp_bon_node *kid);
/* Does the row hold this, or is it blank (NULL)? Whatever a journal says. */
bool fp_bon_is_same(struct fp_bon *fs, uint32_t row, const uint8_t *want);
/* Reads what a committed journal says. */
void fp_bon_load_journal(struct fp_bon *fs);
/* All of its head that follows from start, count and moves. */
void fp_bon_compose_journal(struct fp_bon *fs);

/* --- map.c, blocks.c --- */

/* Takes these rows; `as` is what the map says of them then. The one behind
 * them. */
uint32_t fp_bon_take(struct fp_bon *fs, uint32_t row, uint32_t count,
                     uint32_t as);
/* Makes sure that the map is right: a walk over the tree. */
void fp_bon_map(struct fp_bon *fs);
int fp_bon_statfs(struct fp_mount *mnt, struct fp_statfs *st);
int fp_bon_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* --- name.c --- */

/* Decodes the path's first component to fs->handle; what lies behind it. False:
 * it is ".data", which is no handle. */
bool fp_bon_component(struct fp_bon *fs, const char *path, const char **rest);
/* The name to show for a node; cut where it is too long. */
void fp_bon_show(struct fp_bon *fs, const struct fp_bon_node *node,
                 struct fp_dirent *entry);
/* raw.c */
/* The same path from the root on, or NULL: there is no such thing. */
const char *fp_bon_raw_path(const char *path);
int fp_bon_readdir_raw(struct fp_bon *fs, struct fp_bon_dir *d,
                       struct fp_dirent *entry);

/* --- lookup.c --- */

/* Is it there? Else place has what there is. `for_create`: that is no error, and
 * a file without data may become a directory. */
bool fp_bon_find(struct fp_bon *fs, const char *path, bool for_create,
                 struct fp_bon_place *place);
/* The same, FP_ERR_ISDIR if it is no file; `flags` are those of open. */
bool fp_bon_find_file(struct fp_bon *fs, const char *path, uint32_t flags,
                      struct fp_bon_place *place);

/* --- mount.c --- */

size_t fp_bon_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
void fp_bon_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                  void *ws);
bool fp_bon_can_write(const struct fp_bdev *dev);
int fp_bon_mount(struct fp_mount *mnt);

/* --- dir.c --- */

int fp_bon_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_bon_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_bon_readdir(struct fp_dir *dir, struct fp_dirent *entry);
int fp_bon_closedir(struct fp_dir *dir);

/* --- file.c --- */

/* What is at `place` is open. */
void fp_bon_claim(struct fp_bon *fs, struct fp_file *file,
                  const struct fp_bon_place *place);
int fp_bon_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags);
int32_t fp_bon_file_read(struct fp_file *file, void *buf, uint32_t size);
int fp_bon_close_ro(struct fp_file *file);

/* --- probe.c, check.c --- */

int fp_bon_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);
int fp_bon_check_step(struct fp_bon *fs, struct fp_step *step);
int fp_bon_step_ro(struct fp_mount *mnt, struct fp_step *step);

/* --- the writing half --- */

/* rows.c */
/* Takes the first `count` rows of the first run of `want` free ones, or of the
 * longest, so that fewer than `keep` do not stay free. FP_ERR_NOSPC; after an
 * error it is 0. */
uint32_t fp_bon_alloc(struct fp_bon *fs, uint32_t want, uint32_t count,
                      uint32_t keep);
void fp_bon_erase(struct fp_bon *fs, uint32_t row);
/* The same if it is not blank. */
void fp_bon_clear(struct fp_bon *fs, uint32_t row);
/* Programs a row, erased before if it has to be. */
void fp_bon_put_row(struct fp_bon *fs, uint32_t row, const uint8_t *buf);
/* The end of an operation: maps anew, and erases what was in use and is no
 * more. How it all went. */
int fp_bon_end(struct fp_bon *fs);

/* journal.c */
/* Before the first change: a journal that is committed is applied. */
void fp_bon_begin(struct fp_bon *fs);
/* These bytes, or zeros for NULL, come to `off`: reads see them at once. Where
 * that is in the tree, flash has them when they are committed. */
void fp_bon_put(struct fp_bon *fs, uint32_t off, const void *from,
                uint32_t size);
/* The row in memory goes to flash, where it will be read from. */
void fp_bon_flush(struct fp_bon *fs);
/* All that was put happens, in one step. */
void fp_bon_commit(struct fp_bon *fs);

/* edit.c */
/* What lies at `from` comes to `to`; the two may overlap. */
void fp_bon_copy(struct fp_bon *fs, uint32_t to, uint32_t from, uint32_t size);
/* The row's address. */
void fp_bon_put_addr(struct fp_bon *fs, uint32_t off, uint32_t row);
/* Its head, and zeros behind its end. */
void fp_bon_put_node(struct fp_bon *fs, const struct fp_bon_node *node);
/* A record of fs->handle, with as much of the data and the children of `old` as
 * `node` says; it may be in the same rows. */
void fp_bon_put_record(struct fp_bon *fs, const struct fp_bon_node *node,
                       const struct fp_bon_node *old);
/* The directory's own data becomes what lies at `from`. */
void fp_bon_put_data(struct fp_bon *fs, const struct fp_bon_node *dir,
                     uint32_t from, uint32_t size);
/* Of the directory's children these go, and `put` comes in the place of the
 * first of them, or at the end; 0 is none. What it lists that is no child
 * goes, too. */
void fp_bon_relink(struct fp_bon *fs, uint32_t dir, uint32_t out, uint32_t also,
                   uint32_t put);
/* Reads its handle to fs->handle. */
void fp_bon_get_handle(struct fp_bon *fs, const struct fp_bon_node *node);
/* The node `old` becomes `node`, in the same row or any, named fs->handle. Its
 * parent loses it and node->parent, which may be the same, gets it, for
 * `replaced` if that is not 0. All of that happens. */
void fp_bon_move_node(struct fp_bon *fs, const struct fp_bon_node *node,
                      const struct fp_bon_node *old, uint32_t replaced);
/* Takes rows for such a record. */
uint32_t fp_bon_alloc_node(struct fp_bon *fs, const struct fp_bon_node *node);
/* Makes room for `more` bytes where the record is. True: another one was moved
 * away for that, or that failed; rows that the caller knows may not be right. */
bool fp_bon_room(struct fp_bon *fs, const struct fp_bon_node *node,
                 uint32_t more);
/* Whatever is open at row `from`, or of the files only those with unsynced
 * writes, is open at `to` now. Was there such a file? */
bool fp_bon_tell_moved(struct fp_bon *fs, uint32_t from, uint32_t to,
                       bool only_written);

/* shadow.c: records that are being written */
/* Begins that of a file, fp_bon_put_record() in rows of its own. */
void fp_bon_shadow_begin(struct fp_bon *fs, struct fp_bon_file *f,
                         struct fp_bon_node *node,
                         const struct fp_bon_node *old);
/* It has at least `count` rows. */
void fp_bon_grow(struct fp_bon *fs, struct fp_bon_file *f, uint32_t count);
/* To where `count` rows are free, which become its. */
void fp_bon_shadow_move(struct fp_bon *fs, struct fp_bon_file *f,
                        uint32_t count);
/* Its head becomes right, and all of it lies on flash. */
void fp_bon_shadow_finish(struct fp_bon *fs, struct fp_file *file);
void fp_bon_shadow_drop(struct fp_bon_file *f);

/* write.c */
int fp_bon_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
int32_t fp_bon_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_bon_truncate(struct fp_file *file, uint64_t size);
int fp_bon_fsync(struct fp_file *file);
int fp_bon_reserve(struct fp_file *file, uint64_t size);
int fp_bon_file_commit(struct fp_file *file, const struct fp_commit_meta *meta);
int fp_bon_close(struct fp_file *file);

/* publish.c */
int fp_bon_publish(struct fp_bon *fs, struct fp_file *file);

/* tree.c */
int fp_bon_remove(struct fp_mount *mnt, const char *path);
int fp_bon_remove_all(struct fp_mount *mnt, const char *path);
int fp_bon_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags);

/* sync.c, check_repair.c */
int fp_bon_sync(struct fp_mount *mnt);
int fp_bon_unmount(struct fp_mount *mnt);
int fp_bon_step(struct fp_mount *mnt, struct fp_step *step);

/* format.c */
int fp_bon_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);
int fp_bon_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size);

#endif
