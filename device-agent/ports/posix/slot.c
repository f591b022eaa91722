/* SPDX-License-Identifier: MIT */
#include "device-agent/ports/posix/slot.h"

#include <sys/stat.h>
#include <time.h>

#define SETTLE_NS 200000000

static struct fp_port_slot *slot_of(struct fp_bdev *dev)
{
    return (struct fp_port_slot *)dev;
}

void fp_port_slot_close(struct fp_port_slot *slot)
{
    if (slot->is_open)
        fp_host_file_close(&slot->file);
    slot->is_open = false;
}

static bool is_same(const struct fp_port_slot *slot, const struct stat *st)
{
    return slot->is_known && slot->dev == st->st_dev && slot->ino == st->st_ino;
}

/* Asked before each operation: what is under way when a card is pulled fails at
 * its next. Once out it stays out, whatever is under the name by then. */
static int check(struct fp_port_slot *slot)
{
    struct stat st;

    if (!slot->is_open)
        return FP_ERR_NODEV;
    if (stat(slot->path, &st) == 0 && is_same(slot, &st))
        return FP_OK;
    fp_port_slot_close(slot);
    slot->is_known = false;
    return FP_ERR_NODEV;
}

static int slot_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    int err = check(slot_of(dev));

    return err ? err : fp_bdev_read(&slot_of(dev)->file.bdev, off, buf, size);
}

static int slot_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                     uint32_t size)
{
    int err = check(slot_of(dev));

    return err ? err : fp_bdev_prog(&slot_of(dev)->file.bdev, off, buf, size);
}

static int slot_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    int err = check(slot_of(dev));

    return err ? err : fp_bdev_erase(&slot_of(dev)->file.bdev, block, count);
}

static int slot_sync(struct fp_bdev *dev)
{
    int err = check(slot_of(dev));

    return err ? err : fp_bdev_sync(&slot_of(dev)->file.bdev);
}

static const struct fp_bdev_ops slot_ops = {
    .read = slot_read,
    .prog = slot_prog,
    .erase = slot_erase,
    .sync = slot_sync,
};

int fp_port_slot_init(struct fp_port_slot *slot, const char *path,
                      const struct fp_host_file_config *cfg)
{
    *slot = (struct fp_port_slot){
        .bdev = {
            .ops = &slot_ops,
            .read_size = cfg->read_size,
            .prog_size = cfg->prog_size,
            .block_size = cfg->block_size,
            .block_count = 1,
            .flags = FP_BDEV_REMOVABLE,
        },
        .path = path,
        .cfg = *cfg,
    };
    if (cfg->read_size == 0 || cfg->prog_size % cfg->read_size != 0 ||
        cfg->block_size % cfg->prog_size != 0)
        return FP_ERR_INVAL;
    return FP_OK;
}

/* Is it written just now? */
static bool is_fresh(const struct stat *st)
{
    struct timespec now;
    int64_t ns;

    clock_gettime(CLOCK_REALTIME, &now);
    ns = (int64_t)(now.tv_sec - st->st_mtim.tv_sec) * 1000000000 +
         (now.tv_nsec - st->st_mtim.tv_nsec);
    return ns >= 0 && ns < SETTLE_NS;
}

uint32_t fp_port_slot_number(struct fp_port_slot *slot)
{
    struct stat st;

    (void)check(slot);
    if (stat(slot->path, &st) != 0) {
        slot->is_known = false;
        return 0;
    }
    if (is_same(slot, &st))
        return slot->number;
    return is_fresh(&st) ? 0 : slot->number + 1;
}

int fp_port_slot_load(struct fp_port_slot *slot)
{
    struct stat st;
    int err;

    fp_port_slot_close(slot);
    slot->number++;
    slot->is_known = false;
    if (stat(slot->path, &st) != 0)
        return FP_ERR_NODEV;
    slot->is_known = true; /* one that cannot be served is no other later */
    slot->dev = st.st_dev;
    slot->ino = st.st_ino;
    err = fp_host_file_open(&slot->file, slot->path, &slot->cfg);
    if (err)
        return err;
    slot->is_open = true;
    slot->bdev.block_count = slot->file.bdev.block_count;
    slot->bdev.flags = slot->file.bdev.flags | FP_BDEV_REMOVABLE;
    return FP_OK;
}
