/* SPDX-License-Identifier: MIT
 *
 * The agent's configuration and memory, some 16 KB, and an application that
 * uses the same files. Nothing here knows the platform.
 */
#include "device.h"

#include <string.h>

#define FRAME_MAX   640
#define BUFFER_SIZE (2 * (FRAME_MAX + FP_FRAME_OVERHEAD))
#define INTERVAL_MS 1000
#define INTERVAL    "/flash/interval.txt"
#define LOG         "/flash/log.txt"

/* The agent's files, and one that the application has open at a time. */
#define FILES_MAX (FP_AGENT_REQUESTS + FP_AGENT_UPLOADS + 1)

/* Of littlefs with these options, pointers of 32 bits and blocks of any size: a
 * file takes a cache, the blocks it was last at and a name. Too little is no
 * accident: the volume says so. */
#define OPTIONS    "entries=24,addresses=4,lookahead=20"
#define CACHE_SIZE 128
#ifndef WORKSPACE_SIZE
#define FILE_SIZE      ((224 + FP_NAME_MAX) / 16 * 16)
#define WORKSPACE_SIZE (2368 + FILE_SIZE * FILES_MAX)
#endif

/* A path at least; a round size, since reads are a part of it. */
#define SCRATCH_SIZE (FP_AGENT_PATH_MAX < 512 ? 512 : 1024)

/* The largest erase block that a host may restore. */
#define BLOCK_MAX 4096

static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
static struct fp_vfs vfs;
static struct fp_bdev_gen gen;
static uint64_t workspace[(WORKSPACE_SIZE + 7) / 8];
static uint8_t tx_buf[BUFFER_SIZE], rx_buf[BUFFER_SIZE];
static uint8_t scratch[SCRATCH_SIZE], block_buf[BLOCK_MAX];
static struct fp_agent agent;
static const struct device_platform *platform;

static uint32_t interval_ms = INTERVAL_MS;
static bool interval_is_old = true;

/* What no host changes or removes, whatever it says. */
static const char *const protected_paths[] = { "/flash/factory" };

static struct fp_agent_storage storages[] = {
    { .name = "flash0", .dev = &gen.bdev, .gen = &gen },
};

static struct fp_agent_volume volumes[] = {
    { .path = "/flash",
      .storage = "flash0",
      .fs = "littlefs",
      .cfg = { .max_files = FILES_MAX,
               .cache_size = CACHE_SIZE,
               .options = OPTIONS },
      .ws = workspace,
      .ws_size = sizeof workspace,
      .format_erased = true },
};

/* A host has changed something, here within device_serve(). The volume's own
 * path: all of it may be other, after a restore. */
static void changed(void *ctx, const char *path)
{
    (void)ctx;
    if (strcmp(path, INTERVAL) == 0 || strcmp(path, "/flash") == 0)
        interval_is_old = true;
}

/* A host wants to overwrite the storage. Nothing is open between our calls, so
 * it may; an application that has files open closes them here, or refuses. */
static bool exclusive(void *ctx, const char *storage, bool begin)
{
    (void)ctx;
    (void)storage;
    (void)begin;
    return true;
}

static struct fp_agent_config config = {
    .model = "example",
    .firmware = "1.0.0",
    .vfs = &vfs,
    .storages = storages,
    .storage_count = 1,
    .volumes = volumes,
    .volume_count = 1,
    .protected_paths = protected_paths,
    .protected_count = 1,
    .frame_max = FRAME_MAX,
    .tx_buf = tx_buf,
    .tx_size = sizeof tx_buf,
    .rx_buf = rx_buf,
    .rx_size = sizeof rx_buf,
    .scratch = scratch,
    .scratch_size = sizeof scratch,
    .block_buf = block_buf,
    .block_buf_size = sizeof block_buf,
    .exclusive = exclusive,
    .changed = changed,
};

static void lock(void)
{
    if (platform->lock != NULL)
        platform->lock();
}

static void unlock(void)
{
    if (platform->unlock != NULL)
        platform->unlock();
}

int device_start(const struct device_platform *given)
{
    const struct fp_bdev_gen_config gen_config = {
        .clock_ms = given->clock_ms,
    };
    int err = fp_bdev_gen_init(&gen, given->flash, &gen_config);

    if (err)
        return err;
    platform = given;
    config.id = given->id;
    config.send = given->send;
    fp_vfs_init(&vfs, drivers);
    return fp_agent_init(&agent, &config, given->clock_ms(NULL));
}

uint32_t device_serve(const uint8_t *buf, size_t size)
{
    uint32_t now_ms = platform->clock_ms(NULL), wait_ms;

    lock();
    if (size > 0)
        fp_agent_input(&agent, buf, size, now_ms);
    wait_ms = fp_agent_poll(&agent, now_ms);
    unlock();
    return wait_ms;
}

/* ---- the application ---- */

static int append(const char *line)
{
    struct fp_file file;
    int32_t n;
    int err =
        fp_vfs_open(&vfs, &file, LOG, FP_O_WRITE | FP_O_CREATE | FP_O_APPEND);

    if (err)
        return err;
    n = fp_fs_write(&file, line, (uint32_t)strlen(line));
    err = fp_fs_close(&file);
    return n < 0 ? (int)n : err;
}

int device_log(const char *line)
{
    int err;

    lock();
    err = append(line);
    unlock();
    return err;
}

static uint32_t read_interval(void)
{
    struct fp_file file;
    char text[12] = "";
    uint32_t ms = 0;

    if (fp_vfs_open(&vfs, &file, INTERVAL, FP_O_READ) != FP_OK)
        return INTERVAL_MS;
    (void)fp_fs_read(&file, text, 9);
    (void)fp_fs_close(&file);
    for (const char *p = text; *p >= '0' && *p <= '9'; p++)
        ms = 10 * ms + (uint32_t)(*p - '0');
    return ms > 0 ? ms : INTERVAL_MS;
}

uint32_t device_interval(void)
{
    lock();
    if (interval_is_old)
        interval_ms = read_interval();
    interval_is_old = false;
    unlock();
    return interval_ms;
}
