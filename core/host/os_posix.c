/* SPDX-License-Identifier: MIT
 *
 * Linux and other Unixes.
 *
 * Only pread and pwrite, so that no position is shared with anybody, and in
 * loops: a disk may do less than it was asked, and a signal may interrupt.
 *
 * Two locks: flock keeps out others that go through here (and udev, which
 * looks at a disk only when it gets one); O_EXCL on a disk that is written
 * keeps out the kernel, which then cannot mount it, nor a partition of it.
 */
#define _GNU_SOURCE       /* SEEK_DATA */
#define _FILE_OFFSET_BITS 64
#include "core/host/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include "core/host/in_use.h"
#include "core/host/mtd.h"

#include <linux/fs.h>
#endif

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

/* --- bytes ---------------------------------------------------------------- */

static int fd_of(const struct fp_host_file *file)
{
    return (int)file->handle;
}

int fp_host_os_read(struct fp_host_file *file, uint64_t pos, void *buf,
                    uint32_t size)
{
    uint8_t *dst = buf;

    while (size > 0) {
        ssize_t n = pread(fd_of(file), dst, size, (off_t)pos);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of(errno);
        if (n == 0)
            return FP_ERR_IO; /* somebody cut the file */
        dst += n;
        pos += (uint64_t)n;
        size -= (uint32_t)n;
    }
    return FP_OK;
}

int fp_host_os_write(struct fp_host_file *file, uint64_t pos, const void *buf,
                     uint32_t size)
{
    const uint8_t *src = buf;

    while (size > 0) {
        ssize_t n = pwrite(fd_of(file), src, size, (off_t)pos);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_of(errno);
        src += n;
        pos += (uint64_t)n;
        size -= (uint32_t)n;
    }
    return FP_OK;
}

uint64_t fp_host_os_next_data(struct fp_host_file *file, uint64_t pos)
{
#ifdef SEEK_DATA
    off_t at = lseek(fd_of(file), (off_t)pos, SEEK_DATA);

    if (at >= 0 && (uint64_t)at > pos)
        return (uint64_t)at;
    if (at < 0 && errno == ENXIO)
        return file->all; /* nothing but a hole to the end */
#else
    (void)file;
#endif
    return pos;
}

/* fsync() of a disk empties the disk's own cache too. RAM behind an MTD driver
 * has none. */
int fp_host_os_sync(struct fp_host_file *file)
{
    while (file->kind != FP_HOST_MTD && fsync(fd_of(file)) != 0)
        if (errno != EINTR)
            return error_of(errno);
    return FP_OK;
}

/* --- who else has it ------------------------------------------------------ */

/* A file that is read may be mounted elsewhere: then that only reads too, or
 * shows itself by its lock. */
static bool is_in_use(struct fp_host_file *file, const struct stat *st,
                      uint32_t flags)
{
#ifdef __linux__
    int mtd = fp_host_mtd_number(st);

    if (flags & FP_HOST_FILE_NOLOCK && !(flags & FP_HOST_FILE_WRITE))
        return false;
    if (S_ISBLK(st->st_mode))
        return fp_host_in_use_disk(st->st_rdev, file->why, sizeof file->why);
    if (mtd >= 0)
        return fp_host_in_use_mtd((unsigned)mtd, file->why, sizeof file->why);
    return S_ISREG(st->st_mode) && flags & FP_HOST_FILE_WRITE &&
           fp_host_in_use_file(st->st_dev, st->st_ino, file->why,
                               sizeof file->why);
#else
    (void)file, (void)st, (void)flags;
    return false;
#endif
}

static int lock(struct fp_host_file *file, uint32_t flags)
{
    int how = flags & FP_HOST_FILE_WRITE ? LOCK_EX : LOCK_SH;

    /* A filesystem without locks is no reason to refuse. */
    if (flags & FP_HOST_FILE_NOLOCK || flock(fd_of(file), how | LOCK_NB) == 0 ||
        errno != EWOULDBLOCK)
        return FP_OK;
    snprintf(file->why, sizeof file->why, "in use by another program");
#ifdef __linux__
    struct stat st;

    if (fstat(fd_of(file), &st) == 0)
        fp_host_in_use_lock(st.st_dev, st.st_ino, file->why, sizeof file->why);
#endif
    return FP_ERR_BUSY;
}

/* --- opening -------------------------------------------------------------- */

static void say_refusal(struct fp_host_file *file, bool is_disk, int err)
{
    if (is_disk && err == FP_ERR_BUSY)
        snprintf(file->why, sizeof file->why,
                 "in use by another program, or by the system as a part of a "
                 "RAID, LVM or encrypted volume");
    else if (err == FP_ERR_ACCES)
        snprintf(file->why, sizeof file->why,
                 is_disk ? "permission denied: raw disks are for root, and for "
                           "the group that owns them"
                         : "permission denied");
}

/* O_NONBLOCK: a FIFO of that name must not hang us. */
static int open_path(const char *path, uint32_t flags, bool is_disk)
{
    int mode = flags & FP_HOST_FILE_WRITE ? O_RDWR : O_RDONLY, fd;

    if (is_disk && flags & FP_HOST_FILE_WRITE)
        mode |= O_EXCL;
    else if (!is_disk && flags & FP_HOST_FILE_CREATE)
        mode |= O_CREAT;
    do
        fd = open(path, mode | O_CLOEXEC | O_NONBLOCK, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int measure_disk(struct fp_host_file *file)
{
    file->kind = FP_HOST_DISK;
#ifdef __linux__
    /* What somebody wrote through another name of it is to be seen. Only root
     * may ask for that; for others it was so when the disk was last closed. */
    (void)ioctl(fd_of(file), BLKFLSBUF, 0);
    return ioctl(fd_of(file), BLKGETSIZE64, &file->all) == 0 ? FP_OK
                                                             : error_of(errno);
#else
    return FP_ERR_NOTSUP;
#endif
}

static int measure(struct fp_host_file *file, bool is_disk)
{
    struct stat st;

    if (fstat(fd_of(file), &st) != 0)
        return error_of(errno);
    if (S_ISBLK(st.st_mode) != is_disk)
        return FP_ERR_BUSY; /* another one has taken the name */
    if (S_ISDIR(st.st_mode))
        return FP_ERR_ISDIR;
    if (is_disk)
        return measure_disk(file);
    if (S_ISREG(st.st_mode)) {
        file->all = (uint64_t)st.st_size;
        return FP_OK;
    }
#ifdef __linux__
    if (fp_host_mtd_number(&st) >= 0)
        return fp_host_mtd_measure(file);
#endif
    return FP_ERR_NOTSUP;
}

int fp_host_os_open(struct fp_host_file *file, const char *path, uint32_t flags)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    bool is_disk = is_there && S_ISBLK(st.st_mode);
    int fd, err;

    if (is_there && is_in_use(file, &st, flags))
        return FP_ERR_BUSY;
    fd = open_path(path, flags, is_disk);
    if (fd < 0) {
        err = error_of(errno);
        say_refusal(file, is_disk, err);
        return err;
    }
    file->handle = fd;
    err = lock(file, flags);
    if (!err)
        err = measure(file, is_disk);
    if (err)
        fp_host_file_close(file);
    return err;
}

void fp_host_os_close(struct fp_host_file *file)
{
    close(fd_of(file));
}
