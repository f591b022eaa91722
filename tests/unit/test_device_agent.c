/* SPDX-License-Identifier: MIT
 *
 * The daemon's devices against the real agent in a process of its own, with a
 * real littlefs in an image file, over a Unix socket and over a
 * pseudo-terminal. The agent is killed where a cable would be pulled.
 */
#include "core/digest/sha256.h"
#include "core/error.h"
#include "daemon/device/device.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS     30000
#define BLOCK_SIZE  4096u
#define BLOCK_COUNT 256u
#define IMAGE_SIZE  (BLOCK_SIZE * BLOCK_COUNT)

struct bench {
    bool pty;
    const char *format; /* "littlefs" or NULL */
    char dir[32];
    char spec[160];
    pid_t agent;
    struct fpd_devices *devices;
    struct fpd_device *device;
};

static void nap(void)
{
    usleep(2000);
}

static void start_agent(struct bench *b)
{
    char storage[160], listen[160];

    snprintf(storage, sizeof storage, "flash0=%s/flash.img,block=%u,count=%u",
             b->dir, BLOCK_SIZE, BLOCK_COUNT);
    snprintf(listen, sizeof listen, "%s:%s/link", b->pty ? "pty" : "unix",
             b->dir);
    snprintf(b->spec, sizeof b->spec, "%s:%s/link%s",
             b->pty ? "serial" : "unix", b->dir, b->pty ? "@921600" : "");
    b->agent = fork();
    assert_true(b->agent >= 0);
    if (b->agent == 0) {
        const char *argv[] = { "flashport-agent",
                               "--id",
                               "bench-1",
                               "--storage",
                               storage,
                               "--mount",
                               "/flash=flash0",
                               "--listen",
                               listen,
                               b->format ? "--format" : NULL,
                               b->format,
                               NULL };
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDOUT_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(FP_TEST_BIN "/flashport-agent", (char *const *)argv);
        perror(FP_TEST_BIN "/flashport-agent");
        _exit(127);
    }
}

static void kill_agent(struct bench *b)
{
    char path[64];

    kill(b->agent, SIGKILL);
    waitpid(b->agent, NULL, 0);
    snprintf(path, sizeof path, "%s/link", b->dir);
    unlink(path);
}

static void describe(struct bench *b, struct fpd_device_info *info)
{
    *info = (struct fpd_device_info){ .state = FPD_ABSENT };
    if (!b->device)
        b->device = fpd_devices_find(b->devices, "bench-1");
    if (b->device)
        fpd_device_describe(b->device, info);
}

static void wait_state(struct bench *b, bool online)
{
    int64_t until = fpd_now_ms() + WAIT_MS;
    struct fpd_device_info info;

    do {
        nap();
        describe(b, &info);
    } while (fpd_device_state_serves(info.state) != online &&
             fpd_now_ms() < until);
    if (fpd_device_state_serves(info.state) != online)
        fail_msg("the device is %s (%s)", fpd_device_state_name(info.state),
                 info.reason);
}

