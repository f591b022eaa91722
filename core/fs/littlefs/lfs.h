/* SPDX-License-Identifier: MIT
 *
 * What the files of the littlefs driver share: the state of a mount and the
 * functions between them. Private to this folder.
 *
 * The idea the driver turns on: a metadata pair is read once, in one pass over
 * its log, into an index of its entries (struct fp_lfs_mdir). Every lookup,
 * listing and compaction works from that index. A commit either appends to the
 * log and lets the same parser read on over what was written, which verifies
 * it and brings the index up to date in one go; or, when it does not fit, its
 * operations are first applied to the index, with records that point at the
 * caller's bytes instead of at flash, and the index is then written out to
 * the pair's other block. So there is one piece of code that knows what a tag
 * does to an entry.
 *
 * Indexes live in slots. A pointer from fp_lfs_get() stays good until the next
 * fp_lfs_get() of another pair, unless pinned.
 */
#ifndef FP_CORE_FS_LITTLEFS_LFS_H
#define FP_CORE_FS_LITTLEFS_LFS_H

#include "core/bytes.h"
#include "core/fs/fs.h"
#include "core/fs/littlefs/tag.h"

/* A function that stays one by itself even where it is called but once: within
 * its caller, the variables of both do not fit a small processor's registers,
 * which makes them larger. */
#if FP_LFS_SMALL
#define FP_LFS_APART __attribute__((noinline))
#else
#define FP_LFS_APART
#endif

#if FP_READONLY && !FP_LFS_SMALL
#error "FP_READONLY needs FP_LFS_SMALL: a reader has no room for more"
#endif

#define FP_LFS_NULL        0xffffffffu
#define FP_LFS_ENTRIES_MAX 256     /* no driver writes more than 254 a pair */
#define FP_LFS_ENTRY_TAKES 9u      /* two tags and a byte of name */
#define FP_LFS_BLOCK_MIN   104     /* below it the format cannot work */
#define FP_LFS_BLOCK_MAX   0x80000 /* records keep offsets in 19 bits */
#define FP_LFS_FILES_MAX   32      /* open at once; a bit each in a word */
#define FP_LFS_FLIGHT_MAX  24
#define FP_LFS_MOVES_MAX   12
#define FP_LFS_OPS_MAX     8
#define FP_LFS_OVERHEAD    40u /* revision, tail, move state, CRC */
/* Within the driver: this block does not take what it is given, go elsewhere
 * with it. No caller of the driver ever sees it. */
#define FP_LFS_BAD (-255)
/* Is there a bitmap of blocks? */
#define FP_LFS_LOOKS (FP_LFS_EXTRAS || FP_FS_CHECK || !FP_READONLY)
/* Does anyone ask for every block in use, and not only how many there are? */
#define FP_LFS_TELLS (FP_LFS_EXTRAS || FP_FS_CHECK || FP_FS_BLOCKS)
#define FP_LFS_NEAR  16u /* a power of two */
/* What both tables can do. */
#define FP_LFS_CAPS \
    (FP_CAP_DIRS | FP_CAP_ATTRS | (FP_LFS_EXTRAS ? FP_CAP_MTIME : 0))

/* Where a tag's data lies: bits 0..18 its offset in the block, bit 19 "not on
 * flash but operation number offset of the running commit", bits 20..29 its
 * length, bits 30..31 a kind. A kind of 0 is no record. */
typedef uint32_t fp_lfs_rec;

enum {
    FP_LFS_REC_OP = 0x80000
};
/* Kinds of a name ... */
enum {
    FP_LFS_FILE = 1,
    FP_LFS_DIR = 2,
    FP_LFS_SUPER = 3
};
/* ... of a structure ... */
enum {
    FP_LFS_DIRPAIR = 1,
    FP_LFS_INLINE = 2,
    FP_LFS_CTZ = 3
};
/* ... and of attributes. SEVERAL: look through the log. */
enum {
    FP_LFS_ONE = 1,
    FP_LFS_SEVERAL = 2
};

static inline fp_lfs_rec fp_lfs_rec_make(uint32_t off, uint32_t len,
                                         uint32_t kind)
{
    return off | len << 20 | kind << 30;
}

static inline uint32_t fp_lfs_rec_off(fp_lfs_rec rec)
{
    return rec & 0x7ffff;
}

static inline uint32_t fp_lfs_rec_len(fp_lfs_rec rec)
{
    return rec >> 20 & 0x3ff;
}

static inline uint32_t fp_lfs_rec_kind(fp_lfs_rec rec)
{
    return rec >> 30;
}

/* One entry of a directory. */
struct fp_lfs_ent {
    fp_lfs_rec name;
    fp_lfs_rec strct;
#if !FP_LFS_SMALL
    fp_lfs_rec attr;   /* the one attribute, if there is one */
    uint16_t hash;     /* of the name */
    uint8_t attr_type; /* of that one attribute */
#endif
};

