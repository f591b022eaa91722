/* SPDX-License-Identifier: MIT
 *
 * What the firmware does not let a host do: protected paths in each of their
 * spellings, regions that are read-only or hidden, nonces of another session.
 * Whatever is refused has programmed and erased nothing.
 */
#include "agent_bench.h"
#include "device-agent/private.h"

static const char *const protected[] = { "/flash/boot/main.py", "/flash/keep",
                                         "/flash/k\xc3\xa9y.bin" };
static const uint8_t old[] = "old", new[] = "new";

static uint64_t worn(const struct bench *b)
{
    return b->stats.count[FP_BDEV_PROG].calls +
           b->stats.count[FP_BDEV_ERASE].calls;
}

/* A device with files of its own, whose firmware then protects them. */
static struct bench *guarded(void)
{
    struct bench *b = bench_new(true);

    assert_int_equal(mkdir_at(b, "/flash/boot", "mkdir001"), 0);
    assert_int_equal(mkdir_at(b, "/flash/other", "mkdir002"), 0);
    assert_int_equal(put(b, "/flash/boot/main.py", 1, old, sizeof old), 0);
    assert_int_equal(put(b, "/flash/keep", 2, old, sizeof old), 0);
    assert_int_equal(put(b, "/flash/free", 3, old, sizeof old), 0);
    b->cfg.protected_paths = protected;
    b->cfg.protected_count = 3;
    return b;
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

static int truncate_at(struct bench *b, const char *path)
{
    SET(ask(b, fp_Envelope_truncate_tag)->body.truncate.path, path);
    return error_of(answer(b));
}

static int attr_set_at(struct bench *b, const char *path)
{
    fp_Envelope *env = ask(b, fp_Envelope_attr_set_tag);

    SET(env->body.attr_set.path, path);
    env->body.attr_set.type = 7;
    SET(env->body.attr_set.value, "x");
    return error_of(answer(b));
}

static int open_at(struct bench *b, const char *path, fp_PutMode mode)
{
    uint64_t off;

    return put_open(b, path, 9, sizeof new, mode, &off);
}

static void a_protected_path_is_changed_by_no_request(void **state)
{
    struct bench *b = guarded();
    uint64_t before = worn(b);

    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *path = protected[i];

        for (int mode = 0; mode < 3; mode++)
            assert_int_equal(open_at(b, path, (fp_PutMode)mode), FP_ERR_ACCES);
        assert_int_equal(remove_at(b, path), FP_ERR_ACCES);
        assert_int_equal(truncate_at(b, path), FP_ERR_ACCES);
        assert_int_equal(attr_set_at(b, path), FP_ERR_ACCES);
        assert_int_equal(rename_to(b, path, "/flash/moved"), FP_ERR_ACCES);
        assert_int_equal(rename_to(b, "/flash/free", path), FP_ERR_ACCES);
    }
    assert_int_equal(mkdir_at(b, "/flash/keep/below", "mkdir003"),
                     FP_ERR_ACCES);
    assert_int_equal(worn(b), before);
    assert_content(b, protected[0], old, sizeof old);
    assert_content(b, protected[1], old, sizeof old);
    bench_free(b);
}

static void its_folder_stays_and_may_be_written_in(void **state)
{
    struct bench *b = guarded();
    uint64_t before = worn(b);

    (void)state;
    assert_int_equal(rename_to(b, "/flash/boot", "/flash/gone"), FP_ERR_ACCES);
    assert_int_equal(rename_to(b, "/flash/other", "/flash/boot"), FP_ERR_ACCES);
    assert_int_equal(remove_at(b, "/flash/boot"), FP_ERR_ACCES);
    assert_int_equal(worn(b), before);
    assert_int_equal(put(b, "/flash/boot/else.py", 4, new, sizeof new), 0);
    assert_int_equal(mkdir_at(b, "/flash/boot", "mkdir004"), FP_ERR_EXIST);
    assert_int_equal(remove_at(b, "/flash/boot/else.py"), 0);
    assert_int_equal(rename_to(b, "/flash/other", "/flash/keeper"), 0);
    assert_int_equal(put(b, "/flash/free", 5, new, sizeof new), 0);
    bench_free(b);
}

