/* SPDX-License-Identifier: MIT
 *
 * Chunks and snapshots on real SQLite files. Expected counts are by hand.
 */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#define CHUNK 4096

static struct fpd_store *open_of(void **state)
{
    return ((struct fixture *)*state)->store;
}

/* n chunks, each of its own content. */
static uint8_t *image_new(unsigned n, uint64_t seed)
{
    uint8_t *image = malloc((size_t)n * CHUNK);

    for (unsigned i = 0; i < n; i++)
        fill_chunk(image + (size_t)i * CHUNK, CHUNK, seed * 100000 + i);
    return image;
}

/* Two devices with one image cost one image: 600 chunks, in 3 leaves under one
 * root. A third that differs in chunk 0 adds a chunk, a leaf and a root. */
static void one_image_twice_is_stored_once(void **state)
{
    struct fixture *f = *state;
    struct fpd_snapshot a, b, c;
    uint8_t *image = image_new(600, 1);

    assert_int_equal(take(f->store, "a", image, 600 * CHUNK, CHUNK, &a), 0);
    assert_int_equal(take(f->store, "b", image, 600 * CHUNK, CHUNK, &b), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 600);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM blob"), 600);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM node"), 4);
    assert_true(a.new_bytes > 0 && b.new_bytes == 0);
    image[0] ^= 1;
    assert_int_equal(take(f->store, "c", image, 600 * CHUNK, CHUNK, &c), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 601);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM node"), 6);
    assert_int_equal(compare(f->store, c.id, image, 600 * CHUNK), 0);
    image[0] ^= 1;
    assert_int_equal(compare(f->store, b.id, image, 600 * CHUNK), 0);
    free(image);
}

static void delete_and_sweep_free_what_is_not_shared(void **state)
{
    struct fixture *f = *state;
    struct fpd_snapshot a, c;
    struct fpd_store_sweep swept;
    uint8_t *image = image_new(600, 1);

    assert_int_equal(take(f->store, "a", image, 600 * CHUNK, CHUNK, &a), 0);
    image[0] ^= 1;
    assert_int_equal(take(f->store, "c", image, 600 * CHUNK, CHUNK, &c), 0);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks + swept.nodes, 0);

    assert_int_equal(fpd_store_snapshot_delete(f->store, a.id), 0);
    assert_int_equal(fpd_store_snapshot_delete(f->store, a.id), FP_ERR_NOENT);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks, 1);
    assert_int_equal(swept.nodes, 2);
    assert_int_equal(compare(f->store, c.id, image, 600 * CHUNK), 0);

    assert_int_equal(fpd_store_snapshot_pin(f->store, c.id, true), 0);
    assert_int_equal(fpd_store_snapshot_delete(f->store, c.id), FP_ERR_ACCES);
    assert_int_equal(fpd_store_snapshot_pin(f->store, c.id, false), 0);
    assert_int_equal(fpd_store_snapshot_delete(f->store, c.id), 0);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks, 600);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM blob"), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM node"), 0);
    assert_int_equal(ask(f, "store.db", "PRAGMA freelist_count"), 0);
    free(image);
}

/* An open handle keeps its content, however often it is swept. */
static void a_handle_outlives_its_snapshot(void **state)
{
    struct fixture *f = *state;
    struct fpd_snapshot a;
    struct fpd_store_sweep swept;
    struct fpd_snapshot_reader *r;
    uint8_t *image = image_new(10, 2), buf[10 * CHUNK];

    assert_int_equal(take(f->store, "a", image, sizeof buf, CHUNK, &a), 0);
    assert_int_equal(fpd_store_snapshot_open(f->store, a.id, &r), 0);
    assert_int_equal(fpd_store_snapshot_delete(f->store, a.id), 0);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks, 0);
    assert_int_equal(fpd_store_snapshot_read(r, 0, buf, sizeof buf, NULL), 0);
    assert_memory_equal(buf, image, sizeof buf);
    fpd_store_snapshot_close(r);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks, 10);
    assert_int_equal(fpd_store_snapshot_open(f->store, a.id, &r), FP_ERR_NOENT);
    free(image);
}

/* What a builder was promised is there at its commit, also when the snapshot
 * it came from goes meanwhile; and a builder given up leaves nothing. */
