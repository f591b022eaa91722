/* SPDX-License-Identifier: MIT
 *
 * The front end of the drivers: what it answers itself never reaches the
 * driver, what it passes on arrives unchanged.
 */
#include "core/bdev/ram.h"
#include "tests/unit/fs_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    uint8_t mem[4 * 128], ws[100];
    struct fp_bdev_ram ram;
    struct fp_mount mnt;
    struct fp_file file;
};

static void set_up(struct fixture *f, uint32_t flags)
{
    const struct fp_fs_config cfg = { .flags = flags };

    memset(f, 0, sizeof *f);
    rec_answer = FP_OK;
    rec_type = FP_TYPE_FILE;
    fp_bdev_ram_init(&f->ram, 1, 128, 4, f->mem);
    assert_int_equal(
        fp_fs_mount(&f->mnt, &rec_ops, &f->ram.bdev, &cfg, f->ws, sizeof f->ws),
        FP_OK);
    assert_string_equal(rec_take(), "mount");
}

static void malformed_paths_stay_outside(void **state)
{
    static const char *const bad[] = { "",     "a",     "//",    "/a/",
                                       "/a//", "//a",   "/a//b", "/.",
                                       "/..",  "/a/..", "/./a",  "/a/../b" };
    struct fixture f;
    struct fp_stat st;
    struct fp_dir dir;

    (void)state;
    set_up(&f, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(fp_fs_stat(&f.mnt, bad[i], &st), FP_ERR_INVAL);
        assert_int_equal(fp_fs_open(&f.mnt, &f.file, bad[i], FP_O_READ),
                         FP_ERR_INVAL);
        assert_int_equal(fp_fs_opendir(&f.mnt, &dir, bad[i]), FP_ERR_INVAL);
        assert_int_equal(fp_fs_mkdir(&f.mnt, bad[i]), FP_ERR_INVAL);
        assert_int_equal(fp_fs_remove(&f.mnt, bad[i]), FP_ERR_INVAL);
        assert_int_equal(fp_fs_rename(&f.mnt, bad[i], "/a", 0), FP_ERR_INVAL);
        assert_int_equal(fp_fs_rename(&f.mnt, "/a", bad[i], 0), FP_ERR_INVAL);
    }
    assert_int_equal(fp_fs_stat(&f.mnt, NULL, &st), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");
    assert_int_equal(fp_fs_stat(&f.mnt, "/...", &st), FP_OK);
    assert_int_equal(fp_fs_stat(&f.mnt, "/.a/b..", &st), FP_OK);
    assert_string_equal(rec_take(), "stat /.a/b..");
}

/* The tools that show what is stored leave every name to the driver, and change
 * nothing. */
static void stored_names_are_the_drivers_affair(void **state)
{
    static const char *const odd[] = { "//", "//a", "/a//b/", "/..", "/./a" };
    struct fixture f;
    struct fp_stat st;

    (void)state;
    set_up(&f, FP_MOUNT_STORED);
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        char want[16] = "stat ";

        assert_int_equal(fp_fs_stat(&f.mnt, odd[i], &st), FP_OK);
        assert_string_equal(rec_take(), strcat(want, odd[i]));
        assert_int_equal(fp_fs_remove(&f.mnt, odd[i]), FP_ERR_ROFS);
        assert_int_equal(fp_fs_open(&f.mnt, &f.file, odd[i], FP_O_WRITE),
                         FP_ERR_ROFS);
    }
    assert_int_equal(fp_fs_stat(&f.mnt, "a", &st), FP_ERR_INVAL);
    assert_int_equal(fp_fs_stat(&f.mnt, "", &st), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");
}

static void names_and_paths_have_a_limit(void **state)
{
    struct fixture f;
    struct fp_stat st;
    char path[11000];

    (void)state;
    set_up(&f, 0);
    memset(path, 'n', sizeof path);
    path[0] = '/';
    path[1 + FP_NAME_MAX] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_OK);
    path[1 + FP_NAME_MAX] = 'n';
    path[2 + FP_NAME_MAX] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_ERR_NAMETOOLONG);
    path[2 + FP_NAME_MAX] = '/'; /* malformed is worse than long */
    path[3 + FP_NAME_MAX] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_ERR_INVAL);

    memset(path, 'n', sizeof path);
    for (size_t i = 0; i < sizeof path; i += 100)
        path[i] = '/';
    path[FP_PATH_MAX] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_OK);
    path[FP_PATH_MAX] = 'n';
    path[FP_PATH_MAX + 1] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_ERR_NAMETOOLONG);
    path[FP_PATH_MAX + 1] = 'n';
    path[10000] = '\0';
    assert_int_equal(fp_fs_stat(&f.mnt, path, &st), FP_ERR_NAMETOOLONG);
}

