/* SPDX-License-Identifier: MIT
 *
 * Source: docs of the format "littlefs v2 on disk", sections 3 (pairs), 5 (the
 * thread), 6 (global state) and 7 (lists of data blocks).
 */
#include "tests/powerloss/littlefs_reach.h"

#include "core/bytes.h"
#include "core/digest/crc32.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NONE    0xffffffffu
#define ENTRIES 256
#define BLOCKS  65536

enum {
    DIR_STRUCT = 0x200,
    CTZ_STRUCT = 0x202,
    CREATE = 0x401,
    DELETE = 0x4ff,
    HARD_TAIL = 0x601,
    MOVE_STATE = 0x7ff,
};

struct entry {
    uint16_t name, strct; /* types */
    const uint8_t *data;  /* of the structure */
};

/* What a pair's current block says. */
struct pair {
    struct entry entries[ENTRIES];
    uint32_t count;
    uint32_t tail[2], delta[3];
    bool hard;
};

struct walk {
    struct reach *out;
    const uint8_t *mem;
    uint32_t block_size, block_count, unreadable;
    uint32_t state[3];
    uint8_t owned[BLOCKS / 8];
    uint8_t named[REACH_PAIRS]; /* entries that name this pair */
};

static bool wrong(struct walk *w, const char *what, uint32_t block)
{
    if (!w->out->what[0])
        snprintf(w->out->what, sizeof w->out->what, "%s (block %u)", what,
                 block);
    return false;
}

static bool own(struct walk *w, uint32_t block)
{
    if (block >= w->block_count)
        return wrong(w, "a block out of range is in use", block);
    if (w->owned[block / 8] >> block % 8 & 1)
        return wrong(w, "a block is in use twice", block);
    w->owned[block / 8] |= (uint8_t)(1 << block % 8);
    w->out->blocks++;
    return true;
}

/* --- one pair --- */

static void apply(struct pair *p, uint32_t tag, const uint8_t *data)
{
    uint32_t type = tag >> 20 & 0x7ff, id = tag >> 10 & 0x3ff;
    struct entry *e = &p->entries[id % ENTRIES];

    if (type == CREATE && p->count < ENTRIES && id <= p->count) {
        memmove(e + 1, e, (p->count++ - id) * sizeof *e);
        *e = (struct entry){ 0 };
    } else if (type == DELETE && id < p->count) {
        memmove(e, e + 1, (--p->count - id) * sizeof *e);
    } else if (type >> 8 == 0 && id < ENTRIES) {
        while (p->count <= id)
            p->entries[p->count++] = (struct entry){ 0 };
        e->name = (uint16_t)type;
    } else if (type >> 8 == 2 && id < p->count) {
        e->strct = (uint16_t)type;
        e->data = data;
    } else if (type >> 8 == 6) {
        p->hard = type == HARD_TAIL;
        p->tail[0] = fp_get_le32(data);
        p->tail[1] = fp_get_le32(data + 4);
    } else if (type == MOVE_STATE) {
        for (int i = 0; i < 3; i++)
            p->delta[i] = fp_get_le32(data + 4 * i);
    }
}

/* Goes through a block's log up to `end`, applying what it says to p if there
 * is one. Returns where the last good commit ends, 0: there is none. */
static uint32_t scan(const uint8_t *block, uint32_t end, struct pair *p)
{
    uint32_t tag = NONE, good = 0, off = 4, crc = fp_crc32(NONE, block, 4);

    while (off + 4 <= end) {
        uint32_t now = fp_get_be32(block + off) ^ tag, len = now & 0x3ff;

        if (len == 0x3ff)
            len = 0;
        if (now >> 31 || off + 4 + len > end)
            break;
        crc = fp_crc32(crc, block + off, 4);
        tag = now;
        off += 4;
        if ((tag >> 20 & 0x780) == 0x500) {
            if (len < 4 || fp_get_le32(block + off) != crc)
                break;
            good = off + len;
            tag ^= (tag >> 20 & 1) << 31;
            crc = NONE;
        } else {
            crc = fp_crc32(crc, block + off, len);
            if (p)
                apply(p, tag, block + off);
        }
        off += len;
    }
    return good;
}