struct fp_lfs_gstate {
    uint32_t tag, pair[2];
};

#define FP_LFS_G_ORPHANS 0x80000000u

/* A metadata pair and the index of its entries. */
struct fp_lfs_mdir {
    uint32_t pair[2]; /* the current block, then the other */
    uint16_t count;
    uint8_t pins;
    bool valid;
    bool hard;     /* the tail continues this directory */
    bool erased;   /* what follows the last commit may be programmed */
    bool trailing; /* something unfinished follows the last commit */
    bool fallback; /* the newer half is not valid, the older serves */
    bool attrs;    /* some entry may have attributes */
    struct fp_lfs_ent *ents;
    uint32_t dir[2];  /* head of the directory it is known to be of */
    uint32_t tail[2]; /* FP_LFS_NULL: none */
    uint32_t rev;
    uint32_t off;  /* end of the last good commit */
    uint32_t etag; /* XOR base of the next tag */
    struct fp_lfs_gstate delta;
    uint32_t crc; /* of the last commit: a source of randomness */
    uint32_t fcrc_size, fcrc;
    uint32_t stamp; /* when used last */
};

struct fp_lfs_cache {
    uint32_t block; /* FP_LFS_NULL: holds nothing */
    uint32_t off;
    uint32_t size;
    uint8_t *buf;
};

enum {
    FP_LFS_NODE_FILE,
    FP_LFS_NODE_DIR
};

/* Something that stands at an entry and must follow it: an open file or
 * directory. */
struct fp_lfs_node {
    struct fp_lfs_node *next;
    uint32_t pair[2]; /* FP_LFS_NULL: at no entry (any more) */
    uint32_t dir[2];  /* file without an entry yet: its directory's head */
    uint16_t id;
    uint8_t what;
    bool ended;   /* directory: nothing follows */
    bool parked;  /* goes where the entry goes that the next commit creates */
    bool stale;   /* file: foreign, and overwritten meanwhile */
    uint8_t slot; /* file: which part of fs->files it has */
};

/* Where a file's content is. */
struct fp_lfs_body {
    uint32_t kind; /* FP_LFS_INLINE, FP_LFS_CTZ */
    uint32_t head;
    uint32_t size;
};

/* Blocks of a body at equal distances of a power of two, from index `base`
 * on. */
struct fp_lfs_known {
    uint32_t base, shift, count;
    uint32_t *blocks; /* FP_LFS_NULL: not known */
};

struct fp_lfs_file {
    struct fp_lfs_node node;
    bool dirty;
    bool staged;
    bool writing;
    bool foreign; /* inline, but too long for buf: read from the log */
    uint16_t name_len;
    /* buf: bytes [cache_off, +cache_size) of block cache_block; an inline
     * body that fits lies in buf as a whole. */
    union {
        struct fp_lfs_cache cache;
        struct {
            uint32_t cache_block, cache_off, cache_size;
            uint8_t *buf; /* [fs->cache_size], then the name */
        };
    };
    struct fp_lfs_body body;  /* as seen through this handle */
    struct fp_lfs_body saved; /* as of the last sync */
#if FP_LFS_SMALL
    uint32_t found, found_index; /* block of the body (ctz.c); 0: none is */
#else
    /* Where blocks of the body are (ctz.c): near the last target, and over the
     * whole of it. */
    struct fp_lfs_known known[2];
#endif
    uint32_t wblock;        /* block being written */
    uint32_t wpos;          /* position in the file of what comes next */
    uint32_t windex, wprev; /* index of wblock, the block before it */
    uint32_t wstart;        /* position in the file where wblock begins */
};

struct fp_lfs_dir {
    struct fp_lfs_node node;
    uint32_t hops;
};

/* Where data lies in a log, and where that ends. */
struct fp_lfs_at {
    uint32_t block, off, end;
};

/* One operation of a commit. */
struct fp_lfs_op {
    uint16_t type; /* of the tag, or FP_LFS_OP_ATTRS */
    uint16_t id;
    uint16_t len;        /* FP_LFS_REMOVED removes an attribute */
    const void *buf;     /* data in memory, or NULL: */
    struct fp_lfs_at at; /* on flash */
    uint32_t words[2];   /* room for data of the operation's own */
};

/* Copies all attributes of the entry whose NAME lies there. */
#define FP_LFS_OP_ATTRS 0x800

/* The pair that a commit went to, before and after; one that it relocated is
 * kept for the rest of the running operation. Until every link is new,
 * whoever follows an old one is led to the new pair. */
struct fp_lfs_moved {
    uint32_t old[2], now[2];
    bool flagged; /* counts in fs->unlinked */
    uint8_t step; /* 1: the parent has the new link, 2: both have */
};

