/* SPDX-License-Identifier: MIT
 *
 * Random operations on a littlefs and on a model in memory, in ten geometries:
 * after each operation the two answer alike, and now and then, with the volume
 * mounted afresh, hold the same tree. At the end the checker that knows
 * nothing of the driver finds the image sound and lists what the model has.
 *
 *     FP_LFS_OPS=1000000  in all geometries together
 *     FP_LFS_SEED=7       another run
 *     FP_LFS_GEOMETRY=3   this one alone, the same as in the whole run
 *     FP_LFS_TRACE=1      each operation before it is done
 *
 * `./dev soak littlefs` is this program with many operations.
 */
#include "tests/unit/littlefs_model.h"

struct geometry {
    uint32_t block_size, block_count, prog_size;
    uint32_t caches[2]; /* a mount takes either */
    uint32_t version;
    int32_t cycles;
    const char *options;
};

/* From the smallest block to the largest, one that is no power of two, one
 * that is nearly always full, one where every second erase moves metadata. */
static const struct geometry geometries[] = {
    { 128, 2048, 1, { 0, 16 }, 0, 0, NULL },
    { 128, 1024, 16, { 32, 128 }, 0, 3, "mdirs=4" },
    { 256, 1024, 4, { 64, 16 }, 0, 1, NULL },
    { 512, 256, 16, { 0, 512 }, 0, -1, "mdirs=8,lookahead=1" },
    { 512, 44, 16, { 64, 0 }, 0, 10, NULL },
    { 512, 400, 64, { 0, 64 }, 0x20000, 8, NULL },
    { 600, 256, 4, { 0, 40 }, 0, 2, NULL },
    { 4096, 96, 4096, { 0, 4096 }, 0, 5, NULL },
    { 16384, 48, 256, { 0, 1024 }, 0, 3, "lookahead=2" },
    { 65536, 32, 2048, { 2048, 65536 }, 0, 20, NULL },
};

#define GEOMETRIES (sizeof geometries / sizeof *geometries)

static void format(struct fp_bdev *dev, const struct fp_fs_config *cfg)
{
    size_t size = fp_fs_littlefs.workspace(dev, cfg);
    void *ws = malloc(size);

    assert_int_equal(fp_fs_format(&fp_fs_littlefs, dev, cfg, ws, size), FP_OK);
    free(ws);
}

static void list_and_compare(const struct geometry *g, const char *name,
                             const uint8_t *mem,
                             struct lfs_model_counts *counts)
{
    uint32_t used, found;
    json_t *want = lfs_model_stop(&used, counts), *got;
    char options[60];

    /* Without space a pair may stay in the thread until the next repair. */
    snprintf(options, sizeof options, "--prog-size %u %s", g->prog_size,
             counts->full ? "" : "--settled");
    got = lfs_list_image(name, mem, g->block_size, g->block_count, true,
                         options, &found);
    lfs_assert_same(name, got, want);
    assert_int_equal(found, used);
    json_decref(want);
    json_decref(got);
}

static void run(const struct geometry *g, uint64_t seed, uint32_t operations,
                bool resize)
{
    size_t size = (size_t)g->block_size * g->block_count;
    struct lfs_model_counts counts;
    struct fp_bdev_ram ram;
    static char name[100];
    struct lfs_model_config conf = {
        .name = name,
        .dev = &ram.bdev,
        .mount = { .block_cycles = g->cycles, .options = g->options },
        .caches = { g->caches[0], g->caches[1] },
        .seed = seed,
        .resize = resize,
    };
    struct fp_fs_config cfg = { .version = g->version };
    uint8_t *mem = malloc(size);

    assert_non_null(mem);
    memset(mem, 0xff, size);
    snprintf(name, sizeof name, "%u blocks of %u, prog %u, cycles %d",
             g->block_count, g->block_size, g->prog_size, g->cycles);
    fp_bdev_ram_init(&ram, g->prog_size, g->block_size, g->block_count, mem);
    format(&ram.bdev, &cfg);
    lfs_model_start(&conf);
    for (uint32_t done = 0; done < operations;) {
        uint32_t n = operations - done < 20000 ? operations - done : 20000;

        lfs_model_run(n);
        done += n;
        if (done < operations) {
            print_message("%s: %u of %u\n", name, done, operations);
            fflush(stdout);
        }
    }
    list_and_compare(g, name, mem, &counts);
    print_message("%s: %u operations, up to %u entries, %u mounts, %u resized, "
                  "%u listed, %u opened twice, %u after removal; "
                  "%u found no space, %u stale\n",
                  name, counts.operations, counts.entries, counts.mounts,
                  counts.resized, counts.listed, counts.twice, counts.removed,
                  counts.full, counts.stale);
    fflush(stdout);
    free(mem);
}

static uint64_t number(const char *name, uint64_t without)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : without;
}

static void random_operations_match_a_model(void **state)
{
    uint32_t ops = (uint32_t)number("FP_LFS_OPS", 30000) / GEOMETRIES;
    uint64_t seed = number("FP_LFS_SEED", 20261121);
    uint64_t only = number("FP_LFS_GEOMETRY", GEOMETRIES);

    (void)state;
    print_message("FP_LFS_SEED=%llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < GEOMETRIES; i++)
        if (only == i || only >= GEOMETRIES)
            run(&geometries[i], seed * GEOMETRIES + i, ops, true);
}

/* Runs that found something once. */
static void what_was_found_stays_mended(void **state)
{
    /* The allocator gave out the blocks of a removed directory while it was
     * being taken out of the thread, and a listing that had moved there was
     * ended with it. */
    static const struct geometry reuse = {
        512, 74, 64, { 0, 0 }, 0, 1, "mdirs=3,lookahead=7"
    };
    /* While the removal of a move's source relocated its pair, the entry that
     * followed it was taken for the source, and its blocks for free. */
    static const struct geometry neighbour = {
        128, 142, 2, { 0, 0 }, 0, 5, "mdirs=5,lookahead=6"
    };

    (void)state;
    /* A write that was refused before it began kept what was not synced; and
     * an entry could grow until it could not be written out afresh, which the
     * next change of a link in its pair needed. */
    run(&geometries[0], 202611210, 16000, true);
    run(&neighbour, 3122, 10000, true);
    run(&reuse, 2007, 10000, false);
}

static int say_where(void **state)
{
    (void)state;
    lfs_model_where();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_found_stays_mended, say_where),
        cmocka_unit_test_teardown(random_operations_match_a_model, say_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
