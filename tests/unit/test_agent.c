/* SPDX-License-Identifier: MIT
 *
 * The agent's answers, over the real link to the real filesystem: what a device
 * says of itself, files, names, refusals.
 */
#include "agent_bench.h"

static uint8_t data[100000];

/* ---- what a device says ---- */

static void hello_names_the_device_and_its_limits(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env = ask(b, fp_Envelope_hello_tag);
    const fp_HelloReply *hello;

    (void)state;
    env->body.hello.version_min = env->body.hello.version_max = 1;
    hello = &answer(b)->body.hello_reply;
    assert_int_equal(b->replies[0].which_body, fp_Envelope_hello_reply_tag);
    assert_true(FP_MESSAGE_IS(hello->device_id, "bench-1", 7));
    assert_true(FP_MESSAGE_IS(hello->epoch, "\1\2\3\4\5\6\7\10", 8));
    assert_true(FP_MESSAGE_IS(hello->default_volume, "/flash", 6));
    assert_true(hello->max_requests >= 2);
    bench_free(b);
}

/* A device that restarts often must not begin at one block each time. */
static void a_volume_starts_elsewhere_after_each_start(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t seed = b->volumes[0].vm.mnt.cfg.seed;

    (void)state;
    assert_true(seed > 0); /* the epoch's first bytes, at each mount */
    assert_int_equal(seed % 0x04030201, 0);
    bench_free(b);
}

static void a_host_of_another_version_is_refused(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env = ask(b, fp_Envelope_hello_tag);

    (void)state;
    env->body.hello.version_min = 2;
    env->body.hello.version_max = 9;
    assert_int_equal(error_of(answer(b)), FP_ERR_NOTSUP);
    bench_free(b);
}

static void an_empty_storage_says_so_and_is_formatted_only_on_request(void **s)
{
    struct bench *b = bench_new(false);
    static const char want[] =
        "no filesystem on flash0, it is erased: format it to use it";
    const fp_VolumeReply *volume;
    fp_Envelope *env;
    uint8_t nonce[8];

    (void)s;
    (void)ask(b, fp_Envelope_volumes_tag);
    volume = &answer(b)->body.volume_reply;
    assert_true(volume->present && !volume->mounted && volume->last);
    assert_true(FP_MESSAGE_IS(volume->reason, want, strlen(want)));
    assert_int_equal(mkdir_at(b, "/flash/d", ""), FP_ERR_NOENT);
    for (size_t i = 0; i < FLASH_SIZE; i++)
        assert_int_equal(b->flash[i], 0xff);

    env = ask(b, fp_Envelope_format_tag);
    SET(env->body.format.volume, "/flash");
    assert_int_equal(error_of(answer(b)), FP_ERR_PRECOND);

    nonce_of(b, nonce);
    env = ask(b, fp_Envelope_format_tag);
    SET(env->body.format.volume, "/flash");
    SET(env->body.format.fs, "littlefs");
    assert_true(FP_MESSAGE_SET(env->body.format.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);

    /* A nonce is good for once. */
    env = ask(b, fp_Envelope_format_tag);
    SET(env->body.format.volume, "/flash");
    assert_true(FP_MESSAGE_SET(env->body.format.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), FP_ERR_PRECOND);
    bench_free(b);
}

static int mount_again(struct bench *b)
{
    fp_Envelope *env = ask(b, fp_Envelope_mount_tag);

    SET(env->body.mount.volume, "/flash");
    return error_of(answer(b));
}

static void a_format_that_failed_tells_later_mounts_nothing(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env;
    uint8_t nonce[8];

    (void)state;
    nonce_of(b, nonce);
    env = ask(b, fp_Envelope_format_tag);
    SET(env->body.format.volume, "/flash");
    SET(env->body.format.fs, "littlefs");
    SET(env->body.format.options, "block_size=24");
    assert_true(FP_MESSAGE_SET(env->body.format.nonce, nonce, 8));
    assert_int_not_equal(error_of(answer(b)), 0);
    if (!b->volumes[0].mounted)
        assert_int_equal(mount_again(b), 0);
    bench_free(b);
}

static void volumes_and_storages_are_told(void **state)
{
    struct bench *b = bench_new(true);
    const fp_VolumeReply *volume;
    const fp_StorageReply *storage;

    (void)state;
    (void)ask(b, fp_Envelope_volumes_tag);
    volume = &answer(b)->body.volume_reply;
    assert_true(volume->mounted && volume->writable);
    assert_true(FP_MESSAGE_IS(volume->fs, "littlefs", 8));
    assert_int_equal(volume->size, FLASH_SIZE);
    assert_int_equal(volume->reason.size, 0);
    assert_int_equal(volume->promise, FP_PROMISE_OLD_OR_NEW);
    (void)ask(b, fp_Envelope_storages_tag);
    storage = &answer(b)->body.storage_reply;
    assert_int_equal(storage->block_size, BLOCK_SIZE);
    assert_int_equal(storage->block_count, BLOCK_COUNT);
    assert_int_equal(storage->chunk_size, 4096);
    assert_true(storage->gen_trusted);
    assert_int_equal(storage->regions_count, 1);
    assert_true(FP_MESSAGE_IS(storage->regions[0].name, "tail", 4));
    bench_free(b);
}

static void counters_come_page_by_page(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t cursor = 0;
    bool last = false, erases = false;

    (void)state;
    while (!last) {
        fp_Envelope *env = ask(b, fp_Envelope_stats_tag);
        const fp_StatsReply *reply;

        env->body.stats.cursor = cursor;
        reply = &answer(b)->body.stats_reply;
        for (pb_size_t i = 0; i < reply->counters_count; i++)
            if (FP_MESSAGE_IS(reply->counters[i].name, "flash0.erases", 13))
                erases = reply->counters[i].value ==
                         b->stats.count[FP_BDEV_ERASE].calls;
        cursor += reply->counters_count;
        last = reply->last;
    }
    assert_true(erases);
    assert_int_equal(cursor, 8 + 5 + 16);
    bench_free(b);
}

static void a_restart_is_answered_before_it_happens(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    (void)ask(b, fp_Envelope_reboot_tag);
    assert_int_equal(error_of(answer(b)), 0);
    for (int i = 0; i < 1000 && b->reboots == 0; i++)
        bench_turn(b);
    assert_int_equal(b->reboots, 1);
    bench_free(b);
}

/* ---- files ---- */

static void where_the_time_goes_is_counted(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t bytes[3000];
    uint64_t off = 0;

    (void)state;
    b->now_ms = 1; /* microseconds of a clock that wraps would not add up */
    fill_random(bytes, sizeof bytes, 5);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', sizeof bytes, fp_PutMode_PUT_STAGED, &off),
        0);
    for (int i = 0; i < 3; i++)
        bench_turn(b);
    b->agent.counts.wait_us = 0;
    b->now_ms += 700; /* the host has nothing to send */
    put_bytes(b, 'a', bytes, sizeof bytes);
    (void)ask_commit(b, 'a', bytes, sizeof bytes);
    assert_int_equal(error_of(answer(b)), 0);
    assert_in_range(b->agent.counts.wait_us, 700000, 720000);
    assert_true(b->hashed > 0);
    assert_int_equal(b->agent.counts.hash_us, b->hashed * 1000);
    bench_free(b);
}

