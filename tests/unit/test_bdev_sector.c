/* SPDX-License-Identifier: MIT
 *
 * The sector adapter against a list of writes: whenever the power goes, the
 * volume is what it was after one of them, and none before the last sync is
 * lost. The flash is tests/unit/weak_flash.h, at its worst.
 */
#include "core/bdev/fault.h"
#include "core/bdev/gen.h"
#include "core/bdev/ram.h"
#include "core/bdev/sector.h"
#include "core/bdev/slice.h"
#include "core/bdev/stats.h"
#include "core/bytes.h"
#include "core/digest/crc32.h"
#include "weak_flash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VOLUME_MAX 16384
#define FLASH_MAX  (VOLUME_MAX + 5 * 4096)
#define WRITES     14
#define STATES     (WRITES + 3)

struct geometry {
    uint32_t sector_size, prog_size, block_size;
    uint32_t groups, spares; /* of the volume; in reserve besides two */
    uint32_t step;           /* cuts tried: each, every second ... */
};

static const struct geometry geometries[] = {
    { 512, 16, 1024, 3, 1, 1 },   { 512, 1, 1024, 3, 2, 1 },
    { 512, 256, 2048, 3, 1, 1 },  { 512, 4, 256, 4, 1, 1 },
    { 1024, 8, 512, 4, 3, 1 },    { 512, 16, 4096, 3, 1, 3 },
    { 4096, 256, 4096, 4, 2, 1 },
};

/* --- a volume on flash, a power supply, and what it should hold ----------- */

struct rig {
    const struct geometry *geometry;
    uint32_t group_size, volume_size;
    struct weak_flash flash;
    uint8_t mem[FLASH_MAX], undecided[FLASH_MAX], programmed[FLASH_MAX];
    struct fp_bdev_slice volume, reserve;
    struct fp_bdev_sector sector;
    uint8_t buf[4096], seen[VOLUME_MAX];
    uint8_t states[STATES][VOLUME_MAX]; /* after each write */
    uint32_t written, synced; /* writes begun, and before the last sync */
};

static int start(struct rig *rig)
{
    const struct fp_bdev_sector_config cfg = {
        .sector_size = rig->geometry->sector_size,
        .buf = rig->buf,
    };

    weak_flash_power_on(&rig->flash);
    return fp_bdev_sector_init(&rig->sector, &rig->volume.bdev,
                               &rig->reserve.bdev, &cfg);
}

static void set_up(struct rig *rig, const struct geometry *g)
{
    uint32_t group =
        g->block_size > g->sector_size ? g->block_size : g->sector_size;
    uint32_t groups = g->groups + 2 + g->spares;

    rig->geometry = g;
    rig->group_size = group;
    rig->volume_size = group * g->groups;
    assert_true(rig->volume_size <= VOLUME_MAX);
    weak_flash_init(&rig->flash, g->prog_size, g->block_size,
                    groups * group / g->block_size, rig->mem, rig->undecided,
                    rig->programmed);
    /* What was on the flash before, the reserve included, is anything. */
    for (uint32_t i = 0; i < FLASH_MAX; i++)
        rig->mem[i] = (uint8_t)(i * 7 + i / 251);
    memset(rig->undecided, 0, sizeof rig->undecided);
    memset(rig->programmed, 1, sizeof rig->programmed);
    memcpy(rig->states[0], rig->mem, rig->volume_size);
    rig->written = rig->synced = 0;
    assert_int_equal(
        fp_bdev_slice_init(&rig->volume, &rig->flash.bdev, 0, rig->volume_size),
        FP_OK);
    assert_int_equal(fp_bdev_slice_init(&rig->reserve, &rig->flash.bdev,
                                        rig->volume_size,
                                        (groups - g->groups) * group),
                     FP_OK);
    assert_int_equal(start(rig), FP_OK);
    assert_int_equal(fp_bdev_size(&rig->sector.bdev), rig->volume_size);
}

/* Content that is told from that of every other write; some as FAT writes it:
 * erased, zero, and nearly what was there. */
static void content_of(uint8_t *buf, uint32_t size, uint32_t write)
{
    if (write % 7 == 3)
        memset(buf, 0xff, size);
    else if (write % 7 == 5)
        memset(buf, 0, size);
    else
        for (uint32_t i = 0; i < size; i++)
            buf[i] = (uint8_t)(i * 3 + write * 41 + i / 256);
}

static uint32_t sector_count(const struct rig *rig)
{
    return rig->volume_size / rig->geometry->sector_size;
}

