/* SPDX-License-Identifier: MIT
 *
 * Jobs with the real store and a device made of memory, which takes the place
 * of daemon/device at link time: so that a test can write to the flash between
 * any two requests, cut the link at each of them, and count what was asked.
 * The same jobs with a real agent in its own process: test_jobs_agent.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/bdev/bdev.h"
#include "core/error.h"
#include "daemon/device/device.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/internal.h"
#include "daemon/store/jobs.h"
#include "daemon/store/snapshot.h"
#include "daemon/store/store.h"

enum {
    CHUNK = 4096,
    CHUNKS = 64,
    SIZE = CHUNK * CHUNKS,
    SOON_MS = 30000, /* a wait that only a hang exceeds */
};

/* ---- the device ---- */

struct fpd_device {
    const char *id;
    uint8_t mem[SIZE];
    uint32_t moved[CHUNKS]; /* generation of the last change */
    bool bad[CHUNKS];       /* can't be read */
    uint32_t unstable;      /* chunk that reads differently each time; or ~0 */
    uint32_t gen;
    uint8_t epoch;
    uint8_t nonce;
    uint32_t block_size;
    bool untrusted, offline, frozen, deaf, exclusive;
    uint32_t region_count;
    struct fpd_region_info regions[4];
    /* counts, in chunks */
    uint32_t read, written, digests, freezes, ops;
    uint32_t first_write, last_write;
    bool first_blank;
    /* called before each request; may write, cut, cancel */
    void (*before)(struct fpd_device *dev, enum fpd_op op);
    uint32_t cut_after; /* writes until the link is lost; 0: never */
    uint32_t cancels;
    pthread_mutex_t lock;
};

static struct fpd_device dev_a, dev_b;
static struct fpd_jobs *the_jobs;
static char the_job[FPD_JOB_ID_SIZE];

static void dev_init(struct fpd_device *dev, const char *id)
{
    memset(dev, 0, sizeof(*dev));
    dev->id = id;
    dev->block_size = CHUNK;
    dev->epoch = 1;
    dev->unstable = UINT32_MAX;
    pthread_mutex_init(&dev->lock, NULL);
    memset(dev->mem, 0xff, SIZE);
}

/* Content that no two chunks share. */
static void dev_fill(struct fpd_device *dev, uint32_t seed, uint32_t chunks)
{
    uint32_t x = seed;

    for (size_t i = 0; i < (size_t)chunks * CHUNK; i++) {
        x = x * 1664525u + 1013904223u;
        dev->mem[i] = (uint8_t)(x >> 24);
    }
}

/* What the application does. */
static void dev_poke(struct fpd_device *dev, uint32_t chunk, uint8_t byte)
{
    if (dev->frozen && !dev->deaf)
        return;
    dev->mem[(size_t)chunk * CHUNK + 7] = byte;
    dev->moved[chunk] = ++dev->gen;
}

static void digests(struct fpd_device *dev, struct fpd_request *req)
{
    for (uint32_t i = 0; i < req->u.chunk.count; i++) {
        uint32_t c = req->u.chunk.first + i;
        uint8_t *to = req->u.chunk.digests + (size_t)i * 16;
        uint8_t byte;

        dev->digests++;
        memset(to, 0, 16);
        req->u.chunk.status[i] = FPD_CHUNK_OK;
        if (dev->bad[c]) {
            req->u.chunk.status[i] = FPD_CHUNK_UNREADABLE;
        } else if (fpd_store_is_fill(dev->mem + (size_t)c * CHUNK, CHUNK,
                                     &byte)) {
            req->u.chunk.status[i] = FPD_CHUNK_FILL;
            to[0] = byte;
        } else {
            fpd_store_digest(dev->mem + (size_t)c * CHUNK, CHUNK, to);
        }
        if (c == dev->unstable)
            to[3] = (uint8_t)(to[3] + 1 + dev->digests % 7);
    }
}

static void changed(struct fpd_device *dev, struct fpd_request *req)
{
    for (uint32_t c = 0; c < CHUNKS; c++) {
        if (dev->moved[c] <= req->u.chunk.since)
            continue;
        assert_true(req->u.chunk.runs_count < req->u.chunk.runs_max);
        req->u.chunk.runs[req->u.chunk.runs_count++] =
            (struct fpd_chunk_run){ c, 1 };
    }
}

static void read_chunks(struct fpd_device *dev, struct fpd_request *req)
{
    for (uint32_t i = 0; i < req->u.chunk.count; i++) {
        uint32_t c = req->u.chunk.first + i;
        uint8_t *to = req->u.chunk.data + (size_t)i * CHUNK;

        dev->read++;
        req->u.chunk.status[i] =
            dev->bad[c] ? FPD_CHUNK_UNREADABLE : FPD_CHUNK_OK;
        memcpy(to, dev->mem + (size_t)c * CHUNK, CHUNK);
        if (dev->bad[c])
            memset(to, 0, CHUNK);
    }
}

static int write_chunks(struct fpd_device *dev, struct fpd_request *req)
{
    uint32_t unit = dev->block_size / CHUNK ? dev->block_size / CHUNK : 1;
    uint32_t first = req->u.chunk.first, count = req->u.chunk.count;
    uint8_t byte;

    assert_int_equal(first % unit, 0);
    assert_int_equal(count % unit, 0);
    if (!dev->exclusive || req->u.chunk.nonce[0] != dev->nonce)
        return FP_ERR_PRECOND;
    if (dev->cut_after && --dev->cut_after == 0) {
        dev->offline = true;
        dev->exclusive = false;
        return FP_ERR_STALE;
    }
    if (!dev->written) {
        dev->first_write = first;
        dev->first_blank =
            fpd_store_is_fill(req->u.chunk.data, CHUNK, &byte) && byte == 0xff;
    }
    dev->last_write = first;
    dev->written += count;
    memcpy(dev->mem + (size_t)first * CHUNK, req->u.chunk.data,
           (size_t)count * CHUNK);
    for (uint32_t i = 0; i < count; i++)
        dev->moved[first + i] = ++dev->gen;
    return FP_OK;
}

