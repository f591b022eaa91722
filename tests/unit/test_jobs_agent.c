/* SPDX-License-Identifier: MIT
 *
 * Jobs with real parts: the real store, the daemon's devices, and the real
 * agent in a process of its own, with a littlefs in an image file at the far
 * end of a Unix socket. What is expected is the agent's image file itself.
 */
#include "core/error.h"
#include "core/fs/fs.h"
#include "core/fs/littlefs/littlefs.h"
#include "core/host/volume.h"
#include "daemon/device/device.h"
#include "daemon/jobs/jobs.h"
#include "daemon/store/bdev.h"
#include "daemon/store/snapshot.h"
#include "daemon/store/store.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    BLOCK = 4096,
    BLOCKS = 128,
    SIZE = BLOCK * BLOCKS,
    SOON_MS = 60000, /* a wait that only a hang exceeds */
};

struct agent {
    const char *id, *format, *timing;
    char image[96], socket[96];
    pid_t pid;
};

struct bench {
    char dir[40];
    struct agent a, b;
    struct fpd_store *store;
    struct fpd_devices *devices;
    struct fpd_jobs *jobs;
};

/* ---- the far ends ---- */

static void start_agent(struct agent *agent)
{
    char storage[160], listen[120];

    snprintf(storage, sizeof(storage), "flash0=%s,block=%d,count=%d",
             agent->image, BLOCK, BLOCKS);
    snprintf(listen, sizeof(listen), "unix:%s", agent->socket);
    unlink(agent->socket);
    agent->pid = fork();
    assert_true(agent->pid >= 0);
    if (agent->pid == 0) {
        const char *argv[] = { "flashport-agent",
                               "--id",
                               agent->id,
                               "--storage",
                               storage,
                               "--mount",
                               "/flash=flash0",
                               "--listen",
                               listen,
                               "--timing",
                               agent->timing ? agent->timing : "none",
                               agent->format ? "--format" : NULL,
                               agent->format,
                               NULL };
        int null = open("/dev/null", O_WRONLY);

        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(FP_TEST_BIN "/flashport-agent", (char *const *)argv);
        _exit(127);
    }
}

static void kill_agent(struct agent *agent)
{
    if (agent->pid <= 0)
        return;
    kill(agent->pid, SIGKILL);
    waitpid(agent->pid, NULL, 0);
    agent->pid = 0;
}

static void name_agent(struct bench *bench, struct agent *agent, const char *id,
                       const char *format)
{
    memset(agent, 0, sizeof(*agent));
    agent->id = id;
    agent->format = format;
    snprintf(agent->image, sizeof(agent->image), "%s/%s.img", bench->dir, id);
    snprintf(agent->socket, sizeof(agent->socket), "%s/%s.sock", bench->dir,
             id);
}

/* ---- this end ---- */

static void link_to(struct bench *bench, const struct agent *agent)
{
    char spec[120], why[200] = "";

    snprintf(spec, sizeof(spec), "unix:%s", agent->socket);
    if (fpd_devices_add_link(bench->devices, spec, why, sizeof(why)))
        fail_msg("link: %s", why);
}

static void open_daemon(struct bench *bench)
{
    const struct fpd_devices_config devices = { .reconnect_ms = 300 };
    struct fpd_jobs_config jobs = { .wait_ms = SOON_MS };
    char why[200] = "", store[60];

    snprintf(store, sizeof(store), "%s/data", bench->dir);
    if (fpd_store_open(store, &bench->store, why, sizeof(why)))
        fail_msg("store: %s", why);
    assert_int_equal(fpd_devices_new(&devices, &bench->devices), FP_OK);
    link_to(bench, &bench->a);
    link_to(bench, &bench->b);
    jobs.store = bench->store;
    jobs.devices = bench->devices;
    assert_int_equal(fpd_jobs_new(&jobs, &bench->jobs), FP_OK);
}

static void close_daemon(struct bench *bench)
{
    fpd_jobs_free(bench->jobs);
    fpd_devices_stop(bench->devices);
    fpd_devices_free(bench->devices);
    fpd_store_close(bench->store);
}

