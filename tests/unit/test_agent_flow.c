/* SPDX-License-Identifier: MIT
 *
 * What the agent does when things go wrong on the way: uploads that are
 * refused, interrupted and resumed, requests sent twice, power that fails,
 * images that are read and restored while others write, hosts that send
 * anything at all.
 */
#include "agent_bench.h"

static uint8_t data[60000], old[3000];

/* ---- uploads ---- */

static void content_with_another_digest_does_not_land(void **state)
{
    struct bench *b = bench_new(true);
    fp_PutCommitRequest *commit;
    uint64_t off = 0;

    (void)state;
    fill_random(data, 5000, 1);
    assert_int_equal(put(b, "/flash/a", 'a', (const uint8_t *)"old", 3), 0);
    assert_int_equal(
        put_open(b, "/flash/a", 'b', 5000, fp_PutMode_PUT_STAGED, &off), 0);
    put_bytes(b, 'b', data, 5000);
    commit = ask_commit(b, 'b', data, 5000);
    commit->sha256.bytes[7] ^= 1;
    assert_int_equal(error_of(answer(b)), FP_ERR_DIGEST);
    assert_content(b, "/flash/a", (const uint8_t *)"old", 3);
    bench_free(b);
}

/* Asks for a whole upload, whose bytes follow at once; nothing is awaited. */
static fp_PutOpenRequest *ask_whole(struct bench *b, const char *path, char id,
                                    const uint8_t *buf, size_t size)
{
    fp_PutOpenRequest *open = &ask(b, fp_Envelope_put_open_tag)->body.put_open;
    uint8_t sha256[FP_SHA256_SIZE], op_id[8];
    struct fp_sha256 sha;

    fp_sha256_init(&sha);
    fp_sha256_update(&sha, buf, size);
    fp_sha256_final(&sha, sha256);
    memset(op_id, id, sizeof op_id);
    SET(open->path, path);
    open->size = size;
    open->stream = (uint32_t)(uint8_t)id;
    open->has_commit = true;
    assert_true(FP_MESSAGE_SET(open->commit.sha256, sha256, sizeof sha256));
    assert_true(FP_MESSAGE_SET(open->commit.op_id, op_id, sizeof op_id));
    return open;
}

static const fp_Envelope *send_whole(struct bench *b, char id,
                                     const uint8_t *buf, size_t size)
{
    bench_forget(b);
    bench_send(b);
    put_bytes(b, id, buf, size);
    for (int i = 0; i < 50000 && b->reply_count == 0; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 1);
    assert_int_equal(b->replies[0].id, b->req.id);
    return &b->replies[0];
}

static const fp_Envelope *put_whole(struct bench *b, const char *path, char id,
                                    const uint8_t *buf, size_t size)
{
    (void)ask_whole(b, path, id, buf, size);
    return send_whole(b, id, buf, size);
}

static void a_whole_upload_has_one_answer(void **state)
{
    struct bench *b = bench_new(true);
    const fp_Envelope *reply;
    uint32_t gen;

    (void)state;
    fill_random(data, 5000, 8);
    reply = put_whole(b, "/flash/a", 'a', data, 5000);
    assert_int_equal(reply->which_body, fp_Envelope_put_commit_reply_tag);
    assert_false(reply->body.put_commit_reply.replaced);
    assert_content(b, "/flash/a", data, 5000);

    /* The same again writes nothing; other content replaces. */
    gen = fp_bdev_gen_now(&b->gen);
    reply = put_whole(b, "/flash/a", 'b', data, 5000);
    assert_true(reply->body.put_commit_reply.unchanged);
    assert_int_equal(fp_bdev_gen_now(&b->gen), gen);
    reply = put_whole(b, "/flash/a", 'c', data + 1, 5000);
    assert_true(reply->body.put_commit_reply.replaced);
    assert_false(reply->body.put_commit_reply.unchanged);
    assert_content(b, "/flash/a", data + 1, 5000);
    reply = put_whole(b, "/flash/empty", 'd', data, 0);
    assert_int_equal(error_of(reply), 0);
    assert_content(b, "/flash/empty", data, 0);
    bench_free(b);
}

static void a_whole_upload_that_must_not_be_leaves_the_old_file(void **state)
{
    struct bench *b = bench_new(true);
    fp_PutOpenRequest *open;

    (void)state;
    fill_random(data, 5000, 9);
    assert_int_equal(put(b, "/flash/a", 'a', (const uint8_t *)"old", 3), 0);
    open = ask_whole(b, "/flash/a", 'b', data, 5000);
    open->commit.sha256.bytes[7] ^= 1;
    assert_int_equal(error_of(send_whole(b, 'b', data, 5000)), FP_ERR_DIGEST);
    open = ask_whole(b, "/flash/a", 'c', data, 5000);
    open->commit.if_absent = true;
    assert_int_equal(error_of(send_whole(b, 'c', data, 5000)), FP_ERR_PRECOND);
    open = ask_whole(b, "/flash/none/a", 'd', data, 5000);
    assert_int_equal(error_of(send_whole(b, 'd', data, 5000)), FP_ERR_NOENT);
    open = ask_whole(b, "/flash/a", 'e', data, 5000);
    assert_true(FP_MESSAGE_SET(open->upload_id, "0123456789abcdef", 16));
    assert_int_equal(error_of(send_whole(b, 'e', data, 5000)), FP_ERR_INVAL);
    assert_content(b, "/flash/a", (const uint8_t *)"old", 3);
    bench_free(b);
}