static void what_was_put_is_got(void **state)
{
    static const size_t sizes[] = { 0, 1, 700, 1022, 1023, 4096, 60000 };
    struct bench *b = bench_new(true);

    (void)state;
    fill_random(data, sizeof data, 7);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(put(b, "/flash/a.bin", 'a', data + i, sizes[i]), 0);
        assert_content(b, "/flash/a.bin", data + i, sizes[i]);
    }
    bench_free(b);
}

static void a_run_of_one_byte_takes_one_record(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    memset(data, 0xff, 50000);
    data[0] = 1;
    data[49999] = 2;
    assert_int_equal(put(b, "/flash/run", 'r', data, 50000), 0);
    assert_content(b, "/flash/run", data, 50000);
    assert_true(b->fill_records >= 1 && b->fill_records <= 3);
    bench_free(b);
}

static void a_fill_record_is_taken_in_an_upload(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t frame[16];
    uint64_t off;

    (void)state;
    memset(data, 0x5a, 30000);
    assert_int_equal(
        put_open(b, "/flash/f", 'f', 30000, fp_PutMode_PUT_STAGED, &off), 0);
    bench_send_bytes(b, FP_FRAME_BULK, frame,
                     fp_bulk_put_fill(frame, 'f', 0x5a, 30000));
    (void)ask_commit(b, 'f', data, 30000);
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/f", data, 30000);
    bench_free(b);
}