/* The next write, and its state beforehand. */
static int write_one(struct rig *rig, uint32_t sector, uint32_t tag)
{
    const uint32_t size = rig->geometry->sector_size;
    uint8_t *state = rig->states[rig->written + 1], content[4096];

    content_of(content, size, tag);
    memcpy(state, rig->states[rig->written], rig->volume_size);
    memcpy(state + sector * size, content, size);
    rig->written++;
    return fp_bdev_prog(&rig->sector.bdev, (fp_addr)sector * size, content,
                        size);
}

static int sync_all(struct rig *rig)
{
    uint32_t before = rig->written;
    int err = fp_bdev_sync(&rig->sector.bdev);

    if (!err)
        rig->synced = before;
    return err;
}

/* Neighbours, returns to the same sector, jumps; a sync now and then. */
static int write_all(struct rig *rig)
{
    static const uint8_t at[WRITES] = {
        0, 1, 1, 5, 4, 0, 2, 3, 3, 5, 0, 1, 2, 2
    };
    int err = FP_OK;

    for (uint32_t i = 0; i < WRITES && !err; i++) {
        err = write_one(rig, at[i] % sector_count(rig), i);
        if (!err && i % 5 == 4)
            err = sync_all(rig);
    }
    return err;
}

static void look(struct rig *rig)
{
    assert_int_equal(
        fp_bdev_read(&rig->sector.bdev, 0, rig->seen, rig->volume_size), FP_OK);
}

/* The state that is seen: that after the last sync or a later one. */
static uint32_t state_seen(struct rig *rig)
{
    look(rig);
    for (uint32_t k = rig->written + 1; k-- > rig->synced;)
        if (memcmp(rig->seen, rig->states[k], rig->volume_size) == 0)
            return k;
    fail_msg("ops=%u writes=%u synced=%u: no state of the volume",
             rig->flash.ops, rig->written, rig->synced);
    return 0;
}

static bool sees(struct rig *rig, const uint8_t *state)
{
    look(rig);
    return memcmp(rig->seen, state, rig->volume_size) == 0;
}

/* --- power cuts ----------------------------------------------------------- */

static struct rig rig, saved;

/* After a cut: one more write, cut at each of its operations, the recovery's
 * included, and another start after that. */
static uint32_t cut_recovery(uint64_t seed)
{
    uint32_t tried = 0;
    static uint8_t found[VOLUME_MAX];

    saved = rig;
    for (uint32_t nth = 1;; nth++) {
        uint32_t k;
        int err;

        rig = saved;
        rig.flash.random = seed + nth;
        assert_int_equal(start(&rig), FP_OK);
        k = state_seen(&rig);
        memcpy(found, rig.states[k], rig.volume_size);
        /* From here the list goes on behind what was found. */
        memcpy(rig.states[rig.written], found, rig.volume_size);
        weak_flash_cut(&rig.flash, nth, seed * 31 + nth);
        err = write_one(&rig, nth % sector_count(&rig), 100 + nth);
        if (!err)
            err = sync_all(&rig);
        tried++;

        assert_int_equal(start(&rig), FP_OK);
        if (!err) {
            assert_true(sees(&rig, rig.states[rig.written]));
            return tried;
        }
        /* What the list had there is what was found, so it may be gone. */
        memcpy(rig.states[rig.written - 1], saved.states[saved.written],
               rig.volume_size);
        if (!sees(&rig, rig.states[rig.written]))
            (void)state_seen(&rig);
        assert_int_equal(write_one(&rig, 0, 77), FP_OK);
        assert_int_equal(sync_all(&rig), FP_OK);
    }
}

static uint32_t cut_everywhere(const struct geometry *g, uint64_t seed)
{
    uint32_t tried = 0;

    for (uint32_t nth = 1;; nth += g->step) {
        set_up(&rig, g);
        weak_flash_cut(&rig.flash, nth, seed + nth);
        if (write_all(&rig) == FP_OK && sync_all(&rig) == FP_OK)
            return tried;
        tried += 1 + cut_recovery(seed + nth);
    }
}

static void a_cut_anywhere_leaves_one_of_the_states(void **state)
{
    uint32_t total = 0;

    (void)state;
    for (size_t i = 0; i < sizeof geometries / sizeof geometries[0]; i++)
        for (uint64_t seed = 1; seed <= 6; seed++) {
            uint32_t tried = cut_everywhere(&geometries[i], seed << 32);

            assert_true(tried > 100);
            total += tried;
        }
    printf("%u cuts, of which nearly all in a second start\n", total);
}