/* More at once than there are places: each waits for the one before. */
static void whole_uploads_wait_for_a_place(void **state)
{
    struct bench *b = bench_new(true);
    uint64_t off = 0;

    (void)state;
    fill_random(data, 4000, 10);
    bench_forget(b);
    for (char id = 'a'; id < 'a' + FP_AGENT_REQUESTS; id++) {
        const char path[] = { '/', 'f', 'l', 'a', 's', 'h', '/', id, 0 };

        (void)ask_whole(b, path, id, &data[(size_t)id], 3000);
        bench_send(b);
        put_bytes(b, id, &data[(size_t)id], 3000);
    }
    for (int i = 0; i < 50000 && b->reply_count < FP_AGENT_REQUESTS; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, FP_AGENT_REQUESTS);
    for (uint32_t i = 0; i < FP_AGENT_REQUESTS; i++)
        assert_int_equal(error_of(&b->replies[i]), 0);
    assert_content(b, "/flash/d", &data['d'], 3000);

    /* But not for uploads whose bytes would have to come past it. */
    assert_int_equal(
        put_open(b, "/flash/x", 'x', 9, fp_PutMode_PUT_STAGED, &off), 0);
    assert_int_equal(
        put_open(b, "/flash/y", 'y', 9, fp_PutMode_PUT_STAGED, &off), 0);
    assert_int_equal(error_of(put_whole(b, "/flash/z", 'z', data, 10)),
                     FP_ERR_NFILE);
    bench_free(b);
}

static void a_whole_upload_cut_off_leaves_nothing_and_comes_again(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t gen;

    (void)state;
    fill_random(data, 5000, 11);
    for (int i = 0; i < 3; i++) { /* as often as would fill all places */
        (void)ask_whole(b, "/flash/a", 'a', data, 5000);
        bench_send(b);
        put_bytes(b, 'a', data, 2100);
        for (int turn = 0; turn < 100; turn++)
            bench_turn(b);
        bench_connect(b);
        assert_int_equal(get(b, "/flash/a"), FP_ERR_NOENT);
    }
    assert_int_equal(error_of(put_whole(b, "/flash/a", 'a', data, 5000)), 0);
    assert_content(b, "/flash/a", data, 5000);

    /* Its answer was lost: asked again it is not done again. */
    bench_connect(b);
    gen = fp_bdev_gen_now(&b->gen);
    assert_int_equal(error_of(put_whole(b, "/flash/a", 'a', data, 5000)), 0);
    assert_int_equal(fp_bdev_gen_now(&b->gen), gen);
    bench_free(b);
}

/* Bytes in front of those that would free its place: waiting would be for ever.
 */
static void a_whole_upload_whose_bytes_come_first_does_not_wait(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    fill_random(data, 4000, 12);
    bench_forget(b);
    for (char id = 'a'; id <= 'c'; id++) {
        const char path[] = { '/', 'f', 'l', 'a', 's', 'h', '/', id, 0 };

        (void)ask_whole(b, path, id, &data[(size_t)id], 500);
        bench_send(b);
    }
    put_bytes(b, 'c', &data['c'], 500);
    put_bytes(b, 'a', &data['a'], 500);
    put_bytes(b, 'b', &data['b'], 500);
    for (int i = 0; i < 50000 && b->reply_count < 3; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 3);
    assert_int_equal(error_of(&b->replies[0]), FP_ERR_NFILE);
    assert_content(b, "/flash/a", &data['a'], 500);
    assert_content(b, "/flash/b", &data['b'], 500);
    bench_free(b);
}

/* Its open has not had its turn, as the flash is held still: were it answered
 * at once, the open would come after it and keep the stream. */
static void an_abort_does_not_overtake_its_open(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env;
    uint64_t off = 0;

    (void)state;
    env = ask(b, fp_Envelope_freeze_tag);
    SET(env->body.freeze.storage, "flash0");
    env->body.freeze.ms = 200;
    assert_int_equal(error_of(answer(b)), 0);
    bench_forget(b);
    env = ask(b, fp_Envelope_put_open_tag);
    memset(env->body.put_open.upload_id.bytes, 'a', 16);
    env->body.put_open.upload_id.size = 16;
    SET(env->body.put_open.path, "/flash/a");
    env->body.put_open.stream = 'a';
    bench_send(b);
    env = ask(b, fp_Envelope_put_abort_tag);
    memset(env->body.put_abort.upload_id.bytes, 'a', 16);
    env->body.put_abort.upload_id.size = 16;
    bench_send(b);
    for (int i = 0; i < 50000 && b->reply_count < 2; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 2);
    assert_int_equal(b->replies[1].id, b->req.id);
    assert_int_equal(error_of(&b->replies[1]), 0);
    b->next_id += 100;
    assert_int_equal(
        put_open(b, "/flash/b", 'a', 9, fp_PutMode_PUT_STAGED, &off), 0);
    bench_free(b);
}

static void an_upload_goes_on_after_a_lost_link(void **state)
{
    struct bench *b = bench_new(true);
    uint64_t off = 0;

    (void)state;
    fill_random(data, 50000, 2);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 50000, fp_PutMode_PUT_STAGED, &off), 0);
    put_bytes(b, 'a', data, 21000);
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    put_bytes(b, 'a', data + 21000, 700);
    b->to_agent.cut = true;
    bench_connect(b);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_NOENT);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 50000, fp_PutMode_PUT_STAGED, &off), 0);
    assert_true(off >= 21000 && off <= 21700);
    put_bytes(b, 'a', data + off, 50000 - off);
    (void)ask_commit(b, 'a', data, 50000);
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/a", data, 50000);
    bench_free(b);
}

static void an_upload_left_alone_is_given_up(void **state)
{
    struct bench *b = bench_new(true);
    uint64_t off = 0;

    (void)state;
    fill_random(data, 5000, 2);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5000, fp_PutMode_PUT_STAGED, &off), 0);
    put_bytes(b, 'a', data, 5000);
    for (int i = 0; i < 100; i++)
        bench_turn(b);
    b->now_ms += 60000;
    bench_connect(b);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5000, fp_PutMode_PUT_STAGED, &off), 0);
    assert_int_equal(off, 0);
    bench_free(b);
}

