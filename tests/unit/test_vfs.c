/* SPDX-License-Identifier: MIT
 *
 * The tree of volumes: which volume and which path a call arrives at.
 */
#include "core/bdev/ram.h"
#include "core/vfs/vfs.h"
#include "tests/unit/fs_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct fp_fs_ops *const drivers[] = { &rec_ops, NULL };

struct fixture {
    uint8_t mem[4 * 128], ws[100];
    struct fp_bdev_ram ram;
    struct fp_vfs vfs;
    struct fp_vfs_mount flash, sd, other;
};

static int mount(struct fixture *f, struct fp_vfs_mount *vm, const char *path)
{
    return fp_vfs_mount(&f->vfs, vm, path, &rec_ops, &f->ram.bdev, NULL, f->ws,
                        sizeof f->ws);
}

static void set_up(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    rec_answer = FP_OK;
    fp_bdev_ram_init(&f->ram, 1, 128, 4, f->mem);
    fp_vfs_init(&f->vfs, drivers);
    assert_int_equal(mount(f, &f->flash, "/flash"), FP_OK);
    assert_int_equal(mount(f, &f->sd, "/sd"), FP_OK);
    rec_take();
}

static void a_path_leads_to_its_volume(void **state)
{
    struct fixture f;
    struct fp_vfs_mount *vm;
    const char *rest;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_resolve(&f.vfs, "/sd/a/b", &vm, &rest), FP_OK);
    assert_ptr_equal(vm, &f.sd);
    assert_string_equal(rest, "/a/b");
    assert_int_equal(fp_vfs_resolve(&f.vfs, "/flash", &vm, &rest), FP_OK);
    assert_ptr_equal(vm, &f.flash);
    assert_string_equal(rest, "/");
    assert_int_equal(fp_vfs_resolve(&f.vfs, "/", &vm, &rest), FP_ERR_ISDIR);
    assert_int_equal(fp_vfs_resolve(&f.vfs, "/s", &vm, &rest), FP_ERR_NOENT);
    assert_int_equal(fp_vfs_resolve(&f.vfs, "/sd2/a", &vm, &rest),
                     FP_ERR_NOENT);
}

static void malformed_paths_lead_nowhere(void **state)
{
    static const char *const bad[] = { "",          "sd",      "//",
                                       "/sd/",      "/sd//a",  "//sd",
                                       "/..",       "/.",      "/sd/../flash",
                                       "/sd/a/./b", "/sd/a/.." };
    struct fixture f;
    struct fp_vfs_mount *vm;
    const char *rest;

    (void)state;
    set_up(&f);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(fp_vfs_resolve(&f.vfs, bad[i], &vm, &rest),
                         FP_ERR_INVAL);
    assert_int_equal(fp_vfs_resolve(&f.vfs, NULL, &vm, &rest), FP_ERR_INVAL);
}

static void calls_arrive_with_the_rest_of_the_path(void **state)
{
    struct fixture f;
    struct fp_stat st;
    struct fp_file file;
    struct fp_vfs_dir dir;
    struct fp_dirent entry;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_stat(&f.vfs, "/sd/a", &st), FP_OK);
    assert_string_equal(rec_take(), "stat /a");
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/sd/a", FP_O_READ), FP_OK);
    assert_string_equal(rec_take(), "open /a");
    assert_ptr_equal(file.mnt, &f.sd.mnt);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_vfs_opendir(&f.vfs, &dir, "/sd"), FP_OK);
    assert_string_equal(rec_take(), "opendir /");
    assert_int_equal(fp_vfs_readdir(&dir, &entry), 0);
    assert_string_equal(rec_take(), "readdir");
    assert_int_equal(fp_vfs_closedir(&dir), FP_OK);
    assert_int_equal(fp_vfs_mkdir(&f.vfs, "/flash/d"), FP_OK);
    assert_string_equal(rec_take(), "mkdir /d");
    assert_int_equal(fp_vfs_remove(&f.vfs, "/flash/d/e"), FP_OK);
    assert_string_equal(rec_take(), "remove /d/e");
    assert_int_equal(fp_vfs_rename(&f.vfs, "/sd/a", "/sd/b", 0), FP_OK);
    assert_string_equal(rec_take(), "rename /a /b");
    rec_answer = FP_ERR_CORRUPT;
    assert_int_equal(fp_vfs_stat(&f.vfs, "/sd/a", &st), FP_ERR_CORRUPT);
}