/* What became of a pair in one commit. */
#define FP_LFS_SPLITS_MAX 6
struct fp_lfs_split {
    uint32_t id; /* entries from here on ... */
    uint32_t pair[2];
};
struct fp_lfs_outcome {
    uint32_t split_count;
    struct fp_lfs_split splits[FP_LFS_SPLITS_MAX]; /* highest ids first */
};

/* A log being written. What is held of it lies in fs->pcache. */
struct fp_lfs_log {
    int err;            /* the first; nothing is written any more */
    uint32_t block;     /* FP_LFS_NULL: only its size is asked for */
    uint32_t off, held; /* end of the log; bytes before it not programmed yet */
    uint32_t source;    /* block that data on flash is copied from */
    uint32_t ptag, crc;
};

/* What one block of a pair gets when that is written out afresh. */
struct fp_lfs_part {
    uint32_t from, to; /* entries of the index; they become 0.. */
    uint32_t rev;
    uint32_t tail[2];
    bool hard;
    bool expanded; /* all but the superblock went to splits[0], ids kept; what
                      is left of that has no attributes */
    struct fp_lfs_gstate delta;
};

/* A log being read. */
struct fp_lfs_scan {
    uint32_t block;    /* FP_LFS_NULL: none is */
    uint32_t tag;      /* the last one, */
    uint32_t off, end; /* and where its data is; then the next one comes */
    uint32_t limit;    /* the log does not reach further */
    uint32_t base;     /* XOR base of the next tag */
    uint32_t crc; /* of the running commit, up to its last tag or `folded` */
#if !FP_LFS_SMALL
    uint32_t folded;
#endif
    int wrong;        /* what it is when an entry contradicts the index */
    uint32_t fcrc[2]; /* 0: the running commit says nothing of the rest */
};

/* A place in the tree. */
struct fp_lfs_place {
    uint32_t dir[2];  /* head of the directory that holds it */
    uint32_t pair[2]; /* the pair and id of the entry, or where it belongs */
    uint16_t id;
    uint8_t kind; /* FP_LFS_FILE or FP_LFS_DIR; root: DIR; 0: nothing is
                     there, but it can be made */
    bool is_root;
    uint16_t name_len;
    const char *name; /* the last component, within the path */
};

/* The superblock's record, in the order that flash has. */
struct fp_lfs_super {
    uint32_t version, block_size, block_count;
    uint32_t name_max, file_max, attr_max;
};
#define FP_LFS_SUPER_WORDS (sizeof(struct fp_lfs_super) / 4)

/* How a mount's workspace is divided, and its volume. */
struct fp_lfs_layout {
    uint32_t block_size, block_count, cache_size;
    uint32_t slot_count, ent_max, look_size, file_stride;
#if !FP_LFS_SMALL
    uint32_t far;
#endif
};

/* The window of the device that blocks are allocated from. */
struct fp_lfs_look {
    uint8_t *map; /* one bit a block, set: in use */
    uint32_t start, bits, next;
    uint32_t first; /* bit that the order starts at */
    uint32_t random;
};

/* What is used most comes first: small processors reach it in one step. */
struct fp_lfs {
    bool mounting; /* indexes are for this only: no hashes, nor what is
                      erased */
    bool used_known;
    bool uneven; /* superblocks state different block counts */
    bool still;  /* no moving for wear now */
    bool failed; /* a relocation broke off: no more writing */
    bool upgrade;
    union { /* which is at hand by the names of its parts, too */
        struct fp_lfs_layout layout;
        struct {
            uint32_t block_size;
            uint32_t block_count;
            uint32_t cache_size;
            uint32_t slot_count;
            uint32_t ent_max; /* the latter two of them stay free */
            uint32_t look_size;
            uint32_t file_stride;
#if !FP_LFS_SMALL
            uint32_t far; /* addresses a file, besides those near */
#endif
        };
    };
    uint32_t prog_size;
    struct fp_bdev *dev;
    struct fp_lfs_part *part;
    struct fp_lfs_outcome *out; /* of the last commit to a pair */
    uint32_t moved_count, flight_count, op_count;
    struct fp_lfs_place *to; /* of the running operation (tree.c) */
    struct fp_lfs_op *ops;   /* of the commit to come */
    uint8_t *pcache;         /* [cache_size] */
    struct fp_lfs_node *nodes;
    struct fp_lfs_mdir *slots;
    struct fp_lfs_cache *via; /* rcache, but while a file's content is read */
    uint32_t minor;
    struct fp_lfs_log log;
    struct fp_lfs_place *from;   /* of a rename */
    struct fp_lfs_place *parent; /* of a pair whose links are mended */
    struct fp_mount *mnt;
    uint32_t clock;
    uint32_t root[2];
    struct fp_lfs_look look;
    struct fp_lfs_gstate gdisk;  /* as on flash */
    struct fp_lfs_gstate gwant;  /* as the next commit shall leave it */
    struct fp_lfs_gstate absorb; /* delta of a pair about to be dropped */
    struct fp_lfs_scan scan;
    struct fp_lfs_cache rcache;
    uint32_t unlinked;  /* relocations whose predecessor is pending */
    uint32_t victim[2]; /* directory that the running operation takes out, if
                           fs->to is one */
    uint32_t inline_max;
    struct fp_lfs_super super; /* the last one */
    uint32_t cycles;     /* metadata moves when revision + 1 divides; 0 never */
    uint8_t *files;      /* cfg.max_files times file_stride */
    uint32_t files_used; /* bit a file */
    uint32_t used;       /* blocks in use, if used_known */
    uint32_t changes;    /* commits so far */
    uint32_t doubted;    /* other than 0: parents and thread do not match */
    uint32_t resize;     /* the one they all shall state; 0: as they do */
    uint32_t mdir_count; /* of the thread, at mount */
#if !FP_LFS_SMALL
    uint32_t hash; /* of the name being taken into an index */
#endif
    uint32_t alone_size; /* of a window for what is read by itself */
    struct fp_lfs_moved moved[FP_LFS_MOVES_MAX];
    uint32_t flight[FP_LFS_FLIGHT_MAX]; /* allocated, referred to by nobody */
};