static void open_bench(struct bench *b, bool pty, const char *format)
{
    char why[160];

    *b = (struct bench){ .pty = pty, .format = format };
    strcpy(b->dir, "/tmp/fpd-agent-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    start_agent(b);
    assert_int_equal(fpd_devices_new(NULL, &b->devices), FP_OK);
    assert_int_equal(fpd_devices_add_link(b->devices, b->spec, why, sizeof why),
                     FP_OK);
    wait_state(b, true);
}

static void close_bench(struct bench *b)
{
    char path[64];

    fpd_devices_stop(b->devices);
    fpd_device_unref(b->device);
    fpd_devices_free(b->devices);
    kill_agent(b);
    snprintf(path, sizeof path, "%s/flash.img", b->dir);
    unlink(path);
    assert_int_equal(rmdir(b->dir), 0);
}

static int run_op(struct bench *b, struct fpd_request *req)
{
    return fpd_device_run(b->device, req, NULL);
}

static uint8_t *some_bytes(size_t size, unsigned seed)
{
    uint8_t *data = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(rand_r(&seed) >> 8);
    return data;
}

static int put_file(struct bench *b, const char *path, const uint8_t *data,
                    size_t size, struct fpd_request *req)
{
    struct fpd_spool *spool;
    int err;

    assert_int_equal(fpd_spool_new(b->dir, size, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, data, size), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    req->op = FPD_OP_PUT;
    req->klass = FPD_UPLOAD;
    req->u.put.path = path;
    req->u.put.spool = spool;
    err = run_op(b, req);
    fpd_spool_unref(spool);
    return err;
}

static int put(struct bench *b, const char *path, const uint8_t *data,
               size_t size)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    int err = put_file(b, path, data, size, &req);

    if (err)
        print_message("put %s: %s: %s\n", path, fp_error_name(err),
                      req.failure.detail);
    return err;
}

/* The file's bytes, malloc'd, and how the read ended. */
static int get(struct bench *b, const char *path, uint8_t **out, size_t *size)
{
    struct fpd_request req = { .op = FPD_OP_READ, .u.read.path = path };
    struct fpd_pipe *pipe = fpd_pipe_new(IMAGE_SIZE); /* takes it whole */
    int err;

    req.u.read.pipe = pipe;
    err = run_op(b, &req);
    *out = malloc(IMAGE_SIZE);
    *size = 0;
    if (!err && fpd_pipe_read(pipe, *out, IMAGE_SIZE, size) == FPD_PIPE_FAIL)
        err = fpd_pipe_error(pipe);
    fpd_pipe_unref(pipe);
    return err;
}

static void assert_file(struct bench *b, const char *path, const uint8_t *data,
                        size_t size)
{
    uint8_t *back;
    size_t n;
    int err = get(b, path, &back, &n);

    /* That its agent died may be noticed only now. */
    while (err == FP_ERR_NODEV) {
        free(back);
        wait_state(b, true);
        err = get(b, path, &back, &n);
    }
    assert_int_equal(err, FP_OK);
    assert_int_equal(n, size);
    assert_memory_equal(back, data, size);
    free(back);
}

/* ---- files ---- */

static void names_are_made_moved_listed_and_removed(struct bench *b)
{
    struct fpd_request mkdir = { .op = FPD_OP_MKDIR,
                                 .u.change.path = "/flash/d" };
    struct fpd_request mv = { .op = FPD_OP_RENAME,
                              .u.rename = { .from = "/flash/a",
                                            .to = "/flash/d/b" } };
    struct fpd_request ls = { .op = FPD_OP_LIST, .u.list.path = "/flash/d" };
    struct fpd_request rm = { .op = FPD_OP_REMOVE,
                              .u.change.path = "/flash/d" };
    uint8_t *data = some_bytes(5000, 1);

    assert_int_equal(put(b, "/flash/a", data, 5000), FP_OK);
    assert_int_equal(run_op(b, &mkdir), FP_OK);
    assert_int_equal(run_op(b, &mkdir), FP_ERR_EXIST);
    assert_int_equal(run_op(b, &mv), FP_OK);
    assert_int_equal(run_op(b, &mv), FP_ERR_NOENT);
    assert_int_equal(run_op(b, &ls), FP_OK);
    assert_int_equal(ls.u.list.count, 1);
    assert_string_equal(ls.u.list.entries[0].name, "b");
    assert_int_equal(ls.u.list.entries[0].st.size, 5000);
    free(ls.u.list.entries);
    assert_file(b, "/flash/d/b", data, 5000);
    assert_int_equal(run_op(b, &rm), FP_ERR_NOTEMPTY);
    rm.u.change.path = "/flash/d/b";
    assert_int_equal(run_op(b, &rm), FP_OK);
    rm.u.change.path = "/flash/d";
    assert_int_equal(run_op(b, &rm), FP_OK);
    free(data);
}

static void files_of_every_size_come_back(struct bench *b)
{
    static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 4097, 300000 };

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *data = some_bytes(sizes[i], (unsigned)i);

        assert_int_equal(put(b, "/flash/f", data, sizes[i]), FP_OK);
        assert_file(b, "/flash/f", data, sizes[i]);
        free(data);
    }
}