static void a_builder_pins_what_it_names(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_builder_config cfg = { .device = "b",
                                            .storage = "flash0",
                                            .size = 3 * CHUNK,
                                            .chunk_size = CHUNK };
    struct fpd_store_builder_end end = { .consistency = FPD_CONSISTENCY_FROZEN,
                                         .gen = 7,
                                         .fs = "littlefs" };
    uint8_t *image = image_new(3, 3), digests[3 * 16], kinds[3] = { 0 };
    struct fpd_store_builder *b;
    struct fpd_store_sweep swept;
    struct fpd_snapshot a, s;
    bool wanted[3];

    assert_int_equal(take(f->store, "a", image, 2 * CHUNK, CHUNK, &a), 0);
    for (int i = 0; i < 3; i++)
        fpd_store_digest(image + i * CHUNK, CHUNK, digests + 16 * i);
    assert_int_equal(fpd_store_builder_new(f->store, &cfg, &b), 0);
    assert_int_equal(fpd_store_builder_offer(b, 0, 3, digests, kinds, wanted),
                     1);
    assert_false(wanted[0]);
    assert_false(wanted[1]);
    assert_true(wanted[2]);
    assert_int_equal(fpd_store_snapshot_delete(f->store, a.id), 0);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(swept.chunks, 0);
    assert_int_equal(swept.nodes, 1);

    assert_int_equal(fpd_store_builder_commit(b, &end, &s), FP_ERR_INVAL);
    assert_int_equal(fpd_store_builder_put(b, 2, image, CHUNK), FP_ERR_DIGEST);
    assert_int_equal(fpd_store_builder_put(b, 2, image, 5), FP_ERR_INVAL);
    assert_int_equal(fpd_store_builder_put(b, 3, image, CHUNK), FP_ERR_INVAL);
    assert_int_equal(fpd_store_builder_missing(b), 1);
    assert_int_equal(fpd_store_builder_put(b, 2, image + 2 * CHUNK, CHUNK), 0);
    assert_int_equal(fpd_store_builder_commit(b, &end, &s), 0);
    fpd_store_builder_free(b);
    assert_int_equal(compare(f->store, s.id, image, 3 * CHUNK), 0);
    assert_int_equal(fpd_store_snapshot_get(f->store, s.id, &a), 0);
    assert_memory_equal(&a, &s, sizeof a);
    assert_string_equal(a.fs, "littlefs");
    assert_int_equal(a.gen, 7);

    assert_int_equal(fpd_store_builder_new(f->store, &cfg, &b), 0);
    image[0] ^= 1;
    assert_int_equal(fpd_store_builder_put(b, 0, image, CHUNK), 0);
    fpd_store_builder_free(b);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 3);
    free(image);
}

static void a_digest_counts_in_its_size_only(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_builder_config cfg = { .device = "b",
                                            .storage = "flash0",
                                            .size = CHUNK + 512,
                                            .chunk_size = CHUNK };
    uint8_t *image = image_new(1, 3), digests[2 * 16], kinds[2] = { 0 };
    struct fpd_store_builder *b;
    struct fpd_snapshot a;
    bool wanted[2];

    assert_int_equal(take(f->store, "a", image, CHUNK, CHUNK, &a), 0);
    for (int i = 0; i < 2; i++)
        fpd_store_digest(image, CHUNK, digests + 16 * i);
    assert_int_equal(fpd_store_builder_new(f->store, &cfg, &b), 0);
    assert_int_equal(fpd_store_builder_offer(b, 0, 2, digests, kinds, wanted),
                     1);
    assert_true(wanted[1]); /* the last one is shorter */
    /* One that waits in the batch has a size too. */
    image[0] ^= 1;
    fpd_store_digest(image, CHUNK, digests);
    memcpy(digests + 16, digests, 16);
    assert_int_equal(fpd_store_builder_put(b, 0, image, CHUNK), FP_OK);
    assert_int_equal(fpd_store_builder_offer(b, 0, 2, digests, kinds, wanted),
                     1);
    assert_true(wanted[1]);
    fpd_store_builder_free(b);
    free(image);
}

struct meanwhile {
    struct fpd_store *store;
    uint8_t *image;
    struct fpd_snapshot taken;
};

static int take_once(void *ctx, uint64_t done, uint64_t total)
{
    struct meanwhile *m = ctx;

    (void)done;
    (void)total;
    return m->taken.id[0]
               ? FP_OK
               : take(m->store, "b", m->image, 600 * CHUNK, CHUNK, &m->taken);
}

