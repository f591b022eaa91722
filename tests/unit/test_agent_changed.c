/* SPDX-License-Identifier: MIT
 *
 * What a firmware hears of the changes that a host makes, and what it has done
 * at the start.
 */
#include "agent_bench.h"

#define HEARD_MAX 8

static char heard[HEARD_MAX][32];
static uint32_t heard_count;

/* A firmware looks at once at what has changed. */
static void hear(void *ctx, const char *path)
{
    struct bench *b = ctx;
    struct fp_stat st;

    (void)fp_vfs_stat(&b->vfs, path, &st);
    assert_in_range(heard_count, 0, HEARD_MAX - 1);
    snprintf(heard[heard_count++], sizeof heard[0], "%s", path);
}

static struct bench *listening(void)
{
    struct bench *b = bench_new(true);

    b->cfg.changed = hear;
    heard_count = 0;
    return b;
}

/* That was heard since it was asked last, and nothing else. */
static void assert_heard(const char *first, const char *second)
{
    assert_int_equal(heard_count, (first != NULL) + (second != NULL));
    if (first != NULL)
        assert_string_equal(heard[0], first);
    if (second != NULL)
        assert_string_equal(heard[1], second);
    heard_count = 0;
}

static int rename_to(struct bench *b, const char *from, const char *to)
{
    fp_Envelope *env = ask(b, fp_Envelope_rename_tag);

    SET(env->body.rename.from, from);
    SET(env->body.rename.to, to);
    return error_of(answer(b));
}

static int remove_at(struct bench *b, const char *path)
{
    SET(ask(b, fp_Envelope_remove_tag)->body.remove.path, path);
    return error_of(answer(b));
}

static void each_change_is_heard_once_and_when_it_is_there(void **state)
{
    static const uint8_t data[] = "data";
    struct bench *b = listening();
    fp_Envelope *env;
    uint64_t off;

    (void)state;
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);
    assert_heard("/flash/d", NULL);
    assert_int_equal(put_open(b, "/flash/f", 9, 4, fp_PutMode_PUT_STAGED, &off),
                     0);
    assert_heard(NULL, NULL); /* the old file is still the file */
    assert_int_equal(put(b, "/flash/d/f", 1, data, sizeof data), 0);
    assert_heard("/flash/d/f", NULL);
    assert_int_equal(rename_to(b, "/flash/d/f", "/flash/g"), 0);
    assert_heard("/flash/d/f", "/flash/g");
    env = ask(b, fp_Envelope_truncate_tag);
    SET(env->body.truncate.path, "/flash/g");
    assert_int_equal(error_of(answer(b)), 0);
    assert_heard("/flash/g", NULL);
    env = ask(b, fp_Envelope_attr_set_tag);
    SET(env->body.attr_set.path, "/flash/g");
    SET(env->body.attr_set.value, "x");
    assert_int_equal(error_of(answer(b)), 0);
    assert_heard("/flash/g", NULL);
    assert_int_equal(remove_at(b, "/flash/g"), 0);
    assert_heard("/flash/g", NULL);
    bench_free(b);
}

static void what_failed_or_changed_nothing_is_not_heard(void **state)
{
    struct bench *b = listening();

    (void)state;
    assert_int_equal(remove_at(b, "/flash/none"), FP_ERR_NOENT);
    assert_int_equal(rename_to(b, "/flash/none", "/flash/n"), FP_ERR_NOENT);
    SET(ask(b, fp_Envelope_stat_tag)->body.stat.path, "/flash");
    (void)answer(b);
    assert_heard(NULL, NULL);
    bench_free(b);
}

/* ---- uploads that are given up ---- */

static void begin_put(struct bench *b, fp_PutMode mode, const char *path)
{
    static const uint8_t data[] = "data";
    uint64_t off = 0;

    assert_int_equal(put_open(b, path, 9, 8, mode, &off), 0);
    put_bytes(b, 9, data, 4);
    for (int i = 0; i < 100; i++)
        bench_turn(b);
    assert_heard(NULL, NULL);
}

static void abort_put(struct bench *b)
{
    fp_PutAbortRequest *abort =
        &ask(b, fp_Envelope_put_abort_tag)->body.put_abort;

    memset(abort->upload_id.bytes, 9, 16);
    abort->upload_id.size = 16;
    assert_int_equal(error_of(answer(b)), 0);
}

static struct bench *with_old(void)
{
    static const uint8_t old[] = "old";
    struct bench *b = listening();

    assert_int_equal(put(b, "/flash/f", 1, old, sizeof old), 0);
    assert_heard("/flash/f", NULL);
    return b;
}

static void what_was_written_in_place_is_heard_however_it_ends(void **state)
{
    struct bench *b = with_old();
    uint64_t off;

    (void)state;
    begin_put(b, fp_PutMode_PUT_IN_PLACE, "/flash/f");
    abort_put(b);
    assert_heard("/flash/f", NULL);
    begin_put(b, fp_PutMode_PUT_IN_PLACE, "/flash/f");
    b->now_ms += 60000;
    bench_turn(b);
    assert_heard("/flash/f", NULL);
    /* What cannot fit gives up nothing. */
    assert_int_equal(
        put_open(b, "/flash/f", 9, FLASH_SIZE, fp_PutMode_PUT_IN_PLACE, &off),
        FP_ERR_NOSPC);
    assert_heard(NULL, NULL);
    /* Another content than was announced. */
    begin_put(b, fp_PutMode_PUT_IN_PLACE, "/flash/f");
    put_bytes(b, 9, (const uint8_t *)"data", 4);
    (void)ask_commit(b, 9, (const uint8_t *)"other", 5);
    assert_int_equal(error_of(answer(b)), FP_ERR_DIGEST);
    assert_heard("/flash/f", NULL);
    bench_free(b);
}

