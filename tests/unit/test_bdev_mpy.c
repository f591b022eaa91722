/* SPDX-License-Identifier: MIT
 *
 * MicroPython's block protocol: the RAM disk of its tutorial, 50 blocks of 512
 * bytes, in both forms. What the methods there do in Python is done in C here,
 * and what they may not be asked fails.
 */
#include "core/bdev/mpy.h"
#include "core/bdev/ram.h"
#include "core/fs/fat/fat.h"
#include "core/fs/littlefs/littlefs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOCK  512u
#define BLOCKS 50u

struct disk {
    uint8_t data[BLOCK * BLOCKS];
    bool extended;
    int32_t size_answer, fails; /* what ioctl 5 and failing calls answer */
    unsigned calls[7], reads, writes;
};

static struct disk disk;
static struct fp_bdev_mpy mpy;

static void check_range(uint32_t block, uint32_t off, uint32_t size)
{
    assert_true(block < BLOCKS && size > 0);
    if (disk.extended) {
        assert_true(off + size <= BLOCK);
    } else {
        assert_int_equal(off, 0);
        assert_int_equal(size % BLOCK, 0);
        assert_true(block + size / BLOCK <= BLOCKS);
    }
}

static int readblocks(void *ctx, uint32_t block, uint32_t off, void *buf,
                      uint32_t size)
{
    assert_ptr_equal(ctx, &disk);
    check_range(block, off, size);
    disk.reads++;
    memcpy(buf, disk.data + block * BLOCK + off, size);
    return disk.fails;
}

/* The extended form on a flash that only clears bits, as a port's would be. */
static int writeblocks(void *ctx, uint32_t block, uint32_t off, const void *buf,
                       uint32_t size)
{
    const uint8_t *src = buf;

    assert_ptr_equal(ctx, &disk);
    check_range(block, off, size);
    disk.writes++;
    for (uint32_t i = 0; i < size; i++) {
        uint8_t *at = disk.data + block * BLOCK + off + i;

        *at = disk.extended ? *at & src[i] : src[i];
    }
    return disk.fails;
}

static int32_t ioctl_of(void *ctx, enum fp_mpy_ioctl op, uint32_t arg)
{
    assert_ptr_equal(ctx, &disk);
    assert_in_range(op, 1, 6);
    disk.calls[op]++;
    switch (op) {
    case FP_MPY_BLOCK_COUNT:
        return BLOCKS;
    case FP_MPY_BLOCK_SIZE:
        return disk.size_answer;
    case FP_MPY_ERASE:
        assert_true(disk.extended && arg < BLOCKS);
        memset(disk.data + arg * BLOCK, 0xff, BLOCK);
        return disk.fails;
    default:
        return disk.fails;
    }
}

static int start(bool extended, uint32_t prog_size, uint32_t flags)
{
    const struct fp_bdev_mpy_config cfg = {
        .readblocks = readblocks,
        .writeblocks = writeblocks,
        .ioctl = ioctl_of,
        .ctx = &disk,
        .extended = extended,
        .prog_size = prog_size,
        .flags = flags,
    };

    disk.extended = extended;
    return fp_bdev_mpy_init(&mpy, &cfg);
}

static void new_disk(void)
{
    memset(&disk, 0, sizeof disk);
    disk.size_answer = BLOCK;
}

