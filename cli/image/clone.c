/* SPDX-License-Identifier: MIT
 *
 * Three ways, from the cheapest: one call that shares all blocks (FICLONE: btrfs,
 * XFS); stretches between holes, inside the kernel (copy_file_range); the same
 * stretches through a buffer. A way that a host or a filesystem does not have
 * fails at once, with nothing written, and the next is taken.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/image/clone.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

static bool share_all(int from, int to)
{
#ifdef FICLONE
    return ioctl(to, FICLONE, from) == 0;
#else
    (void)from;
    (void)to;
    return false;
#endif
}

/* Bytes moved, 0 at the end of `from`, -1 and errno. */
static ssize_t move_in_kernel(int from, int to, off_t at, size_t size)
{
#ifdef __linux__
    off_t out = at;

    return copy_file_range(from, &at, to, &out, size, 0);
#else
    (void)from, (void)to, (void)at, (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

static ssize_t move_by_buffer(int from, int to, off_t at, size_t size)
{
    static uint8_t buf[1 << 18];
    ssize_t n = pread(from, buf, size < sizeof buf ? size : sizeof buf, at);
    ssize_t done = 0;

    while (done < n) {
        ssize_t w = pwrite(to, buf + done, (size_t)(n - done), at + done);

        if (w < 0 && errno != EINTR)
            return -1;
        done += w < 0 ? 0 : w;
    }
    return n;
}

/* The bytes [at, end), all of which are there. */
static int move_stretch(int from, int to, off_t at, off_t end)
{
    bool is_in_kernel = true;

    while (at < end) {
        size_t size = (size_t)(end - at < 1 << 30 ? end - at : 1 << 30);
        ssize_t n = is_in_kernel ? move_in_kernel(from, to, at, size)
                                 : move_by_buffer(from, to, at, size);

        if (n > 0) {
            at += n;
        } else if (is_in_kernel && !(n < 0 && errno == EINTR)) {
            is_in_kernel = false;
        } else if (n == 0) {
            errno = EIO; /* somebody cut the file */
            return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

/* The next stretch that is written, from `at` on: false if there is none. Where
 * nobody tells, all is. */
static bool next_stretch(int from, off_t at, off_t size, off_t *start,
                         off_t *end)
{
    *start = at;
    *end = size;
#ifdef SEEK_DATA
    *start = lseek(from, at, SEEK_DATA);
    if (*start < 0 && errno != ENXIO)
        *start = at;
    else if (*start >= 0)
        *end = lseek(from, *start, SEEK_HOLE);
    if (*end < 0)
        *end = size;
#else
    (void)from;
#endif
    return *start >= 0 && *start < size;
}

int fpc_clone(int from, int to)
{
    off_t start, end = 0;
    struct stat st;

    if (ftruncate(to, 0) != 0 || fstat(from, &st) != 0)
        return -1;
    if (share_all(from, to))
        return 0;
    if (ftruncate(to, st.st_size) != 0)
        return -1;
    while (next_stretch(from, end, st.st_size, &start, &end))
        if (move_stretch(from, to, start, end) != 0)
            return -1;
    return 0;
}