static void uploads_beyond_the_places_wait_for_one_left_alone(void **state)
{
    struct bench *b = bench_new(true);
    uint64_t off = 0;
    char id = 'a';

    (void)state;
    for (int i = 0; i < FP_AGENT_UPLOADS; i++, id++)
        assert_int_equal(
            put_open(b, "/flash/a", id, 10, fp_PutMode_PUT_STAGED, &off), 0);
    assert_int_equal(
        put_open(b, "/flash/a", 'z', 10, fp_PutMode_PUT_STAGED, &off),
        FP_ERR_NFILE);
    bench_connect(b);
    assert_int_equal(
        put_open(b, "/flash/a", 'z', 10, fp_PutMode_PUT_STAGED, &off),
        FP_ERR_NFILE);
    b->now_ms += 5000;
    bench_connect(b);
    assert_int_equal(
        put_open(b, "/flash/a", 'z', 10, fp_PutMode_PUT_STAGED, &off), 0);
    bench_free(b);
}

static void a_file_that_does_not_fit_is_refused_before_its_first_byte(void **s)
{
    struct bench *b = bench_new(true);
    uint32_t writes = b->fault.writes;
    uint64_t off = 0;

    (void)s;
    assert_int_equal(put_open(b, "/flash/a", 'a', FLASH_SIZE * 2,
                              fp_PutMode_PUT_STAGED, &off),
                     FP_ERR_NOSPC);
    assert_int_equal(b->replies[0].body.failure.needed, FLASH_SIZE * 2);
    assert_true(b->replies[0].body.failure.free > 0);
    assert_int_equal(b->fault.writes, writes);
    bench_free(b);
}

static void more_or_fewer_bytes_than_announced_do_not_land(void **state)
{
    struct bench *b = bench_new(true);
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 100, fp_PutMode_PUT_STAGED, &off), 0);
    put_bytes(b, 'a', data, 99);
    (void)ask_commit(b, 'a', data, 99);
    assert_int_equal(error_of(answer(b)), FP_ERR_INVAL);
    put_bytes(b, 'a', data, 2);
    (void)ask_commit(b, 'a', data, 101);
    assert_int_equal(error_of(answer(b)), FP_ERR_PROTO);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_NOENT);
    bench_free(b);
}

static int put_if(struct bench *b, fp_PutCommitRequest *how, const char *text)
{
    fp_PutCommitRequest *commit;
    uint64_t off = 0;

    assert_int_equal(
        put_open(b, "/flash/a", 'p', strlen(text), fp_PutMode_PUT_STAGED, &off),
        0);
    put_bytes(b, 'p', (const uint8_t *)text, strlen(text));
    commit = ask_commit(b, 'p', (const uint8_t *)text, strlen(text));
    commit->if_absent = how->if_absent;
    commit->if_sha256 = how->if_sha256;
    commit->has_if_gen = how->has_if_gen;
    commit->if_gen = how->if_gen;
    return error_of(answer(b));
}

static void preconditions_are_looked_at_when_it_lands(void **state)
{
    struct bench *b = bench_new(true);
    fp_PutCommitRequest absent = { .if_absent = true }, sha = { 0 },
                        gen = { 0 };
    struct fp_sha256 hash;

    (void)state;
    assert_int_equal(put_if(b, &absent, "one"), 0);
    assert_int_equal(put_if(b, &absent, "two"), FP_ERR_PRECOND);
    fp_sha256_init(&hash);
    fp_sha256_update(&hash, "one", 3);
    fp_sha256_final(&hash, sha.if_sha256.bytes);
    sha.if_sha256.size = 32;
    assert_int_equal(put_if(b, &sha, "three"), 0);
    assert_int_equal(put_if(b, &sha, "four"), FP_ERR_PRECOND);
    gen.has_if_gen = true;
    gen.if_gen = fp_bdev_gen_now(&b->gen);
    assert_int_equal(put_if(b, &gen, "five"), 0);
    assert_int_equal(put_if(b, &gen, "six"), FP_ERR_PRECOND);
    assert_content(b, "/flash/a", (const uint8_t *)"five", 4);
    bench_free(b);
}

static void an_append_lands_behind_and_fails_whole(void **state)
{
    struct bench *b = bench_new(true);
    fp_PutCommitRequest *commit;
    uint64_t off = 0;

    (void)state;
    assert_int_equal(put(b, "/flash/a", 'a', (const uint8_t *)"one", 3), 0);
    assert_int_equal(
        put_open(b, "/flash/a", 'b', 3, fp_PutMode_PUT_APPEND, &off), 0);
    put_bytes(b, 'b', (const uint8_t *)"two", 3);
    (void)ask_commit(b, 'b', (const uint8_t *)"two", 3);
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/a", (const uint8_t *)"onetwo", 6);
    assert_int_equal(
        put_open(b, "/flash/a", 'c', 3, fp_PutMode_PUT_APPEND, &off), 0);
    put_bytes(b, 'c', (const uint8_t *)"xxx", 3);
    commit = ask_commit(b, 'c', (const uint8_t *)"xxx", 3);
    commit->if_absent = true;
    assert_int_equal(error_of(answer(b)), FP_ERR_PRECOND);
    assert_content(b, "/flash/a", (const uint8_t *)"onetwo", 6);
    bench_free(b);
}

static void in_place_gives_the_old_file_up_for_room(void **state)
{
    static uint8_t large[FLASH_SIZE * 3 / 5];
    struct bench *b = bench_new(true);
    uint64_t off = 0;

    (void)state;
    fill_random(large, sizeof large, 9);
    assert_int_equal(put(b, "/flash/a", 'a', large, sizeof large), 0);
    large[5] ^= 1;
    assert_int_equal(
        put_open(b, "/flash/a", 'b', sizeof large, fp_PutMode_PUT_STAGED, &off),
        FP_ERR_NOSPC);
    assert_int_equal(put_open(b, "/flash/a", 'b', sizeof large,
                              fp_PutMode_PUT_IN_PLACE, &off),
                     0);
    put_bytes(b, 'b', large, sizeof large);
    (void)ask_commit(b, 'b', large, sizeof large);
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/a", large, sizeof large);
    bench_free(b);
}

