/* SPDX-License-Identifier: MIT
 *
 * Media that come and go, partitions, and what Mount may be told: the agent on
 * a flash that can be pulled out of its socket.
 */
#include "tests/unit/agent_bench.h"

#define CONTENT ((const uint8_t *)"content")

/* ---- the socket ---- */

static const struct fp_bdev_ops *card_ops; /* of the memory below */
static uint32_t card;                      /* number of the one in; 0: none */
static struct fp_agent_partition table[2];
static int table_count;

static int socket_read(struct fp_bdev *dev, fp_addr off, void *buf,
                       uint32_t size)
{
    return card == 0 ? FP_ERR_NODEV : card_ops->read(dev, off, buf, size);
}

static int socket_prog(struct fp_bdev *dev, fp_addr off, const void *buf,
                       uint32_t size)
{
    return card == 0 ? FP_ERR_NODEV : card_ops->prog(dev, off, buf, size);
}

static int socket_erase(struct fp_bdev *dev, uint32_t block, uint32_t count)
{
    return card == 0 ? FP_ERR_NODEV : card_ops->erase(dev, block, count);
}

static unsigned syncs;

static int socket_sync(struct fp_bdev *dev)
{
    (void)dev;
    syncs++;
    return FP_OK;
}

static uint32_t medium(void *ctx, const char *storage)
{
    (void)ctx;
    assert_string_equal(storage, "flash0");
    return card;
}

static int partitions(struct fp_bdev *dev, uint8_t *buf, uint32_t size,
                      struct fp_agent_partition *parts, const char **why)
{
    (void)dev;
    memset(buf, 0xaa, size);
    memcpy(parts, table, sizeof table);
    *why = "a table of another kind";
    return table_count;
}

static struct bench *with_socket(void)
{
    static const struct fp_bdev_ops ops = { .read = socket_read,
                                            .prog = socket_prog,
                                            .erase = socket_erase,
                                            .sync = socket_sync };
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    memset(b->flash, 0xff, sizeof b->flash);
    b->extra_flags = FP_BDEV_REMOVABLE;
    card = 1;
    bench_start(b);
    card_ops = b->ram.bdev.ops;
    b->ram.bdev.ops = &ops;
    assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    bench_connect(b);
    return b;
}

/* Lets the agent notice, which looks twice a second. */
static void pass_a_second(struct bench *b)
{
    uint32_t before = b->media_count;

    bench_forget(b);
    for (int i = 0; i < 5000 && b->media_count == before; i++)
        bench_turn(b);
}

static fp_VolumeReply volume_of(struct bench *b)
{
    (void)ask(b, fp_Envelope_volumes_tag);
    return answer(b)->body.volume_reply;
}

static fp_StorageReply storage_of(struct bench *b)
{
    (void)ask(b, fp_Envelope_storages_tag);
    return answer(b)->body.storage_reply;
}

static int mount_with(struct bench *b, const char *fs, const char *options)
{
    fp_Envelope *env = ask(b, fp_Envelope_mount_tag);

    SET(env->body.mount.volume, "/flash");
    SET(env->body.mount.fs, fs);
    SET(env->body.mount.options, options);
    return error_of(answer(b));
}

static int unmount(struct bench *b)
{
    fp_Envelope *env = ask(b, fp_Envelope_unmount_tag);

    SET(env->body.unmount.volume, "/flash");
    return error_of(answer(b));
}

#define REASON_IS(volume, text) \
    assert_true(FP_MESSAGE_IS((volume).reason, text, strlen(text)))

/* ---- out and in ---- */

static void a_pulled_card_is_noticed_and_said(void **state)
{
    struct bench *b = with_socket();
    fp_VolumeReply volume;

    (void)state;
    assert_int_equal(put(b, "/flash/a", 'a', CONTENT, 7), 0);
    assert_false(storage_of(b).no_medium);
    card = 0;
    pass_a_second(b);
    assert_int_equal(b->media_count, 1);
    assert_int_equal(b->last_media.kind, fp_EventKind_EVENT_MEDIA_OUT);
    assert_true(FP_MESSAGE_IS(b->last_media.subject, "flash0", 6));
    volume = volume_of(b);
    assert_false(volume.mounted);
    REASON_IS(volume, "there is no medium in flash0");
    assert_true(storage_of(b).no_medium);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_NODEV);
    assert_int_equal(mkdir_at(b, "/flash/d", ""), FP_ERR_NODEV);
    assert_int_equal(mount_with(b, "", ""), FP_ERR_NODEV);

    card = 1;
    pass_a_second(b);
    assert_int_equal(b->last_media.kind, fp_EventKind_EVENT_MEDIA_IN);
    assert_true(volume_of(b).mounted);
    assert_false(storage_of(b).no_medium);
    assert_content(b, "/flash/a", CONTENT, 7);
    bench_free(b);
}

