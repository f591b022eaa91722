/* SPDX-License-Identifier: MIT
 *
 * The daemon's devices against a peer that is a real link with a script behind
 * it: the good one first, then every way of being a bad one.
 */
#include "daemon/device/device.h"

#include "core/error.h"
#include "daemon/device/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "device_peer.h"

#include <cmocka.h>

#define WAIT_MS 20000

struct bench {
    struct fpd_devices *devices;
    struct fpd_device *device;
    struct peer *peer;
    char spec[160];
};

static void nap(void)
{
    usleep(2000);
}

static enum fpd_device_state link_state(struct bench *b, char *reason)
{
    static struct fpd_link_info info[4];

    assert_int_equal(fpd_devices_links(b->devices, info, 4), 1);
    if (reason)
        strcpy(reason, info[0].reason);
    return info[0].state;
}

static void wait_online(struct bench *b)
{
    for (int64_t until = fpd_now_ms() + WAIT_MS; fpd_now_ms() < until; nap()) {
        static struct fpd_device_info info;

        if (!b->device)
            b->device = fpd_devices_find(b->devices, b->peer->id);
        if (!b->device)
            continue;
        fpd_device_describe(b->device, &info);
        if (info.state == FPD_ONLINE)
            return;
    }
    fail_msg("the device did not come online");
}

static void open_bench(struct bench *b, peer_trick trick)
{
    char why[160];

    b->peer = calloc(1, sizeof *b->peer);
    assert_non_null(b->peer);
    b->peer->id = "bench-1";
    b->peer->trick = trick;
    memcpy(b->peer->epoch, "epoch--1", 8);
    b->peer->file_size = 300000;
    b->peer->file = malloc(b->peer->file_size);
    b->peer->file_exists = true;
    for (size_t i = 0; i < b->peer->file_size; i++)
        b->peer->file[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < PEER_STORAGE_SIZE; i++)
        b->peer->storage[i] = (uint8_t)(i * 11 + i / 253);
    peer_start(b->peer, b->spec, sizeof b->spec);
    assert_int_equal(fpd_devices_new(NULL, &b->devices), FP_OK);
    assert_int_equal(fpd_devices_add_link(b->devices, b->spec, why, sizeof why),
                     FP_OK);
    b->device = NULL;
}

static void close_bench(struct bench *b)
{
    fpd_devices_stop(b->devices);
    fpd_device_unref(b->device);
    fpd_devices_free(b->devices);
    peer_stop(b->peer);
    free(b->peer);
}

static int run_op(struct bench *b, struct fpd_request *req)
{
    return fpd_device_run(b->device, req, NULL);
}

/* Reads the file whole through a pipe: bytes into *out, malloc'd. */
static int read_file(struct bench *b, struct fpd_request *req, uint8_t **out,
                     size_t *size);

/* ---- the good one ---- */

static void a_device_tells_who_it_is(void **state)
{
    struct fpd_device_info info;
    struct bench b;
    char why[160];

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    fpd_device_describe(b.device, &info);
    assert_string_equal(info.id, "bench-1");
    assert_string_equal(info.model, "peer");
    assert_memory_equal(info.epoch, "epoch--1", 8);
    assert_string_equal(info.link.name, b.spec);
    assert_string_equal(info.link.kind, "unix");
    assert_int_equal(info.volume_count, 1);
    assert_string_equal(info.volumes[0].path, "/flash");
    assert_string_equal(info.volumes[0].fs, "littlefs");
    assert_int_equal(info.volumes[0].free, 1000);
    assert_int_equal(info.storage_count, 1);
    assert_string_equal(info.storages[0].name, "flash0");
    assert_int_equal(info.storages[0].size, PEER_STORAGE_SIZE);
    assert_int_equal(fpd_devices_add_link(b.devices, b.spec, why, sizeof why),
                     FP_ERR_EXIST);
    assert_int_equal(fpd_devices_forget(b.devices, "bench-1"), FP_ERR_BUSY);
    assert_int_equal(fpd_devices_forget(b.devices, "nobody"), FP_ERR_NOENT);
    close_bench(&b);
}

static void small_requests_are_answered(void **state)
{
    struct bench b;
    struct fpd_request req = { .op = FPD_OP_STAT,
                               .u.stat.path = "/flash/file" };
    struct fpd_request list = { .op = FPD_OP_LIST, .u.list.path = "/flash" };
    struct fpd_request digest = { .op = FPD_OP_DIGEST,
                                  .u.digest.path = "/flash/file" };
    struct fpd_request rm = { .op = FPD_OP_REMOVE,
                              .u.change.path = "/flash/file" };
    uint8_t sha[32];

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    assert_int_equal(run_op(&b, &req), FP_OK);
    assert_int_equal(req.u.stat.st.size, 300000);
    assert_memory_equal(req.epoch, "epoch--1", 8);

    assert_int_equal(run_op(&b, &list), FP_OK);
    assert_int_equal(list.u.list.count, 2);
    assert_string_equal(list.u.list.entries[0].name, "dir");
    assert_int_equal(list.u.list.entries[0].st.type, FPD_TYPE_DIR);
    free(list.u.list.entries);

    assert_int_equal(run_op(&b, &digest), FP_OK);
    peer_sha(b.peer->file, b.peer->file_size, sha);
    assert_memory_equal(digest.u.digest.sha256, sha, 32);

    assert_int_equal(run_op(&b, &rm), FP_OK);
    assert_int_equal(rm.u.change.fs_gen, 1);
    assert_int_equal(run_op(&b, &req), FP_ERR_NOENT);
    close_bench(&b);
}

