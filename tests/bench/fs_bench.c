/* SPDX-License-Identifier: MIT
 *
 * One workload on one filesystem in memory, and what the medium was asked for:
 *
 *     fs_bench SUBJECT ROW [plain] [cache=BYTES] [cycles=N] [reseed] [search]
 *              [OPTIONS]
 *
 * SUBJECT is a line of the table below: a driver and its medium, two mebibytes.
 * cycles: erases of metadata before it moves; -1 never. reseed: each mount is
 * given another seed. search: the mount of a row that mounts is not told the
 * layout. OPTIONS are the driver's, instead of the subject's.
 * plain: without counting, which costs instructions itself.
 *
 * ROW is a letter of the table in fs.py, or list:N, create:N, mount:N for N
 * files, or wear:N for N overwrites. All of a row happens in workload(), so
 * that callgrind can count that and nothing else. Prints one line of JSON;
 * {"skip": why} where the format's limits do not allow the row. A format that
 * takes fewer files than a row has does it with those, which "files" says.
 */
#include "core/bdev/ram.h"
#include "core/bdev/stats.h"
#include "core/error.h"
#include "core/fs/fs.h"
#include "core/host/drivers.h"
#include "core/host/volume.h"
#include "tests/sector_stack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)512 * 4096)

/* A driver, by its name in fp_host_drivers, on a medium. */
struct subject {
    const char *name, *fs;
    uint32_t read_size, prog_size, block_size;
    uint32_t block_count; /* 0: two mebibytes of them */
    uint32_t medium;      /* FP_BDEV_*; 0: NOR */
    struct fp_fs_config cfg;
    bool on_sectors;   /* of the adapter over that medium */
    unsigned dir_most; /* files of one directory; 0: any number */
};

#define NOR(what, driver, read, prog)                                         \
    .name = (what), .fs = (driver), .read_size = (read), .prog_size = (prog), \
    .block_size = 4096

static const struct subject subjects[] = {
    { NOR("littlefs", "littlefs", 256, 256),
      .cfg = { .block_size = 4096,
               .cache_size = 256,
               .block_cycles = 500,
               .options = "entries=32" } },
    { NOR("spiffs", "spiffs", 1, 1), .cfg = { .block_size = 4096,
                                              .page_size = 256,
                                              .options = "meta_len=0" } },
    { NOR("minifs", "minifs", 1, 1), .cfg = { .block_size = 4096 } },
    { .name = "bonsai",
      .fs = "bonsai",
      .read_size = 1,
      .prog_size = 64,
      .block_size = 256,
      .block_count = 4096,
      .dir_most = 255 },
    { NOR("fat-sector", "fat", 1, 16), .on_sectors = true },
    { .name = "fat",
      .fs = "fat",
      .read_size = 512,
      .prog_size = 512,
      .block_size = 512,
      .medium = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG,
      .cfg = { .block_size = 512 } },
};

static const struct subject *subject;
static const struct fp_fs_ops *ops;
static struct fp_bdev_ram ram;
static struct fp_bdev_stats stats;
static struct fp_bdev *dev = &stats.bdev;
static struct fp_mount mnt;
static struct fp_statfs fs;
static struct fp_fs_config config;
static void *ws;
static size_t ws_size;
static uint8_t buf[4096];
static unsigned amount;
static bool reseed, search;
static uint32_t *erases;
static struct sector_stack stack;

static void must(int err, const char *what)
{
    if (err >= 0)
        return;
    fprintf(stderr, "fs_bench: %s: %s\n", what, fp_strerror(err));
    exit(1);
}

static void skip(const char *why)
{
    printf("{\"skip\": \"%s\"}\n", why);
    exit(0);
}

static void mount(void)
{
    must(fp_fs_mount(&mnt, ops, dev, &config, ws, ws_size), "mount");
}

static void put(const char *path, uint32_t size)
{
    struct fp_file file;

    must(fp_fs_open(&mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
         path);
    must(fp_fs_write(&file, buf, size), path);
    must(fp_fs_close(&file), path);
}

static void create(const char *format, unsigned count, uint32_t size)
{
    char path[64];

    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, format, i);
        put(path, size);
    }
}

/* ---- what is there before ---- */

static void nothing(void)
{
}