static int setup(void **state)
{
    static struct bench bench;

    memset(&bench, 0, sizeof(bench));
    snprintf(bench.dir, sizeof(bench.dir), "/tmp/fp-jobs-XXXXXX");
    assert_non_null(mkdtemp(bench.dir));
    name_agent(&bench, &bench.a, "a", "littlefs");
    name_agent(&bench, &bench.b, "b", NULL);
    start_agent(&bench.a);
    start_agent(&bench.b);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char cmd[80];

    kill_agent(&bench->a);
    kill_agent(&bench->b);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", bench->dir);
    return system(cmd);
}

static struct fpd_device *online(struct bench *bench, const char *id)
{
    struct fpd_device_info *info = malloc(sizeof(*info));
    struct fpd_device *device = NULL;

    for (int i = 0; i < SOON_MS / 10; i++) {
        if (!device)
            device = fpd_devices_find(bench->devices, id);
        if (device) {
            fpd_device_describe(device, info);
            if (fpd_device_state_serves(info->state))
                break;
        }
        usleep(10000);
    }
    assert_non_null(device);
    assert_true(fpd_device_state_serves(info->state));
    free(info);
    return device;
}

static int put(struct bench *bench, const char *id, const char *path,
               uint8_t byte, size_t size)
{
    struct fpd_request req = { .op = FPD_OP_PUT, .klass = FPD_UPLOAD };
    struct fpd_device *device = online(bench, id);
    uint8_t *body = malloc(size);
    struct fpd_spool *spool;
    int err;

    for (size_t i = 0; i < size; i++)
        body[i] = (uint8_t)(byte + (i * i >> 3));
    assert_int_equal(fpd_spool_new(bench->dir, size, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, body, size), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    free(body);
    req.u.put.path = path;
    req.u.put.spool = spool;
    err = fpd_device_run(device, &req, NULL);
    fpd_spool_unref(spool);
    fpd_device_unref(device);
    return err;
}

static uint64_t counter(struct bench *bench, const char *id, const char *name)
{
    struct fpd_request req = { .op = FPD_OP_STATS };
    struct fpd_device *device = online(bench, id);
    struct fpd_counter counters[64];
    uint64_t value = UINT64_MAX;

    req.u.stats.counters = counters;
    req.u.stats.max = 64;
    assert_int_equal(fpd_device_run(device, &req, NULL), FP_OK);
    for (uint32_t i = 0; i < req.u.stats.count; i++)
        if (strcmp(counters[i].name, name) == 0)
            value = counters[i].value;
    fpd_device_unref(device);
    assert_true(value != UINT64_MAX);
    return value;
}

static uint8_t *file_of(const struct agent *agent)
{
    uint8_t *buf = malloc(SIZE);
    FILE *f = fopen(agent->image, "rb");

    assert_non_null(f);
    assert_int_equal(fread(buf, 1, SIZE, f), SIZE);
    fclose(f);
    return buf;
}

static json_t *ended(struct bench *bench, const char *id, const char *how)
{
    json_t *job;

    assert_int_equal(fpd_jobs_wait(bench->jobs, id, SOON_MS), FP_OK);
    job = fpd_jobs_get(bench->jobs, id);
    assert_non_null(job);
    if (strcmp(json_string_value(json_object_get(job, "state")), how) != 0)
        fail_msg("%s", json_dumps(job, 0));
    return job;
}

static json_t *result_of(struct bench *bench, const char *id)
{
    json_t *job = ended(bench, id, "done");
    json_t *result = json_incref(json_object_get(job, "result"));

    json_decref(job);
    return result;
}

static void start_backup(struct bench *bench, const char *device,
                         char id[FPD_JOB_ID_SIZE])
{
    const struct fpd_backup_params p = { .device = device,
                                         .storage = "flash0" };
    char why[200] = "";

    fpd_device_unref(online(bench, device));
    if (fpd_jobs_backup(bench->jobs, &p, id, why, sizeof(why)))
        fail_msg("backup: %s", why);
}

static json_t *backup(struct bench *bench, const char *device)
{
    char id[FPD_JOB_ID_SIZE];

    start_backup(bench, device, id);
    return result_of(bench, id);
}

static void start_restore(struct bench *bench, const char *device,
                          json_t *taken, char id[FPD_JOB_ID_SIZE])
{
    const struct fpd_restore_params p = {
        .device = device,
        .storage = "flash0",
        .snapshot = json_string_value(json_object_get(taken, "snapshot"))
    };
    char why[200] = "";

    fpd_device_unref(online(bench, device));
    if (fpd_jobs_restore(bench->jobs, &p, id, why, sizeof(why)))
        fail_msg("restore: %s", why);
}

static json_int_t number(json_t *obj, const char *key)
{
    return json_integer_value(json_object_get(obj, key));
}

static struct fpd_snapshot_reader *open_snapshot(struct bench *bench,
                                                 json_t *taken)
{
    struct fpd_snapshot_reader *reader;

    assert_int_equal(fpd_store_snapshot_open(
                         bench->store,
                         json_string_value(json_object_get(taken, "snapshot")),
                         &reader),
                     FP_OK);
    return reader;
}

static void assert_snapshot(struct bench *bench, json_t *taken,
                            const uint8_t *want)
{
    struct fpd_snapshot_reader *reader = open_snapshot(bench, taken);
    uint8_t *got = malloc(SIZE);
    uint32_t bad;

    assert_int_equal(fpd_store_snapshot_info(reader)->size, SIZE);
    assert_int_equal(fpd_store_snapshot_read(reader, 0, got, SIZE, &bad),
                     FP_OK);
    assert_memory_equal(got, want, SIZE);
    free(got);
    fpd_store_snapshot_close(reader);
}

/* ---- backup ---- */

static void backups_are_bit_for_bit_and_cost_once(void **state)
{
    struct bench *bench = *state;
    uint8_t *image;
    json_t *first, *second;
    struct fpd_snapshot snap;

    open_daemon(bench);
    assert_int_equal(put(bench, "a", "/flash/one", 1, 150000), FP_OK);
    first = backup(bench, "a");
    image = file_of(&bench->a);
    assert_snapshot(bench, first, image);
    assert_true(number(first, "fetched") >= 150000 / BLOCK);
    assert_string_equal(
        json_string_value(json_object_get(first, "consistency")), "generation");
    assert_int_equal(fpd_store_snapshot_get(
                         bench->store,
                         json_string_value(json_object_get(first, "snapshot")),
                         &snap),
                     FP_OK);
    assert_string_equal(snap.fs, "littlefs");
    second = backup(bench, "a");
    assert_int_equal(number(second, "fetched"), 0);
    assert_int_equal(number(second, "new_bytes"), 0);
    assert_snapshot(bench, second, image);
    json_decref(first);
    json_decref(second);
    free(image);
    close_daemon(bench);
}

struct writer {
    struct bench *bench;
    _Atomic bool stop;
    int written, err;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;

    for (uint8_t i = 1; !atomic_load(&w->stop); i++) {
        int err = put(w->bench, "a", "/flash/moving", i, 30000);

        /* Frozen for a moment: the device says so, and goes on. */
        w->written += !err;
        if (err && err != FP_ERR_BUSY) {
            w->err = err;
            break;
        }
    }
    return NULL;
}

static void count_finding(void *ctx, enum fp_finding_level level,
                          uint32_t block, const char *text)
{
    (void)block;
    if (level == FP_FINDING_ERROR) {
        print_error("%s\n", text);
        ++*(int *)ctx;
    }
}

/* One version of the file, whole, in a volume that checks clean. */
static void assert_whole(struct bench *bench, json_t *taken)
{
    static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
    const struct fp_host_volume_config cfg = {
        .drivers = drivers, .cfg = { .flags = FP_MOUNT_RDONLY }
    };
    struct fpd_snapshot_reader *reader = open_snapshot(bench, taken);
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = count_finding };
    uint8_t *body = malloc(40000);
    struct fp_host_volume vol;
    struct fpd_store_bdev dev;
    struct fp_file file;
    int errors = 0;

    step.ctx = &errors;
    assert_int_equal(fpd_store_bdev_init(&dev, reader, BLOCK), FP_OK);
    assert_int_equal(fp_host_volume_open(&vol, &dev.bdev, &cfg), FP_OK);
    while (!step.done && vol.mnt.ops->step)
        assert_int_equal(fp_fs_step(&vol.mnt, &step), FP_OK);
    assert_int_equal(errors, 0);
    assert_int_equal(fp_fs_open(&vol.mnt, &file, "/moving", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, body, 40000), 30000);
    for (size_t i = 0; i < 30000; i++)
        assert_int_equal(body[i], (uint8_t)(body[0] + (i * i >> 3)));
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_host_volume_close(&vol), FP_OK);
    fpd_store_snapshot_close(reader);
    free(body);
}