/* Cut after cut, starts that only begin to recover among them. What may be
 * seen is what might have been before, and what was written since. */
#define MAYBE_MAX 64

static uint8_t maybe[MAYBE_MAX][VOLUME_MAX];
static uint32_t maybe_count;

static uint32_t pick(uint64_t *random, uint32_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % below;
}

static void now_is_one_of_them(void)
{
    look(&rig);
    for (uint32_t i = 0; i < maybe_count; i++)
        if (memcmp(rig.seen, maybe[i], rig.volume_size) == 0)
            return;
    fail_msg("ops=%u: none of %u states of the volume", rig.flash.ops,
             maybe_count);
}

/* Some writes and perhaps a sync; false if the power went. */
static bool write_some(uint64_t *random)
{
    rig.written = rig.synced = 0;
    memcpy(rig.states[0], rig.seen, rig.volume_size);
    for (uint32_t left = 1 + pick(random, 4); left > 0; left--) {
        int err = write_one(&rig, pick(random, sector_count(&rig)),
                            pick(random, 1000));

        memcpy(maybe[maybe_count++], rig.states[rig.written], rig.volume_size);
        if (err)
            return false;
    }
    if (sync_all(&rig) != FP_OK)
        return false;
    memcpy(maybe[0], rig.states[rig.written], rig.volume_size);
    maybe_count = 1;
    return true;
}

static void cut_after_cut_leaves_one_of_the_states(void **state)
{
    uint64_t random = 1;
    uint32_t cuts = 0;

    (void)state;
    for (uint32_t walk = 0; walk < 40 * sizeof geometries / sizeof *geometries;
         walk++) {
        set_up(&rig,
               &geometries[walk % (sizeof geometries / sizeof *geometries)]);
        memcpy(maybe[0], rig.states[0], rig.volume_size);
        maybe_count = 1;
        for (int round = 0; round < 100; round++) {
            /* Room for one more round of writes, if it is not cut. */
            bool calm = maybe_count > MAYBE_MAX - 8;

            assert_int_equal(start(&rig), FP_OK);
            now_is_one_of_them();
            weak_flash_cut(&rig.flash, calm ? 0 : 1 + pick(&random, 30),
                           random);
            cuts += !write_some(&random);
        }
    }
    printf("%u cuts, one after the other\n", cuts);
}

/* Once at rest, what others change stays: a firmware without the adapter. */
static void a_change_by_others_at_rest_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof geometries / sizeof geometries[0]; i++) {
        set_up(&rig, &geometries[i]);
        assert_int_equal(write_all(&rig), FP_OK);
        assert_int_equal(sync_all(&rig), FP_OK);
        for (uint32_t at = 0; at < rig.volume_size; at += 100)
            rig.mem[at] ^= 0xff;
        assert_int_equal(start(&rig), FP_OK);
        assert_true(sees(&rig, rig.mem));
        assert_int_equal(write_one(&rig, 1, 99), FP_OK);
        assert_int_equal(sync_all(&rig), FP_OK);
        rig.mem[0] ^= 0xff;
        assert_int_equal(rig.mem[0], rig.states[WRITES][0]);
    }
}

/* --- without cuts --------------------------------------------------------- */

static void at_rest_the_flash_holds_the_volume_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof geometries / sizeof geometries[0]; i++) {
        set_up(&rig, &geometries[i]);
        assert_int_equal(write_all(&rig), FP_OK);
        assert_true(sees(&rig, rig.states[WRITES])); /* in the window, too */
        assert_int_equal(sync_all(&rig), FP_OK);
        assert_memory_equal(rig.mem, rig.states[WRITES], rig.volume_size);
        assert_int_equal(start(&rig), FP_OK);
        assert_true(sees(&rig, rig.states[WRITES]));
    }
}

static void reads_of_any_range_find_what_is_in_the_window(void **state)
{
    uint8_t buf[1500];

    (void)state;
    set_up(&rig, &geometries[0]);
    assert_int_equal(write_one(&rig, 3, 1), FP_OK);
    for (uint32_t off = 0; off + 1500 < rig.volume_size; off += 37) {
        assert_int_equal(fp_bdev_read(&rig.sector.bdev, off, buf, 1500), FP_OK);
        assert_memory_equal(buf, rig.states[1] + off, 1500);
    }
}