static void flags_that_contradict_are_refused(void **state)
{
    static const uint32_t bad[] = {
        0,
        FP_O_CREATE,
        FP_O_READ | FP_O_CREATE,
        FP_O_READ | FP_O_TRUNC,
        FP_O_READ | FP_O_APPEND,
        FP_O_WRITE | FP_O_EXCL,
        FP_O_WRITE | FP_O_STAGE,
        FP_O_WRITE | FP_O_STAGE | FP_O_CREATE,
        FP_O_READ | 128,
    };
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", bad[i]),
                         FP_ERR_INVAL);
    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/", FP_O_READ), FP_ERR_ISDIR);
    assert_string_equal(rec_take(), "");
}

static void a_handle_does_what_it_was_opened_for(void **state)
{
    const uint32_t stage = FP_O_STAGE | FP_O_WRITE | FP_O_CREATE | FP_O_TRUNC;
    struct fixture f;
    uint8_t buf[4];

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", FP_O_READ), FP_OK);
    rec_take();
    assert_int_equal(fp_fs_write(&f.file, buf, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_truncate(&f.file, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_reserve(&f.file, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_commit(&f.file, NULL), FP_ERR_INVAL);
    assert_int_equal(fp_fs_fsync(&f.file), FP_OK);
    assert_int_equal(fp_fs_read(&f.file, buf, 0x80000000), FP_ERR_INVAL);
    assert_int_equal(fp_fs_seek(&f.file, 0, (enum fp_whence)3), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");
    rec_answer = 3;
    assert_int_equal(fp_fs_read(&f.file, buf, 4), 3);
    assert_string_equal(rec_take(), "read");
    rec_answer = FP_OK;
    assert_int_equal(fp_fs_close(&f.file), FP_OK);
    rec_take();
    assert_int_equal(fp_fs_read(&f.file, buf, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_close(&f.file), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");

    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", stage), FP_OK);
    assert_int_equal(fp_fs_reserve(&f.file, 4), FP_ERR_NOTSUP);
    rec_answer = FP_ERR_NOSPC;
    assert_int_equal(fp_fs_commit(&f.file, NULL), FP_ERR_NOSPC);
    rec_answer = FP_OK;
    assert_int_equal(fp_fs_commit(&f.file, NULL), FP_OK); /* another try */
    rec_take();
    assert_int_equal(fp_fs_commit(&f.file, NULL), FP_ERR_INVAL);
    assert_int_equal(fp_fs_write(&f.file, buf, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_reserve(&f.file, 4), FP_ERR_INVAL);
    assert_int_equal(fp_fs_close(&f.file), FP_OK);
}

static void what_is_open_keeps_the_volume(void **state)
{
    struct fixture f;
    struct fp_dir dir;
    struct fp_stat st;

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_opendir(&f.mnt, &dir, "/"), FP_OK);
    assert_int_equal(fp_fs_unmount(&f.mnt), FP_ERR_BUSY);
    /* A close that fails has closed. */
    rec_answer = FP_ERR_IO;
    assert_int_equal(fp_fs_close(&f.file), FP_ERR_IO);
    assert_int_equal(fp_fs_closedir(&dir), FP_ERR_IO);
    assert_int_equal(fp_fs_unmount(&f.mnt), FP_ERR_IO);
    rec_take();
    assert_int_equal(fp_fs_unmount(&f.mnt), FP_ERR_INVAL);
    assert_int_equal(fp_fs_stat(&f.mnt, "/f", &st), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");
}

static void an_open_that_failed_is_not_open(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    rec_answer = FP_ERR_NOENT;
    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", FP_O_READ),
                     FP_ERR_NOENT);
    assert_int_equal(fp_fs_close(&f.file), FP_ERR_INVAL);
    rec_answer = FP_OK;
    assert_int_equal(fp_fs_unmount(&f.mnt), FP_OK);
}

static void a_read_only_volume_is_never_asked_to_write(void **state)
{
    struct fixture f;
    struct fp_step step = { .kind = FP_STEP_REPAIR };

    (void)state;
    set_up(&f, FP_MOUNT_RDONLY);
    assert_int_equal(fp_fs_open(&f.mnt, &f.file, "/f", FP_O_WRITE),
                     FP_ERR_ROFS);
    assert_int_equal(fp_fs_mkdir(&f.mnt, "/f"), FP_ERR_ROFS);
    assert_int_equal(fp_fs_remove(&f.mnt, "/f"), FP_ERR_ROFS);
    assert_int_equal(fp_fs_rename(&f.mnt, "/f", "/g", 0), FP_ERR_ROFS);
    assert_int_equal(fp_fs_setattr(&f.mnt, "/f", 1, NULL, 0), FP_ERR_ROFS);
    assert_int_equal(fp_fs_settime(&f.mnt, "/f", 0), FP_ERR_ROFS);
    assert_int_equal(fp_fs_step(&f.mnt, &step), FP_ERR_ROFS);
    assert_int_equal(fp_fs_sync(&f.mnt), FP_OK);
    assert_string_equal(rec_take(), "");
}

static void a_device_that_takes_no_writes_makes_it_read_only(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    f.ram.bdev.flags |= FP_BDEV_RDONLY;
    assert_int_equal(
        fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, NULL, f.ws, sizeof f.ws),
        FP_OK);
    assert_int_equal(fp_fs_remove(&f.mnt, "/f"), FP_ERR_ROFS);
    rec_take();
    assert_int_equal(
        fp_fs_format(&rec_ops, &f.ram.bdev, NULL, f.ws, sizeof f.ws),
        FP_ERR_ROFS);
    assert_string_equal(rec_take(), "");
}

static void renames_that_need_no_driver(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_rename(&f.mnt, "/", "/g", 0), FP_ERR_BUSY);
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/", 0), FP_ERR_BUSY);
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/h", 2), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "");
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/g", 0), FP_OK);
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/g", FP_RENAME_NOREPLACE),
                     FP_ERR_EXIST);
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/g/h", 0), FP_ERR_NOTDIR);
    rec_type = FP_TYPE_DIR;
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/g/h", 0), FP_ERR_INVAL);
    assert_string_equal(rec_take(), "stat /g");
    /* A longer name is not below a shorter one. */
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/gh", 0), FP_OK);
    assert_string_equal(rec_take(), "rename /g /gh");
    rec_answer = FP_ERR_NOENT;
    assert_int_equal(fp_fs_rename(&f.mnt, "/g", "/g/h", 0), FP_ERR_NOENT);
}

static void a_mount_without_block_size_asks_the_probe(void **state)
{
    const struct fp_fs_config stated = { .block_size = 64 };
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    assert_int_equal(
        fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, NULL, f.ws, sizeof f.ws),
        FP_OK);
    assert_int_equal(f.mnt.cfg.block_size, 128);
    rec_answer = FP_ERR_NOENT;
    assert_int_equal(
        fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, NULL, f.ws, sizeof f.ws),
        FP_ERR_CORRUPT);
    rec_answer = FP_OK;
    assert_int_equal(
        fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, &stated, f.ws, sizeof f.ws),
        FP_OK);
    assert_int_equal(f.mnt.cfg.block_size, 64);
}

