/* SPDX-License-Identifier: MIT */
#include "tests/unit/fs_suite.h"

#include "core/bdev/fault.h"
#include "core/bdev/ram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A volume on memory behind the fault wrapper. */
struct vol {
    const struct fs_suite_row *row;
    uint8_t *mem, *scratch;
    void *ws, *wrap;
    size_t ws_size;
    struct fp_bdev_ram ram;
    struct fp_bdev_fault fault;
    struct fp_bdev *dev; /* what the volume lies on */
    struct fp_fs_config cfg;
    struct fp_mount mnt;
    struct fp_statfs fs; /* as it was when freshly formatted */
    uint32_t unit; /* a block, or less where these are large for the volume */
};

/* A time that a clock of two seconds has, too. */
#define NOON 1700000000000000000

static const uint32_t CREATE = FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;
static const uint32_t STAGE =
    FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC | FP_O_STAGE;

/* Expects fp code: the name in the output says more than a number. */
#define expect(call, err) expect_at((call), (err), #call, __FILE__, __LINE__)

static void expect_at(int64_t got, int64_t want, const char *call,
                      const char *file, int line)
{
    if (got == want)
        return;
    print_error("%s: %s (%lld), not %s (%lld)\n", call, fp_error_name((int)got),
                (long long)got, fp_error_name((int)want), (long long)want);
    _fail(file, line);
}

/* Skips the rest of a test that this driver has nothing to do with. */
static void needs(const struct vol *v, bool has, const char *what)
{
    if (has)
        return;
    print_message("           %s has no %s\n", v->row->ops->name, what);
    skip();
}

static void need(const struct vol *v, uint32_t cap, const char *what)
{
    needs(v, v->fs.caps & cap, what);
}

static bool is_able(const struct vol *v, uint32_t cap)
{
    return (v->fs.caps & cap) == cap;
}

/* What is left of a size, or of a number of files, on this volume. */
static uint32_t fit(const struct vol *v, uint32_t size)
{
    return v->fs.file_max < size ? (uint32_t)v->fs.file_max : size;
}

static uint32_t fit_files(const struct vol *v, uint32_t count)
{
    return v->fs.files_max && v->fs.files_max < count
               ? (uint32_t)v->fs.files_max
               : count;
}

/* As a device that has just started has it. */
static void start(struct vol *v)
{
    int err = FP_OK;

    v->dev = &v->fault.bdev;
    if (v->row->wrap != NULL)
        v->dev = v->row->wrap(v->wrap, &v->fault.bdev, &err);
    expect(err, FP_OK);
}

static void mount(struct vol *v)
{
    start(v);
    expect(
        fp_fs_mount(&v->mnt, v->row->ops, v->dev, &v->cfg, v->ws, v->ws_size),
        FP_OK);
}

static void remount(struct vol *v)
{
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    memset(v->ws, 0xa5, v->ws_size);
    mount(v);
}

static void format(struct vol *v)
{
    expect(fp_fs_format(v->row->ops, v->dev, &v->cfg, v->ws, v->ws_size),
           FP_OK);
    mount(v);
}

/* Content that differs from seed to seed and has no period of a block. */
static void fill(uint8_t *buf, size_t size, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < size; i++) {
        x = x * 1664525 + 1013904223;
        buf[i] = (uint8_t)(x >> 24);
    }
}

static int write_file(struct vol *v, const char *path, const uint8_t *buf,
                      uint32_t size)
{
    struct fp_file file;
    int err = fp_fs_open(&v->mnt, &file, path, CREATE);
    int32_t n;

    if (err)
        return err;
    n = fp_fs_write(&file, buf, size);
    err = fp_fs_close(&file);
    if (n < 0)
        return n;
    return err ? err : FP_OK;
}

/* Writes `size` bytes of fill(seed). */
static int put(struct vol *v, const char *path, uint32_t size, uint32_t seed)
{
    uint8_t *buf = malloc(size + 1);
    int err;

    assert_non_null(buf);
    fill(buf, size, seed);
    err = write_file(v, path, buf, size);
    free(buf);
    return err;
}

/* 1 if the file has this content, 0 if another, or an error. */
static int has_bytes(struct vol *v, const char *path, const uint8_t *want,
                     uint32_t size)
{
    uint8_t *got = malloc(size + 1);
    struct fp_file file;
    int err = fp_fs_open(&v->mnt, &file, path, FP_O_READ);
    int32_t n;

    assert_non_null(got);
    if (err) {
        free(got);
        return err;
    }
    n = fp_fs_read(&file, got, size + 1);
    err = fp_fs_close(&file);
    if (n < 0 || err) {
        free(got);
        return n < 0 ? n : err;
    }
    err = n == (int32_t)size && memcmp(got, want, size) == 0;
    free(got);
    return err;
}

static int has(struct vol *v, const char *path, uint32_t size, uint32_t seed)
{
    uint8_t *want = malloc(size + 1);
    int same;

    assert_non_null(want);
    fill(want, size, seed);
    same = has_bytes(v, path, want, size);
    free(want);
    return same;
}

static int type_of(struct vol *v, const char *path)
{
    struct fp_stat st;
    int err = fp_fs_stat(&v->mnt, path, &st);

    return err ? err : st.type;
}

static void print_finding(void *ctx, enum fp_finding_level level,
                          uint32_t block, const char *text)
{
    (void)ctx;
    (void)level;
    print_message("           block %u: %s\n", block, text);
}

/* The driver's own check has no complaint. */
static void check_clean(struct vol *v)
{
    struct fp_step step = { .kind = FP_STEP_CHECK,
                            .on_finding = print_finding };

    if (v->row->ops->step == NULL)
        return;
    while (!step.done)
        expect(fp_fs_step(&v->mnt, &step), FP_OK);
    assert_int_equal(step.errors, 0);
    assert_int_equal(step.warnings, 0);
}

/* A fresh, formatted and mounted volume. */
static int set_up(void **state)
{
    const struct fs_suite_row *row = *state;
    size_t size = (size_t)row->block_size * row->block_count;
    struct vol *v = calloc(1, sizeof *v);

    assert_non_null(v);
    *v = (struct vol){ .row = row, .cfg = row->cfg };
    v->cfg.max_files = 4;
    v->unit = row->block_size;
    if (v->unit > size / 64)
        v->unit = (uint32_t)(size / 64);
    v->mem = malloc(size);
    v->scratch = malloc(row->block_size);
    v->wrap = calloc(1, row->wrap_size + 1);
    assert_true(v->mem != NULL && v->scratch != NULL && v->wrap != NULL);
    memset(v->mem, 0xff, size);
    fp_bdev_ram_init(&v->ram, row->prog_size, row->block_size, row->block_count,
                     v->mem);
    if (row->medium)
        v->ram.bdev.flags = row->medium;
    if (row->read_size)
        v->ram.bdev.read_size = row->read_size;
    fp_bdev_fault_init(&v->fault, &v->ram.bdev, v->scratch, 1);
    start(v);
    v->ws_size = row->ops->workspace(v->dev, &v->cfg);
    v->ws = malloc(v->ws_size);
    assert_non_null(v->ws);
    format(v);
    expect(fp_fs_statfs(&v->mnt, &v->fs), FP_OK);
    *state = v;
    return 0;
}

static int tear_down(void **state)
{
    struct vol *v = *state;

    free(v->ws);
    free(v->wrap);
    free(v->mem);
    free(v->scratch);
    free(v);
    return 0;
}

static void a_new_volume_is_empty(void **state)
{
    struct vol *v = *state;
    struct fp_dir dir;
    struct fp_dirent entry;

    expect(type_of(v, "/"), FP_TYPE_DIR);
    expect(fp_fs_opendir(&v->mnt, &dir, "/"), FP_OK);
    expect(fp_fs_readdir(&dir, &entry), 0);
    expect(fp_fs_readdir(&dir, &entry), 0);
    expect(fp_fs_closedir(&dir), FP_OK);
    expect(type_of(v, "/nothing"), FP_ERR_NOENT);
    assert_true(v->fs.caps & FP_CAP_WRITE);
    assert_int_equal(v->fs.size,
                     (uint64_t)v->fs.block_size * v->fs.block_count);
    assert_true(v->fs.size <= fp_bdev_size(v->dev));
    assert_true(v->fs.size > fp_bdev_size(v->dev) / 2);
    assert_true(v->fs.blocks_used < v->fs.block_count);
    /* Where the number of files is what bounds it, that is all there is. */
    if (v->fs.files_max == 0 ||
        v->fs.files_max * v->fs.file_max > v->fs.size / 2)
        assert_true(v->fs.free > v->fs.size / 2);
    assert_true(v->fs.name_max > 0 && v->fs.file_max > 0);
    assert_true(v->fs.free <= v->fs.size);
    assert_false(v->fs.needs_repair);
    check_clean(v);
}

static void probing_finds_it_and_nothing_on_erased_flash(void **state)
{
    struct vol *v = *state;
    const struct fp_fs_ops *const drivers[] = { v->row->ops, NULL }, *ops;
    const struct fp_fs_config none = { 0 };
    const bool stated = v->row->traits & FS_SUITE_STATED;
    struct fp_fs_config cfg = stated ? v->row->cfg : none;
    uint32_t writes;

    needs(v, v->row->ops->probe != NULL, "probe");
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    writes = v->fault.writes;
    expect(fp_fs_probe(drivers, v->dev, &ops, &cfg), FP_OK);
    assert_ptr_equal(ops, v->row->ops);
    assert_int_equal(v->fault.writes, writes);
    v->cfg = cfg; /* what it found is enough to mount it */
    mount(v);
    expect(fp_fs_unmount(&v->mnt), FP_OK);

    for (int byte = 0; byte < 256; byte += 255) {
        memset(v->mem, byte, (size_t)v->row->block_size * v->row->block_count);
        start(v);
        cfg = stated ? v->row->cfg : none;
        expect(fp_fs_probe(drivers, v->dev, &ops, &cfg), FP_ERR_NOENT);
    }
}

