/* SPDX-License-Identifier: MIT
 *
 * Free blocks. There is no map of them on flash: a block is free when nothing
 * refers to it. A window of the device is looked at at a time: one walk over
 * the filesystem marks in a bitmap what is in use there; then free ones are
 * handed out in order, and the window moves on, round and round.
 *
 * For wear the first window lies at a place that differs from mount to mount,
 * and within a window the order starts at a free block drawn at random. Were
 * it to start at the window's begin, the first blocks behind a large file that
 * never changes would wear most: every start within that file leads to them.
 *
 * In use is what flash refers to, what open files refer to, and what the
 * running operation has taken and not linked yet (flight).
 */
#include "core/fs/littlefs/lfs.h"

#include <string.h>

#define BAD_TRIES 32
#define DRAWS     32

static int walk_body(struct fp_lfs_walk *w, const struct fp_lfs_body *body)
{
    w->left = FP_LFS_NULL; /* other handles may have visited the same */
    return body->kind == FP_LFS_CTZ ? fp_lfs_ctz_walk(w, body->head, body->size)
                                    : FP_OK;
}

/* The blocks of an open file, and of the run of writes on it. */
static int walk_file(struct fp_lfs_walk *w, const struct fp_lfs_file *f)
{
    int err = walk_body(w, &f->body);

    if (err || !f->writing)
        return err;
    if (f->wblock != FP_LFS_NULL)
        err = fp_lfs_visit(w, f->wblock);
    return err ? err : fp_lfs_ctz_walk(w, f->wprev, f->wstart);
}

static int mark_files(struct fp_lfs_walk *w)
{
    int err = FP_OK;

    for (const struct fp_lfs_node *n = w->fs->nodes; n && !err; n = n->next) {
        const struct fp_lfs_file *f = (const void *)n;

        if (n->what != FP_LFS_NODE_FILE)
            continue;
        err = walk_file(w, f);
        if (!err && f->saved.head != f->body.head)
            err = walk_body(w, &f->saved);
    }
    return err;
}

static bool is_used(const struct fp_lfs_look *look, uint32_t i)
{
    return look->map[i / 8] >> i % 8 & 1;
}

/* Draws until a block is free: so each free one is as likely. */
static void draw_first(struct fp_lfs_look *look)
{
    for (int i = 0; i < DRAWS; i++) {
        look->random = look->random * 1664525 + 1013904223;
        look->first = (look->random >> 8) % look->bits;
        if (!is_used(look, look->first))
            return;
    }
}

static int fill(struct fp_lfs *fs)
{
    struct fp_lfs_look *look = &fs->look;
    struct fp_lfs_walk w = { .fs = fs,
                             .bits = look->map,
                             .start =
                                 (look->start + look->bits) % fs->block_count,
                             .size =
                                 fp_lfs_min(fs->look_size * 8, fs->block_count),
                             .wrap = fs->block_count };
    int err;

    look->bits = look->next = 0;
    memset(look->map, 0, fs->look_size);
    err = fp_lfs_traverse(&w);
    if (!err)
        err = mark_files(&w);
    w.left = FP_LFS_NULL; /* none of these may be left out */
    for (uint32_t i = 0; i < fs->flight_count; i++)
        (void)fp_lfs_visit(&w, fs->flight[i]);
    /* Until all its links are new, flash still leads to the old pair. */
    for (uint32_t i = 0; i < fs->moved_count; i++) {
        (void)fp_lfs_visit(&w, fs->moved[i].old[0]);
        (void)fp_lfs_visit(&w, fs->moved[i].old[1]);
    }
    look->start = w.start;
    if (err)
        return err; /* half marked is worse than not at all */
    look->bits = w.size;
    draw_first(look);
    return FP_OK;
}

int fp_lfs_alloc_fill(struct fp_lfs *fs)
{
    return fs->look.next < fs->look.bits ? FP_OK : fill(fs);
}

/* Behind the last of `count` comes the first; i is less than twice that. */
static uint32_t within(uint32_t i, uint32_t count)
{
    return i < count ? i : i - count;
}

int fp_lfs_alloc(struct fp_lfs *fs, uint32_t *block)
{
    struct fp_lfs_look *look = &fs->look;
    uint32_t seen = 0;

    for (;;) {
        int err;

        while (look->next < look->bits) {
            uint32_t i = within(look->first + look->next++, look->bits);

            seen++;
            if (is_used(look, i))
                continue;
            look->map[i / 8] |= (uint8_t)(1u << i % 8);
            *block = within(look->start + i, fs->block_count);
            fs->used_known = false;
            return FP_OK;
        }
        /* What was left of the first window may have been freed since, so
         * the round is full only once it has been looked at again. */
        if (seen > fs->block_count + fs->look_size * 8)
            return FP_ERR_NOSPC;
        err = fill(fs);
        if (err)
            return err;
    }
}

void fp_lfs_alloc_resize(struct fp_lfs *fs, uint32_t block_count)
{
    fs->block_count = fs->mnt->cfg.block_count = block_count;
    fs->look.bits = fs->look.next = 0;
}

int fp_lfs_alloc_erased(struct fp_lfs *fs, uint32_t *block)
{
    int err = FP_LFS_BAD;

    for (int i = 0; err == FP_LFS_BAD && i < BAD_TRIES; i++) {
        err = fp_lfs_alloc(fs, block);
        if (!err)
            err = fp_lfs_erase(fs, *block);
    }
    return err;
}

int fp_lfs_alloc_flight(struct fp_lfs *fs, uint32_t *block)
{
    int err;

    if (fs->flight_count == FP_LFS_FLIGHT_MAX)
        return FP_ERR_IO;
    err = fp_lfs_alloc(fs, block);
    if (!err)
        fs->flight[fs->flight_count++] = *block;
    return err;
}

/* --- room --- */

/* Blocks of open files that flash does not refer to, at most. */
static int count_open(struct fp_lfs_walk *w)
{
    int err = FP_OK;

    for (const struct fp_lfs_node *n = w->fs->nodes; n && !err; n = n->next) {
        const struct fp_lfs_file *f = (const void *)n;

        if (n->what == FP_LFS_NODE_FILE &&
            (f->dirty || fp_lfs_pair_is_null(n->pair)))
            err = walk_file(w, f);
    }
    return err;
}

int fp_lfs_alloc_has(struct fp_lfs *fs, uint32_t size)
{
    struct fp_lfs_walk w = { .fs = fs, .size = fs->block_count };
    uint32_t used, off, need = 2; /* for metadata */
    int err = fp_lfs_count_used(fs, &used);

    if (!err)
        err = count_open(&w);
    if (err)
        return err;
    if (size > fs->inline_max)
        need += fp_lfs_ctz_index(fs->block_size, size - 1, &off) + 1;
    used = fs->block_count - used;
    return need > used || w.count > used - need ? FP_ERR_NOSPC : FP_OK;
}