/* Pulled and another put in between two looks: the number tells. */
static void another_card_has_another_generation(void **state)
{
    struct bench *b = with_socket();
    fp_Envelope *env;
    uint32_t gen;

    (void)state;
    b->cfg.medium = medium;
    gen = storage_of(b).gen;
    card = 2;
    pass_a_second(b);
    assert_int_equal(b->last_media.kind, fp_EventKind_EVENT_MEDIA_IN);
    assert_true(volume_of(b).mounted);
    assert_int_not_equal(storage_of(b).gen, gen);
    env = ask(b, fp_Envelope_chunk_changed_tag);
    SET(env->body.chunk_changed.storage, "flash0");
    env->body.chunk_changed.since = gen;
    assert_true(answer(b)->body.chunk_changed_reply.too_old);
    bench_free(b);
}

static void what_is_under_way_ends_with_the_card(void **state)
{
    struct bench *b = with_socket();
    fp_Envelope *env;
    uint64_t off;
    uint32_t id;

    (void)state;
    b->cfg.medium = medium;
    assert_int_equal(
        put_open(b, "/flash/up", 'u', 5000, fp_PutMode_PUT_STAGED, &off), 0);
    env = ask(b, fp_Envelope_chunk_digest_tag);
    SET(env->body.chunk_digest.storage, "flash0");
    env->body.chunk_digest.count = BLOCK_COUNT;
    id = env->id;
    bench_forget(b);
    bench_send(b);
    bench_turn(b);
    card = 0;
    for (int i = 0; i < 5000 && b->media_count == 0; i++)
        bench_turn(b);
    for (int i = 0; i < 100; i++)
        bench_turn(b);
    /* No chunk was called unreadable, which a snapshot would believe. */
    assert_true(b->reply_count > 0);
    env = &b->replies[b->reply_count - 1];
    assert_int_equal(env->id, id);
    assert_int_equal(error_of(env), FP_ERR_NODEV);
    assert_null(b->agent.uploads[0].file.mnt);
    bench_free(b);
}

/* The application holds a file open: it goes stale, and the next card is not
 * mounted before the file is closed. */
static void files_of_the_application_go_stale(void **state)
{
    struct bench *b = with_socket();
    struct fp_file file;
    char c;

    (void)state;
    b->cfg.medium = medium;
    assert_int_equal(put(b, "/flash/a", 'a', CONTENT, 7), 0);
    assert_int_equal(fp_vfs_open(&b->vfs, &file, "/flash/a", FP_O_READ), 0);
    card = 0;
    pass_a_second(b);
    assert_int_equal(fp_fs_read(&file, &c, 1), FP_ERR_STALE);
    card = 2;
    pass_a_second(b);
    assert_int_equal(fp_fs_read(&file, &c, 1), FP_ERR_STALE);
    REASON_IS(volume_of(b),
              "the application has files of the medium before open still");
    assert_int_equal(fp_fs_close(&file), FP_OK);
    pass_a_second(b);
    assert_true(volume_of(b).mounted);
    bench_free(b);
}

static void a_restore_ends_with_the_card(void **state)
{
    struct bench *b = with_socket();
    fp_Envelope *env;
    uint8_t nonce[8];

    (void)state;
    b->cfg.medium = medium;
    nonce_of(b, nonce);
    env = ask(b, fp_Envelope_restore_begin_tag);
    SET(env->body.restore_begin.storage, "flash0");
    assert_true(FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), 0);
    card = 2;
    pass_a_second(b);
    assert_true(volume_of(b).mounted); /* the new card is nobody's */
    env = ask(b, fp_Envelope_chunk_write_tag);
    SET(env->body.chunk_write.storage, "flash0");
    env->body.chunk_write.count = 1;
    env->body.chunk_write.stream = 7;
    assert_true(FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8));
    assert_int_equal(error_of(answer(b)), FP_ERR_PRECOND);
    bench_free(b);
}

/* Half a second after the last write, once, a card may be pulled in order. */
static void a_card_at_rest_is_synced(void **state)
{
    struct bench *b = with_socket();
    uint32_t start;
    unsigned before;

    (void)state;
    b->cfg.medium = medium;
    assert_int_equal(put(b, "/flash/a", 'a', CONTENT, 7), 0);
    before = syncs;
    start = b->now_ms;
    while (b->now_ms - start < 400)
        bench_turn(b);
    assert_int_equal(syncs, before);
    while (b->now_ms - start < 2000)
        bench_turn(b);
    assert_int_equal(syncs, before + 1);
    bench_free(b);
}

/* ---- partitions ---- */

