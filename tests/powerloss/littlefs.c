/* SPDX-License-Identifier: MIT
 *
 * Power cuts on littlefs: a scripted workload, and in each of its steps a cut
 * at every single program and erase, with nothing, half, some bits or all of
 * the last operation landed. After each cut the volume is mounted and its tree
 * must be that before the step or that after it; then it is written to, which
 * repairs, and must still hold the same tree. A sample of the images goes
 * through the checker that knows nothing of the driver, as cut and as repaired.
 *
 * Further passes cut the repair as well, and run on flash with bad blocks.
 *
 *     powerloss_littlefs             prints the cuts, exits 0 or 1
 *     FP_POWERLOSS_CHECK=n           every nth image through the checker
 */
#define _POSIX_C_SOURCE 200809L

#include "core/fs/littlefs/littlefs.h"
#include "core/bdev/fault.h"
#include "core/bdev/ram.h"
#include "core/digest/crc32.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct geometry {
    uint32_t block_size, block_count, prog_size;
    int32_t cycles;
    uint32_t cache_size; /* the smaller, the more programs to cut */
    uint32_t version;
};

static const struct geometry *geo;
static struct fp_bdev_ram ram;
static struct fp_bdev_fault fault;
static uint8_t *mem, *before, *scratch, *ws;
static size_t mem_size, ws_size;
static struct fp_mount mnt;
static uint64_t cuts, checked, check_every = 2000, failures;

static void complain(const char *what, int step, uint32_t nth, int tear,
                     int err)
{
    char name[] = "/tmp/powerloss-failed-XXXXXX";
    FILE *out = fdopen(mkstemp(name), "wb");

    if (out) {
        (void)!fwrite(mem, 1, mem_size, out);
        fclose(out);
    }
    fprintf(stderr,
            "block %u prog %u cycles %d: step %d, write %u, tear %d: %s (%s), "
            "image kept in %s\n",
            geo->block_size, geo->prog_size, (int)geo->cycles, step, nth, tear,
            what, fp_strerror(err), name);
    if (++failures > 10)
        exit(1);
}

/* --- the workload --- */

static int put(const char *path, uint32_t flags, uint32_t off, uint32_t size,
               uint8_t seed)
{
    struct fp_file file;
    uint8_t buf[100];
    int err = fp_fs_open(&mnt, &file, path, flags | FP_O_WRITE), closed;

    if (err)
        return err;
    if (fp_fs_seek(&file, off, FP_SEEK_SET) < 0)
        err = FP_ERR_IO;
    for (uint32_t done = 0; done < size && !err;) {
        uint32_t n = size - done < sizeof buf ? size - done : sizeof buf;
        int32_t put_now;

        for (uint32_t i = 0; i < n; i++)
            buf[i] = (uint8_t)(seed + (done + i) * 7 / 3);
        put_now = fp_fs_write(&file, buf, n);
        err = put_now < 0 ? put_now : FP_OK;
        done += n;
    }
    if (!err && flags & FP_O_STAGE)
        err = fp_fs_fsync(&file);
    if (!err && flags & FP_O_STAGE)
        err = fp_fs_commit(&file, &(struct fp_commit_meta){ true, 123456789 });
    closed = fp_fs_close(&file);
    return err ? err : closed;
}

#define NEW    (FP_O_CREATE | FP_O_TRUNC)
#define STAGED (FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE)
#define STEPS  330

static int named(const char *format, int i, int (*fn)(const char *))
{
    char path[64];

    snprintf(path, sizeof path, format, i);
    return fn(path);
}

static int small(const char *path)
{
    return put(path, NEW, 0, 20, (uint8_t)path[3]);
}

static int gone(const char *path)
{
    return fp_fs_remove(&mnt, path);
}

/* Something, the same for the same i: renames above all, of files and of
 * directories, from one directory to another. What cannot be done changes
 * nothing. */