static void workspaces_are_measured_first(void **state)
{
    struct fixture f;
    const struct fp_fs_config cannot = { .cache_size = 13 };

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, NULL, f.ws, 99),
                     FP_ERR_NOMEM);
    assert_int_equal(
        fp_fs_mount(&f.mnt, &rec_ops, &f.ram.bdev, &cannot, f.ws, 100),
        FP_ERR_NOTSUP);
    assert_int_equal(fp_fs_format(&rec_ops, &f.ram.bdev, NULL, f.ws, 99),
                     FP_ERR_NOMEM);
    assert_string_equal(rec_take(), "");
}

static int no_probe(struct fp_bdev *dev, struct fp_fs_config *cfg, int *score)
{
    (void)dev;
    cfg->block_size = 1;
    *score = 100;
    return FP_ERR_CORRUPT;
}

static int better_probe(struct fp_bdev *dev, struct fp_fs_config *cfg,
                        int *score)
{
    (void)dev;
    cfg->block_size = cfg->page_size + 1;
    *score = 41;
    return FP_OK;
}

static int to_beat; /* what the last probe of a searcher was told */

static int search_probe(struct fp_bdev *dev, struct fp_fs_config *cfg,
                        int *score)
{
    (void)dev;
    (void)cfg;
    to_beat = *score;
    *score = 100; /* of no weight without FP_OK */
    return FP_ERR_NOENT;
}

/* One that would have to search is told what it must exceed to be taken. */
static void a_probe_is_told_the_best_score_so_far(void **state)
{
    static const struct fp_fs_ops searcher = { .probe = search_probe };
    static const struct fp_fs_ops better = { .probe = better_probe };
    const struct fp_fs_ops *const list[] = { &rec_ops, &better, &searcher,
                                             NULL };
    const struct fp_fs_ops *ops = NULL;
    struct fp_fs_config cfg = { 0 };
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_probe(list, &f.ram.bdev, &ops, &cfg), FP_OK);
    assert_ptr_equal(ops, &better);
    assert_int_equal(to_beat, 41);
    assert_int_equal(fp_fs_probe(list + 2, &f.ram.bdev, &ops, &cfg),
                     FP_ERR_NOENT);
    assert_int_equal(to_beat, 0);
}