static void the_simple_form_moves_whole_blocks(void **state)
{
    uint8_t buf[3 * BLOCK], seen[3 * BLOCK];

    (void)state;
    new_disk();
    assert_int_equal(start(false, 0, FP_BDEV_ATOMIC_PROG), FP_OK);
    assert_int_equal(disk.calls[FP_MPY_INIT], 1);
    assert_int_equal(mpy.bdev.read_size, BLOCK);
    assert_int_equal(mpy.bdev.prog_size, BLOCK);
    assert_int_equal(mpy.bdev.block_size, BLOCK);
    assert_int_equal(mpy.bdev.block_count, BLOCKS);
    assert_int_equal(mpy.bdev.flags, FP_BDEV_OVERWRITE | FP_BDEV_ATOMIC_PROG);

    memset(buf, 0x5a, sizeof buf);
    assert_int_equal(fp_bdev_prog(&mpy.bdev, 47 * BLOCK, buf, sizeof buf),
                     FP_OK);
    assert_int_equal(disk.writes, 1);
    memset(buf, 0xa5, BLOCK); /* replaces */
    assert_int_equal(fp_bdev_prog(&mpy.bdev, 47 * BLOCK, buf, BLOCK), FP_OK);
    assert_int_equal(fp_bdev_read(&mpy.bdev, 47 * BLOCK, seen, sizeof seen),
                     FP_OK);
    assert_int_equal(disk.reads, 1);
    assert_memory_equal(seen, buf, sizeof buf);
    assert_int_equal(fp_bdev_prog(&mpy.bdev, 1, buf, BLOCK), FP_ERR_INVAL);
    assert_int_equal(fp_bdev_erase(&mpy.bdev, 47, 3), FP_OK);
    assert_int_equal(disk.calls[FP_MPY_ERASE], 0);
    assert_int_equal(fp_bdev_sync(&mpy.bdev), FP_OK);
    assert_int_equal(disk.calls[FP_MPY_SYNC], 1);
    assert_int_equal(fp_bdev_mpy_deinit(&mpy), FP_OK);
    assert_int_equal(disk.calls[FP_MPY_SYNC], 2);
    assert_int_equal(disk.calls[FP_MPY_DEINIT], 1);
}

static void the_extended_form_moves_ranges_and_erases(void **state)
{
    uint8_t buf[1200], seen[1200];

    (void)state;
    new_disk();
    assert_int_equal(start(true, 16, FP_BDEV_ERASED_FF), FP_OK);
    assert_int_equal(mpy.bdev.read_size, 1);
    assert_int_equal(mpy.bdev.prog_size, 16);
    assert_int_equal(mpy.bdev.flags, FP_BDEV_ERASED_FF);
    assert_int_equal(fp_bdev_erase(&mpy.bdev, 10, 4), FP_OK);
    assert_int_equal(disk.calls[FP_MPY_ERASE], 4);
    for (uint32_t i = 0; i < sizeof buf; i++)
        buf[i] = (uint8_t)(i * 3);
    /* Bytes 496 to 1696: blocks 0 to 3 of them. */
    assert_int_equal(fp_bdev_prog(&mpy.bdev, 10 * BLOCK + 496, buf, sizeof buf),
                     FP_OK);
    assert_int_equal(disk.writes, 4);
    assert_int_equal(
        fp_bdev_read(&mpy.bdev, 10 * BLOCK + 496, seen, sizeof seen), FP_OK);
    assert_int_equal(disk.reads, 4);
    assert_memory_equal(seen, buf, sizeof buf);
    assert_memory_equal(disk.data + 10 * BLOCK + 496, buf, sizeof buf);
    assert_int_equal(fp_bdev_read(&mpy.bdev, 10 * BLOCK + 501, seen, 3), FP_OK);
    assert_memory_equal(seen, buf + 5, 3);
}

static void what_ioctl_answers_is_looked_at(void **state)
{
    (void)state;
    new_disk();
    disk.size_answer = 0; /* None: 512 */
    assert_int_equal(start(false, 0, 0), FP_OK);
    assert_int_equal(mpy.bdev.block_size, 512);
    disk.size_answer = -19;
    assert_int_equal(start(false, 0, 0), FP_ERR_NODEV);
    disk.size_answer = BLOCK;
    assert_int_equal(start(true, 48, 0), FP_ERR_INVAL);
    disk.fails = -5;
    assert_int_equal(start(false, 0, 0), FP_ERR_IO);
}

static void errors_keep_their_meaning(void **state)
{
    static const struct {
        int32_t answer;
        int err;
    } expected[] = {
        { -5, FP_ERR_IO },    { -19, FP_ERR_NODEV }, { -30, FP_ERR_ROFS },
        { -16, FP_ERR_BUSY }, { -12, FP_ERR_NOMEM }, { -22, FP_ERR_IO },
        { -1000, FP_ERR_IO }, { -1, FP_ERR_IO },     { 1, FP_OK },
    };
    uint8_t buf[BLOCK] = { 0 };

    (void)state;
    for (int extended = 0; extended < 2; extended++)
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
            new_disk();
            assert_int_equal(start(extended, 0, 0), FP_OK);
            disk.fails = expected[i].answer;
            assert_int_equal(fp_bdev_read(&mpy.bdev, 0, buf, BLOCK),
                             expected[i].err);
            assert_int_equal(fp_bdev_prog(&mpy.bdev, 0, buf, BLOCK),
                             expected[i].err);
            assert_int_equal(fp_bdev_sync(&mpy.bdev), expected[i].err);
            assert_int_equal(fp_bdev_erase(&mpy.bdev, 0, 2),
                             extended ? expected[i].err : FP_OK);
        }
}