static void files_over_a_socket(void **state)
{
    struct fpd_device_info info;
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    describe(&b, &info);
    assert_int_equal(info.volume_count, 1);
    assert_string_equal(info.volumes[0].path, "/flash");
    assert_string_equal(info.volumes[0].fs, "littlefs");
    assert_true(info.volumes[0].writable);
    assert_string_equal(info.default_volume, "/flash");
    assert_int_equal(info.storages[0].size, IMAGE_SIZE);
    names_are_made_moved_listed_and_removed(&b);
    files_of_every_size_come_back(&b);
    close_bench(&b);
}

static void files_over_a_terminal(void **state)
{
    struct bench b;

    (void)state;
    open_bench(&b, true, "littlefs");
    names_are_made_moved_listed_and_removed(&b);
    files_of_every_size_come_back(&b);
    close_bench(&b);
}

static uint64_t counter(struct bench *b, const char *name)
{
    static struct fpd_counter counters[256];
    struct fpd_request req = { .op = FPD_OP_STATS,
                               .u.stats = { counters, 256, 0 } };

    assert_int_equal(run_op(b, &req), FP_OK);
    for (uint32_t i = 0; i < req.u.stats.count; i++)
        if (strcmp(counters[i].name, name) == 0)
            return counters[i].value;
    fail_msg("the device counts no %s", name);
    return 0;
}

static void equal_content_programs_and_erases_nothing(void **state)
{
    uint8_t *data = some_bytes(50000, 4);
    struct fpd_request req = { .op = FPD_OP_PUT };
    uint64_t programs, erases;
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(put(&b, "/flash/f", data, 50000), FP_OK);
    programs = counter(&b, "flash0.progs");
    erases = counter(&b, "flash0.erases");
    assert_true(programs > 0);
    assert_int_equal(put_file(&b, "/flash/f", data, 50000, &req), FP_OK);
    assert_true(req.u.put.unchanged);
    assert_int_equal(counter(&b, "flash0.progs"), programs);
    assert_int_equal(counter(&b, "flash0.erases"), erases);
    free(data);
    close_bench(&b);
}

static void a_file_too_large_is_refused_before_it_is_sent(void **state)
{
    uint8_t *data = some_bytes(IMAGE_SIZE + 1000, 5);
    uint8_t *old = some_bytes(1000, 6);
    struct fpd_request req = { .op = FPD_OP_PUT };
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(put(&b, "/flash/f", old, 1000), FP_OK);
    assert_int_equal(put_file(&b, "/flash/f", data, IMAGE_SIZE + 1000, &req),
                     FP_ERR_NOSPC);
    assert_true(req.failure.needed > req.failure.free);
    assert_int_equal(req.u.put.sent, 0);
    assert_file(&b, "/flash/f", old, 1000);
    free(data);
    free(old);
    close_bench(&b);
}

/* ---- pulled cables ---- */

struct upload {
    struct fpd_request req;
    _Atomic bool done;
};

static void upload_done(struct fpd_request *req)
{
    atomic_store(&((struct upload *)req->ctx)->done, true);
}

/* The agent dies in the middle of an upload and comes back: the upload goes on
 * by itself, and nobody ever saw anything but the old file or the new one. */