static void formatting_takes_whatever_was_there(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 3 * v->unit);

    expect(put(v, "/old", size, 1), FP_OK);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    format(v);
    expect(type_of(v, "/old"), FP_ERR_NOENT);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    fill(v->mem, (size_t)v->row->block_size * v->row->block_count, 99);
    format(v);
    expect(put(v, "/new", size, 2), FP_OK);
    remount(v);
    expect(has(v, "/new", size, 2), 1);
    check_clean(v);
}

static void a_workspace_too_small_is_refused(void **state)
{
    struct vol *v = *state;

    expect(fp_fs_unmount(&v->mnt), FP_OK);
    expect(fp_fs_mount(&v->mnt, v->row->ops, v->dev, &v->cfg, v->ws,
                       v->ws_size / 8),
           FP_ERR_NOMEM);
    mount(v);
}

static void a_file_has_what_was_written(void **state)
{
    struct vol *v = *state;
    const uint32_t b = v->unit, p = v->row->prog_size;
    const uint32_t sizes[] = { 0,     1,     p,         p + 1,    b / 8,
                               b / 4, b - 9, b - 1,     b,        b + 1,
                               2 * b, 4 * b, 4 * b + 1, 9 * b + 7 };
    const uint32_t count = fit_files(v, sizeof sizes / sizeof sizes[0]);
    char path[16];

    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t size = fit(v, sizes[i]);
            struct fp_stat st;

            snprintf(path, sizeof path, "/f%u", i);
            if (pass == 0)
                expect(put(v, path, size, i), FP_OK);
            expect(has(v, path, size, i), 1);
            expect(fp_fs_stat(&v->mnt, path, &st), FP_OK);
            assert_int_equal(st.type, FP_TYPE_FILE);
            assert_int_equal(st.size, size);
        }
        remount(v);
    }
    check_clean(v);
}

static void writing_again_replaces(void **state)
{
    struct vol *v = *state;
    const uint32_t b = v->unit;
    const uint32_t sizes[] = { 5, 6 * b, 0, 3 * b + 1, 2, b };

    for (uint32_t i = 0; i < 30; i++) {
        uint32_t size = fit(v, sizes[i % 6]);

        expect(put(v, "/f", size, i), FP_OK);
        expect(has(v, "/f", size, i), 1);
    }
    remount(v);
    expect(has(v, "/f", fit(v, b), 29), 1);
}

static void reads_come_in_any_pieces(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 5 * v->unit + 3);
    uint8_t *want = malloc(size), *got = malloc(size);
    struct fp_file file;

    assert_true(want != NULL && got != NULL);
    fill(want, size, 1);
    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_OK);
    for (uint32_t piece = 1; piece < size; piece = piece * 3 + 1) {
        uint32_t at = 0;

        expect(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        while (at < size) {
            uint32_t n = size - at < piece ? size - at : piece;

            expect(fp_fs_read(&file, got + at, piece), n);
            at += n;
        }
        expect(fp_fs_read(&file, got, 1), 0);
        assert_memory_equal(got, want, size);
    }
    /* From the end towards the start: no chain of blocks helps. */
    for (uint32_t at = size; at > 0; at -= at < 61 ? at : 61) {
        uint32_t n = size - at < 7 ? size - at : 7;

        expect(fp_fs_seek(&file, at, FP_SEEK_SET), at);
        expect(fp_fs_read(&file, got, 7), n);
        assert_memory_equal(got, want + at, n);
    }
    expect(fp_fs_close(&file), FP_OK);
    free(want);
    free(got);
}

static void seeking_keeps_to_its_rules(void **state)
{
    struct vol *v = *state;
    struct fp_file file;
    uint8_t c;

    expect(put(v, "/f", 100, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_OK);
    expect(fp_fs_seek(&file, 40, FP_SEEK_SET), 40);
    expect(fp_fs_seek(&file, 10, FP_SEEK_CUR), 50);
    expect(fp_fs_seek(&file, -30, FP_SEEK_CUR), 20);
    expect(fp_fs_seek(&file, -1, FP_SEEK_END), 99);
    expect(fp_fs_read(&file, &c, 1), 1);
    expect(fp_fs_seek(&file, 0, FP_SEEK_CUR), 100);
    expect(fp_fs_seek(&file, -1, FP_SEEK_SET), FP_ERR_INVAL);
    expect(fp_fs_seek(&file, -101, FP_SEEK_END), FP_ERR_INVAL);
    expect(fp_fs_seek(&file, INT64_MAX, FP_SEEK_CUR), FP_ERR_INVAL);
    expect(fp_fs_seek(&file, 0, FP_SEEK_CUR), 100);
    expect(fp_fs_close(&file), FP_OK);
    expect(fp_fs_seek(&file, 0, FP_SEEK_CUR), FP_ERR_INVAL);
}

static void writes_come_in_any_pieces(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 5 * v->unit + 3);
    uint8_t *buf = malloc(size);

    assert_non_null(buf);
    fill(buf, size, 1);
    for (uint32_t piece = 1; piece < size; piece = piece * 5 + 2) {
        struct fp_file file;

        expect(fp_fs_open(&v->mnt, &file, "/f", CREATE), FP_OK);
        for (uint32_t at = 0; at < size; at += piece) {
            uint32_t n = size - at < piece ? size - at : piece;

            expect(fp_fs_write(&file, buf + at, n), n);
        }
        expect(fp_fs_close(&file), FP_OK);
        expect(has(v, "/f", size, 1), 1);
    }
    free(buf);
}

/* What is written over the middle, with reads between. */
static void the_middle_can_be_rewritten(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 6 * v->unit + 5);
    uint8_t *model, got[40];
    struct fp_file file;

    need(v, FP_CAP_SEEKWRITE, "writing into the middle");
    model = malloc(size);
    assert_non_null(model);
    fill(model, size, 1);
    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ | FP_O_WRITE), FP_OK);
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t at = i * 7919 % (size - 40);

        fill(model + at, 40, 100 + i);
        expect(fp_fs_seek(&file, at, FP_SEEK_SET), at);
        expect(fp_fs_write(&file, model + at, 40), 40);
        expect(fp_fs_seek(&file, at, FP_SEEK_SET), at);
        expect(fp_fs_read(&file, got, 40), 40);
        assert_memory_equal(got, model + at, 40);
        if (i % 5 == 4)
            expect(fp_fs_fsync(&file), FP_OK);
    }
    expect(fp_fs_close(&file), FP_OK);
    remount(v);
    expect(has_bytes(v, "/f", model, size), 1);
    free(model);
}

static void appending_goes_to_the_end(void **state)
{
    struct vol *v = *state;
    const uint32_t piece = fit(v, 20 * (v->unit / 3 + 1)) / 20;
    uint8_t *model;

    need(v, FP_CAP_APPEND, "appending");
    model = malloc(20 * piece);
    assert_non_null(model);
    fill(model, 20 * piece, 1);
    for (uint32_t i = 0; i < 20; i++) {
        struct fp_file file;

        expect(fp_fs_open(&v->mnt, &file, "/log",
                          FP_O_READ | FP_O_WRITE | FP_O_CREATE | FP_O_APPEND),
               FP_OK);
        expect(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        expect(fp_fs_write(&file, model + i * piece, piece), piece);
        expect(fp_fs_close(&file), FP_OK);
        expect(has_bytes(v, "/log", model, (i + 1) * piece), 1);
    }
    free(model);
}

static void truncate_to(struct vol *v, uint32_t size)
{
    struct fp_file file;

    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE), FP_OK);
    expect(fp_fs_truncate(&file, size), FP_OK);
    expect(fp_fs_close(&file), FP_OK);
}

static void truncating_cuts_and_extends_with_zeros(void **state)
{
    struct vol *v = *state;
    const uint32_t b = v->unit, size = fit(v, 5 * b + 3);
    const uint32_t cuts[] = { size, size - 1, 4 * b, 2 * b + 1, b, 7, 1, 0 };
    uint8_t *model;

    needs(v, v->row->ops->truncate != NULL, "truncation");
    model = malloc(size);
    assert_non_null(model);
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        const uint32_t cut = cuts[i] < size ? cuts[i] : size;

        fill(model, size, 1);
        expect(put(v, "/f", size, 1), FP_OK);
        truncate_to(v, cut);
        expect(has_bytes(v, "/f", model, cut), 1);
        if (!is_able(v, FP_CAP_HOLES))
            continue;
        memset(model + cut, 0, size - cut);
        truncate_to(v, size);
        expect(has_bytes(v, "/f", model, size), 1);
    }
    remount(v);
    expect(has_bytes(v, "/f", model, is_able(v, FP_CAP_HOLES) ? size : 0), 1);
    free(model);
    need(v, FP_CAP_HOLES, "holes: nothing was extended");
}