/* --- volumes on it -------------------------------------------------------- */

static void *ws;
static struct fp_mount mnt;

static void format_and_mount(const struct fp_fs_ops *ops, bool format,
                             const struct fp_fs_config *cfg)
{
    size_t size = ops->workspace(&mpy.bdev, cfg);

    assert_true(size > 0);
    ws = malloc(size);
    assert_non_null(ws);
    if (format)
        assert_int_equal(fp_fs_format(ops, &mpy.bdev, cfg, ws, size), FP_OK);
    assert_int_equal(fp_fs_mount(&mnt, ops, &mpy.bdev, cfg, ws, size), FP_OK);
}

static void drop(void)
{
    assert_int_equal(fp_fs_unmount(&mnt), FP_OK);
    free(ws);
}

/* As the tutorial does with a file of its own. */
static void write_and_read_back(void)
{
    struct fp_file file;
    char seen[32];

    assert_int_equal(
        fp_fs_open(&mnt, &file, "/hello.txt", FP_O_WRITE | FP_O_CREATE), FP_OK);
    assert_int_equal(fp_fs_write(&file, "Hello world", 11), 11);
    assert_int_equal(fp_fs_close(&file), FP_OK);
    assert_int_equal(fp_fs_open(&mnt, &file, "/hello.txt", FP_O_READ), FP_OK);
    assert_int_equal(fp_fs_read(&file, seen, sizeof seen), 11);
    assert_memory_equal(seen, "Hello world", 11);
    assert_int_equal(fp_fs_close(&file), FP_OK);
}

/* The disk as a file, for the tools of others; `%s` is its name. */
static int with_tools(const char *command, bool take_back)
{
    char path[] = "/tmp/flashport_mpy_XXXXXX", line[512];
    int fd = mkstemp(path), status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, disk.data, sizeof disk.data), sizeof disk.data);
    assert_true(snprintf(line, sizeof line, command, path, path) <
                (int)sizeof line);
    status = system(line);
    if (take_back)
        assert_int_equal(pread(fd, disk.data, sizeof disk.data, 0),
                         sizeof disk.data);
    close(fd);
    unlink(path);
    return status;
}

static void the_tutorials_ram_disk_takes_fat(void **state)
{
    const struct fp_fs_config cfg = { 0 };

    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        new_disk();
        if (!ours) /* 50 sectors are too few for mkfs.fat */
            assert_int_equal(with_tools("mformat -i %s -t 50 -h 1 -s 1 -c 1 "
                                        "-r 1 -L 1 ::",
                                        true),
                             0);
        assert_int_equal(start(false, 0, FP_BDEV_ATOMIC_PROG), FP_OK);
        format_and_mount(&fp_fs_fat, ours, &cfg);
        write_and_read_back();
        drop();
        assert_int_equal(
            with_tools("/usr/sbin/fsck.fat -n %s >/dev/null", false), 0);
        assert_int_equal(with_tools("test \"$(mtype -i %s ::/hello.txt)\" = "
                                    "'Hello world'",
                                    false),
                         0);
    }
}

static void the_extended_form_takes_littlefs(void **state)
{
    const struct fp_fs_config cfg = { .block_size = BLOCK };

    (void)state;
    new_disk();
    assert_int_equal(start(true, 32, FP_BDEV_ERASED_FF), FP_OK);
    format_and_mount(&fp_fs_littlefs, true, &cfg);
    write_and_read_back();
    drop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simple_form_moves_whole_blocks),
        cmocka_unit_test(the_extended_form_moves_ranges_and_erases),
        cmocka_unit_test(what_ioctl_answers_is_looked_at),
        cmocka_unit_test(errors_keep_their_meaning),
        cmocka_unit_test(the_tutorials_ram_disk_takes_fat),
        cmocka_unit_test(the_extended_form_takes_littlefs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