static int any(int i)
{
    static const char *paths[] = { "/p",   "/q",   "/p/x",   "/q/x", "/p/y",
                                   "/q/y", "/p/d", "/q/d",   "/z",   "/p/d/x",
                                   "/w",   "/w/x", "/q/d/x", "/w/d", "/v" };
    const uint32_t count = sizeof paths / sizeof *paths;
    uint32_t dice = fp_crc32(1, &i, sizeof i);
    const char *a = paths[dice % count], *b = paths[dice / 64 % count];

    if (i < 153)
        return fp_fs_mkdir(&mnt, paths[i == 150 ? 0 : i == 151 ? 1 : 10]);
    switch (dice / 4096 % 8) {
    case 0:
        return fp_fs_mkdir(&mnt, a);
    case 1:
        return fp_fs_remove(&mnt, a);
    case 2:
    case 3:
        return put(a, STAGED, 0, dice >> 20, (uint8_t)i);
    default:
        return fp_fs_rename(&mnt, a, b, 0);
    }
}

/* One step: what it names must be atomic. */
static int step(int i)
{
    uint32_t block = geo->block_size;

    switch (i) {
    case 0:
        return put("/small", NEW, 0, 30, 1);
    case 1:
        return put("/large", NEW, 0, block * 3, 2);
    case 2:
        return fp_fs_mkdir(&mnt, "/a");
    case 3:
        return fp_fs_mkdir(&mnt, "/b");
    case 4:
        return put("/a/f", NEW, 0, block + block / 2, 3);
    case 5:
        return put("/large", FP_O_APPEND, 0, 150, 4);
    case 6:
        return put("/large", 0, block + 10, 50, 5);
    case 7:
        return put("/small", NEW, 0, 25, 6);
    case 8:
        return fp_fs_rename(&mnt, "/a/f", "/b/g", 0);
    case 9:
        return put("/a/f", STAGED, 0, block, 7);
    case 10:
        return fp_fs_rename(&mnt, "/a/f", "/b/g", 0);
    case 11:
        return put("/b/g", STAGED, 0, 40, 8);
    case 12:
        return fp_fs_mkdir(&mnt, "/a/deep");
    case 13:
        return fp_fs_rename(&mnt, "/a/deep", "/b/deep", 0);
    case 14:
        return put("/b/deep/h", NEW, 0, 10, 9);
    case 15:
        return fp_fs_rename(&mnt, "/b/deep", "/c", 0);
    case 16:
        return fp_fs_mkdir(&mnt, "/empty");
    case 17:
        return fp_fs_rename(&mnt, "/c", "/empty", 0);
    case 18:
        return fp_fs_setattr(&mnt, "/small", 7, "attribute", 9);
    case 19:
        return fp_fs_settime(&mnt, "/small", 1000000007);
    case 20:
        return fp_fs_rename(&mnt, "/small", "/b/small", 0);
    case 21:
        return fp_fs_setattr(&mnt, "/b/small", 7, NULL, 0);
    case 22:
        return fp_fs_remove(&mnt, "/large");
    case 23:
        return fp_fs_remove(&mnt, "/a");
    case 24:
        return fp_fs_setattr(&mnt, "/", 9, "root", 4);
    case 25:
        return fp_fs_rename(&mnt, "/b/small", "/small", 0);
    case 26:
        return fp_fs_rename(&mnt, "/small", "/smaller", 0);
    default:
        break;
    }
    if (i < 70) /* splits the directory */
        return named("/b/file-%03d.txt", i, small);
    if (i < 75)
        return put("/smaller", NEW, 0, (uint32_t)i, (uint8_t)i);
    if (i < 110) /* empties it again, continuations and all */
        return named("/b/file-%03d.txt", i - 75 + 27, gone);
    if (i < 140) /* wears one pair until it moves, when cycles are few */
        return put("/empty/h", NEW, 0, 12, (uint8_t)i);
    if (i < 145)
        return put("/smaller", STAGED, 0, block * (uint32_t)(i - 139), 3);
    if (i < 150)
        return named("/b/file-%03d.txt", i - 145 + 62, gone);
    return any(i);
}

/* Answers of a step that had nothing to do. */
static bool is_refusal(int err)
{
    return err == FP_ERR_NOENT || err == FP_ERR_EXIST || err == FP_ERR_ISDIR ||
           err == FP_ERR_NOTDIR || err == FP_ERR_NOTEMPTY ||
           err == FP_ERR_INVAL;
}

static int do_step(int i)
{
    int err = step(i);

    return i >= 150 && is_refusal(err) ? FP_OK : err;
}

/* --- the tree in a number --- */