static void a_hole_reads_as_zeros(void **state)
{
    struct vol *v = *state;
    const uint32_t gaps[] = { 1, 100, fit(v, 3 * v->unit + 15) - 15 };

    need(v, FP_CAP_HOLES, "holes");
    for (size_t i = 0; i < 3; i++) {
        uint32_t size = 10 + gaps[i] + 5;
        uint8_t *model = calloc(size, 1);
        struct fp_file file;

        assert_non_null(model);
        fill(model, 10, 1);
        fill(model + 10 + gaps[i], 5, 2);
        expect(put(v, "/f", 10, 1), FP_OK);
        expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE), FP_OK);
        expect(fp_fs_seek(&file, 10 + gaps[i], FP_SEEK_SET), 10 + gaps[i]);
        expect(fp_fs_write(&file, model + 10 + gaps[i], 5), 5);
        expect(fp_fs_close(&file), FP_OK);
        expect(has_bytes(v, "/f", model, size), 1);
        free(model);
    }
}

static void opening_keeps_to_its_flags(void **state)
{
    struct vol *v = *state;
    struct fp_file file;
    uint8_t c = 0;

    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_ERR_NOENT);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE), FP_ERR_NOENT);
    expect(put(v, "/f", 50, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", CREATE | FP_O_EXCL), FP_ERR_EXIST);
    if (is_able(v, FP_CAP_DIRS)) {
        expect(fp_fs_open(&v->mnt, &file, "/f/g", FP_O_READ), FP_ERR_NOTDIR);
        expect(fp_fs_open(&v->mnt, &file, "/f/g", CREATE), FP_ERR_NOTDIR);
    }
    expect(fp_fs_open(&v->mnt, &file, "/", FP_O_READ), FP_ERR_ISDIR);
    expect(fp_fs_open(&v->mnt, &file, "/f/", FP_O_READ), FP_ERR_INVAL);
    expect(fp_fs_open(&v->mnt, &file, "/f", 0), FP_ERR_INVAL);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ | FP_O_TRUNC),
           FP_ERR_INVAL);

    /* CREATE without TRUNC keeps what is there. */
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE | FP_O_CREATE), FP_OK);
    expect(fp_fs_read(&file, &c, 1), FP_ERR_INVAL);
    expect(fp_fs_close(&file), FP_OK);
    expect(has(v, "/f", 50, 1), 1);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_OK);
    expect(fp_fs_write(&file, &c, 1), FP_ERR_INVAL);
    expect(fp_fs_truncate(&file, 0), FP_ERR_INVAL);
    expect(fp_fs_commit(&file, NULL), FP_ERR_INVAL);
    expect(fp_fs_close(&file), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE | FP_O_TRUNC), FP_OK);
    expect(fp_fs_close(&file), FP_OK);
    expect(has(v, "/f", 0, 0), 1);
}

static void as_many_files_are_open_as_was_agreed(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 2 * v->unit);
    struct fp_file files[4], one_more;
    char path[16];

    for (uint32_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/f%u", i);
        expect(put(v, path, size, i), FP_OK);
    }
    for (uint32_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "/f%u", i);
        expect(fp_fs_open(&v->mnt, &files[i], path, FP_O_READ), FP_OK);
    }
    expect(fp_fs_open(&v->mnt, &one_more, "/f0", FP_O_READ), FP_ERR_NFILE);
    expect(fp_fs_unmount(&v->mnt), FP_ERR_BUSY);
    for (uint32_t i = 0; i < 4; i++)
        expect(fp_fs_close(&files[i]), FP_OK);
    expect(has(v, "/f3", size, 3), 1);
}

/* How often each of "n0".."n<count - 1>" is listed; other names fail. */
static void list(struct vol *v, const char *path, int *seen, int count)
{
    struct fp_dir dir;
    struct fp_dirent entry;
    int got;

    memset(seen, 0, (size_t)count * sizeof *seen);
    expect(fp_fs_opendir(&v->mnt, &dir, path), FP_OK);
    while ((got = fp_fs_readdir(&dir, &entry)) == 1) {
        int i = atoi(entry.name + 1);

        assert_int_equal(entry.name[0], 'n');
        assert_int_equal(entry.name_len, strlen(entry.name));
        assert_in_range(i, 0, count - 1);
        assert_int_equal(entry.st.type, i % 3 == 0 && is_able(v, FP_CAP_DIRS)
                                            ? FP_TYPE_DIR
                                            : FP_TYPE_FILE);
        if (entry.st.type == FP_TYPE_FILE)
            assert_int_equal(entry.st.size, i);
        seen[i]++;
    }
    expect(got, 0);
    expect(fp_fs_closedir(&dir), FP_OK);
}

/* Enough entries that a directory needs several blocks; without directories,
 * in the root. */
static void a_directory_lists_each_entry_once(void **state)
{
    struct vol *v = *state;
    const bool dirs = is_able(v, FP_CAP_DIRS);
    const char *const base = dirs ? "/d" : "";
    const int count = (int)fit_files(v, 45);
    int seen[45];
    char path[16];

    if (dirs)
        expect(fp_fs_mkdir(&v->mnt, "/d"), FP_OK);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/n%d", base, i);
        if (i % 3 == 0 && dirs)
            expect(fp_fs_mkdir(&v->mnt, path), FP_OK);
        else
            expect(put(v, path, (uint32_t)i, 1), FP_OK);
    }
    for (int pass = 0; pass < 2; pass++) {
        list(v, dirs ? "/d" : "/", seen, count);
        for (int i = 0; i < count; i++)
            assert_int_equal(seen[i], 1);
        remount(v);
    }
    for (int i = 0; i < count; i += 2) {
        snprintf(path, sizeof path, "%s/n%d", base, i);
        expect(fp_fs_remove(&v->mnt, path), FP_OK);
    }
    list(v, dirs ? "/d" : "/", seen, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(seen[i], i % 2);
    check_clean(v);
}

static void directories_keep_to_their_rules(void **state)
{
    struct vol *v = *state;
    struct fp_dir dir;
    struct fp_file file;

    need(v, FP_CAP_DIRS, "directories");
    expect(put(v, "/f", 5, 1), FP_OK);
    expect(fp_fs_mkdir(&v->mnt, "/d"), FP_OK);
    expect(fp_fs_mkdir(&v->mnt, "/d"), FP_ERR_EXIST);
    expect(fp_fs_mkdir(&v->mnt, "/f"), FP_ERR_EXIST);
    expect(fp_fs_mkdir(&v->mnt, "/"), FP_ERR_EXIST);
    if (!(v->row->traits & FS_SUITE_PATHS_MAKE_DIRS)) {
        expect(fp_fs_mkdir(&v->mnt, "/x/y"), FP_ERR_NOENT);
        expect(fp_fs_open(&v->mnt, &file, "/x/f", CREATE), FP_ERR_NOENT);
    }
    expect(fp_fs_mkdir(&v->mnt, "/f/y"), FP_ERR_NOTDIR);
    expect(fp_fs_opendir(&v->mnt, &dir, "/x"), FP_ERR_NOENT);
    expect(fp_fs_opendir(&v->mnt, &dir, "/f"), FP_ERR_NOTDIR);
    expect(fp_fs_open(&v->mnt, &file, "/d", FP_O_READ), FP_ERR_ISDIR);
    expect(fp_fs_open(&v->mnt, &file, "/d", CREATE), FP_ERR_ISDIR);
    expect(put(v, "/d/f", 6, 2), FP_OK);
    expect(type_of(v, "/d"), FP_TYPE_DIR);
    expect(type_of(v, "/d/f/g"), FP_ERR_NOTDIR);

    expect(fp_fs_remove(&v->mnt, "/x"), FP_ERR_NOENT);
    expect(fp_fs_remove(&v->mnt, "/d"), FP_ERR_NOTEMPTY);
    expect(fp_fs_remove(&v->mnt, "/"), FP_ERR_BUSY);
    expect(fp_fs_remove(&v->mnt, "/d/f"), FP_OK);
    expect(fp_fs_remove(&v->mnt, "/d"), FP_OK);
    expect(type_of(v, "/d"), FP_ERR_NOENT);
    expect(fp_fs_remove(&v->mnt, "/f"), FP_OK);
    expect(fp_fs_remove(&v->mnt, "/f"), FP_ERR_NOENT);
    remount(v);
    a_new_volume_is_empty(state);
}

static void paths_may_be_deep(void **state)
{
    struct vol *v = *state;
    char path[80] = "";

    need(v, FP_CAP_DIRS, "directories");
    for (int i = 0; i < 10; i++) {
        strcat(path, "/level");
        expect(fp_fs_mkdir(&v->mnt, path), FP_OK);
    }
    strcat(path, "/file");
    expect(put(v, path, 300, 1), FP_OK);
    remount(v);
    expect(has(v, path, 300, 1), 1);
    check_clean(v);
}

static void renaming_a_file(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 3 * v->unit);

    needs(v, v->row->ops->rename != NULL, "renaming");
    expect(put(v, "/a", size, 1), FP_OK);
    expect(put(v, "/b", 10, 2), FP_OK);
    expect(fp_fs_rename(&v->mnt, "/x", "/y", 0), FP_ERR_NOENT);
    expect(fp_fs_rename(&v->mnt, "/x", "/x", 0), FP_ERR_NOENT);
    expect(fp_fs_rename(&v->mnt, "/a", "/a", 0), FP_OK);
    expect(fp_fs_rename(&v->mnt, "/a", "/b", FP_RENAME_NOREPLACE),
           FP_ERR_EXIST);
    expect(fp_fs_rename(&v->mnt, "/a", "/a/b", 0), FP_ERR_NOTDIR);
    expect(has(v, "/b", 10, 2), 1);
    expect(fp_fs_rename(&v->mnt, "/a", "/c", FP_RENAME_NOREPLACE), FP_OK);
    expect(type_of(v, "/a"), FP_ERR_NOENT);
    expect(has(v, "/c", size, 1), 1);
    remount(v);
    expect(type_of(v, "/a"), FP_ERR_NOENT);
    expect(has(v, "/c", size, 1), 1);
    check_clean(v);

    need(v, FP_CAP_ATOMIC_REPLACE, "replacing in one step");
    expect(fp_fs_rename(&v->mnt, "/c", "/b", 0), FP_OK);
    expect(type_of(v, "/c"), FP_ERR_NOENT);
    remount(v);
    expect(has(v, "/b", size, 1), 1);
    check_clean(v);
}