static void paths_no_device_could_answer_are_refused_at_once(void **state)
{
    static const struct {
        const char *path;
        int err;
    } cases[] = {
        { "", FP_ERR_INVAL },           { "flash/x", FP_ERR_INVAL },
        { "/flash//x", FP_ERR_INVAL },  { "/flash/../x", FP_ERR_INVAL },
        { "/flash/./x", FP_ERR_INVAL }, { "/flash/", FP_ERR_INVAL },
        { "/..", FP_ERR_INVAL },
    };
    static char endless[10001];
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fpd_request req = { .op = FPD_OP_STAT,
                                   .u.stat.path = cases[i].path };

        assert_int_equal(run_op(&b, &req), cases[i].err);
    }
    memset(endless, 'x', sizeof endless - 1);
    endless[0] = '/';
    struct fpd_request req = { .op = FPD_OP_STAT, .u.stat.path = endless };
    assert_int_equal(run_op(&b, &req), FP_ERR_NAMETOOLONG);
    endless[300] = '\0'; /* a component above 255 */
    assert_int_equal(run_op(&b, &req), FP_ERR_NAMETOOLONG);
    close_bench(&b);
}

/* ---- reading ---- */

struct reader {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void reader_done(struct fpd_request *req)
{
    struct reader *r = req->ctx;

    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
}

static void reader_wait(struct reader *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->done)
        pthread_cond_wait(&r->cond, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static int read_file(struct bench *b, struct fpd_request *req, uint8_t **out,
                     size_t *size)
{
    struct reader r = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false };
    uint8_t *data = malloc(1 << 20);
    size_t at = 0, got;
    int err;

    req->op = FPD_OP_READ;
    req->u.read.path = "/flash/file";
    req->u.read.pipe = fpd_pipe_new(0);
    req->done = reader_done;
    req->ctx = &r;
    err = fpd_device_submit(b->device, req);
    assert_int_equal(err, FP_OK);
    while (fpd_pipe_read_wait(req->u.read.pipe, data + at, 5000, &got) ==
           FPD_PIPE_DATA)
        at += got;
    reader_wait(&r);
    assert_int_equal(fpd_pipe_error(req->u.read.pipe), req->err);
    fpd_pipe_unref(req->u.read.pipe);
    *out = data;
    *size = at;
    return req->err;
}

static void a_file_is_read_whole_and_in_ranges(void **state)
{
    static const struct {
        uint64_t off, len, expect;
    } cases[] = {
        { 0, 0, 300000 },       { 0, 1, 1 },           { 1, 4096, 4096 },
        { 4095, 70000, 70000 }, { 299999, 0, 1 },      { 299999, 10, 1 },
        { 300000, 0, 0 },       { 150000, 0, 150000 },
    };
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fpd_request req = { .u.read = { .off = cases[i].off,
                                               .len = cases[i].len } };
        uint8_t *data;
        size_t size;

        assert_int_equal(read_file(&b, &req, &data, &size), FP_OK);
        assert_int_equal(size, cases[i].expect);
        assert_int_equal(req.u.read.size, 300000);
        assert_int_equal(req.u.read.send, cases[i].expect);
        assert_memory_equal(data, b.peer->file + cases[i].off, size);
        free(data);
    }
    close_bench(&b);
}

static void an_empty_file_is_read(void **state)
{
    struct fpd_request req = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    b.peer->file_size = 0;
    assert_int_equal(read_file(&b, &req, &data, &size), FP_OK);
    assert_int_equal(size, 0);
    free(data);
    close_bench(&b);
}

/* A reader that stops holds up its own transfer, and nobody else's. */
static void a_slow_reader_parks_only_itself(void **state)
{
    struct reader r = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false };
    struct fpd_request slow = { .op = FPD_OP_READ,
                                .done = reader_done,
                                .ctx = &r,
                                .u.read = { .path = "/flash/file" } };
    struct fpd_request quick = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data, one;
    size_t size;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    slow.u.read.pipe = fpd_pipe_new(16384);
    assert_int_equal(fpd_device_submit(b.device, &slow), FP_OK);
    assert_int_equal(fpd_pipe_read_wait(slow.u.read.pipe, &one, 1, &size),
                     FPD_PIPE_DATA);
    assert_int_equal(read_file(&b, &quick, &data, &size), FP_OK);
    assert_int_equal(size, 300000);
    free(data);
    assert_false(r.done);
    fpd_pipe_abandon(slow.u.read.pipe);
    reader_wait(&r);
    assert_int_equal(slow.err, FP_ERR_CANCELED);
    fpd_pipe_unref(slow.u.read.pipe);
    close_bench(&b);
}

static bool cut_once_in_the_middle(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body == fp_Envelope_read_tag && in->body.read.off > 100000 &&
        memcmp(p->epoch, "epoch--1", 8) == 0 && !p->fs_gen) {
        p->fs_gen = 1; /* only once; and the volume has changed meanwhile */
        atomic_store(&p->hang_up, true);
        return true;
    }
    return false;
}

static void a_read_goes_on_after_a_lost_link(void **state)
{
    struct fpd_request req = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, cut_once_in_the_middle);
    wait_online(&b);
    assert_int_equal(read_file(&b, &req, &data, &size), FP_OK);
    assert_int_equal(size, 300000);
    assert_memory_equal(data, b.peer->file, size);
    /* The volume had moved on: the device was asked for the digest. */
    assert_int_equal(b.peer->seen[fp_Envelope_digest_tag], 1);
    free(data);
    close_bench(&b);
}

static bool change_the_file_in_the_middle(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body == fp_Envelope_read_tag && in->body.read.off > 100000 &&
        !p->fs_gen) {
        p->file[5] ^= 1;
        p->fs_gen = 1;
    }
    return false;
}

static void a_file_that_changes_while_read_is_stale_not_mixed(void **state)
{
    struct fpd_request req = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, change_the_file_in_the_middle);
    wait_online(&b);
    assert_int_equal(read_file(&b, &req, &data, &size), FP_ERR_STALE);
    assert_true(size < 300000); /* the last of it is not handed out */
    free(data);
    close_bench(&b);
}

/* ---- writing ---- */

static int put_file(struct bench *b, struct fpd_request *req,
                    const uint8_t *data, size_t size, bool known)
{
    struct fpd_spool *spool;
    int err;

    assert_int_equal(
        fpd_spool_new("/tmp", known ? size : FPD_SPOOL_UNKNOWN, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, data, size), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    req->op = FPD_OP_PUT;
    req->klass = FPD_UPLOAD;
    req->u.put.path = "/flash/file";
    req->u.put.spool = spool;
    err = run_op(b, req);
    fpd_spool_unref(spool);
    return err;
}

static uint8_t *some_bytes(size_t size, unsigned seed)
{
    uint8_t *data = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)((i + seed) * 13 + i / 509);
    return data;
}