static void partitions_are_regions_and_take_volumes(void **state)
{
    struct bench *b = with_socket();
    fp_StorageReply storage;
    fp_VolumeReply volume;

    (void)state;
    b->cfg.medium = medium;
    b->storages[0].region_count = 0;
    b->storages[0].partitions = partitions;
    b->volumes[0].partition = 1;
    table[0] = (struct fp_agent_partition){
        .region = { .name = "part1",
                    .off = 8 * BLOCK_SIZE,
                    .size = FLASH_SIZE / 2 },
        .rank = 1,
    };
    table_count = 1;
    card = 2;
    pass_a_second(b);
    storage = storage_of(b);
    assert_int_equal(storage.regions_count, 1);
    assert_true(FP_MESSAGE_IS(storage.regions[0].name, "part1", 5));
    volume = volume_of(b);
    assert_false(volume.mounted); /* the littlefs is in front of part1 */
    assert_true(FP_MESSAGE_IS(volume.region, "part1", 5));
    assert_int_equal(fp_agent_format(&b->agent, &b->volumes[0], NULL), 0);
    assert_true(volume_of(b).mounted);
    assert_int_equal(b->volumes[0].vm.mnt.dev->block_count, BLOCK_COUNT / 2);

    table[0].why = "exFAT: format it as FAT32 on a computer";
    card = 7;
    pass_a_second(b);
    REASON_IS(volume_of(b), "exFAT: format it as FAT32 on a computer");
    assert_int_equal(mount_with(b, "", ""), FP_ERR_NOTSUP);

    table_count = FP_ERR_NOTSUP; /* as of a GPT: nothing is touched */
    card = 3;
    pass_a_second(b);
    REASON_IS(volume_of(b), "a table of another kind");
    table_count = 0; /* no table: the whole card, where the littlefs is */
    card = 4;
    pass_a_second(b);
    assert_true(volume_of(b).mounted);
    assert_int_equal(volume_of(b).region.size, 0);
    bench_free(b);
}

/* /sd2 on a card with one partition: nobody is told of it. */
static void a_partition_that_is_not_there_is_no_volume(void **state)
{
    struct bench *b = with_socket();
    fp_Envelope *env;

    (void)state;
    b->cfg.medium = medium;
    b->storages[0].partitions = partitions;
    b->volumes[0].partition = 2;
    table_count = 1;
    card = 2;
    pass_a_second(b);
    assert_false(volume_of(b).present);
    assert_int_equal(get(b, "/flash/a"), FP_ERR_NOENT);
    env = ask(b, fp_Envelope_mount_tag);
    SET(env->body.mount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), FP_ERR_NOENT);
    bench_free(b);
}

/* ---- what Mount is told ---- */

static void options_of_a_mount_hold_until_others_come(void **state)
{
    struct bench *b = with_socket();

    (void)state;
    b->cfg.medium = medium;
    assert_int_equal(mount_with(b, "", "ro=1"), FP_ERR_BUSY);
    assert_int_equal(unmount(b), 0);
    assert_int_equal(mount_with(b, "", "ro=1"), 0);
    assert_false(volume_of(b).writable);
    REASON_IS(volume_of(b), "mounted read-only");
    assert_int_equal(mkdir_at(b, "/flash/d", ""), FP_ERR_ROFS);
    card = 2; /* of the next card too */
    pass_a_second(b);
    assert_false(volume_of(b).writable);
    assert_int_equal(unmount(b), 0);
    assert_int_equal(mount_with(b, "auto", ""), 0);
    assert_true(volume_of(b).writable);
    bench_free(b);
}

static void a_mount_that_fails_changes_nothing(void **state)
{
    struct bench *b = with_socket();
    fp_Envelope *env;

    (void)state;
    assert_int_equal(unmount(b), 0);
    assert_int_equal(mount_with(b, "ext4", ""), FP_ERR_NOTSUP);
    assert_int_equal(mount_with(b, "littlefs", "block_count=63"), FP_ERR_INVAL);
    assert_int_equal(mount_with(b, "", ""), 0);
    env = ask(b, fp_Envelope_mount_tag);
    SET(env->body.mount.volume, "/flash");
    assert_true(FP_MESSAGE_SET(env->body.mount.fs, "a\0b", 3));
    assert_int_equal(error_of(answer(b)), FP_ERR_INVAL);
    bench_free(b);
}

static void a_name_that_is_too_long_is_told_the_limit(void **state)
{
    struct bench *b = with_socket();
    char path[7 + 301] = "/flash/";

    (void)state;
    memset(path + 7, 'n', 300);
    assert_int_equal(mkdir_at(b, path, ""), FP_ERR_NAMETOOLONG);
    assert_int_equal(b->replies[b->reply_count - 1].body.failure.limit, 255);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pulled_card_is_noticed_and_said),
        cmocka_unit_test(another_card_has_another_generation),
        cmocka_unit_test(what_is_under_way_ends_with_the_card),
        cmocka_unit_test(files_of_the_application_go_stale),
        cmocka_unit_test(a_restore_ends_with_the_card),
        cmocka_unit_test(a_card_at_rest_is_synced),
        cmocka_unit_test(partitions_are_regions_and_take_volumes),
        cmocka_unit_test(a_partition_that_is_not_there_is_no_volume),
        cmocka_unit_test(options_of_a_mount_hold_until_others_come),
        cmocka_unit_test(a_mount_that_fails_changes_nothing),
        cmocka_unit_test(a_name_that_is_too_long_is_told_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