static void an_upload_survives_the_agents_death(void **state)
{
    enum {
        SIZE = 200000,
        CUTS = 6
    };
    uint8_t *old = some_bytes(30000, 7), *new = some_bytes(SIZE, 8);
    struct bench b;

    (void)state;
    for (int cut = 0; cut < CUTS; cut++) {
        struct upload up = { .req = { .op = FPD_OP_PUT,
                                      .klass = FPD_UPLOAD,
                                      .done = upload_done,
                                      .u.put.path = "/flash/f" } };
        struct fpd_spool *spool;

        open_bench(&b, cut % 2 == 1, "littlefs");
        assert_int_equal(put(&b, "/flash/f", old, 30000), FP_OK);
        assert_int_equal(fpd_spool_new(b.dir, SIZE, &spool), FP_OK);
        up.req.ctx = &up;
        up.req.u.put.spool = spool;
        assert_int_equal(fpd_device_submit(b.device, &up.req), FP_OK);
        /* The body comes in so far, and no further until the agent died. */
        assert_int_equal(
            fpd_spool_write(spool, new, (size_t)SIZE * (size_t)cut / CUTS),
            FP_OK);
        while (atomic_load(&up.req.u.put.sent) <
               (uint64_t)SIZE * (uint64_t)cut / CUTS)
            nap();
        kill_agent(&b);
        assert_int_equal(
            fpd_spool_write(spool, new + (size_t)SIZE *(size_t)cut / CUTS,
                            SIZE - (size_t)SIZE * (size_t)cut / CUTS),
            FP_OK);
        assert_int_equal(fpd_spool_end(spool), FP_OK);
        wait_state(&b, false);
        assert_false(atomic_load(&up.done));
        start_agent(&b);
        while (!atomic_load(&up.done))
            nap();
        assert_int_equal(up.req.err, FP_OK);
        assert_file(&b, "/flash/f", new, SIZE);
        fpd_spool_unref(spool);
        close_bench(&b);
    }
    free(old);
    free(new);
}

static void the_old_file_is_whole_after_an_upload_that_failed(void **state)
{
    uint8_t *old = some_bytes(30000, 9), *new = some_bytes(100000, 10);
    struct upload up = { .req = { .op = FPD_OP_PUT,
                                  .done = upload_done,
                                  .u.put.path = "/flash/f" } };
    struct fpd_spool *spool;
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(put(&b, "/flash/f", old, 30000), FP_OK);
    assert_int_equal(fpd_spool_new(b.dir, 100000, &spool), FP_OK);
    up.req.ctx = &up;
    up.req.u.put.spool = spool;
    assert_int_equal(fpd_device_submit(b.device, &up.req), FP_OK);
    assert_int_equal(fpd_spool_write(spool, new, 60000), FP_OK);
    while (atomic_load(&up.req.u.put.sent) < 60000)
        nap();
    fpd_device_cancel(b.device, &up.req);
    while (!atomic_load(&up.done))
        nap();
    assert_int_equal(up.req.err, FP_ERR_CANCELED);
    fpd_spool_unref(spool);
    assert_file(&b, "/flash/f", old, 30000);
    kill_agent(&b);
    wait_state(&b, false);
    start_agent(&b);
    wait_state(&b, true);
    assert_file(&b, "/flash/f", old, 30000);
    free(old);
    free(new);
    close_bench(&b);
}

static void a_request_ends_when_the_device_does_not_come_back(void **state)
{
    struct upload up = { .req = { .op = FPD_OP_PUT,
                                  .done = upload_done,
                                  .u.put.path = "/flash/f" } };
    struct fpd_spool *spool;
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(fpd_spool_new(b.dir, 100000, &spool), FP_OK);
    up.req.ctx = &up;
    up.req.u.put.spool = spool;
    up.req.deadline_ms = fpd_now_ms() + 1500;
    assert_int_equal(fpd_device_submit(b.device, &up.req), FP_OK);
    kill_agent(&b);
    while (!atomic_load(&up.done))
        nap();
    assert_int_equal(up.req.err, FP_ERR_TIMEDOUT);
    assert_int_equal(fpd_spool_write(spool, "x", 1), FP_ERR_CANCELED);
    fpd_spool_unref(spool);
    start_agent(&b); /* for close_bench() */
    close_bench(&b);
}

/* Kills at moments that a seed chooses, in uploads and renames. Whatever a
 * request answered is true afterwards, and nothing is ever half. */