static void a_volume_is_left_by_no_rename(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_rename(&f.vfs, "/sd/a", "/flash/a", 0),
                     FP_ERR_NOTSUP);
    assert_int_equal(fp_vfs_rename(&f.vfs, "/sd/a", "/no/a", 0), FP_ERR_NOENT);
    assert_string_equal(rec_take(), "");
}

static void the_root_takes_no_writes(void **state)
{
    const uint32_t create = FP_O_WRITE | FP_O_CREATE;
    struct fixture f;
    struct fp_stat st;
    struct fp_file file;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_stat(&f.vfs, "/", &st), FP_OK);
    assert_int_equal(st.type, FP_TYPE_DIR);
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/", FP_O_READ), FP_ERR_ISDIR);
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/new", FP_O_READ),
                     FP_ERR_NOENT);
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/new", create), FP_ERR_ROFS);
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/new/f", create),
                     FP_ERR_NOENT);
    assert_int_equal(fp_vfs_mkdir(&f.vfs, "/new"), FP_ERR_ROFS);
    assert_int_equal(fp_vfs_mkdir(&f.vfs, "/"), FP_ERR_ROFS);
    assert_int_equal(fp_vfs_remove(&f.vfs, "/"), FP_ERR_ROFS);
    assert_int_equal(fp_vfs_rename(&f.vfs, "/", "/x", 0), FP_ERR_ROFS);
    assert_int_equal(fp_vfs_rename(&f.vfs, "/sd/a", "/x", 0), FP_ERR_ROFS);
    assert_string_equal(rec_take(), "");
    assert_int_equal(fp_vfs_mkdir(&f.vfs, "/sd"), FP_ERR_EXIST);
    assert_int_equal(fp_vfs_remove(&f.vfs, "/sd"), FP_ERR_BUSY);
}

static void the_root_lists_mount_points_in_order(void **state)
{
    struct fixture f;
    struct fp_vfs_dir dir;
    struct fp_dirent entry;

    (void)state;
    set_up(&f);
    assert_int_equal(mount(&f, &f.other, "/a"), FP_OK);
    assert_int_equal(fp_vfs_opendir(&f.vfs, &dir, "/"), FP_OK);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), 1);
    assert_string_equal(entry.name, "flash");
    assert_int_equal(entry.name_len, 5);
    assert_int_equal(entry.st.type, FP_TYPE_DIR);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), 1);
    assert_string_equal(entry.name, "sd");
    /* A volume that goes in the middle of it leaves nothing dangling. */
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.other), FP_OK);
    memset(&f.other, 0xa5, sizeof f.other);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), 0);
    assert_int_equal(fp_vfs_closedir(&dir), FP_OK);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), FP_ERR_INVAL);
}

static void mount_points_are_one_name_and_taken_once(void **state)
{
    static const char *const bad[] = {
        "", "a", "/", "/a/b", "/a/", "/.", "/.."
    };
    struct fixture f;

    (void)state;
    set_up(&f);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(mount(&f, &f.other, bad[i]), FP_ERR_INVAL);
    assert_int_equal(mount(&f, &f.other, "/sd"), FP_ERR_EXIST);
    assert_int_equal(mount(&f, &f.other, "/1234567890123456"),
                     FP_ERR_NAMETOOLONG);
    assert_int_equal(mount(&f, &f.other, "/123456789012345"), FP_OK);
    assert_string_equal(f.other.path, "/123456789012345");
}

static void a_mount_that_failed_is_not_there(void **state)
{
    struct fixture f;
    struct fp_vfs_mount *vm;

    (void)state;
    set_up(&f);
    rec_answer = FP_ERR_CORRUPT;
    assert_int_equal(mount(&f, &f.other, "/a"), FP_ERR_CORRUPT);
    assert_int_equal(fp_vfs_mount(&f.vfs, &f.other, "/a", NULL, &f.ram.bdev,
                                  NULL, f.ws, sizeof f.ws),
                     FP_ERR_CORRUPT);
    vm = fp_vfs_first(&f.vfs);
    assert_ptr_equal(vm, &f.flash);
    vm = fp_vfs_next(vm);
    assert_ptr_equal(vm, &f.sd);
    assert_null(fp_vfs_next(vm));
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.other), FP_ERR_NOENT);
}

static void probing_finds_the_driver(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_mount(&f.vfs, &f.other, "/a", NULL, &f.ram.bdev,
                                  NULL, f.ws, sizeof f.ws),
                     FP_OK);
    assert_ptr_equal(f.other.mnt.ops, &rec_ops);
    assert_int_equal(f.other.mnt.cfg.block_size, 128);
}

