/* SPDX-License-Identifier: MIT
 *
 * Finding SPIFFS, which says nothing of itself: on a grid, blocks are looked at
 * that may be its first, in every size of block and page. Source:
 * docs/formats/spiffs.md
 *
 *     magic with length   a block's magic tells how many blocks follow, so the
 *                         first tells the size, and all others agree
 *     magic               one and the same, block after block
 *     none                entries in the lookup agree with the headers of the
 *                         pages they stand for, and an erase count is there
 *
 * Of the last two the volume is as long as blocks go on to look so. One block
 * may have lost its magic to a power cut.
 */
#include "core/bytes.h"
#include "core/host/scan/pass.h"

#include <string.h>

#define WAYS         (7u * 4u * 2u * MARKINGS)
#define GRID         256u
#define BLOCK_MIN    1024u
#define BLOCK_MAX    65536u
#define MAGIC        0x20140529u
#define LOOKUP_MAX   2048u /* blocks of 64 KiB, pages of 128 bytes, long ids */
#define FLAG_UNUSED  0x01u /* of a page's header, until cleared */
#define FLAG_DATA    0x04u
#define BLOCKS_LEAST 3u
#define AGREE_LEAST  6 /* as the driver has it */

enum marking {
    LENGTH,
    PLAIN,
    NONE,
    MARKINGS
};

/* A way to see a volume, by what can be seen in any block of it. */
struct way {
    enum marking marking;
    uint32_t block, page, w; /* bytes: a block, a page, an id */
    uint32_t lookup;         /* bytes that entries take in each block */
};

static const uint16_t pages[] = { 256, 512, 128, 1024 };

static uint32_t lookup_size(const struct way *way)
{
    uint32_t n = way->block / way->page * way->w / way->page;

    return (n ? n : 1) * way->page;
}

static uint32_t word(const struct way *way, const uint8_t *p)
{
    return way->w == 2 ? fp_get_le16(p) : fp_get_le32(p);
}

static uint32_t all_ones(const struct way *way)
{
    return way->w == 2 ? 0xffff : 0xffffffff;
}

/* In the magic's place, what is left when page size is taken out: the number
 * of blocks from here on, or 0 where that has no part in it. */
static uint32_t count_in(const struct way *way, const uint8_t *cell)
{
    return (word(way, cell) ^ MAGIC ^ way->page) & all_ones(way);
}

/* --- blocks without magic --- */

/* Does a page's header belong to the lookup's entry? Both have the id, say that
 * it is an index or not, and that the page is used. */
static bool agrees(const struct way *way, uint32_t entry, const uint8_t *head)
{
    uint32_t index = all_ones(way) / 2 + 1;
    uint8_t flags = head[2 * way->w];

    return (word(way, head) & (index - 1)) == (entry & (index - 1)) &&
           (entry & index) == (flags & FLAG_DATA ? 0 : index) &&
           !(flags & FLAG_UNUSED);
}

/* Entries of a lookup that agree with their pages; -1: it is no lookup, or
 * without an erase count. */
static int count_agreeing(struct fp_host_scan_pass *pass, const struct way *way,
                          uint64_t at)
{
    uint32_t lookup = way->lookup, index = all_ones(way) / 2 + 1;
    uint32_t usable = (way->block - lookup) / way->page;
    uint8_t table[LOOKUP_MAX], head[9];
    int agree = 0, differ = 0;

    if (fp_host_scan_peek(pass, at, table, lookup) ||
        word(way, table + lookup - way->w) & index)
        return -1;
    for (uint32_t e = 0; e < usable; e++) {
        uint32_t entry = word(way, table + e * way->w);

        if (entry == all_ones(way) ||
            fp_host_scan_peek(pass, at + lookup + e * way->page, head,
                              sizeof head))
            break;
        if (entry == 0) /* deleted: the page keeps its id */
            differ += word(way, head) == 0;
        else if (agrees(way, entry, head))
            agree++;
        else
            differ++;
    }
    return differ * 4 > agree ? -1 : agree;
}

/* --- how far a volume goes --- */

static bool has_magic(struct fp_host_scan_pass *pass, const struct way *way,
                      uint64_t at, uint32_t want)
{
    uint8_t cell[4];

    return fp_host_scan_peek(pass, at + way->lookup - 2 * way->w, cell,
                             way->w) == FP_OK &&
           count_in(way, cell) == want;
}