static void the_best_probe_wins(void **state)
{
    static const struct fp_fs_ops broken = { .probe = no_probe };
    static const struct fp_fs_ops mute = { .probe = NULL };
    static const struct fp_fs_ops better = { .probe = better_probe };
    static const struct fp_fs_ops as_good = { .probe = better_probe };
    const struct fp_fs_ops *const list[] = { &broken, &rec_ops, &mute,
                                             &better, &as_good, NULL };
    const struct fp_fs_ops *ops = NULL;
    struct fp_fs_config cfg = { .page_size = 64 };
    struct fixture f;

    (void)state;
    set_up(&f, 0);
    assert_int_equal(fp_fs_probe(list, &f.ram.bdev, &ops, &cfg), FP_OK);
    assert_ptr_equal(ops, &better);
    assert_int_equal(cfg.block_size, 65);
    /* None fits: the trouble that one met is told. */
    assert_int_equal(fp_fs_probe(list + 5, &f.ram.bdev, &ops, &cfg),
                     FP_ERR_NOENT);
    rec_answer = FP_ERR_NOENT;
    assert_int_equal(
        fp_fs_probe(
            (const struct fp_fs_ops *const[]){ &rec_ops, &broken, NULL },
            &f.ram.bdev, &ops, &cfg),
        FP_ERR_CORRUPT);
    assert_int_equal(cfg.block_size, 65);
}

/* A name is a whole one: "b" is neither in "ab=1" nor in "bc=1". */
static void options_are_found_by_their_whole_name(void **state)
{
    const char *options = "ab=1,bc=2,b=30,hex=0x1f,none=,last=7";

    (void)state;
    assert_int_equal(fp_fs_option(options, "b", 9), 30);
    assert_int_equal(fp_fs_option(options, "ab", 9), 1);
    assert_int_equal(fp_fs_option(options, "hex", 9), 31);
    assert_int_equal(fp_fs_option(options, "none", 9), 0);
    assert_int_equal(fp_fs_option(options, "last", 9), 7);
    assert_int_equal(fp_fs_option(options, "a", 9), 9);
    assert_int_equal(fp_fs_option(NULL, "a", 9), 9);
}

/* ---- blank ---- */

/* Sixteen bytes of it took half a program, and answer with a bad check code. */
#define TORN 32u

static int torn_read(struct fp_bdev *dev, fp_addr off, void *buf, uint32_t size)
{
    struct fixture *f =
        (struct fixture *)(void *)((uint8_t *)dev -
                                   offsetof(struct fixture, ram));

    if (off < TORN + 16 && off + size > TORN)
        return FP_ERR_CORRUPT;
    memcpy(buf, f->mem + off, size);
    return FP_OK;
}

/* An erased device, in units of 8 bytes. */
static struct fp_fs_blank begin_blank(struct fixture *f, bool is_torn)
{
    static const struct fp_bdev_ops torn = { .read = torn_read };

    memset(f->mem, 0xff, sizeof f->mem);
    fp_bdev_ram_init(&f->ram, 8, 128, 4, f->mem);
    f->ram.bdev.read_size = 8;
    if (is_torn)
        f->ram.bdev.ops = &torn;
    return (struct fp_fs_blank){
        .dev = &f->ram.bdev, .buf = f->ws, .size = sizeof f->ws, .also = 0xff
    };
}

static int blank_beside(struct fixture *f, struct fp_fs_blank *blank,
                        fp_addr off, uint32_t size)
{
    (void)fp_fs_blank_to(blank, off, size);
    return fp_fs_blank_to(blank, sizeof f->mem, 0);
}

static void blank_is_what_is_erased_but_for_what_is_passed_over(void **state)
{
    struct fixture f;
    struct fp_fs_blank blank = begin_blank(&f, false);

    (void)state;
    assert_int_equal(blank_beside(&f, &blank, 0, 0), 1);
    for (uint32_t at = 0; at < sizeof f.mem; at++) {
        blank = begin_blank(&f, false);
        f.mem[at] = 0x7f;
        assert_int_equal(blank_beside(&f, &blank, at, 1), 1);
        blank.at = 0;
        assert_int_equal(blank_beside(&f, &blank, at + 1, 1), 0);
    }
}

