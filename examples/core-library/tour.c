/* SPDX-License-Identifier: MIT
 *
 * A tour of the flashport core as a library, for those who write a program of
 * their own. It makes a flash in memory, and shows what one can do with it:
 *
 *     tour [KIB [IMAGE]]      KIB of memory (1024), saved as IMAGE (tour.img)
 *
 * A device is a struct fp_bdev, whatever it is made of, and a volume is mounted
 * on any of them. So each station below takes a device, puts something around
 * it, and works through that.
 */
#define _POSIX_C_SOURCE 200809L

#include "core/bdev/ram.h"
#include "core/bdev/stats.h"
#include "core/bdev/trace.h"
#include "core/host/analyze.h"
#include "core/host/drivers.h"
#include "core/host/volume.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK_SIZE 4096
#define PROG_SIZE  16

static const struct fp_host_volume_config littlefs = {
    .drivers = fp_host_drivers,
    .fs = "littlefs",
    .cfg = { .block_size = BLOCK_SIZE },
};

/* Every call answers 0 or a negative error of core/error.h. A real program
 * passes it on; this one ends. */
static void must(const char *what, int err)
{
    if (err >= 0)
        return;
    fprintf(stderr, "tour: %s: %s\n", what, fp_strerror(err));
    exit(1);
}

/* --- files ------------------------------------------------------------------
 */

static void write_file(struct fp_mount *mnt, const char *path, const void *buf,
                       uint32_t size)
{
    struct fp_file file;

    must(path,
         fp_fs_open(mnt, &file, path, FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC));
    must(path, fp_fs_write(&file, buf, size));
    must(path, fp_fs_close(&file));
}

static uint32_t read_file(struct fp_mount *mnt, const char *path, void *buf,
                          uint32_t size)
{
    struct fp_file file;
    int32_t n;

    must(path, fp_fs_open(mnt, &file, path, FP_O_READ));
    n = fp_fs_read(&file, buf, size);
    must(path, n);
    must(path, fp_fs_close(&file));
    return (uint32_t)n;
}

static void list_files(struct fp_mount *mnt)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int more;

    must("/", fp_fs_opendir(mnt, &dir, "/"));
    while ((more = fp_fs_readdir(&dir, &entry)) > 0)
        printf("  /%-12s %6" PRIu64 " bytes\n", entry.name, entry.st.size);
    must("/", more);
    fp_fs_closedir(&dir);
}

/* --- 1. a flash in memory, of any size --------------------------------------
 */

static void show_memory(struct fp_bdev *dev)
{
    static const char text[] = "hello, flash";
    struct fp_host_volume vol;
    char back[sizeof text] = "";

    must("format", fp_host_volume_format(dev, &littlefs));
    must("mount", fp_host_volume_open(&vol, dev, &littlefs));
    write_file(&vol.mnt, "/hello.txt", text, sizeof text - 1);
    read_file(&vol.mnt, "/hello.txt", back, sizeof back - 1);
    must("unmount", fp_host_volume_close(&vol));

    printf("memory: %" PRIu32 " blocks of %" PRIu32
           " bytes; /hello.txt says \"%s\"\n",
           dev->block_count, dev->block_size, back);
}

/* --- 2. what a write asks of the flash: a logging device --------------------
 */

static void print_event(void *ctx, const struct fp_bdev_event *event)
{
    unsigned *events = ctx;

    (*events)++;
    printf("  %-5s at 0x%06" PRIx64 ", %4" PRIu64 " bytes\n",
           fp_bdev_op_name(event->op), (uint64_t)event->off,
           (uint64_t)event->size);
}

static void show_log(struct fp_bdev *dev)
{
    struct fp_bdev_trace trace;
    struct fp_host_volume vol;
    unsigned events = 0;

    puts("\nlogging: mount, write 600 bytes, unmount");
    fp_bdev_trace_init(&trace, dev, print_event, &events);
    must("mount", fp_host_volume_open(&vol, &trace.bdev, &littlefs));
    write_file(&vol.mnt, "/log.bin", (uint8_t[600]){ 1 }, 600);
    must("unmount", fp_host_volume_close(&vol));
    printf("  %u operations\n", events);
}