static void renaming_among_directories(void **state)
{
    struct vol *v = *state;

    need(v, FP_CAP_DIRS, "directories");
    expect(fp_fs_mkdir(&v->mnt, "/d"), FP_OK);
    expect(fp_fs_mkdir(&v->mnt, "/e"), FP_OK);
    expect(fp_fs_mkdir(&v->mnt, "/full"), FP_OK);
    expect(put(v, "/full/f", 4, 1), FP_OK);
    expect(put(v, "/d/f", 500, 2), FP_OK);

    expect(fp_fs_rename(&v->mnt, "/d/f", "/e/g", 0), FP_OK);
    expect(type_of(v, "/d/f"), FP_ERR_NOENT);
    expect(has(v, "/e/g", 500, 2), 1);
    expect(fp_fs_rename(&v->mnt, "/e/g", "/full/f", 0), FP_OK);
    expect(has(v, "/full/f", 500, 2), 1);
    expect(fp_fs_rename(&v->mnt, "/full/f", "/d", 0), FP_ERR_ISDIR);
    expect(fp_fs_rename(&v->mnt, "/full/f", "/no/f", 0), FP_ERR_NOENT);
    expect(fp_fs_rename(&v->mnt, "/full/f", "/full/f/x", 0), FP_ERR_NOTDIR);
    expect(fp_fs_rename(&v->mnt, "/", "/x", 0), FP_ERR_BUSY);

    need(v, FP_CAP_RENAME_DIR, "renaming of directories");
    expect(fp_fs_rename(&v->mnt, "/d", "/full/f", 0), FP_ERR_NOTDIR);
    expect(fp_fs_rename(&v->mnt, "/d", "/full", 0), FP_ERR_NOTEMPTY);
    expect(fp_fs_rename(&v->mnt, "/full", "/full/d", 0), FP_ERR_INVAL);
    expect(fp_fs_rename(&v->mnt, "/full", "/d", 0), FP_OK);
    expect(type_of(v, "/full"), FP_ERR_NOENT);
    expect(has(v, "/d/f", 500, 2), 1);
    expect(fp_fs_rename(&v->mnt, "/d", "/e/moved", 0), FP_OK);
    remount(v);
    expect(has(v, "/e/moved/f", 500, 2), 1);
    expect(type_of(v, "/d"), FP_ERR_NOENT);
    check_clean(v);
}

/* Bytes that are no UTF-8 are a name where names are bytes; 0xff may be none
 * even there. */
static bool is_name(const struct vol *v, const char *name)
{
    const bool text = v->row->traits & FS_SUITE_TEXT_NAMES;

    if (strchr(name, 0xff) != NULL && v->row->traits & FS_SUITE_NO_FF)
        return false;
    return !text || (strchr(name, 0xff) == NULL && strcmp(name, "/\xc3\x28"));
}

static void names_are_kept_as_given(void **state)
{
    struct vol *v = *state;
    const char *const names[] = { "/a b", "/\xc3\xa9", "/-",        "/x.y.z",
                                  "/A",   "/\xff\x01", "/\xc3\x28", "/b" };
    struct fp_file file;

    for (uint32_t i = 0; i < 8; i++)
        if (is_name(v, names[i]))
            expect(put(v, names[i], i + 1, i), FP_OK);
        else
            expect(fp_fs_open(&v->mnt, &file, names[i], CREATE), FP_ERR_INVAL);
    remount(v);
    for (uint32_t i = 0; i < 8; i++)
        if (is_name(v, names[i]))
            expect(has(v, names[i], i + 1, i), 1);
    if (!(v->row->traits & FS_SUITE_TEXT_NAMES))
        expect(type_of(v, "/a"), FP_ERR_NOENT);
    check_clean(v);
    needs(v, is_name(v, names[5]), "names of any bytes");
}

static void names_of_text_have_no_case(void **state)
{
    struct vol *v = *state;
    struct fp_file file;

    needs(v, v->row->traits & FS_SUITE_TEXT_NAMES, "names without case");
    expect(put(v, "/Name", 5, 1), FP_OK);
    expect(has(v, "/nAME", 5, 1), 1);
    expect(fp_fs_open(&v->mnt, &file, "/NAME", CREATE | FP_O_EXCL),
           FP_ERR_EXIST);
    expect(put(v, "/name", 7, 2), FP_OK);
    expect(has(v, "/Name", 7, 2), 1);
}

static void names_go_up_to_the_limit(void **state)
{
    struct vol *v = *state;
    char path[FP_NAME_MAX + 4] = "/";
    struct fp_file file;
    int err;

    memset(path + 1, 'n', v->fs.name_max + 1);
    path[v->fs.name_max + 2] = '\0';
    expect(fp_fs_open(&v->mnt, &file, path, CREATE), FP_ERR_NAMETOOLONG);
    err = type_of(v, path);
    if (v->fs.name_max == FP_NAME_MAX || err != FP_ERR_NAMETOOLONG)
        expect(err, v->fs.name_max == FP_NAME_MAX ? FP_ERR_NAMETOOLONG
                                                  : FP_ERR_NOENT);
    path[v->fs.name_max + 1] = '\0';
    err = put(v, path, 5, 1);
    /* A name may have to fit into a block together with its file. */
    if (v->row->block_size < 1024 && err == FP_ERR_NOSPC)
        needs(v, false, "block that takes the longest name");
    expect(err, FP_OK);
    remount(v);
    expect(has(v, path, 5, 1), 1);
    check_clean(v);
}

static void a_staged_file_is_unseen_until_its_commit(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 4 * v->unit + 11);
    struct fp_file file;
    uint8_t *buf;
    const struct fp_commit_meta meta = { .has_mtime = true, .mtime_ns = NOON };
    struct fp_stat st;

    need(v, FP_CAP_STAGE, "staged writes");
    buf = malloc(size);
    assert_non_null(buf);
    fill(buf, size, 2);
    expect(put(v, "/old", 100, 1), FP_OK);
    for (int is_new = 0; is_new < 2; is_new++) {
        const char *path = is_new ? "/new" : "/old";

        expect(fp_fs_open(&v->mnt, &file, path, STAGE), FP_OK);
        expect(fp_fs_write(&file, buf, size), size);
        expect(fp_fs_fsync(&file), FP_OK);
        if (is_new)
            expect(type_of(v, path), FP_ERR_NOENT);
        else
            expect(has(v, path, 100, 1), 1);
        /* What was staged can be read back through the handle itself. */
        expect(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
        memset(buf, 0, size);
        expect(fp_fs_read(&file, buf, size), size);
        expect(fp_fs_commit(&file, &meta), FP_OK);
        expect(has(v, path, size, 2), 1);
        expect(fp_fs_close(&file), FP_OK);
        expect(has(v, path, size, 2), 1);
        if (v->fs.caps & FP_CAP_MTIME) {
            expect(fp_fs_stat(&v->mnt, path, &st), FP_OK);
            assert_true(st.has_mtime);
            assert_int_equal(st.mtime_ns, NOON);
        }
    }
    remount(v);
    expect(has(v, "/old", size, 2), 1);
    expect(has(v, "/new", size, 2), 1);
    check_clean(v);
    free(buf);
}

static void a_staged_file_without_commit_was_never_there(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 4 * v->unit), old = fit(v, 3 * v->unit);
    struct fp_statfs before, after;
    struct fp_file file;
    uint8_t *buf;

    need(v, FP_CAP_STAGE, "staged writes");
    buf = malloc(size);
    assert_non_null(buf);
    fill(buf, size, 2);
    expect(put(v, "/old", old, 1), FP_OK);
    expect(fp_fs_statfs(&v->mnt, &before), FP_OK);
    for (int i = 0; i < 4; i++) {
        const char *path = i % 2 ? "/new" : "/old";

        expect(fp_fs_open(&v->mnt, &file, path, STAGE), FP_OK);
        expect(fp_fs_write(&file, buf, i < 2 ? size : 5), i < 2 ? size : 5);
        if (i == 1)
            expect(fp_fs_fsync(&file), FP_OK);
        expect(fp_fs_close(&file), FP_OK);
        expect(has(v, "/old", old, 1), 1);
        expect(type_of(v, "/new"), FP_ERR_NOENT);
    }
    remount(v);
    expect(has(v, "/old", old, 1), 1);
    expect(type_of(v, "/new"), FP_ERR_NOENT);
    expect(fp_fs_statfs(&v->mnt, &after), FP_OK);
    assert_int_equal(after.blocks_used, before.blocks_used);
    free(buf);
}

/* What a cut would leave: the mount and all it has in memory is forgotten. */
static void restart(struct vol *v)
{
    memset(v->ws, 0xa5, v->ws_size);
    mount(v);
}