/* Where pointers in struct fp_lfs lead: as part of that these would be out of
 * reach for a load with an offset. */
struct fp_lfs_rooms {
    struct fp_lfs_place to, from, parent;
    struct fp_lfs_part part;
    struct fp_lfs_outcome out;
    struct fp_lfs_op ops[FP_LFS_OPS_MAX];
};

static inline struct fp_lfs *fp_lfs_of(const struct fp_mount *mnt)
{
    return mnt->ws;
}

/* An error as callers of the driver see it. */
static inline int fp_lfs_shown(int err)
{
    return err == FP_LFS_BAD ? FP_ERR_IO : err;
}

static inline uint32_t fp_lfs_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* In one block. */
static inline uint32_t fp_lfs_entries_most(uint32_t block_size)
{
    return fp_lfs_min(block_size / FP_LFS_ENTRY_TAKES, FP_LFS_ENTRIES_MAX);
}

/* Where a pair has more entries, it is split. */
static inline uint32_t fp_lfs_entries_ok(const struct fp_lfs *fs)
{
    return fs->ent_max - 2;
}

static inline uint32_t fp_lfs_align_up(uint32_t v, uint32_t unit)
{
    return (v + unit - 1) / unit * unit;
}

/* What flash has is null when either block is; of a tail in memory the first
 * is then (mdir.c). */
static inline bool fp_lfs_pair_is_null(const uint32_t pair[2])
{
    return pair[0] == FP_LFS_NULL;
}

static inline void fp_lfs_pair_set(uint32_t to[2], uint32_t a, uint32_t b)
{
    to[0] = a;
    to[1] = b;
}

/* Of a state that a mount has found to be legal. */
static inline bool fp_lfs_has_move(const struct fp_lfs_gstate *g)
{
    return (g->tag & ~FP_LFS_G_ORPHANS) != 0;
}

/* --- io.c: bytes of blocks through the read cache --- */

/* With FP_LFS_SMALL and buf NULL the bytes go into fs->scan's CRC. */
int fp_lfs_read(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                uint32_t size);
/* Turns integers into what flash has, four bytes with the lowest first, and
 * back. */
static inline void fp_lfs_le(uint32_t *words, uint32_t count)
{
    for (; count > 0; count--, words++)
        *words = fp_get_le32((const uint8_t *)words);
}

int fp_lfs_words(struct fp_lfs *fs, uint32_t block, uint32_t off,
                 uint32_t *words, uint32_t count);
int fp_lfs_word(struct fp_lfs *fs, uint32_t block, uint32_t off,
                uint32_t *word);
/* Takes what the window holds of the log being read, at most up to `to`, into
 * its CRC. */
#if FP_LFS_SMALL
static inline void fp_lfs_fold(struct fp_lfs *fs, uint32_t to)
{
    (void)fs;
    (void)to;
}
#else
void fp_lfs_fold(struct fp_lfs *fs, uint32_t to);
#endif
/* Past every cache; block and off are known to be good. */
int fp_lfs_read_raw(struct fp_lfs *fs, uint32_t block, uint32_t off, void *buf,
                    uint32_t size);
void fp_lfs_forget(struct fp_lfs *fs, uint32_t block);
/* Do they share a block? After a relocation a pair keeps one. */
bool fp_lfs_pair_shares(const uint32_t a[2], const uint32_t b[2]);
bool fp_lfs_pair_equal(const uint32_t a[2], const uint32_t b[2]);
bool fp_lfs_pair_ok(const struct fp_lfs *fs, const uint32_t pair[2]);

/* --- mdir.c --- */

/* The pair's index, from a slot or read into one. */
int fp_lfs_get(struct fp_lfs *fs, const uint32_t pair[2],
               struct fp_lfs_mdir **m);