static int answer(struct fpd_device *dev, struct fpd_request *req)
{
    req->u.chunk.gen = req->u.chunk.gen_first = dev->gen;
    switch (req->op) {
    case FPD_OP_CHUNK_DIGESTS:
        digests(dev, req);
        return FP_OK;
    case FPD_OP_CHUNK_CHANGED:
        changed(dev, req);
        return FP_OK;
    case FPD_OP_CHUNK_READ:
        read_chunks(dev, req);
        return FP_OK;
    case FPD_OP_CHUNK_WRITE:
        return write_chunks(dev, req);
    case FPD_OP_FREEZE:
        dev->freezes++;
        assert_in_range(req->u.chunk.freeze_ms, 1, 500);
        dev->frozen = true;
        return FP_OK;
    case FPD_OP_THAW:
        dev->frozen = false;
        return FP_OK;
    case FPD_OP_RESTORE_BEGIN:
        if (dev->exclusive)
            return FP_ERR_BUSY;
        dev->exclusive = true;
        req->u.chunk.nonce[0] = ++dev->nonce;
        return FP_OK;
    case FPD_OP_RESTORE_END:
        dev->exclusive = false;
        return FP_OK;
    default:
        return FP_ERR_NOTSUP;
    }
}

/* ---- what daemon/device would be ---- */

int64_t fpd_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct fpd_device *fpd_devices_find(struct fpd_devices *devices, const char *id)
{
    (void)devices;
    return strcmp(id, "a") == 0 ? &dev_a : strcmp(id, "b") == 0 ? &dev_b : NULL;
}

void fpd_device_unref(struct fpd_device *device)
{
    (void)device;
}

bool fpd_device_state_serves(enum fpd_device_state state)
{
    return state == FPD_ONLINE || state == FPD_BUSY;
}

void fpd_device_describe(struct fpd_device *device, struct fpd_device_info *out)
{
    struct fpd_storage_info *st = &out->storages[0];

    memset(out, 0, sizeof(*out));
    pthread_mutex_lock(&device->lock);
    snprintf(out->id, sizeof(out->id), "%s", device->id);
    snprintf(out->firmware, sizeof(out->firmware), "1.2");
    out->state = device->offline ? FPD_LOST : FPD_ONLINE;
    out->epoch[0] = device->epoch;
    out->link.kind = "serial";
    out->link.rate = 921600;
    out->storage_count = 1;
    snprintf(st->name, sizeof(st->name), "flash0");
    st->read_size = st->prog_size = 1;
    st->block_size = device->block_size;
    st->block_count = SIZE / device->block_size;
    st->chunk_size = CHUNK;
    st->size = SIZE;
    st->gen_trusted = !device->untrusted;
    st->region_count = device->region_count;
    memcpy(st->regions, device->regions, sizeof(device->regions));
    pthread_mutex_unlock(&device->lock);
}

int fpd_device_run(struct fpd_device *device, struct fpd_request *req,
                   const _Atomic bool *cancel)
{
    int err;

    if (req->op == FPD_OP_STATS) { /* it has no clock */
        req->u.stats.count = 0;
        return FP_OK;
    }
    assert_string_equal(req->u.chunk.storage, "flash0");
    pthread_mutex_lock(&device->lock);
    device->ops++;
    if (device->before)
        device->before(device, req->op);
    if (cancel && atomic_load(cancel))
        err = FP_ERR_CANCELED;
    else if (device->offline)
        err = FP_ERR_NODEV;
    else
        err = answer(device, req);
    req->epoch[0] = device->epoch;
    pthread_mutex_unlock(&device->lock);
    return err;
}

/* ---- the bench ---- */

struct bench {
    char dir[64];
    struct fpd_store *store;
    struct fpd_jobs *jobs;
};

static void start_jobs(struct bench *b, uint32_t wait_ms)
{
    const struct fpd_jobs_config cfg = { .store = b->store,
                                         .wait_ms = wait_ms };

    assert_int_equal(fpd_jobs_new(&cfg, &b->jobs), FP_OK);
    the_jobs = b->jobs;
}

static int setup(void **state)
{
    static struct bench bench;
    char why[200] = "";

    dev_init(&dev_a, "a");
    dev_init(&dev_b, "b");
    memset(&bench, 0, sizeof(bench));
    snprintf(bench.dir, sizeof(bench.dir), "/tmp/fp-jobs-XXXXXX");
    assert_non_null(mkdtemp(bench.dir));
    if (fpd_store_open(bench.dir, &bench.store, why, sizeof(why)))
        fail_msg("store: %s", why);
    start_jobs(&bench, SOON_MS);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    char cmd[128];

    fpd_jobs_free(b->jobs);
    fpd_store_close(b->store);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", b->dir);
    return system(cmd);
}

/* Waits for a job to end as it should, gives it as JSON. */
static json_t *ended(struct bench *b, const char *id, const char *how)
{
    json_t *job;

    assert_int_equal(fpd_jobs_wait(b->jobs, id, SOON_MS), FP_OK);
    job = fpd_jobs_get(b->jobs, id);
    assert_non_null(job);
    if (strcmp(json_string_value(json_object_get(job, "state")), how) != 0)
        fail_msg("%s", json_dumps(job, 0));
    return job;
}

static void start_backup(struct bench *b, const char *device,
                         char id[FPD_JOB_ID_SIZE])
{
    const struct fpd_backup_params p = { .device = device,
                                         .storage = "flash0" };
    char why[200] = "";

    if (fpd_jobs_backup(b->jobs, &p, id, why, sizeof(why)))
        fail_msg("backup: %s", why);
}