static void what_was_synced_survives_a_restart(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 3 * v->unit + 5);
    uint8_t *buf = malloc(size);
    struct fp_file file;

    assert_non_null(buf);
    fill(buf, size, 1);
    expect(put(v, "/closed", size, 2), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/open", CREATE), FP_OK);
    expect(fp_fs_write(&file, buf, size), size);
    expect(fp_fs_fsync(&file), FP_OK);
    restart(v);
    expect(has(v, "/closed", size, 2), 1);
    expect(has(v, "/open", size, 1), 1);
    check_clean(v);

    expect(put(v, "/b", 10, 3), FP_OK);
    expect(fp_fs_remove(&v->mnt, "/closed"), FP_OK);
    expect(fp_fs_sync(&v->mnt), FP_OK);
    restart(v);
    expect(has(v, "/b", 10, 3), 1);
    expect(type_of(v, "/closed"), FP_ERR_NOENT);
    check_clean(v);
    free(buf);
}

/* A barrier is the slowest thing that a card does. */
static void a_close_syncs_once_and_only_what_is_new(void **state)
{
    struct vol *v = *state;
    const uint32_t *syncs = &v->fault.calls[FP_BDEV_SYNC];
    const uint32_t size = fit(v, 3 * v->unit + 5);
    uint8_t *buf = malloc(size);
    struct fp_file file;
    uint32_t before;

    assert_non_null(buf);
    fill(buf, size, 1);
    expect(put(v, "/f", 10, 2), FP_OK); /* what comes with the first write */
    expect(fp_fs_open(&v->mnt, &file, "/f", CREATE), FP_OK);
    expect(fp_fs_write(&file, buf, size), size);
    before = *syncs;
    expect(fp_fs_close(&file), FP_OK);
    assert_int_equal(*syncs - before, 1);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_OK);
    expect(fp_fs_close(&file), FP_OK);
    assert_int_equal(*syncs - before, 1);
    free(buf);
}

static void two_handles_have_each_their_place(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 3 * v->unit);
    uint8_t *want = malloc(size), a[31], b[17];
    struct fp_file one, two;

    assert_non_null(want);
    fill(want, size, 1);
    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &one, "/f", FP_O_READ), FP_OK);
    expect(fp_fs_open(&v->mnt, &two, "/f", FP_O_READ), FP_OK);
    for (uint32_t at = 0; at + sizeof a < size; at += sizeof a) {
        uint32_t back = size - at / 2 - (uint32_t)sizeof b;

        expect(fp_fs_read(&one, a, sizeof a), sizeof a);
        expect(fp_fs_seek(&two, back, FP_SEEK_SET), back);
        expect(fp_fs_read(&two, b, sizeof b), sizeof b);
        assert_memory_equal(a, want + at, sizeof a);
        assert_memory_equal(b, want + back, sizeof b);
    }
    expect(fp_fs_close(&one), FP_OK);
    expect(fp_fs_seek(&two, 0, FP_SEEK_SET), 0);
    expect(fp_fs_read(&two, b, sizeof b), sizeof b);
    assert_memory_equal(b, want, sizeof b);
    expect(fp_fs_close(&two), FP_OK);
    free(want);
}

/* Several files written in turns, a piece of each. */
static void several_files_are_written_at_once(void **state)
{
    struct vol *v = *state;
    const uint32_t piece = fit(v, 2 * v->unit) / 10, size = 10 * piece;
    struct fp_file files[3];
    uint8_t *buf = malloc(size);
    char path[8];

    assert_non_null(buf);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/w%u", i);
        expect(fp_fs_open(&v->mnt, &files[i], path, CREATE), FP_OK);
    }
    for (uint32_t at = 0; at < size; at += piece)
        for (uint32_t i = 0; i < 3; i++) {
            fill(buf, size, i);
            expect(fp_fs_write(&files[i], buf + at, piece), piece);
        }
    for (uint32_t i = 0; i < 3; i++)
        expect(fp_fs_close(&files[i]), FP_OK);
    remount(v);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/w%u", i);
        expect(has(v, path, size, i), 1);
    }
    check_clean(v);
    free(buf);
}

/* A driver may refuse to remove what is open; if it does not, the name is gone
 * at once, the handle closes, and the space is free in the end. */
static void a_removed_file_may_be_open(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 4 * v->unit);
    struct fp_statfs before, after;
    struct fp_file file;
    uint8_t byte;
    int err;

    expect(put(v, "/other", size, 2), FP_OK);
    expect(fp_fs_statfs(&v->mnt, &before), FP_OK);
    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_READ), FP_OK);
    err = fp_fs_remove(&v->mnt, "/f");
    if (err == FP_ERR_BUSY) {
        print_message("           %s does not remove what is open\n",
                      v->row->ops->name);
        expect(fp_fs_read(&file, &byte, 1), 1);
        expect(fp_fs_close(&file), FP_OK);
        expect(has(v, "/f", size, 1), 1);
        expect(fp_fs_remove(&v->mnt, "/f"), FP_OK);
    } else {
        expect(err, FP_OK);
        expect(type_of(v, "/f"), FP_ERR_NOENT);
        expect(put(v, "/new", fit(v, v->unit), 3), FP_OK);
        expect(fp_fs_close(&file), FP_OK);
        expect(has(v, "/new", fit(v, v->unit), 3), 1);
        expect(fp_fs_remove(&v->mnt, "/new"), FP_OK);
    }
    remount(v);
    expect(type_of(v, "/f"), FP_ERR_NOENT);
    expect(has(v, "/other", size, 2), 1);
    expect(fp_fs_statfs(&v->mnt, &after), FP_OK);
    assert_true(after.blocks_used <= before.blocks_used + 2);
    check_clean(v);
}

static void the_space_told_goes_down_and_comes_back(void **state)
{
    struct vol *v = *state;
    const uint32_t count = fit_files(v, 6), size = fit(v, 4 * v->unit);
    const uint64_t slack = 4 * (uint64_t)v->unit + v->fs.size / 50;
    struct fp_statfs st;
    uint64_t last = v->fs.free;
    char path[16];

    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/s%u", i);
        expect(put(v, path, size, i), FP_OK);
        expect(fp_fs_statfs(&v->mnt, &st), FP_OK);
        assert_true(st.free <= last);
        last = st.free;
    }
    assert_true(st.free + (uint64_t)count * size <= v->fs.free + slack);
    remount(v);
    expect(fp_fs_statfs(&v->mnt, &st), FP_OK);
    assert_true(st.free <= last + slack && st.free + slack >= last);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/s%u", i);
        expect(fp_fs_remove(&v->mnt, path), FP_OK);
    }
    expect(fp_fs_statfs(&v->mnt, &st), FP_OK);
    assert_true(st.free + slack >= v->fs.free);
    remount(v);
    expect(fp_fs_statfs(&v->mnt, &st), FP_OK);
    assert_true(st.free + slack >= v->fs.free);
}

/* One file grows until nothing is left: it keeps what it had when it was last
 * synced, the others are untouched, and it can go. */
static void a_file_that_fills_the_volume_keeps_what_was_synced(void **state)
{
    struct vol *v = *state;
    const uint32_t piece = v->unit;
    struct fp_file file;
    struct fp_stat st;
    uint8_t *buf;
    int32_t n = 0;
    uint32_t pieces;

    needs(v, v->fs.file_max > v->fs.size, "file that can fill a volume");
    buf = malloc(piece);
    assert_non_null(buf);
    fill(buf, piece, 7);
    expect(put(v, "/keep", 2 * piece, 1), FP_OK);
    expect(fp_fs_open(&v->mnt, &file, "/grow", CREATE), FP_OK);
    expect(fp_fs_write(&file, buf, piece), piece);
    expect(fp_fs_fsync(&file), FP_OK);
    for (pieces = 1; pieces <= v->fs.size / piece && n >= 0; pieces++)
        n = fp_fs_write(&file, buf, piece);
    expect(n, FP_ERR_NOSPC);
    (void)fp_fs_close(&file);
    remount(v);
    expect(has(v, "/keep", 2 * piece, 1), 1);
    expect(fp_fs_stat(&v->mnt, "/grow", &st), FP_OK);
    assert_int_equal(st.size, piece);
    check_clean(v);
    expect(fp_fs_remove(&v->mnt, "/grow"), FP_OK);
    expect(put(v, "/again", 4 * piece, 4), FP_OK);
    expect(has(v, "/again", 4 * piece, 4), 1);
    check_clean(v);
    free(buf);
}

static void renaming_keeps_to_its_flags(void **state)
{
    struct vol *v = *state;

    needs(v, v->row->ops->rename != NULL, "renaming");
    expect(put(v, "/a", 10, 1), FP_OK);
    expect(fp_fs_rename(&v->mnt, "/a", "/b", 2), FP_ERR_INVAL);
    expect(fp_fs_rename(&v->mnt, "/a", "/a", FP_RENAME_NOREPLACE),
           FP_ERR_EXIST);
    expect(fp_fs_rename(&v->mnt, "/a", "b", 0), FP_ERR_INVAL);
    expect(fp_fs_rename(&v->mnt, "/a", "/", 0), FP_ERR_BUSY);
    expect(has(v, "/a", 10, 1), 1);
    expect(type_of(v, "/b"), FP_ERR_NOENT);
}

static void stage(struct vol *v, struct fp_file *file, const char *path,
                  uint32_t size, uint32_t seed)
{
    uint8_t *buf = malloc(size);

    assert_non_null(buf);
    fill(buf, size, seed);
    expect(fp_fs_open(&v->mnt, file, path, STAGE), FP_OK);
    expect(fp_fs_write(file, buf, size), size);
    free(buf);
}

