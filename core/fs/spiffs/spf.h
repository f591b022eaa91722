/* SPDX-License-Identifier: MIT
 *
 * What the files of the SPIFFS driver share: the state of a mount and the
 * functions between them. Private to this folder.
 *
 * The idea the driver turns on: the workspace has one byte for each page, made
 * in one pass over the lookup tables at mount. It says whether the page is
 * free, deleted, data, or an index page, and for the latter has some bits of a
 * hash: of the name in a header, of object and span in other index pages. A
 * name is found by looking at the headers whose byte fits, a free page by
 * looking for a byte; flash is read where the byte fits and hardly elsewhere.
 *
 * What makes a change atomic is in write.c, what a mount makes of a change cut
 * short in scan.c, how that is cleaned up in sweep.c.
 */
#ifndef FP_CORE_FS_SPIFFS_SPF_H
#define FP_CORE_FS_SPIFFS_SPF_H

#include "core/bytes.h"
#include "core/fs/fs.h"

#define FP_SPF_NONE      0xffffffffu
#define FP_SPF_NAME_MAX  256u /* OBJ_NAME_LEN, the NUL included */
#define FP_SPF_HEAD_MAX  12u  /* page header with its padding */
#define FP_SPF_EMPTY     0xffffffffu
#define FP_SPF_FILES_MAX 32u
#define FP_SPF_NO_LINK   0xffffu
#define FP_SPF_DIR_BYTES 64u /* of the filter for directories */

/* Page header flags: a cleared bit means "is". Source: format page, 3. */
enum {
    FP_SPF_USED = 0x01,
    FP_SPF_FINAL = 0x02,
    FP_SPF_INDEX = 0x04,
    FP_SPF_IXDELE = 0x40,
    FP_SPF_DELET = 0x80,
};

/* A page's byte in the map. */
enum {
    FP_SPF_FREE = 0,
    FP_SPF_GONE = 1, /* deleted */
    FP_SPF_DATA = 2,
    FP_SPF_KEPT = 3,   /* data that sweeping found a table for */
    FP_SPF_JUNK = 4,   /* lives by its lookup entry, but is of no use */
    FP_SPF_NOPAGE = 5, /* lookup page, or in a block that is to be erased */
    FP_SPF_IX = 0x40,  /* index page of span 1 and up, five bits of hash */
    FP_SPF_IX_KEPT = 0x20,
    FP_SPF_HEAD = 0x80, /* index header, seven bits of the name's hash */
};

/* A page header, decoded. */
struct fp_spf_head {
    uint32_t id, span;
    uint8_t flags;
    bool index;    /* the id's top bit */
    uint8_t seq;   /* padding as this driver uses it, see write.c */
    uint16_t link; /* low half of the page that was replaced */
};

struct fp_spf_file {
    struct fp_spf_file *next;
    uint32_t id;
    uint32_t head; /* page of the committed header, NONE before the first */
    uint32_t size, pos;
    uint32_t saved;  /* size in the committed header */
    uint32_t tspan;  /* index page in `table`, NONE: nothing */
    uint32_t tpage;  /* where it came from, NONE: it is new */
    uint32_t dspan;  /* data page in `data`, NONE: nothing */
    uint32_t spill0; /* header written, but not committed */
    uint8_t *table;  /* a page */
    uint8_t *data;   /* a page */
    uint8_t *name;   /* name_len bytes: the name a new file will have */
    bool dirty;      /* has what is not committed */
    bool tdirty, ddirty;
    bool towned; /* tpage is not committed: it goes when `table` is written */
    bool staged;
    bool lost;
    bool flushed; /* something uncommitted is on flash */
    bool trimmed; /* some of that has been cut off since */
    uint8_t slot;
};

struct fp_spf {
    struct fp_mount *mnt;
    struct fp_bdev *dev;