static void what_was_answered_holds_whenever_the_agent_dies(void **state)
{
    enum {
        ROUNDS = 40,
        SIZE = 60000
    };
    const char *text = getenv("FP_SEED");
    unsigned seed = text ? (unsigned)atoi(text) : (unsigned)time(NULL);
    uint8_t *now = some_bytes(SIZE, seed);
    bool at_b = false;
    struct bench b;

    (void)state;
    print_message("FP_SEED=%u\n", seed);
    open_bench(&b, seed % 2 == 0, "littlefs");
    assert_int_equal(put(&b, "/flash/f", now, SIZE), FP_OK);
    assert_int_equal(put(&b, "/flash/a", now, 100), FP_OK);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *next = some_bytes(SIZE, seed + (unsigned)round + 1);
        struct upload up = { .req = { .op = FPD_OP_PUT,
                                      .klass = FPD_UPLOAD,
                                      .done = upload_done,
                                      .u.put.path = "/flash/f" } };
        struct upload mv = { .req = { .op = FPD_OP_RENAME,
                                      .done = upload_done } };
        struct fpd_request gone = { .op = FPD_OP_STAT };
        struct fpd_spool *spool;

        assert_int_equal(fpd_spool_new(b.dir, SIZE, &spool), FP_OK);
        assert_int_equal(fpd_spool_write(spool, next, SIZE), FP_OK);
        assert_int_equal(fpd_spool_end(spool), FP_OK);
        up.req.ctx = &up;
        up.req.u.put.spool = spool;
        mv.req.ctx = &mv;
        mv.req.u.rename.from = at_b ? "/flash/b" : "/flash/a";
        mv.req.u.rename.to = at_b ? "/flash/a" : "/flash/b";
        assert_int_equal(fpd_device_submit(b.device, &up.req), FP_OK);
        assert_int_equal(fpd_device_submit(b.device, &mv.req), FP_OK);
        usleep((useconds_t)(rand_r(&seed) % 60000));
        kill_agent(&b);
        start_agent(&b);
        while (!atomic_load(&up.done) || !atomic_load(&mv.done))
            nap();
        assert_int_equal(up.req.err, FP_OK);
        assert_int_equal(mv.req.err, FP_OK);
        at_b = !at_b;
        wait_state(&b, true);
        assert_file(&b, "/flash/f", next, SIZE);
        assert_file(&b, at_b ? "/flash/b" : "/flash/a", now, 100);
        gone.u.stat.path = at_b ? "/flash/a" : "/flash/b";
        assert_int_equal(run_op(&b, &gone), FP_ERR_NOENT);
        fpd_spool_unref(spool);
        free(next);
    }
    free(now);
    close_bench(&b);
}

/* ---- images ---- */

static void read_image(struct bench *b, uint8_t *image)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "%s/flash.img", b->dir);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, image, IMAGE_SIZE), IMAGE_SIZE);
    close(fd);
}