static void write_big(void)
{
    struct fp_file file;

    must(fp_fs_open(&mnt, &file, "/big", FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC),
         "big");
    for (int i = 0; i < 256; i++)
        must(fp_fs_write(&file, buf, sizeof buf), "big");
    must(fp_fs_close(&file), "big");
}

static bool has_dirs(void)
{
    return fs.caps & FP_CAP_DIRS;
}

/* Without directories the root is as good; shorter names where they must be. */
static void fill_dir(void)
{
    int err = has_dirs() ? fp_fs_mkdir(&mnt, "/d") : FP_OK;

    /* Where files make their directories there is nothing to make. */
    must(err == FP_ERR_NOTSUP ? FP_OK : err, "d");
    create(has_dirs()                              ? "/d/entry%04u.txt"
           : fs.name_max < strlen("entry0000.txt") ? "/e%04u.txt"
                                                   : "/entry%04u.txt",
           amount, 20);
}

/* ---- the workloads ---- */

static void create_files(void)
{
    create("/file%03u", amount, 200);
}

static void read_big(void)
{
    struct fp_file file;
    int32_t n;

    must(fp_fs_open(&mnt, &file, "/big", FP_O_READ), "big");
    while ((n = fp_fs_read(&file, buf, sizeof buf)) > 0)
        continue;
    must(n, "big");
    must(fp_fs_close(&file), "big");
}

static void read_randomly(void)
{
    uint32_t x = 12345;
    struct fp_file file;

    must(fp_fs_open(&mnt, &file, "/big", FP_O_READ), "big");
    for (int i = 0; i < 2000; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        must((int)fp_fs_seek(&file, x % 1048512, FP_SEEK_SET), "seek");
        must(fp_fs_read(&file, buf, 64), "read");
    }
    must(fp_fs_close(&file), "big");
}

static void overwrite(void)
{
    for (int i = 0; i < 500; i++)
        put("/cfg", 100);
}

static void list(void)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    unsigned count = 0;
    int n;

    must(fp_fs_opendir(&mnt, &dir, has_dirs() ? "/d" : "/"), "d");
    while ((n = fp_fs_readdir(&dir, &entry)) > 0)
        count++;
    must(n, "readdir");
    must(fp_fs_closedir(&dir), "d");
    if (count != amount) {
        fprintf(stderr, "fs_bench: %u entries instead of %u\n", count, amount);
        exit(1);
    }
}

/* A value that is written often, a log now and then, a restart every fifty
 * writes, and a mebibyte that never changes. */
static void wear(void)
{
    for (unsigned i = 0; i < amount; i++) {
        put("/cfg", 100);
        if (i % 8 == 0)
            put("/log", 6000);
        if (i % 50 < 49)
            continue;
        must(fp_fs_unmount(&mnt), "unmount");
        config.seed = reseed ? config.seed * 1664525 + 1013904223 : 0;
        mount();
    }
}

static const struct row {
    const char *name;
    unsigned amount; /* of files, where the name gives none */
    void (*before)(void);
    void (*work)(void);
    bool mounting; /* the mount is the work */
} rows[] = {
    { "a", 100, nothing, create_files, false },
    { "b", 0, nothing, write_big, false },
    { "c", 0, write_big, read_big, false },
    { "d", 0, write_big, read_randomly, false },
    { "e", 0, nothing, overwrite, false },
    { "f", 500, fill_dir, list, false },
    { "g", 500, fill_dir, mount, true },
    { "wear", 0, write_big, wear, false },
    { "create", 0, nothing, fill_dir, false },
    { "list", 0, fill_dir, list, false },
    { "mount", 0, fill_dir, mount, true },
};

/* Callgrind is told to count in here. */
__attribute__((noinline)) void workload(const struct row *row);
__attribute__((noinline)) void workload(const struct row *row)
{
    row->work();
}

static const struct row *find(const char *name)
{
    size_t len = strcspn(name, ":");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strlen(rows[i].name) == len && !strncmp(rows[i].name, name, len)) {
            amount =
                name[len] ? (unsigned)atoi(name + len + 1) : rows[i].amount;
            return &rows[i];
        }
    fprintf(stderr, "fs_bench: no row %s\n", name);
    exit(2);
}

