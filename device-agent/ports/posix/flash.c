/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t fp_port_now_us(void *ctx)
{
    struct timespec ts;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint32_t fp_port_now_ms(void *ctx)
{
    return (uint32_t)(fp_port_now_us(ctx) / 1000u);
}

static void tell(void *ctx, const struct fp_bdev_event *event)
{
    const struct fp_port_flash *flash = ctx;

    fprintf(stderr, "%llu %s %s off=0x%llx size=%llu err=%d\n",
            (unsigned long long)fp_port_now_us(NULL), flash->name,
            fp_bdev_op_name(event->op), (unsigned long long)event->off,
            (unsigned long long)event->size, event->err);
}

static int open_file(struct fp_port_flash *flash,
                     const struct fp_port_storage_option *s, uint32_t flags)
{
    const struct fp_host_file_config cfg = {
        .flags = flags,
        .read_size = s->read,
        .prog_size = s->prog,
        .block_size = s->block,
        .block_count = s->count,
    };
    int err = fp_host_file_open(&flash->file, s->file, &cfg);

    if (err == FP_ERR_NOENT && s->count == 0)
        fp_port_usage("--storage %s: there is no %s; with count=N it is made",
                      s->name, s->file);
    flash->is_file = err == FP_OK;
    return err;
}

/* A copy in memory, as large as the file or, without one, as count says. */
static int open_ram(struct fp_port_flash *flash,
                    const struct fp_port_storage_option *s)
{
    uint32_t prog = s->prog != 0 ? s->prog : 1, count = s->count;
    size_t size;
    int err = open_file(flash, s, FP_HOST_FILE_NOLOCK);

    if (err && (err != FP_ERR_NOENT || count == 0))
        return err;
    if (!err)
        count = flash->file.bdev.block_count;
    size = (size_t)count * s->block;
    flash->memory = malloc(size);
    if (flash->memory == NULL)
        return FP_ERR_NOMEM;
    memset(flash->memory, 0xff, size);
    for (uint32_t i = 0; i < count && !err; i++)
        err = fp_bdev_read(&flash->file.bdev, (fp_addr)i * s->block,
                           flash->memory + (size_t)i * s->block, s->block);
    if (flash->is_file)
        fp_host_file_close(&flash->file);
    flash->is_file = false;
    fp_bdev_ram_init(&flash->ram, prog, s->block, count, flash->memory);
    if (s->read != 0)
        flash->ram.bdev.read_size = s->read;
    return err == FP_ERR_NOENT ? FP_OK : err;
}

static struct fp_bdev *open_medium(struct fp_port_flash *flash,
                                   const struct fp_port_options *o,
                                   const struct fp_port_storage_option *s)
{
    uint32_t flags = FP_HOST_FILE_WRITE;
    int err;

    if (s->count != 0)
        flags |= FP_HOST_FILE_CREATE;
    if (strcmp(o->timing->name, "sd") != 0)
        flags |= FP_HOST_FILE_NOR;
    err = o->ram ? open_ram(flash, s) : open_file(flash, s, flags);
    if (err == FP_ERR_INVAL)
        fp_port_usage("--storage %s: %s: its size, block, count, prog and read "
                      "do not fit each other",
                      s->name, s->file);
    if (err)
        fp_port_usage("--storage %s: %s: %s", s->name, s->file,
                      fp_strerror(err));
    return o->ram ? &flash->ram.bdev : &flash->file.bdev;
}

void fp_port_flash_open(struct fp_port_flash *flash,
                        const struct fp_port_options *o, uint32_t index,
                        const uint8_t epoch[FP_EPOCH_SIZE],
                        void (*stall)(void *ctx, int begins), void *ctx)
{
    static const struct fp_bdev_stats_config stats = { .clock_us =
                                                           fp_port_now_us };
    const struct fp_port_storage_option *s = &o->storages[index];
    struct fp_bdev_gen_config gen = { .clock_ms = fp_port_now_ms };
    struct fp_bdev *dev;

    memset(flash, 0, sizeof *flash);
    flash->name = s->name;
    dev = open_medium(flash, o, s);
    gen.chunk_size = fp_bdev_size(dev) > 256u * 1024 * 1024 ? 65536 : 4096;
    if (strcmp(o->timing->name, "none") != 0) {
        fp_port_timed_init(&flash->timed, dev, o->timing, stall, ctx);
        dev = &flash->timed.bdev;
        flash->is_timed = true;
    }
    if (o->trace) {
        fp_bdev_trace_init(&flash->trace, dev, tell, flash);
        dev = &flash->trace.bdev;
    }
    fp_bdev_stats_init(&flash->stats, dev, &stats);
    dev = &flash->stats.bdev;
    memcpy(gen.epoch, epoch, sizeof gen.epoch);
    gen.maps_size = fp_bdev_gen_maps_size(dev, gen.chunk_size);
    gen.maps = flash->maps = malloc(gen.maps_size);
    if (gen.maps == NULL || fp_bdev_gen_init(&flash->gen, dev, &gen) != FP_OK)
        fp_port_usage("--storage %s: not enough memory", s->name);
}

void fp_port_flash_close(struct fp_port_flash *flash)
{
    (void)fp_bdev_sync(&flash->gen.bdev);
    if (flash->is_file)
        fp_host_file_close(&flash->file);
    free(flash->memory);
    free(flash->maps);
}