static void chunks_are_those_of_the_image(void **state)
{
    static uint8_t image[IMAGE_SIZE], data[IMAGE_SIZE];
    static uint8_t digests[BLOCK_COUNT * 16], status[BLOCK_COUNT];
    struct fpd_chunk_run runs[64];
    struct fpd_request ask = { .op = FPD_OP_CHUNK_DIGESTS,
                               .klass = FPD_BACKUP,
                               .u.chunk = { .storage = "flash0",
                                            .storage_size = IMAGE_SIZE,
                                            .chunk_size = BLOCK_SIZE,
                                            .count = BLOCK_COUNT,
                                            .digests = digests,
                                            .status = status } };
    struct fpd_request fetch = { .op = FPD_OP_CHUNK_READ,
                                 .klass = FPD_BACKUP,
                                 .u.chunk = { .storage = "flash0",
                                              .storage_size = IMAGE_SIZE,
                                              .chunk_size = BLOCK_SIZE,
                                              .count = BLOCK_COUNT,
                                              .data = data,
                                              .status = status } };
    struct fpd_request changed = { .op = FPD_OP_CHUNK_CHANGED,
                                   .u.chunk = { .storage = "flash0",
                                                .storage_size = IMAGE_SIZE,
                                                .chunk_size = BLOCK_SIZE,
                                                .runs = runs,
                                                .runs_max = 64 } };
    uint8_t *content = some_bytes(100000, 11);
    uint32_t fills = 0;
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(put(&b, "/flash/f", content, 100000), FP_OK);
    assert_int_equal(run_op(&b, &ask), FP_OK);
    read_image(&b, image);
    for (uint32_t i = 0; i < BLOCK_COUNT; i++) {
        const uint8_t *chunk = image + (size_t)i * BLOCK_SIZE;
        const uint8_t *digest = digests + (size_t)i * 16;
        struct fp_sha256 sha;
        uint8_t full[32];

        if (status[i] == FPD_CHUNK_FILL) {
            for (uint32_t k = 0; k < BLOCK_SIZE; k++)
                assert_int_equal(chunk[k], digest[0]);
            fills++;
            continue;
        }
        assert_int_equal(status[i], FPD_CHUNK_OK);
        fp_sha256_init(&sha);
        fp_sha256_update(&sha, chunk, BLOCK_SIZE);
        fp_sha256_final(&sha, full);
        assert_memory_equal(digest, full, 16);
    }
    assert_true(fills > 0 && fills < BLOCK_COUNT);
    assert_int_equal(run_op(&b, &fetch), FP_OK);
    assert_memory_equal(data, image, IMAGE_SIZE);

    /* The first question is where the device begins to remember exactly. */
    assert_int_equal(run_op(&b, &changed), FP_OK);
    changed.u.chunk.since = changed.u.chunk.gen;
    assert_int_equal(run_op(&b, &changed), FP_OK);
    assert_false(changed.u.chunk.too_old);
    assert_int_equal(changed.u.chunk.runs_count, 0);
    assert_int_equal(put(&b, "/flash/g", content, 9000), FP_OK);
    assert_int_equal(run_op(&b, &changed), FP_OK);
    assert_true(changed.u.chunk.too_old || changed.u.chunk.runs_count > 0);
    free(content);
    close_bench(&b);
}

static void a_frozen_storage_takes_no_writes_until_thawed(void **state)
{
    struct fpd_request freeze = { .op = FPD_OP_FREEZE,
                                  .u.chunk = { .storage = "flash0",
                                               .freeze_ms = 500 } };
    struct fpd_request thaw = { .op = FPD_OP_THAW,
                                .u.chunk.storage = "flash0" };
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(run_op(&b, &freeze), FP_OK);
    assert_int_equal(run_op(&b, &thaw), FP_OK);
    assert_int_equal(put(&b, "/flash/f", (const uint8_t *)"x", 1), FP_OK);
    close_bench(&b);
}

static void an_image_is_written_back(void **state)
{
    static uint8_t image[IMAGE_SIZE];
    struct fpd_request begin = { .op = FPD_OP_RESTORE_BEGIN,
                                 .u.chunk.storage = "flash0" };
    struct fpd_request write = { .op = FPD_OP_CHUNK_WRITE,
                                 .klass = FPD_BACKUP,
                                 .u.chunk = { .storage = "flash0",
                                              .storage_size = IMAGE_SIZE,
                                              .chunk_size = BLOCK_SIZE,
                                              .count = BLOCK_COUNT,
                                              .data = image } };
    struct fpd_request end = { .op = FPD_OP_RESTORE_END,
                               .u.chunk.storage = "flash0" };
    uint8_t *first = some_bytes(70000, 12), *second = some_bytes(70000, 13);
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    assert_int_equal(put(&b, "/flash/f", first, 70000), FP_OK);
    read_image(&b, image);
    assert_int_equal(put(&b, "/flash/f", second, 70000), FP_OK);

    assert_int_equal(run_op(&b, &begin), FP_OK);
    memcpy(write.u.chunk.nonce, begin.u.chunk.nonce, 8);
    assert_int_equal(run_op(&b, &write), FP_OK);
    assert_int_equal(run_op(&b, &end), FP_OK);
    assert_file(&b, "/flash/f", first, 70000);
    free(first);
    free(second);
    close_bench(&b);
}

