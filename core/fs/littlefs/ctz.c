/* SPDX-License-Identifier: MIT
 *
 * The list of blocks behind a file's content. Block i > 0 starts with
 * ctz(i) + 1 pointers; pointer k names block i - 2^k. The directory entry
 * names the last block, so one reads backwards:
 *
 *     0 <- 1 <- 2 <- 3 <- 4 <- 5      pointer 0
 *     0 <------ 2 <------ 4           pointer 1
 *     0 <---------------- 4           pointer 2
 *
 * A file remembers where blocks are, of all the pointers that a walk comes by:
 * those near its target, which serve a sequential reader (half a read a block),
 * and those at equal distances of a power of two over the whole file, which
 * serve a random one. A walk starts from the nearest known block at or behind
 * its target. With FP_LFS_SMALL it remembers the one found last.
 *
 * Source: the format page, section 7.
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

static uint32_t popcount(uint32_t v)
{
    uint32_t n = 0;

    for (; v; v &= v - 1)
        n++;
    return n;
}

uint32_t fp_lfs_ctz_index(uint32_t block_size, uint32_t pos, uint32_t *off)
{
    uint32_t b = block_size - 8, i = pos / b;

    if (i > 0)
        i = (pos - 4 * (popcount(i - 1) + 2)) / b;
    *off = pos - b * i - 4 * popcount(i);
    return i;
}

#if FP_LFS_SMALL

/* From the last block on, or from the one found last if that is not before it,
 * each time by the pointer that goes farthest and not beyond. */
int fp_lfs_ctz_find(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t index,
                    uint32_t *block)
{
    uint32_t at = f->found_index, next;

    *block = f->found;
    if (!*block || at < index) {
        at = fp_lfs_ctz_index(fs->block_size, f->body.size - 1, &next);
        *block = f->body.head;
    }
    while (at > index) {
        uint32_t k = 0;
        int err;

        while (!(at >> k & 1) && at - index >= 2u << k)
            k++;
        err = fp_lfs_word(fs, *block, 4 * k, block);
        if (err)
            return err;
        at -= 1u << k;
    }
    f->found_index = at;
    f->found = *block;
    return *block < fs->block_count ? FP_OK : FP_ERR_CORRUPT;
}

#else

/* --- what is known of a file --- */

enum {
    NEAR,
    FAR
};

void fp_lfs_ctz_begin(const struct fp_lfs *fs, struct fp_lfs_file *f)
{
    uint32_t *blocks = (uint32_t *)(void *)f->buf;

    f->known[NEAR] = (struct fp_lfs_known){ 0, 0, FP_LFS_NEAR, blocks };
    blocks += FP_LFS_NEAR;
    f->known[FAR] = (struct fp_lfs_known){ 0, 0, fs->far, blocks };
    f->buf = (uint8_t *)(blocks + fs->far);
    fp_lfs_ctz_forget(fs, f);
}

void fp_lfs_ctz_forget(const struct fp_lfs *fs, struct fp_lfs_file *f)
{
    /* Both tables, one behind the other. */
    memset(f->known[NEAR].blocks, 0xff,
           (FP_LFS_NEAR + fs->far) * sizeof f->known[NEAR].blocks[0]);
}

/* Makes the tables those for a target, in a file with `last` for its last. */
static void aim(struct fp_lfs_file *f, uint32_t index, uint32_t last)
{
    uint32_t base = index - index % FP_LFS_NEAR;

    f->known[FAR].shift = 0;
    while (last && (last - 1) >> f->known[FAR].shift >= f->known[FAR].count)
        f->known[FAR].shift++;
    if (f->known[NEAR].base == base)
        return;
    f->known[NEAR].base = base;
    memset(f->known[NEAR].blocks, 0xff,
           FP_LFS_NEAR * sizeof f->known[NEAR].blocks[0]);
}

static void note(const struct fp_lfs_file *f, uint32_t index, uint32_t block)
{
    for (const struct fp_lfs_known *t = f->known; t < f->known + 2; t++) {
        uint32_t at = (index - t->base) >> t->shift;

        if (at < t->count && t->base + (at << t->shift) == index)
            t->blocks[at] = block;
    }
}

/* The nearest known block with an index from `index` to before `last`, or that
 * with the last. */
static uint32_t nearest(const struct fp_lfs_file *f, uint32_t index,
                        uint32_t last, uint32_t *block)
{
    for (const struct fp_lfs_known *t = f->known; t < f->known + 2; t++) {
        uint32_t distance = 1u << t->shift;
        uint32_t at = (index - t->base + distance - 1) >> t->shift;

        for (; at < t->count && t->base + (at << t->shift) < last; at++)
            if (t->blocks[at] != FP_LFS_NULL) {
                last = t->base + (at << t->shift);
                *block = t->blocks[at];
            }
    }
    return last;
}

/* Goes from block *at to the farthest that it names and that is not before
 * `index`, and notes all that it names. */
static int follow(struct fp_lfs *fs, const struct fp_lfs_file *f,
                  uint32_t index, uint32_t *at, uint32_t *block)
{
    uint32_t from = *at, source = *block;

    for (uint32_t k = 0;; k++) {
        uint32_t named = from - (1u << k), to;
        int err = fp_lfs_word(fs, source, 4 * k, &to);

        if (err)
            return err;
        note(f, named, to);
        if (named >= index) {
            *at = named;
            *block = to;
        }
        if (from >> k & 1)
            return FP_OK;
    }
}

int fp_lfs_ctz_find(struct fp_lfs *fs, struct fp_lfs_file *f, uint32_t index,
                    uint32_t *block)
{
    uint32_t off, at = fp_lfs_ctz_index(fs->block_size, f->body.size - 1, &off);

    aim(f, index, at);
    *block = f->body.head;
    at = nearest(f, index, at, block);
    while (at > index) {
        int err = follow(fs, f, index, &at, block);

        if (err)
            return err;
    }
    return *block < fs->block_count ? FP_OK : FP_ERR_CORRUPT;
}

#endif

/* --- the whole list --- */

/* Blocks with an even index name the two before them, so every second need
 * not be read. */
int fp_lfs_ctz_walk(struct fp_lfs_walk *w, uint32_t head, uint32_t size)
{
    struct fp_lfs *fs = w->fs;
    uint32_t off, at, named[2];
    int err;

    if (!size)
        return FP_OK;
    at = fp_lfs_ctz_index(fs->block_size, size - 1, &off);
    if (at >= fs->block_count)
        return FP_ERR_CORRUPT;
    for (;; at--) {
        err = fp_lfs_visit(w, head);
        if (err || !at)
            return err;
        err = fp_lfs_words(fs, head, 0, named, 2);
        head = named[0];
        if (!err && at % 2 == 0) {
            err = fp_lfs_visit(w, head);
            head = named[1];
            at--;
        }
        if (err)
            return err;
    }
}
