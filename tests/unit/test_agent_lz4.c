/* SPDX-License-Identifier: MIT
 *
 * LZ4 records to and from the agent: what is agreed upon, the windows, and what
 * a host may do wrong.
 */
#include "tests/unit/agent_bench.h"

#define BOTH (fp_Feature_FEATURE_LZ4_IN | fp_Feature_FEATURE_LZ4_OUT)

static uint8_t text[60000];
static uint8_t pack_buf[8192];
static uint16_t pack_table[512];

static void make_text(void)
{
    size_t at = 0;

    for (unsigned i = 0; at < sizeof text - 60; i++)
        at += (size_t)sprintf((char *)text + at,
                              "{\"id\": %u, \"state\": \"%s\"}\n", i * 7919,
                              i % 3 ? "idle" : "running");
    memset(text + at, '\n', sizeof text - at);
}

static struct bench *bench_lz4(uint32_t features)
{
    struct bench *b = bench_new(true);

    make_text();
    bench_hello(b, features);
    return b;
}

static void put_block(struct bench *b, char id, const uint8_t *block,
                      size_t size)
{
    uint8_t frame[FRAME];

    memcpy(frame + FP_BULK_RAW_HEADER, block, size);
    bench_send_bytes(b, FP_FRAME_BULK, frame,
                     fp_bulk_put_lz4(frame, (uint8_t)id, size));
}

static struct fp_lz4_encoder encoder(void)
{
    const struct fp_lz4_encoder_config cfg = { .buf = pack_buf,
                                               .buf_size = sizeof pack_buf,
                                               .window = 2048,
                                               .table = pack_table,
                                               .table_count = 512 };
    struct fp_lz4_encoder enc;

    fp_lz4_encoder_init(&enc, &cfg);
    return enc;
}

/* As LZ4 records, every fifth frame raw, as a host may. */
static void put_packed(struct bench *b, struct fp_lz4_encoder *enc, char id,
                       const uint8_t *buf, size_t size)
{
    uint8_t block[FRAME - FP_BULK_RAW_HEADER];

    for (uint32_t frames = 0; size > 0; frames++) {
        uint32_t n = size < 4096 ? (uint32_t)size : 4096, used = 0;

        memcpy(fp_lz4_encoder_room(enc, n), buf, n);
        if (frames % 5 != 4)
            used = fp_lz4_pack(enc, n, 1, block, sizeof block, &n);
        if (used == 0) {
            n = n < 500 ? n : 500;
            put_bytes(b, id, buf, n);
        } else {
            put_block(b, id, block, used);
        }
        fp_lz4_encoder_keep(enc, n);
        buf += n;
        size -= n;
    }
}

static int commit(struct bench *b, char id, const uint8_t *buf, size_t size)
{
    (void)ask_commit(b, id, buf, size);
    return error_of(answer(b));
}

/* ---- Hello ---- */

static void only_what_both_have_is_agreed_upon(void **state)
{
    struct bench *b = bench_new(true);
    const fp_HelloReply *hello = bench_hello(b, BOTH | 0x80000000u);

    (void)state;
    assert_int_equal(hello->features, BOTH);
    assert_int_equal(hello->lz4_window, sizeof b->lz4_in);
    hello = bench_hello(b, fp_Feature_FEATURE_LZ4_OUT);
    assert_int_equal(hello->features, fp_Feature_FEATURE_LZ4_OUT);
    assert_int_equal(hello->lz4_window, 0);
    hello = bench_hello(b, 0);
    assert_int_equal(hello->features, 0);
    assert_int_equal(hello->lz4_window, 0);
    bench_free(b);
}

static void an_agent_without_the_memory_has_none_of_it(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    b->cfg.lz4_in = b->cfg.lz4_out = NULL;
    assert_int_equal(bench_hello(b, BOTH)->features, 0);
    make_text();
    assert_int_equal(put(b, "/flash/a", 'a', text, 5000), 0);
    assert_content(b, "/flash/a", text, 5000);
    assert_int_equal(b->lz4_records, 0);
    bench_free(b);
}

static void memory_that_does_not_do_is_refused(void **state)
{
    struct bench *b = bench_new(true);
    struct fp_agent_config good = b->cfg, *cfg = &b->cfg;

    (void)state;
    cfg->lz4_in_size = 255;
    assert_int_equal(fp_agent_init(&b->agent, cfg, 0), FP_ERR_INVAL);
    *cfg = good;
    cfg->lz4_out_size = 2 * FRAME - 1;
    assert_int_equal(fp_agent_init(&b->agent, cfg, 0), FP_ERR_INVAL);
    *cfg = good;
    cfg->lz4_table_count = 500;
    assert_int_equal(fp_agent_init(&b->agent, cfg, 0), FP_ERR_INVAL);
    *cfg = good;
    cfg->lz4_table = NULL;
    assert_int_equal(fp_agent_init(&b->agent, cfg, 0), FP_ERR_INVAL);
    bench_free(b);
}