static void a_range_and_its_digest_are_of_just_that_range(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t want[32];
    struct fp_sha256 sha;
    const fp_Envelope *reply;
    fp_Envelope *env;

    (void)state;
    fill_random(data, 9000, 3);
    assert_int_equal(put(b, "/flash/a", 'a', data, 9000), 0);
    env = ask(b, fp_Envelope_read_tag);
    SET(env->body.read.path, "/flash/a");
    env->body.read.off = 4000;
    env->body.read.len = 3000;
    env->body.read.stream = 9;
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(b->bulk_size, 3000);
    assert_int_equal(b->bulk_stream, 9);
    assert_memory_equal(b->bulk, data + 4000, 3000);
    assert_int_equal(b->replies[0].body.read_reply.size, 9000);

    env = ask(b, fp_Envelope_digest_tag);
    SET(env->body.digest.path, "/flash/a");
    env->body.digest.off = 4000;
    reply = answer(b);
    fp_sha256_init(&sha);
    fp_sha256_update(&sha, data + 4000, 5000);
    fp_sha256_final(&sha, want);
    assert_memory_equal(reply->body.digest_reply.sha256.bytes, want, 32);

    env = ask(b, fp_Envelope_read_tag);
    SET(env->body.read.path, "/flash/a");
    env->body.read.off = 9001;
    env->body.read.stream = 9;
    assert_int_equal(error_of(answer(b)), FP_ERR_INVAL);
    bench_free(b);
}

static void a_small_read_overtakes_a_large_one(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env;
    uint32_t small, large, reply = 0, i = 0;

    (void)state;
    fill_random(data, 90000, 5);
    assert_int_equal(put(b, "/flash/large", 'l', data, 90000), 0);
    assert_int_equal(put(b, "/flash/small", 's', data, 10), 0);
    bench_forget(b);
    env = ask(b, fp_Envelope_read_tag);
    large = env->id;
    SET(env->body.read.path, "/flash/large");
    env->body.read.stream = 1;
    bench_send(b);
    env = ask(b, fp_Envelope_read_tag);
    small = env->id;
    SET(env->body.read.path, "/flash/small");
    env->body.read.stream = 2;
    bench_send(b);
    for (int turn = 0; turn < 1000 && b->reply_count < 4; turn++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 4);
    while (b->replies[reply].id != small)
        reply++;
    while (b->replies[i].which_body != fp_Envelope_read_end_tag)
        i++;
    assert_int_equal(b->replies[i].id, small);
    assert_int_equal(b->replies[3].id, large);
    /* Its parts come together: nothing between them but its 10 bytes. */
    assert_int_equal(b->bulk_before[i] - b->bulk_before[reply],
                     10 + FP_BULK_RAW_HEADER);
    bench_free(b);
}

static void a_directory_is_listed_in_pages(void **state)
{
    struct bench *b = bench_new(true);
    uint32_t cursor = 0, total = 0;
    bool seen[25] = { false };
    char path[32];

    (void)state;
    assert_int_equal(mkdir_at(b, "/flash/d", ""), 0);
    for (int i = 0; i < 25; i++) {
        snprintf(path, sizeof path, "/flash/d/n%02d", i);
        assert_int_equal(put(b, path, 'n', data, (size_t)i), 0);
    }
    do {
        fp_Envelope *env = ask(b, fp_Envelope_list_tag);

        SET(env->body.list.path, "/flash/d");
        env->body.list.cursor = cursor;
        env->body.list.limit = 10;
        assert_int_equal(error_of(answer(b)), 0);
        for (uint32_t r = 0; r < b->reply_count; r++) {
            const fp_ListReply *list = &b->replies[r].body.list_reply;

            for (pb_size_t e = 0; e < list->entries_count; e++, total++) {
                const fp_Entry *entry = &list->entries[e];
                int n = atoi((const char *)entry->name.bytes + 1);

                assert_int_equal(entry->size, n);
                assert_false(seen[n]);
                seen[n] = true;
            }
            cursor = list->next;
        }
    } while (cursor != 0);
    assert_int_equal(total, 25);
    bench_free(b);
}