/* Two uploads of one name, and a reader of the old file: each commit is whole,
 * and the later one stays. */
static void staged_files_of_one_name_replace_each_other(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 2 * v->unit + 3), less = fit(v, v->unit);
    struct fp_file one, two;

    need(v, FP_CAP_STAGE, "staged writes");
    expect(put(v, "/f", 20, 1), FP_OK);
    stage(v, &one, "/f", size, 2);
    stage(v, &two, "/f", less, 3);
    expect(has(v, "/f", 20, 1), 1);
    expect(fp_fs_commit(&one, NULL), FP_OK);
    expect(has(v, "/f", size, 2), 1);
    expect(fp_fs_close(&one), FP_OK);
    expect(fp_fs_commit(&two, NULL), FP_OK);
    expect(has(v, "/f", less, 3), 1);
    expect(fp_fs_close(&two), FP_OK);
    remount(v);
    expect(has(v, "/f", less, 3), 1);
    check_clean(v);

    expect(fp_fs_open(&v->mnt, &one, "/f", STAGE | FP_O_EXCL), FP_ERR_EXIST);
    expect(fp_fs_open(&v->mnt, &one, "/f", FP_O_WRITE | FP_O_STAGE),
           FP_ERR_INVAL);
    stage(v, &one, "/empty", 0, 0);
    expect(fp_fs_commit(&one, NULL), FP_OK);
    expect(fp_fs_close(&one), FP_OK);
    expect(has(v, "/empty", 0, 0), 1);
}

/* From then on its handle only reads, and closing it adds nothing. */
static void a_committed_file_is_done(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 2 * v->unit + 3);
    struct fp_file file;
    uint8_t *want, *got;

    need(v, FP_CAP_STAGE, "staged writes");
    want = malloc(size);
    got = malloc(size);
    assert_non_null(want);
    assert_non_null(got);
    fill(want, size, 2);
    expect(put(v, "/f", 20, 1), FP_OK);
    stage(v, &file, "/f", size, 2);
    expect(fp_fs_commit(&file, NULL), FP_OK);
    expect(fp_fs_seek(&file, 0, FP_SEEK_SET), 0);
    expect(fp_fs_write(&file, got, 1), FP_ERR_INVAL);
    expect(fp_fs_truncate(&file, 5), FP_ERR_INVAL);
    expect(fp_fs_reserve(&file, 5), FP_ERR_INVAL);
    expect(fp_fs_commit(&file, NULL), FP_ERR_INVAL);
    expect(fp_fs_fsync(&file), FP_OK);
    expect(fp_fs_read(&file, got, size), size);
    assert_memory_equal(got, want, size);
    expect(fp_fs_close(&file), FP_OK);
    expect(has(v, "/f", size, 2), 1);
    remount(v);
    expect(has(v, "/f", size, 2), 1);
    check_clean(v);
    free(want);
    free(got);
}

/* Mounting reads only: whatever fails there is told, and the next mount is as
 * if it had never been tried. */
static void a_mount_that_fails_can_be_tried_again(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 2 * v->unit);

    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    for (uint32_t nth = 1; nth < 100000; nth++) {
        uint32_t reads = v->fault.calls[FP_BDEV_READ];
        int err;

        fp_bdev_fault_fail(&v->fault, FP_BDEV_READ, nth);
        memset(v->ws, 0xa5, v->ws_size);
        err = fp_fs_mount(&v->mnt, v->row->ops, v->dev, &v->cfg, v->ws,
                          v->ws_size);
        fp_bdev_fault_fail(&v->fault, FP_BDEV_READ, 0);
        if (err == FP_OK) {
            expect(has(v, "/f", size, 1), 1);
            expect(fp_fs_unmount(&v->mnt), FP_OK);
        }
        if (v->fault.calls[FP_BDEV_READ] < reads + nth) {
            expect(err, FP_OK);
            break;
        }
    }
    mount(v);
    expect(has(v, "/f", size, 1), 1);
    check_clean(v);
}

/* The types of its attributes are these; a driver may have no list of them. */
static void expect_types(struct vol *v, const char *path, const void *types,
                         int count)
{
    uint8_t listed[8];

    if (v->row->ops->listattr == NULL) {
        print_message("           %s has no list of attributes\n",
                      v->row->ops->name);
        return;
    }
    expect(fp_fs_listattr(&v->mnt, path, listed, sizeof listed), count);
    assert_memory_equal(listed, types, (size_t)count);
}

static void attributes_are_kept(void **state)
{
    struct vol *v = *state;
    uint8_t buf[8];

    need(v, FP_CAP_ATTRS, "attributes");
    expect(put(v, "/f", 10, 1), FP_OK);
    expect(fp_fs_getattr(&v->mnt, "/f", 0x42, buf, 8), FP_ERR_NODATA);
    expect(fp_fs_getattr(&v->mnt, "/x", 0x42, buf, 8), FP_ERR_NOENT);
    expect(fp_fs_setattr(&v->mnt, "/x", 0x42, "x", 1), FP_ERR_NOENT);
    expect(fp_fs_setattr(&v->mnt, "/f", 0x42, "hello", 5), FP_OK);
    expect(fp_fs_setattr(&v->mnt, "/f", 0x10, "a", 1), FP_OK);
    expect(fp_fs_setattr(&v->mnt, "/f", 0x42, "world!", 6), FP_OK);
    remount(v);
    memset(buf, 0, sizeof buf);
    expect(fp_fs_getattr(&v->mnt, "/f", 0x42, buf, 3), 6);
    assert_memory_equal(buf, "wor\0\0\0\0\0", 8);
    expect(fp_fs_getattr(&v->mnt, "/f", 0x42, buf, 8), 6);
    assert_memory_equal(buf, "world!", 6);
    expect_types(v, "/f", "\x10\x42", 2);

    /* They stay with the file when it is written and when it moves. */
    expect(put(v, "/f", fit(v, 3 * v->unit), 2), FP_OK);
    expect(fp_fs_rename(&v->mnt, "/f", "/g", 0), FP_OK);
    expect(fp_fs_getattr(&v->mnt, "/g", 0x42, buf, 8), 6);
    expect(fp_fs_setattr(&v->mnt, "/g", 0x42, NULL, 0), FP_OK);
    expect(fp_fs_getattr(&v->mnt, "/g", 0x42, buf, 8), FP_ERR_NODATA);
    expect_types(v, "/g", "\x10", 1);
    check_clean(v);
}

static void times_are_kept(void **state)
{
    struct vol *v = *state;
    const int64_t ns = NOON + 123456789;
    struct fp_stat st;

    need(v, FP_CAP_MTIME, "modification times");
    expect(put(v, "/f", 10, 1), FP_OK);
    expect(fp_fs_settime(&v->mnt, "/x", ns), FP_ERR_NOENT);
    expect(fp_fs_settime(&v->mnt, "/f", ns), FP_OK);
    remount(v);
    expect(fp_fs_stat(&v->mnt, "/f", &st), FP_OK);
    assert_true(st.has_mtime);
    /* As exact as the format has it: FAT counts pairs of seconds. */
    assert_in_range(st.mtime_ns, NOON, ns);
}

/* Fills the volume with files, then removes them and does it again: what was
 * freed can be used. */
static void a_full_volume_says_so_and_frees_what_is_removed(void **state)
{
    struct vol *v = *state;
    const uint32_t size =
        fit(v, 4 * v->unit > v->fs.size / 200 ? 4 * v->unit
                                              : (uint32_t)(v->fs.size / 200));
    uint32_t counts[3];
    char path[16];

    for (int pass = 0; pass < 3; pass++) {
        uint32_t n = 0;
        int err;

        for (;; n++) {
            snprintf(path, sizeof path, "/f%u", n);
            err = put(v, path, size, n);
            if (err)
                break;
        }
        expect(err, FP_ERR_NOSPC);
        assert_true(n > 0);
        counts[pass] = n;
        if (pass == 1)
            remount(v);
        for (uint32_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "/f%u", i);
            expect(has(v, path, size, i), 1);
        }
        check_clean(v);
        /* What did not fit left nothing behind, or an empty file. */
        snprintf(path, sizeof path, "/f%u", n);
        err = fp_fs_remove(&v->mnt, path);
        if (err)
            expect(err, FP_ERR_NOENT);
        for (uint32_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "/f%u", i);
            expect(fp_fs_remove(&v->mnt, path), FP_OK);
        }
    }
    /* A directory may keep a block or two of its own. */
    assert_true(counts[1] + 1 >= counts[0]);
    assert_true(counts[2] + 1 >= counts[0]);
}

static void reserving_says_no_before_the_first_byte(void **state)
{
    struct vol *v = *state;
    uint32_t writes;
    struct fp_file file;

    needs(v, v->row->ops->reserve != NULL, "reserving");
    expect(fp_fs_open(&v->mnt, &file, "/f", CREATE), FP_OK);
    writes = v->fault.writes;
    expect(fp_fs_reserve(&file, v->fs.size + 1),
           v->fs.file_max > v->fs.size ? FP_ERR_NOSPC : FP_ERR_FBIG);
    expect(fp_fs_reserve(&file, UINT64_MAX), FP_ERR_FBIG);
    expect(fp_fs_reserve(&file, fit(v, 3 * v->unit)), FP_OK);
    assert_int_equal(v->fault.writes, writes);
    expect(fp_fs_close(&file), FP_OK);
}