static uint32_t add(uint32_t crc, const char *path, const struct fp_stat *st,
                    int *err)
{
    uint8_t buf[500];
    struct fp_file file;
    int32_t n;

    crc = fp_crc32(crc, path, strlen(path) + 1);
    crc = fp_crc32(crc, &st->type, 1);
    crc = fp_crc32(crc, &st->mtime_ns, sizeof st->mtime_ns);
    for (int type = 7; type <= 9; type += 2) {
        n = fp_fs_getattr(&mnt, path, (uint8_t)type, buf, sizeof buf);
        if (n > 0)
            crc = fp_crc32(crc, buf, (size_t)n);
    }
    if (st->type == FP_TYPE_DIR)
        return crc;
    *err = fp_fs_open(&mnt, &file, path, FP_O_READ);
    if (*err)
        return crc;
    while ((n = fp_fs_read(&file, buf, sizeof buf)) > 0)
        crc = fp_crc32(crc, buf, (size_t)n);
    *err = n;
    fp_fs_close(&file);
    return crc;
}

/* Sums entries, so that order does not matter. */
static int tree(uint32_t *sum)
{
    static char todo[200][80];
    int count = 1, err = FP_OK, listed = 0;
    struct fp_stat st;

    *sum = 0;
    strcpy(todo[0], "/");
    for (int i = 0; i < count && !err; i++) {
        struct fp_dirent entry;
        struct fp_dir dir;
        char path[400];

        err = fp_fs_stat(&mnt, todo[i], &st);
        if (!err)
            *sum += add(1, todo[i], &st, &err);
        if (err || st.type != FP_TYPE_DIR)
            continue;
        err = fp_fs_opendir(&mnt, &dir, todo[i]);
        if (err)
            break;
        while ((listed = fp_fs_readdir(&dir, &entry)) > 0) {
            snprintf(path, sizeof path, "%.79s/%.255s", i ? todo[i] : "",
                     entry.name);
            if (count == 200 || strlen(path) >= sizeof todo[0])
                err = FP_ERR_CORRUPT;
            else
                strcpy(todo[count++], path);
        }
        fp_fs_closedir(&dir);
        if (listed < 0)
            err = listed;
    }
    return err;
}

/* --- cutting --- */

static int mount_now(void)
{
    struct fp_fs_config cfg = { .block_size = geo->block_size,
                                .cache_size = geo->cache_size,
                                .block_cycles = geo->cycles };

    return fp_fs_mount(&mnt, &fp_fs_littlefs, &fault.bdev, &cfg, ws, ws_size);
}

/* Not --settled: a torn append to a pair stays behind that pair's last commit
 * until the next write to it. */
static void run_checker(int at, uint32_t nth, int tear)
{
    char image[] = "/tmp/powerloss-XXXXXX", cmd[600];
    FILE *out = fdopen(mkstemp(image), "wb");

    if (!out || fwrite(mem, 1, mem_size, out) != mem_size || fclose(out))
        exit(1);
    checked++;
    snprintf(cmd, sizeof cmd,
             "/usr/bin/python3 " FP_TEST_TOOLS "/littlefs_check.py "
             "--block-size %u --prog-size %u %s >%s.txt",
             geo->block_size, geo->prog_size, image, image);
    if (system(cmd)) {
        complain("the checker objects", at, nth, tear, FP_ERR_CORRUPT);
        snprintf(cmd, sizeof cmd, "grep -v '^file\\|^dir' %s.txt >&2", image);
        if (system(cmd))
            exit(1);
    }
    snprintf(cmd, sizeof cmd, "%s.txt", image);
    remove(cmd);
    remove(image);
}

/* The driver's own check: a cut leaves pending work, never an error. */
static int check(void)
{
    struct fp_step all = { .kind = FP_STEP_CHECK };
    int err = FP_OK;

    while (!err && !all.done)
        err = fp_fs_step(&mnt, &all);
    return !err && all.errors + all.warnings ? FP_ERR_CORRUPT : err;
}

/* A write, and its undoing: the first of them repairs. */
static int touch(void)
{
    int err = fp_fs_setattr(&mnt, "/", 200, "x", 1);

    return err ? err : fp_fs_setattr(&mnt, "/", 200, NULL, 0);
}

/* After a cut: old or new, before the repair and after it. `again` cuts the
 * repair at that write; *more tells whether it was long enough. */