    /* The layout. Source: format page, 1, 2 and 4. */
    uint32_t block_size, block_count, page_size;
    uint32_t pages;               /* in the volume, lookup pages included */
    uint32_t ppb, lookup, usable; /* pages in a block: all, lookup, the rest */
    uint32_t id_max;
    uint32_t hdr;     /* bytes of page header */
    uint32_t pad;     /* the same in an index page */
    uint32_t table0;  /* where the table of an index header starts */
    uint32_t slots0;  /* entries in it */
    uint32_t slots;   /* entries in any other index page */
    uint32_t payload; /* bytes of data in a data page */
    uint32_t none;    /* all ones in id_bytes */
    uint16_t name_len, meta_len;
    uint8_t w; /* bytes in an id, a span, a page number */
    bool magic, magic_length;
    bool raw;   /* stored names are shown */
    bool slash; /* every stored name starts with one, which is not shown */

    /* What is where. */
    uint8_t *map;        /* [pages] */
    uint8_t *ids;        /* bits: object ids in use */
    uint8_t *heads;      /* bits: object ids that have a header */
    uint8_t *page, *aux; /* a page each */
    uint32_t held;       /* page whose fixed part is in `page`, or NONE */
    uint8_t *unit;       /* for what the device cannot take piecemeal */
    fp_addr unit_at;     /* what is in it, all ones: nothing */
    uint8_t *name;       /* name_len bytes: what a path decoded to */
    uint32_t name_size;
    uint8_t dirs[FP_SPF_DIR_BYTES]; /* Bloom filter of directory names */
    uint32_t free, gone;            /* pages */
    uint32_t bad_block;             /* has no magic, NONE: no such */
    uint32_t newest;                /* of this object the newest index pages
                                       count: its new header is committed */
    uint32_t replaced;              /* the header that its new one replaces */
    uint32_t erase_max;
    bool linked, doubled; /* scan: headers that replace others may be there */
    bool hurt;            /* scan: something was left by a cut */

    /* Writing. */
    uint32_t cursor; /* where to look for a free page */
    uint32_t fresh;  /* known to be blank */
    uint32_t victim; /* block being emptied */
    uint32_t turn;   /* counts collections */
    bool swept;      /* nothing is there that no file has */
    bool tidied;     /* and deleted pages say so themselves */
    bool astray;     /* a write failed: the map may not be true */
    bool crossed;    /* two files have one page */

    struct fp_spf_file *open;
    uint32_t slots_used; /* of files, bits */
    uint8_t *files;
    uint32_t file_stride;
};

struct fp_spf_dir {
    uint32_t page;    /* next to look at */
    uint8_t seen[8];  /* Bloom filter of directories given */
    uint8_t size;     /* of name */
    uint8_t name[83]; /* what entries start with, with its slash */
};

/* What a path leads to. */
struct fp_spf_place {
    uint32_t page; /* of the file's header, NONE: no file */
    bool dir;
};

static inline struct fp_spf *fp_spf_of(struct fp_mount *mnt)
{
    return mnt->ws;
}

static inline struct fp_spf_file *fp_spf_file_of(struct fp_file *file)
{
    return (struct fp_spf_file *)(void *)file->state;
}

static inline uint32_t fp_spf_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t fp_spf_word(const struct fp_spf *fs, const uint8_t *p)
{
    return fs->w == 2 ? fp_get_le16(p) : fp_get_le32(p);
}

static inline void fp_spf_put(const struct fp_spf *fs, uint8_t *p, uint32_t v)
{
    if (fs->w == 2)
        fp_put_le16(p, (uint16_t)v);
    else
        fp_put_le32(p, v);
}

/* The bit that tells an index page, in an id. */
static inline uint32_t fp_spf_ix(const struct fp_spf *fs)
{
    return fs->none / 2 + 1;
}

static inline bool fp_spf_bit(const uint8_t *bits, uint32_t n)
{
    return bits[n / 8] >> n % 8 & 1;
}

