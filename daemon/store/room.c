/* SPDX-License-Identifier: MIT
 *
 * Room on the disk. A database with a log (WAL) needs some even to delete, so
 * a file of RESERVE bytes lies beside the databases and is given up when the
 * disk is full:
 *
 *     what grows the store   is begun where the disk has room for it twice, in
 *                            the log and in the database, beside the reserve
 *     everything else        when it finds the disk full, is done once more in
 *                            the room of the reserve
 *
 * The writer keeps the logs shorter than the reserve, so that they can always
 * be moved into it. Afterwards it is made anew, as far as there is room.
 */
#include "daemon/store/internal.h"

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE (2 << 20)
#define PART    65536 /* in which it shrinks */
/* Pages that the smallest transaction touches, beside its content. */
#define TOUCHED (10 * 65536)

static int open_reserve(const struct fpd_store *store, int flags)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/reserve", store->dir);
    return open(path, O_WRONLY | O_CLOEXEC | flags, 0600);
}

static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT;
}

void fpd_room_lend(struct fpd_store *store)
{
    int fd = open_reserve(store, O_TRUNC);

    if (fd >= 0)
        close(fd);
    store->reserve = 0;
}

bool fpd_room_keep(struct fpd_store *store)
{
    int fd, err = 0;

    if (store->reserve == RESERVE)
        return true;
    fd = open_reserve(store, O_CREAT);
    if (fd < 0)
        err = errno;
    for (int size = RESERVE; size >= PART && size > store->reserve && !err;
         size -= PART) {
        err = posix_fallocate(fd, 0, size);
        if (!err)
            store->reserve = size;
        else if (is_full(err))
            err = 0;
    }
    if (fd >= 0)
        close(fd);
    if (err && !is_full(err)) /* go without: that is no full disk */
        store->reserve = RESERVE;
    if (store->full != (store->reserve < RESERVE)) {
        store->full = !store->full;
        fpd_log(FPD_LOG_WARN, "store",
                store->full ? "the disk is full: nothing that grows is stored"
                            : "the disk has room again");
    }
    return !store->full;
}

bool fpd_room_fits(struct fpd_store *store, uint64_t bytes)
{
    struct statvfs st;

    if (!fpd_room_keep(store))
        return false;
    if (statvfs(store->dir, &st) != 0)
        return true; /* it will turn out */
    return (uint64_t)st.f_bavail * st.f_frsize >=
           2 * (bytes + bytes / 8) + TOUCHED;
}