static json_t *result_of(struct bench *b, const char *id)
{
    json_t *job = ended(b, id, "done");
    json_t *result = json_incref(json_object_get(job, "result"));

    json_decref(job);
    return result;
}

static json_t *backup(struct bench *b, const char *device)
{
    char id[FPD_JOB_ID_SIZE];

    start_backup(b, device, id);
    return result_of(b, id);
}

static const char *word(json_t *obj, const char *key)
{
    const char *s = json_string_value(json_object_get(obj, key));

    return s ? s : "";
}

static json_int_t number(json_t *obj, const char *key)
{
    return json_integer_value(json_object_get(obj, key));
}

static void image_of(struct bench *b, const char *id, uint8_t *out)
{
    struct fpd_snapshot_reader *reader;
    uint32_t bad;

    assert_int_equal(fpd_store_snapshot_open(b->store, id, &reader), FP_OK);
    assert_int_equal(fpd_store_snapshot_info(reader)->size, SIZE);
    assert_int_equal(fpd_store_snapshot_read(reader, 0, out, SIZE, &bad),
                     FP_OK);
    fpd_store_snapshot_close(reader);
}

static void assert_image(struct bench *b, json_t *result, const uint8_t *mem)
{
    uint8_t *image = malloc(SIZE);

    image_of(b, word(result, "snapshot"), image);
    assert_memory_equal(image, mem, SIZE);
    free(image);
}

static void start_restore(struct bench *b, const struct fpd_restore_params *p,
                          char id[FPD_JOB_ID_SIZE])
{
    char why[200] = "";

    if (fpd_jobs_restore(b->jobs, p, id, why, sizeof(why)))
        fail_msg("restore: %s", why);
}

static size_t snapshot_count(struct bench *b)
{
    const struct fpd_snapshot_filter filter = { .device = NULL };
    static struct fpd_snapshot list[20];
    size_t count = 0;

    assert_int_equal(
        fpd_store_snapshot_list(b->store, &filter, list, 20, &count), FP_OK);
    return count;
}

/* ---- backup ---- */

static void first_backup_is_the_flash_bit_for_bit(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    result = backup(b, "a");
    assert_image(b, result, dev_a.mem);
    assert_string_equal(word(result, "consistency"), "generation");
    assert_true(json_is_true(json_object_get(result, "complete")));
    /* 24 erased chunks never travel. */
    assert_int_equal(number(result, "fetched"), 40);
    assert_int_equal(dev_a.read, 40);
    json_decref(result);
}

static void second_backup_of_the_same_fetches_nothing(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    json_decref(backup(b, "a"));
    dev_a.read = 0;
    result = backup(b, "a");
    assert_int_equal(dev_a.read, 0);
    assert_int_equal(number(result, "new_bytes"), 0);
    assert_image(b, result, dev_a.mem);
    assert_int_equal(snapshot_count(b), 2);
    json_decref(result);
}

static void two_devices_with_one_image_cost_one_image(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_fill(&dev_b, 1, 40);
    json_decref(backup(b, "a"));
    result = backup(b, "b");
    assert_int_equal(dev_b.read, 0);
    assert_image(b, result, dev_b.mem);
    json_decref(result);
}

static void content_repeated_in_one_image_travels_once(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 8);
    memcpy(dev_a.mem + 3 * CHUNK, dev_a.mem + 2 * CHUNK, CHUNK);
    memcpy(dev_a.mem + 20 * CHUNK, dev_a.mem, 8 * CHUNK);
    result = backup(b, "a");
    /* 3 is as 2, and 20 to 27 are as 0 to 7. */
    assert_int_equal(dev_a.read, 7);
    assert_image(b, result, dev_a.mem);
    json_decref(result);
}

static int pokes;

/* Two chunks change together, again and again, a few times: any image that has
 * one of a pair without the other is torn. */
static void poke_pairs(struct fpd_device *dev, enum fpd_op op)
{
    if (op == FPD_OP_CHUNK_READ && pokes > 0) {
        pokes--;
        dev_poke(dev, 2, (uint8_t)(100 + pokes));
        dev_poke(dev, 39, (uint8_t)(100 + pokes));
    }
}

static void a_change_under_way_does_not_tear_the_image(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    pokes = 3;
    dev_a.before = poke_pairs;
    result = backup(b, "a");
    assert_int_equal(pokes, 0);
    assert_string_equal(word(result, "consistency"), "generation");
    assert_image(b, result, dev_a.mem);
    json_decref(result);
}

static uint8_t poke_count;

static void poke_always(struct fpd_device *dev, enum fpd_op op)
{
    (void)op;
    poke_count++;
    dev_poke(dev, 2, poke_count);
    dev_poke(dev, 39, poke_count);
}

static void an_application_that_never_rests_is_frozen(void **state)
{
    struct bench *b = *state;
    uint8_t *image = malloc(SIZE);
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_a.before = poke_always;
    result = backup(b, "a");
    assert_string_equal(word(result, "consistency"), "frozen");
    assert_true(dev_a.freezes >= 1);
    assert_false(dev_a.frozen);
    image_of(b, word(result, "snapshot"), image);
    assert_int_equal(image[2 * CHUNK + 7], image[39 * CHUNK + 7]);
    free(image);
    json_decref(result);
}

static void a_freeze_that_does_not_hold_makes_no_snapshot(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *job;

    dev_fill(&dev_a, 1, 40);
    dev_a.before = poke_always;
    dev_a.deaf = true;
    start_backup(b, "a", id);
    job = ended(b, id, "failed");
    assert_string_equal(word(json_object_get(job, "error"), "code"), "BUSY");
    assert_int_equal(snapshot_count(b), 0);
    assert_in_range(dev_a.freezes, 1, 20);
    json_decref(job);
}

static void untrusted_generations_are_read_twice(void **state)
{
    struct bench *b = *state;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_a.untrusted = true;
    pokes = 1;
    dev_a.before = poke_pairs;
    result = backup(b, "a");
    assert_string_equal(word(result, "consistency"), "double-read");
    assert_image(b, result, dev_a.mem);
    json_decref(result);
}