static inline void fp_spf_bit_set(uint8_t *bits, uint32_t n)
{
    bits[n / 8] |= (uint8_t)(1u << n % 8);
}

/* It is given to no new file; one that another writer gave may be larger than
 * any of ours. */
static inline void fp_spf_use_id(struct fp_spf *fs, uint32_t id)
{
    if (id <= fs->id_max)
        fp_spf_bit_set(fs->ids, id);
}

/* Index page and entry in it of a data span, and back. */
static inline uint32_t fp_spf_index_of(const struct fp_spf *fs, uint32_t span)
{
    return span < fs->slots0 ? 0 : 1 + (span - fs->slots0) / fs->slots;
}

static inline uint32_t fp_spf_first_of(const struct fp_spf *fs, uint32_t index)
{
    return index == 0 ? 0 : fs->slots0 + (index - 1) * fs->slots;
}

static inline uint32_t fp_spf_slots(const struct fp_spf *fs, uint32_t index)
{
    return index == 0 ? fs->slots0 : fs->slots;
}

/* Where the entry for a span is in its index page. */
static inline uint32_t fp_spf_entry_off(const struct fp_spf *fs, uint32_t span)
{
    uint32_t k = fp_spf_index_of(fs, span);

    return (k == 0 ? fs->table0 : fs->pad) +
           (span - fp_spf_first_of(fs, k)) * fs->w;
}

/* Data pages of a file of this size. */
static inline uint32_t fp_spf_spans(const struct fp_spf *fs, uint32_t size)
{
    return size / fs->payload + (size % fs->payload != 0);
}

static inline fp_addr fp_spf_at(const struct fp_spf *fs, uint32_t page)
{
    return (fp_addr)page * fs->page_size;
}

static inline fp_addr fp_spf_lookup_at(const struct fp_spf *fs, uint32_t page)
{
    return (fp_addr)(page / fs->ppb) * fs->block_size +
           (page % fs->ppb - fs->lookup) * fs->w;
}

/* Where block `block` has its magic, before its erase count. */
static inline fp_addr fp_spf_magic_at(const struct fp_spf *fs, uint32_t block)
{
    return (fp_addr)block * fs->block_size + fs->lookup * fs->page_size -
           2u * fs->w;
}

/* layout.c */
/* Fills in the layout that cfg states; FP_ERR_INVAL: there is no such. */
int fp_spf_layout(struct fp_spf *fs, const struct fp_bdev *dev,
                  const struct fp_fs_config *cfg);
/* Does cfg say how the volume was built, in any option? */
bool fp_spf_is_stated(const struct fp_fs_config *cfg);
uint32_t fp_spf_magic(const struct fp_spf *fs, uint32_t block);
size_t fp_spf_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
/* Lays fs and its buffers out in ws. */
int fp_spf_place(struct fp_spf *fs, uint8_t *ws, size_t ws_size);

/* io.c */
int fp_spf_read(struct fp_spf *fs, fp_addr at, void *buf, uint32_t size);
/* The header of a page. */
int fp_spf_peek(struct fp_spf *fs, uint32_t page, struct fp_spf_head *head);
void fp_spf_head_get(const struct fp_spf *fs, const uint8_t *buf,
                     struct fp_spf_head *head);
/* Is it a final index page (of any span) that lives? */
bool fp_spf_is_index(const struct fp_spf_head *head);
/* Reads an index header's fixed part, up to and with its name, to buf. */
int fp_spf_read_head(struct fp_spf *fs, uint32_t page, uint8_t *buf,
                     struct fp_spf_head *head);
uint32_t fp_spf_size_get(const struct fp_spf *fs, const uint8_t *buf);
const uint8_t *fp_spf_name_get(const struct fp_spf *fs, const uint8_t *buf,
                               uint32_t *size);
int fp_spf_read_entry(struct fp_spf *fs, uint32_t page, uint32_t *entry);
/* The erase count of a block; all ones: it has none. */
int fp_spf_read_count(struct fp_spf *fs, uint32_t block, uint32_t *count);
/* May a table name this page? */
bool fp_spf_is_page(const struct fp_spf *fs, uint32_t page);