static void writes_during_a_backup_do_not_tear_it(void **state)
{
    struct bench *bench = *state;
    struct writer w = { .bench = bench };
    pthread_t thread;

    open_daemon(bench);
    assert_int_equal(put(bench, "a", "/flash/still", 9, 100000), FP_OK);
    assert_int_equal(put(bench, "a", "/flash/moving", 0, 30000), FP_OK);
    assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
    for (int i = 0; i < 10; i++) {
        json_t *taken = backup(bench, "a");

        assert_whole(bench, taken);
        json_decref(taken);
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(w.err, FP_OK);
    assert_true(w.written > 0);
    close_daemon(bench);
}

/* The daemon dies at some moment of a backup, again and again, and its
 * successor goes on: the job that was begun first ends with the image. */
static void a_killed_daemon_goes_on_with_its_backup(void **state)
{
    struct bench *bench = *state;
    int ready[2];
    char id[FPD_JOB_ID_SIZE] = "";
    uint8_t *image;
    json_t *taken;

    kill_agent(&bench->a);
    bench->a.timing = "nor";
    start_agent(&bench->a);
    for (useconds_t ms = 5; ms < 200; ms += 30) {
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            open_daemon(bench);
            if (!id[0]) {
                assert_int_equal(put(bench, "a", "/flash/x", 3, 200000), 0);
                start_backup(bench, "a", id);
            }
            if (write(ready[1], id, sizeof(id)) != sizeof(id))
                _exit(1);
            pause();
        }
        assert_int_equal(read(ready[0], id, sizeof(id)), sizeof(id));
        usleep(ms * 1000);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(ready[0]);
        close(ready[1]);
    }
    open_daemon(bench);
    taken = result_of(bench, id);
    image = file_of(&bench->a);
    assert_snapshot(bench, taken, image);
    free(image);
    json_decref(taken);
    close_daemon(bench);
}