/* The sweep has looked at what lives, and just then the image that nobody
 * named any more is taken again: it stays, nodes and chunks. */
static void a_commit_during_a_sweep_is_kept(void **state)
{
    struct fixture *f = *state;
    struct meanwhile m = { .store = f->store, .image = image_new(600, 1) };
    struct fpd_snapshot a, other;
    struct fpd_store_sweep swept;
    uint8_t *small = image_new(2, 9);

    assert_int_equal(take(f->store, "a", m.image, 600 * CHUNK, CHUNK, &a), 0);
    assert_int_equal(take(f->store, "o", small, 2 * CHUNK, CHUNK, &other), 0);
    assert_int_equal(fpd_store_snapshot_delete(f->store, a.id), 0);
    assert_int_equal(fpd_store_sweep(f->store, take_once, &m, &swept), 0);
    assert_true(m.taken.id[0]);
    assert_int_equal(swept.chunks + swept.nodes, 0);
    assert_int_equal(compare(f->store, m.taken.id, m.image, 600 * CHUNK), 0);
    free(small);
    free(m.image);
}

static int give_up(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return FP_ERR_CANCELED;
}

static void long_work_can_be_given_up(void **state)
{
    struct fixture *f = *state;
    struct fpd_snapshot a;
    struct fpd_store_sweep swept;
    struct fpd_store_verify v;
    uint8_t *image = image_new(3, 1);

    assert_int_equal(take(f->store, "a", image, 3 * CHUNK, CHUNK, &a), 0);
    assert_int_equal(fpd_store_sweep(f->store, give_up, NULL, &swept),
                     FP_ERR_CANCELED);
    assert_int_equal(fpd_store_verify(f->store, NULL, give_up, NULL, &v),
                     FP_ERR_CANCELED);
    assert_int_equal(fpd_store_verify(f->store, a.id, give_up, NULL, &v),
                     FP_ERR_CANCELED);
    assert_int_equal(fpd_store_sweep(f->store, NULL, NULL, &swept), 0);
    free(image);
}

static void fill_and_unreadable_take_no_chunk(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_builder_config cfg = { .device = "a",
                                            .storage = "flash0",
                                            .size = 3 * CHUNK + 100,
                                            .chunk_size = CHUNK };
    struct fpd_store_builder_end end = { .consistency =
                                             FPD_CONSISTENCY_QUIESCED };
    struct fpd_snapshot_entry e[4];
    struct fpd_snapshot_reader *r;
    struct fpd_store_builder *b;
    struct fpd_store_bdev dev;
    struct fpd_snapshot s;
    uint8_t buf[CHUNK], tail[100], digests[32] = { 0xff }, kinds[2] = { 1, 2 };
    uint32_t bad = 99;
    bool wanted[2];

    fill_chunk(tail, sizeof tail, 5);
    memset(buf, 0x55, sizeof buf);
    assert_int_equal(fpd_store_builder_new(f->store, &cfg, &b), 0);
    assert_int_equal(fpd_store_builder_offer(b, 0, 2, digests, kinds, wanted),
                     0);
    assert_int_equal(fpd_store_builder_put(b, 2, buf, sizeof buf), 0);
    assert_int_equal(fpd_store_builder_put(b, 3, tail, sizeof tail), 0);
    assert_int_equal(fpd_store_builder_commit(b, &end, &s), 0);
    fpd_store_builder_free(b);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 1);
    assert_false(s.complete);
    assert_int_equal(s.unreadable, 1);

    assert_int_equal(fpd_store_snapshot_open(f->store, s.id, &r), 0);
    assert_int_equal(fpd_store_snapshot_entries(r, 0, 4, e), 0);
    assert_int_equal(e[0].kind, FPD_KIND_FILL);
    assert_int_equal(e[0].fill, 0xff);
    assert_int_equal(e[1].kind, FPD_KIND_UNREADABLE);
    assert_int_equal(e[2].fill, 0x55);
    assert_int_equal(e[3].kind, FPD_KIND_CHUNK);
    assert_int_equal(fpd_store_snapshot_read(r, 0, buf, 10, &bad), 0);
    assert_int_equal(buf[9], 0xff);
    assert_int_equal(fpd_store_snapshot_read(r, CHUNK - 1, buf, 2, &bad),
                     FP_ERR_CORRUPT);
    assert_int_equal(bad, 1);
    assert_int_equal(fpd_store_snapshot_read(r, 3 * CHUNK - 1, buf, 101, NULL),
                     0);
    assert_int_equal(buf[0], 0x55);
    assert_memory_equal(buf + 1, tail, 100);
    assert_int_equal(fpd_store_snapshot_read(r, 3 * CHUNK, buf, 101, NULL),
                     FP_ERR_INVAL);
    assert_int_equal(fpd_store_snapshot_read(r, UINT64_MAX, buf, 2, NULL),
                     FP_ERR_INVAL);

    assert_int_equal(fpd_store_bdev_init(&dev, r, 512), 0);
    assert_int_equal(dev.bdev.block_count, 24); /* 12,388 / 512 */
    assert_int_equal(fp_bdev_read(&dev.bdev, 2 * CHUNK + 7, buf, 3), 0);
    assert_int_equal(buf[2], 0x55);
    assert_int_equal(fp_bdev_prog(&dev.bdev, 0, buf, 1), FP_ERR_ROFS);
    assert_int_equal(fp_bdev_erase(&dev.bdev, 0, 1), FP_ERR_ROFS);
    fpd_store_snapshot_close(r);
}