/* scan.c */
int fp_spf_scan(struct fp_spf *fs);
void fp_spf_set(struct fp_spf *fs, uint32_t page, uint8_t state);
/* The next page from `from` on whose byte is `state`, NONE: no more. */
uint32_t fp_spf_next(const struct fp_spf *fs, uint32_t from, uint8_t state);

/* find.c */
uint8_t fp_spf_tag_index(const struct fp_spf *fs, uint32_t id, uint32_t span);
/* The index page of object id and span > 0; NONE in *page: none. When there
 * are two, `newest` says which. */
int fp_spf_find_index(struct fp_spf *fs, uint32_t id, uint32_t span,
                      bool newest, uint32_t *page);
/* Does `a` replace page `b`? */
bool fp_spf_replaces(const struct fp_spf_head *a, const struct fp_spf_head *b,
                     uint32_t b_page);
int fp_spf_find_name(struct fp_spf *fs, const uint8_t *name, uint32_t size,
                     uint32_t *page);
/* The header of an object, looked for around `near`. */
int fp_spf_find_id(struct fp_spf *fs, uint32_t id, uint32_t near,
                   uint32_t *page);
int fp_spf_find_prefix(struct fp_spf *fs, const uint8_t *name, uint32_t size,
                       uint32_t end, bool *found);
/* Decodes path into fs->name and looks it up. FP_ERR_NOENT; FP_ERR_NOTDIR;
 * FP_ERR_NAMETOOLONG: no such name can be stored; FP_ERR_INVAL: no name is
 * shown as this path. */
int fp_spf_lookup(struct fp_spf *fs, const char *path,
                  struct fp_spf_place *place);
int fp_spf_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);

/* name.c */
uint32_t fp_spf_hash(const uint8_t *name, uint32_t size);
/* Notes the directories that a name is in. */
void fp_spf_note_dirs(struct fp_spf *fs, const uint8_t *name, uint32_t size);
bool fp_spf_may_be_dir(const struct fp_spf *fs, uint32_t hash);
/* One component as it is shown; the length, at most FP_NAME_MAX + 1, to which
 * it is cut. */
uint32_t fp_spf_encode(const struct fp_spf *fs, const uint8_t *name,
                       uint32_t size, bool also_dir, char *out);
/* Into fs->name; *marked: it is the file among file and directory. */
int fp_spf_decode(struct fp_spf *fs, const char *path, bool *marked);

/* mount.c */
int fp_spf_mount(struct fp_mount *mnt);
int fp_spf_statfs(struct fp_mount *mnt, struct fp_statfs *st);
int fp_spf_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* dir.c */
int fp_spf_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_spf_readdir(struct fp_dir *dir, struct fp_dirent *entry);

/* file.c */
int fp_spf_claim(struct fp_spf *fs, struct fp_spf_file *f);
void fp_spf_release(struct fp_spf *fs, struct fp_spf_file *f);
/* Takes over what is committed in the header at `page`. */
int fp_spf_adopt(struct fp_spf *fs, struct fp_spf_file *f, uint32_t page);
void fp_spf_forget(struct fp_spf_file *f);
int fp_spf_load_table(struct fp_spf *fs, struct fp_spf_file *f, uint32_t k);
int fp_spf_load_data(struct fp_spf *fs, struct fp_spf_file *f, uint32_t span);
int fp_spf_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags);
int32_t fp_spf_read_ro(struct fp_file *file, void *buf, uint32_t size);
int64_t fp_spf_seek(struct fp_file *file, int64_t off, enum fp_whence whence);
int fp_spf_close_ro(struct fp_file *file);