static void unmounting_waits_for_open_files(void **state)
{
    struct fixture f;
    struct fp_file file;
    struct fp_stat st;

    (void)state;
    set_up(&f);
    assert_int_equal(fp_vfs_open(&f.vfs, &file, "/sd/a", FP_O_READ), FP_OK);
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.sd), FP_ERR_BUSY);
    assert_int_equal(fp_vfs_stat(&f.vfs, "/sd/a", &st), FP_OK);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    rec_answer = FP_ERR_IO;
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.sd), FP_ERR_IO);
    assert_int_equal(fp_vfs_stat(&f.vfs, "/sd/a", &st), FP_ERR_NOENT);
}

static void the_card_is_the_default_while_it_is_there(void **state)
{
    struct fixture f;

    (void)state;
    set_up(&f);
    assert_int_equal(mount(&f, &f.other, "/a"), FP_OK);
    assert_ptr_equal(fp_vfs_default(&f.vfs), &f.sd);
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.sd), FP_OK);
    assert_ptr_equal(fp_vfs_default(&f.vfs), &f.flash);
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.flash), FP_OK);
    assert_ptr_equal(fp_vfs_default(&f.vfs), &f.other);
    assert_int_equal(fp_vfs_unmount(&f.vfs, &f.other), FP_OK);
    assert_null(fp_vfs_default(&f.vfs));
}

/* A card is pulled: nothing is written, whoever has a file open there is told,
 * and the mount is free for the next card once all of them have closed. */
static void handles_of_an_abandoned_volume_are_stale(void **state)
{
    struct fixture f;
    struct fp_file file;
    struct fp_vfs_dir dir;
    struct fp_dirent entry;
    uint8_t buf[4];

    (void)state;
    set_up(&f);
    assert_int_equal(
        fp_vfs_open(&f.vfs, &file, "/sd/a", FP_O_READ | FP_O_WRITE), FP_OK);
    assert_int_equal(fp_vfs_opendir(&f.vfs, &dir, "/sd"), FP_OK);
    rec_take();
    fp_vfs_abandon(&f.vfs, &f.sd);
    assert_int_equal(fp_fs_read(&file, buf, sizeof buf), FP_ERR_STALE);
    assert_int_equal(fp_fs_write(&file, buf, sizeof buf), FP_ERR_STALE);
    assert_int_equal(fp_fs_seek(&file, 0, FP_SEEK_SET), FP_ERR_STALE);
    assert_int_equal(fp_fs_truncate(&file, 0), FP_ERR_STALE);
    assert_int_equal(fp_fs_fsync(&file), FP_ERR_STALE);
    assert_int_equal(fp_fs_reserve(&file, 1), FP_ERR_STALE);
    assert_int_equal(fp_vfs_readdir(&dir, &entry), FP_ERR_STALE);
    assert_false(fp_fs_is_free(&f.sd.mnt));
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_false(fp_fs_is_free(&f.sd.mnt));
    assert_int_equal(fp_vfs_closedir(&dir), FP_OK);
    assert_true(fp_fs_is_free(&f.sd.mnt));
    assert_string_equal(rec_take(), ""); /* the driver was not asked */
}

static void an_abandoned_mount_point_is_gone_and_can_be_taken(void **state)
{
    struct fixture f;
    struct fp_stat st;

    (void)state;
    set_up(&f);
    fp_vfs_abandon(&f.vfs, &f.sd);
    assert_ptr_equal(fp_vfs_default(&f.vfs), &f.flash);
    assert_int_equal(fp_vfs_stat(&f.vfs, "/sd/a", &st), FP_ERR_NOENT);
    fp_vfs_abandon(&f.vfs, &f.sd); /* twice is once */
    assert_int_equal(mount(&f, &f.sd, "/sd"), FP_OK);
    assert_ptr_equal(fp_vfs_default(&f.vfs), &f.sd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_to_its_volume),
        cmocka_unit_test(malformed_paths_lead_nowhere),
        cmocka_unit_test(calls_arrive_with_the_rest_of_the_path),
        cmocka_unit_test(a_volume_is_left_by_no_rename),
        cmocka_unit_test(the_root_takes_no_writes),
        cmocka_unit_test(the_root_lists_mount_points_in_order),
        cmocka_unit_test(mount_points_are_one_name_and_taken_once),
        cmocka_unit_test(a_mount_that_failed_is_not_there),
        cmocka_unit_test(probing_finds_the_driver),
        cmocka_unit_test(unmounting_waits_for_open_files),
        cmocka_unit_test(the_card_is_the_default_while_it_is_there),
        cmocka_unit_test(handles_of_an_abandoned_volume_are_stale),
        cmocka_unit_test(an_abandoned_mount_point_is_gone_and_can_be_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