static int put_in_place(struct bench *b, const char *path, const uint8_t *buf,
                        uint32_t size)
{
    uint64_t off = 0;
    int err = put_open(b, path, 'p', size, fp_PutMode_PUT_IN_PLACE, &off);

    if (err)
        return err;
    put_bytes(b, 'p', buf, size);
    (void)ask_commit(b, 'p', buf, size);
    assert_int_equal(error_of(answer(b)), 0);
    return 0;
}

/* At every size around the last that fits, too. */
static void in_place_gives_nothing_up_for_what_does_not_fit(void **state)
{
    static uint8_t bytes[FLASH_SIZE], small[3 * BLOCK_SIZE];
    struct bench *b = bench_new(true);
    uint32_t fit = 0, refused = 0;

    (void)state;
    fill_random(bytes, sizeof bytes, 9);
    fill_random(small, sizeof small, 10);
    assert_int_equal(put(b, "/flash/a", 'a', bytes, FLASH_SIZE / 2), 0);
    for (uint32_t size = 1; size < FLASH_SIZE; size += BLOCK_SIZE / 2) {
        assert_int_equal(put_in_place(b, "/flash/b", small, sizeof small), 0);
        if (put_in_place(b, "/flash/b", bytes, size) == 0) {
            fit = size;
            continue;
        }
        refused++;
        assert_content(b, "/flash/b", small, sizeof small);
        assert_int_equal(put_in_place(b, "/flash/n", bytes, size),
                         FP_ERR_NOSPC);
        assert_int_equal(get(b, "/flash/n"), FP_ERR_NOENT);
    }
    assert_in_range(fit, FLASH_SIZE / 3, FLASH_SIZE / 2);
    assert_in_range(refused, 1, UINT32_MAX);
    bench_free(b);
}

/* ---- requests sent twice ---- */

static void a_retried_operation_answers_as_the_first_did(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t writes;

    (void)state;
    assert_int_equal(mkdir_at(b, "/flash/d", "op-00001"), 0);
    writes = b->fault.writes;
    bench_connect(b);
    assert_int_equal(mkdir_at(b, "/flash/d", "op-00001"), 0);
    assert_int_equal(b->fault.writes, writes);
    assert_int_equal(mkdir_at(b, "/flash/d", "op-00002"), FP_ERR_EXIST);
    assert_int_equal(mkdir_at(b, "/flash/other", "op-00002"), FP_ERR_EXIST);
    assert_int_equal(mkdir_at(b, "/flash/other", "short"), FP_ERR_INVAL);
    bench_free(b);
}

static void a_retried_commit_answers_as_the_first_did(void **state)
{
    struct bench *b = bench_new(true);
    fp_PutCommitRequest *commit;
    uint64_t off = 0;
    uint32_t gen;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 3, fp_PutMode_PUT_STAGED, &off), 0);
    put_bytes(b, 'a', (const uint8_t *)"abc", 3);
    commit = ask_commit(b, 'a', (const uint8_t *)"abc", 3);
    SET(commit->op_id, "commit-1");
    gen = answer(b)->body.put_commit_reply.fs_gen;
    bench_connect(b);
    commit = ask_commit(b, 'a', (const uint8_t *)"abc", 3);
    SET(commit->op_id, "commit-1");
    assert_int_equal(answer(b)->body.put_commit_reply.fs_gen, gen);
    assert_int_equal(b->replies[0].which_body,
                     fp_Envelope_put_commit_reply_tag);
    commit = ask_commit(b, 'a', (const uint8_t *)"abc", 3);
    assert_int_equal(error_of(answer(b)), FP_ERR_STALE);
    bench_free(b);
}

/* ---- power ---- */

/* Turns until the power is off or nothing more happens. */
static bool run_into_cut(struct bench *b)
{
    for (int i = 0; i < 400 && !fp_bdev_fault_is_off(&b->fault); i++)
        bench_turn(b);
    return fp_bdev_fault_is_off(&b->fault);
}

/* A put over an old file, cut at its nth program or erase. */
static bool cut_put(struct bench *b, uint32_t nth, enum fp_fault_tear tear)
{
    uint64_t off = 0;

    fp_bdev_fault_cut(&b->fault, nth, tear);
    if (put_open(b, "/flash/a", 'n', 5000, fp_PutMode_PUT_STAGED, &off) == 0) {
        put_bytes(b, 'n', data, 5000);
        (void)ask_commit(b, 'n', data, 5000);
        (void)answer(b);
    }
    return run_into_cut(b);
}

static void power_cut_anywhere_leaves_the_old_file_or_the_new(void **state)
{
    struct bench *b = bench_new(true);
    static uint8_t before[FLASH_SIZE];
    uint32_t nth, new_seen = 0;

    (void)state;
    fill_random(data, 5000, 4);
    fill_random(old, sizeof old, 5);
    assert_int_equal(put(b, "/flash/a", 'o', old, sizeof old), 0);
    memcpy(before, b->flash, sizeof before);
    for (nth = 1;; nth++) {
        bool cut =
            cut_put(b, nth, nth % 2 ? FP_FAULT_TEAR_HALF : FP_FAULT_TEAR_BITS);

        fp_agent_deinit(&b->agent);
        bench_start(b); /* power is back */
        bench_connect(b);
        assert_true(b->volumes[0].mounted);
        assert_int_equal(get(b, "/flash/a"), 0);
        if (b->bulk_size == sizeof old) {
            assert_memory_equal(b->bulk, old, sizeof old);
            assert_true(cut);
        } else {
            assert_int_equal(b->bulk_size, 5000);
            assert_memory_equal(b->bulk, data, 5000);
            new_seen++;
        }
        if (!cut)
            break;
        fp_agent_deinit(&b->agent);
        memcpy(b->flash, before, sizeof before);
        bench_start(b);
        bench_connect(b);
    }
    assert_true(nth > 2 && new_seen >= 1);
    print_message("%u power cuts\n", nth - 1);
    bench_free(b);
}