/* prog.c */
int fp_spf_prog(struct fp_spf *fs, fp_addr at, const void *buf, uint32_t size);
int fp_spf_clear_flags(struct fp_spf *fs, uint32_t page, uint8_t mask);
int fp_spf_delete(struct fp_spf *fs, uint32_t page);
int fp_spf_check_blank(struct fp_spf *fs, uint32_t page, bool *blank);
/* These three in turn: what makes the block known goes, its content, and it
 * gets a new count and its magic. */
int fp_spf_erase(struct fp_spf *fs, uint32_t block);
int fp_spf_spoil(struct fp_spf *fs, uint32_t block);
int fp_spf_clear(struct fp_spf *fs, uint32_t block);
int fp_spf_stamp(struct fp_spf *fs, uint32_t block);
int fp_spf_put_data(struct fp_spf *fs, uint8_t *image, uint32_t id,
                    uint32_t span, uint32_t *page);
int fp_spf_put_index(struct fp_spf *fs, uint8_t *image, uint32_t id,
                     uint32_t span, uint32_t *page);
/* Makes an index header the one that counts. */
int fp_spf_finish_head(struct fp_spf *fs, uint32_t page, const uint8_t *image);
/* Writes into an index page's image that it replaces a page, of that seq. */
void fp_spf_link(const struct fp_spf *fs, uint8_t *image, uint32_t page,
                 uint8_t seq);
int fp_spf_copy(struct fp_spf *fs, uint32_t from, uint32_t id, uint32_t *page);

/* gc.c */
/* Room for `count` pages more; FP_ERR_NOSPC. */
int fp_spf_make_room(struct fp_spf *fs, uint32_t count);
int fp_spf_collect(struct fp_spf *fs);
/* Is there a block that is mostly deleted pages? */
bool fp_spf_has_garbage(const struct fp_spf *fs);
bool fp_spf_is_dirty(const struct fp_spf *fs, uint32_t id);

/* sweep.c */
/* What must be before anything is written. */
int fp_spf_begin(struct fp_spf *fs);
int fp_spf_sweep(struct fp_spf *fs);
/* A write failed: what the map says is no longer relied on. */
int fp_spf_failed(struct fp_spf *fs, int err);

/* write.c */
int fp_spf_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
int32_t fp_spf_read_rw(struct fp_file *file, void *buf, uint32_t size);
int32_t fp_spf_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_spf_truncate(struct fp_file *file, uint64_t size);
int fp_spf_reserve(struct fp_file *file, uint64_t size);
int fp_spf_fsync(struct fp_file *file);
int fp_spf_file_commit(struct fp_file *file, const struct fp_commit_meta *meta);
int fp_spf_close(struct fp_file *file);

/* commit.c */
int fp_spf_flush(struct fp_spf *fs, struct fp_spf_file *f);
int fp_spf_want_table(struct fp_spf *fs, struct fp_spf_file *f, uint32_t k);
int fp_spf_spill(struct fp_spf *fs, struct fp_spf_file *f);
int fp_spf_commit(struct fp_spf *fs, struct fp_spf_file *f);
/* Handles of an object that is gone, or of which there is another version. */
void fp_spf_lose(struct fp_spf *fs, uint32_t id);

/* tree.c */
/* An object's old version. */
struct fp_spf_old {
    uint32_t id, page, size;
};
/* Deletes what an old version has and the new one has not, whose header is
 * `image` (NULL: there is none); its header last. */
int fp_spf_drop(struct fp_spf *fs, const struct fp_spf_old *old,
                const uint8_t *image);
int fp_spf_remove_object(struct fp_spf *fs, uint32_t page);
int fp_spf_remove(struct fp_mount *mnt, const char *path);
int fp_spf_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags);
int fp_spf_sync(struct fp_mount *mnt);

/* format.c, probe.c, check.c, advance.c */
int fp_spf_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);
int fp_spf_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size);
int fp_spf_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);
int fp_spf_check(struct fp_mount *mnt, struct fp_step *step);
int fp_spf_step(struct fp_mount *mnt, struct fp_step *step);

#endif