static void names_change_and_attributes_stay(void **state)
{
    struct bench *b = bench_new(true);
    const fp_Envelope *reply;
    fp_Envelope *env;

    (void)state;
    assert_int_equal(put(b, "/flash/a", 'a', (const uint8_t *)"hello", 5), 0);
    env = ask(b, fp_Envelope_attr_set_tag);
    SET(env->body.attr_set.path, "/flash/a");
    SET(env->body.attr_set.value, "blue");
    env->body.attr_set.type = 0x42;
    assert_int_equal(error_of(answer(b)), 0);
    env = ask(b, fp_Envelope_rename_tag);
    SET(env->body.rename.from, "/flash/a");
    SET(env->body.rename.to, "/flash/b");
    assert_int_equal(error_of(answer(b)), 0);
    env = ask(b, fp_Envelope_attr_get_tag);
    SET(env->body.attr_get.path, "/flash/b");
    env->body.attr_get.type = 0x42;
    reply = answer(b);
    assert_true(FP_MESSAGE_IS(reply->body.attr_get_reply.value, "blue", 4));
    env = ask(b, fp_Envelope_truncate_tag);
    SET(env->body.truncate.path, "/flash/b");
    env->body.truncate.size = 2;
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, "/flash/b", (const uint8_t *)"he", 2);
    env = ask(b, fp_Envelope_remove_tag);
    SET(env->body.remove.path, "/flash/b");
    memset(env->body.remove.if_sha256.bytes, 1, 32);
    env->body.remove.if_sha256.size = 32;
    assert_int_equal(error_of(answer(b)), FP_ERR_PRECOND);
    env = ask(b, fp_Envelope_remove_tag);
    SET(env->body.remove.path, "/flash/b");
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(get(b, "/flash/b"), FP_ERR_NOENT);
    bench_free(b);
}

static void a_check_of_a_sound_volume_finds_nothing(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env = ask(b, fp_Envelope_check_tag);
    const fp_Envelope *reply;

    (void)state;
    if (fp_fs_littlefs.step == NULL) {
        bench_free(b);
        print_message("the driver has no check yet\n");
        skip();
    }
    SET(env->body.check.volume, "/flash");
    reply = answer(b);
    assert_int_equal(reply->which_body, fp_Envelope_check_reply_tag);
    assert_int_equal(reply->body.check_reply.errors, 0);
    bench_free(b);
}

static void an_unmounted_volume_says_why_and_comes_back(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env = ask(b, fp_Envelope_unmount_tag);
    const fp_VolumeReply *volume;
    uint64_t off;

    (void)state;
    SET(env->body.unmount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    (void)ask(b, fp_Envelope_volumes_tag);
    volume = &answer(b)->body.volume_reply;
    assert_false(volume->mounted);
    assert_true(FP_MESSAGE_IS(volume->reason, "unmounted on request", 20));
    env = ask(b, fp_Envelope_mount_tag);
    SET(env->body.mount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(
        put_open(b, "/flash/a", 'a', 5, fp_PutMode_PUT_STAGED, &off), 0);
    env = ask(b, fp_Envelope_unmount_tag);
    SET(env->body.unmount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), FP_ERR_BUSY);
    bench_free(b);
}

/* ---- refusals ---- */

static void paths_that_no_volume_has_are_refused_by_name(void **state)
{
    static const struct {
        const char *path;
        size_t size;
        int err;
    } cases[] = {
        { "", 0, FP_ERR_INVAL },
        { "flash/a", 7, FP_ERR_INVAL },
        { "/flash/../a", 11, FP_ERR_INVAL },
        { "/flash/./a", 10, FP_ERR_INVAL },
        { "/flash//a", 9, FP_ERR_INVAL },
        { "/flash/a/", 9, FP_ERR_INVAL },
        { "/flash/a\0b", 10, FP_ERR_INVAL },
        { "/other/a", 8, FP_ERR_NOENT },
        { "/flash/none", 11, FP_ERR_NOENT },
    };
    struct bench *b = bench_new(true);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fp_Envelope *env = ask(b, fp_Envelope_stat_tag);
        const fp_Envelope *reply;

        assert_true(
            FP_MESSAGE_SET(env->body.stat.path, cases[i].path, cases[i].size));
        reply = answer(b);
        assert_int_equal(error_of(reply), cases[i].err);
        assert_true(reply->body.failure.detail.size > 0);
    }
    bench_free(b);
}

static void a_name_that_is_too_long_is_refused_with_its_limit(void **state)
{
    struct bench *b = bench_new(true);
    char path[400] = "/flash/";

    (void)state;
    memset(path + 7, 'n', 300);
    path[307] = '\0';
    assert_int_equal(mkdir_at(b, path, ""), FP_ERR_NAMETOOLONG);
    bench_free(b);
}