static void a_mark_is_seen_and_not_written_on_a_read_only_device(void **state)
{
    uint32_t ops, undone = 0;

    (void)state;
    for (uint32_t nth = 1; nth < 60; nth++) {
        set_up(&rig, &geometries[0]);
        weak_flash_cut(&rig.flash, nth, nth);
        if (write_all(&rig) == FP_OK)
            break;
        rig.flash.bdev.flags |= FP_BDEV_RDONLY;
        rig.volume.bdev.flags |= FP_BDEV_RDONLY;
        rig.reserve.bdev.flags |= FP_BDEV_RDONLY;
        ops = rig.flash.ops;
        assert_int_equal(start(&rig), FP_OK);
        undone +=
            memcmp(rig.mem, rig.states[state_seen(&rig)], rig.volume_size) != 0;
        assert_int_equal(fp_bdev_prog(&rig.sector.bdev, 0, rig.buf, 512),
                         FP_ERR_ROFS);
        assert_int_equal(fp_bdev_sync(&rig.sector.bdev), FP_OK);
        assert_int_equal(rig.flash.ops, ops);
    }
    assert_true(undone > 5);
}

/* Two groups of the journal and one spare behind a volume of four groups. */
struct plain {
    uint8_t mem[7 * 4096], buf[512];
    uint32_t erases[7];
    struct fp_bdev_ram ram;
    struct fp_bdev_gen gen;
    struct fp_bdev_fault fault;
    struct fp_bdev_stats stats;
    struct fp_bdev_slice volume, reserve;
    struct fp_bdev_sector sector;
    uint8_t scratch[4096];
    uint32_t ms;
};

static uint32_t clock_of(void *ctx)
{
    return *(uint32_t *)ctx;
}

static int start_plain(struct plain *p)
{
    const struct fp_bdev_sector_config cfg = { .buf = p->buf };

    return fp_bdev_sector_init(&p->sector, &p->volume.bdev, &p->reserve.bdev,
                               &cfg);
}

static void set_up_plain(struct plain *p, uint32_t volume_groups)
{
    const uint32_t volume_size = volume_groups * 4096;
    const struct fp_bdev_gen_config cfg = { .clock_ms = clock_of,
                                            .clock_ctx = &p->ms };
    const struct fp_bdev_stats_config counts = { .erases = p->erases };

    memset(p, 0, sizeof *p);
    memset(p->mem, 0xff, sizeof p->mem);
    fp_bdev_ram_init(&p->ram, 16, 4096, 7, p->mem);
    assert_int_equal(fp_bdev_gen_init(&p->gen, &p->ram.bdev, &cfg), FP_OK);
    fp_bdev_fault_init(&p->fault, &p->gen.bdev, p->scratch, 1);
    fp_bdev_stats_init(&p->stats, &p->fault.bdev, &counts);
    assert_int_equal(
        fp_bdev_slice_init(&p->volume, &p->stats.bdev, 0, volume_size), FP_OK);
    assert_int_equal(fp_bdev_slice_init(&p->reserve, &p->stats.bdev,
                                        volume_size,
                                        sizeof p->mem - volume_size),
                     FP_OK);
    assert_int_equal(start_plain(p), FP_OK);
}

static struct plain plain;

static uint64_t erases_so_far(void)
{
    return plain.stats.count[FP_BDEV_ERASE].calls;
}

static void sectors_of_one_block_cost_one_redo(void **state)
{
    static uint8_t content[4096];
    uint64_t before;

    (void)state;
    set_up_plain(&plain, 4);
    memset(content, 0x5a, sizeof content);
    /* The first one after a start also begins the journal's other half. */
    assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 0, content, 512), FP_OK);
    assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
    assert_int_equal(erases_so_far(), 3);

    before = erases_so_far();
    assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 4096, content, 4096),
                     FP_OK);
    assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
    assert_int_equal(erases_so_far() - before, 2);

    /* One at a time, in any order. */
    before = erases_so_far();
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(fp_bdev_prog(&plain.sector.bdev,
                                      8192 + i * 5 % 8 * 512, content, 512),
                         FP_OK);
    assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
    assert_int_equal(erases_so_far() - before, 2);

    /* What is there already costs nothing. */
    before = erases_so_far();
    assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 4096, content, 4096),
                     FP_OK);
    assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
    assert_int_equal(erases_so_far(), before);
}

