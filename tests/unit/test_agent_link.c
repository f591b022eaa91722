/* SPDX-License-Identifier: MIT
 *
 * What of the agent concerns the link itself: the key, and the rate of a line.
 */
#include "agent_bench.h"

/* ---- keys ---- */

static const uint8_t key[] = { '0', '1', '2', '3', '4', '5', '6', '7',
                               '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' };
static const char host_nonce[] = "hostnonc";

/* Python: hmac.digest(b'0123456789abcdef', label + b'\0' + b'hostnonc' +
 * bytes(range(0x40, 0x50)) + b'bench-1', 'sha256'), where the label is
 * "flashport device v1" or "flashport host v1". */
static const uint8_t device_proof[32] = {
    0x21, 0x55, 0x1c, 0x5c, 0x60, 0xdb, 0x18, 0xa5, 0x86, 0xd2, 0xdb,
    0xb4, 0x8a, 0xb8, 0xbe, 0x97, 0xfa, 0xa5, 0xf7, 0x8d, 0x5c, 0x5b,
    0x39, 0x80, 0x8b, 0xf9, 0xbf, 0xae, 0x65, 0xcf, 0xa5, 0x3e
};
static const uint8_t host_proof[32] = {
    0x12, 0xf0, 0x2e, 0xd1, 0xb3, 0xf7, 0x46, 0xa9, 0x88, 0xd1, 0x69,
    0xbe, 0xe5, 0x94, 0x12, 0xa8, 0xb1, 0x11, 0xcb, 0x3e, 0xd1, 0x2c,
    0x67, 0x87, 0xa5, 0x4c, 0x94, 0xc0, 0x58, 0xfb, 0x20, 0x22
};

static bool counting(void *ctx, uint8_t *buf, size_t size)
{
    (void)ctx;
    for (size_t i = 0; i < size; i++)
        buf[i] = (uint8_t)(0x40 + i);
    return true;
}

/* Starts the agent again with what its configuration is now. */
static void start_again(struct bench *b)
{
    fp_agent_deinit(&b->agent);
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
    bench_connect(b);
}

static struct bench *keyed(void)
{
    struct bench *b = bench_new(true);

    b->cfg.key = key;
    b->cfg.key_size = sizeof key;
    b->cfg.entropy = counting;
    start_again(b);
    return b;
}

static const fp_HelloReply *hello(struct bench *b)
{
    fp_Envelope *env = ask(b, fp_Envelope_hello_tag);

    env->body.hello.version_min = env->body.hello.version_max = 1;
    assert_true(FP_MESSAGE_SET(env->body.hello.nonce, host_nonce, 8));
    return &answer(b)->body.hello_reply;
}

static int prove(struct bench *b, const uint8_t proof[32])
{
    fp_Envelope *env = ask(b, fp_Envelope_auth_tag);

    assert_true(FP_MESSAGE_SET(env->body.auth.proof, proof, 32));
    return error_of(answer(b));
}

static int ping(struct bench *b)
{
    ask(b, fp_Envelope_ping_tag);
    return error_of(answer(b));
}

static void a_device_with_a_key_serves_nothing_before_the_proof(void **state)
{
    static const pb_size_t tags[] = {
        fp_Envelope_ping_tag,      fp_Envelope_volumes_tag,
        fp_Envelope_storages_tag,  fp_Envelope_list_tag,
        fp_Envelope_remove_tag,    fp_Envelope_format_tag,
        fp_Envelope_put_open_tag,  fp_Envelope_chunk_write_tag,
        fp_Envelope_reboot_tag,    fp_Envelope_nonce_tag,
        fp_Envelope_chunk_read_tag
    };
    struct bench *b = keyed();
    const fp_HelloReply *reply = hello(b);

    (void)state;
    assert_true(reply->features & fp_Feature_FEATURE_AUTH);
    assert_true(FP_MESSAGE_IS(reply->proof, device_proof, 32));
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        ask(b, tags[i]);
        assert_int_equal(error_of(answer(b)), FP_ERR_ACCES);
    }
    assert_int_equal(fp_agent_print(&b->agent, "secret", 6), 0);
    assert_int_equal(b->reboots, 0);

    assert_int_equal(prove(b, host_proof), FP_OK);
    assert_int_equal(ping(b), FP_OK);
    assert_int_equal(fp_agent_print(&b->agent, "text", 4), 4);
    bench_free(b);
}