static _Atomic bool peer_holds_reads;
static _Atomic unsigned opened_stream;

static void offer_whole(struct peer *p, fp_Envelope *out)
{
    (void)p;
    if (out->which_body == fp_Envelope_hello_reply_tag)
        out->body.hello_reply.features |= fp_Feature_FEATURE_WHOLE_PUT;
}

/* Takes whole uploads; answers reads only when it may. */
static bool take_whole(struct peer *p, const fp_Envelope *in)
{
    p->spoil = offer_whole;
    if (in->which_body == fp_Envelope_put_open_tag) {
        atomic_store(&opened_stream, in->body.put_open.stream);
        peer_answer(p, fp_Envelope_put_commit_reply_tag);
        peer_send(p);
        return true;
    }
    return in->which_body == fp_Envelope_read_tag &&
           atomic_load(&peer_holds_reads);
}

/* The streams of a session are new: what an upload that had to wait was given
 * in the one before may be another's now. */
static void a_put_that_waits_keeps_no_stream_over_a_lost_link(void **state)
{
    struct reader done[4] = { 0 };
    struct fpd_request reads[3], put, stat = { .op = FPD_OP_STAT };
    struct fpd_spool *spool;
    struct bench b;

    (void)state;
    atomic_store(&peer_holds_reads, true);
    open_bench(&b, take_whole);
    wait_online(&b);
    for (int i = 0; i < 3; i++) {
        reads[i] = (struct fpd_request){ .op = FPD_OP_READ,
                                         .u.read.path = "/flash/file",
                                         .u.read.pipe = fpd_pipe_new(0),
                                         .done = reader_done,
                                         .ctx = &done[i] };
        assert_int_equal(fpd_device_submit(b.device, &reads[i]), FP_OK);
    }
    while (atomic_load(&b.peer->seen[fp_Envelope_read_tag]) < 3)
        nap();
    assert_int_equal(fpd_spool_new("/tmp", 3, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, "abc", 3), FP_OK);
    assert_int_equal(fpd_spool_end(spool), FP_OK);
    put = (struct fpd_request){ .op = FPD_OP_PUT,
                                .klass = FPD_UPLOAD,
                                .u.put.path = "/flash/file",
                                .u.put.spool = spool,
                                .done = reader_done,
                                .ctx = &done[3] };
    assert_int_equal(fpd_device_submit(b.device, &put), FP_OK);
    stat.u.stat.path = "/flash/file";
    assert_int_equal(run_op(&b, &stat), FP_OK); /* the put was looked at */
    for (int i = 0; i < 3; i++) {
        fpd_device_cancel(b.device, &reads[i]);
        reader_wait(&done[i]);
        fpd_pipe_unref(reads[i].u.read.pipe);
    }
    atomic_store(&b.peer->hang_up, true);
    reader_wait(&done[3]);
    assert_int_equal(put.err, FP_OK);
    assert_int_equal(atomic_load(&opened_stream), 1); /* the first free one */
    fpd_spool_unref(spool);
    close_bench(&b);
}

static void a_put_replaces_the_file(void **state)
{
    static const size_t sizes[] = { 0, 1, 1000, 400000 };
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int known = 0; known < 2; known++) {
            uint8_t *data =
                some_bytes(sizes[i], (unsigned)i * 2 + 1 + (unsigned)known);
            struct fpd_request req = { .op = FPD_OP_PUT };

            assert_int_equal(put_file(&b, &req, data, sizes[i], known), FP_OK);
            assert_false(req.u.put.created);
            assert_int_equal(b.peer->file_size, sizes[i]);
            assert_memory_equal(b.peer->file, data, sizes[i]);
            free(data);
        }
    }
    close_bench(&b);
}

static void equal_content_programs_nothing(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    struct fpd_request touch = { .u.put = { .has_mtime = true,
                                            .mtime_ns = 1000000007 } };
    uint8_t *same;
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    same = malloc(b.peer->file_size);
    memcpy(same, b.peer->file, b.peer->file_size);
    assert_int_equal(put_file(&b, &req, same, b.peer->file_size, true), FP_OK);
    assert_true(req.u.put.unchanged);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 0);
    assert_int_equal(b.peer->seen[fp_Envelope_attr_set_tag], 0);
    /* Only the time is set where only the time differs. */
    assert_int_equal(put_file(&b, &touch, same, b.peer->file_size, true),
                     FP_OK);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 0);
    assert_int_equal(b.peer->seen[fp_Envelope_attr_set_tag], 1);
    free(same);
    close_bench(&b);
}

static void preconditions_fail_before_anything_is_sent(void **state)
{
    static const uint8_t other[32] = { 1, 2, 3 };
    struct fpd_request absent = { .u.put = { .if_absent = true } };
    struct fpd_request sha = { .u.put = { .if_sha256 = other } };
    uint8_t *data = some_bytes(300000, 1);
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    assert_int_equal(put_file(&b, &absent, data, 10, true), FP_ERR_PRECOND);
    assert_int_equal(put_file(&b, &sha, data, 300000, true), FP_ERR_PRECOND);
    b.peer->file_exists = false;
    assert_int_equal(put_file(&b, &sha, data, 10, true), FP_ERR_PRECOND);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 0);
    assert_int_equal(put_file(&b, &absent, data, 10, true), FP_OK);
    assert_true(absent.u.put.created);
    free(data);
    close_bench(&b);
}

static bool cut_upload_at_commit(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body == fp_Envelope_put_commit_tag && !p->fs_gen) {
        p->fs_gen = 5;
        atomic_store(&p->hang_up, true);
        return true;
    }
    return false;
}

static void a_put_goes_on_where_the_device_has_it(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    uint8_t *data = some_bytes(200000, 3);
    struct bench b;

    (void)state;
    open_bench(&b, cut_upload_at_commit);
    wait_online(&b);
    assert_int_equal(put_file(&b, &req, data, 200000, true), FP_OK);
    assert_memory_equal(b.peer->file, data, 200000);
    assert_int_equal(b.peer->seen[fp_Envelope_put_commit_tag], 2);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 1);
    free(data);
    close_bench(&b);
}