/* Where a pair is that may have been relocated by the running operation. */
void fp_lfs_resolve(const struct fp_lfs *fs, uint32_t pair[2]);
/* The revision that a block holds; one that cannot be read counts as 0. */
int fp_lfs_revision(struct fp_lfs *fs, uint32_t block, uint32_t *rev);
/* Reads on behind m->off. */
int fp_lfs_advance(struct fp_lfs *fs, struct fp_lfs_mdir *m);
/* Reads one block's log into m, whatever the pair's other block says. */
int fp_lfs_parse(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t block);
/* Begins to read a log at `start`, and gives it up again. */
void fp_lfs_scan_begin(struct fp_lfs *fs, uint32_t block, uint32_t start,
                       uint32_t limit);
/* The next tag, with all its data within the limit. FP_ERR_NODATA: none. */
int fp_lfs_scan_next(struct fp_lfs *fs);
void fp_lfs_scan_end(struct fp_lfs *fs);
/* Of bytes in one block, as FCRC has it: into fs->scan. */
int fp_lfs_crc_at(struct fp_lfs *fs, uint32_t block, uint32_t off,
                  uint32_t size);
/* Those that share a block with the pair; with NULL all. */
void fp_lfs_drop_slots(struct fp_lfs *fs, const uint32_t *pair);
/* What a tag does to the index; the hash of a name is in fs->hash. False: it
 * contradicts the index. */
bool fp_lfs_apply(struct fp_lfs *fs, struct fp_lfs_mdir *m, uint32_t tag,
                  uint32_t off);
/* Of a name, from 0; a piece goes on from the hash of those before it. */
uint32_t fp_lfs_hash(uint32_t hash, const uint8_t *bytes, uint32_t size);

/* As an entry keeps it. */
static inline uint16_t fp_lfs_hash16(uint32_t hash)
{
    return (uint16_t)(hash ^ hash >> 16);
}

/* May the entry have attributes that the log has to be searched for? With
 * FP_LFS_SMALL that is known of the pair as a whole. */
static inline bool fp_lfs_ent_searched(const struct fp_lfs_mdir *m,
                                       const struct fp_lfs_ent *ent)
{
#if FP_LFS_SMALL
    (void)ent;
    return m->attrs;
#else
    (void)m;
    return fp_lfs_rec_kind(ent->attr) == FP_LFS_SEVERAL;
#endif
}

/* Is this entry a file or directory with all its parts, and not the source of
 * a pending move? */
bool fp_lfs_ent_visible(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                        uint32_t id);
/* Is it the source of a pending move, which counts as removed? */
bool fp_lfs_ent_moved(const struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                      uint32_t id);
/* What an entry's record holds, as integers. FP_ERR_CORRUPT: not that many. */
int fp_lfs_rec_words(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     fp_lfs_rec rec, uint32_t *words, uint32_t count);
int fp_lfs_ent_pair(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint32_t pair[2]);

/* --- attr.c --- */

struct fp_lfs_attr {
    uint8_t type;
    uint16_t len;
    uint32_t off; /* in the pair's current block */
};

/* The entry's attribute with the lowest number >= from. FP_ERR_NODATA: none. */
int fp_lfs_attr_next(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                     uint32_t id, uint32_t from, struct fp_lfs_attr *attr);
/* The same for an entry named by the place of its NAME. */
int fp_lfs_attr_scan(struct fp_lfs *fs, const struct fp_lfs_at *name,
                     uint32_t from, struct fp_lfs_attr *attr);
/* That one, or FP_ERR_NODATA. */
int fp_lfs_attr_get(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    uint8_t type, struct fp_lfs_attr *attr);
int fp_lfs_mtime(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                 struct fp_stat *st);
int32_t fp_lfs_getattr(struct fp_mount *mnt, const char *path, uint8_t type,
                       void *buf, uint32_t size);
int fp_lfs_listattr(struct fp_mount *mnt, const char *path, uint8_t *types,
                    uint32_t size);

/* --- lookup.c --- */

/* for_create: that nothing is there is no error, as long as its directory is.
 */
int fp_lfs_lookup(struct fp_lfs *fs, const char *path, bool for_create,
                  struct fp_lfs_place *place);
/* The pair and the id of what is there. */
int fp_lfs_find(struct fp_lfs *fs, const char *path, struct fp_lfs_mdir **m,
                uint32_t *id);
/* The name that `place` has, in the directory that it has. */
int fp_lfs_find_in(struct fp_lfs *fs, struct fp_lfs_place *place,
                   bool for_create);
/* The head of the directory that the entry at `place` is. */
int fp_lfs_enter(struct fp_lfs *fs, const struct fp_lfs_place *place,
                 uint32_t pair[2]);
/* Orders names as the format does: <0 when `name` comes before the entry's. */
int fp_lfs_name_cmp(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    const char *name, uint32_t len, int *order);