/* 63 redos fill a half of the journal: 128 records of 32 bytes, two each. */
static void spares_and_journal_wear_evenly(void **state)
{
    (void)state;
    set_up_plain(&plain, 2); /* two of journal, three spares */
    for (uint32_t i = 0; i < 300; i++) {
        uint8_t content[512] = { (uint8_t)i, (uint8_t)(i >> 8), 1 };

        assert_int_equal(
            fp_bdev_prog(&plain.sector.bdev, i % 2 * 4096, content, 512),
            FP_OK);
    }
    assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
    assert_int_equal(plain.erases[0], 150);
    assert_int_equal(plain.erases[1], 150);
    assert_int_equal(plain.erases[2] + plain.erases[3], 5); /* 600 / 128 */
    for (uint32_t i = 4; i < 7; i++)
        assert_int_equal(plain.erases[i], 100);
}

/* Frozen at any moment: the call is made again and nothing is missing. */
static void a_freeze_costs_nothing(void **state)
{
    (void)state;
    set_up_plain(&plain, 4);
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t content[512] = { (uint8_t)i, 2 }, seen[512];
        fp_addr off = (fp_addr)(i % 4) * 4096 + 512;
        int err;

        assert_int_equal(fp_bdev_gen_freeze(&plain.gen, 1000), FP_OK);
        err = fp_bdev_prog(&plain.sector.bdev, off, content, 512);
        assert_int_equal(err, FP_ERR_BUSY);
        fp_bdev_gen_thaw(&plain.gen);
        assert_int_equal(fp_bdev_prog(&plain.sector.bdev, off, content, 512),
                         FP_OK);
        assert_int_equal(fp_bdev_gen_freeze(&plain.gen, 1000), FP_OK);
        assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_ERR_BUSY);
        assert_int_equal(fp_bdev_read(&plain.sector.bdev, off, seen, 512),
                         FP_OK);
        assert_memory_equal(seen, content, 512);
        fp_bdev_gen_thaw(&plain.gen);
        assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
        assert_memory_equal(plain.mem + off, content, 512);
    }
}

/* An error of the flash at call 1, 2, 3 ...: no later write is taken, reads
 * stay right, and after a new start the volume is old or new. */
static void an_error_below_ends_the_order_of_writes(void **state)
{
    static const enum fp_bdev_op ops[] = { FP_BDEV_PROG, FP_BDEV_ERASE };
    uint8_t a[512], b[512], seen[512];

    (void)state;
    memset(a, 0x11, sizeof a);
    memset(b, 0x22, sizeof b);
    for (uint32_t kind = 0; kind < 2; kind++)
        for (uint32_t nth = 1;; nth++) {
            int err;

            set_up_plain(&plain, 4);
            assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 0, a, 512),
                             FP_OK);
            assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
            fp_bdev_fault_fail(&plain.fault, ops[kind], nth);
            err = fp_bdev_prog(&plain.sector.bdev, 512, b, 512);
            if (!err)
                err = fp_bdev_sync(&plain.sector.bdev);
            if (!err)
                break; /* nth lies behind what is done */
            assert_int_equal(err, FP_ERR_IO);
            assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 4096, b, 512),
                             FP_ERR_IO);
            assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_ERR_IO);
            assert_int_equal(fp_bdev_read(&plain.sector.bdev, 0, seen, 512),
                             FP_OK);
            assert_memory_equal(seen, a, 512);

            assert_int_equal(start_plain(&plain), FP_OK);
            assert_int_equal(fp_bdev_read(&plain.sector.bdev, 0, seen, 512),
                             FP_OK);
            assert_memory_equal(seen, a, 512);
            assert_int_equal(fp_bdev_read(&plain.sector.bdev, 512, seen, 512),
                             FP_OK);
            assert_true(memcmp(seen, b, 512) == 0 || seen[0] == 0xff);
            assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 512, b, 512),
                             FP_OK);
            assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
            assert_memory_equal(plain.mem, a, 512);
            assert_memory_equal(plain.mem + 512, b, 512);
        }
}

static void a_start_that_cannot_read_says_so(void **state)
{
    (void)state;
    set_up_plain(&plain, 4);
    fp_bdev_fault_fail(&plain.fault, FP_BDEV_READ, 1);
    assert_int_equal(start_plain(&plain), FP_ERR_IO);
    assert_int_equal(start_plain(&plain), FP_OK);
}