static void restart_once(struct fpd_device *dev, enum fpd_op op)
{
    if (op != FPD_OP_CHUNK_READ || dev->epoch != 1)
        return;
    dev->epoch = 2;
    dev->gen = 0;
    memset(dev->moved, 0, sizeof(dev->moved));
    dev->mem[5] ^= 0xff; /* before the generation began to count */
}

static void a_device_that_restarts_is_begun_again(void **state)
{
    struct bench *b = *state;
    struct fpd_snapshot snap;
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_a.before = restart_once;
    result = backup(b, "a");
    assert_image(b, result, dev_a.mem);
    assert_int_equal(
        fpd_store_snapshot_get(b->store, word(result, "snapshot"), &snap),
        FP_OK);
    assert_int_equal(snap.epoch[0], 2);
    json_decref(result);
}

static void lose_at_second_read(struct fpd_device *dev, enum fpd_op op)
{
    if (op == FPD_OP_CHUNK_READ && dev->read > 0 && dev->cut_after == 0) {
        dev->cut_after = 1;
        dev->offline = true;
    }
}

static bool is_state(struct bench *b, const char *id, const char *want)
{
    json_t *job = fpd_jobs_get(b->jobs, id);
    bool is = strcmp(word(job, "state"), want) == 0;

    json_decref(job);
    return is;
}

static void until_state(struct bench *b, const char *id, const char *want)
{
    for (int i = 0; i < SOON_MS / 10 && !is_state(b, id, want); i++)
        usleep(10000);
    assert_true(is_state(b, id, want));
}

static void bring_back(struct fpd_device *dev)
{
    pthread_mutex_lock(&dev->lock);
    dev->offline = false;
    dev->cut_after = 0;
    dev->before = NULL;
    pthread_mutex_unlock(&dev->lock);
}

static void a_lost_link_is_waited_for(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_a.before = lose_at_second_read;
    start_backup(b, "a", id);
    until_state(b, id, "waiting");
    assert_true(fpd_jobs_busy(b->jobs, "a"));
    bring_back(&dev_a);
    result = result_of(b, id);
    assert_image(b, result, dev_a.mem);
    assert_int_equal(dev_a.read, 40);
    json_decref(result);
}

static void a_device_that_stays_away_fails_the_job(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *job;

    fpd_jobs_free(b->jobs);
    start_jobs(b, 300);
    dev_a.offline = true;
    start_backup(b, "a", id);
    job = ended(b, id, "failed");
    assert_string_equal(word(json_object_get(job, "error"), "code"), "NODEV");
    json_decref(job);
}

static void what_cannot_be_read_is_recorded(void **state)
{
    struct bench *b = *state;
    struct fpd_snapshot_reader *reader;
    struct fpd_snapshot_entry e[2];
    json_t *result;

    dev_fill(&dev_a, 1, 40);
    dev_a.bad[11] = true;
    dev_a.unstable = 12;
    result = backup(b, "a");
    assert_true(json_is_false(json_object_get(result, "complete")));
    assert_int_equal(number(result, "unreadable"), 2);
    assert_int_equal(
        fpd_store_snapshot_open(b->store, word(result, "snapshot"), &reader),
        FP_OK);
    assert_int_equal(fpd_store_snapshot_entries(reader, 11, 2, e), FP_OK);
    assert_int_equal(e[0].kind, FPD_KIND_UNREADABLE);
    assert_int_equal(e[1].kind, FPD_KIND_UNREADABLE);
    fpd_store_snapshot_close(reader);
    json_decref(result);
}

static void bad_names_are_refused_with_a_sentence(void **state)
{
    struct bench *b = *state;
    struct fpd_backup_params p = { .device = "a", .storage = "flash9" };
    char id[FPD_JOB_ID_SIZE], why[200] = "";

    assert_int_equal(fpd_jobs_backup(b->jobs, &p, id, why, sizeof(why)),
                     FP_ERR_NOENT);
    assert_string_equal(why, "a has no storage flash9.");
    p.storage = "flash0";
    p.device = "nobody";
    assert_int_equal(fpd_jobs_backup(b->jobs, &p, id, why, sizeof(why)),
                     FP_ERR_NOENT);
    p.device = "a";
    p.region = "odd";
    dev_a.region_count = 1;
    dev_a.regions[0] =
        (struct fpd_region_info){ .name = "odd", .off = 100, .size = CHUNK };
    assert_int_equal(fpd_jobs_backup(b->jobs, &p, id, why, sizeof(why)),
                     FP_ERR_NOTSUP);
    assert_null(fpd_jobs_get(b->jobs, "0190b5c8-0000-7000-8000-000000000000"));
}

static void cancel_self(struct fpd_device *dev, enum fpd_op op)
{
    if (op == FPD_OP_CHUNK_READ || op == FPD_OP_CHUNK_WRITE)
        if (dev->read + dev->written > 16 && dev->cancels++ == 0)
            assert_int_equal(fpd_jobs_cancel(the_jobs, the_job), FP_OK);
}

static void a_cancelled_backup_leaves_no_snapshot(void **state)
{
    struct bench *b = *state;
    json_t *job;

    dev_fill(&dev_a, 1, CHUNKS);
    pthread_mutex_lock(&dev_a.lock); /* until its id is known */
    dev_a.before = cancel_self;
    dev_a.region_count = 0;
    pthread_mutex_unlock(&dev_a.lock);
    dev_a.offline = true;
    start_backup(b, "a", the_job);
    until_state(b, the_job, "waiting");
    pthread_mutex_lock(&dev_a.lock);
    dev_a.offline = false;
    pthread_mutex_unlock(&dev_a.lock);
    job = ended(b, the_job, "cancelled");
    assert_int_equal(snapshot_count(b), 0);
    assert_int_equal(fpd_jobs_cancel(b->jobs, the_job), FP_ERR_STALE);
    json_decref(job);
}