/* ---- restore ---- */

static bool mounted(struct bench *bench, const char *id)
{
    struct fpd_device_info *info = malloc(sizeof(*info));
    struct fpd_device *device = online(bench, id);
    bool is = false;

    for (int i = 0; i < 500 && !is; i++) {
        fpd_device_describe(device, info);
        is = info->volume_count > 0 && info->volumes[0].mounted;
        if (!is)
            usleep(10000);
    }
    fpd_device_unref(device);
    free(info);
    return is;
}

static void assert_same_files(struct bench *bench)
{
    uint8_t *a = file_of(&bench->a), *b = file_of(&bench->b);

    assert_memory_equal(a, b, SIZE);
    free(a);
    free(b);
}

static int stat_of(struct bench *bench, const char *id, const char *path)
{
    struct fpd_request req = { .op = FPD_OP_STAT };
    struct fpd_device *device = online(bench, id);
    int err;

    req.u.stat.path = path;
    err = fpd_device_run(device, &req, NULL);
    fpd_device_unref(device);
    return err;
}

static void restore_clones_a_device_and_mounts_it(void **state)
{
    struct bench *bench = *state;
    char id[FPD_JOB_ID_SIZE];
    uint64_t erases;
    json_t *taken;

    open_daemon(bench);
    assert_int_equal(put(bench, "a", "/flash/one", 1, 150000), FP_OK);
    taken = backup(bench, "a");
    assert_true(stat_of(bench, "b", "/flash/one") != FP_OK);
    start_restore(bench, "b", taken, id);
    json_decref(result_of(bench, id));
    assert_same_files(bench);
    assert_true(mounted(bench, "b"));
    assert_int_equal(stat_of(bench, "b", "/flash/one"), FP_OK);

    /* The same again is nothing to do. */
    erases = counter(bench, "b", "flash0.erases");
    start_restore(bench, "b", taken, id);
    json_decref(result_of(bench, id));
    assert_int_equal(counter(bench, "b", "flash0.erases"), erases);

    /* A small file more costs what it touched, and the anchors. */
    assert_int_equal(put(bench, "b", "/flash/two", 2, 100), FP_OK);
    erases = counter(bench, "b", "flash0.erases");
    start_restore(bench, "b", taken, id);
    json_decref(result_of(bench, id));
    assert_same_files(bench);
    assert_in_range(counter(bench, "b", "flash0.erases") - erases, 2, 8);
    json_decref(taken);
    close_daemon(bench);
}