/* Do `count` blocks from `at` on have the magic that tells their count, all
 * but one? Those behind the end of the dump are no matter. */
static bool is_counted(struct fp_host_scan_pass *pass, const struct way *way,
                       uint64_t at, uint32_t count)
{
    uint32_t bad = 0, good = 0;

    for (uint32_t b = 0; b < count && bad < 2; b++) {
        if (at + (uint64_t)b * way->block + way->block > pass->size)
            break;
        if (has_magic(pass, way, at + (uint64_t)b * way->block, count - b))
            good++;
        else
            bad++;
    }
    return bad < 2 && good > bad + 1;
}

/* Blocks that look alike, at most to the limit; one in between that does not
 * may be one that lost power. 0: too few. */
static uint32_t run_of(struct fp_host_scan_pass *pass, const struct way *way,
                       uint64_t at)
{
    uint32_t count = 0, good = 0, whole = 0;
    int here = 0, agree = 0;

    for (; at + way->block <= pass->limit; at += way->block) {
        if (way->marking == NONE)
            here = count_agreeing(pass, way, at);
        else
            here = has_magic(pass, way, at, 0) ? 0 : -1;
        count++;
        if (here < 0 && count > good + 1)
            break;
        if (here < 0)
            continue;
        agree += here;
        good++;
        whole = count;
    }
    return good < BLOCKS_LEAST || (way->marking == NONE && agree < AGREE_LEAST)
               ? 0
               : whole;
}

/* --- which candidates are worth a look --- */

static bool may_count(const struct fp_host_scan_pass *pass,
                      const struct way *way, uint64_t at, const uint8_t *p,
                      uint32_t size)
{
    uint32_t lookup = way->lookup, count, other;
    const uint8_t *cell = p + lookup - 2 * way->w;

    if (size < lookup)
        return false;
    count = count_in(way, cell);
    if (way->marking == PLAIN)
        return count == 0;
    if (count < BLOCKS_LEAST || count > pass->size / way->block + 1)
        return false;
    /* Chance is ruled out by another block, where it is in sight. */
    for (uint32_t b = 1, bad = 0; b < 3 && b < count; b++) {
        if ((uint64_t)b * way->block + lookup > size ||
            at + (uint64_t)b * way->block + lookup > pass->size)
            return true;
        other = count_in(way, cell + (size_t)b * way->block);
        if (other != count - b && ++bad > 1)
            return false;
    }
    return true;
}

static bool may_agree(const struct way *way, const uint8_t *p, uint32_t size)
{
    uint32_t lookup = way->lookup, index = all_ones(way) / 2 + 1;
    uint32_t agree = 0;

    if (size < lookup + 5 * way->page || word(way, p + lookup - way->w) & index)
        return false;
    for (uint32_t e = 0; e < 4; e++) {
        uint32_t entry = word(way, p + e * way->w);

        if (entry == all_ones(way))
            break;
        if (entry && !agrees(way, entry, p + lookup + e * way->page))
            return false;
        agree += entry != 0;
    }
    return agree > 0;
}

/* Blocks without magic are told from lookup and headers, in which the size of
 * a block has no part but by the number of lookup pages. */
static bool may_be(const struct fp_host_scan_pass *pass, const struct way *way,
                   uint64_t at)
{
    uint32_t size;
    const uint8_t *p = fp_host_scan_bytes(pass, at, &size);

    return way->marking == NONE ? may_agree(way, p, size)
                                : may_count(pass, way, at, p, size);
}

/* The n-th way of all that can be put together; false where it is none. */
static bool make_way(struct way *way, uint32_t n)
{
    way->block = BLOCK_MIN << n % 7;
    n /= 7;
    way->page = pages[n % 4];
    n /= 4;
    way->w = n % 2 ? 4 : 2;
    way->marking = (enum marking)(n / 2);
    way->lookup = lookup_size(way);
    return way->block / way->page >= 3 &&
           way->lookup + 2 * way->page <= way->block;
}

/* In the order of how sure they are, and small blocks first: a volume without
 * length looks also like one of blocks twice as large. Returns how many. */
static uint32_t list_ways(struct way ways[WAYS])
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < WAYS; n++)
        count += make_way(&ways[count], n);
    return count;
}

static bool is_worth_a_look(const struct fp_host_scan_pass *pass,
                            const struct way *ways, uint32_t count, uint64_t at)
{
    for (uint32_t i = 0; i < count; i++)
        if (may_be(pass, &ways[i], at))
            return true;
    return false;
}