/* A byte turned in one blob: reading says so, verify counts it, and the next
 * backup of the same content puts it right. */
static void a_damaged_chunk_is_found_and_healed(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_verify v;
    struct fpd_snapshot a, b;
    uint8_t *image = image_new(20, 4), id[1][16];
    bool present[1];

    assert_int_equal(take(f->store, "a", image, 20 * CHUNK, CHUNK, &a), 0);
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), 0);
    assert_int_equal(v.chunks, 20);
    assert_int_equal(v.bytes, 20 * CHUNK);
    assert_int_equal(v.bad + v.missing + v.nodes_bad, 0);
    damage(f, "store.db", "UPDATE chunk SET checked_ms = 0");
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), 0);
    assert_int_equal(
        ask(f, "store.db", "SELECT count(*) FROM chunk WHERE checked_ms = 0"),
        0);
    damage(f, "store.db",
           "UPDATE blob SET data = zeroblob(length(data)) WHERE id = 1");
    /* This one unpacks well, to what another chunk is. */
    damage(f, "store.db",
           "UPDATE blob SET data = (SELECT data FROM blob WHERE id = 3)"
           " WHERE id = 2");
    assert_int_equal(compare(f->store, a.id, image, 20 * CHUNK),
                     FP_ERR_CORRUPT);
    assert_int_equal(fpd_store_verify(f->store, a.id, NULL, NULL, &v), 0);
    assert_int_equal(v.bad, 2);
    fpd_store_digest(image, CHUNK, id[0]);
    assert_int_equal(fpd_store_have(f->store, id, 1, present), 0);
    assert_false(present[0]);
    assert_int_equal(take(f->store, "b", image, 20 * CHUNK, CHUNK, &b), 0);
    assert_int_equal(compare(f->store, a.id, image, 20 * CHUNK), 0);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM blob"), 20);

    /* A node: nothing may be freed by what it no longer tells. */
    damage(f, "store.db", "UPDATE node SET kids = substr(kids, 18)");
    assert_int_equal(compare(f->store, a.id, image, 20 * CHUNK),
                     FP_ERR_CORRUPT);
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), 0);
    assert_int_equal(v.nodes_bad, 1);
    assert_int_equal(
        fpd_store_sweep(f->store, NULL, NULL, &(struct fpd_store_sweep){ 0 }),
        FP_ERR_CORRUPT);
    assert_int_equal(ask(f, "store.db", "SELECT count(*) FROM chunk"), 20);
    assert_int_equal(take(f->store, "b", image, 20 * CHUNK, CHUNK, &b), 0);
    assert_int_equal(compare(f->store, a.id, image, 20 * CHUNK), 0);

    damage(f, "store.db", "DELETE FROM chunk WHERE loc = 3");
    assert_int_equal(fpd_store_verify(f->store, NULL, NULL, NULL, &v), 0);
    assert_int_equal(v.missing, 1);
    free(image);
}

/* A snapshot that names a chunk of another size is what is wrong; the chunk is
 * another's, and sound. */