/* --- thread.c --- */

/* A walk from tail to tail: along the thread, which begins with {0,1}, or
 * along a directory for as long as the tails are hard. */
struct fp_lfs_chain {
    struct fp_lfs_mdir *m; /* where it is */
    uint32_t next[2];
    uint32_t hops;
};

/* Before the first pair: with {0,1} it is the thread. */
static inline void fp_lfs_chain_begin(struct fp_lfs_chain *chain, uint32_t a,
                                      uint32_t b)
{
    chain->hops = 0;
    fp_lfs_pair_set(chain->next, a, b);
}

/* FP_ERR_NOENT: that was the last. Bounded by the number of blocks, so that a
 * thread that loops is an error and not a hang. */
int fp_lfs_chain_next(struct fp_lfs *fs, struct fp_lfs_chain *chain);

/* These search along the thread, FP_ERR_NOENT at its end. */
int fp_lfs_find_parent(struct fp_lfs *fs, const uint32_t pair[2],
                       struct fp_lfs_place *place);
/* The pair that shares a block with `pair`, or the one whose tail does. */
int fp_lfs_find_along(struct fp_lfs *fs, const uint32_t pair[2],
                      uint32_t found[2], bool tails);
static inline int fp_lfs_find_in_thread(struct fp_lfs *fs,
                                        const uint32_t pair[2],
                                        uint32_t found[2])
{
    return fp_lfs_find_along(fs, pair, found, false);
}
/* Returns 1 if that tail is a hard one, else 0. */
static inline int fp_lfs_find_pred(struct fp_lfs *fs, const uint32_t pair[2],
                                   uint32_t found[2])
{
    return fp_lfs_find_along(fs, pair, found, true);
}
void fp_lfs_gstate_xor(struct fp_lfs_gstate *to,
                       const struct fp_lfs_gstate *by);
bool fp_lfs_gstate_is_zero(const struct fp_lfs_gstate *g);

/* --- mount.c --- */

size_t fp_lfs_workspace(const struct fp_bdev *dev,
                        const struct fp_fs_config *cfg);
int fp_lfs_mount(struct fp_mount *mnt);
int fp_lfs_statfs(struct fp_mount *mnt, struct fp_statfs *st);
/* Can a volume with fs->super be mounted? Limits of 0 there become what they
 * stand for. */
int fp_lfs_judge(struct fp_lfs *fs);
/* Lays the workspace out, with a struct fp_lfs at its front; it is as large as
 * fp_lfs_workspace() says. */
void fp_lfs_setup(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);

/* --- probe.c --- */

int fp_lfs_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score);

/* A walk over blocks in use. Each goes to fn or, when that is NULL, is
 * counted. */
struct fp_lfs_walk {
    struct fp_lfs *fs;
    uint32_t left;     /* no more blocks than that */
    fp_fs_block_fn fn; /* with FP_LFS_TELLS */
    void *ctx;
    enum fp_block_use use; /* of the next one */
    uint8_t *bits; /* of blocks already counted; NULL: each comes once */
    uint32_t start, size, count;
    uint32_t wrap; /* blocks before `start` come behind this many */
};

/* --- ctz.c --- */

/* Index of the block that holds byte `pos`; *off: where in it. */
uint32_t fp_lfs_ctz_index(uint32_t block_size, uint32_t pos, uint32_t *off);
int fp_lfs_ctz_find(struct fp_lfs *fs, struct fp_lfs_file *file, uint32_t index,
                    uint32_t *block);
#if FP_LFS_SMALL
static inline void fp_lfs_ctz_begin(const struct fp_lfs *fs,
                                    struct fp_lfs_file *f)
{
    (void)fs;
    (void)f;
}

static inline void fp_lfs_ctz_forget(const struct fp_lfs *fs,
                                     struct fp_lfs_file *f)
{
    (void)fs;
    f->found = 0;
}
#else
/* The file's part of the workspace, at f->buf, begins with where its blocks
 * are: nothing is known yet. */
void fp_lfs_ctz_begin(const struct fp_lfs *fs, struct fp_lfs_file *f);
/* The body is another: forget where its blocks are. */
void fp_lfs_ctz_forget(const struct fp_lfs *fs, struct fp_lfs_file *f);
#endif

/* Visits every block of the list. */
int fp_lfs_ctz_walk(struct fp_lfs_walk *w, uint32_t head, uint32_t size);

/* --- dir.c --- */

int fp_lfs_stat_ent(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    struct fp_stat *st);
int fp_lfs_stat(struct fp_mount *mnt, const char *path, struct fp_stat *st);
int fp_lfs_opendir(struct fp_mount *mnt, struct fp_dir *dir, const char *path);
int fp_lfs_readdir(struct fp_dir *dir, struct fp_dirent *entry);
int fp_lfs_closedir(struct fp_dir *dir);
void fp_lfs_node_add(struct fp_lfs *fs, struct fp_lfs_node *node);
void fp_lfs_node_del(struct fp_lfs *fs, struct fp_lfs_node *node);