static void other_spellings_are_the_same_path(void **state)
{
    static const char *const spellings[] = {
        "/flash/KEEP",
        "/flash/Keep",
        "/flash/keep.",
        "/flash/keep. ",
        "/flash/keep%",
        "/flash/%6beep",
        "/flash/keep%2E",
        "/flash/keep/.data",
        "/flash/k\xc3\xa9y.bin",
        "/flash/K\xc3\x89Y.BIN",
        "/flash/K\xef\x82\x90Y.BIN", /* a short name's byte */
        "/flash/K%EF%82%90Y.BIN",
        "/flash/KEEP~1",
        "/flash/boot/MAIN~1",
        "/flash/boot/M123~12.PY",
        "/flash/boot/MAIN.PY",
    };
    static const char *const wrong[] = { "/flash//keep", "/flash/./keep",
                                         "/flash/other/../keep", "/flash/keep/",
                                         "flash/keep" };
    static const char *const others[] = { "/flash/keeper", "/flash/kee",
                                          "/flash/keep~", "/flash/boot/main.p",
                                          "/flash/boot/main.pyc" };
    struct bench *b = guarded();

    (void)state;
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++)
        assert_int_equal(open_at(b, spellings[i], fp_PutMode_PUT_STAGED),
                         FP_ERR_ACCES);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(remove_at(b, wrong[i]), FP_ERR_INVAL);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(put(b, others[i], (char)(20 + i), new, sizeof new), 0);
        assert_int_equal(remove_at(b, others[i]), 0);
    }
    bench_free(b);
}

static int format(struct bench *b, const uint8_t nonce[8])
{
    fp_Envelope *env = ask(b, fp_Envelope_format_tag);

    SET(env->body.format.volume, "/flash");
    assert_true(FP_MESSAGE_SET(env->body.format.nonce, nonce, 8));
    return error_of(answer(b));
}

static int restore_begin(struct bench *b, const uint8_t nonce[8])
{
    fp_Envelope *env = ask(b, fp_Envelope_restore_begin_tag);

    SET(env->body.restore_begin.storage, "flash0");
    assert_true(FP_MESSAGE_SET(env->body.restore_begin.nonce, nonce, 8));
    return error_of(answer(b));
}