static void a_read_only_mount_writes_nothing(void **state)
{
    struct vol *v = *state;
    const uint32_t size = fit(v, 2 * v->unit);
    struct fp_file file;
    uint32_t writes;

    expect(put(v, "/f", size, 1), FP_OK);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    v->cfg.flags = FP_MOUNT_RDONLY;
    writes = v->fault.writes;
    mount(v);
    expect(has(v, "/f", size, 1), 1);
    expect(fp_fs_open(&v->mnt, &file, "/f", FP_O_WRITE), FP_ERR_ROFS);
    expect(fp_fs_open(&v->mnt, &file, "/g", CREATE), FP_ERR_ROFS);
    expect(fp_fs_mkdir(&v->mnt, "/d"), FP_ERR_ROFS);
    expect(fp_fs_remove(&v->mnt, "/f"), FP_ERR_ROFS);
    expect(fp_fs_rename(&v->mnt, "/f", "/g", 0), FP_ERR_ROFS);
    expect(fp_fs_setattr(&v->mnt, "/f", 1, "x", 1), FP_ERR_ROFS);
    expect(fp_fs_settime(&v->mnt, "/f", 1), FP_ERR_ROFS);
    check_clean(v);
    expect(fp_fs_sync(&v->mnt), FP_OK);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    assert_int_equal(v->fault.writes, writes);

    /* The same on a device that takes no writes at all. */
    v->cfg.flags = 0;
    v->fault.bdev.flags |= FP_BDEV_RDONLY;
    mount(v);
    expect(has(v, "/f", size, 1), 1);
    expect(fp_fs_remove(&v->mnt, "/f"), FP_ERR_ROFS);
    expect(fp_fs_unmount(&v->mnt), FP_OK);
    expect(fp_fs_format(v->row->ops, v->dev, &v->cfg, v->ws, v->ws_size),
           FP_ERR_ROFS);
}

struct blocks {
    const struct vol *v;
    uint8_t *used;
};

static int mark(void *ctx, uint32_t block, enum fp_block_use use)
{
    struct blocks *blocks = ctx;

    assert_in_range(use, FP_BLOCK_METADATA, FP_BLOCK_BAD);
    assert_true(block < blocks->v->fs.block_count);
    blocks->used[block] = 1;
    return 0;
}

static int stop_at_once(void *ctx, uint32_t block, enum fp_block_use use)
{
    (void)block;
    (void)use;
    (*(int *)ctx)++;
    return FP_ERR_CANCELED;
}

static void the_blocks_in_use_are_told(void **state)
{
    struct vol *v = *state;
    struct blocks blocks = { v, NULL };
    const uint32_t size = fit(v, 7 * v->unit);
    struct fp_statfs st;
    uint64_t count = 0;
    int calls = 0;

    needs(v, v->row->ops->blocks != NULL, "account of its blocks");
    blocks.used = calloc(v->fs.block_count, 1);
    assert_non_null(blocks.used);
    expect(put(v, "/f", size, 1), FP_OK);
    expect(put(v, "/g", 3, 1), FP_OK);
    expect(fp_fs_blocks(&v->mnt, mark, &blocks), FP_OK);
    expect(fp_fs_statfs(&v->mnt, &st), FP_OK);
    for (uint64_t i = 0; i < v->fs.block_count; i++)
        count += blocks.used[i];
    assert_int_equal(count, st.blocks_used);
    assert_true(count >= v->fs.blocks_used + size / v->fs.block_size);
    expect(fp_fs_blocks(&v->mnt, stop_at_once, &calls), FP_ERR_CANCELED);
    assert_int_equal(calls, 1);
    free(blocks.used);
}

/* What is made to fail, one call after the other. Each starts from /a of 100
 * bytes, /b of three blocks, and the directory /d where there can be one. */
static int op_replace(struct vol *v)
{
    return put(v, "/b", fit(v, 2 * v->unit), 5);
}

static int op_create(struct vol *v)
{
    return put(v, "/c", 20, 5);
}

static int op_rename(struct vol *v)
{
    return fp_fs_rename(&v->mnt, "/a", "/b", 0);
}

static int op_move(struct vol *v)
{
    return fp_fs_rename(&v->mnt, "/a", "/d/a", 0);
}

static int op_remove(struct vol *v)
{
    return fp_fs_remove(&v->mnt, "/b");
}

/* What is read while a read fails is right, or an error. */
static int op_read(struct vol *v)
{
    int same = has(v, "/b", fit(v, 3 * v->unit), 2);

    return same < 0 ? same : same == 1 ? FP_OK : FP_ERR_DIGEST;
}

static int op_list(struct vol *v)
{
    struct fp_dirent entry;
    struct fp_dir dir;
    int err = fp_fs_opendir(&v->mnt, &dir, "/"), got, count = 0;

    if (err)
        return err;
    while ((got = fp_fs_readdir(&dir, &entry)) > 0)
        count++;
    err = fp_fs_closedir(&dir);
    if (got < 0 || err)
        return got < 0 ? got : err;
    return count == 2 + is_able(v, FP_CAP_DIRS) ? FP_OK : FP_ERR_DIGEST;
}

static int op_mkdir(struct vol *v)
{
    return fp_fs_mkdir(&v->mnt, "/e");
}

static int op_stage(struct vol *v)
{
    const uint32_t size = fit(v, 2 * v->unit);
    uint8_t *buf = malloc(size);
    struct fp_file file;
    int err = fp_fs_open(&v->mnt, &file, "/b", STAGE), close_err;

    assert_non_null(buf);
    fill(buf, size, 5);
    if (!err) {
        int32_t n = fp_fs_write(&file, buf, size);

        err = n < 0 ? n : fp_fs_commit(&file, NULL);
        close_err = fp_fs_close(&file);
        err = err ? err : close_err;
    }
    free(buf);
    return err;
}

/* Every file is as it was before or as it is after; else what is wrong. A move
 * that met an error half-way may show both names until the volume is mounted
 * again: fs.h promises old or new for the next mount only. */
static const char *old_or_new(struct vol *v, bool may_be_twice)
{
    const uint32_t b = v->unit;
    int a = has(v, "/a", 100, 1), c = has(v, "/c", 20, 5);
    int moved = is_able(v, FP_CAP_DIRS) ? has(v, "/d/a", 100, 1) : 0;
    int replaced = has(v, "/b", 100, 1);

    if (replaced != 1 && has(v, "/b", fit(v, 3 * b), 2) != 1 &&
        has(v, "/b", fit(v, 2 * b), 5) != 1 && type_of(v, "/b") != FP_ERR_NOENT)
        return "/b is neither old nor new";
    if (a != 1 && moved != 1 && replaced != 1)
        return "/a is lost";
    if (!may_be_twice && (a == 1) + (moved == 1) + (replaced == 1) > 1)
        return "/a is there twice";
    if (c != 1 && c != FP_ERR_NOENT)
        return "/c is neither there nor not";
    return NULL;
}

/* After an error a driver may take no more writes until it is mounted again, and
 * an adapter answers with the error it met until it is started again. */
static bool may_refuse(const struct vol *v, int err)
{
    return err == FP_ERR_ROFS || (v->row->wrap != NULL && err == FP_ERR_IO);
}

static void fail_each_call(struct vol *v, const char *name,
                           int (*op)(struct vol *v), enum fp_bdev_op kind,
                           bool then_write)
{
    static const char *const kinds[] = { "read", "prog", "erase", "sync" };
    for (uint32_t nth = 1; nth < 10000; nth++) {
        uint32_t calls;
        bool was_reached, stuck; /* what is in a cache cannot be written */
        const char *wrong;
        int err, after;

        expect(fp_fs_unmount(&v->mnt), FP_OK);
        format(v);
        expect(put(v, "/a", 100, 1), FP_OK);
        expect(put(v, "/b", fit(v, 3 * v->unit), 2), FP_OK);
        if (v->fs.caps & FP_CAP_DIRS)
            expect(fp_fs_mkdir(&v->mnt, "/d"), FP_OK);
        calls = v->fault.calls[kind];
        fp_bdev_fault_fail(&v->fault, kind, nth);
        err = op(v);
        fp_bdev_fault_fail(&v->fault, kind, 0);
        was_reached = v->fault.calls[kind] >= calls + nth;
        if (err && err != FP_ERR_IO && err != FP_ERR_ROFS)
            fail_msg("%s, %s %u failing, answers %s", name, kinds[kind], nth,
                     fp_error_name(err));
        /* Seen at once, after another write, and after a new start. */
        if (err && old_or_new(v, false) && !old_or_new(v, true))
            print_message("           %s, %s %u failing: both names are there "
                          "until the next mount\n",
                          name, kinds[kind], nth);
        stuck = err && v->row->wrap != NULL;
        wrong = stuck ? NULL : old_or_new(v, err != FP_OK);
        after = then_write ? put(v, "/next", 7, 7) : FP_OK;
        if (!wrong && after != FP_OK && !(err && may_refuse(v, after)))
            wrong = "the next write fails";
        if (!wrong && !stuck)
            wrong = old_or_new(v, err != FP_OK);
        if (wrong)
            fail_msg("%s, %s %u failing (%s): %s", name, kinds[kind], nth,
                     fp_error_name(err), wrong);
        (void)fp_fs_unmount(&v->mnt);
        assert_false(v->mnt.mounted);
        mount(v);
        wrong = old_or_new(v, false);
        if (wrong)
            fail_msg("%s, %s %u failing (%s), mounted again: %s", name,
                     kinds[kind], nth, fp_error_name(err), wrong);
        expect(put(v, "/after", fit(v, v->unit), 9), FP_OK);
        expect(has(v, "/after", fit(v, v->unit), 9), 1);
        check_clean(v);
        if (!was_reached) {
            expect(err, FP_OK);
            return;
        }
    }
    fail_msg("%s never ends", name);
}