static void flash_that_keeps_other_bytes_is_noticed_at_the_commit(void **state)
{
    struct bench *b = bench_new(true);
    struct fp_fault_block bad[BLOCK_COUNT];
    uint64_t off = 0;
    int err;

    (void)state;
    fill_random(data, 30000, 4);
    assert_int_equal(put(b, "/flash/a", 'o', old, sizeof old), 0);
    assert_int_equal(
        put_open(b, "/flash/a", 'n', 30000, fp_PutMode_PUT_STAGED, &off), 0);
    for (uint32_t i = 2; i < BLOCK_COUNT; i++)
        bad[i] = (struct fp_fault_block){ i, FP_FAULT_PROG_SILENT };
    fp_bdev_fault_bad(&b->fault, bad + 2, BLOCK_COUNT - 2);
    put_bytes(b, 'n', data, 30000);
    (void)ask_commit(b, 'n', data, 30000);
    err = error_of(answer(b));
    assert_true(err < 0);
    fp_bdev_fault_bad(&b->fault, NULL, 0);
    assert_content(b, "/flash/a", old, sizeof old);
    bench_free(b);
}

/* ---- images ---- */

/* With memory for one frame the bulk of a download, in halves, leaves no room
 * for a whole one by itself. */
static void a_request_is_answered_amid_a_download(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env;

    (void)state;
    fill_random(data, sizeof data, 40);
    assert_int_equal(put(b, "/flash/a", 'a', data, sizeof data), 0);
    fp_agent_deinit(&b->agent);
    b->tx_size = FRAME + FP_FRAME_OVERHEAD;
    b->line_bytes = 100;
    bench_start(b);
    bench_connect(b);
    bench_forget(b);
    env = ask(b, fp_Envelope_read_tag);
    SET(env->body.read.path, "/flash/a");
    env->body.read.stream = 1;
    bench_send(b);
    for (int i = 0; i < 50000 && b->bulk_size < 5000; i++)
        bench_turn(b);
    (void)ask(b, fp_Envelope_ping_tag);
    bench_send(b);
    for (int i = 0; i < 50000 && b->reply_count < 2; i++)
        bench_turn(b);
    assert_int_equal(b->replies[1].id, b->req.id);
    assert_true(b->bulk_size < 10000);
    for (int i = 0; i < 50000 && b->reply_count < 3; i++)
        bench_turn(b);
    assert_int_equal(b->replies[2].which_body, fp_Envelope_read_end_tag);
    assert_int_equal(b->bulk_size, sizeof data);
    assert_memory_equal(b->bulk, data, sizeof data);
    bench_free(b);
}

static void digests_are_of_the_chunks_that_are_there(void **state)
{
    static const struct fp_fault_block bad = { 9, FP_FAULT_READ_FAILS };
    struct bench *b = bench_new(true);
    uint8_t want[32], entries[BLOCK_COUNT][16] = { { 0 } };
    const fp_Envelope *reply;
    fp_Envelope *env;
    struct fp_sha256 sha;
    uint32_t at = 0;

    (void)state;
    fill_random(data, 50000, 6);
    assert_int_equal(put(b, "/flash/a", 'a', data, 50000), 0);
    env = ask(b, fp_Envelope_chunk_digest_tag);
    SET(env->body.chunk_digest.storage, "flash0");
    env->body.chunk_digest.count = BLOCK_COUNT;
    assert_int_equal(error_of(answer(b)), 0);
    for (uint32_t r = 0; r < b->reply_count; r++) {
        const fp_ChunkDigestReply *d = &b->replies[r].body.chunk_digest_reply;

        assert_int_equal(d->first, at);
        assert_int_equal(d->gen, fp_bdev_gen_now(&b->gen));
        for (pb_size_t i = 0; i < d->status.size; i++, at++) {
            const uint8_t *chunk = b->flash + at * BLOCK_SIZE;

            memcpy(entries[at], d->digests.bytes + 16 * i, 16);
            if (memcmp(chunk, chunk + 1, BLOCK_SIZE - 1) == 0) {
                assert_int_equal(d->status.bytes[i], fp_ChunkStatus_CHUNK_FILL);
                assert_int_equal(entries[at][0], chunk[0]);
                continue;
            }
            fp_sha256_init(&sha);
            fp_sha256_update(&sha, chunk, BLOCK_SIZE);
            fp_sha256_final(&sha, want);
            assert_int_equal(d->status.bytes[i], fp_ChunkStatus_CHUNK_OK);
            assert_memory_equal(entries[at], want, 16);
        }
    }
    assert_int_equal(at, BLOCK_COUNT);

    env = ask(b, fp_Envelope_chunk_digest_tag);
    SET(env->body.chunk_digest.storage, "flash0");
    env->body.chunk_digest.count = 1;
    env->body.chunk_digest.level = 1;
    reply = answer(b);
    fp_sha256_init(&sha);
    fp_sha256_update(&sha, entries, sizeof entries);
    fp_sha256_final(&sha, want);
    assert_memory_equal(reply->body.chunk_digest_reply.digests.bytes, want, 16);

    fp_bdev_fault_bad(&b->fault, &bad, 1);
    env = ask(b, fp_Envelope_chunk_digest_tag);
    SET(env->body.chunk_digest.storage, "flash0");
    env->body.chunk_digest.first = 8;
    env->body.chunk_digest.count = 3;
    reply = answer(b);
    assert_int_equal(reply->body.chunk_digest_reply.status.bytes[1],
                     fp_ChunkStatus_CHUNK_UNREADABLE);
    bench_free(b);
}

