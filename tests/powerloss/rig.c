/* SPDX-License-Identifier: MIT */
#include "tests/powerloss/rig.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig *rig_of(struct fp_bdev *watch)
{
    return (struct rig *)(void *)((uint8_t *)watch -
                                  offsetof(struct rig, watch));
}

static void touch(struct rig *rig, uint32_t block, uint32_t last)
{
    for (; block <= last; block++)
        for (int i = 0; i < RIG_LEVELS; i++)
            rig->copies[i].dirty[block] = 1;
}

static int watch_read(struct fp_bdev *dev, fp_addr off, void *buf,
                      uint32_t size)
{
    return fp_bdev_read(&rig_of(dev)->ram.bdev, off, buf, size);
}

static int watch_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                      uint32_t size)
{
    touch(rig_of(dev), (uint32_t)(off / dev->block_size),
          (uint32_t)((off + size - 1) / dev->block_size));
    return fp_bdev_prog(&rig_of(dev)->ram.bdev, off, buf, size);
}

static int watch_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    touch(rig_of(dev), block, block + count - 1);
    return fp_bdev_erase(&rig_of(dev)->ram.bdev, block, count);
}

static const struct fp_bdev_ops watch_ops = {
    .read = watch_read,
    .prog = watch_prog,
    .erase = watch_erase,
};

static void *need(void *p)
{
    if (!p) {
        fprintf(stderr, "powerloss: out of memory\n");
        exit(1);
    }
    return p;
}

static struct fp_fs_config config(const struct rig *rig, enum rig_role role)
{
    struct fp_fs_config cfg = rig->geo->cfg;

    cfg.version = 0;
    if (role == RIG_READER)
        cfg.flags |= FP_MOUNT_RDONLY;
    if (rig->driver->configure)
        rig->driver->configure(&cfg, rig->geo, role);
    return cfg;
}

/* The device that the volume is mounted on. */
static struct fp_bdev *start_device(struct rig *rig, int *err)
{
    *err = FP_OK;
    if (!rig->geo->wrapped)
        return &rig->fault.bdev;
    return rig->driver->wrap(rig->wrap, &rig->fault.bdev, err);
}

static void start_fault(struct rig *rig, uint64_t seed)
{
    fp_bdev_fault_init(&rig->fault, &rig->watch, rig->scratch, seed);
    fp_bdev_fault_bad(&rig->fault, rig->bad, rig->bad_count);
}

static size_t workspace(struct rig *rig, struct fp_bdev *dev,
                        enum rig_role role, uint8_t **ws)
{
    struct fp_fs_config cfg = config(rig, role);
    size_t size = rig->driver->ops->workspace(dev, &cfg);

    if (!size) {
        fprintf(stderr, "powerloss: %s cannot live on this medium\n",
                rig->driver->ops->name);
        exit(1);
    }
    *ws = need(malloc(size));
    return size;
}

static void make_workspaces(struct rig *rig)
{
    int err;
    struct fp_bdev *dev = start_device(rig, &err);

    if (err) {
        fprintf(stderr, "powerloss: no adapter: %s\n", fp_strerror(err));
        exit(1);
    }
    rig->ws_size = workspace(rig, dev, RIG_USER, &rig->ws);
    rig->reader_ws_size = workspace(rig, dev, RIG_READER, &rig->reader_ws);
}

void rig_init(struct rig *rig, const struct rig_driver *driver,
              const struct geometry *geo)
{
    *rig = (struct rig){ .driver = driver, .geo = geo };
    rig->mem_size = (size_t)geo->block_size * geo->block_count;
    rig->mem = need(malloc(rig->mem_size));
    memset(rig->mem, 0xff, rig->mem_size);
    rig->scratch = need(malloc(geo->block_size));
    rig->wrap = need(calloc(1, driver->wrap_size + 1));
    fp_bdev_ram_init(&rig->ram, geo->prog_size, geo->block_size,
                     geo->block_count, rig->mem);
    if (geo->medium)
        rig->ram.bdev.flags = geo->medium;
    if (geo->read_size)
        rig->ram.bdev.read_size = geo->read_size;
    rig->watch = rig->ram.bdev;
    rig->watch.ops = &watch_ops;
    start_fault(rig, 1);
    for (int i = 0; i < RIG_LEVELS; i++) {
        rig->copies[i].mem = need(malloc(rig->mem_size));
        rig->copies[i].dirty = need(malloc(geo->block_count));
        memset(rig->copies[i].dirty, 1, geo->block_count);
    }
    make_workspaces(rig);
    for (int i = 0; i < RIG_LEVELS; i++) {
        rig->copies[i].ws = need(malloc(rig->ws_size));
        rig->copies[i].wrap = need(malloc(driver->wrap_size + 1));
    }
}