/* ---- restart of the daemon ---- */

static void a_backup_goes_on_after_a_restart_of_the_daemon(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    uint32_t read;
    json_t *result;

    dev_fill(&dev_a, 1, CHUNKS);
    dev_a.before = lose_at_second_read;
    start_backup(b, "a", id);
    until_state(b, id, "waiting");
    read = dev_a.read;
    assert_in_range(read, 1, CHUNKS - 1);
    fpd_jobs_free(b->jobs);
    bring_back(&dev_a);
    start_jobs(b, SOON_MS);
    result = result_of(b, id);
    assert_image(b, result, dev_a.mem);
    /* What came before the end was not fetched again. */
    assert_int_equal(dev_a.read, CHUNKS);
    json_decref(result);
}

/* ---- restore ---- */

static void restore_makes_a_blank_device_the_image(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken, *result;

    dev_fill(&dev_a, 1, 40);
    taken = backup(b, "a");
    start_restore(
        b,
        &(struct fpd_restore_params){ .device = "b",
                                      .storage = "flash0",
                                      .snapshot = word(taken, "snapshot") },
        id);
    result = result_of(b, id);
    assert_memory_equal(dev_b.mem, dev_a.mem, SIZE);
    assert_int_equal(number(result, "programmed"), 40);
    /* Where a filesystem begins comes last; it was blank before. */
    assert_int_equal(dev_b.written, 40);
    assert_int_equal(dev_b.last_write, 0);
    assert_false(dev_b.exclusive);
    json_decref(taken);
    json_decref(result);
}

static void restore_of_the_same_writes_nothing(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken;

    dev_fill(&dev_a, 1, 40);
    taken = backup(b, "a");
    start_restore(
        b,
        &(struct fpd_restore_params){ .device = "a",
                                      .storage = "flash0",
                                      .snapshot = word(taken, "snapshot") },
        id);
    json_decref(result_of(b, id));
    assert_int_equal(dev_a.written, 0);
    json_decref(taken);
}

static void restore_of_a_small_change_programs_only_that(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken, *result;

    dev_fill(&dev_a, 1, 40);
    taken = backup(b, "a");
    dev_fill(&dev_b, 1, 40);
    dev_poke(&dev_b, 20, 1);
    start_restore(
        b,
        &(struct fpd_restore_params){ .device = "b",
                                      .storage = "flash0",
                                      .snapshot = word(taken, "snapshot") },
        id);
    result = result_of(b, id);
    assert_memory_equal(dev_b.mem, dev_a.mem, SIZE);
    /* The one, and two anchors that were erased and written. */
    assert_int_equal(number(result, "programmed"), 3);
    assert_int_equal(dev_b.written, 5);
    assert_int_equal(dev_b.first_write, 0);
    assert_true(dev_b.first_blank);
    assert_int_equal(dev_b.last_write, 0);
    json_decref(taken);
    json_decref(result);
}

static bool blank(const uint8_t *mem, size_t size)
{
    uint8_t byte;

    return fpd_store_is_fill(mem, size, &byte) && byte == 0xff;
}

/* The link is lost at each write in turn, and the device stays away: either
 * the old image is whole, or there is nothing where a filesystem begins. */
static void an_interrupted_restore_is_no_mixture_and_can_be_finished(
    void **state)
{
    struct bench *b = *state;
    struct fpd_restore_params p = { .device = "b", .storage = "flash0" };
    uint8_t *old = malloc(SIZE);
    json_t *taken, *job;
    char id[FPD_JOB_ID_SIZE];
    uint32_t cut, failed = 0;

    dev_fill(&dev_a, 1, CHUNKS);
    taken = backup(b, "a");
    p.snapshot = word(taken, "snapshot");
    fpd_jobs_free(b->jobs);
    start_jobs(b, 50);
    for (cut = 1; cut < 20; cut++) {
        dev_init(&dev_b, "b");
        dev_fill(&dev_b, 2, CHUNKS);
        memcpy(old, dev_b.mem, SIZE);
        dev_b.cut_after = cut;
        start_restore(b, &p, id);
        assert_int_equal(fpd_jobs_wait(b->jobs, id, SOON_MS), FP_OK);
        job = fpd_jobs_get(b->jobs, id);
        if (strcmp(word(job, "state"), "done") == 0) {
            json_decref(job);
            break;
        }
        failed++;
        assert_non_null(strstr(word(json_object_get(job, "error"), "detail"),
                               "the restore is run again"));
        json_decref(job);
        if (memcmp(dev_b.mem, old, SIZE) != 0)
            assert_true(blank(dev_b.mem, 2 * CHUNK));
        bring_back(&dev_b);
        start_restore(b, &p, id);
        json_decref(result_of(b, id));
        assert_memory_equal(dev_b.mem, dev_a.mem, SIZE);
    }
    /* 64 chunks go in slices of 16, the two anchors are erased and written. */
    assert_int_equal(failed, 6);
    json_decref(taken);
    free(old);
}

static void lose_link_once(struct fpd_device *dev, enum fpd_op op)
{
    if (op != FPD_OP_CHUNK_WRITE || dev->nonce != 1 || dev->written < 20)
        return;
    /* The worker reconnected at once; the exclusive use is gone. */
    dev->exclusive = false;
}

static void a_restore_goes_on_after_a_lost_link(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken;

    dev_fill(&dev_a, 1, CHUNKS);
    taken = backup(b, "a");
    dev_b.before = lose_link_once;
    start_restore(
        b,
        &(struct fpd_restore_params){ .device = "b",
                                      .storage = "flash0",
                                      .snapshot = word(taken, "snapshot") },
        id);
    json_decref(result_of(b, id));
    assert_memory_equal(dev_b.mem, dev_a.mem, SIZE);
    assert_int_equal(dev_b.nonce, 2);
    assert_int_equal(dev_b.written, CHUNKS); /* nothing twice */
    json_decref(taken);
}