/* The device sets its block buffer aside for a write: whenever that is
 * cancelled, the buffer must be free for what comes next. */
static void a_cancelled_write_leaves_the_device_ready(void **state)
{
    struct fpd_request begin = { .op = FPD_OP_RESTORE_BEGIN,
                                 .u.chunk.storage = "flash0" };
    struct fpd_request end = { .op = FPD_OP_RESTORE_END,
                               .u.chunk.storage = "flash0" };
    uint8_t *image = some_bytes(IMAGE_SIZE, 14);
    struct bench b;

    (void)state;
    open_bench(&b, false, "littlefs");
    for (unsigned i = 0; i < 100; i++) {
        struct upload write = { .req = {
                                    .op = FPD_OP_CHUNK_WRITE,
                                    .klass = FPD_UPLOAD,
                                    .done = upload_done,
                                    .u.chunk = { .storage = "flash0",
                                                 .storage_size = IMAGE_SIZE,
                                                 .chunk_size = BLOCK_SIZE,
                                                 .count = BLOCK_COUNT,
                                                 .data = image } } };

        write.req.ctx = &write;
        assert_int_equal(run_op(&b, &begin), FP_OK);
        memcpy(write.req.u.chunk.nonce, begin.u.chunk.nonce, 8);
        image[i * 7] ^= 0xff;
        assert_int_equal(fpd_device_submit(b.device, &write.req), FP_OK);
        usleep(i * 20);
        fpd_device_cancel(b.device, &write.req);
        while (!atomic_load(&write.done))
            nap();
        assert_true(write.req.err == FP_ERR_CANCELED || !write.req.err);
        assert_int_equal(run_op(&b, &end), FP_OK);
    }
    free(image);
    close_bench(&b);
}

static void an_erased_storage_is_formatted_on_request(void **state)
{
    struct fpd_request format = { .op = FPD_OP_FORMAT,
                                  .u.volume = { .volume = "/flash",
                                                .fs = "littlefs" } };
    struct fpd_request check = { .op = FPD_OP_CHECK,
                                 .u.volume.volume = "/flash" };
    struct fpd_request mount = { .op = FPD_OP_MOUNT,
                                 .u.volume.volume = "/flash" };
    struct fpd_device_info info;
    struct bench b;

    (void)state;
    open_bench(&b, false, NULL);
    describe(&b, &info);
    assert_int_equal(info.volume_count, 1);
    assert_false(info.volumes[0].mounted);
    assert_true(strlen(info.volumes[0].reason) > 0);
    assert_int_not_equal(put(&b, "/flash/f", (const uint8_t *)"x", 1), FP_OK);
    assert_int_equal(run_op(&b, &format), FP_OK);
    run_op(&b, &mount); /* formatting may have mounted it already */
    assert_int_equal(put(&b, "/flash/f", (const uint8_t *)"x", 1), FP_OK);
    assert_int_equal(run_op(&b, &check), FP_OK);
    assert_int_equal(check.u.volume.errors, 0);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_over_a_socket),
        cmocka_unit_test(files_over_a_terminal),
        cmocka_unit_test(equal_content_programs_and_erases_nothing),
        cmocka_unit_test(a_file_too_large_is_refused_before_it_is_sent),
        cmocka_unit_test(an_upload_survives_the_agents_death),
        cmocka_unit_test(the_old_file_is_whole_after_an_upload_that_failed),
        cmocka_unit_test(a_request_ends_when_the_device_does_not_come_back),
        cmocka_unit_test(what_was_answered_holds_whenever_the_agent_dies),
        cmocka_unit_test(chunks_are_those_of_the_image),
        cmocka_unit_test(a_frozen_storage_takes_no_writes_until_thawed),
        cmocka_unit_test(an_image_is_written_back),
        cmocka_unit_test(a_cancelled_write_leaves_the_device_ready),
        cmocka_unit_test(an_erased_storage_is_formatted_on_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