static uint64_t next(const struct fp_host_scan_pass *pass, uint64_t from)
{
    uint64_t at = (from + GRID - 1) / GRID * GRID;
    struct way ways[WAYS];
    uint32_t count = list_ways(ways);

    for (; at < pass->win_end; at += GRID) {
        uint32_t size;
        const uint8_t *p = fp_host_scan_bytes(pass, at, &size);

        /* What is one byte again and again, mostly erased flash, is none. */
        if (size < GRID ||
            (memcmp(p, p + 1, GRID - 1) == 0 &&
             (size < 2 * GRID || memcmp(p, p + GRID, GRID) == 0) &&
             (size < 2048 || memcmp(p, p + 1, 2047) == 0)))
            continue;
        if (is_worth_a_look(pass, ways, count, at))
            return at;
    }
    return pass->win_end;
}

/* A volume whose first block has lost its magic looks like one that begins a
 * block later. Its files tell. */
static int look_before(struct fp_host_scan_pass *pass, const struct way *way,
                       uint64_t at, uint64_t size, struct fp_host_region *found,
                       struct fp_host_scan_reads *reads)
{
    struct fp_host_region earlier;
    struct fp_host_scan_reads before;
    int err;

    if (at < pass->floor + way->block)
        return FP_OK;
    err =
        fp_host_scan_settle_spiffs(pass, way->block, way->page, at - way->block,
                                   size + way->block, &earlier, &before);
    if (err == FP_OK && fp_host_scan_reads_better(before, *reads)) {
        *found = earlier;
        *reads = before;
    }
    return err == FP_ERR_CANCELED ? err : FP_OK;
}

/* Blocks from `at` on; 0: this is no volume. */
static uint32_t blocks_of(struct fp_host_scan_pass *pass, const struct way *way,
                          uint64_t at)
{
    uint8_t cell[4];
    uint32_t count;

    if (way->marking != LENGTH)
        return run_of(pass, way, at);
    if (fp_host_scan_peek(pass, at + way->lookup - 2 * way->w, cell, way->w))
        return 0;
    count = count_in(way, cell);
    return is_counted(pass, way, at, count) ? count : 0;
}

static int look_way(struct fp_host_scan_pass *pass, const struct way *way,
                    uint64_t at, struct fp_host_region *found)
{
    uint32_t count = blocks_of(pass, way, at);
    uint64_t size = (uint64_t)count * way->block, there = pass->size - at;
    struct fp_host_scan_reads reads;
    int err;

    if (count == 0)
        return FP_ERR_NOENT;
    if (size > there) { /* the driver wants all of it: nothing to mount */
        *found = (struct fp_host_region){
            .kind = FP_HOST_VOLUME,
            .offset = at,
            .size = there,
            .ops = fp_host_scan_driver(pass, "spiffs"),
            .cfg = { .block_size = way->block,
                     .page_size = way->page,
                     .block_count = count },
            .states_size = true,
            .missing = size - there,
        };
        return FP_OK;
    }
    err = fp_host_scan_settle_spiffs(pass, way->block, way->page, at, size,
                                     found, &reads);
    if (err)
        return err;
    err = look_before(pass, way, at, size, found, &reads);
    if (reads.bad > reads.good)
        err = FP_ERR_NOENT;
    found->states_size = way->marking == LENGTH;
    return err;
}

static int look(struct fp_host_scan_pass *pass, uint64_t at,
                struct fp_host_region *found)
{
    struct way ways[WAYS];
    uint32_t count = list_ways(ways);
    int err = FP_ERR_NOENT;

    if (fp_host_scan_driver(pass, "spiffs") == NULL)
        return FP_ERR_NOENT;
    for (uint32_t i = 0; i < count && err == FP_ERR_NOENT; i++)
        if (may_be(pass, &ways[i], at))
            err = look_way(pass, &ways[i], at, found);
    return err;
}

/* Blocks tell whose they are: none follows. But a volume that fills the dump
 * may have lost its last one's magic, and the driver says whether it does. */
static uint64_t grow(struct fp_host_scan_pass *pass,
                     const struct fp_host_region *volume, uint64_t limit)
{
    (void)pass;
    (void)limit;
    return volume->offset + volume->size;
}

const struct fp_host_scan_finder fp_host_scan_spiffs = {
    .fs = "spiffs",
    .next = next,
    .look = look,
    .grow = grow,
};