static void a_cancelled_restore_says_what_is_left(void **state)
{
    struct bench *b = *state;
    json_t *taken, *job;

    dev_fill(&dev_a, 1, CHUNKS);
    taken = backup(b, "a");
    dev_fill(&dev_b, 2, CHUNKS);
    dev_b.before = cancel_self;
    dev_b.offline = true;
    start_restore(
        b,
        &(struct fpd_restore_params){ .device = "b",
                                      .storage = "flash0",
                                      .snapshot = word(taken, "snapshot") },
        the_job);
    until_state(b, the_job, "waiting");
    pthread_mutex_lock(&dev_b.lock);
    dev_b.offline = false;
    pthread_mutex_unlock(&dev_b.lock);
    job = ended(b, the_job, "cancelled");
    assert_non_null(
        strstr(word(json_object_get(job, "error"), "detail"), "no filesystem"));
    assert_true(blank(dev_b.mem, 2 * CHUNK));
    assert_false(dev_b.exclusive);
    json_decref(taken);
    json_decref(job);
}

static void an_incomplete_snapshot_is_restored_only_if_asked(void **state)
{
    struct bench *b = *state;
    struct fpd_restore_params p = { .device = "b", .storage = "flash0" };
    char id[FPD_JOB_ID_SIZE], why[200] = "";
    json_t *taken;

    dev_fill(&dev_a, 1, CHUNKS);
    dev_a.bad[30] = true;
    taken = backup(b, "a");
    p.snapshot = word(taken, "snapshot");
    assert_int_equal(fpd_jobs_restore(b->jobs, &p, id, why, sizeof(why)),
                     FP_ERR_PRECOND);
    p.incomplete = true;
    dev_b.mem[30 * CHUNK] = 0x77;
    start_restore(b, &p, id);
    json_decref(result_of(b, id));
    assert_memory_equal(dev_b.mem, dev_a.mem, 30 * CHUNK);
    assert_int_equal(dev_b.mem[30 * CHUNK], 0x77);
    assert_memory_equal(dev_b.mem + 31 * CHUNK, dev_a.mem + 31 * CHUNK,
                        SIZE - 31 * CHUNK);
    json_decref(taken);
}

static void large_erase_blocks_are_written_whole(void **state)
{
    struct bench *b = *state;
    struct fpd_restore_params p = { .device = "b", .storage = "flash0" };
    char id[FPD_JOB_ID_SIZE];
    json_t *taken;

    dev_fill(&dev_a, 1, CHUNKS);
    dev_a.bad[30] = true;
    taken = backup(b, "a");
    p.snapshot = word(taken, "snapshot");
    p.incomplete = true;
    dev_fill(&dev_b, 1, CHUNKS);
    dev_b.block_size = 8 * CHUNK;
    dev_poke(&dev_b, 29, 1);
    dev_poke(&dev_b, 30, 2); /* kept, though its block is erased */
    start_restore(b, &p, id);
    json_decref(result_of(b, id));
    assert_int_equal(dev_b.mem[30 * CHUNK + 7], 2);
    assert_memory_equal(dev_b.mem, dev_a.mem, 30 * CHUNK);
    json_decref(taken);
}

static void firmware_and_foreign_keys_are_left_alone(void **state)
{
    struct bench *b = *state;
    struct fpd_restore_params p = { .device = "b", .storage = "flash0" };
    const char *const names[] = { "boot" };
    char id[FPD_JOB_ID_SIZE];
    json_t *taken, *result;

    dev_fill(&dev_a, 1, CHUNKS);
    taken = backup(b, "a");
    p.snapshot = word(taken, "snapshot");
    dev_b.region_count = 2;
    dev_b.regions[0] = (struct fpd_region_info){
        .name = "boot", .off = 40 * CHUNK, .size = 8 * CHUNK, .flags = 2
    };
    dev_b.regions[1] = (struct fpd_region_info){
        .name = "keys", .off = 60 * CHUNK, .size = 4 * CHUNK, .flags = 4
    };
    start_restore(b, &p, id);
    result = result_of(b, id);
    assert_int_equal(json_array_size(json_object_get(result, "skipped")), 2);
    json_decref(result);
    assert_memory_equal(dev_b.mem, dev_a.mem, 40 * CHUNK);
    assert_true(blank(dev_b.mem + 40 * CHUNK, 8 * CHUNK));
    assert_memory_equal(dev_b.mem + 48 * CHUNK, dev_a.mem + 48 * CHUNK,
                        12 * CHUNK);
    assert_true(blank(dev_b.mem + 60 * CHUNK, 4 * CHUNK));
    p.regions = names;
    p.region_count = 1;
    start_restore(b, &p, id);
    json_decref(result_of(b, id));
    assert_memory_equal(dev_b.mem, dev_a.mem, 60 * CHUNK);
    assert_true(blank(dev_b.mem + 60 * CHUNK, 4 * CHUNK));
    json_decref(taken);
}

static struct fpd_spool *spool_of(struct bench *b, const uint8_t *data,
                                  size_t size)
{
    struct fpd_spool *spool;

    assert_int_equal(fpd_spool_new(b->dir, size, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, data, size), FP_OK);
    return spool;
}

static void an_uploaded_image_is_restored(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    struct fpd_spool *spool;

    dev_fill(&dev_a, 3, 10);
    dev_fill(&dev_b, 4, CHUNKS);
    /* Ends within a chunk: that is filled up with 0xff, the rest is left. */
    spool = spool_of(b, dev_a.mem, 9 * CHUNK + 100);
    start_restore(b,
                  &(struct fpd_restore_params){ .device = "b",
                                                .storage = "flash0",
                                                .spool = spool,
                                                .smaller = true },
                  id);
    until_state(b, id, "waiting"); /* the body is not whole yet */
    assert_int_equal(dev_b.ops, 0);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    json_decref(result_of(b, id));
    assert_memory_equal(dev_b.mem, dev_a.mem, 9 * CHUNK + 100);
    assert_true(blank(dev_b.mem + 9 * CHUNK + 100, CHUNK - 100));
    assert_false(blank(dev_b.mem + 10 * CHUNK, CHUNK));
    fpd_spool_unref(spool);
}