/* What the format's limits leave of the row. */
static void limit(const struct row *row)
{
    const bool has_big = row->before == write_big || row->work == write_big;
    static char why[80];

    if (has_big && fs.file_max < (1u << 20)) {
        snprintf(why, sizeof why, "a file has at most %" PRIu64 " bytes",
                 fs.file_max);
        skip(why);
    }
    if (has_big && fs.free <= (1u << 20)) {
        snprintf(why, sizeof why,
                 "a volume has room for at most %" PRIu64 " bytes", fs.free);
        skip(why);
    }
    if (fs.files_max && amount >= fs.files_max)
        amount = (unsigned)fs.files_max - 1;
    if (subject->dir_most && amount > subject->dir_most)
        amount = subject->dir_most;
}

static void choose(const char *name)
{
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (!strcmp(subjects[i].name, name))
            subject = &subjects[i];
    if (subject)
        ops = fp_host_volume_driver(fp_host_drivers, subject->fs);
    if (!ops) {
        fprintf(stderr, "fs_bench: no subject %s in this build\n", name);
        exit(2);
    }
    config = subject->cfg;
    config.max_files = 1;
}

static void make(uint32_t blocks)
{
    uint8_t *mem = malloc((size_t)blocks * subject->block_size);
    struct fp_bdev_stats_config cfg;

    cfg = (struct fp_bdev_stats_config){ .erases = erases = calloc(blocks, 4) };
    if (!mem || !erases)
        exit(1);
    memset(mem, 0xff, (size_t)blocks * subject->block_size);
    fp_bdev_ram_init(&ram, subject->prog_size, subject->block_size, blocks,
                     mem);
    ram.bdev.read_size = subject->read_size;
    if (subject->medium)
        ram.bdev.flags = subject->medium;
    fp_bdev_stats_init(&stats, &ram.bdev, &cfg);
    if (subject->on_sectors) {
        int err;

        dev = sector_stack_start(&stack, dev, &err);
        must(err, "sector adapter");
    }
    ws_size = ops->workspace(dev, &config);
    ws = malloc(ws_size);
    must(fp_fs_format(ops, dev, &config, ws, ws_size), "format");
    mount();
    must(fp_fs_statfs(&mnt, &fs), "statfs");
}

static void print_counts(void)
{
    const struct fp_bdev_count *n = stats.count;
    struct fp_bdev_wear spread = fp_bdev_stats_wear(&stats);

    printf("{\"workspace\": %zu, \"files\": %u, \"reads\": %" PRIu64
           ", \"read_bytes\": %" PRIu64 ", \"program_calls\": %" PRIu64
           ", \"programs\": %" PRIu64 ", \"program_bytes\": %" PRIu64
           ", \"erases\": %" PRIu64
           ", \"never\": %u, \"least\": %u, \"most\": %u}\n",
           ws_size, amount, n[FP_BDEV_READ].calls, n[FP_BDEV_READ].bytes,
           n[FP_BDEV_PROG].calls, n[FP_BDEV_PROG].bytes / subject->prog_size,
           n[FP_BDEV_PROG].bytes, n[FP_BDEV_ERASE].bytes / subject->block_size,
           spread.never, spread.least, spread.most);
}

int main(int argc, char **argv)
{
    const struct row *row = find(argc > 2 ? argv[2] : "");
    uint32_t blocks;

    choose(argv[1]);
    for (int i = 3; i < argc; i++) {
        if (!strcmp(argv[i], "plain"))
            dev = &ram.bdev;
        else if (!strncmp(argv[i], "cache=", 6))
            config.cache_size = (uint32_t)atoi(argv[i] + 6);
        else if (!strncmp(argv[i], "cycles=", 7))
            config.block_cycles = atoi(argv[i] + 7);
        else if (!strcmp(argv[i], "reseed"))
            reseed = true;
        else if (!strcmp(argv[i], "search"))
            search = true;
        else
            config.options = argv[i];
    }
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)(i * 7 + (i >> 8));
    blocks = subject->block_count ? subject->block_count
                                  : (uint32_t)(SIZE / subject->block_size);
    if (amount > 600 && row->work != wear)
        blocks += amount / 8 * (4096 / subject->block_size);
    make(blocks);
    limit(row);
    row->before();
    must(fp_fs_unmount(&mnt), "unmount");
    if (!row->mounting)
        mount();
    else if (search)
        config = (struct fp_fs_config){ .max_files = config.max_files };
    fp_bdev_stats_reset(&stats);
    memset(erases, 0, ram.bdev.block_count * sizeof *erases);
    workload(row);
    print_counts();
    return 0;
}