/* The link is lost with the last bytes and the commit on it. What was refused
 * is refused for good: a third commit needs a name of its own. */
static bool lose_bytes_and_commit(struct peer *p, const fp_Envelope *in)
{
    static uint8_t refused[8];

    if (in->which_body != fp_Envelope_put_commit_tag)
        return false;
    switch (atomic_load(&p->seen[fp_Envelope_put_commit_tag])) {
    case 1:
        p->upload_off = p->upload_size / 2;
        atomic_store(&p->hang_up, true);
        return true;
    case 2:
        memcpy(refused, in->body.put_commit.op_id.bytes, 8);
        return false;
    default:
        assert_memory_not_equal(refused, in->body.put_commit.op_id.bytes, 8);
        return false;
    }
}

static void bytes_that_were_lost_with_the_commit_come_again(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    uint8_t *data = some_bytes(200000, 5);
    struct bench b;

    (void)state;
    open_bench(&b, lose_bytes_and_commit);
    wait_online(&b);
    assert_int_equal(put_file(&b, &req, data, 200000, true), FP_OK);
    assert_memory_equal(b.peer->file, data, 200000);
    assert_int_equal(b.peer->seen[fp_Envelope_put_commit_tag], 3);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 2);
    free(data);
    close_bench(&b);
}

/* The commit was made, then the device reset before it could say so. */
static bool commit_then_reset(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body == fp_Envelope_put_commit_tag && p->epoch[7] == '1') {
        p->file_size = p->upload_size;
        free(p->file);
        p->file = p->upload;
        p->upload = NULL;
        p->epoch[7] = '2';
        atomic_store(&p->hang_up, true);
        return true;
    }
    return false;
}

static void a_commit_before_a_reset_is_recognised(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    uint8_t *data = some_bytes(5000, 3);
    struct bench b;

    (void)state;
    open_bench(&b, commit_then_reset);
    wait_online(&b);
    assert_int_equal(put_file(&b, &req, data, 5000, true), FP_OK);
    assert_int_equal(b.peer->seen[fp_Envelope_put_commit_tag], 1);
    assert_memory_equal(req.epoch, "epoch--2", 8);
    free(data);
    close_bench(&b);
}

/* The reset came before the commit: what was staged is gone. */
static bool reset_instead_of_commit(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body == fp_Envelope_put_commit_tag && p->epoch[7] == '1') {
        free(p->upload);
        p->upload = NULL;
        p->epoch[7] = '2';
        atomic_store(&p->hang_up, true);
        return true;
    }
    return false;
}

static void an_upload_lost_in_a_reset_is_sent_again(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PUT };
    uint8_t *data = some_bytes(100000, 4);
    struct bench b;

    (void)state;
    open_bench(&b, reset_instead_of_commit);
    wait_online(&b);
    assert_int_equal(put_file(&b, &req, data, 100000, true), FP_OK);
    assert_int_equal(b.peer->seen[fp_Envelope_put_open_tag], 2);
    assert_memory_equal(b.peer->file, data, 100000);
    free(data);
    close_bench(&b);
}

static void a_client_that_leaves_ends_the_upload(void **state)
{
    struct reader r = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false };
    struct fpd_request req = { .op = FPD_OP_PUT,
                               .done = reader_done,
                               .ctx = &r,
                               .u.put = { .path = "/flash/file" } };
    struct fpd_spool *spool;
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    assert_int_equal(fpd_spool_new("/tmp", 100000, &spool), FP_OK);
    assert_int_equal(fpd_spool_write(spool, b.peer->file, 50000), FP_OK);
    req.u.put.spool = spool;
    assert_int_equal(fpd_device_submit(b.device, &req), FP_OK);
    while (atomic_load(&req.u.put.sent) < 50000)
        nap();
    fpd_spool_fail(spool, FP_ERR_CANCELED);
    reader_wait(&r);
    assert_int_equal(req.err, FP_ERR_CANCELED);
    assert_int_equal(fpd_spool_write(spool, "x", 1), FP_ERR_CANCELED);
    fpd_spool_unref(spool);
    while (!b.peer->seen[fp_Envelope_put_abort_tag])
        nap(); /* the device is told, so that it frees what it holds */
    assert_int_equal(b.peer->file_size, 300000);
    close_bench(&b);
}

/* ---- changes whose answer was lost ---- */

static bool reset_after_remove(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body != fp_Envelope_remove_tag || p->epoch[7] != '1')
        return false;
    p->file_exists = false;
    p->epoch[7] = '2';
    atomic_store(&p->hang_up, true);
    return true;
}

static void a_remove_before_a_reset_is_looked_up(void **state)
{
    struct fpd_request req = { .op = FPD_OP_REMOVE,
                               .u.change.path = "/flash/file" };
    struct bench b;

    (void)state;
    open_bench(&b, reset_after_remove);
    wait_online(&b);
    assert_int_equal(run_op(&b, &req), FP_OK);
    assert_int_equal(b.peer->seen[fp_Envelope_remove_tag], 1);
    close_bench(&b);
}

static bool reset_at_rename(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body != fp_Envelope_rename_tag || p->epoch[7] != '1')
        return false;
    p->file_exists = false; /* and the new name is not there either */
    p->epoch[7] = '2';
    atomic_store(&p->hang_up, true);
    return true;
}

static void an_outcome_nobody_can_know_is_said_so(void **state)
{
    struct fpd_request req = { .op = FPD_OP_RENAME,
                               .u.rename = { .from = "/flash/file",
                                             .to = "/flash/other" } };
    struct bench b;

    (void)state;
    open_bench(&b, reset_at_rename);
    wait_online(&b);
    assert_int_equal(run_op(&b, &req), FP_ERR_OUTCOME);
    close_bench(&b);
}

static bool op_id_repeats(struct peer *p, const fp_Envelope *in)
{
    static uint8_t first[8];

    if (in->which_body != fp_Envelope_mkdir_tag)
        return false;
    if (p->seen[fp_Envelope_mkdir_tag] == 1) {
        memcpy(first, in->body.mkdir.op_id.bytes, 8);
        atomic_store(&p->hang_up, true);
        return true;
    }
    if (memcmp(first, in->body.mkdir.op_id.bytes, 8) != 0)
        peer_fail(p, fp_Error_ERROR_EXIST);
    else
        peer_done(p);
    return true;
}