static bool fetch(struct walk *w, const uint32_t at[2], struct pair *p)
{
    const uint8_t *half[2];
    int first;

    if (at[0] >= w->block_count || at[1] >= w->block_count)
        return wrong(w, "a pair is out of range", at[0]);
    for (int i = 0; i < 2; i++)
        half[i] = w->mem + (size_t)at[i] * w->block_size;
    first = (int32_t)(fp_get_le32(half[1]) - fp_get_le32(half[0])) > 0;
    if (at[first] == w->unreadable)
        first ^= 1;
    *p = (struct pair){ .tail = { NONE, NONE } };
    for (int i = 0; i < 2; i++) {
        const uint8_t *block = half[first ^ i];
        uint32_t end = scan(block, w->block_size, NULL);

        if (!end || at[first ^ i] == w->unreadable)
            continue;
        (void)scan(block, end, p);
        return true;
    }
    return wrong(w, "no half of a pair holds a commit", at[0]);
}

/* --- along the thread --- */

/* A list of data blocks, from its last back to its first. */
static bool own_file(struct walk *w, uint32_t head, uint32_t size)
{
    uint32_t index = 0, room = w->block_size;

    /* Block i > 0 begins with ctz(i) + 1 pointers. */
    for (uint32_t left = size; left > room; index++) {
        left -= room;
        room = w->block_size - 4 * ((uint32_t)__builtin_ctz(index + 1) + 1);
    }
    for (;; index--) {
        if (!own(w, head))
            return false;
        if (index == 0)
            return true;
        head = fp_get_le32(w->mem + (size_t)head * w->block_size);
    }
}

static bool take_pair(struct walk *w, const uint32_t at[2],
                      const struct pair *p, bool hard)
{
    struct reach_pair *out = &w->out->pairs[w->out->pair_count];

    if (w->out->pair_count == REACH_PAIRS)
        return wrong(w, "the thread is too long", at[0]);
    w->out->pair_count++;
    *out = (struct reach_pair){
        .block = { at[0], at[1] },
        .hard = hard,
        .super = p->count && p->entries[0].name == 0x0ff,
    };
    if (!own(w, at[0]) || !own(w, at[1]))
        return false;
    for (int i = 0; i < 3; i++)
        w->state[i] ^= p->delta[i];
    for (uint32_t i = 0; i < p->count; i++) {
        const struct entry *e = &p->entries[i];

        if (e->strct == CTZ_STRUCT &&
            !own_file(w, fp_get_le32(e->data), fp_get_le32(e->data + 4)))
            return false;
    }
    return true;
}

static bool name_pair(struct walk *w, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < w->out->pair_count; i++) {
        const uint32_t *block = w->out->pairs[i].block;

        if ((block[0] == a && block[1] == b) ||
            (block[0] == b && block[1] == a)) {
            w->named[i]++;
            return true;
        }
    }
    return wrong(w, "a directory is not in the thread", a);
}

/* Each head named by one entry, the superblocks and continuations by none. */
static bool match_entries(struct walk *w)
{
    for (uint32_t i = 0; i < w->out->pair_count; i++) {
        static struct pair p;

        if (!fetch(w, w->out->pairs[i].block, &p))
            return false;
        for (uint32_t id = 0; id < p.count; id++)
            if (p.entries[id].strct == DIR_STRUCT &&
                !name_pair(w, fp_get_le32(p.entries[id].data),
                           fp_get_le32(p.entries[id].data + 4)))
                return false;
    }
    for (uint32_t i = 0; i < w->out->pair_count; i++) {
        const struct reach_pair *pair = &w->out->pairs[i];

        if (w->named[i] != (pair->hard || i == 0 ? 0 : 1))
            return wrong(w,
                         w->named[i] ? "a pair is named twice, or is no head"
                                     : "a pair is lost: no entry names it",
                         pair->block[0]);
    }
    return true;
}

static bool walk_thread(struct walk *w)
{
    uint32_t at[2] = { 0, 1 };
    bool hard = false;

    for (;;) {
        static struct pair p;

        if (!fetch(w, at, &p) || !take_pair(w, at, &p, hard))
            return false;
        if (p.tail[0] == NONE || p.tail[1] == NONE)
            break;
        at[0] = p.tail[0];
        at[1] = p.tail[1];
        hard = p.hard;
    }
    if (w->state[0] | w->state[1] | w->state[2])
        return wrong(w, "the global state tells of something pending", 0);
    return match_entries(w);
}

const char *reach_walk(struct reach *reach, const uint8_t *mem,
                       uint32_t block_size, uint32_t block_count,
                       uint32_t unreadable)
{
    static struct walk w;

    w = (struct walk){ .out = reach,
                       .mem = mem,
                       .block_size = block_size,
                       .block_count = block_count,
                       .unreadable = unreadable };
    reach->blocks = reach->pair_count = 0;
    reach->what[0] = 0;
    if (block_count > BLOCKS)
        (void)wrong(&w, "the image has more blocks than this can count", 0);
    else
        (void)walk_thread(&w);
    return reach->what[0] ? reach->what : NULL;
}
