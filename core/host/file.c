/* SPDX-License-Identifier: MIT
 *
 * Only pread and pwrite, so that no position is shared with anybody, and in
 * loops: a disk may do less than it was asked, and a signal may interrupt.
 */
#define _GNU_SOURCE       /* SEEK_DATA */
#define _FILE_OFFSET_BITS 64

#include "core/host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#endif

#define LARGEST_DEFAULT_BLOCK 4096

static struct fp_host_file *file_of(struct fp_bdev *dev)
{
    return (struct fp_host_file *)dev;
}

/* The edge where foreign numbers enter. */
static int error_of(int host_errno)
{
    switch (host_errno) {
    case ENOENT:
        return FP_ERR_NOENT;
    case ENOTDIR:
        return FP_ERR_NOTDIR;
    case EACCES:
    case EPERM:
        return FP_ERR_ACCES;
    case EISDIR:
        return FP_ERR_ISDIR;
    case ENOSPC:
    case EDQUOT:
        return FP_ERR_NOSPC;
    case EFBIG:
        return FP_ERR_FBIG;
    case EROFS:
        return FP_ERR_ROFS;
    case EBUSY:
    case EWOULDBLOCK:
    case ETXTBSY:
        return FP_ERR_BUSY;
    case ENODEV:
    case ENXIO:
    case ENOMEDIUM:
        return FP_ERR_NODEV;
    case EMFILE:
    case ENFILE:
        return FP_ERR_NFILE;
    case ENOMEM:
        return FP_ERR_NOMEM;
    case ENAMETOOLONG:
        return FP_ERR_NAMETOOLONG;
    case EINVAL:
    case ELOOP:
        return FP_ERR_INVAL;
    default:
        return FP_ERR_IO;
    }
}

static int read_all(int fd, uint64_t off, void *buf, size_t size)
{
    uint8_t *dst = buf;

    while (size > 0) {
        ssize_t n = pread(fd, dst, size, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of(errno);
        if (n == 0)
            return FP_ERR_IO; /* somebody cut the file */
        dst += n;
        off += (uint64_t)n;
        size -= (size_t)n;
    }
    return FP_OK;
}

static int write_all(int fd, uint64_t off, const void *buf, size_t size)
{
    const uint8_t *src = buf;

    while (size > 0) {
        ssize_t n = pwrite(fd, src, size, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of(errno);
        src += n;
        off += (uint64_t)n;
        size -= (size_t)n;
    }
    return FP_OK;
}

static int fill_erased(struct fp_host_file *file, uint64_t off, uint64_t size)
{
    memset(file->buf, 0xff, sizeof file->buf);
    while (size > 0) {
        size_t n = size < sizeof file->buf ? (size_t)size : sizeof file->buf;
        int err = write_all(file->fd, off, file->buf, n);

        if (err)
            return err;
        off += n;
        size -= n;
    }
    return FP_OK;
}

static int sync_all(int fd)
{
    while (fdatasync(fd) != 0)
        if (errno != EINTR)
            return error_of(errno);
    return FP_OK;
}

static int file_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct fp_host_file *file = file_of(dev);

    return read_all(file->fd, file->offset + off, buf, size);
}

static int file_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                     uint32_t size)
{
    struct fp_host_file *file = file_of(dev);

    return write_all(file->fd, file->offset + off, buf, size);
}

static int nor_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                    uint32_t size)
{
    struct fp_host_file *file = file_of(dev);
    const uint8_t *src = buf;

    while (size > 0) {
        uint32_t n = size < sizeof file->buf ? size : sizeof file->buf;
        int err = read_all(file->fd, file->offset + off, file->buf, n);

        if (err)
            return err;
        for (uint32_t i = 0; i < n; i++)
            file->buf[i] &= src[i];
        err = write_all(file->fd, file->offset + off, file->buf, n);
        if (err)
            return err;
        off += n;
        src += n;
        size -= n;
    }
    return FP_OK;
}

static int file_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    struct fp_host_file *file = file_of(dev);
    uint64_t off = (uint64_t)block * dev->block_size;

    return fill_erased(file, file->offset + off,
                       (uint64_t)count * dev->block_size);
}

static int disk_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    (void)dev;
    (void)block;
    (void)count;
    return FP_OK;
}

static int file_sync(struct fp_bdev *dev)
{
    return dev->flags & FP_BDEV_RDONLY ? FP_OK : sync_all(file_of(dev)->fd);
}

static const struct fp_bdev_ops file_ops = {
    .read = file_read,
    .prog = file_prog,
    .erase = file_erase,
    .sync = file_sync,
};

static const struct fp_bdev_ops nor_ops = {
    .read = file_read,
    .prog = nor_prog,
    .erase = file_erase,
    .sync = file_sync,
};

static const struct fp_bdev_ops disk_ops = {
    .read = file_read,
    .prog = file_prog,
    .erase = disk_erase,
    .sync = file_sync,
};

