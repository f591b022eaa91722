/* SPDX-License-Identifier: MIT
 *
 * A device as others see it: describe, console, submit, cancel, run.
 */
#include "daemon/device/device.h"

#include "daemon/device/info.h"
#include "daemon/device/op.h"
#include "daemon/device/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *fpd_device_id(const struct fpd_device *device)
{
    return device->id;
}

void fpd_device_describe(struct fpd_device *device, struct fpd_device_info *out)
{
    pthread_mutex_lock(&device->devices->lock);
    *out = device->info;
    pthread_mutex_unlock(&device->devices->lock);
}

void fpd_device_wake(struct fpd_device *device)
{
    pthread_mutex_lock(&device->devices->lock);
    if (device->owner)
        fpd_link_cancel(&device->owner->link);
    pthread_mutex_unlock(&device->devices->lock);
}

void fpd_device_changed(struct fpd_device *device)
{
    const struct fpd_devices_config *cfg = &device->devices->cfg;

    if (cfg->changed)
        cfg->changed(cfg->ctx, device->id);
}

/* ---- console ---- */

void fpd_console_write(struct fpd_console *console, const uint8_t *buf,
                       size_t size)
{
    pthread_mutex_lock(&console->lock);
    for (size_t i = 0; i < size; i++)
        console->ring[console->written++ % FPD_CONSOLE_SIZE] = (char)buf[i];
    pthread_mutex_unlock(&console->lock);
}

/* buf[0..size) without the beginning of a UTF-8 character at its end. */
static size_t whole(const char *buf, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)buf[size - back];
        size_t needed = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

        if (c >= 0xc0)
            return needed > back ? size - back : size;
        if (c < 0x80)
            break;
    }
    return size;
}

size_t fpd_device_console(struct fpd_device *device, uint64_t *pos, char *buf,
                          size_t size)
{
    struct fpd_console *console = &device->console;
    size_t n = 0;

    pthread_mutex_lock(&console->lock);
    if (*pos > console->written || console->written - *pos > FPD_CONSOLE_SIZE)
        *pos = console->written > FPD_CONSOLE_SIZE
                   ? console->written - FPD_CONSOLE_SIZE
                   : 0;
    for (; n < size && *pos + n < console->written; n++)
        buf[n] = console->ring[(*pos + n) % FPD_CONSOLE_SIZE];
    pthread_mutex_unlock(&console->lock);
    return whole(buf, n);
}

void fpd_console_move(struct fpd_console *from, struct fpd_console *to)
{
    uint64_t pos =
        from->written > FPD_CONSOLE_SIZE ? from->written - FPD_CONSOLE_SIZE : 0;

    for (; pos < from->written; pos++) {
        uint8_t byte = (uint8_t)from->ring[pos % FPD_CONSOLE_SIZE];

        fpd_console_write(to, &byte, 1);
    }
    from->written = 0;
}

/* ---- requests ---- */

/* "flash0", "littlefs" */
static int check_word(const char *word)
{
    size_t size = word ? strnlen(word, 17) : 0;

    return fpd_info_is_word((const uint8_t *)word, size, 16) ? FP_OK
                                                             : FP_ERR_INVAL;
}

static int check_volume(const char *path)
{
    return path && path[0] == '/' && strlen(path) <= 16 ? check_word(path + 1)
                                                        : FP_ERR_INVAL;
}

static int first_error(int a, int b)
{
    return a ? a : b;
}

static int check_chunk(const struct fpd_request *req)
{
    int err = check_word(req->u.chunk.storage);
    bool sized = req->u.chunk.chunk_size && req->u.chunk.storage_size;

    if (err)
        return err;
    switch (req->op) {
    case FPD_OP_CHUNK_DIGESTS:
        return sized && req->u.chunk.count && req->u.chunk.digests &&
                       req->u.chunk.status && req->u.chunk.level <= 1
                   ? FP_OK
                   : FP_ERR_INVAL;
    case FPD_OP_CHUNK_READ:
        return sized && req->u.chunk.count && req->u.chunk.data &&
                       req->u.chunk.status
                   ? FP_OK
                   : FP_ERR_INVAL;
    case FPD_OP_CHUNK_WRITE:
        return sized && req->u.chunk.count && req->u.chunk.data ? FP_OK
                                                                : FP_ERR_INVAL;
    case FPD_OP_CHUNK_CHANGED:
        return sized && req->u.chunk.runs && req->u.chunk.runs_max
                   ? FP_OK
                   : FP_ERR_INVAL;
    default:
        return FP_OK;
    }
}