static void a_retry_carries_the_same_op_id(void **state)
{
    struct fpd_request req = { .op = FPD_OP_MKDIR,
                               .u.change.path = "/flash/d" };
    struct bench b;

    (void)state;
    open_bench(&b, op_id_repeats);
    wait_online(&b);
    assert_int_equal(run_op(&b, &req), FP_OK);
    assert_int_equal(b.peer->seen[fp_Envelope_mkdir_tag], 2);
    close_bench(&b);
}

/* ---- chunks ---- */

static void chunks_are_digested_and_read(void **state)
{
    static uint8_t data[PEER_STORAGE_SIZE];
    uint8_t digests[16 * 16], status[16], sha[32];
    struct fpd_request digest = { .op = FPD_OP_CHUNK_DIGESTS,
                                  .klass = FPD_BACKUP,
                                  .u.chunk = { .storage = "flash0",
                                               .storage_size =
                                                   PEER_STORAGE_SIZE,
                                               .chunk_size = 4096,
                                               .count = 16,
                                               .digests = digests,
                                               .status = status } };
    struct fpd_request rd = { .op = FPD_OP_CHUNK_READ,
                              .klass = FPD_BACKUP,
                              .u.chunk = { .storage = "flash0",
                                           .storage_size = PEER_STORAGE_SIZE,
                                           .chunk_size = 4096,
                                           .first = 1,
                                           .count = 15,
                                           .data = data,
                                           .status = status } };
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    assert_int_equal(run_op(&b, &digest), FP_OK);
    assert_int_equal(digest.u.chunk.gen, 7);
    for (int i = 0; i < 16; i++) {
        peer_sha(b.peer->storage + i * 4096, 4096, sha);
        assert_memory_equal(digests + i * 16, sha, 16);
    }
    assert_int_equal(run_op(&b, &rd), FP_OK);
    assert_memory_equal(data, b.peer->storage + 4096, 15 * 4096);
    rd.u.chunk.count = 16; /* one more than there are */
    assert_int_equal(run_op(&b, &rd), FP_ERR_INVAL);
    rd.u.chunk.storage = "flash1";
    assert_int_equal(run_op(&b, &rd), FP_ERR_NOENT);
    close_bench(&b);
}

/* The sizes that the caller knows are no longer the device's: nothing is asked,
 * for the buffers are of the caller's. */
static void chunks_of_another_size_are_stale(void **state)
{
    uint8_t data[4096], digests[16], status[1];
    struct fpd_chunk_run runs[4];
    enum fpd_op ops[] = { FPD_OP_CHUNK_DIGESTS, FPD_OP_CHUNK_READ,
                          FPD_OP_CHUNK_WRITE, FPD_OP_CHUNK_CHANGED };
    struct fpd_request req;
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    for (size_t i = 0; i < 2 * sizeof ops / sizeof ops[0]; i++) {
        req = (struct fpd_request){
            .op = ops[i / 2],
            .u.chunk = { .storage = "flash0",
                         .storage_size = PEER_STORAGE_SIZE + (i % 2 ? 4096 : 0),
                         .chunk_size = i % 2 ? 4096 : 2048,
                         .count = 1,
                         .digests = digests,
                         .data = data,
                         .status = status,
                         .runs = runs,
                         .runs_max = 4 }
        };
        assert_int_equal(run_op(&b, &req), FP_ERR_STALE);
        req.u.chunk.chunk_size = 0;
        assert_int_equal(run_op(&b, &req), FP_ERR_INVAL);
    }
    close_bench(&b);
}

/* ---- bad devices ---- */

static bool lies(struct peer *p, const fp_Envelope *in)
{
    fp_Envelope *out;

    switch (in->which_body) {
    case fp_Envelope_list_tag: /* a name that climbs */
        out = peer_answer(p, fp_Envelope_list_reply_tag);
        out->body.list_reply.entries_count = 1;
        out->body.list_reply.last = true;
        PEER_SET(out->body.list_reply.entries[0].name, "..");
        out->body.list_reply.entries[0].type = fp_FileType_FILE_TYPE_FILE;
        break;
    case fp_Envelope_stat_tag: /* no type there is */
        out = peer_answer(p, fp_Envelope_stat_reply_tag);
        out->body.stat_reply.has_entry = true;
        out->body.stat_reply.entry.type = (fp_FileType)77;
        break;
    case fp_Envelope_digest_tag: /* a short digest */
        out = peer_answer(p, fp_Envelope_digest_reply_tag);
        out->body.digest_reply.sha256.size = 5;
        break;
    case fp_Envelope_mkdir_tag: /* an answer to something else */
        out = peer_answer(p, fp_Envelope_put_open_reply_tag);
        break;
    case fp_Envelope_remove_tag: /* an error of no known number */
        out = peer_answer(p, fp_Envelope_failure_tag);
        out->body.failure.error = (fp_Error)4711;
        break;
    case fp_Envelope_read_tag: /* more than was asked for */
        out = peer_answer(p, fp_Envelope_read_reply_tag);
        out->body.read_reply.size = UINT64_MAX;
        out->body.read_reply.len = UINT64_MAX;
        break;
    case fp_Envelope_chunk_digest_tag: /* of chunks that were not asked */
        out = peer_answer(p, fp_Envelope_chunk_digest_reply_tag);
        out->body.chunk_digest_reply.first = 4000000000u;
        out->body.chunk_digest_reply.digests.size = 512;
        out->body.chunk_digest_reply.status.size = 32;
        break;
    case fp_Envelope_chunk_changed_tag: /* beyond the storage */
        out = peer_answer(p, fp_Envelope_chunk_changed_reply_tag);
        out->body.chunk_changed_reply.runs_count = 1;
        out->body.chunk_changed_reply.runs[0].first = 15;
        out->body.chunk_changed_reply.runs[0].count = UINT32_MAX;
        break;
    default:
        return false;
    }
    peer_send(p);
    return true;
}