void rig_free(struct rig *rig)
{
    for (int i = 0; i < RIG_LEVELS; i++) {
        free(rig->copies[i].mem);
        free(rig->copies[i].dirty);
        free(rig->copies[i].ws);
        free(rig->copies[i].wrap);
    }
    free(rig->mem);
    free(rig->scratch);
    free(rig->wrap);
    free(rig->ws);
    free(rig->reader_ws);
}

void rig_bad(struct rig *rig, const struct fp_fault_block *bad, uint32_t count)
{
    rig->bad = bad;
    rig->bad_count = count;
    fp_bdev_fault_bad(&rig->fault, bad, count);
}

int rig_format(struct rig *rig, const struct fp_fault_block *bad,
               uint32_t count)
{
    struct fp_fs_config cfg = config(rig, RIG_USER);
    struct fp_bdev *dev;
    int err;

    cfg.version = rig->geo->cfg.version;
    memset(rig->mem, 0xff, rig->mem_size);
    touch(rig, 0, rig->geo->block_count - 1);
    rig_bad(rig, bad, count);
    start_fault(rig, 1);
    dev = start_device(rig, &err);
    return err ? err
               : fp_fs_format(rig->driver->ops, dev, &cfg, rig->ws,
                              rig->ws_size);
}

int rig_start(struct rig *rig, enum rig_role role)
{
    const bool reads = role == RIG_READER;
    struct fp_fs_config cfg = config(rig, role);
    int err;
    struct fp_bdev *dev = start_device(rig, &err);

    /* A workspace that holds what some earlier mount left must do as well. */
    return err ? err
               : fp_fs_mount(&rig->mnt, rig->driver->ops, dev, &cfg,
                             reads ? rig->reader_ws : rig->ws,
                             reads ? rig->reader_ws_size : rig->ws_size);
}

int rig_mount(struct rig *rig, enum rig_role role)
{
    fp_bdev_fault_power_on(&rig->fault);
    return rig_start(rig, role);
}

void rig_save(struct rig *rig, enum rig_level level)
{
    struct rig_copy *copy = &rig->copies[level];
    size_t size = rig->geo->block_size;

    for (uint32_t i = 0; i < rig->geo->block_count; i++) {
        if (copy->dirty[i])
            memcpy(copy->mem + i * size, rig->mem + i * size, size);
        copy->dirty[i] = 0;
    }
    copy->mnt = rig->mnt;
    memcpy(copy->ws, rig->ws, rig->ws_size);
    memcpy(copy->wrap, rig->wrap, rig->driver->wrap_size);
}

void rig_restore(struct rig *rig, enum rig_level level)
{
    struct rig_copy *copy = &rig->copies[level];
    size_t size = rig->geo->block_size;

    for (uint32_t i = 0; i < rig->geo->block_count; i++) {
        if (!copy->dirty[i])
            continue;
        memcpy(rig->mem + i * size, copy->mem + i * size, size);
        touch(rig, i, i);
        copy->dirty[i] = 0;
    }
    rig->mnt = copy->mnt;
    memcpy(rig->ws, copy->ws, rig->ws_size);
    memcpy(rig->wrap, copy->wrap, rig->driver->wrap_size);
}

void rig_cut(struct rig *rig, uint32_t nth, enum fp_fault_tear tear,
             uint64_t seed)
{
    start_fault(rig, seed);
    fp_bdev_fault_cut(&rig->fault, nth, tear);
}

bool rig_survived(struct rig *rig)
{
    bool survived = !fp_bdev_fault_is_off(&rig->fault);

    fp_bdev_fault_power_on(&rig->fault);
    return survived;
}

bool rig_write_image(const struct rig *rig, const char *path)
{
    FILE *out = fopen(path, "wb");
    bool whole;

    if (!out)
        return false;
    whole = fwrite(rig->mem, 1, rig->mem_size, out) == rig->mem_size;
    return !fclose(out) && whole;
}