/* Those of level 1 that are asked for side by side are made one after the
 * other, and do not mix. */
static void two_digests_of_digests_do_not_mix(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t one[16];

    (void)state;
    fill_random(b->flash, sizeof b->flash, 41);
    for (int i = 0; i < 3; i++) {
        fp_ChunkDigestRequest *request =
            &ask(b, fp_Envelope_chunk_digest_tag)->body.chunk_digest;

        SET(request->storage, "flash0");
        request->count = request->level = 1;
        if (i == 0) {
            assert_int_equal(error_of(answer(b)), 0);
            memcpy(one, b->replies[0].body.chunk_digest_reply.digests.bytes,
                   16);
            bench_forget(b);
        } else {
            bench_send(b);
        }
    }
    for (int i = 0; i < 50000 && b->reply_count < 2; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 2);
    for (int i = 0; i < 2; i++)
        assert_memory_equal(b->replies[i].body.chunk_digest_reply.digests.bytes,
                            one, 16);
    bench_free(b);
}

static void an_image_is_read_and_names_what_could_not_be(void **state)
{
    static const struct fp_fault_block bad = { 9, FP_FAULT_READ_FAILS };
    struct bench *b = bench_new(true);
    const fp_ChunkReadReply *reply;
    fp_Envelope *env;

    (void)state;
    fill_random(data, 50000, 6);
    assert_int_equal(put(b, "/flash/a", 'a', data, 50000), 0);
    env = ask(b, fp_Envelope_chunk_read_tag);
    SET(env->body.chunk_read.storage, "flash0");
    env->body.chunk_read.count = BLOCK_COUNT;
    env->body.chunk_read.stream = 3;
    reply = &answer(b)->body.chunk_read_reply;
    assert_int_equal(b->bulk_size, FLASH_SIZE);
    assert_memory_equal(b->bulk, b->flash, FLASH_SIZE);
    assert_int_equal(reply->gen, reply->gen_first);
    for (pb_size_t i = 0; i < BLOCK_COUNT; i++)
        assert_int_equal(reply->status.bytes[i], fp_ChunkStatus_CHUNK_OK);

    fp_bdev_fault_bad(&b->fault, &bad, 1);
    env = ask(b, fp_Envelope_chunk_read_tag);
    SET(env->body.chunk_read.storage, "flash0");
    env->body.chunk_read.first = 7;
    env->body.chunk_read.count = 5;
    env->body.chunk_read.stream = 3;
    reply = &answer(b)->body.chunk_read_reply;
    assert_int_equal(b->bulk_size, 5 * BLOCK_SIZE);
    assert_memory_equal(b->bulk, b->flash + 7 * BLOCK_SIZE, 2 * BLOCK_SIZE);
    assert_memory_equal(b->bulk + 3 * BLOCK_SIZE, b->flash + 10 * BLOCK_SIZE,
                        2 * BLOCK_SIZE);
    assert_memory_equal(reply->status.bytes, "\0\0\2\0\0", 5);

    env = ask(b, fp_Envelope_chunk_read_tag);
    SET(env->body.chunk_read.storage, "flash0");
    env->body.chunk_read.first = BLOCK_COUNT - 1;
    env->body.chunk_read.count = 2;
    env->body.chunk_read.stream = 3;
    assert_int_equal(error_of(answer(b)), FP_ERR_INVAL);
    bench_free(b);
}

static void what_changed_is_told_since_a_generation(void **state)
{
    struct bench *b = bench_new(true);
    static uint8_t before[FLASH_SIZE];
    bool told[BLOCK_COUNT] = { false };
    const fp_ChunkChangedReply *reply;
    fp_Envelope *env;
    uint32_t gen;

    (void)state;
    env = ask(b, fp_Envelope_chunk_changed_tag);
    SET(env->body.chunk_changed.storage, "flash0");
    gen = answer(b)->body.chunk_changed_reply.gen;
    memcpy(before, b->flash, sizeof before);
    fill_random(data, 9000, 8);
    assert_int_equal(put(b, "/flash/a", 'a', data, 9000), 0);
    env = ask(b, fp_Envelope_chunk_changed_tag);
    SET(env->body.chunk_changed.storage, "flash0");
    env->body.chunk_changed.since = gen;
    reply = &answer(b)->body.chunk_changed_reply;
    assert_false(reply->too_old);
    for (pb_size_t i = 0; i < reply->runs_count; i++)
        for (uint32_t c = 0; c < reply->runs[i].count; c++)
            told[reply->runs[i].first + c] = true;
    for (uint32_t i = 0; i < BLOCK_COUNT; i++)
        if (memcmp(before + i * BLOCK_SIZE, b->flash + i * BLOCK_SIZE,
                   BLOCK_SIZE) != 0)
            assert_true(told[i]);
    bench_free(b);
}

static void a_frozen_storage_waits_and_thaws_by_itself(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env = ask(b, fp_Envelope_freeze_tag);
    uint32_t writes, start;

    (void)state;
    SET(env->body.freeze.storage, "flash0");
    env->body.freeze.ms = 60000;
    assert_int_equal(error_of(answer(b)), 0);
    writes = b->fault.writes;
    start = b->now_ms; /* the bench's own clock: no machine makes it slower */
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);
    assert_true(b->now_ms - start >= 400);
    assert_true(b->now_ms - start <= 600);
    assert_true(b->fault.writes > writes);

    env = ask(b, fp_Envelope_freeze_tag); /* not before as much time again */
    SET(env->body.freeze.storage, "flash0");
    env->body.freeze.ms = 60000;
    start = b->now_ms;
    assert_int_equal(error_of(answer(b)), 0);
    assert_true(b->now_ms - start >= 400);
    bench_free(b);
}