static void look(int at, uint32_t nth, int tear, const uint32_t want[2],
                 uint32_t again, bool *more)
{
    uint32_t sum = 0;
    bool sample = ++cuts % check_every == 0;
    struct fp_statfs st;
    int err;

    fp_bdev_fault_power_on(&fault);
    if (sample)
        run_checker(at, nth, tear);
    err = mount_now();
    if (!err)
        err = tree(&sum);
    if (err || (sum != want[0] && sum != want[1])) {
        complain("neither old nor new", at, nth, tear, err);
        return;
    }
    err = check();
    if (err)
        complain("check, as cut", at, nth, tear, err);
    if (again)
        fp_bdev_fault_cut(&fault, again, FP_FAULT_TEAR_HALF);
    err = touch();
    *more = again && fp_bdev_fault_is_off(&fault);
    if (*more) {
        uint32_t now[2] = { sum, sum };
        bool ignored;

        look(at, nth, tear, now, 0, &ignored);
        return;
    }
    if (again)
        fp_bdev_fault_cut(&fault, 0, FP_FAULT_TEAR_NONE);
    if (!err) {
        uint32_t old = sum;

        err = tree(&sum);
        if (!err && sum != old)
            err = FP_ERR_CORRUPT;
    }
    if (!err)
        err = check();
    if (!err)
        err = fp_fs_statfs(&mnt, &st);
    if (!err && st.needs_repair)
        err = FP_ERR_CORRUPT;
    if (err)
        complain("after repair", at, nth, tear, err);
    if (sample)
        run_checker(at, nth, tear);
}

/* Runs step `at` with a cut in its nth write. False: it ended before. */
static bool cut_step(int at, uint32_t nth, enum fp_fault_tear tear)
{
    int err;

    memcpy(mem, before, mem_size);
    fp_bdev_fault_power_on(&fault);
    err = mount_now();
    if (err) {
        complain("mount before", at, nth, (int)tear, err);
        return false;
    }
    fp_bdev_fault_cut(&fault, nth, tear);
    (void)step(at);
    if (fp_bdev_fault_is_off(&fault))
        return true;
    fp_bdev_fault_cut(&fault, 0, FP_FAULT_TEAR_NONE);
    return false;
}

static void sweep(int at, const uint32_t want[2], bool deep)
{
    static const enum fp_fault_tear tears[] = { FP_FAULT_TEAR_NONE,
                                                FP_FAULT_TEAR_HALF,
                                                FP_FAULT_TEAR_BITS,
                                                FP_FAULT_TEAR_ALL };

    for (uint32_t nth = 1;; nth++) {
        for (size_t t = 0; t < sizeof tears / sizeof *tears; t++) {
            bool more = deep;

            if (!cut_step(at, nth, tears[t]))
                return;
            look(at, nth, (int)tears[t], want, 0, &more);
        }
        for (uint32_t again = 1; deep; again++) {
            bool more = false;

            if (!cut_step(at, nth, FP_FAULT_TEAR_BITS))
                return;
            look(at, nth, FP_FAULT_TEAR_BITS, want, again, &more);
            if (!more)
                break;
        }
    }
}

static void set_up(const struct geometry *g)
{
    struct fp_fs_config cfg = { .block_size = g->block_size,
                                .cache_size = g->cache_size,
                                .version = g->version,
                                .block_cycles = g->cycles };

    geo = g;
    mem_size = (size_t)g->block_size * g->block_count;
    mem = malloc(mem_size);
    before = malloc(mem_size);
    scratch = malloc(g->block_size);
    if (!mem || !before || !scratch)
        exit(1);
    memset(mem, 0xff, mem_size);
    fp_bdev_ram_init(&ram, g->prog_size, g->block_size, g->block_count, mem);
    fp_bdev_fault_init(&fault, &ram.bdev, scratch, 1);
    ws_size = fp_fs_littlefs.workspace(&fault.bdev, &cfg);
    ws = malloc(ws_size);
    if (!ws || fp_fs_format(&fp_fs_littlefs, &fault.bdev, &cfg, ws, ws_size))
        exit(1);
}

static void tear_down(void)
{
    free(mem);
    free(before);
    free(scratch);
    free(ws);
}