static void wild_answers_are_protocol_errors_and_harm_nobody(void **state)
{
    uint8_t digests[16 * 16], status[16];
    struct fpd_chunk_run runs[4];
    struct fpd_request reqs[] = {
        { .op = FPD_OP_LIST, .u.list.path = "/flash" },
        { .op = FPD_OP_STAT, .u.stat.path = "/flash" },
        { .op = FPD_OP_DIGEST, .u.digest.path = "/flash/file" },
        { .op = FPD_OP_MKDIR, .u.change.path = "/flash/d" },
        { .op = FPD_OP_REMOVE, .u.change.path = "/flash/d" },
        { .op = FPD_OP_CHUNK_DIGESTS,
          .u.chunk = { .storage = "flash0",
                       .storage_size = PEER_STORAGE_SIZE,
                       .chunk_size = 4096,
                       .count = 16,
                       .digests = digests,
                       .status = status } },
        { .op = FPD_OP_CHUNK_CHANGED,
          .u.chunk = { .storage = "flash0",
                       .storage_size = PEER_STORAGE_SIZE,
                       .chunk_size = 4096,
                       .runs = runs,
                       .runs_max = 4 } },
    };
    struct fpd_request rd = { .u.read = { .off = 0 } };
    struct fpd_request ping = { .op = FPD_OP_PING };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, lies);
    wait_online(&b);
    for (size_t i = 0; i < sizeof reqs / sizeof reqs[0]; i++) {
        assert_int_equal(run_op(&b, &reqs[i]), FP_ERR_PROTO);
        if (reqs[i].op == FPD_OP_LIST)
            free(reqs[i].u.list.entries);
    }
    assert_int_equal(read_file(&b, &rd, &data, &size), FP_ERR_PROTO);
    assert_int_equal(size, 0);
    free(data);
    assert_int_equal(run_op(&b, &ping), FP_OK); /* it still serves */
    close_bench(&b);
}

static bool endless_list(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body != fp_Envelope_list_tag)
        return false;
    for (int i = 0; i < 60; i++) {
        fp_Envelope *out = peer_answer(p, fp_Envelope_list_reply_tag);

        out->body.list_reply.entries_count = 1;
        PEER_SET(out->body.list_reply.entries[0].name, "again");
        out->body.list_reply.entries[0].type = fp_FileType_FILE_TYPE_FILE;
        peer_send(p);
    }
    return true;
}

static void an_endless_list_ends_at_what_was_asked(void **state)
{
    struct fpd_request req = { .op = FPD_OP_LIST,
                               .u.list = { .path = "/flash", .max = 50 } };
    struct bench b;

    (void)state;
    open_bench(&b, endless_list);
    wait_online(&b);
    assert_int_equal(run_op(&b, &req), FP_ERR_PROTO);
    assert_int_equal(req.u.list.count, 50);
    free(req.u.list.entries);
    close_bench(&b);
}

static bool flood(struct peer *p, const fp_Envelope *in)
{
    uint8_t *room;
    fp_Envelope *out;

    if (in->which_body != fp_Envelope_read_tag)
        return false;
    out = peer_answer(p, fp_Envelope_read_reply_tag);
    out->body.read_reply.size = out->body.read_reply.len = 100;
    peer_send(p);
    room = peer_room(p);
    peer_commit(p, FP_FRAME_BULK,
                fp_bulk_put_fill(room, (uint8_t)in->body.read.stream, 0xaa,
                                 UINT32_MAX));
    return true;
}

static void four_gibibytes_in_one_frame_are_refused(void **state)
{
    struct fpd_request req = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, flood);
    wait_online(&b);
    assert_int_equal(read_file(&b, &req, &data, &size), FP_ERR_PROTO);
    free(data);
    close_bench(&b);
}

static bool wrong_crc(struct peer *p, const fp_Envelope *in)
{
    fp_Envelope *out;

    if (in->which_body != fp_Envelope_read_tag)
        return false;
    out = peer_answer(p, fp_Envelope_read_reply_tag);
    out->body.read_reply.size = out->body.read_reply.len = 3;
    peer_send(p);
    peer_bulk(p, (uint8_t)in->body.read.stream, (const uint8_t *)"abc", 3);
    out = peer_answer(p, fp_Envelope_read_end_tag);
    out->body.read_end.len = 3;
    out->body.read_end.crc32 = 0x352441c3; /* of "abc" it is 352441c2 */
    peer_send(p);
    return true;
}

static void bytes_that_do_not_fit_their_crc_are_not_handed_on(void **state)
{
    struct fpd_request req = { .u.read = { .off = 0 } };
    struct bench b;
    uint8_t *data;
    size_t size;

    (void)state;
    open_bench(&b, wrong_crc);
    wait_online(&b);
    assert_int_equal(read_file(&b, &req, &data, &size), FP_ERR_PROTO);
    assert_int_equal(size, 0);
    free(data);
    close_bench(&b);
}

static bool bad_id(struct peer *p, const fp_Envelope *in)
{
    if (in->which_body != fp_Envelope_hello_tag)
        return false;
    p->id = "../../etc";
    peer_hello(p);
    return true;
}

static bool bad_version(struct peer *p, const fp_Envelope *in)
{
    fp_Envelope *out;

    if (in->which_body != fp_Envelope_hello_tag)
        return false;
    out = peer_answer(p, fp_Envelope_hello_reply_tag);
    out->body.hello_reply.version = 2;
    PEER_SET(out->body.hello_reply.device_id, "x");
    peer_send(p);
    return true;
}

static bool bad_volume(struct peer *p, const fp_Envelope *in)
{
    fp_Envelope *out;

    if (in->which_body != fp_Envelope_volumes_tag)
        return false;
    out = peer_answer(p, fp_Envelope_volume_reply_tag);
    out->body.volume_reply.present = out->body.volume_reply.last = true;
    PEER_SET(out->body.volume_reply.path, "/a/b");
    peer_send(p);
    return true;
}