static void what_of_a_text_got_there_is_that_text(void **state)
{
    struct fixture f;
    struct fp_fs_blank blank = begin_blank(&f, false);

    (void)state;
    memcpy(f.mem + 13, "te\xff", 3);
    f.mem[16] = 't' | 0x80;
    fp_fs_blank_but(&blank, 13, "text", 4);
    assert_int_equal(blank_beside(&f, &blank, 13, 4), 1);
    f.mem[15] = 'x' & ~8;
    fp_fs_blank_but(&blank, 13, "text", 4);
    assert_int_equal(blank_beside(&f, &blank, 13, 4), 0);
}

static void a_unit_without_a_good_check_code_may_be_passed_over(void **state)
{
    struct fixture f;
    struct fp_fs_blank blank = begin_blank(&f, true);

    (void)state;
    fp_fs_blank_but(&blank, TORN + 8, "text", 4);
    assert_int_equal(blank_beside(&f, &blank, TORN, 16), 1);
    blank = begin_blank(&f, true);
    assert_int_equal(blank_beside(&f, &blank, TORN, 8), FP_ERR_CORRUPT);
}

/* Where a driver has no seek: neither what failed nor where it was to be makes
 * the file longer, and an end goes with what was written. */
static void a_position_is_kept_for_the_driver(void **state)
{
    struct fp_fs_ops ops = rec_ops;
    struct fixture f;
    char buf[8] = { 0 };

    (void)state;
    set_up(&f, 0);
    ops.seek = NULL;
    f.mnt.ops = &ops;
    f.mnt.file_max = 110;
    assert_int_equal(
        fp_fs_open(&f.mnt, &f.file, "/a", FP_O_READ | FP_O_WRITE | FP_O_CREATE),
        FP_OK);
    assert_int_equal(fp_fs_seek(&f.file, 100, FP_SEEK_SET), 100);
    rec_answer = FP_ERR_IO;
    assert_int_equal(fp_fs_write(&f.file, buf, 8), FP_ERR_IO);
    assert_int_equal(fp_fs_truncate(&f.file, 8), FP_ERR_IO);
    rec_answer = FP_OK;
    assert_int_equal(fp_fs_read(&f.file, buf, 8), 0);
    assert_int_equal(fp_fs_seek(&f.file, 0, FP_SEEK_END), 0);
    assert_int_equal(fp_fs_seek(&f.file, 100, FP_SEEK_CUR), 100);
    assert_int_equal(fp_fs_write(&f.file, buf, 8), 8);
    assert_int_equal(fp_fs_write(&f.file, buf, 3), FP_ERR_FBIG);
    assert_int_equal(fp_fs_truncate(&f.file, 111), FP_ERR_FBIG);
    assert_int_equal(fp_fs_seek(&f.file, -3, FP_SEEK_END), 105);
    assert_int_equal(fp_fs_read(&f.file, buf, 8), 3);
    assert_int_equal(fp_fs_seek(&f.file, 0, FP_SEEK_CUR), 108);
    assert_int_equal(fp_fs_truncate(&f.file, 50), FP_OK);
    assert_int_equal(fp_fs_seek(&f.file, 0, FP_SEEK_END), 50);
    assert_int_equal(fp_fs_close(&f.file), FP_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_paths_stay_outside),
        cmocka_unit_test(a_position_is_kept_for_the_driver),
        cmocka_unit_test(blank_is_what_is_erased_but_for_what_is_passed_over),
        cmocka_unit_test(what_of_a_text_got_there_is_that_text),
        cmocka_unit_test(a_unit_without_a_good_check_code_may_be_passed_over),
        cmocka_unit_test(stored_names_are_the_drivers_affair),
        cmocka_unit_test(names_and_paths_have_a_limit),
        cmocka_unit_test(flags_that_contradict_are_refused),
        cmocka_unit_test(a_handle_does_what_it_was_opened_for),
        cmocka_unit_test(what_is_open_keeps_the_volume),
        cmocka_unit_test(an_open_that_failed_is_not_open),
        cmocka_unit_test(a_read_only_volume_is_never_asked_to_write),
        cmocka_unit_test(a_device_that_takes_no_writes_makes_it_read_only),
        cmocka_unit_test(renames_that_need_no_driver),
        cmocka_unit_test(a_mount_without_block_size_asks_the_probe),
        cmocka_unit_test(workspaces_are_measured_first),
        cmocka_unit_test(a_probe_is_told_the_best_score_so_far),
        cmocka_unit_test(the_best_probe_wins),
        cmocka_unit_test(options_are_found_by_their_whole_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