/* Opens and locks. O_NONBLOCK: a FIFO of that name must not hang us. */
static int open_locked(const char *path, uint32_t flags)
{
    int mode = flags & FP_HOST_FILE_WRITE ? O_RDWR : O_RDONLY;
    int fd, lock = flags & FP_HOST_FILE_WRITE ? LOCK_EX : LOCK_SH;

    if (flags & FP_HOST_FILE_CREATE)
        mode |= O_CREAT;
    do
        fd = open(path, mode | O_CLOEXEC | O_NONBLOCK, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return error_of(errno);
    /* A filesystem without locks is no reason to refuse. */
    if (!(flags & FP_HOST_FILE_NOLOCK) && flock(fd, lock | LOCK_NB) != 0 &&
        errno == EWOULDBLOCK) {
        close(fd);
        return FP_ERR_BUSY;
    }
    return fd;
}

/* Bytes in the file or disk, and which of both it is. */
static int measure(int fd, uint64_t *size, bool *is_disk)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return error_of(errno);
    if (S_ISDIR(st.st_mode))
        return FP_ERR_ISDIR;
    *is_disk = S_ISBLK(st.st_mode);
    if (S_ISREG(st.st_mode)) {
        *size = (uint64_t)st.st_size;
        return FP_OK;
    }
#ifdef BLKGETSIZE64
    if (*is_disk)
        return ioctl(fd, BLKGETSIZE64, size) == 0 ? FP_OK : error_of(errno);
#endif
    return FP_ERR_NOTSUP;
}

static uint32_t default_block_size(uint64_t size, uint32_t prog_size)
{
    uint32_t block_size = LARGEST_DEFAULT_BLOCK;

    while (block_size > prog_size && size % block_size != 0 &&
           size / (block_size / 2) <= UINT32_MAX)
        block_size /= 2;
    return block_size;
}

/* Lays the device over the bytes behind the offset. */
static int set_geometry(struct fp_host_file *file, uint32_t block_size,
                        uint32_t block_count)
{
    uint64_t fits;

    if (block_size == 0 || block_size % file->bdev.prog_size != 0)
        return FP_ERR_INVAL;
    fits = file->size / block_size;
    if (fits == 0 || block_count > fits)
        return FP_ERR_INVAL;
    if (block_count == 0 && fits > UINT32_MAX)
        return FP_ERR_FBIG;
    if (block_count == 0)
        block_count = (uint32_t)fits;

    file->bdev.block_size = block_size;
    file->bdev.block_count = block_count;
    file->tail = file->size - fp_bdev_size(&file->bdev);
    return FP_OK;
}

/* Makes the file as long as its geometry says, unless it is. */
static int grow(struct fp_host_file *file,
                const struct fp_host_file_config *cfg, uint64_t *size)
{
    uint64_t end = (uint64_t)cfg->block_size * cfg->block_count;
    int err;

    if (end > INT64_MAX - cfg->offset)
        return FP_ERR_FBIG;
    end += cfg->offset;
    if (*size >= end)
        return FP_OK;
    err = fill_erased(file, *size, end - *size);
    if (!err)
        err = sync_all(file->fd);
    if (!err)
        *size = end;
    return err;
}

static int lay_out(struct fp_host_file *file,
                   const struct fp_host_file_config *cfg)
{
    bool is_disk = false;
    uint32_t block_size = cfg->block_size;
    uint64_t size = 0;
    int err = measure(file->fd, &size, &is_disk);

    if (!err && cfg->flags & FP_HOST_FILE_CREATE && !is_disk)
        err = grow(file, cfg, &size);
    if (err)
        return err;
    if (cfg->offset >= size)
        return FP_ERR_INVAL;

    file->size = size - cfg->offset;
    if (cfg->flags & FP_HOST_FILE_NOR) {
        file->bdev.ops = &nor_ops;
        file->bdev.flags = FP_BDEV_REPROG | FP_BDEV_ERASED_FF;
    } else if (is_disk) {
        file->bdev.ops = &disk_ops;
        file->bdev.flags = FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG;
    } else {
        file->bdev.ops = &file_ops;
        file->bdev.flags =
            FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG | FP_BDEV_ERASED_FF;
    }
    if (!(cfg->flags & FP_HOST_FILE_WRITE))
        file->bdev.flags |= FP_BDEV_RDONLY;
    if (block_size == 0)
        block_size = default_block_size(file->size, file->bdev.prog_size);
    return set_geometry(file, block_size, cfg->block_count);
}

int fp_host_file_open(struct fp_host_file *file, const char *path,
                      const struct fp_host_file_config *cfg)
{
    static const struct fp_host_file_config defaults = { 0 };
    const uint32_t create = FP_HOST_FILE_CREATE | FP_HOST_FILE_WRITE;
    int err;

    if (cfg == NULL)
        cfg = &defaults;
    *file = (struct fp_host_file){ .fd = -1, .offset = cfg->offset };
    file->bdev.read_size = cfg->read_size != 0 ? cfg->read_size : 1;
    file->bdev.prog_size =
        cfg->prog_size != 0 ? cfg->prog_size : file->bdev.read_size;
    if (file->bdev.prog_size % file->bdev.read_size != 0 ||
        cfg->block_size % file->bdev.prog_size != 0)
        return FP_ERR_INVAL;
    if (cfg->flags & FP_HOST_FILE_CREATE &&
        ((cfg->flags & create) != create || cfg->block_size == 0 ||
         cfg->block_count == 0))
        return FP_ERR_INVAL;

    file->fd = open_locked(path, cfg->flags);
    if (file->fd < 0)
        return file->fd;
    err = lay_out(file, cfg);
    if (err)
        fp_host_file_close(file);
    return err;
}

void fp_host_file_close(struct fp_host_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

int fp_host_file_set_block_size(struct fp_host_file *file, uint32_t block_size)
{
    return set_geometry(file, block_size, 0);
}

uint64_t fp_host_file_next_data(const struct fp_host_file *file, uint64_t off)
{
#ifdef SEEK_DATA
    off_t at = lseek(file->fd, (off_t)(file->offset + off), SEEK_DATA);

    if (at >= 0 && (uint64_t)at > file->offset + off)
        return (uint64_t)at - file->offset;
    if (at < 0 && errno == ENXIO)
        return file->size; /* nothing but a hole to the end */
#endif
    return off;
}