static void bad_hellos_are_refused_and_shown(void **state)
{
    static const struct {
        peer_trick trick;
        enum fpd_device_state want;
        const char *word;
    } cases[] = {
        { bad_id, FPD_REFUSED, "id" },
        { bad_version, FPD_INCOMPATIBLE, "version" },
        { bad_volume, FPD_REFUSED, "path" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t until = fpd_now_ms() + WAIT_MS;
        char reason[160] = "";
        struct bench b;

        open_bench(&b, cases[i].trick);
        while (link_state(&b, reason) != cases[i].want && fpd_now_ms() < until)
            nap();
        assert_int_equal(link_state(&b, NULL), cases[i].want);
        assert_non_null(strstr(reason, cases[i].word));
        close_bench(&b);
    }
}

static void *babble(void *arg)
{
    int server = *(int *)arg;
    unsigned seed = 20260721;
    uint8_t buf[4096];
    int fd = accept(server, NULL, NULL);

    for (int i = 0; i < 2000 && fd >= 0; i++) {
        for (size_t j = 0; j < sizeof buf; j++)
            buf[j] = (uint8_t)(rand_r(&seed) >> 7);
        if (send(fd, buf, sizeof buf, MSG_NOSIGNAL) <= 0)
            break;
    }
    close(fd);
    return NULL;
}

/* 8 MiB of noise: no device, nothing broken, the link goes on trying. */
static void noise_is_no_device(void **state)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    char dir[] = "/tmp/fpd-noise-XXXXXX", spec[160], why[160];
    struct fpd_link_info info;
    struct fpd_devices *devices;
    pthread_t thread;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/s", dir);
    snprintf(spec, sizeof spec, "unix:%s", addr.sun_path);
    assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(server, 1), 0);
    pthread_create(&thread, NULL, babble, &server);
    assert_int_equal(fpd_devices_new(NULL, &devices), FP_OK);
    assert_int_equal(fpd_devices_add_link(devices, spec, why, sizeof why),
                     FP_OK);
    pthread_join(thread, NULL);
    assert_int_equal(fpd_devices_links(devices, &info, 1), 1);
    assert_int_not_equal(info.state, FPD_ONLINE);
    assert_string_equal(info.device, "");
    fpd_devices_free(devices);
    close(server);
    unlink(addr.sun_path);
    rmdir(dir);
}

/* ---- the life of links and requests ---- */

static void a_second_link_with_the_same_id_is_a_conflict(void **state)
{
    struct peer *twin = calloc(1, sizeof *twin);
    struct fpd_link_info links[2];
    struct fpd_device_info info;
    char spec[160], why[160];
    int64_t until = fpd_now_ms() + WAIT_MS;
    struct bench b;
    size_t at;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    twin->id = b.peer->id;
    memcpy(twin->epoch, "epoch--9", 8);
    peer_start(twin, spec, sizeof spec);
    assert_int_equal(fpd_devices_add_link(b.devices, spec, why, sizeof why),
                     FP_OK);
    do {
        nap();
        assert_int_equal(fpd_devices_links(b.devices, links, 2), 2);
        at = strcmp(links[0].name, spec) == 0 ? 0 : 1;
    } while (links[at].state != FPD_CONFLICT && fpd_now_ms() < until);
    assert_int_equal(links[at].state, FPD_CONFLICT);
    assert_string_equal(links[at].device, "bench-1");
    assert_int_equal(links[1 - at].state, FPD_ONLINE);
    fpd_device_describe(b.device, &info);
    assert_string_equal(info.conflict, spec);
    assert_memory_equal(info.epoch, "epoch--1", 8);
    assert_int_equal(twin->seen[fp_Envelope_volumes_tag], 0); /* no traffic */

    /* The twin leaves: nothing is left of the conflict. */
    assert_int_equal(fpd_devices_remove_link(b.devices, spec), FP_OK);
    fpd_device_describe(b.device, &info);
    assert_string_equal(info.conflict, "");
    assert_int_equal(fpd_devices_add_link(b.devices, spec, why, sizeof why),
                     FP_OK);

    /* When the first is gone, the device is where the second link is. */
    assert_int_equal(fpd_devices_remove_link(b.devices, b.spec), FP_OK);
    do {
        nap();
        fpd_device_describe(b.device, &info);
    } while (info.state != FPD_ONLINE && fpd_now_ms() < until);
    assert_int_equal(info.state, FPD_ONLINE);
    assert_memory_equal(info.epoch, "epoch--9", 8);
    assert_string_equal(info.link.name, spec);
    close_bench(&b);
    peer_stop(twin);
    free(twin);
}

static bool swallow(struct peer *p, const fp_Envelope *in)
{
    (void)p;
    return in->which_body == fp_Envelope_stat_tag;
}

static void deadlines_and_cancels_end_what_the_device_does_not(void **state)
{
    struct reader r = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false };
    struct fpd_request late = { .op = FPD_OP_STAT,
                                .u.stat.path = "/flash/file" };
    struct fpd_request canceled = { .op = FPD_OP_STAT,
                                    .u.stat.path = "/flash/file",
                                    .done = reader_done,
                                    .ctx = &r };
    struct bench b;

    (void)state;
    open_bench(&b, swallow);
    wait_online(&b);
    late.deadline_ms = fpd_now_ms() + 100;
    assert_int_equal(run_op(&b, &late), FP_ERR_TIMEDOUT);
    assert_int_equal(fpd_device_submit(b.device, &canceled), FP_OK);
    fpd_device_cancel(b.device, &canceled);
    reader_wait(&r);
    assert_int_equal(canceled.err, FP_ERR_CANCELED);
    close_bench(&b);
}

static _Atomic bool peer_may_go_on;

static bool fall_silent(struct peer *p, const fp_Envelope *in)
{
    (void)p;
    while (in->which_body == fp_Envelope_digest_tag &&
           !atomic_load(&peer_may_go_on))
        nap();
    return false;
}

