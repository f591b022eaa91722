/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/volume.h"

#include "core/bdev/ram.h"
#include "core/host/analyze.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 60

/* --- a device that ends what never ends --- */

struct limited {
    struct fp_bdev bdev;
    struct fp_bdev_ram ram;
    uint64_t left, passes;
    bool may_write;
};

static void spend(struct fp_bdev *dev, uint64_t size)
{
    struct limited *l = (struct limited *)(void *)dev;

    if (l->left < size)
        abort();
    l->left -= size;
}

static void must_write(struct fp_bdev *dev)
{
    if (!((struct limited *)(void *)dev)->may_write)
        abort();
}

static struct fp_bdev *under(struct fp_bdev *dev)
{
    return &((struct limited *)(void *)dev)->ram.bdev;
}

static int limited_read(struct fp_bdev *dev, fp_addr off, void *buf,
                        uint32_t size)
{
    spend(dev, size);
    return fp_bdev_read(under(dev), off, buf, size);
}

static int limited_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                        uint32_t size)
{
    spend(dev, size);
    must_write(dev);
    return fp_bdev_prog(under(dev), off, buf, size);
}

static int limited_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    spend(dev, (uint64_t)count * dev->block_size);
    must_write(dev);
    return fp_bdev_erase(under(dev), block, count);
}

static const struct fp_bdev_ops limited_ops = {
    .read = limited_read,
    .prog = limited_prog,
    .erase = limited_erase,
};

static struct limited dev;

/* Before every operation. */
static void allow(void)
{
    dev.left =
        dev.passes * (uint64_t)fp_bdev_size(&dev.bdev) + ((uint64_t)1 << 20);
}

/* --- use --- */

static char paths[ENTRIES_MAX][FP_PATH_MAX + FP_NAME_MAX + 2];
static int path_count;

static void on_finding(void *ctx, enum fp_finding_level level, uint32_t block,
                       const char *text)
{
    (void)block;
    *(size_t *)ctx += strlen(text) + (size_t)level;
}

static int on_block(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)use;
    *(size_t *)ctx += block;
    return FP_OK;
}

static void read_file(struct fp_mount *mnt, const char *path)
{
    uint8_t buf[1000];
    struct fp_file file;
    int64_t end;

    allow();
    if (fp_fs_open(mnt, &file, path, FP_O_READ))
        return;
    for (int i = 0; i < 8; i++) {
        allow();
        if (fp_fs_read(&file, buf, sizeof buf) <= 0)
            break;
    }
    end = fp_fs_seek(&file, 0, FP_SEEK_END);
    for (int i = 1; i < 4 && end > 0; i++) {
        allow();
        (void)fp_fs_seek(&file, end * i / 4, FP_SEEK_SET);
        (void)fp_fs_read(&file, buf, 100);
    }
    allow();
    fp_fs_close(&file);
}

static void attributes(struct fp_mount *mnt, const char *path)
{
    uint8_t types[256], value[1100];
    int count;

    allow();
    count = fp_fs_listattr(mnt, path, types, sizeof types);
    for (int i = 0; i < count && i < 4; i++) {
        allow();
        (void)fp_fs_getattr(mnt, path, types[i], value, sizeof value);
    }
}

static void list(struct fp_mount *mnt, int at)
{
    bool is_stored = fp_fs_option(mnt->cfg.options, "raw", 0);
    struct fp_dirent entry;
    struct fp_dir dir;

    allow();
    if (fp_fs_opendir(mnt, &dir, paths[at]))
        return;
    for (;;) {
        allow();
        if (fp_fs_readdir(&dir, &entry) <= 0 || path_count == ENTRIES_MAX)
            break;
        if (entry.name_len > FP_NAME_MAX || entry.name[entry.name_len] ||
            (!is_stored && strlen(entry.name) != entry.name_len))
            abort();
        if (strlen(paths[at]) + 1 + entry.name_len <= FP_PATH_MAX)
            snprintf(paths[path_count++], sizeof paths[0], "%.*s/%s",
                     FP_PATH_MAX, at ? paths[at] : "", entry.name);
    }
    allow();
    fp_fs_closedir(&dir);
}

static void walk(struct fp_mount *mnt)
{
    struct fp_stat st;

    strcpy(paths[0], "/");
    path_count = 1;
    for (int i = 0; i < path_count; i++) {
        allow();
        (void)fp_fs_stat(mnt, paths[i], &st);
        attributes(mnt, paths[i]);
        read_file(mnt, paths[i]);
        list(mnt, i);
    }
}

static void step(struct fp_mount *mnt, enum fp_step_kind kind)
{
    size_t sum = 0;
    struct fp_step s = { .kind = kind, .on_finding = on_finding, .ctx = &sum };
    int calls = 0;

    do {
        allow();
        if (++calls > 100000)
            abort();
    } while (fp_fs_step(mnt, &s) == FP_OK && !s.done);
}