static bool is_littlefs(const struct agent *agent)
{
    static const struct fp_fs_ops *const drivers[] = { &fp_fs_littlefs, NULL };
    const struct fp_host_file_config file = { .flags = FP_HOST_FILE_NOLOCK,
                                              .block_size = BLOCK };
    const struct fp_host_volume_config cfg = {
        .drivers = drivers, .cfg = { .flags = FP_MOUNT_RDONLY }
    };
    struct fp_host_image image;

    if (fp_host_image_open(&image, agent->image, &file, &cfg) != FP_OK)
        return false;
    assert_int_equal(fp_host_image_close(&image), FP_OK);
    return true;
}

static void until_programming(struct bench *bench, const char *id)
{
    for (int i = 0; i < SOON_MS; i++) {
        json_t *job = fpd_jobs_get(bench->jobs, id);
        bool is = strcmp(json_string_value(json_object_get(job, "phase")),
                         "programming") == 0 &&
                  number(json_object_get(job, "progress"), "done") > 2;

        json_decref(job);
        if (is)
            return;
        usleep(1000);
    }
    fail_msg("it never programmed");
}

static void a_restore_cut_short_is_no_filesystem_and_goes_on(void **state)
{
    struct bench *bench = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken;

    kill_agent(&bench->b);
    bench->b.timing = "nor";
    bench->b.format = "littlefs";
    start_agent(&bench->b);
    open_daemon(bench);
    assert_int_equal(put(bench, "a", "/flash/one", 1, 300000), FP_OK);
    assert_int_equal(put(bench, "b", "/flash/old", 1, 10000), FP_OK);
    assert_true(is_littlefs(&bench->b));
    taken = backup(bench, "a");
    start_restore(bench, "b", taken, id);
    until_programming(bench, id);
    kill_agent(&bench->b);
    assert_false(is_littlefs(&bench->b));
    bench->b.format = NULL;
    start_agent(&bench->b);
    json_decref(result_of(bench, id));
    assert_same_files(bench);
    assert_true(mounted(bench, "b"));
    json_decref(taken);
    close_daemon(bench);
}

static void a_cancelled_restore_is_finished_by_the_next(void **state)
{
    struct bench *bench = *state;
    char id[FPD_JOB_ID_SIZE];
    json_t *taken, *job;

    kill_agent(&bench->b);
    bench->b.timing = "nor";
    start_agent(&bench->b);
    open_daemon(bench);
    assert_int_equal(put(bench, "a", "/flash/one", 1, 300000), FP_OK);
    taken = backup(bench, "a");
    start_restore(bench, "b", taken, id);
    until_programming(bench, id);
    assert_int_equal(fpd_jobs_cancel(bench->jobs, id), FP_OK);
    job = ended(bench, id, "cancelled");
    assert_non_null(strstr(json_string_value(json_object_get(
                               json_object_get(job, "error"), "detail")),
                           "no filesystem"));
    json_decref(job);
    assert_false(is_littlefs(&bench->b));
    start_restore(bench, "b", taken, id);
    job = result_of(bench, id);
    assert_true(number(job, "same") > BLOCKS - 300000 / BLOCK - 20);
    json_decref(job);
    assert_same_files(bench);
    json_decref(taken);
    close_daemon(bench);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(backups_are_bit_for_bit_and_cost_once),
        CASE(writes_during_a_backup_do_not_tear_it),
        CASE(a_killed_daemon_goes_on_with_its_backup),
        CASE(restore_clones_a_device_and_mounts_it),
        CASE(a_restore_cut_short_is_no_filesystem_and_goes_on),
        CASE(a_cancelled_restore_is_finished_by_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