/* --- file.c --- */

static inline struct fp_lfs_file *fp_lfs_file_of(struct fp_file *file)
{
    return (struct fp_lfs_file *)(void *)file->state;
}

int fp_lfs_file_claim(struct fp_lfs *fs, struct fp_lfs_file *f);
void fp_lfs_file_release(struct fp_lfs *fs, struct fp_lfs_file *f);
int fp_lfs_file_load(struct fp_lfs *fs, struct fp_lfs_file *f,
                     const struct fp_lfs_place *place);
int fp_lfs_file_read_at(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                        uint8_t *buf, uint32_t size);
int fp_lfs_open_ro(struct fp_mount *mnt, struct fp_file *file, const char *path,
                   uint32_t flags);
int32_t fp_lfs_read_ro(struct fp_file *file, void *buf, uint32_t size);
int fp_lfs_close_ro(struct fp_file *file);

/* --- blocks.c --- */

int fp_lfs_visit(struct fp_lfs_walk *w, uint32_t block);
/* Every block that the filesystem on flash refers to. */
int fp_lfs_traverse(struct fp_lfs_walk *w);
int fp_lfs_count_used(struct fp_lfs *fs, uint32_t *used);
int fp_lfs_blocks(struct fp_mount *mnt, fp_fs_block_fn fn, void *ctx);

/* --- check.c --- */

int fp_lfs_check_step(struct fp_lfs *fs, struct fp_step *step);
int fp_lfs_step_ro(struct fp_mount *mnt, struct fp_step *step);

/* --- the writing half --- */

/* prog.c */
int fp_lfs_erase(struct fp_lfs *fs, uint32_t block);
/* FP_LFS_BAD: it does not read back as written. */
int fp_lfs_prog(struct fp_lfs *fs, uint32_t block, uint32_t off,
                const uint8_t *buf, uint32_t size);

/* alloc.c */
int fp_lfs_alloc(struct fp_lfs *fs, uint32_t *block);
int fp_lfs_alloc_erased(struct fp_lfs *fs, uint32_t *block);
int fp_lfs_alloc_flight(struct fp_lfs *fs, uint32_t *block);
int fp_lfs_alloc_fill(struct fp_lfs *fs);
/* FP_ERR_NOSPC: there is no room for a file of that size. */
int fp_lfs_alloc_has(struct fp_lfs *fs, uint32_t size);
/* The volume has another number of blocks from now on. */
void fp_lfs_alloc_resize(struct fp_lfs *fs, uint32_t block_count);

/* log.c: all these do nothing once fs->log.err is set */
void fp_lfs_log_begin(struct fp_lfs *fs, uint32_t block, uint32_t rev);
void fp_lfs_log_append(struct fp_lfs *fs, const struct fp_lfs_mdir *m);
/* Counts what would be written in fs->log.off, from 0. */
void fp_lfs_log_count(struct fp_lfs *fs);
/* A tag with its data, which is at buf or, when that is NULL, at `off` in the
 * block fs->log.source. FP_ERR_NOSPC: it does not fit. */
void fp_lfs_log_put(struct fp_lfs *fs, uint32_t tag, const void *buf,
                    uint32_t off);
/* A tag whose data is these integers. */
void fp_lfs_log_words(struct fp_lfs *fs, uint32_t tag, uint32_t *words);
void fp_lfs_log_op(struct fp_lfs *fs, uint32_t tag, const struct fp_lfs_op *op);
/* All attributes of the entry whose NAME lies there, for entry `id`; those that
 * the running commit sets of entry `of` of the index as these say. */
void fp_lfs_log_attrs(struct fp_lfs *fs, const struct fp_lfs_at *name,
                      uint32_t id, uint32_t of);
int fp_lfs_log_end(struct fp_lfs *fs);

/* compact.c */
/* Writes m with ops applied to it out to a fresh block; fs->out. `bad`: the
 * one it has now is to be given up. */
int fp_lfs_compact(struct fp_lfs *fs, struct fp_lfs_mdir *m, bool bad);
/* Bytes of log that entries [from, to) take once written out afresh; an error
 * is in fs->log.err. */
uint32_t fp_lfs_live_size(struct fp_lfs *fs, const struct fp_lfs_mdir *m,
                          uint32_t from, uint32_t to);
/* A pair of its own with `tail`; for mkdir. */
int fp_lfs_new_pair(struct fp_lfs *fs, const uint32_t tail[2],
                    uint32_t pair[2]);

/* commit.c */
/* Adds an operation to the commit to come: with len bytes at buf, which stay
 * there until it is done, or those of a pair. */
struct fp_lfs_op *fp_lfs_op(struct fp_lfs *fs, uint32_t type, uint32_t id,
                            const void *buf, uint32_t len);