/* ---- in ---- */

static void what_comes_packed_lands(void **state)
{
    struct bench *b = bench_lz4(BOTH);
    struct fp_lz4_encoder enc = encoder();
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', sizeof text, fp_PutMode_PUT_STAGED, &off),
        0);
    put_packed(b, &enc, 'a', text, sizeof text);
    assert_int_equal(commit(b, 'a', text, sizeof text), 0);
    assert_content(b, "/flash/a", text, sizeof text);
    bench_free(b);
}

/* Also what leads nowhere enters the window: the next block may look back. */
static void the_window_is_the_sessions_not_the_streams(void **state)
{
    static const uint8_t one[] = { 0x50, 'a', 'b', 'c', 'd', 'e' };
    static const uint8_t two[] = { 0x00, 5, 0, 0x10, '.' };
    struct bench *b = bench_lz4(BOTH);
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5, fp_PutMode_PUT_STAGED, &off), 0);
    put_block(b, 99, one, sizeof one);
    put_block(b, 'a', two, sizeof two);
    assert_int_equal(commit(b, 'a', (const uint8_t *)"abcd.", 5), 0);
    assert_int_equal(b->agent.counts.stray_bulk, 1);
    bench_free(b);
}

static void a_new_session_begins_with_an_empty_window(void **state)
{
    static const uint8_t back[] = { 0x00, 5, 0, 0x10, '.' };
    struct bench *b = bench_lz4(BOTH);
    struct fp_lz4_encoder enc = encoder();
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 30000, fp_PutMode_PUT_STAGED, &off), 0);
    put_packed(b, &enc, 'a', text, 12000);
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    bench_connect(b); /* the link is lost and comes back */
    bench_hello(b, BOTH);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 30000, fp_PutMode_PUT_STAGED, &off), 0);
    assert_int_equal(off, 12000);
    enc = encoder();
    put_packed(b, &enc, 'a', text + off, 30000 - (size_t)off);
    assert_int_equal(commit(b, 'a', text, 30000), 0);
    assert_content(b, "/flash/a", text, 30000);

    bench_connect(b);
    bench_hello(b, BOTH);
    assert_int_equal(
        put_open(b, "/flash/b", 'b', 5, fp_PutMode_PUT_STAGED, &off), 0);
    put_block(b, 'b', back, sizeof back);
    assert_int_equal(commit(b, 'b', text, 5), FP_ERR_PROTO);
    bench_free(b);
}

static void what_is_no_block_fails_the_upload_only(void **state)
{
    static const uint8_t bad[] = { 0x50, 'a', 'b' };
    struct bench *b = bench_lz4(BOTH);
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5, fp_PutMode_PUT_STAGED, &off), 0);
    put_block(b, 'a', bad, sizeof bad);
    assert_int_equal(commit(b, 'a', text, 5), FP_ERR_PROTO);
    assert_int_equal(b->agent.counts.refused, 1);
    assert_int_equal(put(b, "/flash/a", 'a', text, 5000), 0);
    assert_content(b, "/flash/a", text, 5000);
    bench_free(b);
}

static void without_the_agreement_a_block_is_dropped(void **state)
{
    static const uint8_t block[] = { 0x50, 'a', 'b', 'c', 'd', 'e' };
    struct bench *b = bench_lz4(fp_Feature_FEATURE_LZ4_OUT);
    uint64_t off = 0;

    (void)state;
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5, fp_PutMode_PUT_STAGED, &off), 0);
    put_block(b, 'a', block, sizeof block);
    assert_int_equal(commit(b, 'a', (const uint8_t *)"abcde", 5), FP_ERR_INVAL);
    assert_int_equal(b->agent.counts.refused, 1);
    bench_free(b);
}

/* 1000 bytes that stand for 254,000 more than were announced. The agent goes on
 * serving meanwhile, scratch_size bytes a poll. */
static void a_block_that_swells_is_bounded(void **state)
{
    struct bench *b = bench_lz4(BOTH);
    uint8_t bomb[1000];
    uint64_t off = 0;

    (void)state;
    memset(bomb, 255, sizeof bomb);
    memcpy(bomb, (uint8_t[]){ 0x1f, 'x', 1, 0 }, 4);
    memcpy(bomb + sizeof bomb - 3, (uint8_t[]){ 0, 0x10, '.' }, 3);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 100, fp_PutMode_PUT_STAGED, &off), 0);
    for (char stream = 'a'; stream <= 'b'; stream++) { /* 'b' is nobody's */
        int turns = 0;

        put_block(b, stream, bomb, sizeof bomb);
        bench_forget(b);
        (void)ask(b, fp_Envelope_ping_tag);
        bench_send(b);
        for (; turns < 5000 && b->reply_count == 0; turns++)
            bench_turn(b);
        assert_int_equal(b->reply_count, 1);
        assert_true(turns > 993 * 255 / (int)sizeof b->scratch);
    }
    assert_int_equal(commit(b, 'a', text, 100), FP_ERR_PROTO);
    bench_free(b);
}