static void nothing_takes_a_protected_path_along(void **state)
{
    struct bench *b = guarded();
    uint64_t before = worn(b);
    fp_Envelope *env;
    uint8_t nonce[8];

    (void)state;
    nonce_of(b, nonce);
    assert_int_equal(restore_begin(b, nonce), FP_ERR_ACCES);
    assert_int_equal(format(b, nonce), FP_ERR_ACCES);
    SET(ask(b, fp_Envelope_unmount_tag)->body.unmount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    nonce_of(b, nonce);
    assert_int_equal(format(b, nonce), FP_ERR_ACCES);
    env = ask(b, fp_Envelope_mount_tag);
    SET(env->body.mount.volume, "/flash");
    SET(env->body.mount.options, "block_size=512");
    assert_int_equal(error_of(answer(b)), FP_ERR_ACCES);
    SET(ask(b, fp_Envelope_mount_tag)->body.mount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    assert_content(b, protected[0], old, sizeof old);
    assert_int_equal(worn(b), before);
    bench_free(b);
}

/* The answer to the request alone. */
static int begin_chunks(struct bench *b, const uint8_t nonce[8], uint32_t first,
                        uint32_t count)
{
    fp_Envelope *env = ask(b, fp_Envelope_chunk_write_tag);

    SET(env->body.chunk_write.storage, "flash0");
    env->body.chunk_write.first = first;
    env->body.chunk_write.count = count;
    env->body.chunk_write.stream = 5;
    assert_true(FP_MESSAGE_SET(env->body.chunk_write.nonce, nonce, 8));
    bench_forget(b);
    bench_send(b);
    for (int i = 0; i < 20; i++)
        bench_turn(b);
    assert_int_equal(b->reply_count, 1);
    return error_of(&b->replies[0]);
}

static int chunk_write(struct bench *b, const uint8_t nonce[8], uint32_t first)
{
    uint8_t fill[FP_BULK_FILL_SIZE];
    int err = begin_chunks(b, nonce, first, 1);

    if (err)
        return err;
    bench_send_bytes(b, FP_FRAME_BULK, fill,
                     fp_bulk_put_fill(fill, 5, 0x5a, BLOCK_SIZE));
    for (int i = 0; i < 20; i++)
        bench_turn(b);
    return error_of(&b->replies[1]);
}

static void no_nonce_is_good_in_another_session(void **state)
{
    struct bench *b = bench_new(true);
    uint8_t nonce[8], later[8];
    uint64_t before;

    (void)state;
    nonce_of(b, nonce);
    before = worn(b);
    bench_connect(b);
    assert_int_equal(format(b, nonce), FP_ERR_PRECOND);
    assert_int_equal(restore_begin(b, nonce), FP_ERR_PRECOND);
    assert_int_equal(chunk_write(b, nonce, 0), FP_ERR_PRECOND);
    assert_int_equal(worn(b), before);
    /* Nor is one that a later one has taken the place of. */
    nonce_of(b, nonce);
    nonce_of(b, later);
    assert_int_equal(restore_begin(b, nonce), FP_ERR_PRECOND);
    assert_int_equal(restore_begin(b, later), 0);
    bench_connect(b);
    assert_int_equal(chunk_write(b, later, 0), FP_ERR_PRECOND);
    bench_free(b);
}

/* The region is the second half, chunks 32 to 63. */
static void region_flags(struct bench *b, uint32_t flags)
{
    b->regions[0].flags = flags;
}

static void no_write_reaches_a_guarded_region(void **state)
{
    static const uint32_t flags[] = { FP_AGENT_REGION_RDONLY,
                                      FP_AGENT_REGION_HIDDEN };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench *b = bench_new(false);
        uint8_t nonce[8];

        region_flags(b, flags[i]);
        nonce_of(b, nonce);
        assert_int_equal(format(b, nonce), FP_ERR_ACCES);
        assert_int_equal(worn(b), 0);
        nonce_of(b, nonce);
        assert_int_equal(restore_begin(b, nonce), 0);
        assert_int_equal(chunk_write(b, nonce, 32), FP_ERR_ACCES);
        assert_int_equal(chunk_write(b, nonce, 63), FP_ERR_ACCES);
        assert_int_equal(worn(b), 0);
        assert_int_equal(chunk_write(b, nonce, 31), 0);
        assert_int_equal(b->flash[FLASH_SIZE / 2 - 1], 0x5a);
        bench_free(b);
    }
}

/* 64 chunks there are. */
static void no_write_goes_past_the_end(void **state)
{
    struct bench *b = bench_new(false);
    uint8_t nonce[8];

    (void)state;
    region_flags(b, 0);
    nonce_of(b, nonce);
    assert_int_equal(restore_begin(b, nonce), 0);
    assert_int_equal(begin_chunks(b, nonce, 64, 1), FP_ERR_INVAL);
    assert_int_equal(begin_chunks(b, nonce, 63, 2), FP_ERR_INVAL);
    assert_int_equal(begin_chunks(b, nonce, 1, UINT32_MAX), FP_ERR_INVAL);
    assert_int_equal(begin_chunks(b, nonce, 5, 0), FP_ERR_INVAL);
    assert_int_equal(chunk_write(b, nonce, 63), 0);
    assert_int_equal(b->flash[FLASH_SIZE - 1], 0x5a);
    bench_free(b);
}

/* What a driver would meet that asks nobody before it writes. */
static void nor_does_one_of_a_driver(void **state)
{
    struct bench *b = bench_new(false);
    uint8_t buf[16] = { 0 };
    struct fp_bdev *dev;

    (void)state;
    assert_ptr_equal(fp_agent_dev(&b->storages[0]), b->storages[0].dev);
    region_flags(b, FP_AGENT_REGION_RDONLY);
    dev = fp_agent_dev(&b->storages[0]);
    assert_int_equal(fp_bdev_prog(dev, FLASH_SIZE / 2, buf, 16), FP_ERR_ACCES);
    assert_int_equal(fp_bdev_erase(dev, 31, 2), FP_ERR_ACCES);
    assert_int_equal(fp_bdev_read(dev, FLASH_SIZE / 2, buf, 16), 0);
    assert_int_equal(fp_bdev_prog(dev, FLASH_SIZE / 2 - 16, buf, 16), 0);
    assert_int_equal(fp_bdev_erase(dev, 31, 1), 0);
    region_flags(b, FP_AGENT_REGION_HIDDEN);
    assert_int_equal(fp_bdev_read(dev, FLASH_SIZE / 2 - 8, buf, 16),
                     FP_ERR_ACCES);
    assert_int_equal(fp_bdev_prog(dev, FLASH_SIZE - 16, buf, 16), FP_ERR_ACCES);
    assert_int_equal(fp_bdev_erase(dev, 63, 1), FP_ERR_ACCES);
    bench_free(b);
}

static void a_volume_on_a_read_only_region_is_read_only(void **state)
{
    struct bench *b = bench_new(true);
    const fp_VolumeReply *told;
    uint64_t before;

    (void)state;
    assert_int_equal(put(b, "/flash/f", 1, old, sizeof old), 0);
    region_flags(b, FP_AGENT_REGION_RDONLY);
    SET(ask(b, fp_Envelope_unmount_tag)->body.unmount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    SET(ask(b, fp_Envelope_mount_tag)->body.mount.volume, "/flash");
    assert_int_equal(error_of(answer(b)), 0);
    before = worn(b);
    assert_int_equal(put(b, "/flash/f", 2, new, sizeof new), FP_ERR_ROFS);
    assert_int_equal(remove_at(b, "/flash/f"), FP_ERR_ROFS);
    assert_content(b, "/flash/f", old, sizeof old);
    assert_int_equal(worn(b), before);
    (void)ask(b, fp_Envelope_volumes_tag);
    told = &answer(b)->body.volume_reply;
    assert_false(told->writable);
    assert_memory_equal(told->reason.bytes, "the firmware makes it read-only",
                        told->reason.size);
    bench_free(b);
}

static void what_is_hidden_reads_as_unreadable(void **state)
{
    struct bench *b = bench_new(false);
    const fp_Envelope *last;
    fp_Envelope *env;

    (void)state;
    memset(b->flash, 0x5a, sizeof b->flash);
    region_flags(b, FP_AGENT_REGION_HIDDEN);
    env = ask(b, fp_Envelope_chunk_read_tag);
    SET(env->body.chunk_read.storage, "flash0");
    env->body.chunk_read.first = 31;
    env->body.chunk_read.count = 2;
    env->body.chunk_read.stream = 200;
    last = answer(b);
    assert_int_equal(last->body.chunk_read_reply.status.bytes[0],
                     fp_ChunkStatus_CHUNK_OK);
    assert_int_equal(last->body.chunk_read_reply.status.bytes[1],
                     fp_ChunkStatus_CHUNK_UNREADABLE);
    assert_int_equal(b->bulk_size, 2 * BLOCK_SIZE);
    for (size_t i = 0; i < b->bulk_size; i++)
        assert_int_equal(b->bulk[i], i < BLOCK_SIZE ? 0x5a : 0);
    env = ask(b, fp_Envelope_chunk_digest_tag);
    SET(env->body.chunk_digest.storage, "flash0");
    env->body.chunk_digest.first = 31;
    env->body.chunk_digest.count = 2;
    last = answer(b);
    assert_int_equal(last->body.chunk_digest_reply.status.bytes[0],
                     fp_ChunkStatus_CHUNK_FILL);
    assert_int_equal(last->body.chunk_digest_reply.status.bytes[1],
                     fp_ChunkStatus_CHUNK_UNREADABLE);
    for (int i = 16; i < 32; i++)
        assert_int_equal(last->body.chunk_digest_reply.digests.bytes[i], 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_protected_path_is_changed_by_no_request),
        cmocka_unit_test(its_folder_stays_and_may_be_written_in),
        cmocka_unit_test(other_spellings_are_the_same_path),
        cmocka_unit_test(nothing_takes_a_protected_path_along),
        cmocka_unit_test(no_nonce_is_good_in_another_session),
        cmocka_unit_test(no_write_reaches_a_guarded_region),
        cmocka_unit_test(no_write_goes_past_the_end),
        cmocka_unit_test(nor_does_one_of_a_driver),
        cmocka_unit_test(a_volume_on_a_read_only_region_is_read_only),
        cmocka_unit_test(what_is_hidden_reads_as_unreadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