static void put(struct fp_mount *mnt, const char *path, uint32_t flags,
                uint32_t size)
{
    static const uint8_t data[1500] = { 1, 2, 3 };
    const struct fp_commit_meta meta = { .has_mtime = true, .mtime_ns = 7 };
    struct fp_file file;

    allow();
    if (fp_fs_open(mnt, &file, path, FP_O_WRITE | flags))
        return;
    allow();
    (void)fp_fs_write(&file, data, size);
    allow();
    if (flags & FP_O_STAGE)
        (void)fp_fs_commit(&file, &meta);
    else
        (void)fp_fs_truncate(&file, size / 2);
    allow();
    (void)fp_fs_close(&file);
}

static void change(struct fp_mount *mnt)
{
    const char *last = paths[path_count - 1], *mid = paths[path_count / 2];

    put(mnt, "/fp", FP_O_CREATE, 20);
    allow();
    (void)fp_fs_mkdir(mnt, "/dir");
    put(mnt, "/dir/staged", FP_O_CREATE | FP_O_STAGE, 1500);
    put(mnt, last, FP_O_APPEND, 700);
    allow();
    (void)fp_fs_rename(mnt, mid, "/dir/moved", 0);
    allow();
    (void)fp_fs_rename(mnt, "/dir/staged", last, 0);
    allow();
    (void)fp_fs_setattr(mnt, mid, 0x74, "abcdefg", 8);
    allow();
    (void)fp_fs_remove(mnt, last);
    for (int i = 1; i < path_count && i < 8; i++) {
        allow();
        (void)fp_fs_remove(mnt, paths[i]);
    }
    step(mnt, FP_STEP_GC);
    step(mnt, FP_STEP_COMPACT);
}

static void analyze(struct fp_mount *mnt)
{
    struct fp_host_analysis analysis;

    allow();
    if (fp_host_analyze(&analysis, mnt) == FP_OK)
        fp_host_analysis_free(&analysis);
}

/* Mounted read-only, nothing may be written. */
static void use_mounted(struct fp_mount *mnt)
{
    struct fp_statfs st;
    size_t sum = 0;

    dev.may_write = !(mnt->cfg.flags & FP_MOUNT_RDONLY);
    allow();
    (void)fp_fs_statfs(mnt, &st);
    walk(mnt);
    allow();
    (void)fp_fs_blocks(mnt, on_block, &sum);
    analyze(mnt);
    allow();
    step(mnt, FP_STEP_CHECK);
    if (dev.may_write) {
        change(mnt);
        walk(mnt);
        step(mnt, FP_STEP_REPAIR);
        step(mnt, FP_STEP_CHECK);
    }
    allow();
    if (fp_fs_unmount(mnt) && !dev.may_write)
        abort();
}

static void use(const struct fuzz_layout *layout, uint32_t flags)
{
    const struct fp_fs_ops *ops = layout->ops;
    struct fp_fs_config cfg = layout->cfg;
    struct fp_mount mnt;
    size_t size;
    void *ws;
    int score = 0;

    dev.may_write = false;
    allow();
    if (ops == NULL ? fp_fs_probe(layout->drivers, &dev.bdev, &ops, &cfg)
                    : ops->probe != NULL && cfg.block_size == 0 &&
                          ops->probe(&dev.bdev, &cfg, &score))
        return;
    cfg.flags |= flags;
    size = ops->workspace(&dev.bdev, &cfg);
    ws = malloc(size ? size : 1);
    if (ws == NULL)
        abort();
    allow();
    if (fp_fs_mount(&mnt, ops, &dev.bdev, &cfg, ws, size) == FP_OK)
        use_mounted(&mnt);
    free(ws);
}

static void use_twice(const struct fuzz_layout *layout, const uint8_t *image,
                      size_t size, uint32_t flags)
{
    uint32_t blocks = (uint32_t)(size / layout->block_size);
    uint8_t *copy;

    if (blocks == 0)
        return;
    copy = malloc((size_t)blocks * layout->block_size);
    if (copy == NULL)
        abort();
    memcpy(copy, image, (size_t)blocks * layout->block_size);
    fp_bdev_ram_init(&dev.ram, layout->prog_size, layout->block_size, blocks,
                     copy);
    if (layout->medium)
        dev.ram.bdev.flags = layout->medium;
    if (layout->read_size)
        dev.ram.bdev.read_size = layout->read_size;
    dev.bdev = dev.ram.bdev;
    dev.bdev.ops = &limited_ops;
    dev.passes = layout->passes ? layout->passes : 2000;
    use(layout, flags);
    use(layout, flags);
    free(copy);
}

void fuzz_volume(const struct fuzz_layout *layout, const uint8_t *image,
                 size_t size)
{
    use_twice(layout, image, size, 0);
}

int fuzz_layouts(const struct fuzz_layout *layouts, uint32_t count,
                 size_t size_max, const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 + size_max)
        return 0;
    use_twice(&layouts[(data[0] & ~FUZZ_READ_ONLY) % count], data + 1, size - 1,
              data[0] & FUZZ_READ_ONLY ? FP_MOUNT_RDONLY : 0);
    return 0;
}