/* An upload waits for its host to come back; whoever comes instead has not
 * proven anything. */
static void bytes_without_a_proof_go_nowhere(void **state)
{
    static const char streams[] = { 0, 'A' };
    struct bench *b = keyed();
    uint8_t good[300], evil[200];
    uint64_t off = 0;

    (void)state;
    memset(good, 'G', sizeof good);
    memset(evil, 'E', sizeof evil);
    hello(b);
    assert_int_equal(prove(b, host_proof), FP_OK);
    assert_int_equal(
        put_open(b, "/flash/boot.py", 'A', 300, fp_PutMode_PUT_IN_PLACE, &off),
        0);
    put_bytes(b, 'A', good, 100);
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    bench_connect(b);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ping(b), FP_ERR_ACCES);
        put_bytes(b, streams[i], evil, sizeof evil);
        for (int turn = 0; turn < 200; turn++)
            bench_turn(b);
    }
    hello(b);
    assert_int_equal(prove(b, host_proof), FP_OK);
    put_bytes(b, 0, evil, sizeof evil); /* no stream at all */
    for (int i = 0; i < 200; i++)
        bench_turn(b);
    assert_int_equal(
        put_open(b, "/flash/boot.py", 'A', 300, fp_PutMode_PUT_IN_PLACE, &off),
        0);
    assert_int_equal(off, 100);
    put_bytes(b, 'A', good + 100, 200);
    (void)ask_commit(b, 'A', good, sizeof good);
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/boot.py", good, sizeof good);
    bench_free(b);
}

static void the_zone_is_that_of_who_has_proven_its_key(void **state)
{
    struct bench *b = keyed();
    const struct fp_fs_config *cfg = &b->volumes[0].vm.mnt.cfg;
    fp_Envelope *env = ask(b, fp_Envelope_hello_tag);

    (void)state;
    env->body.hello.version_min = env->body.hello.version_max = 1;
    env->body.hello.zone_min = 120;
    assert_true(FP_MESSAGE_SET(env->body.hello.nonce, host_nonce, 8));
    answer(b);
    assert_int_equal(cfg->zone_min, 0);
    assert_int_equal(prove(b, host_proof), FP_OK);
    assert_int_equal(cfg->zone_min, 120);
    bench_free(b);
}

static void a_proof_serves_once_and_in_its_session(void **state)
{
    struct bench *b = keyed();

    (void)state;
    assert_int_equal(prove(b, host_proof), FP_ERR_PROTO); /* before Hello */
    hello(b);
    assert_int_equal(prove(b, device_proof), FP_ERR_ACCES); /* reflected */
    assert_int_equal(prove(b, host_proof), FP_ERR_PROTO);   /* used up */
    assert_int_equal(ping(b), FP_ERR_ACCES);
    hello(b);
    assert_int_equal(prove(b, host_proof), FP_OK);
    hello(b); /* begins anew */
    assert_int_equal(ping(b), FP_ERR_ACCES);
    assert_int_equal(prove(b, host_proof), FP_OK);
    bench_connect(b); /* another session */
    assert_int_equal(ping(b), FP_ERR_ACCES);
    bench_free(b);
}

static void a_device_without_a_key_asks_for_none(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    assert_int_equal(hello(b)->proof.size, 0);
    assert_int_equal(prove(b, host_proof), FP_ERR_NOTSUP);
    assert_int_equal(ping(b), FP_OK);
    bench_free(b);
}

static void a_key_needs_length_and_random_numbers(void **state)
{
    struct bench *b = keyed();

    (void)state;
    fp_agent_deinit(&b->agent);
    b->cfg.key_size = 15;
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, 0), FP_ERR_INVAL);
    b->cfg.key_size = 16;
    b->cfg.entropy = NULL;
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, 0), FP_ERR_INVAL);
    free(b);
}

/* ---- rates ---- */

static uint32_t line_rate;

static bool set_line(void *ctx, uint32_t baud)
{
    (void)ctx;
    line_rate = baud;
    return true;
}

static struct bench *rated(void)
{
    static const uint32_t rates[] = { 115200, 460800, 921600 };
    struct bench *b = bench_new(true);