static void a_device_at_work_is_busy_not_lost(void **state)
{
    struct reader r = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER,
                        false };
    struct fpd_request req = { .op = FPD_OP_DIGEST,
                               .done = reader_done,
                               .ctx = &r,
                               .u.digest.path = "/flash/file" };
    struct fpd_device_info info;
    struct bench b;

    (void)state;
    atomic_store(&peer_may_go_on, false);
    open_bench(&b, fall_silent);
    wait_online(&b);
    assert_int_equal(fpd_device_submit(b.device, &req), FP_OK);
    do {
        nap();
        fpd_device_describe(b.device, &info);
    } while (info.state == FPD_ONLINE);
    assert_int_equal(info.state, FPD_BUSY);
    assert_true(fpd_device_state_serves(info.state));
    atomic_store(&peer_may_go_on, true);
    reader_wait(&r);
    assert_int_equal(req.err, FP_OK);
    wait_online(&b);
    close_bench(&b);
}

static void many_done(struct fpd_request *req)
{
    atomic_fetch_add((_Atomic unsigned *)req->ctx, 1);
}

static void the_queue_is_bounded_and_stop_fails_what_waits(void **state)
{
    static struct fpd_request reqs[100];
    _Atomic unsigned done = 0;
    unsigned taken = 0;
    struct bench b;

    (void)state;
    open_bench(&b, swallow);
    wait_online(&b);
    for (int i = 0; i < 100; i++) {
        reqs[i] = (struct fpd_request){ .op = FPD_OP_STAT,
                                        .u.stat.path = "/flash/file",
                                        .done = many_done,
                                        .ctx = &done };
        int err = fpd_device_submit(b.device, &reqs[i]);

        if (err)
            assert_int_equal(err, FP_ERR_NFILE);
        else
            taken++;
    }
    assert_int_equal(taken, 64);
    fpd_devices_stop(b.devices);
    assert_int_equal(atomic_load(&done), 64);
    for (unsigned i = 0; i < taken; i++)
        assert_int_equal(reqs[i].err, FP_ERR_CANCELED);
    assert_int_equal(fpd_device_submit(b.device, &reqs[0]), FP_ERR_NODEV);
    close_bench(&b);
}

static void an_offline_device_says_nodev(void **state)
{
    struct fpd_request req = { .op = FPD_OP_PING };
    struct bench b;

    (void)state;
    open_bench(&b, NULL);
    wait_online(&b);
    assert_int_equal(fpd_devices_remove_link(b.devices, b.spec), FP_OK);
    assert_int_equal(run_op(&b, &req), FP_ERR_NODEV);
    assert_int_equal(fpd_devices_forget(b.devices, "bench-1"), FP_OK);
    assert_null(fpd_devices_find(b.devices, "bench-1"));
    close_bench(&b);
}

static void count_device(void *ctx, struct fpd_device *device)
{
    (void)device;
    (*(unsigned *)ctx)++;
}

/* A device that calls itself something else at each of 10,000 reconnects. */
static void ids_without_end_do_not_fill_the_memory(void **state)
{
    struct fpd_devices *devices;
    struct fpd_device *first, *device;
    unsigned count = 0;
    char id[16];

    (void)state;
    assert_int_equal(fpd_devices_new(NULL, &devices), FP_OK);
    first = fpd_devices_get(devices, "d-first");
    for (int i = 0; i < 10000; i++) {
        snprintf(id, sizeof id, "d%d", i);
        device = fpd_devices_get(devices, id);
        assert_non_null(device);
        assert_string_equal(fpd_device_id(device), id);
        fpd_device_unref(device);
    }
    fpd_devices_each(devices, count_device, &count);
    assert_in_range(count, 1, FPD_DEVICES_MAX);
    /* What somebody uses stays, and so does the newest. */
    device = fpd_devices_find(devices, "d-first");
    assert_ptr_equal(device, first);
    fpd_device_unref(device);
    fpd_device_unref(first);
    device = fpd_devices_find(devices, "d9999");
    assert_non_null(device);
    fpd_device_unref(device);
    fpd_devices_free(devices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_tells_who_it_is),
        cmocka_unit_test(small_requests_are_answered),
        cmocka_unit_test(paths_no_device_could_answer_are_refused_at_once),
        cmocka_unit_test(a_file_is_read_whole_and_in_ranges),
        cmocka_unit_test(an_empty_file_is_read),
        cmocka_unit_test(a_slow_reader_parks_only_itself),
        cmocka_unit_test(a_read_goes_on_after_a_lost_link),
        cmocka_unit_test(a_file_that_changes_while_read_is_stale_not_mixed),
        cmocka_unit_test(a_put_replaces_the_file),
        cmocka_unit_test(a_put_that_waits_keeps_no_stream_over_a_lost_link),
        cmocka_unit_test(equal_content_programs_nothing),
        cmocka_unit_test(preconditions_fail_before_anything_is_sent),
        cmocka_unit_test(a_put_goes_on_where_the_device_has_it),
        cmocka_unit_test(bytes_that_were_lost_with_the_commit_come_again),
        cmocka_unit_test(a_commit_before_a_reset_is_recognised),
        cmocka_unit_test(an_upload_lost_in_a_reset_is_sent_again),
        cmocka_unit_test(a_client_that_leaves_ends_the_upload),
        cmocka_unit_test(a_remove_before_a_reset_is_looked_up),
        cmocka_unit_test(an_outcome_nobody_can_know_is_said_so),
        cmocka_unit_test(a_retry_carries_the_same_op_id),
        cmocka_unit_test(chunks_are_digested_and_read),
        cmocka_unit_test(chunks_of_another_size_are_stale),
        cmocka_unit_test(wild_answers_are_protocol_errors_and_harm_nobody),
        cmocka_unit_test(an_endless_list_ends_at_what_was_asked),
        cmocka_unit_test(four_gibibytes_in_one_frame_are_refused),
        cmocka_unit_test(bytes_that_do_not_fit_their_crc_are_not_handed_on),
        cmocka_unit_test(bad_hellos_are_refused_and_shown),
        cmocka_unit_test(noise_is_no_device),
        cmocka_unit_test(a_second_link_with_the_same_id_is_a_conflict),
        cmocka_unit_test(deadlines_and_cancels_end_what_the_device_does_not),
        cmocka_unit_test(a_device_at_work_is_busy_not_lost),
        cmocka_unit_test(the_queue_is_bounded_and_stop_fails_what_waits),
        cmocka_unit_test(an_offline_device_says_nodev),
        cmocka_unit_test(ids_without_end_do_not_fill_the_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