static void a_chunk_of_another_size_stays_sound(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_verify v;
    struct fpd_snapshot a, b;
    uint8_t *image = image_new(2, 4), byte;
    struct fpd_snapshot_reader *r;

    assert_int_equal(take(f->store, "a", image, 2 * CHUNK, CHUNK, &a), 0);
    assert_int_equal(take(f->store, "b", image, 2 * CHUNK, CHUNK, &b), 0);
    damage(f, "store.db",
           "UPDATE snapshot SET chunk_size = 2048, size = 4096"
           " WHERE device = 'b'");
    assert_int_equal(fpd_store_verify(f->store, b.id, NULL, NULL, &v), 0);
    assert_int_equal(v.bad, 2);
    assert_int_equal(fpd_store_snapshot_open(f->store, b.id, &r), 0);
    assert_int_equal(fpd_store_snapshot_read(r, 0, &byte, 1, NULL),
                     FP_ERR_CORRUPT);
    fpd_store_snapshot_close(r);
    assert_int_equal(ask(f, "store.db", "SELECT sum(bad) FROM chunk"), 0);
    assert_int_equal(compare(f->store, a.id, image, 2 * CHUNK), 0);
    free(image);
}

/* 70,000 chunks make a tree of three levels: 274 leaves, 2 nodes, a root. */
static void three_levels(void **state)
{
    struct fixture *f = *state;
    struct fpd_store_builder_config cfg = { .device = "a",
                                            .storage = "sd",
                                            .size = 70000ull * 512,
                                            .chunk_size = 512 };
    struct fpd_store_builder_end end = { .consistency =
                                             FPD_CONSISTENCY_DOUBLE_READ };
    struct fpd_snapshot_reader *r;
    struct fpd_store_builder *b;
    struct fpd_snapshot s;
    uint8_t chunk[512];
    uint32_t index;

    assert_int_equal(fpd_store_builder_new(f->store, &cfg, &b), 0);
    for (uint32_t i = 0; i < 70000; i++) {
        memset(chunk, (int)(i / 256 % 256), sizeof chunk);
        chunk[0] = i % 1000 ? chunk[0] : (uint8_t)(chunk[1] + 1);
        assert_int_equal(fpd_store_builder_put(b, i, chunk, sizeof chunk), 0);
    }
    assert_int_equal(fpd_store_builder_clear(b, 69999, 1), 0);
    assert_int_equal(fpd_store_builder_next_missing(b, 5, &index), 0);
    assert_int_equal(index, 69999);
    assert_int_equal(fpd_store_builder_unreadable(b, 69999), 0);
    assert_int_equal(fpd_store_builder_commit(b, &end, &s), 0);
    fpd_store_builder_free(b);
    assert_int_equal(
        ask(f, "store.db", "SELECT count(*) FROM node WHERE level = 1"), 2);
    assert_int_equal(
        ask(f, "store.db", "SELECT count(*) FROM node WHERE level = 2"), 1);
    assert_int_equal(fpd_store_snapshot_open(f->store, s.id, &r), 0);
    for (uint32_t i = 0; i < 69999; i += 7) {
        assert_int_equal(
            fpd_store_snapshot_read(r, (uint64_t)i * 512 + 1, chunk, 511, NULL),
            0);
        assert_int_equal(chunk[510], i / 256 % 256);
    }
    assert_int_equal(fpd_store_snapshot_read(r, 69999ull * 512, chunk, 1, NULL),
                     FP_ERR_CORRUPT);
    fpd_store_snapshot_close(r);
}

static void bad_configs_are_refused(void **state)
{
    struct fpd_store *store = open_of(state);
    struct fpd_store_builder_config good = { .device = "a",
                                             .storage = "s",
                                             .size = 1,
                                             .chunk_size = 4096 },
                                    cfg;
    struct fpd_store_builder *b;
    char longer[66];

    memset(longer, 'x', 65);
    longer[65] = 0;
    cfg = good, cfg.chunk_size = 4095;
    assert_int_equal(fpd_store_builder_new(store, &cfg, &b), FP_ERR_INVAL);
    cfg = good, cfg.size = 0;
    assert_int_equal(fpd_store_builder_new(store, &cfg, &b), FP_ERR_INVAL);
    cfg = good, cfg.off = 100;
    assert_int_equal(fpd_store_builder_new(store, &cfg, &b), FP_ERR_INVAL);
    cfg = good, cfg.device = longer;
    assert_int_equal(fpd_store_builder_new(store, &cfg, &b), FP_ERR_INVAL);
    cfg = good, cfg.size = (1ull << 34) + 1; /* 16 GiB and a byte */
    assert_int_equal(fpd_store_builder_new(store, &cfg, &b), FP_ERR_FBIG);
}