/* The whole workload, cut everywhere. `want` receives the trees if given. */
static void cut_everywhere(const struct geometry *g, bool deep,
                           const struct fp_fault_block *bad, uint32_t count)
{
    uint64_t start = cuts;
    uint32_t want[2] = { 0, 0 };

    set_up(g);
    fp_bdev_fault_bad(&fault, bad, count);
    if (mount_now() || tree(&want[0]))
        exit(1);
    for (int at = 0; at < STEPS; at++) {
        int err;

        memcpy(before, mem, mem_size);
        err = mount_now();
        if (!err)
            err = do_step(at);
        if (!err)
            err = tree(&want[1]);
        if (err) {
            complain("the step itself", at, 0, 0, err);
            break;
        }
        {
            uint8_t *after = malloc(mem_size);

            if (!after)
                exit(1);
            memcpy(after, mem, mem_size);
            sweep(at, want, deep);
            memcpy(mem, after, mem_size);
            free(after);
        }
        want[0] = want[1];
    }
    printf("block %5u, prog %4u, cycles %3d, %u bad%s: %" PRIu64 " cuts\n",
           g->block_size, g->prog_size, (int)g->cycles, count,
           deep ? ", repairs cut too" : "", cuts - start);
    fflush(stdout);
    tear_down();
}

/* The workload with one bad block at a time, in every way a block is bad. */
static void bad_block_everywhere(const struct geometry *g, uint32_t stride)
{
    static const uint32_t ways[] = { FP_FAULT_PROG_FAILS, FP_FAULT_ERASE_FAILS,
                                     FP_FAULT_PROG_SILENT,
                                     FP_FAULT_ERASE_SILENT };
    uint32_t runs = 0, good = 0, sum;

    set_up(g);
    (void)mount_now();
    for (int at = 0; at < STEPS; at++)
        (void)step(at);
    if (tree(&good))
        exit(1);
    tear_down();
    for (uint32_t block = 2; block < g->block_count; block += stride) {
        for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
            struct fp_fault_block bad = { block, ways[way] };
            int err, at;

            set_up(g);
            fp_bdev_fault_bad(&fault, &bad, 1);
            err = mount_now();
            for (at = 0; at < STEPS && !err; at++)
                err = do_step(at);
            if (!err)
                err = mount_now();
            if (!err)
                err = tree(&sum);
            if (!err && sum != good)
                err = FP_ERR_CORRUPT;
            if (err)
                complain("with a bad block", at, block, (int)ways[way], err);
            runs++;
            tear_down();
        }
    }
    printf("block %5u, prog %4u, cycles %3d: %u runs with a bad block\n",
           g->block_size, g->prog_size, (int)g->cycles, runs);
    fflush(stdout);
}

int main(void)
{
    static const struct geometry geometries[] = {
        { 512, 128, 16, 1, 64, 0 },      { 4096, 64, 256, 1, 0, 0 },
        { 512, 128, 16, 100, 16, 0 },    { 128, 1024, 1, 4, 32, 0 },
        { 512, 128, 16, 1, 0, 0x20000 },
    };
    static const struct fp_fault_block bad[] = {
        { 5, FP_FAULT_PROG_FAILS },   { 17, FP_FAULT_ERASE_FAILS },
        { 18, FP_FAULT_PROG_SILENT }, { 30, FP_FAULT_ERASE_SILENT },
        { 47, FP_FAULT_PROG_FAILS },  { 60, FP_FAULT_PROG_SILENT },
    };
    const char *every = getenv("FP_POWERLOSS_CHECK");

    if (every)
        check_every = strtoull(every, NULL, 10);
    for (size_t i = 0; i < sizeof geometries / sizeof *geometries; i++)
        cut_everywhere(&geometries[i], false, NULL, 0);
    cut_everywhere(&geometries[0], true, NULL, 0);
    cut_everywhere(&geometries[0], false, bad, sizeof bad / sizeof *bad);
    cut_everywhere(&geometries[1], false, bad, sizeof bad / sizeof *bad);
    bad_block_everywhere(&geometries[0], 1);
    bad_block_everywhere(&geometries[1], 1);
    printf("%" PRIu64 " cuts, %" PRIu64 " images checked, %" PRIu64
           " failures\n",
           cuts, checked, failures);
    return failures > 0;
}
