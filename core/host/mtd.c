/* SPDX-License-Identifier: MIT
 *
 * Source: the kernel's interface as mtd/mtd-abi.h describes it.
 */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64
#include "core/host/mtd.h"

#include "core/host/os.h"

#include <inttypes.h>
#include <mtd/mtd-user.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MTD_CHAR_MAJOR 90

static struct fp_host_file *file_of(struct fp_bdev *dev)
{
    return (struct fp_host_file *)dev;
}

static int fd_of(const struct fp_host_file *file)
{
    return (int)file->handle;
}

/* Reads that the check code could not put right since the start. */
static uint32_t failures(const struct fp_host_file *file)
{
    struct mtd_ecc_stats stats = { 0 };

    return file->has_ecc && ioctl(fd_of(file), ECCGETSTATS, &stats) == 0
               ? stats.failed
               : 0;
}

/* The kernel hands over what it could not put right as if it were right. */
static int mtd_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct fp_host_file *file = file_of(dev);
    uint32_t before = failures(file);
    int err = fp_host_os_read(file, file->offset + off, buf, size);

    return !err && failures(file) != before ? FP_ERR_CORRUPT : err;
}

static int mtd_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    struct fp_host_file *file = file_of(dev);

    return fp_host_os_write(file, file->offset + off, buf, size);
}

static int mtd_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_host_file *file = file_of(dev);
    struct erase_info_user64 range = {
        .start = file->offset + (uint64_t)block * dev->block_size,
        .length = (uint64_t)count * dev->block_size,
    };

    return ioctl(fd_of(file), MEMERASE64, &range) == 0 ? FP_OK : FP_ERR_IO;
}

static const struct fp_bdev_ops mtd_ops = {
    .read = mtd_read, .prog = mtd_prog, .erase = mtd_erase,
    /* .sync stays NULL: the kernel returns when the chip is done */
};

int fp_host_mtd_number(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == MTD_CHAR_MAJOR
               ? (int)(minor(st->st_rdev) / 2) /* the odd ones are mtdNro */
               : -1;
}

static int find_bad(struct fp_host_file *file)
{
    for (uint64_t pos = 0; pos < file->all; pos += file->erase_unit) {
        long long at = (long long)pos;

        if (ioctl(fd_of(file), MEMGETBADBLOCK, &at) <= 0)
            continue;
        snprintf(file->why, sizeof file->why,
                 "block %" PRIu64 " of this NAND is bad: it takes UBI to live "
                 "with that, and a volume of UBI's can be opened",
                 pos / file->erase_unit);
        return FP_ERR_NOTSUP;
    }
    return FP_OK;
}

/* RAM behind the driver is as a file is. */
static void set_ops(struct fp_host_file *file, const struct mtd_info_user *info)
{
    if (info->flags & MTD_NO_ERASE) {
        file->bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ERASED_FF;
        return;
    }
    file->prog_unit = info->writesize;
    file->erase_unit = info->erasesize;
    file->bdev.ops = &mtd_ops;
    file->bdev.flags = FP_BDEV_ERASED_FF |
                       (info->flags & MTD_BIT_WRITEABLE ? FP_BDEV_REPROG : 0u);
}

int fp_host_mtd_measure(struct fp_host_file *file)
{
    struct mtd_info_user info = { 0 };
    off_t end;

    if (ioctl(fd_of(file), MEMGETINFO, &info) != 0 || info.type == MTD_ABSENT)
        return FP_ERR_NODEV;
    end = lseek(fd_of(file), 0, SEEK_END); /* info.size ends at 4 GiB */
    if (end <= 0 || info.writesize == 0 || info.erasesize == 0)
        return FP_ERR_NOTSUP;
    file->kind = FP_HOST_MTD;
    file->all = (uint64_t)end;
    file->has_ecc = mtd_type_is_nand_user(&info);
    set_ops(file, &info);
    return file->has_ecc ? find_bad(file) : FP_OK;
}