/* Records with a good check code that no adapter wrote. */
static void a_hostile_record_is_no_mark(void **state)
{
    static const uint32_t records[][2] = {
        /* group's sector, spare */
        { 32, 0 },         { 0x7fffffff, 0 }, { 1, 0 },
        { 0, 1 },          { 0, 2 },          { 0, 0xffffffff },
        { 0, 0xfffffffe }, { 0, 0x80000000 }, { 0xffffffff, 0xfffffffd },
    };
    uint8_t seen[512];

    (void)state;
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        uint8_t *record;

        set_up_plain(&plain, 4);
        memset(plain.mem, 0x33, 4 * 4096);
        record = plain.mem + 4 * 4096;
        fp_put_le32(record, 0xfffffff0);
        fp_put_le32(record + 4, records[i][0]);
        fp_put_le32(record + 8, records[i][1]);
        fp_put_le32(record + 12,
                    fp_crc32(0xffffffff, plain.mem + 6 * 4096, 4096));
        fp_put_le32(record + 16, fp_crc32(0x4a535046, record, 16));
        assert_int_equal(start_plain(&plain), FP_OK);
        assert_int_equal(fp_bdev_read(&plain.sector.bdev, 0, seen, 512), FP_OK);
        assert_int_equal(seen[0], 0x33);
        memset(seen, 0x44, sizeof seen);
        assert_int_equal(fp_bdev_prog(&plain.sector.bdev, 4096, seen, 512),
                         FP_OK);
        assert_int_equal(fp_bdev_sync(&plain.sector.bdev), FP_OK);
        assert_int_equal(plain.mem[0], 0x33);
        assert_int_equal(plain.mem[4096], 0x44);
        assert_int_equal(plain.mem[4096 + 512], 0x33);
    }
}

static int init_with(uint32_t sector_size, uint32_t prog_size,
                     uint32_t block_size, uint32_t volume_blocks,
                     uint32_t reserve_blocks)
{
    static uint8_t buf[8192];
    static struct fp_bdev_sector sector;
    const struct fp_bdev_sector_config cfg = { .sector_size = sector_size,
                                               .buf = buf };
    struct fp_bdev_ram volume, reserve;
    size_t size = (size_t)block_size * (volume_blocks + reserve_blocks);
    uint8_t *mem = malloc(size);
    int err;

    assert_non_null(mem);
    memset(mem, 0xff, size);
    fp_bdev_ram_init(&volume, prog_size, block_size, volume_blocks, mem);
    fp_bdev_ram_init(&reserve, prog_size, block_size, reserve_blocks,
                     mem + (size_t)block_size * volume_blocks);
    err = fp_bdev_sector_init(&sector, &volume.bdev, &reserve.bdev, &cfg);
    if (!err)
        assert_int_equal(sector.bdev.flags,
                         FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG);
    free(mem);
    return err;
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(init_with(0, 16, 4096, 4, 3), FP_OK);
    assert_int_equal(init_with(512, 16, 4096, 4, 2), FP_ERR_INVAL);
    assert_int_equal(init_with(256, 16, 4096, 4, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(1536, 16, 1536, 4, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(8192, 16, 8192, 4, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(1024, 16, 1536, 4, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(512, 1024, 4096, 4, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(512, 16, 131072, 1, 3), FP_OK);
    assert_int_equal(init_with(512, 16, 262144, 1, 3), FP_ERR_INVAL);
    assert_int_equal(init_with(1024, 16, 262144, 1, 3), FP_OK);
    assert_int_equal(init_with(512, 4, 64, 7, 24), FP_ERR_INVAL);
    assert_int_equal(init_with(512, 4, 64, 8, 24), FP_OK);
    assert_int_equal(init_with(512, 4, 64, 8, 23), FP_ERR_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_rest_the_flash_holds_the_volume_itself),
        cmocka_unit_test(reads_of_any_range_find_what_is_in_the_window),
        cmocka_unit_test(sectors_of_one_block_cost_one_redo),
        cmocka_unit_test(spares_and_journal_wear_evenly),
        cmocka_unit_test(a_freeze_costs_nothing),
        cmocka_unit_test(an_error_below_ends_the_order_of_writes),
        cmocka_unit_test(a_start_that_cannot_read_says_so),
        cmocka_unit_test(a_hostile_record_is_no_mark),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(a_mark_is_seen_and_not_written_on_a_read_only_device),
        cmocka_unit_test(a_change_by_others_at_rest_is_kept),
        cmocka_unit_test(a_cut_anywhere_leaves_one_of_the_states),
        cmocka_unit_test(cut_after_cut_leaves_one_of_the_states),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