static int check_request(const struct fpd_request *req)
{
    switch (req->op) {
    case FPD_OP_PING:
    case FPD_OP_LOOK:
    case FPD_OP_REBOOT:
        return FP_OK;
    case FPD_OP_STATS:
        return req->u.stats.counters ? FP_OK : FP_ERR_INVAL;
    case FPD_OP_STAT:
        return fpd_info_path(req->u.stat.path);
    case FPD_OP_LIST:
        return fpd_info_path(req->u.list.path);
    case FPD_OP_READ:
        return req->u.read.pipe ? fpd_info_path(req->u.read.path)
                                : FP_ERR_INVAL;
    case FPD_OP_DIGEST:
        return fpd_info_path(req->u.digest.path);
    case FPD_OP_PUT:
        return req->u.put.spool ? fpd_info_path(req->u.put.path) : FP_ERR_INVAL;
    case FPD_OP_MKDIR:
    case FPD_OP_REMOVE:
    case FPD_OP_TRUNCATE:
        return fpd_info_path(req->u.change.path);
    case FPD_OP_RENAME:
        return first_error(fpd_info_path(req->u.rename.from),
                           fpd_info_path(req->u.rename.to));
    case FPD_OP_ATTR_GET:
    case FPD_OP_ATTR_SET:
        return req->u.attr.size <= sizeof req->u.attr.value
                   ? fpd_info_path(req->u.attr.path)
                   : FP_ERR_INVAL;
    case FPD_OP_MOUNT:
    case FPD_OP_UNMOUNT:
    case FPD_OP_CHECK:
        return check_volume(req->u.volume.volume);
    case FPD_OP_FORMAT:
        return first_error(check_volume(req->u.volume.volume),
                           check_word(req->u.volume.fs));
    case FPD_OP_CHUNK_DIGESTS:
    case FPD_OP_CHUNK_CHANGED:
    case FPD_OP_CHUNK_READ:
    case FPD_OP_CHUNK_WRITE:
    case FPD_OP_FREEZE:
    case FPD_OP_THAW:
    case FPD_OP_RESTORE_BEGIN:
    case FPD_OP_RESTORE_END:
        return check_chunk(req);
    }
    return FP_ERR_INVAL;
}

/* Bytes of the longest path in it; 0: it has none. */
static size_t path_size(const struct fpd_request *req)
{
    const char *a = NULL, *b = NULL;

    switch (req->op) {
    case FPD_OP_STAT:
        a = req->u.stat.path;
        break;
    case FPD_OP_LIST:
        a = req->u.list.path;
        break;
    case FPD_OP_READ:
        a = req->u.read.path;
        break;
    case FPD_OP_DIGEST:
        a = req->u.digest.path;
        break;
    case FPD_OP_PUT:
        a = req->u.put.path;
        break;
    case FPD_OP_MKDIR:
    case FPD_OP_REMOVE:
    case FPD_OP_TRUNCATE:
        a = req->u.change.path;
        break;
    case FPD_OP_RENAME:
        a = req->u.rename.from;
        b = req->u.rename.to;
        break;
    case FPD_OP_ATTR_GET:
    case FPD_OP_ATTR_SET:
        a = req->u.attr.path;
        break;
    default:
        break;
    }
    if (b && strlen(b) > strlen(a))
        a = b;
    return a ? strlen(a) : 0;
}

static int enqueue(struct fpd_device *device, struct fpd_request *req)
{
    struct fpd_devices *devices = device->devices;
    int err = FP_OK;

    pthread_mutex_lock(&devices->lock);
    if (devices->stopping || !device->owner ||
        device->owner->loan.until_ms != 0 ||
        !fpd_device_state_serves(device->info.state)) {
        err = FP_ERR_NODEV;
    } else if (device->info.path_max &&
               path_size(req) > device->info.path_max) {
        /* a device need not be able to read such a message */
        snprintf(req->failure.detail, sizeof req->failure.detail,
                 "the path is longer than this device takes");
        req->failure.limit = device->info.path_max;
        err = FP_ERR_NAMETOOLONG;
    } else if (device->accepted >= devices->cfg.queue_max) {
        err = FP_ERR_NFILE;
    } else {
        device->accepted++;
        *device->queue_tail = req;
        device->queue_tail = &req->next;
        fpd_link_cancel(&device->owner->link);
    }
    pthread_mutex_unlock(&devices->lock);
    return err;
}

int fpd_device_submit(struct fpd_device *device, struct fpd_request *req)
{
    int err = check_request(req);

    if (err)
        return err;
    req->device = device;
    req->next = NULL;
    req->err = FP_OK;
    req->failure = (struct fpd_failure){ 0 };
    req->queued_ms = fpd_now_ms();
    req->state = fpd_op_new(req, &err);
    if (!req->state)
        return err;
    err = enqueue(device, req);
    if (err)
        fpd_op_free(NULL, req->state);
    return err;
}

void fpd_device_cancel(struct fpd_device *device, struct fpd_request *req)
{
    atomic_store(&req->cancel, true);
    fpd_device_wake(device);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void waiter_done(struct fpd_request *req)
{
    struct waiter *waiter = req->ctx;

    pthread_mutex_lock(&waiter->lock);
    waiter->done = true;
    pthread_cond_signal(&waiter->cond);
    pthread_mutex_unlock(&waiter->lock);
}

static void wait_tenth(struct waiter *waiter)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&waiter->cond, &waiter->lock, &until);
}

int fpd_device_run(struct fpd_device *device, struct fpd_request *req,
                   const _Atomic bool *cancel)
{
    struct waiter waiter = { .done = false };
    int err;

    pthread_mutex_init(&waiter.lock, NULL);
    pthread_cond_init(&waiter.cond, NULL);
    req->done = waiter_done;
    req->ctx = &waiter;
    err = fpd_device_submit(device, req);
    if (err)
        req->err = err;
    pthread_mutex_lock(&waiter.lock);
    while (!err && !waiter.done) {
        if (cancel && atomic_load(cancel) && !atomic_load(&req->cancel)) {
            pthread_mutex_unlock(&waiter.lock);
            fpd_device_cancel(device, req);
            pthread_mutex_lock(&waiter.lock);
            continue;
        }
        wait_tenth(&waiter);
    }
    pthread_mutex_unlock(&waiter.lock);
    pthread_mutex_destroy(&waiter.lock);
    pthread_cond_destroy(&waiter.cond);
    return req->err;
}