static void lists_go_page_by_page(void **state)
{
    struct fpd_store *store = open_of(state);
    struct fpd_snapshot s, page[3];
    struct fpd_snapshot_filter filter = { .device = "b" };
    size_t n;
    uint8_t byte = 1;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(take(store, "a", &byte, 1, 4096, &s), 0);
        assert_int_equal(take(store, "b", &byte, 1, 4096, &s), 0);
    }
    assert_int_equal(fpd_store_snapshot_list(store, &filter, page, 3, &n), 0);
    assert_int_equal(n, 3);
    assert_string_equal(page[0].id, s.id);
    filter.before = page[2].id;
    assert_int_equal(fpd_store_snapshot_list(store, &filter, page, 3, &n), 0);
    assert_int_equal(n, 2);
    filter.before = "../x";
    assert_int_equal(fpd_store_snapshot_list(store, &filter, page, 3, &n),
                     FP_ERR_INVAL);
    assert_int_equal(fpd_store_snapshot_tag(store, s.id, "[\"lab\"]"), 0);
    assert_int_equal(fpd_store_snapshot_get(store, s.id, &s), 0);
    assert_string_equal(s.tags, "[\"lab\"]");
    assert_int_equal(fpd_store_snapshot_tag(store, s.id, ""), 0);
    assert_int_equal(fpd_store_snapshot_get(store, "' OR 1", &s), FP_ERR_NOENT);
}

/* ---- the folder ---- */

static void the_folder_is_private_and_taken_once(void **state)
{
    struct fixture *f = *state;
    struct fpd_store *second = NULL;
    char why[256] = "", path[128];
    struct stat st;

    assert_int_equal(fpd_store_open(f->dir, &second, why, sizeof why),
                     FP_ERR_BUSY);
    assert_non_null(strstr(why, "another flashportd"));
    snprintf(path, sizeof path, "%s/store.db-wal", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ask(f, "store.db", "PRAGMA page_size"), 65536);
    assert_int_equal(ask(f, "store.db", "PRAGMA auto_vacuum"), 2);
    assert_int_equal(ask(f, "meta.db", "PRAGMA page_size"), 4096);
}

static void a_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    char why[256] = "";

    fpd_store_close(f->store);
    f->store = NULL;
    damage(f, "meta.db", "PRAGMA user_version = 99");
    assert_int_equal(fpd_store_open(f->dir, &f->store, why, sizeof why),
                     FP_ERR_NOTSUP);
    assert_non_null(strstr(why, "newer"));
    damage(f, "meta.db", "PRAGMA user_version = 1; DROP TABLE token");
    assert_int_equal(fpd_store_open(f->dir, &f->store, why, sizeof why),
                     FP_ERR_CORRUPT);
    assert_non_null(strstr(why, "token"));
    damage(f, "meta.db", "PRAGMA application_id = 1");
    assert_int_equal(fpd_store_open(f->dir, &f->store, why, sizeof why),
                     FP_ERR_CORRUPT);
    assert_non_null(strstr(why, "another program"));
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char why[256] = "", path[128];
    int fd;

    fpd_store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/store.db", f->dir);
    fd = open(path, O_WRONLY | O_TRUNC);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(write(fd, "garbage!", 8), 8);
    close(fd);
    assert_int_equal(fpd_store_open(f->dir, &f->store, why, sizeof why),
                     FP_ERR_CORRUPT);
    assert_non_null(strstr(why, "store.db"));
    assert_int_equal(fpd_store_open("/dev/null", &f->store, why, sizeof why),
                     FP_ERR_NOTDIR);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_image_twice_is_stored_once),
        TEST(delete_and_sweep_free_what_is_not_shared),
        TEST(a_handle_outlives_its_snapshot),
        TEST(a_builder_pins_what_it_names),
        TEST(a_digest_counts_in_its_size_only),
        TEST(a_chunk_of_another_size_stays_sound),
        TEST(a_commit_during_a_sweep_is_kept),
        TEST(long_work_can_be_given_up),
        TEST(fill_and_unreadable_take_no_chunk),
        TEST(a_damaged_chunk_is_found_and_healed),
        TEST(three_levels),
        TEST(bad_configs_are_refused),
        TEST(lists_go_page_by_page),
        TEST(the_folder_is_private_and_taken_once),
        TEST(a_newer_schema_is_refused),
        TEST(a_file_that_is_no_database_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
