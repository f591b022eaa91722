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

static uint32_t file_flags(const struct fp_port_options *o,
                           const struct fp_port_storage_option *s)
{
    uint32_t flags = FP_HOST_FILE_WRITE;

    if (s->count != 0)
        flags |= FP_HOST_FILE_CREATE;
    if (!s->is_card && strcmp(o->timing->name, "sd") != 0)
        flags |= FP_HOST_FILE_NOR;
    return flags;
}

/* A card that is not there yet is no error. */
static int open_slot(struct fp_port_flash *flash,
                     const struct fp_port_options *o,
                     const struct fp_port_storage_option *s)
{
    const struct fp_host_file_config cfg = {
        .flags = file_flags(o, s) & ~(uint32_t)FP_HOST_FILE_CREATE,
        .read_size = s->read != 0 ? s->read : 1,
        .prog_size = s->prog != 0 ? s->prog : 1,
        .block_size = s->block,
    };
    int err = fp_port_slot_init(&flash->slot, s->file, &cfg);

    if (!err && s->count != 0)
        err = open_file(flash, s, file_flags(o, s)); /* which makes it */
    if (flash->is_file)
        fp_host_file_close(&flash->file);
    flash->is_file = false;
    flash->is_slot = true;
    if (err)
        return err;
    err = fp_port_slot_load(&flash->slot);
    return err == FP_ERR_NODEV ? FP_OK : err;
}

static struct fp_bdev *open_medium(struct fp_port_flash *flash,
                                   const struct fp_port_options *o,
                                   const struct fp_port_storage_option *s)
{
    int err;

    if (o->ram && (s->is_card || s->removable))
        fp_port_usage("--storage %s: --ram holds NOR flash, no cards", s->name);
    err = s->removable ? open_slot(flash, o, s)
          : o->ram     ? open_ram(flash, s)
                       : open_file(flash, s, file_flags(o, s));
    if (err == FP_ERR_INVAL)
        fp_port_usage("--storage %s: %s: its size, block, count, prog and read "
                      "do not fit each other",
                      s->name, s->file);
    if (err)
        fp_port_usage("--storage %s: %s: %s", s->name, s->file,
                      fp_strerror(err));
    return s->removable ? &flash->slot.bdev
           : o->ram     ? &flash->ram.bdev
                        : &flash->file.bdev;
}

/* What lies between the medium and the generation; counters go on. */
static struct fp_bdev *stack(struct fp_port_flash *flash, struct fp_bdev *dev)
{
    static const struct fp_bdev_stats_config cfg = { .clock_us =
                                                         fp_port_now_us };
    struct fp_bdev_count count[FP_BDEV_OP_COUNT];

    if (flash->is_card)
        dev->flags |= FP_BDEV_ATOMIC_PROG;
    if (flash->is_timed) {
        fp_port_timed_init(&flash->timed, dev, flash->timing, flash->stall,
                           flash->ctx);
        dev = &flash->timed.bdev;
    }
    if (flash->traces) {
        fp_bdev_trace_init(&flash->trace, dev, tell, flash);
        dev = &flash->trace.bdev;
    }
    memcpy(count, flash->stats.count, sizeof count);
    fp_bdev_stats_init(&flash->stats, dev, &cfg);
    memcpy(flash->stats.count, count, sizeof count);
    return &flash->stats.bdev;
}

/* Sized by what is below. */
static struct fp_bdev_gen_config gen_config(struct fp_port_flash *flash)
{
    const struct fp_bdev *dev = &flash->stats.bdev;
    struct fp_bdev_gen_config cfg = { .clock_ms = fp_port_now_ms };

    cfg.chunk_size = fp_bdev_size(dev) > 256u * 1024 * 1024 ? 65536 : 4096;
    cfg.maps_size = fp_bdev_gen_maps_size(dev, cfg.chunk_size);
    free(flash->maps);
    cfg.maps = flash->maps = malloc(cfg.maps_size);
    if (cfg.maps == NULL)
        fp_port_usage("--storage %s: not enough memory", flash->name);
    return cfg;
}

void fp_port_flash_open(struct fp_port_flash *flash,
                        const struct fp_port_options *o, uint32_t index,
                        const uint8_t epoch[FP_EPOCH_SIZE],
                        void (*stall)(void *ctx, int begins), void *ctx)
{
    const struct fp_port_storage_option *s = &o->storages[index];
    struct fp_bdev_gen_config gen;
    struct fp_bdev *dev;

    memset(flash, 0, sizeof *flash);
    flash->name = s->name;
    flash->is_card = s->is_card;
    flash->is_timed = strcmp(o->timing->name, "none") != 0;
    flash->timing = s->is_card ? fp_port_timing_find("sd") : o->timing;
    flash->stall = stall;
    flash->ctx = ctx;
    flash->traces = o->trace;
    dev = stack(flash, open_medium(flash, o, s));
    gen = gen_config(flash);
    memcpy(gen.epoch, epoch, sizeof gen.epoch);
    if (fp_bdev_gen_init(&flash->gen, dev, &gen) != FP_OK)
        fp_port_usage("--storage %s: not enough memory", s->name);
}

uint32_t fp_port_flash_medium(struct fp_port_flash *flash)
{
    return fp_port_slot_number(&flash->slot);
}

void fp_port_flash_insert(struct fp_port_flash *flash)
{
    int err = fp_port_slot_load(&flash->slot);
    struct fp_bdev_gen_config gen;

    if (err)
        fprintf(stderr, "flashport-agent: the card in %s cannot be read: %s\n",
                flash->name, fp_strerror(err));
    (void)stack(flash, &flash->slot.bdev);
    gen = gen_config(flash);
    (void)fp_bdev_gen_replace(&flash->gen, &gen);
}

void fp_port_flash_close(struct fp_port_flash *flash)
{
    (void)fp_bdev_sync(&flash->gen.bdev);
    if (flash->is_file)
        fp_host_file_close(&flash->file);
    if (flash->is_slot)
        fp_port_slot_close(&flash->slot);
    free(flash->memory);
    free(flash->maps);
}