static void an_upload_lost_with_the_daemon_is_reported(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    struct fpd_spool *spool;
    json_t *job;

    dev_fill(&dev_a, 3, CHUNKS);
    spool = spool_of(b, dev_a.mem, SIZE);
    start_restore(b,
                  &(struct fpd_restore_params){
                      .device = "b", .storage = "flash0", .spool = spool },
                  id);
    until_state(b, id, "waiting");
    fpd_jobs_free(b->jobs);
    start_jobs(b, SOON_MS);
    job = ended(b, id, "failed");
    assert_string_equal(word(json_object_get(job, "error"), "detail"),
                        "The daemon ended, and the uploaded image with it. "
                        "Nothing was changed on the device.");
    assert_int_equal(dev_b.written, 0);
    json_decref(job);
    fpd_spool_unref(spool);
}

static void assert_size_refused(struct bench *b, uint64_t size, int err,
                                const char *want)
{
    char id[FPD_JOB_ID_SIZE], why[200] = "";
    struct fpd_spool *spool;
    struct fpd_restore_params p = { .device = "b", .storage = "flash0" };

    assert_int_equal(fpd_spool_new(b->dir, size, &spool), FP_OK);
    p.spool = spool;
    assert_int_equal(fpd_jobs_restore(b->jobs, &p, id, why, sizeof(why)), err);
    assert_string_equal(why, want);
    assert_int_equal(dev_b.ops, 0);
    fpd_spool_unref(spool);
}

static void a_smaller_image_is_refused_at_once(void **state)
{
    assert_size_refused(*state, SIZE - 1, FP_ERR_PRECOND,
                        "The image has 262143 bytes, flash0 has 262144.");
}

static void a_size_that_comes_last_is_looked_at_before_an_erase(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];
    struct fpd_spool *spool;
    json_t *job;

    dev_fill(&dev_a, 3, CHUNKS);
    assert_int_equal(fpd_spool_new(b->dir, FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, dev_a.mem, 3), FP_OK);
    start_restore(b,
                  &(struct fpd_restore_params){
                      .device = "b", .storage = "flash0", .spool = spool },
                  id);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    job = ended(b, id, "failed");
    assert_string_equal(word(json_object_get(job, "error"), "detail"),
                        "The image has 3 bytes, flash0 has 262144. Nothing was "
                        "changed on the device.");
    assert_int_equal(dev_b.written, 0);
    json_decref(job);
    fpd_spool_unref(spool);
}

static void too_large_an_image_is_refused_at_once(void **state)
{
    assert_size_refused(*state, SIZE + 1, FP_ERR_FBIG,
                        "The image has 262145 bytes, flash0 has 262144.");
}

static void few_images_wait_for_a_device(void **state)
{
    struct fpd_restore_params p = { .device = "a", .storage = "flash0" };
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE], why[200] = "";
    struct fpd_spool *spool = spool_of(b, dev_a.mem, SIZE);

    p.spool = spool;
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    dev_a.offline = true;
    for (int i = 0; i < 4; i++)
        assert_int_equal(fpd_jobs_restore(b->jobs, &p, id, why, sizeof(why)),
                         FP_OK);
    assert_int_equal(fpd_jobs_restore(b->jobs, &p, id, why, sizeof(why)),
                     FP_ERR_NFILE);
    p.device = "b";
    assert_int_equal(fpd_jobs_restore(b->jobs, &p, id, why, sizeof(why)),
                     FP_OK);
    start_backup(b, "a", id);
    fpd_spool_unref(spool);
}

/* ---- the store's ---- */

static int verify(struct bench *b, const char *snapshot,
                  char id[FPD_JOB_ID_SIZE])
{
    char why[200];

    return fpd_jobs_verify(b->jobs, snapshot, id, why, sizeof why);
}

/* Whoever may only read can ask for a verify, as often as they like. */
static void verifies_leave_room_for_other_jobs(void **state)
{
    enum {
        MANY = 100
    };
    struct fpd_jobs_config cfg = { .wait_ms = 60000, .threads = 1 };
    static char ids[MANY][FPD_JOB_ID_SIZE];
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE];

    for (int i = 0; i < MANY; i++) {
        json_t *taken = backup(b, "a");

        strcpy(ids[i], word(taken, "snapshot"));
        json_decref(taken);
    }
    fpd_jobs_free(b->jobs);
    cfg.store = b->store;
    assert_int_equal(fpd_jobs_new(&cfg, &b->jobs), FP_OK);
    dev_a.offline = true; /* the one thread waits for it */
    start_backup(b, "a", the_job);
    until_state(b, the_job, "waiting");

    assert_int_equal(verify(b, NULL, the_job), FP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(verify(b, NULL, id), FP_OK);
        assert_string_equal(id, the_job);
    }
    for (int i = 0; i < MANY - 1; i++) {
        assert_int_equal(verify(b, ids[i], id), FP_OK);
        assert_string_not_equal(id, the_job);
    }
    assert_int_equal(verify(b, ids[MANY - 1], id), FP_ERR_NFILE);
    assert_int_equal(verify(b, ids[7], id), FP_OK);
    start_backup(b, "b", id);
}

