/* SPDX-License-Identifier: MIT
 *
 * The file has no name: nothing is left when the daemon dies. `lock` guards
 * the counters; the bytes below `have` never change, so they are read and
 * written without it. The two hooks are fired without `lock`.
 */
#include "daemon/device/spool.h"

#include "core/error.h"
#include "daemon/device/hook.h"
#include "daemon/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fpd_spool {
    _Atomic unsigned refs;
    int fd;
    struct fpd_hash hash;   /* the writer's alone, until its end */
    struct fpd_hook writer; /* wake_when_writable */
    struct fpd_hook reader; /* on_data */
    pthread_mutex_t lock;
    uint64_t consumed;
    uint64_t max;
    bool abandoned;
    struct fpd_spool_state st;
};

static int error_of(int sys_errno)
{
    switch (sys_errno) {
    case ENOSPC:
    case EDQUOT:
        return FP_ERR_NOSPC;
    case ENOMEM:
        return FP_ERR_NOMEM;
    case EMFILE:
    case ENFILE:
        return FP_ERR_NFILE;
    case EACCES:
    case EROFS:
        return FP_ERR_ACCES;
    default:
        return FP_ERR_IO;
    }
}

/* A file without a name; where the filesystem has no O_TMPFILE, one that
 * loses its name at once. */
static int open_unnamed(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if ((size_t)snprintf(path, sizeof path, "%s/spool-XXXXXX", dir) >=
        sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

int fpd_spool_new(const char *dir, uint64_t size, struct fpd_spool **out)
{
    struct fpd_spool *spool = calloc(1, sizeof *spool);
    int err;

    *out = NULL;
    if (!spool)
        return FP_ERR_NOMEM;
    if (fpd_hash_begin(&spool->hash) != FP_OK) {
        free(spool);
        return FP_ERR_NOMEM;
    }
    spool->fd = open_unnamed(dir);
    if (spool->fd < 0) {
        err = error_of(errno);
        fpd_hash_drop(&spool->hash);
        free(spool);
        return err;
    }
    atomic_init(&spool->refs, 1);
    pthread_mutex_init(&spool->lock, NULL);
    fpd_hook_init(&spool->writer);
    fpd_hook_init(&spool->reader);
    spool->st.size = size;
    spool->max = size;
    *out = spool;
    return FP_OK;
}

struct fpd_spool *fpd_spool_ref(struct fpd_spool *spool)
{
    atomic_fetch_add(&spool->refs, 1);
    return spool;
}

void fpd_spool_unref(struct fpd_spool *spool)
{
    if (!spool || atomic_fetch_sub(&spool->refs, 1) != 1)
        return;
    close(spool->fd);
    fpd_hash_drop(&spool->hash);
    pthread_mutex_destroy(&spool->lock);
    fpd_hook_deinit(&spool->writer);
    fpd_hook_deinit(&spool->reader);
    free(spool);
}

void fpd_spool_limit(struct fpd_spool *spool, uint64_t max)
{
    if (max < spool->max)
        spool->max = max;
}

/* May `size` bytes more come? */
static int check_write(struct fpd_spool *spool, size_t size)
{
    if (spool->abandoned)
        return FP_ERR_CANCELED;
    if (spool->st.err)
        return spool->st.err;
    if (spool->st.ended)
        return FP_ERR_INVAL;
    return size > spool->max - spool->st.have ? FP_ERR_FBIG : FP_OK;
}

static int write_all(int fd, uint64_t off, const uint8_t *buf, size_t size)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, buf, size, (off_t)off);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? error_of(errno) : FP_ERR_IO;
        buf += n;
        off += (uint64_t)n;
        size -= (size_t)n;
    }
    return FP_OK;
}

int fpd_spool_write(struct fpd_spool *spool, const void *buf, size_t size)
{
    uint64_t have;
    int err;

    pthread_mutex_lock(&spool->lock);
    err = check_write(spool, size);
    have = spool->st.have;
    pthread_mutex_unlock(&spool->lock);
    if (!err)
        err = write_all(spool->fd, have, buf, size);
    if (err)
        return err;
    fpd_hash_add(&spool->hash, buf, size);
    pthread_mutex_lock(&spool->lock);
    spool->st.have = have + size;
    pthread_mutex_unlock(&spool->lock);
    fpd_hook_fire(&spool->reader);
    return FP_OK;
}