/* --- 3. how fast it is: a measuring device ----------------------------------
 */

static uint64_t now_us(void *unused)
{
    struct timespec t;

    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Files of one name replace each other, so that any size of flash will do. */
static uint64_t write_files(struct fp_mount *mnt, uint32_t count, uint32_t size)
{
    static uint8_t content[BLOCK_SIZE];
    uint64_t start = now_us(NULL);

    for (uint32_t i = 0; i < count; i++) {
        memset(content, (int)i, size);
        write_file(mnt, i % 2 ? "/odd.bin" : "/even.bin", content, size);
    }
    must("sync", fp_fs_sync(mnt));
    return now_us(NULL) - start;
}

static void print_stats(const struct fp_bdev_stats *stats)
{
    struct fp_bdev_wear wear = fp_bdev_stats_wear(stats);

    for (int op = 0; op < FP_BDEV_OP_COUNT; op++)
        printf("  %-5s %7" PRIu64 " calls %9" PRIu64 " bytes %7" PRIu64 " us\n",
               fp_bdev_op_name((enum fp_bdev_op)op), stats->count[op].calls,
               stats->count[op].bytes, stats->count[op].time_us);
    printf("  wear: %" PRIu64 " erases; a block has %" PRIu32 " to %" PRIu32
           ", %" PRIu32 " have none\n",
           wear.total, wear.least, wear.most, wear.never);
}

static void show_speed(struct fp_bdev *dev)
{
    const uint32_t count = 200, size = BLOCK_SIZE;
    uint32_t *erases = calloc(dev->block_count, sizeof *erases);
    struct fp_bdev_stats_config cfg = { .clock_us = now_us, .erases = erases };
    struct fp_bdev_stats stats;
    struct fp_host_volume vol;
    double seconds;

    must("memory", erases ? FP_OK : FP_ERR_NOMEM);
    fp_bdev_stats_init(&stats, dev, &cfg);
    must("mount", fp_host_volume_open(&vol, &stats.bdev, &littlefs));
    seconds = (double)(write_files(&vol.mnt, count, size) + 1) / 1e6;
    must("unmount", fp_host_volume_close(&vol));

    printf("\nmeasuring: %" PRIu32 " files of %" PRIu32 " bytes written\n",
           count, size);
    printf("  %.1f MB/s, %.0f files/s\n", count * size / 1e6 / seconds,
           count / seconds);
    print_stats(&stats);
    free(erases);
}

/* --- 4. the same bytes as an image file -------------------------------------
 */

static void save_image(const char *path, struct fp_bdev *dev)
{
    struct fp_host_file_config cfg = {
        .flags = FP_HOST_FILE_WRITE | FP_HOST_FILE_CREATE,
        .block_size = dev->block_size,
        .block_count = dev->block_count,
    };
    struct fp_host_file file;
    uint8_t buf[BLOCK_SIZE];

    must(path, fp_host_file_open(&file, path, &cfg));
    for (uint32_t block = 0; block < dev->block_count; block++) {
        fp_addr off = (fp_addr)block * dev->block_size;

        must("read", fp_bdev_read(dev, off, buf, sizeof buf));
        must(path, fp_bdev_prog(&file.bdev, off, buf, sizeof buf));
    }
    must(path, fp_bdev_sync(&file.bdev));
    fp_host_file_close(&file);
}

/* No name of a filesystem and no geometry are given: both are found. */
static void show_image(const char *path, struct fp_bdev *dev)
{
    static const struct fp_host_volume_config any = {
        .drivers = fp_host_drivers,
    };
    struct fp_host_image image;
    struct fp_statfs st;

    save_image(path, dev);
    must(path, fp_host_image_open(&image, path, NULL, &any));
    must(path, fp_fs_statfs(&image.vol.mnt, &st));
    printf("\nimage file: %s, %s %s, %" PRIu64 " blocks of %" PRIu32 "\n", path,
           image.vol.mnt.ops->name, st.version, st.block_count, st.block_size);
    list_files(&image.vol.mnt);
    must(path, fp_host_image_close(&image));
}

/* --- 5. what is in a buffer -------------------------------------------------
 */

static void print_map(const struct fp_host_analysis *a)
{
    static const char letters[FP_HOST_USES] = {
        [FP_HOST_USE_ERASED] = '.',   [FP_HOST_USE_STALE] = 'x',
        [FP_HOST_USE_METADATA] = 'M', [FP_HOST_USE_DATA] = 'd',
        [FP_HOST_USE_BAD] = '!',
    };

    for (uint32_t block = 0; block < a->block_count; block++)
        printf("%s%c", block % 64 ? "" : "\n  ", letters[a->use[block]]);
    puts("\n  M metadata, d data, x stale, . erased, ! bad");
}

static void print_runs(const struct fp_host_analysis *a)
{
    struct fp_host_run run;

    for (uint32_t block = 0; block < a->block_count; block += run.count) {
        run = fp_host_analysis_run(a, block);
        if (run.use == FP_HOST_USE_ERASED)
            printf("  erased run: %" PRIu32 " blocks from block %" PRIu32 "\n",
                   run.count, run.first);
    }
}

static void print_superblock(const struct fp_host_analysis *a)
{
    for (uint32_t i = 0; i < a->anchor_count; i++) {
        uint32_t block = a->anchors[i];

        printf("  superblock in block %" PRIu32 "%s", block,
               i ? ", the older one" : "");
        if (a->erases && a->erases[block] != FP_HOST_NOT_TOLD)
            printf(", erases: about %" PRIu32, a->erases[block]);
        puts("");
    }
}

static void print_analysis(const struct fp_host_analysis *a)
{
    uint32_t free_count =
        a->count[FP_HOST_USE_ERASED] + a->count[FP_HOST_USE_STALE];

    print_superblock(a);
    printf("  used %" PRIu32 " blocks: %" PRIu32 " metadata, %" PRIu32
           " data\n",
           a->block_count - free_count, a->count[FP_HOST_USE_METADATA],
           a->count[FP_HOST_USE_DATA]);
    printf("  free %" PRIu32 " blocks: %" PRIu32 " erased, %" PRIu32 " stale\n",
           free_count, a->count[FP_HOST_USE_ERASED],
           a->count[FP_HOST_USE_STALE]);
    print_runs(a);
    print_map(a);
}

/* Any bytes will do: a dump that was read into memory, a flash that is mapped
 * there. It is only read. */
static void show_buffer(void *buf, uint32_t block_count)
{
    struct fp_host_volume_config cfg = { .drivers = fp_host_drivers,
                                         .cfg = { .flags = FP_MOUNT_RDONLY } };
    struct fp_host_analysis analysis;
    struct fp_host_volume vol;
    struct fp_bdev_ram ram;

    fp_bdev_ram_init(&ram, 1, BLOCK_SIZE, block_count, buf);
    ram.bdev.flags |= FP_BDEV_RDONLY;
    must("mount", fp_host_volume_open(&vol, &ram.bdev, &cfg));
    must("analyze", fp_host_analyze(&analysis, &vol.mnt));
    printf("\nanalysis: a buffer with %s\n", vol.mnt.ops->name);
    print_analysis(&analysis);
    fp_host_analysis_free(&analysis);
    must("unmount", fp_host_volume_close(&vol));
}

int main(int argc, char **argv)
{
    unsigned long kib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;
    uint32_t block_count = (uint32_t)(kib * 1024 / BLOCK_SIZE);
    const char *path = argc > 2 ? argv[2] : "tour.img";
    size_t size = (size_t)block_count * BLOCK_SIZE;
    struct fp_bdev_ram ram;
    uint8_t *mem;

    if (kib < 64 || kib > 1024 * 1024) {
        fprintf(stderr, "usage: tour [KIB [IMAGE]], KIB from 64 to 1048576\n");
        return 2;
    }
    mem = malloc(size);
    must("memory", mem ? FP_OK : FP_ERR_NOMEM);
    memset(mem, 0xff, size); /* erased */
    fp_bdev_ram_init(&ram, PROG_SIZE, BLOCK_SIZE, block_count, mem);

    show_memory(&ram.bdev);
    show_log(&ram.bdev);
    show_speed(&ram.bdev);
    show_image(path, &ram.bdev);
    show_buffer(mem, block_count);
    free(mem);
    return 0;
}