static int restore_begin(struct bench *b, const uint8_t nonce[8])
{
    fp_Envelope *env = ask(b, fp_Envelope_restore_begin_tag);

    SET(env->body.restore_begin.storage, "flash0");
    assert_true(FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8));
    return error_of(answer(b));
}

static void write_chunks(struct bench *b, const uint8_t nonce[8],
                         const uint8_t *image)
{
    fp_Envelope *env = ask(b, fp_Envelope_chunk_write_tag);
    const fp_Envelope *reply;

    SET(env->body.chunk_write.storage, "flash0");
    env->body.chunk_write.count = BLOCK_COUNT;
    env->body.chunk_write.stream = 77;
    assert_true(FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8));
    reply = answer(b);
    assert_int_equal(reply->which_body, fp_Envelope_chunk_write_reply_tag);
    assert_false(reply->body.chunk_write_reply.done);
    put_bytes(b, 77, image, FLASH_SIZE);
    for (int i = 0; i < 2000 && b->reply_count < 2; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 2);
    assert_int_equal(error_of(&b->replies[1]), 0);
    assert_true(b->replies[1].body.chunk_write_reply.done);
}

/* The last block before `end` that nothing was written to. */
static uint32_t erased_block(const uint8_t *image, uint32_t end)
{
    const uint8_t *at;

    do
        at = image + --end * BLOCK_SIZE;
    while (at[0] != 0xff || memcmp(at, at + 1, BLOCK_SIZE - 1) != 0);
    return end;
}

static void a_restore_writes_only_what_differs(void **state)
{
    struct bench *b = bench_new(true);
    static uint8_t image[FLASH_SIZE];
    fp_Envelope *env;
    uint8_t nonce[8] = { 0 };
    uint32_t writes, erases, one, two;

    (void)state;
    fill_random(data, 20000, 6);
    assert_int_equal(put(b, "/flash/a", 'a', data, 20000), 0);
    memcpy(image, b->flash, sizeof image);
    assert_int_equal(restore_begin(b, nonce), FP_ERR_PRECOND);
    nonce_of(b, nonce);
    b->refuses = true;
    assert_int_equal(restore_begin(b, nonce), FP_ERR_BUSY);
    b->refuses = false;
    assert_int_equal(restore_begin(b, nonce), 0);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_BUSY);
    writes = b->fault.writes;
    write_chunks(b, nonce, image); /* the same: nothing to do */
    assert_int_equal(b->fault.writes, writes);

    one = erased_block(image, BLOCK_COUNT);
    two = erased_block(image, one);
    fill_random(image + one * BLOCK_SIZE, BLOCK_SIZE, 1);
    memset(b->flash + two * BLOCK_SIZE, 0, BLOCK_SIZE);
    erases = b->fault.calls[FP_BDEV_ERASE];
    write_chunks(b, nonce, image);
    assert_int_equal(b->fault.calls[FP_BDEV_ERASE] - erases, 2);
    assert_int_equal(b->fault.writes - writes, 3); /* one of them erased only */
    assert_memory_equal(b->flash, image, FLASH_SIZE);
    env = ask(b, fp_Envelope_restore_end_tag);
    SET(env->body.restore_end.storage, "flash0");
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/a", data, 20000);
    bench_free(b);
}

static void ask_chunk(struct bench *b, const char *storage, uint8_t stream,
                      const uint8_t nonce[8])
{
    fp_Envelope *env = ask(b, fp_Envelope_chunk_write_tag);

    SET(env->body.chunk_write.storage, storage);
    env->body.chunk_write.count = 1;
    env->body.chunk_write.stream = stream;
    assert_true(FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8));
    bench_send(b);
    for (int i = 0; i < 50; i++)
        bench_turn(b);
}

/* There is one buffer for blocks: of two storages one waits for it. */
static void a_restore_ends_behind_writes_that_wait(void **state)
{
    static uint8_t other[FLASH_SIZE], block[BLOCK_SIZE], before[FLASH_SIZE];
    static struct fp_agent_storage two[2];
    struct fp_bdev_ram ram;
    struct bench *b = bench_new(true);
    fp_Envelope *env;
    uint8_t nonce[8];

    (void)state;
    memset(other, 0xff, sizeof other);
    fp_bdev_ram_init(&ram, 16, BLOCK_SIZE, BLOCK_COUNT, other);
    two[0] = b->storages[0];
    two[1] = (struct fp_agent_storage){ .name = "sd0", .dev = &ram.bdev };
    b->cfg.storages = two;
    b->cfg.storage_count = 2;
    fp_agent_deinit(&b->agent);
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
    bench_connect(b);
    memcpy(before, b->flash, sizeof before);
    nonce_of(b, nonce);
    for (size_t i = 0; i < 2; i++) {
        env = ask(b, fp_Envelope_restore_begin_tag);
        SET(env->body.restore_begin.storage, two[i].name);
        assert_true(FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8));
        assert_int_equal(error_of(answer(b)), 0);
    }
    ask_chunk(b, "sd0", 5, nonce);
    ask_chunk(b, "flash0", 6, nonce);
    env = ask(b, fp_Envelope_restore_end_tag);
    SET(env->body.restore_end.storage, "flash0");
    assert_int_equal(error_of(answer(b)), FP_ERR_BUSY);
    assert_false(b->volumes[0].mounted);
    put_bytes(b, 5, block, sizeof block);
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    put_bytes(b, 6, before, sizeof block);
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    env = ask(b, fp_Envelope_restore_end_tag);
    SET(env->body.restore_end.storage, "flash0");
    assert_int_equal(error_of(answer(b)), 0);
    assert_true(b->volumes[0].mounted);
    assert_memory_equal(b->flash, before, sizeof before);
    fp_agent_deinit(&b->agent);
    b->cfg.storages = b->storages;
    b->cfg.storage_count = 1;
    bench_free(b);
}