static void an_append_given_up_is_heard_if_something_stays(void **state)
{
    struct bench *b = with_old();

    (void)state;
    begin_put(b, fp_PutMode_PUT_APPEND, "/flash/f");
    abort_put(b);
    assert_heard(NULL, NULL); /* cut off again */
    begin_put(b, fp_PutMode_PUT_APPEND, "/flash/new");
    abort_put(b);
    assert_heard("/flash/new", NULL); /* it is there now, and empty */
    begin_put(b, fp_PutMode_PUT_APPEND, "/flash/f");
    fp_bdev_fault_cut(&b->fault, 1, FP_FAULT_TEAR_NONE);
    abort_put(b);
    assert_heard("/flash/f", NULL); /* it could not be cut off */
    bench_free(b);
}

static void a_staged_upload_given_up_is_not_heard(void **state)
{
    struct bench *b = with_old();

    (void)state;
    begin_put(b, fp_PutMode_PUT_STAGED, "/flash/f");
    abort_put(b);
    assert_heard(NULL, NULL);
    bench_free(b);
}

/* ---- volumes ---- */

static uint32_t check(struct bench *b, bool repair)
{
    fp_CheckRequest *request = &ask(b, fp_Envelope_check_tag)->body.check;
    const fp_Envelope *reply;

    SET(request->volume, "/flash");
    request->repair = repair;
    reply = answer(b);
    assert_int_equal(reply->which_body, fp_Envelope_check_reply_tag);
    return reply->body.check_reply.pending;
}

/* The power is cut in the nth write of a rename; how much is to be repaired. */
static uint32_t cut_rename(struct bench *b, uint32_t nth)
{
    assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);
    assert_int_equal(put(b, "/flash/f", 1, (const uint8_t *)"x", 1), 0);
    fp_bdev_fault_cut(&b->fault, nth, FP_FAULT_TEAR_ALL);
    (void)rename_to(b, "/flash/f", "/flash/d/f");
    assert_true(fp_bdev_fault_is_off(&b->fault));
    bench_start(b);
    bench_connect(b);
    b->cfg.changed = hear;
    heard_count = 0;
    return check(b, false);
}

static void a_repair_is_heard_if_it_writes(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t nth = 1;

    (void)state;
    while (cut_rename(b, nth) == 0)
        nth++;
    assert_heard(NULL, NULL);
    (void)check(b, true);
    assert_heard("/flash", NULL);
    (void)check(b, true); /* nothing is left to do */
    assert_heard(NULL, NULL);
    bench_free(b);
}

static void a_volume_is_heard_of_when_it_is_mounted(void **state)
{
    struct bench *b = listening();

    (void)state;
    assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    assert_heard("/flash", NULL);
    bench_free(b);
}

/* What a start finds: erased, or damaged. */
static bool starts_mounted(uint8_t first_byte, bool format_erased)
{
    struct bench *b = bench_new(false);
    bool mounted;

    memset(b->flash, first_byte, 16);
    b->volumes[0].format_erased = format_erased;
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
    mounted = b->volumes[0].mounted;
    assert_true(mounted || b->flash[0] == first_byte);
    bench_free(b);
    return mounted;
}

static void only_an_erased_flash_is_formatted_and_only_if_wanted(void **state)
{
    (void)state;
    assert_true(starts_mounted(0xff, true));
    assert_false(starts_mounted(0xff, false));
    assert_false(starts_mounted(0x5a, true));
}

/* Else a board whose buffer is too small would be told to format. */
static void what_could_not_be_formatted_says_why(void **state)
{
    struct bench *b = bench_new(false);
    char reason[97];

    (void)state;
    b->volumes[0].format_erased = true;
    b->volumes[0].ws_size = 1024;
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
    assert_false(b->volumes[0].mounted);
    fp_agent_volume_reason(&b->volumes[0], reason, sizeof reason);
    assert_string_equal(reason,
                        "it needs more memory than this device gives it");
    b->extra_flags = FP_BDEV_RDONLY;
    bench_start(b);
    b->volumes[0].format_erased = true;
    assert_int_equal(fp_agent_init(&b->agent, &b->cfg, b->now_ms), FP_OK);
    fp_agent_volume_reason(&b->volumes[0], reason, sizeof reason);
    assert_string_equal(reason,
                        "no filesystem on flash0, which is write-protected");
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_heard_once_and_when_it_is_there),
        cmocka_unit_test(what_failed_or_changed_nothing_is_not_heard),
        cmocka_unit_test(what_was_written_in_place_is_heard_however_it_ends),
        cmocka_unit_test(an_append_given_up_is_heard_if_something_stays),
        cmocka_unit_test(a_staged_upload_given_up_is_not_heard),
        cmocka_unit_test(a_repair_is_heard_if_it_writes),
        cmocka_unit_test(a_volume_is_heard_of_when_it_is_mounted),
        cmocka_unit_test(only_an_erased_flash_is_formatted_and_only_if_wanted),
        cmocka_unit_test(what_could_not_be_formatted_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