/* The first of its operations that has that type; NULL: none. */
const struct fp_lfs_op *fp_lfs_op_typed(const struct fp_lfs *fs, uint32_t type);
void fp_lfs_op_pair(struct fp_lfs *fs, uint32_t type, uint32_t id,
                    const uint32_t pair[2]);
void fp_lfs_op_delete(struct fp_lfs *fs, uint32_t id);
/* The first two of an entry that is new, at fs->to. */
void fp_lfs_op_create(struct fp_lfs *fs, uint32_t type);
/* One commit of these operations in the pair, with all that follows from it:
 * splits, relocation, new links in parent and predecessor. Then there are
 * none. */
int fp_lfs_commit(struct fp_lfs *fs, const uint32_t pair[2]);
/* How the delta of a pair changes with the global state in its next commit. */
void fp_lfs_gstate_change(const struct fp_lfs *fs, struct fp_lfs_gstate *delta);
/* Takes the pair out of the thread: its predecessor inherits tail and delta. */
int fp_lfs_unlink(struct fp_lfs *fs, const uint32_t pair[2]);
/* DELETE of an entry, or of the whole pair when that leaves an empty
 * continuation. With FP_LFS_NO_ID, only that if it is one already. */
int fp_lfs_commit_delete(struct fp_lfs *fs, const uint32_t pair[2],
                         uint32_t id);
void fp_lfs_want_no_move(struct fp_lfs *fs);
/* One more or one less pair of which a link is pending: with any, the orphan
 * flag is wanted. */
void fp_lfs_pend(struct fp_lfs *fs, int more);
/* Repairs what a power cut or a failure left; then writing may begin. */
int fp_lfs_prepare(struct fp_lfs *fs);
/* The end of an operation that wrote: err, or what sync answers. */
int fp_lfs_finish(struct fp_lfs *fs, int err);

/* repair.c */
int fp_lfs_repair(struct fp_lfs *fs);

int fp_lfs_step(struct fp_mount *mnt, struct fp_step *step);

/* advance.c: the next pair of the thread, from the start if the one that is
 * next is not there any more */
int fp_lfs_compact_step(struct fp_lfs *fs, struct fp_step *step);

/* format.c */
int fp_lfs_format(struct fp_bdev *dev, const struct fp_fs_config *cfg, void *ws,
                  size_t ws_size);
int fp_lfs_is_blank(struct fp_bdev *dev, const struct fp_fs_config *cfg,
                    void *ws, size_t ws_size);

/* write.c */
int fp_lfs_open(struct fp_mount *mnt, struct fp_file *file, const char *path,
                uint32_t flags);
int32_t fp_lfs_read_rw(struct fp_file *file, void *buf, uint32_t size);
int32_t fp_lfs_write(struct fp_file *file, const void *buf, uint32_t size);
int fp_lfs_truncate(struct fp_file *file, uint64_t size);
int fp_lfs_fsync(struct fp_file *file);
int fp_lfs_reserve(struct fp_file *file, uint64_t size);
int fp_lfs_file_commit(struct fp_file *file, const struct fp_commit_meta *meta);
int fp_lfs_close(struct fp_file *file);
int fp_lfs_sync(struct fp_mount *mnt);

/* extend.c: the content of a file being written. After an error of any of
 * these it has to be what it was at the last sync. */
int fp_lfs_body_write(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t pos,
                      const uint8_t *buf, uint32_t size);
int fp_lfs_body_flush(struct fp_lfs *fs, struct fp_lfs_file *f);
/* No run of writes is open. */
int fp_lfs_body_truncate(struct fp_lfs *fs, struct fp_lfs_file *f,
                         uint32_t size);
/* The body is another: no run of writes goes on, and nothing is known of the
 * one before. */
void fp_lfs_body_forget(const struct fp_lfs *fs, struct fp_lfs_file *f);

/* tree.c */
/* Of an operation that writes: it may, and what is at `path` is in fs->to. */
int fp_lfs_begin(struct fp_lfs *fs, const char *path, bool for_create);
int fp_lfs_mkdir(struct fp_mount *mnt, const char *path);
int fp_lfs_remove(struct fp_mount *mnt, const char *path);
int fp_lfs_rename(struct fp_mount *mnt, const char *from, const char *to,
                  uint32_t flags);

/* setattr.c */
/* Adds the operations that give entry id the time, in the form it has. m NULL:
 * a new entry. FP_ERR_NOTSUP when attribute 1 holds something else. */
int fp_lfs_time_ops(struct fp_lfs *fs, const struct fp_lfs_mdir *m, uint32_t id,
                    int64_t mtime_ns);
int fp_lfs_setattr(struct fp_mount *mnt, const char *path, uint8_t type,
                   const void *buf, uint32_t size);
int fp_lfs_settime(struct fp_mount *mnt, const char *path, int64_t mtime_ns);

#endif