static void a_restore_comes_packed(void **state)
{
    static uint8_t image[FLASH_SIZE];
    struct bench *b = bench_lz4(BOTH);
    struct fp_lz4_encoder enc = encoder();
    uint8_t nonce[8];
    fp_Envelope *env;

    (void)state;
    for (size_t at = 0; at < sizeof image; at++)
        image[at] = text[at % 50021];
    (void)ask(b, fp_Envelope_nonce_tag);
    memcpy(nonce, answer(b)->body.nonce_reply.nonce.bytes, 8);
    env = ask(b, fp_Envelope_restore_begin_tag);
    SET(env->body.restore_begin.storage, "flash0");
    assert_true(FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), 0);
    env = ask(b, fp_Envelope_chunk_write_tag);
    SET(env->body.chunk_write.storage, "flash0");
    env->body.chunk_write.count = BLOCK_COUNT;
    env->body.chunk_write.stream = 77;
    assert_true(FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), 0);
    put_packed(b, &enc, 77, image, sizeof image);
    for (int i = 0; i < 5000 && b->reply_count < 2; i++)
        bench_turn(b);
    assert_int_equal(error_of(&b->replies[1]), 0);
    assert_true(b->replies[1].body.chunk_write_reply.done);
    assert_memory_equal(b->flash, image, sizeof image);
    bench_free(b);
}

/* ---- out ---- */

static void text_goes_packed(void **state)
{
    struct bench *b = bench_lz4(BOTH);

    (void)state;
    assert_int_equal(put(b, "/flash/a", 'a', text, sizeof text), 0);
    b->bulk_payload = 0;
    assert_content(b, "/flash/a", text, sizeof text);
    assert_true(b->lz4_records > 0);
    assert_true(b->bulk_payload < sizeof text / 2);

    /* once more, behind what went before */
    assert_content(b, "/flash/a", text, sizeof text);
    bench_free(b);
}

static uint8_t noise[50000];

static void make_noise(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof noise; i++) {
        x = x * 1664525 + 1013904223;
        noise[i] = (uint8_t)(x >> 24);
    }
}

static void random_bytes_go_as_they_are(void **state)
{
    struct bench *b = bench_lz4(BOTH);

    (void)state;
    make_noise();
    assert_int_equal(put(b, "/flash/a", 'a', noise, sizeof noise), 0);
    b->bulk_payload = 0;
    assert_content(b, "/flash/a", noise, sizeof noise);
    assert_int_equal(b->lz4_records, 0);
    /* 1022 of 1024 bytes of each frame */
    assert_true(b->bulk_payload <= sizeof noise + 2 * (50000 / 1022 + 1));
    bench_free(b);
}

/* Reads of a medium that goes by 512 bytes stay on that grid, however many the
 * last record took. */
static void an_image_goes_packed(void **state)
{
    struct bench *b = bench_lz4(BOTH);
    fp_Envelope *env;

    (void)state;
    make_noise();
    assert_int_equal(put(b, "/flash/a", 'a', text, sizeof text), 0);
    assert_int_equal(put(b, "/flash/b", 'b', noise, sizeof noise), 0);
    b->gen.bdev.read_size = 512;
    env = ask(b, fp_Envelope_chunk_read_tag);
    SET(env->body.chunk_read.storage, "flash0");
    env->body.chunk_read.count = BLOCK_COUNT;
    env->body.chunk_read.stream = 3;
    b->bulk_payload = 0;
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(b->bulk_size, FLASH_SIZE);
    assert_memory_equal(b->bulk, b->flash, FLASH_SIZE);
    assert_true(b->lz4_records > 0);
    assert_true(b->fill_records > 0);
    assert_true(b->bulk_payload <
                sizeof text * 6 / 10 + sizeof noise * 11 / 10);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_both_have_is_agreed_upon),
        cmocka_unit_test(an_agent_without_the_memory_has_none_of_it),
        cmocka_unit_test(memory_that_does_not_do_is_refused),
        cmocka_unit_test(what_comes_packed_lands),
        cmocka_unit_test(the_window_is_the_sessions_not_the_streams),
        cmocka_unit_test(a_new_session_begins_with_an_empty_window),
        cmocka_unit_test(what_is_no_block_fails_the_upload_only),
        cmocka_unit_test(without_the_agreement_a_block_is_dropped),
        cmocka_unit_test(a_block_that_swells_is_bounded),
        cmocka_unit_test(a_restore_comes_packed),
        cmocka_unit_test(text_goes_packed),
        cmocka_unit_test(random_bytes_go_as_they_are),
        cmocka_unit_test(an_image_goes_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