static bool writable_locked(const struct fpd_spool *spool)
{
    return spool->abandoned || spool->consumed >= spool->st.have ||
           spool->st.have - spool->consumed < FPD_SPOOL_LEAD;
}

bool fpd_spool_writable(struct fpd_spool *spool)
{
    bool writable;

    pthread_mutex_lock(&spool->lock);
    writable = writable_locked(spool);
    pthread_mutex_unlock(&spool->lock);
    return writable;
}

void fpd_spool_wake_when_writable(struct fpd_spool *spool,
                                  void (*wake)(void *ctx), void *ctx)
{
    fpd_hook_set(&spool->writer, wake, ctx);
    if (fpd_spool_writable(spool))
        fpd_hook_fire_once(&spool->writer);
}

void fpd_spool_no_wake(struct fpd_spool *spool)
{
    fpd_hook_set(&spool->writer, NULL, NULL);
}

static void end_hash(struct fpd_spool *spool)
{
    if (spool->hash.ctx)
        fpd_hash_end(&spool->hash, spool->st.sha256);
}

bool fpd_spool_is(struct fpd_spool *spool, const uint8_t sha256[32])
{
    bool is;

    pthread_mutex_lock(&spool->lock);
    end_hash(spool);
    is = memcmp(spool->st.sha256, sha256, sizeof spool->st.sha256) == 0;
    pthread_mutex_unlock(&spool->lock);
    return is;
}

int fpd_spool_end(struct fpd_spool *spool)
{
    int err = FP_OK;

    pthread_mutex_lock(&spool->lock);
    if (spool->st.err) {
        err = spool->st.err;
    } else if (spool->st.size != FPD_SPOOL_UNKNOWN &&
               spool->st.have < spool->st.size) {
        err = spool->st.err = FP_ERR_INVAL;
    } else if (!spool->st.ended) {
        end_hash(spool);
        spool->st.size = spool->st.have;
        spool->st.ended = true;
    }
    pthread_mutex_unlock(&spool->lock);
    fpd_hook_fire(&spool->reader);
    return err;
}

void fpd_spool_fail(struct fpd_spool *spool, int err)
{
    pthread_mutex_lock(&spool->lock);
    if (!spool->st.ended && !spool->st.err)
        spool->st.err = err;
    pthread_mutex_unlock(&spool->lock);
    fpd_hook_fire(&spool->reader);
}

void fpd_spool_state(struct fpd_spool *spool, struct fpd_spool_state *st)
{
    pthread_mutex_lock(&spool->lock);
    *st = spool->st;
    pthread_mutex_unlock(&spool->lock);
}

int32_t fpd_spool_read(struct fpd_spool *spool, uint64_t off, void *buf,
                       uint32_t size)
{
    uint64_t have;
    ssize_t n;

    pthread_mutex_lock(&spool->lock);
    have = spool->st.have;
    pthread_mutex_unlock(&spool->lock);
    if (off >= have)
        return 0;
    if (size > have - off)
        size = (uint32_t)(have - off);
    do {
        n = pread(spool->fd, buf, size, (off_t)off);
    } while (n < 0 && errno == EINTR);
    return n < 0 || (uint32_t)n != size ? FP_ERR_IO : (int32_t)n;
}

void fpd_spool_consumed(struct fpd_spool *spool, uint64_t off)
{
    bool writable;

    pthread_mutex_lock(&spool->lock);
    spool->consumed = off;
    writable = writable_locked(spool);
    pthread_mutex_unlock(&spool->lock);
    if (writable)
        fpd_hook_fire_once(&spool->writer);
}

void fpd_spool_abandon(struct fpd_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->abandoned = true;
    pthread_mutex_unlock(&spool->lock);
    fpd_hook_fire_once(&spool->writer);
}

void fpd_spool_on_data(struct fpd_spool *spool, void (*data)(void *ctx),
                       void *ctx)
{
    fpd_hook_set(&spool->reader, data, ctx);
}