static void a_lost_link_ends_a_restore_without_mounting(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t nonce[8];

    (void)state;
    nonce_of(b, nonce);
    assert_int_equal(restore_begin(b, nonce), 0);
    bench_connect(b);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_NOENT);
    assert_false(b->volumes[0].mounted);
    assert_false(b->storages[0].restoring);
    assert_int_equal(restore_begin(b, nonce), FP_ERR_PRECOND);
    bench_free(b);
}

/* ---- flash that stalls the CPU ---- */

static void stalling_flash_is_written_only_without_credit_outstanding(void **s)
{
    struct bench *b = calloc(1, sizeof *b);

    (void)s;
    assert_non_null(b);
    memset(b->flash, 0xff, sizeof b->flash);
    b->extra_flags = FP_BDEV_XIP;
    bench_start(b);
    assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    bench_connect(b);
    fill_random(data, 30000, 6);
    assert_int_equal(put(b, "/flash/a", 'a', data, 30000), 0);
    assert_content(b, "/flash/a", data, 30000);
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);
    assert_true(b->fault.writes > 8);
    assert_int_equal(b->rash_writes, 0);
    bench_free(b);
}

/* ---- hosts that send anything ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* An envelope of random fields that encodes: bytes of the struct itself. */
static void random_envelope(fp_Envelope *env)
{
    static const char *const names[] = { "/flash/a", "/flash", "/", "flash0",
                                         "/flash/d/e" };
    uint8_t *raw = (uint8_t *)env;
    const char *name = names[rnd(5)];

    memset(env, 0, sizeof *env);
    env->which_body = (pb_size_t)(2 + rnd(53));
    for (uint32_t i = rnd(60); i > 0; i--)
        raw[rnd(sizeof *env)] = (uint8_t)rnd(8);
    env->which_body = (pb_size_t)(2 + rnd(53));
    env->id = rnd(6);
    /* Most requests begin with a name: let it often be a real one. */
    env->body.stat.path.size = (pb_size_t)strlen(name);
    memcpy(env->body.stat.path.bytes, name, strlen(name));
}

static void survive(struct bench *b)
{
    uint8_t buf[FRAME];

    for (int i = 0; i < 4000; i++) {
        int size;

        random_envelope(&b->req);
        size = fp_message_encode(&b->req, buf, sizeof buf);
        if (size <= 0 || rnd(10) == 0) {
            size = (int)rnd(200) + 1;
            for (int j = 0; j < size; j++)
                buf[j] = (uint8_t)rnd(256);
        }
        bench_send_bytes(b, rnd(4) ? FP_FRAME_MSG : FP_FRAME_BULK, buf,
                         (size_t)size);
        bench_turn(b);
        bench_forget(b);
        if (rnd(500) == 0)
            bench_connect(b);
    }
}

static void a_hostile_host_is_answered_or_ignored(void **state)
{
    struct bench *b = bench_new(true);
    const char *given = getenv("FP_TEST_SEED");
    fp_Envelope *env;

    (void)state;
    seed = given != NULL ? strtoull(given, NULL, 0) : 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    survive(b);
    bench_connect(b);
    env = ask(b, fp_Envelope_ping_tag);
    env->id = 99999;
    b->next_id = 100000;
    assert_int_equal(error_of(answer(b)), 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_with_another_digest_does_not_land),
        cmocka_unit_test(a_whole_upload_has_one_answer),
        cmocka_unit_test(a_whole_upload_that_must_not_be_leaves_the_old_file),
        cmocka_unit_test(whole_uploads_wait_for_a_place),
        cmocka_unit_test(a_whole_upload_cut_off_leaves_nothing_and_comes_again),
        cmocka_unit_test(a_whole_upload_whose_bytes_come_first_does_not_wait),
        cmocka_unit_test(an_abort_does_not_overtake_its_open),
        cmocka_unit_test(an_upload_goes_on_after_a_lost_link),
        cmocka_unit_test(an_upload_left_alone_is_given_up),
        cmocka_unit_test(uploads_beyond_the_places_wait_for_one_left_alone),
        cmocka_unit_test(
            a_file_that_does_not_fit_is_refused_before_its_first_byte),
        cmocka_unit_test(more_or_fewer_bytes_than_announced_do_not_land),
        cmocka_unit_test(preconditions_are_looked_at_when_it_lands),
        cmocka_unit_test(an_append_lands_behind_and_fails_whole),
        cmocka_unit_test(in_place_gives_the_old_file_up_for_room),
        cmocka_unit_test(in_place_gives_nothing_up_for_what_does_not_fit),
        cmocka_unit_test(a_retried_operation_answers_as_the_first_did),
        cmocka_unit_test(a_retried_commit_answers_as_the_first_did),
        cmocka_unit_test(power_cut_anywhere_leaves_the_old_file_or_the_new),
        cmocka_unit_test(flash_that_keeps_other_bytes_is_noticed_at_the_commit),
        cmocka_unit_test(a_request_is_answered_amid_a_download),
        cmocka_unit_test(digests_are_of_the_chunks_that_are_there),
        cmocka_unit_test(two_digests_of_digests_do_not_mix),
        cmocka_unit_test(an_image_is_read_and_names_what_could_not_be),
        cmocka_unit_test(what_changed_is_told_since_a_generation),
        cmocka_unit_test(a_frozen_storage_waits_and_thaws_by_itself),
        cmocka_unit_test(a_restore_writes_only_what_differs),
        cmocka_unit_test(a_restore_ends_behind_writes_that_wait),
        cmocka_unit_test(a_lost_link_ends_a_restore_without_mounting),
        cmocka_unit_test(
            stalling_flash_is_written_only_without_credit_outstanding),
        cmocka_unit_test(a_hostile_host_is_answered_or_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