static void verify_and_prune_tell_what_they_did(void **state)
{
    struct bench *b = *state;
    char id[FPD_JOB_ID_SIZE], why[200] = "";
    json_t *taken, *result, *list;
    const char *gone;

    dev_fill(&dev_a, 1, 40);
    taken = backup(b, "a");
    assert_int_equal(fpd_jobs_verify(b->jobs, NULL, id, why, sizeof(why)),
                     FP_OK);
    result = result_of(b, id);
    assert_int_equal(number(result, "chunks"), 40);
    assert_int_equal(number(result, "bad"), 0);
    json_decref(result);
    gone = word(taken, "snapshot");
    assert_int_equal(fpd_jobs_prune(b->jobs, &gone, 1, id, why, sizeof(why)),
                     FP_OK);
    assert_int_equal(snapshot_count(b), 0);
    result = result_of(b, id);
    assert_int_equal(number(result, "deleted"), 1);
    assert_int_equal(number(result, "freed_chunks"), 40);
    json_decref(result);
    assert_int_equal(fpd_jobs_prune(b->jobs, &gone, 1, id, why, sizeof(why)),
                     FP_ERR_NOENT);
    list = fpd_jobs_list(b->jobs, NULL, NULL, 0);
    assert_int_equal(json_array_size(list), 3);
    assert_string_equal(word(json_array_get(list, 0), "kind"), "prune");
    json_decref(list);
    list = fpd_jobs_log(b->jobs, id, 0);
    assert_string_equal(word(json_array_get(list, 0), "text"), "Done");
    json_decref(list);
    json_decref(taken);
}

static int limit_pages(struct fpd_store *store, struct fpd_conn *conn,
                       void *arg)
{
    (void)store;
    return fpd_conn_exec(conn, arg);
}

/* The newest of all, and of those that begin behind it none. */
static void assert_listed_first(struct bench *b, const char *id)
{
    json_t *list = fpd_jobs_list(b->jobs, NULL, NULL, 2);

    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(word(json_array_get(list, 0), "id"), id);
    assert_string_equal(word(json_array_get(list, 0), "phase"), "done");
    json_decref(list);
    list = fpd_jobs_list(b->jobs, "a", NULL, 0);
    assert_string_equal(word(json_array_get(list, 0), "kind"), "backup");
    json_decref(list);
    list = fpd_jobs_list(b->jobs, NULL, id, 1);
    assert_string_not_equal(word(json_array_get(list, 0), "id"), id);
    json_decref(list);
}

/* SQLite's own limit is the full disk. */
static void a_prune_needs_no_room_to_be_stored(void **state)
{
    struct bench *b = *state;
    struct fpd_store_job row = { .kind = "x", .state = "done", .ended_ms = 1 };
    char id[FPD_JOB_ID_SIZE], why[200] = "";
    json_t *taken, *result;
    const char *gone;
    int err;

    dev_fill(&dev_a, 1, 40);
    taken = backup(b, "a");
    assert_int_equal(fpd_store_write(b->store, FPD_DB_META, limit_pages,
                                     "PRAGMA max_page_count = 1"),
                     FP_OK);
    do {
        row.id[0] = 0;
        err = fpd_store_job_add(b->store, &row);
    } while (!err);
    assert_int_equal(err, FP_ERR_NOSPC);
    gone = word(taken, "snapshot");
    assert_int_equal(fpd_jobs_prune(b->jobs, &gone, 1, id, why, sizeof(why)),
                     FP_OK);
    assert_int_equal(snapshot_count(b), 0);
    result = result_of(b, id);
    assert_int_equal(number(result, "freed_chunks"), 40);
    assert_int_equal(fpd_store_job_get(b->store, id, &row), FP_ERR_NOENT);
    assert_listed_first(b, id);
    assert_int_equal(fpd_store_write(b->store, FPD_DB_META, limit_pages,
                                     "PRAGMA max_page_count = 10000"),
                     FP_OK);
    while (fpd_store_job_get(b->store, id, &row) == FP_ERR_NOENT)
        usleep(50000);
    assert_string_equal(row.state, "done");
    fpd_store_job_deinit(&row);
    json_decref(result);
    json_decref(taken);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(first_backup_is_the_flash_bit_for_bit),
        CASE(second_backup_of_the_same_fetches_nothing),
        CASE(two_devices_with_one_image_cost_one_image),
        CASE(content_repeated_in_one_image_travels_once),
        CASE(a_change_under_way_does_not_tear_the_image),
        CASE(an_application_that_never_rests_is_frozen),
        CASE(a_freeze_that_does_not_hold_makes_no_snapshot),
        CASE(untrusted_generations_are_read_twice),
        CASE(a_device_that_restarts_is_begun_again),
        CASE(a_lost_link_is_waited_for),
        CASE(a_device_that_stays_away_fails_the_job),
        CASE(what_cannot_be_read_is_recorded),
        CASE(bad_names_are_refused_with_a_sentence),
        CASE(a_cancelled_backup_leaves_no_snapshot),
        CASE(a_backup_goes_on_after_a_restart_of_the_daemon),
        CASE(restore_makes_a_blank_device_the_image),
        CASE(restore_of_the_same_writes_nothing),
        CASE(restore_of_a_small_change_programs_only_that),
        CASE(an_interrupted_restore_is_no_mixture_and_can_be_finished),
        CASE(a_restore_goes_on_after_a_lost_link),
        CASE(a_cancelled_restore_says_what_is_left),
        CASE(an_incomplete_snapshot_is_restored_only_if_asked),
        CASE(large_erase_blocks_are_written_whole),
        CASE(firmware_and_foreign_keys_are_left_alone),
        CASE(an_uploaded_image_is_restored),
        CASE(an_upload_lost_with_the_daemon_is_reported),
        CASE(a_smaller_image_is_refused_at_once),
        CASE(a_size_that_comes_last_is_looked_at_before_an_erase),
        CASE(too_large_an_image_is_refused_at_once),
        CASE(few_images_wait_for_a_device),
        CASE(verify_and_prune_tell_what_they_did),
        CASE(verifies_leave_room_for_other_jobs),
        CASE(a_prune_needs_no_room_to_be_stored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