static void what_is_no_request_gets_a_failure(void **state)
{
    /* Envelope id 5 with a field 2000 that no version has; then one with a
     * reply in it; then bytes that are no protobuf at all. */
    static const uint8_t unknown[] = { 0x08, 5, 0x82, 0x7d, 0x00 };
    struct bench *b = bench_new(true);

    (void)state;
    bench_forget(b);
    bench_send_bytes(b, FP_FRAME_MSG, unknown, sizeof unknown);
    for (int i = 0; i < 100 && b->reply_count == 0; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 1);
    assert_int_equal(b->replies[0].id, 5);
    assert_int_equal(error_of(&b->replies[0]), FP_ERR_NOTSUP);

    (void)ask(b, fp_Envelope_read_end_tag);
    assert_int_equal(error_of(answer(b)), FP_ERR_NOTSUP);
    bench_send_bytes(b, FP_FRAME_MSG, (const uint8_t *)"\xff\xff\xff", 3);
    (void)ask(b, fp_Envelope_ping_tag);
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(b->agent.counts.refused, 3);
    bench_free(b);
}

static void requests_beyond_the_limit_are_told_so(void **state)
{
    struct bench *b = bench_new(true);
    unsigned refused = 0, served = 0;

    (void)state;
    fill_random(data, 90000, 5);
    assert_int_equal(put(b, "/flash/large", 'l', data, 90000), 0);
    bench_forget(b);
    for (uint32_t i = 0; i < 12; i++) {
        fp_Envelope *env = ask(b, fp_Envelope_read_tag);

        SET(env->body.read.path, "/flash/large");
        env->body.read.stream = i + 1;
        env->body.read.len = 20000;
        bench_send(b);
    }
    for (int i = 0; i < 2000; i++)
        bench_turn(b);
    for (uint32_t i = 0; i < b->reply_count; i++) {
        refused += error_of(&b->replies[i]) == FP_ERR_NFILE;
        served += b->replies[i].which_body == fp_Envelope_read_end_tag;
    }
    assert_true(served >= FP_AGENT_REQUESTS);
    assert_int_equal(served + refused, 12);
    bench_free(b);
}

static void bulk_for_nobody_is_dropped_and_counted(void **state)
{
    struct bench *b = bench_new(true);

    (void)state;
    put_bytes(b, 'x', data, 1400);
    (void)ask(b, fp_Envelope_ping_tag);
    assert_int_equal(error_of(answer(b)), 0);
    assert_int_equal(b->agent.counts.stray_bulk, 2);
    bench_free(b);
}

static void a_stream_in_use_or_none_is_refused(void **state)
{
    struct bench *b = bench_new(true);
    fp_Envelope *env;
    uint64_t off;

    (void)state;
    assert_int_equal(put(b, "/flash/a", 'a', data, 10), 0);
    assert_int_equal(
        put_open(b, "/flash/b", 'b', 10, fp_PutMode_PUT_STAGED, &off), 0);
    for (uint32_t stream = 0; stream < 300; stream += 'b') {
        env = ask(b, fp_Envelope_read_tag);
        SET(env->body.read.path, "/flash/a");
        env->body.read.stream = stream == 294 ? 256 : stream;
        if (stream == 196)
            continue;
        assert_int_equal(error_of(answer(b)), FP_ERR_INVAL);
    }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_names_the_device_and_its_limits),
        cmocka_unit_test(a_volume_starts_elsewhere_after_each_start),
        cmocka_unit_test(a_host_of_another_version_is_refused),
        cmocka_unit_test(
            an_empty_storage_says_so_and_is_formatted_only_on_request),
        cmocka_unit_test(a_format_that_failed_tells_later_mounts_nothing),
        cmocka_unit_test(volumes_and_storages_are_told),
        cmocka_unit_test(counters_come_page_by_page),
        cmocka_unit_test(a_restart_is_answered_before_it_happens),
        cmocka_unit_test(where_the_time_goes_is_counted),
        cmocka_unit_test(what_was_put_is_got),
        cmocka_unit_test(a_run_of_one_byte_takes_one_record),
        cmocka_unit_test(a_fill_record_is_taken_in_an_upload),
        cmocka_unit_test(a_range_and_its_digest_are_of_just_that_range),
        cmocka_unit_test(a_small_read_overtakes_a_large_one),
        cmocka_unit_test(a_directory_is_listed_in_pages),
        cmocka_unit_test(names_change_and_attributes_stay),
        cmocka_unit_test(a_check_of_a_sound_volume_finds_nothing),
        cmocka_unit_test(an_unmounted_volume_says_why_and_comes_back),
        cmocka_unit_test(paths_that_no_volume_has_are_refused_by_name),
        cmocka_unit_test(a_name_that_is_too_long_is_refused_with_its_limit),
        cmocka_unit_test(what_is_no_request_gets_a_failure),
        cmocka_unit_test(requests_beyond_the_limit_are_told_so),
        cmocka_unit_test(bulk_for_nobody_is_dropped_and_counted),
        cmocka_unit_test(a_stream_in_use_or_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