    line_rate = 115200;
    b->cfg.rates = rates;
    b->cfg.rate_count = 3;
    b->cfg.set_rate = set_line;
    start_again(b);
    return b;
}

static int set_rate(struct bench *b, uint32_t baud, uint32_t confirm_ms)
{
    fp_Envelope *env = ask(b, fp_Envelope_set_rate_tag);

    env->body.set_rate.baud = baud;
    env->body.set_rate.confirm_ms = confirm_ms;
    return error_of(answer(b));
}

/* The agent alone, while the host says nothing. */
static void silence(struct bench *b, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i += 10) {
        b->now_ms += 10;
        fp_agent_poll(&b->agent, b->now_ms);
    }
}

static void turns(struct bench *b, int count)
{
    for (int i = 0; i < count; i++)
        bench_turn(b);
}

static void a_rate_is_had_once_the_answer_has_left(void **state)
{
    struct bench *b = rated();

    (void)state;
    assert_int_equal(hello(b)->rates_count, 3);
    assert_int_equal(set_rate(b, 921600, 1000), FP_OK);
    turns(b, 100); /* the acknowledgement of the Done */
    assert_int_equal(line_rate, 921600);
    assert_int_equal(ping(b), FP_OK);
    silence(b, 4900);
    assert_int_equal(line_rate, 921600);
    silence(b, 200); /* nobody is there any more */
    assert_int_equal(line_rate, 115200);
    bench_free(b);
}

static void a_rate_that_nobody_confirms_is_given_up(void **state)
{
    struct bench *b = rated();

    (void)state;
    assert_int_equal(set_rate(b, 460800, 1000), FP_OK);
    turns(b, 100);
    assert_int_equal(line_rate, 460800);
    silence(b, 1100);
    assert_int_equal(line_rate, 115200);
    assert_int_equal(ping(b), FP_OK); /* and the session goes on */
    bench_free(b);
}

static void noise_ends_a_rate_sooner(void **state)
{
    struct bench *b = rated();

    (void)state;
    assert_int_equal(set_rate(b, 921600, 1000), FP_OK);
    turns(b, 100);
    assert_int_equal(ping(b), FP_OK);
    fp_agent_input(&b->agent, (const uint8_t *)"\xfe\x80\x1c", 3, b->now_ms);
    silence(b, 1400);
    assert_int_equal(line_rate, 921600);
    silence(b, 200);
    assert_int_equal(line_rate, 115200);
    bench_free(b);
}

/* Flash that works long makes an agent deaf; that is not the host's silence. */
static void time_in_which_it_was_deaf_does_not_count(void **state)
{
    struct bench *b = rated();

    (void)state;
    assert_int_equal(set_rate(b, 921600, 1000), FP_OK);
    turns(b, 100);
    assert_int_equal(ping(b), FP_OK);
    b->now_ms += 30000;
    fp_agent_poll(&b->agent, b->now_ms);
    assert_int_equal(line_rate, 921600);
    bench_free(b);
}

static void what_is_no_rate_of_the_device_is_refused(void **state)
{
    struct bench *b = rated();

    (void)state;
    assert_int_equal(set_rate(b, 500000, 1000), FP_ERR_INVAL);
    assert_int_equal(set_rate(b, 921600, 99), FP_ERR_INVAL);
    assert_int_equal(set_rate(b, 921600, 5001), FP_ERR_INVAL);
    assert_int_equal(line_rate, 115200);
    b->cfg.set_rate = NULL;
    assert_int_equal(set_rate(b, 921600, 1000), FP_ERR_NOTSUP);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_with_a_key_serves_nothing_before_the_proof),
        cmocka_unit_test(bytes_without_a_proof_go_nowhere),
        cmocka_unit_test(the_zone_is_that_of_who_has_proven_its_key),
        cmocka_unit_test(a_proof_serves_once_and_in_its_session),
        cmocka_unit_test(a_device_without_a_key_asks_for_none),
        cmocka_unit_test(a_key_needs_length_and_random_numbers),
        cmocka_unit_test(a_rate_is_had_once_the_answer_has_left),
        cmocka_unit_test(a_rate_that_nobody_confirms_is_given_up),
        cmocka_unit_test(noise_ends_a_rate_sooner),
        cmocka_unit_test(time_in_which_it_was_deaf_does_not_count),
        cmocka_unit_test(what_is_no_rate_of_the_device_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