static void fail_each_op(struct vol *v, bool then_write)
{
    const struct {
        const char *name;
        int (*op)(struct vol *v);
        uint32_t cap;
    } ops[] = {
        { "replace", op_replace, 0 },
        { "create", op_create, 0 },
        { "rename", op_rename, FP_CAP_ATOMIC_REPLACE },
        { "move", op_move, FP_CAP_DIRS },
        { "remove", op_remove, 0 },
        { "read", op_read, 0 },
        { "list", op_list, 0 },
        { "mkdir", op_mkdir, FP_CAP_DIRS },
        { "stage", op_stage, FP_CAP_STAGE },
    };

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!is_able(v, ops[i].cap) ||
            (ops[i].op == op_move && !v->row->ops->rename))
            continue;
        for (int kind = 0; kind < FP_BDEV_OP_COUNT; kind++)
            fail_each_call(v, ops[i].name, ops[i].op, (enum fp_bdev_op)kind,
                           then_write);
    }
}

static void each_failing_call_leaves_old_or_new(void **state)
{
    fail_each_op(*state, false);
}

/* An application goes on after an error: that must not make it worse. */
static void each_failing_call_then_a_write_leaves_old_or_new(void **state)
{
    fail_each_op(*state, true);
}

#define MODEL_FILES 6

struct model {
    uint8_t *data[MODEL_FILES]; /* NULL: not there */
    uint32_t size[MODEL_FILES];
    uint32_t max;
};

static void model_compare(struct vol *v, const struct model *m)
{
    char path[8];

    for (uint32_t i = 0; i < MODEL_FILES; i++) {
        snprintf(path, sizeof path, "/m%u", i);
        if (m->data[i] == NULL)
            expect(type_of(v, path), FP_ERR_NOENT);
        else
            expect(has_bytes(v, path, m->data[i], m->size[i]), 1);
    }
}

/* What this volume cannot do becomes a file written anew: 2 renames, 3
 * truncates, from 4 on it is written in the middle or at the end. */
static bool model_can(const struct vol *v, const struct model *m, uint32_t r,
                      uint32_t to)
{
    if (r == 2)
        return v->row->ops->rename != NULL &&
               (m->data[to] == NULL || is_able(v, FP_CAP_ATOMIC_REPLACE));
    if (r == 3)
        return v->row->ops->truncate != NULL && is_able(v, FP_CAP_HOLES);
    return r < 2 || is_able(v, FP_CAP_SEEKWRITE) || is_able(v, FP_CAP_APPEND);
}

/* One random change of one file, in the volume and in the model. */
static void model_step(struct vol *v, struct model *m, uint32_t r)
{
    uint32_t i = (uint32_t)rand() % MODEL_FILES;
    uint32_t k = (uint32_t)rand() % MODEL_FILES;
    uint32_t at = (uint32_t)rand() % m->max, n = (uint32_t)rand() % m->max;
    char path[16], to[16];
    struct fp_file file;

    snprintf(path, sizeof path, "/m%u", i);
    snprintf(to, sizeof to, "/m%u", k);
    if (!model_can(v, m, r, k))
        r = 0;
    if (m->data[i] == NULL || r == 0) {
        if (m->data[i] == NULL)
            m->data[i] = malloc(2 * m->max);
        assert_non_null(m->data[i]);
        m->size[i] = n;
        fill(m->data[i], n, (uint32_t)rand());
        expect(write_file(v, path, m->data[i], n), FP_OK);
        return;
    }
    if (r == 1) {
        expect(fp_fs_remove(&v->mnt, path), FP_OK);
        free(m->data[i]);
        m->data[i] = NULL;
        return;
    }
    if (r == 2) {
        expect(fp_fs_rename(&v->mnt, path, to, 0), FP_OK);
        if (i == k)
            return;
        free(m->data[k]);
        m->data[k] = m->data[i];
        m->size[k] = m->size[i];
        m->data[i] = NULL;
        return;
    }
    expect(fp_fs_open(&v->mnt, &file, path, FP_O_READ | FP_O_WRITE), FP_OK);
    if (r == 3) {
        if (at > m->size[i])
            memset(m->data[i] + m->size[i], 0, at - m->size[i]);
        m->size[i] = at;
        expect(fp_fs_truncate(&file, at), FP_OK);
    } else {
        if (at > m->size[i] || !(v->fs.caps & FP_CAP_SEEKWRITE))
            at = m->size[i];
        if (at + n > m->max)
            n = m->max - at;
        fill(m->data[i] + at, n, (uint32_t)rand());
        if (at + n > m->size[i])
            m->size[i] = at + n;
        expect(fp_fs_seek(&file, at, FP_SEEK_SET), at);
        expect(fp_fs_write(&file, m->data[i] + at, n), n);
    }
    expect(fp_fs_close(&file), FP_OK);
}

static void random_changes_agree_with_a_model(void **state)
{
    struct vol *v = *state;
    struct model m = { .max = fit(v, 5 * v->unit) };
    const uint32_t seed = 20240229;

    needs(v, fit_files(v, MODEL_FILES) == MODEL_FILES, "six files");

    print_message("           seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < 600; i++) {
        model_step(v, &m, (uint32_t)rand() % 7);
        if (i % 20 == 19)
            model_compare(v, &m);
        if (i % 50 == 49) {
            remount(v);
            model_compare(v, &m);
            check_clean(v);
        }
    }
    for (uint32_t i = 0; i < MODEL_FILES; i++)
        free(m.data[i]);
}

#define TEST(f) \
    {           \
#f, f   \
    }

static const struct {
    const char *name;
    CMUnitTestFunction fn;
} suite[] = {
    TEST(a_new_volume_is_empty),
    TEST(probing_finds_it_and_nothing_on_erased_flash),
    TEST(formatting_takes_whatever_was_there),
    TEST(a_workspace_too_small_is_refused),
    TEST(a_file_has_what_was_written),
    TEST(writing_again_replaces),
    TEST(reads_come_in_any_pieces),
    TEST(seeking_keeps_to_its_rules),
    TEST(writes_come_in_any_pieces),
    TEST(the_middle_can_be_rewritten),
    TEST(appending_goes_to_the_end),
    TEST(truncating_cuts_and_extends_with_zeros),
    TEST(a_hole_reads_as_zeros),
    TEST(opening_keeps_to_its_flags),
    TEST(as_many_files_are_open_as_was_agreed),
    TEST(a_directory_lists_each_entry_once),
    TEST(directories_keep_to_their_rules),
    TEST(paths_may_be_deep),
    TEST(renaming_a_file),
    TEST(renaming_among_directories),
    TEST(names_are_kept_as_given),
    TEST(names_of_text_have_no_case),
    TEST(names_go_up_to_the_limit),
    TEST(a_staged_file_is_unseen_until_its_commit),
    TEST(a_staged_file_without_commit_was_never_there),
    TEST(staged_files_of_one_name_replace_each_other),
    TEST(a_committed_file_is_done),
    TEST(what_was_synced_survives_a_restart),
    TEST(a_close_syncs_once_and_only_what_is_new),
    TEST(two_handles_have_each_their_place),
    TEST(several_files_are_written_at_once),
    TEST(a_removed_file_may_be_open),
    TEST(the_space_told_goes_down_and_comes_back),
    TEST(a_file_that_fills_the_volume_keeps_what_was_synced),
    TEST(renaming_keeps_to_its_flags),
    TEST(a_mount_that_fails_can_be_tried_again),
    TEST(attributes_are_kept),
    TEST(times_are_kept),
    TEST(a_full_volume_says_so_and_frees_what_is_removed),
    TEST(reserving_says_no_before_the_first_byte),
    TEST(a_read_only_mount_writes_nothing),
    TEST(the_blocks_in_use_are_told),
    TEST(each_failing_call_leaves_old_or_new),
    TEST(each_failing_call_then_a_write_leaves_old_or_new),
    TEST(random_changes_agree_with_a_model),
};

int fs_suite_run(const struct fs_suite_row *rows, size_t count)
{
    enum {
        SUITE = sizeof suite / sizeof suite[0],
        NAME = 120
    };
    struct CMUnitTest *tests = calloc(count * SUITE, sizeof *tests);
    char *names = calloc(count * SUITE, NAME);
    int failures;

    if (tests == NULL || names == NULL)
        return 1;
    for (size_t i = 0; i < count * SUITE; i++) {
        const struct fs_suite_row *row = &rows[i / SUITE];

        snprintf(
            names + i * NAME, NAME, "%s %ux%u/%u%s%s%s: %s", row->ops->name,
            row->block_count, row->block_size, row->prog_size,
            row->wrap ? " wrapped" : "", row->cfg.options ? " " : "",
            row->cfg.options ? row->cfg.options : "", suite[i % SUITE].name);
        tests[i] = (struct CMUnitTest){
            .name = names + i * NAME,
            .test_func = suite[i % SUITE].fn,
            .setup_func = set_up,
            .teardown_func = tear_down,
            .initial_state = (void *)row,
        };
    }
    failures = _cmocka_run_group_tests("conformance", tests, count * SUITE,
                                       NULL, NULL);
    free(tests);
    free(names);
    return failures;
}
